"""`Call`: one call, from any thread. Commands go to the loop and return at once; properties are snapshots.

iOS: `Call`. A call is made by `TxClient.new_call` and is kept up to date until it is `DONE`; after that it keeps its
last values, its transcript and its termination reason for as long as you hold it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from uuid import UUID

import attrs

from ._protocol.outcomes import CallDetails
from ._protocol.states import CallState, CallStateKind, CallTerminationReason
from ._runtime.waiting import Watch
from .errors import CallError

if TYPE_CHECKING:
    from ._drivers.sound import CallSound
    from ._media.bridge import AudioBridge
    from ._media.peer import MediaStats
    from ._media.player import Playback, PlaySource
    from ._media.recorder import StereoRecorder
    from ._media.turns import TurnLatency
    from ._protocol.conversation import TranscriptionItem
    from ._protocol.requests import CallOptions
    from ._runtime.futures import CommandFuture
    from .audio import AudioDevice

__all__ = ["Call", "TxCallInfo"]

_C = TypeVar("_C", bound="Call")
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
    on_delegate_thread: Callable[[], bool]


class Call:
    """One call with the assistant. Every method may be called from any thread and inside any callback.

    As a context manager it hangs up at the end of the block:

        with client.new_call() as call:
            call.wait_until_active(timeout=10)
    """

    def __init__(self, options: CallOptions, bridge: AudioBridge, port: CallPort) -> None:
        """Calls are made by `TxClient.new_call`."""
        self._options = options
        self._bridge = bridge
        self._port = port
        self._state = Watch(CallState.NEW)
        self._details = CallDetails()
        self._transcript: tuple[TranscriptionItem, ...] = ()
        self._recorder: StereoRecorder | None = None
        self._turns: tuple[TurnLatency, ...] = ()
        self._on_audio_level: Callable[[float, float], object] | None = None
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
    def call_info(self) -> TxCallInfo:
        """Id, caller and destination as they were given to `new_call`."""
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
        return _uuid(self._details.telnyx_session_id)

    @property
    def telnyx_leg_id(self) -> UUID | None:
        """Telnyx's leg id of the call, once the server has sent it."""
        return _uuid(self._details.telnyx_leg_id)

    @property
    def telnyx_call_control_id(self) -> str | None:
        """Telnyx's call control id ("v3:..."), once the server has sent it."""
        return self._details.telnyx_call_control_id

    @property
    def invite_custom_headers(self) -> Mapping[str, str]:
        """The custom headers that were given to `new_call`."""
        return MappingProxyType(dict(self._options.custom_headers))

    @property
    def answer_custom_headers(self) -> Mapping[str, str]:
        """The custom headers that came with the answer."""
        return MappingProxyType(dict(self._details.answer_custom_headers))

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The transcript of this call, in order. Stays after the call, and after the next one."""
        return self._transcript

    @property
    def setup_time(self) -> float | None:
        """Seconds from `new_call` to `ACTIVE`; None before."""
        return self._active_after

    @property
    def media_setup_time(self) -> float | None:
        """Seconds from `new_call` until audio could flow; None before."""
        return self._media_after

    # -- commands ----------------------------------------------------------------------------------------------------

    def hangup(self, cause: str | None = None, cause_code: int | None = None) -> CommandFuture[None]:
        """End the call. Returns at once; a call that is not out yet is cancelled, one that has ended is no error.

        Args:
            cause: The hang-up cause for the far end; by default `USER_BUSY` before the answer, `NORMAL_CLEARING`
                after it.
            cause_code: The number that goes with `cause`.

        Returns:
            A future that is done when the call's media and audio device are closed.
        """
        return self._port.hangup(self._options.call_id, cause, cause_code)

    def mute_audio(self) -> None:
        """Send silence from here on. Takes effect with the next 20 ms packet; nothing is signalled."""
        self._bridge.muted = True

    def unmute_audio(self) -> None:
        """Send the microphone again."""
        self._bridge.muted = False

    @property
    def is_muted(self) -> bool:
        """Whether silence is sent in place of the microphone; what was asked for, also before the call is up."""
        return self._bridge.muted

    def discard_playback(self) -> None:
        """Throw away what the agent has said and was not heard yet, at most some tenths of a second.

        It happens by itself when the assistant says that it was interrupted.
        """
        self._bridge.flush()

    # -- levels, devices ---------------------------------------------------------------------------------------------

    @property
    def input_level(self) -> float:
        """The level of what is sent now, 0.0 to 1.0."""
        return self._bridge.input_level

    @property
    def output_level(self) -> float:
        """The level of what is heard now, 0.0 to 1.0."""
        return self._bridge.output_level

    @property
    def on_audio_level(self) -> Callable[[float, float], object] | None:
        """Your function `(inbound, outbound)`, called on the delegate's thread 20 times a second while media is up.

        For a level meter of this call; the delegate's method of the same name gets those of all calls. Both levels are
        root mean squares, 0.0 to 1.0: of the agent's voice, and of what is sent.
        """
        return self._on_audio_level

    @on_audio_level.setter
    def on_audio_level(self, listener: Callable[[float, float], object] | None) -> None:
        self._on_audio_level = listener
        if listener is not None:
            self._port.watch_levels(self._options.call_id)

    def set_audio_device(self, device: AudioDevice) -> CommandFuture[None]:
        """Go on with another audio device. Mute, recording and transcript are kept; the gap is what opening takes.

        Returns:
            A future that is done when the new device plays. Its error is a `MediaError` when it cannot be opened (the
            call goes on with the old one), or a `CallError` when the call has no media now.
        """
        return self._port.with_sound(self._options.call_id, lambda sound: sound.exchange(device))

    def set_audio_in_device(self, device: int | str | None) -> CommandFuture[None]:
        """Choose another microphone. JavaScript: `setAudioInDevice`.

        Args:
            device: An index of `list_devices()`, a part of a name, or None for the system's default.

        Returns:
            A future, as that of `set_audio_device`; also in error when the call's device is not a sound card's.
        """
        return self._port.with_sound(self._options.call_id, lambda sound: sound.switch({"input": device}))

    def set_audio_out_device(self, device: int | str | None) -> CommandFuture[None]:
        """Choose another loudspeaker, as `set_audio_in_device`. JavaScript: `setAudioOutDevice`."""
        return self._port.with_sound(self._options.call_id, lambda sound: sound.switch({"output": device}))

    @property
    def turns(self) -> tuple[TurnLatency, ...]:
        """How long the user waited for each of the agent's answers so far."""
        return self._turns

    def stats(self) -> CommandFuture[MediaStats | None]:
        """Media statistics so far: packets, loss, jitter, round trip, concealment.

        Returns:
            A future with a `MediaStats`; None before there is a peer connection. Its error is a `CallError` after the
            call.
        """
        return self._port.stats(self._options.call_id)

    # -- recording and playing ---------------------------------------------------------------------------------------

    def record(self, path: str | os.PathLike[str] | BinaryIO) -> None:
        """Write the call to a stereo WAV from here on: left what was sent, right what was heard, 48 kHz, 16 bit.

        The file is complete when the call is over or `stop_recording` was called. Ask for consent where the law wants
        it.

        Args:
            path: A path, whose file is replaced, or a binary file, which is left open.

        Raises:
            CallError: This call is being recorded already.
            MediaError: The file cannot be written.
        """
        from ._media.recorder import StereoRecorder

        if self._recorder is not None and not self._recorder.closed:
            raise CallError(
                "this call is being recorded already; call stop_recording() first", call_id=str(self.call_id)
            )
        self._recorder = StereoRecorder(path, on_error=self._bridge.device_failed)
        self._bridge.recorder = self._recorder

    @property
    def is_recording(self) -> bool:
        """Whether the call is written to a file now; False while paused."""
        recorder = self._recorder
        return recorder is not None and not recorder.closed and not recorder.paused

    def pause_recording(self) -> None:
        """Leave out what is said from here on, on both sides. Does nothing when nothing is recorded."""
        if self._recorder is not None:
            self._recorder.pause()

    def resume_recording(self) -> None:
        """Go on with the recording after `pause_recording`; what was left out leaves no gap in the file."""
        if self._recorder is not None:
            self._recorder.resume()

    def stop_recording(self) -> None:
        """End the recording and complete the file. Does nothing when there is none.

        Raises:
            MediaError: The file is not complete, because the disk was full for example; `on_client_error` has said so
                when it happened.
        """
        recorder, self._recorder = self._recorder, None
        self._bridge.recorder = None
        if recorder is not None and (error := recorder.finish()) is not None:
            raise error

    def play(self, source: PlaySource, *, mix: bool = True, gain: float = 1.0, sample_rate: int = 48000) -> Playback:
        """Play a file or samples into the call: the agent hears them. Mute silences this, too.

        What is played while something else is being played comes after it.

        Args:
            source: The path of a WAV file; mono 16-bit samples (bytes or a numpy array); or an iterable of such.
            mix: Whether the microphone is heard at the same time; False replaces it.
            gain: A factor, 1.0 as it is.
            sample_rate: Of samples, in Hz; a file knows its own.

        Returns:
            A handle to wait for the end, or to stop.

        Raises:
            CallError: The call is over.
            MediaError: The file cannot be read or is no WAV.
        """
        return self._bridge.player.play(source, mix=mix, gain=gain, sample_rate=sample_rate)

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
        wanted = frozenset(s.kind for s in ([state] if isinstance(state, CallState) else state))
        passed = wanted <= _SETTING_UP

        def reached(now: CallState) -> bool:
            return now.kind in wanted or now.is_terminal or (passed and now.kind not in _SETTING_UP)

        found = self._state.wait(reached, timeout)
        if found.is_terminal and CallStateKind.DONE not in wanted:
            names = " or ".join(sorted(kind.name for kind in wanted))
            raise _ended_too_early(self, found.termination_reason, names)
        return found

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

    # -- fed by the hub, on the loop thread --------------------------------------------------------------------------

    def _apply_state(self, state: CallState) -> None:
        if state == CallState.ACTIVE and self._active_after is None:
            self._active_after = time.monotonic() - self._started_at
        self._state.set(state)

    def _apply_details(self, details: CallDetails) -> None:
        self._details = details

    def _apply_media_connected(self) -> None:
        self._media_after = time.monotonic() - self._started_at

    def _apply_turn(self, turn: TurnLatency) -> None:
        self._turns = (*self._turns, turn)

    def _apply_transcript(self, items: Sequence[TranscriptionItem]) -> None:
        self._transcript = tuple(items)


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None


def _ended_too_early(call: Call, reason: CallTerminationReason | None, wanted: str) -> Exception:
    error = None if reason is None else reason.error
    if error is not None:
        return error
    why: Any = "no reason was given" if reason is None else reason
    return CallError(
        f"the call ended before it became {wanted}: {why}",
        call_id=str(call.call_id),
        cause=None if reason is None else reason.cause,
    )
