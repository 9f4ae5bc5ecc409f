"""`CallBase`: what every part of `Call` stands on - which call it is, its state, how to wait for it, how to end it.

`Call` is put together from classes that derive from this one, one for each thing that can be done with a call; each is
in a module of its own (`_call_*.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import attrs

from ._call_ids import call_uuid
from ._protocol.details import CallDetails
from ._protocol.states import CallState, CallStateKind, CallTerminationReason
from ._runtime.waiting import Watch
from .errors import CallError

if TYPE_CHECKING:
    from ._drivers.sound import CallSound
    from ._media.bridge import AudioBridge
    from ._media.peer import MediaStats
    from ._media.turns import TurnLatency
    from ._protocol.conversation import TranscriptionItem
    from ._protocol.requests import CallOptions
    from ._protocol.session import Session
    from ._protocol.warnings import WarningCode
    from ._runtime.futures import CommandFuture

__all__ = ["CallBase", "CallPort", "TxCallInfo"]

_C = TypeVar("_C", bound="CallBase")
_SETTING_UP = frozenset({CallStateKind.NEW, CallStateKind.CONNECTING, CallStateKind.RINGING})


@attrs.frozen
class TxCallInfo:
    """What identifies a call. iOS: `TxCallInfo`."""

    call_id: UUID
    caller_name: str = attrs.field(repr=False)
    caller_number: str = attrs.field(repr=False)
    destination_number: str = attrs.field(repr=False)


@attrs.frozen
class CallPort:
    """The commands of a call, as the client hands them to it."""

    hangup: Callable[[str, str | None, int | None], CommandFuture[None]]
    stats: Callable[[str], CommandFuture[MediaStats | None]]
    with_sound: Callable[[str, Callable[[CallSound], None]], CommandFuture[None]]
    watch_levels: Callable[[str], CommandFuture[None]]
    perform: Callable[[Callable[[Session, float], Any]], CommandFuture[Any]]
    request: Callable[[Callable[[Session, float], str]], CommandFuture[None]]
    on_delegate_thread: Callable[[], bool]
    answer: Callable[[Any, tuple[tuple[str, str], ...], bool | None, tuple[Any, ...]], CommandFuture[None]]
    ask: Callable[[str, UUID, bool], CommandFuture[str]]
    forget_question: Callable[[CommandFuture[str]], None]
    session_id: Callable[[], str]
    warn: Callable[[WarningCode, str], CommandFuture[None]]


class CallBase:
    """The state of a call. Any thread, unless it says otherwise."""

    def __init__(self, options: CallOptions, bridge: AudioBridge, port: CallPort) -> None:
        """Calls are made by `TxClient.new_call`, or come in."""
        self._options = options
        self._bridge = bridge
        self._port = port
        self._state = Watch(CallState.NEW)
        self._previous_state: CallState | None = None
        self._details = CallDetails()
        self._transcript: tuple[TranscriptionItem, ...] = ()
        self._turns: tuple[TurnLatency, ...] = ()
        self._on_audio_level: Callable[[float, float], object] | None = None
        self._marks = bridge.marks
        self._marks.mark("new_call")
        self._started_at = time.monotonic()
        self._active_after: float | None = None
        self._media_after: float | None = None

    def __repr__(self) -> str:
        return f"<Call {self.call_id} {self.state}>"

    def __enter__(self: _C) -> _C:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        future = self.hangup()
        if not self._port.on_delegate_thread():
            future.result(timeout=5.0)

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def call_id(self) -> UUID:
        """The id that the delegate gets; also in Telnyx's logs."""
        return UUID(self._options.call_id)

    @property
    def session_id(self) -> str:
        """The id of the session that the call belongs to: `TxClient.session_id`. iOS: `sessionId`."""
        return self._port.session_id()

    @property
    def call_info(self) -> TxCallInfo:
        """Id, caller and destination as they were given to `new_call`, or as the server gave them."""
        options = self._options
        return TxCallInfo(self.call_id, options.caller_name, options.caller_number, options.destination_number)

    @property
    def state(self) -> CallState:
        """The state now. It may be ahead of the callbacks that the delegate has seen so far."""
        return self._state.get()

    @property
    def call_state(self) -> CallState:
        """iOS's name for `state`."""
        return self.state

    @property
    def termination_reason(self) -> CallTerminationReason | None:
        """Why the call ended: cause, codes, SIP fields, error. None until it is `DONE`."""
        return self.state.termination_reason

    @property
    def telnyx_session_id(self) -> UUID | None:
        """Telnyx's session id of the call, once the server has sent it."""
        return call_uuid(self._details.telnyx_session_id)

    @property
    def telnyx_leg_id(self) -> UUID | None:
        """Telnyx's leg id of the call, once the server has sent it."""
        return call_uuid(self._details.telnyx_leg_id)

    @property
    def telnyx_call_control_id(self) -> str | None:
        """Telnyx's call control id ("v3:..."), once the server has sent it."""
        return self._details.telnyx_call_control_id

    @property
    def invite_custom_headers(self) -> Mapping[str, str]:
        """The custom headers that were given to `new_call`, or that came with the call."""
        return MappingProxyType(dict(self._options.custom_headers))

    @property
    def answer_custom_headers(self) -> Mapping[str, str]:
        """The custom headers that came with the answer, or that were given to `answer`."""
        return MappingProxyType(dict(self._details.answer_custom_headers))

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The transcript of this call, in order. Stays after the call, and after the next one.

        The server does not say which call its words belong to. With several calls of a client at once, an item is given
        to the call whose id or conversation the server names, if it does; else to the call in which was asked, typed or
        heard something last. `TxClient.transcript` has the items of all of them.
        """
        items = self._transcript
        if all(item.call_id == self.call_id for item in items):
            return items
        return tuple(item for item in items if item.call_id == self.call_id)

    @property
    def setup_time(self) -> float | None:
        """Seconds from `new_call`, or from `answer`, to `ACTIVE`; None before."""
        return self._active_after

    @property
    def media_setup_time(self) -> float | None:
        """Seconds from `new_call`, or from `answer`, until audio could flow; None before."""
        return self._media_after

    # -- the end -----------------------------------------------------------------------------------------------------

    def hangup(self, cause: str | None = None, cause_code: int | None = None) -> CommandFuture[None]:
        """End the call. Returns at once; a call that is not out yet is cancelled, one that has ended is no error.

        Args:
            cause: The hang-up cause for the far end; by default `USER_BUSY` before the answer, `NORMAL_CLEARING`
                after it.
            cause_code: The number that goes with `cause`.

        Returns:
            A future that is done when the call's media and audio device are closed.
        """
        self._bridge.is_ending = True
        return self._port.hangup(self._options.call_id, cause, cause_code)

    # -- waiters -----------------------------------------------------------------------------------------------------

    def wait_for_state(self, state: CallState | Iterable[CallState], timeout: float | None = None) -> CallState:
        """Block until the call is in a state, or in one of several. One Ctrl-C interrupts.

        Waiting for a state of the set-up (`NEW`, `CONNECTING`, `RINGING`) that has passed already returns at once.

        Args:
            state: What to wait for; reasons are not compared.
            timeout: Seconds; None waits for ever.

        Returns:
            The state that was waited for, with its reason.

        Raises:
            CallError: The call ended and will not get there; its text says why.
            TxTimeoutError: The time was up; the call goes on.
        """
        reached, settle = self._reaches(state)
        return settle(self._state.wait(reached, timeout))

    def _reaches(
        self, state: CallState | Iterable[CallState]
    ) -> tuple[Callable[[CallState], bool], Callable[[CallState], CallState]]:
        """Whether a state ends the wait for `state`; and what the wait comes to with it, or which error it raises."""
        wanted = frozenset(s.kind for s in ([state] if isinstance(state, CallState) else state))
        passed = wanted <= _SETTING_UP

        def reached(now: CallState) -> bool:
            return now.kind in wanted or now.is_terminal or (passed and now.kind not in _SETTING_UP)

        def settle(found: CallState) -> CallState:
            if found.is_terminal and CallStateKind.DONE not in wanted:
                names = " or ".join(sorted(kind.name for kind in wanted))
                raise _ended_too_early(self, found.termination_reason, names)
            return found

        return reached, settle

    def wait_until_active(self, timeout: float | None = None) -> None:
        """Block until the assistant has answered; `wait_for_state(CallState.ACTIVE, timeout)`."""
        self.wait_for_state(CallState.ACTIVE, timeout)

    def wait_until_ended(self, timeout: float | None = None) -> CallTerminationReason:
        """Block until the call is over, whoever ends it. One Ctrl-C interrupts.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            TxTimeoutError: The time was up; the call goes on.
        """
        found = self._state.wait(lambda now: now.is_terminal, timeout)
        return found.termination_reason or CallTerminationReason()

    def _over(self) -> Exception:
        """The refusal of a command that needs a call that is up."""
        return CallError("the call is over", call_id=self.call_id)

    # -- fed by the hub, on the loop thread --------------------------------------------------------------------------

    def _apply_state(self, state: CallState) -> None:
        if state == CallState.ACTIVE and self._active_after is None:
            self._active_after = time.monotonic() - self._started_at
            self._marks.mark("active")
        if state.is_terminal:
            # Before anybody can know: what has a thread cannot begin after its call's end.
            self._bridge.end()
        self._previous_state = self._state.get()
        self._state.set(state)

    def _apply_details(self, details: CallDetails) -> None:
        self._details = details

    def _apply_progress(self, step: str) -> None:
        self._marks.mark(step)

    def _apply_media_connected(self) -> None:
        self._media_after = time.monotonic() - self._started_at

    def _apply_turn(self, turn: TurnLatency) -> None:
        self._turns = (*self._turns, turn)

    def _apply_transcript(self, items: Sequence[TranscriptionItem]) -> None:
        # Those of all calls that overlap with this one: to sort them out with each word would cost the loop more than
        # it costs whoever reads them. What comes after the call is not its.
        if not self.state.is_terminal:
            self._transcript = tuple(items)


def _ended_too_early(call: CallBase, reason: CallTerminationReason | None, wanted: str) -> Exception:
    error = None if reason is None else reason.error
    if error is not None:
        return error
    why: Any = "no reason was given" if reason is None else reason
    return CallError(
        f"the call ended before it became {wanted}: {why}",
        call_id=call.call_id,
        cause=None if reason is None else reason.cause,
    )
