"""With `TELNYX_AGENT_RECORD_ALL=1`: every client of every test is recorded, and each recording is looked through.

None may hold what `taint` has seen go over the wire, each must be complete and replayable, with nothing in it that a
delegate could not be told. A client that is recorded must behave as any other, so the tests are its tests as well.
"""

from __future__ import annotations

import itertools
import os
import re
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from telnyx_agent import SessionRecording, TxClient, TxError
from telnyx_agent.testing import RecordingDelegate, replay

__all__ = ["IS_WANTED", "AllRecorded"]

IS_WANTED = bool(os.environ.get("TELNYX_AGENT_RECORD_ALL"))


class AllRecorded:
    """Records the clients of one test after the other. Made once; `end` after each."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="telnyx-agent-recorded-")
        self._numbers = itertools.count()
        self._recordings: list[SessionRecording] = []

    def install(self) -> None:
        """Record every client, from now on."""
        make, record = TxClient.__init__, TxClient.record_session
        own: weakref.WeakKeyDictionary[TxClient, SessionRecording] = weakref.WeakKeyDictionary()

        def recorded(client: TxClient, *args: Any, **kwargs: Any) -> None:
            make(client, *args, **kwargs)
            path = Path(self._folder.name) / f"{next(self._numbers)}.ndjson"
            own[client] = record(client, path)
            self._recordings.append(own[client])

        def record_instead(client: TxClient, *args: Any, **kwargs: Any) -> SessionRecording:
            # A test that records a client itself has the client for itself.
            if (recording := own.pop(client, None)) is not None:
                recording.stop()
            return record(client, *args, **kwargs)

        TxClient.__init__ = recorded  # type: ignore[assignment, method-assign]
        TxClient.record_session = record_instead  # type: ignore[assignment, method-assign]

    def end(self, secrets: Iterable[str]) -> list[str]:
        """What was found: empty if all is well."""
        recordings, self._recordings = self._recordings, []
        pattern = re.compile("|".join(re.escape(secret) for secret in secrets) or r"(?!)")
        return [found for recording in recordings for found in _faults(recording, pattern)]


def _faults(recording: SessionRecording, secrets: re.Pattern[str]) -> Iterator[str]:
    try:
        recording.stop()
    except TxError as error:
        yield f"a recording failed: {error}"
        return
    path = Path(recording.path)
    text = path.read_text(encoding="ascii")
    if match := secrets.search(text):
        yield f"{match[0]!r} is in a recording: ...{text[max(0, match.start() - 100) : match.end() + 60]}"
    if '"type":"unrecordable"' in text:
        yield "something could not be recorded"
    delegate = RecordingDelegate(levels=True, quality=True, messages=True)
    result = replay(path, delegate)
    if not result.is_complete or result.lines_left_out or result.callbacks != len(delegate.events):
        yield f"a recording is not complete: {result}"
    if "Unknown(" in repr([event.args for event in delegate.events]):
        yield "a recording has a value that cannot be made again"
    path.unlink()
