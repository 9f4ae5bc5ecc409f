"""The call reports that clients have posted to the local agent, as they do to Telnyx. Any thread."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import attrs

from ._bounds import POST_BYTES, Kept

__all__ = ["PostLog", "PostedReport"]


@attrs.frozen
class PostedReport:
    """A call report that a client has posted.

    Attributes:
        call_id: The call's id, of the header `x-call-id`.
        report_id: The key that came with `REGED`, of `x-call-report-id`.
        voice_sdk_id: Of `x-voice-sdk-id`.
        status: What the client was answered: 200, 400 (a header is missing, or the body is no JSON object), 401 (no
            session has this key) or 413 (more than 2 MB).
        data: What was posted; empty when it was not taken.
    """

    call_id: str
    report_id: str = attrs.field(repr=False)
    voice_sdk_id: str = attrs.field(repr=False)
    status: int
    data: bytes = attrs.field(repr=False)

    @property
    def body(self) -> dict[str, Any]:
        """The report: `summary`, `stats`, `logs`; a fresh copy, empty when it was not taken."""
        body: dict[str, Any] = json.loads(self.data) if self.data else {}
        return body


class PostLog:
    """All reports, oldest first, as many of the newest as `POST_BYTES` has room for. Any thread."""

    def __init__(self) -> None:
        self._reports: Kept[PostedReport] = Kept(POST_BYTES)
        self._changed = threading.Condition()

    def add(self, report: PostedReport) -> None:
        """Record one."""
        with self._changed:
            # Its headers have 16 KB at most.
            self._reports.add(report, len(report.data) + len(report.call_id) + len(report.report_id))
            self._changed.notify_all()

    def snapshot(self) -> tuple[PostedReport, ...]:
        """What came up to now."""
        with self._changed:
            return tuple(self._reports)

    def wait_for(self, predicate: Callable[[PostedReport], bool], timeout: float) -> PostedReport:
        """The first of which something is true, as soon as there is one.

        Raises:
            TimeoutError: There was none in time.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for report in self._reports:
                    if predicate(report):
                        return report
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise TimeoutError(f"no such call report within {timeout} s; there were {len(self._reports)}")
                self._changed.wait(remaining)
