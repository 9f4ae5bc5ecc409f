"""`Settings`: where the local agent's server listens, whom it lets in and how it behaves."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ._credentials import Credentials
from .scenario import Scenario

__all__ = ["Settings"]


@attrs.frozen
class Settings:
    """What a server needs to know; see `LocalAgent`."""

    host: str
    port: int
    scenarios: tuple[Scenario, ...]
    greeting: str
    media: bool
    accept: Callable[[str], bool]
    """Must not raise."""
    credentials: Credentials
