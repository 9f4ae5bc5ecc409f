"""Ids of calls: text on the wire and in JSON, a `UUID` in everything public, as `Call.call_id` is."""

from __future__ import annotations

from uuid import UUID

__all__ = ["call_uuid"]


def call_uuid(call_id: UUID | str | None) -> UUID | None:
    """The id of a call as public values have it; None for None, and for a text that is no UUID."""
    if call_id is None or isinstance(call_id, UUID):
        return call_id
    try:
        return UUID(call_id)
    except (AttributeError, TypeError, ValueError):
        return None
