"""`frozen`: for values that are made for every frame, and that only the SDK's own code gets to see.

The type checker knows them as immutable, like all others. That nobody else changes them is not checked again while they
are made: it would take twice the time of all the rest of making them, a tenth of what a frame costs in all.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import attrs

__all__ = ["frozen"]

if TYPE_CHECKING:
    from attrs import frozen
else:
    frozen = functools.partial(attrs.define, unsafe_hash=True)
