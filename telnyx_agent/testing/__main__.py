"""`python -m telnyx_agent.testing`: a local Telnyx as a program."""

import sys

from .server import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m telnyx_agent.testing"))
