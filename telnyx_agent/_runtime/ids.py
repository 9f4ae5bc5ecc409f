"""Ids for what is new."""

from __future__ import annotations

import uuid

__all__ = ["new_id"]


def new_id() -> str:
    """A UUID in lower case."""
    return str(uuid.uuid4())
