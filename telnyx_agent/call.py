"""`Call`: one call, from any thread. Commands go to the loop and return at once; properties read a snapshot.

iOS: `Call`. A call is made by `TxClient.new_call` and is kept up to date until it is `DONE`; after that it keeps its
last values, its transcript and its termination reason for as long as you hold it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar
from uuid import UUID

import attrs

from ._arguments import checked_arguments
from ._call_ids import call_uuid
from ._call_media import checked_device, claims
from ._call_timings import CallTimings, timings
from ._callables import check_function
from ._checks import check_message, checked_headers
from ._protocol.states import CallDirection, CallState, CallStateKind, CallTerminationReason
from ._protocol.warnings import TxWarning, WarningCode
from ._runtime.futures import CommandFuture
from ._session_handle import not_connected
from ._tools.runner import check_not_inside_tool
from .audio.device import check_hardware
from .codecs import TxCodecCapability, checked_codecs
from .errors import CallError, LocalProtocolError, TxTimeoutError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._call_record import CallRecord, CallSnapshot
    from ._drivers.sound import CallSound
    from ._media.call_audio import AudioBridge
    from ._media.player import Playback, PlaySource
    from ._media.rtc.peer import MediaStats
    from ._media.turn_latency import TurnLatency
    from ._protocol.conversation.transcription import TranscriptionItem
    from ._protocol.wire.requests import CallOptions
    from ._quality.metrics import CallQualityMetrics
    from ._quality.report import CallReport
    from ._session_handle import SessionHandle
    from .audio import AudioDevice, AudioProcessor
    from .audio.processing import AudioConstraints
    from .codecs import OpusSettings

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


class Answering(Protocol):
    """How a call that came in is taken: makes its media, and gives the command."""

    def __call__(
        self,
        record: CallRecord,
        bridge: AudioBridge,
        options: CallOptions,
        headers: tuple[tuple[str, str], ...],
        muted: bool | None,
        debug: bool,
        own_choices: tuple[Any, ...],
    ) -> CommandFuture[None]: ...


@checked_arguments
class Call:
    """One call, with the assistant or with anybody. Every method may be called from any thread and inside any callback.

    As a context manager it hangs up at the end of the block:

        with client.new_call() as call:
            call.wait_until_active(timeout=10)
    """

    def __init__(self, record: CallRecord, bridge: AudioBridge, handle: SessionHandle, answering: Answering) -> None:
        """Calls are made by `TxClient.new_call`, or come in."""
        self._record = record
        self._bridge = bridge
        self._handle = handle
        self._answering = answering

    def __repr__(self) -> str:
        return f"<Call {self.call_id} {self.state}>"

    def __enter__(self: _C) -> _C:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        future = self.hangup()
        if not self._handle.is_in_callback:
            future.result(timeout=5.0)

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def call_id(self) -> UUID:
        """The id that the delegate gets; also in Telnyx's logs."""
        return UUID(self._record.call_id)

    @property
    def session_id(self) -> str:
        """The id of the session that the call belongs to: `TxClient.session_id`. iOS: `sessionId`."""
        return self._handle.session_id

    @property
    def direction(self) -> CallDirection:
        """Who called whom."""
        return self._now.options.direction

    @property
    def call_info(self) -> TxCallInfo:
        """Id, caller and destination as they were given to `new_call`, or as the server gave them."""
        options = self._now.options
        return TxCallInfo(self.call_id, options.caller_name, options.caller_number, options.destination_number)

    @property
    def client_state(self) -> str | None:
        """The client state, base64 as on the wire: the server's, if it has sent one; else that of `new_call`."""
        now = self._now
        return now.details.client_state or now.options.client_state

    @property
    def telnyx_session_id(self) -> UUID | None:
        """Telnyx's session id of the call, once the server has sent it."""
        return call_uuid(self._now.details.telnyx_session_id)

    @property
    def telnyx_leg_id(self) -> UUID | None:
        """Telnyx's leg id of the call, once the server has sent it."""
        return call_uuid(self._now.details.telnyx_leg_id)

    @property
    def telnyx_call_control_id(self) -> str | None:
        """Telnyx's call control id ("v3:..."), once the server has sent it."""
        return self._now.details.telnyx_call_control_id

    @property
    def datacenter(self) -> str | None:
        """The name of the media server that has the call, if it tells. Flutter: `resolvedDatacenter`."""
        return self._now.details.datacenter

    @property
    def invite_custom_headers(self) -> Mapping[str, str]:
        """The custom headers that were given to `new_call`, or that came with the call."""
        return MappingProxyType(dict(self._now.options.custom_headers))

    @property
    def answer_custom_headers(self) -> Mapping[str, str]:
        """The custom headers that came with the answer, or that were given to `answer`."""
        return MappingProxyType(dict(self._now.details.answer_custom_headers))

    @property
    def bye_custom_headers(self) -> Mapping[str, str]:
        """The custom headers that came with the far end's hang-up."""
        return MappingProxyType(dict(self._now.details.bye_custom_headers))

    # -- its states ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> CallState:
        """The state now. It may be ahead of the callbacks that the delegate has seen so far. iOS: `callState`."""
        return self._now.state

    @property
    def previous_state(self) -> CallState | None:
        """The state before the present one; None before the first change."""
        return self._now.previous_state

    @property
    def termination_reason(self) -> CallTerminationReason | None:
        """Why the call ended: cause, codes, SIP fields, error. None until it is `DONE`."""
        return self.state.termination_reason

    @property
    def on_state_changed(self) -> Callable[[CallState], object] | None:
        """Your function `(state)`, called on the delegate's thread for each new state of this call, `DONE` last.

        It comes just after the delegate's `on_call_state_updated`. Flutter: `call.callHandler.onCallStateChanged`.

        Raises:
            ClientConfigurationError: When it is set: no plain function of one parameter.
        """
        return self._record.callbacks.on_state_changed

    @on_state_changed.setter
    def on_state_changed(self, listener: Callable[[CallState], object] | None) -> None:
        if listener is not None:
            check_function("on_state_changed", listener, "(state)")
        self._record.callbacks.on_state_changed = listener

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
        return settle(self._record.watch.wait(lambda now: reached(now.state), timeout).state)

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
        found = self._record.watch.wait(lambda now: now.state.is_terminal, timeout)
        return found.state.termination_reason or CallTerminationReason()

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

    # -- the answer, and the end ---------------------------------------------------------------------------------------

    def answer(
        self,
        custom_headers: Mapping[str, str] | None = None,
        debug: bool = False,
        *,
        audio: AudioDevice | None = None,
        muted: bool | None = None,
        audio_constraints: AudioConstraints | None = None,
        audio_processor: AudioProcessor | None = None,
        opus: OpusSettings | None = None,
        preferred_codecs: Iterable[TxCodecCapability | Mapping[str, Any] | str] | None = None,
    ) -> CommandFuture[None]:
        """Take the call. Returns at once; it is `CONNECTING`, then `ACTIVE`. iOS: `answer(customHeaders:debug:)`.

        Args:
            custom_headers: SIP headers for the caller; names start with `X-`.
            debug: Send the quality samples to Telnyx too, for its debugging tools, as `new_call(debug=True)` does.
            audio: The audio device of this call, in place of the client's. Each call opens its own: two calls at once
                are two microphones and loudspeakers, or one card that mixes.
            muted: Start muted, or not; when not given, as it is: `mute_audio()` may be called while it rings.
            audio_constraints: What is done about echo, noise and level, in place of the client's.
            audio_processor: Your own processor in place of what the constraints ask for; used for this call only.
            opus: How Opus is encoded, in place of the client's.
            preferred_codecs: Of the codecs that the caller offers, these come first in the answer, as in
                `TxClient.new_call`.

        Returns:
            A future that is done when the call is `ACTIVE`: the server has confirmed the answer. Its error says why the
            call ended before, or is a `LocalProtocolError` for a call that you make, or have answered already.

        Raises:
            ClientConfigurationError: An argument is unusable.
        """
        headers, codecs = checked_headers(custom_headers), checked_codecs(preferred_codecs)
        options = self._now.options
        if codecs:
            options = attrs.evolve(options, preferred_codecs=codecs)
        own_choices = (audio, audio_constraints, audio_processor, opus)
        return self._answering(self._record, self._bridge, options, headers, muted, debug, own_choices)

    def reject(self, cause: str | None = None, cause_code: int | None = None) -> CommandFuture[None]:
        """Turn the call down; the same as `hangup()` before the answer. Flutter: `rejectCall`.

        Args:
            cause: What the caller is told: `"USER_BUSY"` (17) when not given, as in all official SDKs, which keeps
                TeXML from calling again; `"CALL_REJECTED"` (21) for "declined".
            cause_code: The number that goes with `cause`.

        Returns:
            A future that is done when the call is over.
        """
        return self.hangup(cause, cause_code)

    def hangup(
        self,
        cause: str | None = None,
        cause_code: int | None = None,
        custom_headers: Mapping[str, str] | None = None,
    ) -> CommandFuture[None]:
        """End the call. Returns at once; a call that is not out yet is cancelled, one that has ended is no error.

        Args:
            cause: The hang-up cause for the far end; by default `USER_BUSY` before the answer, `NORMAL_CLEARING`
                after it.
            cause_code: The number that goes with `cause`.
            custom_headers: SIP headers for the far end; names start with `X-`.

        Returns:
            A future that is done when the call's media and audio device are closed.

        Raises:
            ClientConfigurationError: A header is unusable.
        """
        headers = checked_headers(custom_headers)
        call_id = self._record.call_id
        if headers:
            self._handle.perform(lambda session, now: session.calls.set_bye_headers(call_id, headers))
        self._bridge.is_ending = True
        return self._handle.command(lambda driver: driver.hangup, call_id, cause, cause_code)

    # -- hold, DTMF ----------------------------------------------------------------------------------------------------

    def hold(self) -> CommandFuture[None]:
        """Put the call on hold. The state becomes `HELD` when the server has confirmed it, and not before.

        While held, silence is sent and nothing is heard, though the connection stays up; mute is not touched. A held
        call is still held after a reconnection. Commands are served one after the other; one that is given while the
        connection is lost waits for it.

        Returns:
            A future that is done when the call is held. Its error is a `CallError` with code 44001 when the call was
            not answered yet, when the server refuses or does not answer within 10 s (the call goes on as it was), or
            when the call ends first.
        """
        return self._hold("HOLD")

    def unhold(self) -> CommandFuture[None]:
        """Go on with a held call, as `hold`."""
        return self._hold("UNHOLD")

    def toggle_hold(self) -> CommandFuture[None]:
        """`hold` an active call, `unhold` a held one: what it is when the commands before this one are done."""
        return self._hold("TOGGLE")

    @property
    def is_held(self) -> bool:
        """Whether the server has confirmed that the call is on hold."""
        return self._bridge.held

    def dtmf(self, digits: str, *, gap: float = 0.0) -> CommandFuture[None]:
        """Press telephone keys, after those that are still being pressed. Only in an `ACTIVE` call.

        They go to the network as keys, not as tones in the sound, and the network makes the tones. How long these are
        is its choice, as with all official SDKs.

        Args:
            digits: `0` to `9`, `A` to `D`, `*` and `#`; between them the pauses `,` (2 s), `w` (0.5 s) and `W` (1 s).
            gap: Seconds from one key to the next, 10 at most. 0 leaves it to the network.

        Returns:
            A future that is done when the server has confirmed the last key. Its error is a `CallError`: the call is
            not active (any more), the connection was lost, or the server refused; the call goes on.

        Raises:
            ClientConfigurationError: There are no keys, or something that is none.
        """
        from ._protocol.calls.dtmf import key_runs

        runs = key_runs(digits, gap)
        call_id = self._record.call_id
        return self._handle.request(lambda session, now: session.calls.press_keys(call_id, runs, now))

    # -- mute and deaf -------------------------------------------------------------------------------------------------

    def mute_audio(self) -> None:
        """Send silence from here on. Takes effect with the next 20 ms packet; nothing is signalled."""
        self._bridge.muted = True

    def unmute_audio(self) -> None:
        """Send the microphone again."""
        self._bridge.muted = False

    def toggle_mute(self) -> bool:
        """Mute a call that is not muted, and the other way round. iOS: `muteUnmute()`.

        Returns:
            Whether the call is muted now.
        """
        self._bridge.muted = not self._bridge.muted
        return self._bridge.muted

    @property
    def is_muted(self) -> bool:
        """Whether silence is sent in place of the microphone; what was asked for, also before the call is up."""
        return self._bridge.muted

    def deaf_audio(self) -> None:
        """Hear nothing from here on; what is said meanwhile is lost. Nothing is signalled."""
        self._bridge.deaf = True

    def undeaf_audio(self) -> None:
        """Hear again."""
        self._bridge.deaf = False

    def toggle_deaf(self) -> bool:
        """Deafen a call that is not deaf, and the other way round.

        Returns:
            Whether nothing is heard now.
        """
        self._bridge.deaf = not self._bridge.deaf
        return self._bridge.deaf

    @property
    def is_deaf(self) -> bool:
        """Whether silence is heard in place of the agent; what was asked for, also before the call is up."""
        return self._bridge.deaf

    # -- the conversation ----------------------------------------------------------------------------------------------

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The transcript of this call, in order. Stays after the call, and after the next one.

        The server does not say which call its words belong to. With several calls of a client at once, an item is given
        to the call whose id or conversation the server names, if it does; else to the call in which was asked, typed or
        heard something last. `TxClient.transcript` has the items of all of them.
        """
        items, call_id = self._record.transcript, self.call_id
        if all(item.call_id == call_id for item in items):
            return items
        return tuple(item for item in items if item.call_id == call_id)

    def ask(self, text: str, timeout: float | None = 30.0, *, barge_in: bool = False) -> str:
        """Send a typed question and wait for the agent's complete answer. One Ctrl-C interrupts the wait.

        The question is sent when the agent listens: when the call is up, its greeting is over, and it has finished what
        it says. An agent that does not begin to greet within 1.5 s of the answer to the call is not waited for, one
        that begins to answer something else for 5 s, and one that goes on speaking for 20 s.

        The answer is everything that the agent says after the question, until it has finished; where it asks for a
        client-side tool, what it says to the result belongs to it. It is what was sent as text, which may be complete
        before its sound is. While the call is being set up, or its connection is lost, the question waits. Several
        threads may ask at once: the questions are asked one after the other, those of a client's other calls too. (No
        message says which call it is for: with several calls at once, the server decides who answers.)

        Args:
            text: The question.
            timeout: Seconds, those spent in waiting for other questions included; None waits for as long as the call
                lasts.
            barge_in: Ask at once, whatever the agent is saying: it is interrupted. An agent that has not begun to greet
                may then do so after the question, and its greeting is taken for the answer.

        Raises:
            AnswerInterruptedError: Somebody spoke or wrote before the answer was complete; `text` is what there was.
            CallError: There is no call that can be asked, or it ended before the answer was complete.
            ClientConfigurationError: The text is blank or too long; nothing was sent.
            LocalProtocolError: This is the delegate's thread or a tool's. All callbacks, or the agent, would have to
                wait for the answer; ask on another thread.
            TxTimeoutError: There was no complete answer in time. The question stays asked.
        """
        if self._handle.is_in_callback:
            raise LocalProtocolError(
                "ask() inside a callback would hold up all callbacks until the agent has answered; "
                "ask on another thread, or use send_ai_assistant_message()"
            )
        question = self._ask(text, barge_in)
        try:
            return question.result(timeout)
        except TxTimeoutError as exc:
            if question.done():
                raise
            why = "; the call is on hold, so it does not hear you: unhold() it first" if self._bridge.held else ""
            raise TxTimeoutError(
                f"the agent did not answer completely within {timeout:g} s{why}", call_id=self.call_id
            ) from exc
        finally:
            self._forget_question(question)

    @property
    def turns(self) -> tuple[TurnLatency, ...]:
        """How long the user waited for each of the agent's answers so far."""
        return self._now.turns

    # -- recording and playing -----------------------------------------------------------------------------------------

    def record(self, path: str | os.PathLike[str] | BinaryIO) -> None:
        """Write the call to a stereo WAV from here on: left what was sent, right what was heard, 48 kHz, 16 bit.

        The file is complete when the call is over or `stop_recording` was called. Ask for consent where the law wants
        it.

        Args:
            path: A path, whose file is replaced, or a binary file, which is left open.

        Raises:
            CallError: This call is being recorded already, or it is over.
            MediaError: The file cannot be written.
            ClientConfigurationError: It is neither a path nor a file.
        """
        self._bridge.record(path, self._record.call_id)

    @property
    def is_recording(self) -> bool:
        """Whether the call is written to a file now; False while paused."""
        recorder = self._bridge.recorder
        return recorder is not None and not recorder.closed and not recorder.paused

    def pause_recording(self) -> None:
        """Leave out what is said from here on, on both sides. Does nothing when nothing is recorded."""
        recorder = self._bridge.recorder
        if recorder is not None:
            recorder.pause()

    def resume_recording(self) -> None:
        """Go on with the recording after `pause_recording`; what was left out leaves no gap in the file."""
        recorder = self._bridge.recorder
        if recorder is not None:
            recorder.resume()

    def stop_recording(self) -> None:
        """End the recording and complete the file. Does nothing when there is none.

        Raises:
            MediaError: The file is not complete, because the disk was full for example; `on_client_error` has said so
                when it happened.
        """
        recorder = self._bridge.take_recorder()
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
            CallError: The call is over, or 100 playbacks wait already.
            MediaError: The file cannot be read or is no WAV.
        """
        return self._bridge.player.play(source, mix=mix, gain=gain, sample_rate=sample_rate)

    def discard_playback(self) -> None:
        """Throw away what the agent has said and was not heard yet, at most some tenths of a second.

        It happens by itself when the assistant says that it was interrupted.
        """
        self._bridge.flush()

    # -- audio devices and levels --------------------------------------------------------------------------------------

    def set_audio_device(self, device: AudioDevice) -> CommandFuture[None]:
        """Go on with another audio device. Mute, recording and transcript are kept; the gap is what opening takes.

        Returns:
            A future that is done when the new device plays. Its error is a `MediaError` when it cannot be opened (the
            call goes on with the old one), or a `CallError` when the call has no media now.

        Raises:
            ClientConfigurationError: It is no audio device, or serves another call.
            MediaError: It certainly cannot be opened.
        """
        checked_device("device", device)
        before = tuple(self._bridge.devices)
        claims.take("device", self._bridge, device)

        def exchange(sound: CallSound) -> None:
            sound.exchange(device)
            # Here and not in a callback of the future: whoever waits for that may use the old device at once.
            for unused in before:
                claims.give_back(self._bridge, unused)

        def give_back_if_it_failed(done: Future[None]) -> None:
            if done.exception() is not None:
                claims.give_back(self._bridge, device)

        future = self._with_sound(exchange)
        future.add_done_callback(give_back_if_it_failed)
        return future

    def set_audio_in_device(self, device: int | str | None, muted: bool | None = None) -> CommandFuture[None]:
        """Choose another microphone.

        Args:
            device: An index of `list_devices()`, a part of a name, or None for the system's default.
            muted: Mute the call, or not, once the other microphone is in use; None leaves it as it is.

        Returns:
            A future, as that of `set_audio_device`; also in error when the call's device is not a sound card's. Where
            the call has no media, warning 33009 is raised too.
        """
        check_hardware("device", device)

        def switch(sound: CallSound) -> None:
            sound.switch({"input": device})
            if muted is not None:
                self._bridge.muted = bool(muted)

        future = self._with_sound(switch)
        future.add_done_callback(self._warn_of_skipped_change)
        return future

    def set_audio_out_device(self, device: int | str | None) -> CommandFuture[None]:
        """Choose another loudspeaker, as `set_audio_in_device`."""
        check_hardware("device", device)
        return self._with_sound(lambda sound: sound.switch({"output": device}))

    def reset_audio_device(self) -> CommandFuture[None]:
        """Close the call's audio device and open it again. iOS: `resetAudioDevice()`.

        For sound that has gone wrong in the driver. Mute, recording and transcript are kept.

        Returns:
            A future that is done when the device plays again. Its error is a `MediaError` when it cannot be opened, or
            a `CallError` when the call has no media now.
        """
        return self._with_sound(lambda sound: sound.reset())

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

        Raises:
            ClientConfigurationError: When it is set: no plain function of two parameters.
        """
        return self._record.callbacks.on_audio_level

    @on_audio_level.setter
    def on_audio_level(self, listener: Callable[[float, float], object] | None) -> None:
        if listener is not None:
            check_function("on_audio_level", listener, "(inbound, outbound)")
        self._record.callbacks.on_audio_level = listener
        if listener is not None:
            self._handle.post(lambda driver: driver.watch_levels, self._record.call_id)

    # -- quality -------------------------------------------------------------------------------------------------------

    def stats(self) -> CommandFuture[MediaStats | None]:
        """Media statistics so far: packets, loss, jitter, round trip, concealment.

        Returns:
            A future with a `MediaStats`; None before there is a peer connection. Its error is a `CallError` after the
            call.
        """
        return self._handle.command(lambda driver: driver.call_stats, self._record.call_id, refusal=not_connected())

    @property
    def quality_metrics(self) -> CallQualityMetrics:
        """The latest metrics; `CallQualityMetrics.empty()` until the call's media is up."""
        return self._now.metrics

    @property
    def on_call_quality_change(self) -> Callable[[CallQualityMetrics], object] | None:
        """Your function `(metrics)`, called on the delegate's thread at the call's `quality_interval`.

        iOS: `onCallQualityChange`, Android and Flutter likewise; here it needs no debug flag and works for calls in
        both directions. Metrics that could not be delivered because a callback took its time are left out, not queued.

        Raises:
            ClientConfigurationError: When it is set: no plain function of one parameter.
        """
        return self._record.callbacks.on_call_quality_change

    @on_call_quality_change.setter
    def on_call_quality_change(self, listener: Callable[[CallQualityMetrics], object] | None) -> None:
        if listener is not None:
            check_function("on_call_quality_change", listener, "(metrics)")
        self._record.callbacks.on_call_quality_change = listener

    @property
    def warnings(self) -> tuple[TxWarning, ...]:
        """What is not as it should be now: warnings that were raised and not cleared, oldest first."""
        return self._now.warnings

    @property
    def report(self) -> CallReport:
        """Everything about the call until now, for JSON: `call.report.to_json()`. After the call it is final.

        Contains nothing that was said and no number, name, header, address or credential.
        """
        return self._record.report

    @property
    def report_upload(self) -> Future[int] | None:
        """The upload of the report, for clients with `enable_call_reports`: a future with the HTTP status.

        None before the call's end, and where nothing is uploaded. You need not wait for it; a process that ends before
        it is done loses the upload.
        """
        return self._now.upload

    @property
    def timings(self) -> CallTimings:
        """How long each step of the set-up took, as far as the call has come."""
        return timings(self._record.marks.snapshot())

    @property
    def setup_time(self) -> float | None:
        """Seconds from `new_call`, or from `answer`, to `ACTIVE`; None before."""
        return self._now.setup_time

    @property
    def media_setup_time(self) -> float | None:
        """Seconds from `new_call`, or from `answer`, until audio could flow; None before."""
        return self._now.media_setup_time

    def ice_restart(self) -> CommandFuture[None]:
        """Make the audio path anew. iOS: `iceRestart(completion:)`; Flutter: `restartIce()`.

        Needed rarely: a lost path is noticed and repaired by itself. aiortc cannot restart ICE, so the connection is
        made anew and the server hands the call back, as after a lost network (R56): all calls of the client are
        `DROPPED` for a moment, and become what they were with everything that they had.

        Returns:
            A future that is done when that has begun; wait for `ACTIVE` with `wait_for_state`. Its error is a
            `CallError` when the call has no media that were up, or a `SocketConnectionError` when there is no
            connection.
        """
        call_id = self._record.call_id
        if self._now.media_setup_time is None:
            raise CallError("the call has no audio path yet that could be made anew", call_id=call_id)
        error = CallError("the audio path is made anew, as the program has asked for", code=33001, call_id=call_id)
        return self._handle.perform(lambda session, now: session.media_lost(call_id, error, now, was_up=True))

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> CallSnapshot:
        return self._record.snapshot

    def _hold(self, name: str) -> CommandFuture[None]:
        from ._protocol.calls.hold import HoldWish

        wish, call_id = HoldWish[name], self._record.call_id
        return self._handle.request(lambda session, now: session.calls.hold(call_id, wish, now))

    def _ask(self, text: str, barge_in: bool = False) -> CommandFuture[str]:
        """Send the question; the future gets the answer."""
        check_not_inside_tool()
        check_message(text, ())
        if self.state.is_terminal:
            return CommandFuture.settled(error=CallError("the call is over", call_id=self.call_id))
        return self._handle.command(
            lambda driver: driver.ask, self._record.call_id, text, bool(barge_in), refusal=not_connected()
        )

    def _forget_question(self, question: CommandFuture[str]) -> None:
        """Nobody waits for this answer any more."""
        if not question.done():
            self._handle.post(lambda driver: driver.forget_question, question)

    def _with_sound(self, job: Callable[[CallSound], None]) -> CommandFuture[None]:
        return self._handle.command(
            lambda driver: driver.with_sound, self._record.call_id, job, refusal=not_connected()
        )

    def _warn_of_skipped_change(self, done: Future[None]) -> None:
        if isinstance(done.exception(), CallError):
            self._handle.post(
                lambda driver: driver.warn, WarningCode.AUDIO_INPUT_DEVICE_CHANGE_SKIPPED, self._record.call_id
            )


def _ended_too_early(call: Call, reason: CallTerminationReason | None, wanted: str) -> Exception:
    error = None if reason is None else reason.error
    if error is not None:
        return error
    why: Any = "no reason was given" if reason is None else reason
    return CallError(
        f"the call ended before it became {wanted}: {why}",
        call_id=call.call_id,
        cause=None if reason is None else reason.cause,
    )
