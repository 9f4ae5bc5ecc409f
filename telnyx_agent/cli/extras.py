"""Which of the packages that not everybody has are installed."""

from __future__ import annotations

import importlib.util

__all__ = ["ADVICE", "is_installed"]

ADVICE = 'pip install "telnyx-agent[demo]"'
"""How to get everything that the local agent needs."""


def is_installed(module: str) -> bool:
    """Whether a module could be imported; it is not."""
    return importlib.util.find_spec(module) is not None
