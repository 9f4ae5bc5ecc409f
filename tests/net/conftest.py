"""Programs of their own, as for `tests/runtime`."""

from __future__ import annotations

from tests.runtime.conftest import loop, run_program

__all__ = ["loop", "run_program"]
