"""`python -m telnyx_agent`: the same as the command `telnyx-agent`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
