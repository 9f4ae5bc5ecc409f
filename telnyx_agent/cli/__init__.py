"""The command line `telnyx-agent` (also `python -m telnyx_agent`): `demo`, `talk`, `devices`, `emulate`,
`replay`.

Transcripts and results go to stdout, everything else to stderr. Exit codes are in `exits.py` and in `--help`.
"""

from .app import main

__all__ = ["main"]
