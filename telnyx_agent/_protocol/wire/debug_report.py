"""The frames by which the official SDKs tell Telnyx's debugging tools of a call's statistics (protocol.md 7.1).

They have neither `method` nor `params`, and no answer. They go out only for calls placed with `debug=True`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .requests import Frame

__all__ = ["debug_report_data", "debug_report_start", "debug_report_stop"]

VERSION = 1


def debug_report_start(frame_id: str, report_id: str, call_id: str) -> Frame:
    """Data will follow."""
    return _frame("debug_report_start", frame_id, report_id, call_id)


def debug_report_data(
    frame_id: str, report_id: str, call_id: str, *, connection_id: str, timestamp: str, stats: Mapping[str, Any]
) -> Frame:
    """One sample: `getStats` reports by their ids."""
    data = {
        "event": "stats",
        "tag": "stats",
        "peerId": call_id,
        "connectionId": connection_id,
        "data": dict(stats),
        "timestamp": timestamp,
        "statsObject": dict(stats),
    }
    return {**_frame("debug_report_data", frame_id, report_id, call_id), "debug_report_data": data}


def debug_report_stop(frame_id: str, report_id: str, call_id: str) -> Frame:
    """That was all."""
    return _frame("debug_report_stop", frame_id, report_id, call_id)


def _frame(kind: str, frame_id: str, report_id: str, call_id: str) -> Frame:
    return {
        "jsonrpc": "2.0",
        "id": frame_id,
        "type": kind,
        "debug_report_id": report_id,
        "debug_report_version": VERSION,
        "call_id": call_id,
    }
