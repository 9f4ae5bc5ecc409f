"""What a call reports, for people (`TextReporter`) or as one JSON object per line (`JsonReporter`)."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import attrs

from .._protocol.states import AgentState, CallState, CallTerminationReason
from ..errors import TxError
from .console import Console

if TYPE_CHECKING:
    from .._protocol.conversation.transcription import TranscriptionItem

__all__ = ["CallEnd", "JsonReporter", "Reporter", "TextReporter", "is_typed"]


@attrs.frozen
class CallEnd:
    """How a call ended. `call_id` and `reason` are None if the login failed, `duration` if nobody answered."""

    call_id: str | None
    duration: float | None
    """Seconds from the answer to the end."""
    reason: CallTerminationReason | None
    failure: TxError | None
    """What went wrong, if the call did not end as it should have."""


class Reporter(Protocol):
    """Told of everything that happens in a call, on the main thread."""

    def status(self, text: str) -> None:
        """Something that a user in front of a terminal would like to know."""

    def ready(self, session_id: str) -> None:
        """Logged in."""

    def reconnecting(self, attempt: int, delay: float, error: TxError) -> None:
        """The connection was lost; `attempt` to make it again is made in `delay` seconds."""

    def reconnected(self) -> None:
        """The connection is back."""

    def call_state(self, state: CallState, call_id: str) -> None:
        """The call changed its state."""

    def item(self, item: TranscriptionItem) -> None:
        """An item of the transcript is new or changed."""

    def agent_state(self, state: AgentState) -> None:
        """The agent began to listen, think or speak."""

    def error(self, error: TxError) -> None:
        """Something failed, and the call goes on."""

    def failed(self, error: TxError) -> None:
        """The login or the call failed; `ended` follows, and the command ends with this error."""

    def ended(self, end: CallEnd) -> None:
        """The call is over; the last report."""


class TextReporter:
    """The transcript on stdout, as it grows; the rest on stderr, in few words.

    Args:
        console: Prints.
        shows_typed: Whether to print what the user typed; a terminal has shown it already.
    """

    def __init__(self, console: Console, *, shows_typed: bool = True) -> None:
        self._console = console
        self._shows_typed = shows_typed
        self._printed: dict[str, str] = {}

    def status(self, text: str) -> None:
        """A line."""
        self._console.status(text)

    def ready(self, session_id: str) -> None:
        """A line."""
        self._console.status("logged in")

    def reconnecting(self, attempt: int, delay: float, error: TxError) -> None:
        """A line for each attempt: somebody sits there and hears nothing."""
        self._console.status(f"connection lost, reconnecting (attempt {attempt} in {delay:.1f} s)")

    def reconnected(self) -> None:
        """A line."""
        self._console.status("reconnected")

    def call_state(self, state: CallState, call_id: str) -> None:
        """A line, for states that say something new."""
        # The first two are there at once, and why a call ended is told at its end.
        if state not in (CallState.NEW, CallState.CONNECTING, CallState.DONE):
            self._console.status(f"call {str(state).lower()}")

    def item(self, item: TranscriptionItem) -> None:
        """One line for each final item; what is partial grows in place on a terminal."""
        if item.role == "user" and is_typed(item) and not self._shows_typed:
            return
        speaker = "agent" if item.role == "assistant" else "you"
        text = item.content + _images(len(item.image_urls))
        if item.is_partial:
            self._console.partial(speaker, text)
        elif self._printed.get(item.id) != text:
            self._printed[item.id] = text
            self._console.final(speaker, text)

    def agent_state(self, state: AgentState) -> None:
        """Not worth a line: it is heard."""

    def error(self, error: TxError) -> None:
        """A line."""
        self._console.status(f"error: {error}")

    def failed(self, error: TxError) -> None:
        """The command's last line says so."""

    def ended(self, end: CallEnd) -> None:
        """How long it was, and who ended it."""
        if end.duration is not None:
            self._console.status(f"call ended after {end.duration:.1f} s: {_why(end)}")


class JsonReporter:
    """One JSON object per line on stdout: `event`, `time` (seconds since the start) and the event's own members.

    Events: `ready`, `reconnecting`, `reconnected`, `call_state`, `transcript`, `agent_state`, `error` and, always last,
    `ended`.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._start = time.monotonic()

    def status(self, text: str) -> None:
        """Not for programs."""

    def ready(self, session_id: str) -> None:
        """With `session_id`."""
        self._write("ready", session_id=session_id)

    def reconnecting(self, attempt: int, delay: float, error: TxError) -> None:
        """With `attempt` (from 1), `delay` in seconds, and why as `code` and `message`."""
        self._write("reconnecting", attempt=attempt, delay=round(delay, 3), code=error.code, message=str(error))

    def reconnected(self) -> None:
        """With nothing."""
        self._write("reconnected")

    def call_state(self, state: CallState, call_id: str) -> None:
        """With `state` and `call_id`."""
        self._write("call_state", state=state.value, call_id=call_id)

    def item(self, item: TranscriptionItem) -> None:
        """With `item`, a `TranscriptionItem.to_dict()`; one for each change, `is_partial` until it is complete."""
        self._write("transcript", item=item.to_dict())

    def agent_state(self, state: AgentState) -> None:
        """With `state`."""
        self._write("agent_state", state=state.value)

    def error(self, error: TxError) -> None:
        """With `type`, `code` and `message`."""
        self._write("error", type=type(error).__name__, code=error.code, message=str(error))

    def failed(self, error: TxError) -> None:
        """As any other error."""
        self.error(error)

    def ended(self, end: CallEnd) -> None:
        """With `ok`, `call_id`, `duration` in seconds, `hung_up_by` and the cause as far as it is known."""
        reason = end.reason
        self._write(
            "ended",
            ok=end.failure is None,
            call_id=end.call_id,
            duration=None if end.duration is None else round(end.duration, 3),
            hung_up_by=None if reason is None else "caller" if reason.is_local else "agent",
            cause=None if reason is None else reason.cause,
            cause_code=None if reason is None else reason.cause_code,
            sip_code=None if reason is None else reason.sip_code,
            sip_reason=None if reason is None else reason.sip_reason,
        )

    def _write(self, event: str, **members: Any) -> None:
        line = {"event": event, "time": round(time.monotonic() - self._start, 3), **members}
        print(json.dumps(line, default=str), file=self._out, flush=True)


def is_typed(item: TranscriptionItem) -> bool:
    """Whether an item of the user's was typed rather than said."""
    return (item.item_type or "").startswith("text_message")


def _why(end: CallEnd) -> str:
    if end.reason is None or end.reason.is_local:
        return "you hung up"
    return "the agent hung up" if end.failure is None else str(end.reason)


def _images(count: int) -> str:
    return f" [{count} image{'s' if count > 1 else ''}]" if count else ""
