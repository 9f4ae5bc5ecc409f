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
    """A function that answers a call that came in: it makes the call's media and gives the command."""

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
        """Id, caller and destination, as `new_call` got them, or as the server sent them."""
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
        """The name of the call's media server, if the server has sent it. Flutter: `resolvedDatacenter`."""
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
            timeout: Seconds; None: no limit.

        Returns:
            The state that was waited for, with its reason.

        Raises:
            CallError: The call ended before it was in the state; the text says why.
            TxError: The same, where the call ended with another error.
            TxTimeoutError: The call was not in the state in time. It goes on.
        """
        reached, settle = self._reaches(state)
        return settle(self._record.watch.wait(lambda now: reached(now.state), timeout).state)

    def wait_until_active(self, timeout: float | None = None) -> None:
        """Block until the assistant has answered; `wait_for_state(CallState.ACTIVE, timeout)`."""
        self.wait_for_state(CallState.ACTIVE, timeout)

    def wait_until_ended(self, timeout: float | None = None) -> CallTerminationReason:
        """Block until the call is over, whoever ends it. One Ctrl-C interrupts.

        Args:
            timeout: Seconds; None: no limit.

        Raises:
            TxTimeoutError: The call did not end in time. It goes on.
        """
        found = self._record.watch.wait(lambda now: now.state.is_terminal, timeout)
        return found.state.termination_reason or CallTerminationReason()

    def _reaches(
        self, state: CallState | Iterable[CallState]
    ) -> tuple[Callable[[CallState], bool], Callable[[CallState], CallState]]:
        """Two functions for a wait: whether a state ends it, and its result for that state (which may be an error)."""
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
            muted: Start muted, or not. When not given: muted if `mute_audio()` was called while it rang.
            audio_constraints: What is done about echo, noise and level, in place of the client's.
            audio_processor: Your own processor in place of what the constraints ask for; used for this call only.
            opus: How Opus is encoded, in place of the client's.
            preferred_codecs: Of the codecs that the caller offers, these come first in the answer, as in
                `TxClient.new_call`.

        Returns:
            A future that is done when the call is `ACTIVE`: the server has confirmed the answer. Its error says why the
            call ended before that, or is a `LocalProtocolError` for a call that you made or have answered already.

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
        """Refuse the call; the same as `hangup()` before the answer. Flutter: `rejectCall`.

        Args:
            cause: The cause that the caller gets. When not given, `"USER_BUSY"` (17), as in all official SDKs; it keeps
                TeXML from calling again. `"CALL_REJECTED"` (21) means "declined".
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
        """End the call. Returns at once. A call that was not sent yet is cancelled; if it has ended, nothing happens.

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

        While the call is held, silence is sent and nothing is heard. The connection stays up, and mute stays as it is.
        A held call is still held after a reconnection. Commands are carried out one after the other. A command that is
        given while the connection is lost waits for the next connection.

        Returns:
            A future that is done when the call is held. Its error is a `CallError` with code 44001 when the call was
            not answered yet, when the server refuses or does not answer within 10 s (the call goes on as it was), or
            when the call ends first.
        """
        return self._hold("HOLD")

    def unhold(self) -> CommandFuture[None]:
        """End the hold. Future and errors are those of `hold`."""
        return self._hold("UNHOLD")

    def toggle_hold(self) -> CommandFuture[None]:
        """`hold` an active call, `unhold` a held one. The state counts after all earlier commands are done."""
        return self._hold("TOGGLE")

    @property
    def is_held(self) -> bool:
        """Whether the server has confirmed that the call is on hold."""
        return self._bridge.held

    def dtmf(self, digits: str, *, gap: float = 0.0) -> CommandFuture[None]:
        """Send DTMF digits, after those that are still being sent. Only in an `ACTIVE` call.

        They are sent as signals, not as tones in the sound. The network makes the tones and chooses their length, as
        with all official SDKs.

        Args:
            digits: `0` to `9`, `A` to `D`, `*` and `#`; between them the pauses `,` (2 s), `w` (0.5 s) and `W` (1 s).
            gap: Seconds from one digit to the next, 10 at most. 0: the network chooses.

        Returns:
            A future that is done when the server has confirmed the last digit. Its error is a `CallError`: the call is
            not active (any more), the connection was lost, or the server refused. The call goes on.

        Raises:
            ClientConfigurationError: `digits` is empty or contains something else, or `gap` is out of range.
        """
        from ._protocol.calls.dtmf import key_runs

        runs = key_runs(digits, gap)
        call_id = self._record.call_id
        return self._handle.request(lambda session, now: session.calls.press_keys(call_id, runs, now))

    # -- mute and deaf -------------------------------------------------------------------------------------------------

    def mute_audio(self) -> None:
        """Send silence from now on. Takes effect with the next packet of 20 ms; the server is not told."""
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
        """Whether silence is sent instead of the microphone; before the call is up: whether it will be."""
        return self._bridge.muted

    def deaf_audio(self) -> None:
        """Hear nothing from now on; what is said meanwhile is lost. The server is not told."""
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
        """Whether silence is heard instead of the agent; before the call is up: whether it will be."""
        return self._bridge.deaf

    # -- the conversation ----------------------------------------------------------------------------------------------

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The transcript of this call, in order. Stays after the call, and after the next one.

        With several calls of a client at once, an item belongs to the call whose id or conversation the server names.
        The server often names none. Then the item belongs to the call in which something was last asked, typed or
        heard. `TxClient.transcript` has the items of all calls.
        """
        items, call_id = self._record.transcript, self.call_id
        if all(item.call_id == call_id for item in items):
            return items
        return tuple(item for item in items if item.call_id == call_id)

    def ask(self, text: str, timeout: float | None = 30.0, *, barge_in: bool = False) -> str:
        """Send a typed question and wait for the agent's complete answer. One Ctrl-C interrupts the wait.

        The question is sent when the agent listens: the call is up, the greeting is over, and the agent has finished
        what it says. These waits have limits: 1.5 s after the call's answer for the greeting to begin, 5 s for an
        answer to something else to begin, and 20 s for an agent that goes on speaking.

        The answer is everything that the agent says after the question, until it has finished. If the agent asks for a
        client-side tool, what it says about the result belongs to the answer. The answer is the text that the server
        sends, which may be complete before its sound is. While the call is being set up, or its connection is lost, the
        question waits. Several threads may ask at once: the questions are asked one after the other, also those of the
        client's other calls. (No message says which call it is for: with several calls at once, the server decides who
        answers.)

        Args:
            text: The question.
            timeout: Seconds, which include the wait for other questions. None: until the call ends.
            barge_in: Ask at once, and interrupt the agent if it speaks. If the agent greets only after the question,
                the greeting is taken for the answer.

        Raises:
            AnswerInterruptedError: Somebody spoke or wrote before the answer was complete; `text` is its beginning.
            CallError: The call is over, or it ended before the answer was complete.
            ClientConfigurationError: `text` is blank or too long; nothing was sent.
            LocalProtocolError: This is the delegate's thread or a tool's. All callbacks, or the agent, would have to
                wait for the answer; ask on another thread.
            TxTimeoutError: There was no complete answer in time. A question that was sent is not taken back.
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
        """Record the call from now on in a stereo WAV file: left what was sent, right what was heard, 48 kHz, 16 bit.

        The file is complete when the call is over or `stop_recording` was called. Ask for consent where the law
        requires it.

        Args:
            path: A path, whose file is replaced, or an open binary file, which is not closed.

        Raises:
            CallError: This call is being recorded already, or it is over.
            MediaError: The file cannot be written.
            ClientConfigurationError: `path` is neither a path nor a binary file.
        """
        self._bridge.record(path, self._record.call_id)

    @property
    def is_recording(self) -> bool:
        """Whether the call is written to a file now; False while paused."""
        recorder = self._bridge.recorder
        return recorder is not None and not recorder.closed and not recorder.paused

    def pause_recording(self) -> None:
        """Stop recording both sides until `resume_recording`. Does nothing when nothing is recorded."""
        recorder = self._bridge.recorder
        if recorder is not None:
            recorder.pause()

    def resume_recording(self) -> None:
        """Go on with the recording after `pause_recording`; the pause leaves no gap in the file."""
        recorder = self._bridge.recorder
        if recorder is not None:
            recorder.resume()

    def stop_recording(self) -> None:
        """End the recording and complete the file. Does nothing when there is none.

        Raises:
            MediaError: The file is not complete, for example because the disk was full; `on_client_error` was called
                when it happened.
        """
        recorder = self._bridge.take_recorder()
        if recorder is not None and (error := recorder.finish()) is not None:
            raise error

    def play(self, source: PlaySource, *, mix: bool = True, gain: float = 1.0, sample_rate: int = 48000) -> Playback:
        """Play a file or samples into the call: the agent hears them. Mute silences them, too.

        Several playbacks are played one after the other.

        Args:
            source: The path of a WAV file; mono 16-bit samples (bytes or a numpy array); or an iterable of such.
            mix: Whether the microphone is sent at the same time. False: only the playback is sent.
            gain: A factor; 1.0 changes nothing.
            sample_rate: The rate of `source` in Hz where it is samples; a file contains its rate.

        Returns:
            An object with which to wait for the end, or to stop.

        Raises:
            CallError: The call is over, or 100 playbacks wait already.
            MediaError: The file cannot be read or is no WAV.
        """
        return self._bridge.player.play(source, mix=mix, gain=gain, sample_rate=sample_rate)

    def discard_playback(self) -> None:
        """Drop the agent's sound that has arrived but was not played yet, at most some tenths of a second.

        The SDK does it by itself when the agent is interrupted.
        """
        self._bridge.flush()

    # -- audio devices and levels --------------------------------------------------------------------------------------

    def set_audio_device(self, device: AudioDevice) -> CommandFuture[None]:
        """Go on with another audio device. Mute, recording and transcript stay. Until it is open, there is no sound.

        Returns:
            A future that is done when the new device plays. Its error is a `MediaError` when it cannot be opened (the
            call goes on with the old one), or a `CallError` when the call has no media now.

        Raises:
            ClientConfigurationError: `device` is no audio device, or serves another call.
            MediaError: `device` says that it cannot be opened.
        """
        checked_device("device", device)
        before = tuple(self._bridge.devices)
        claims.take("device", self._bridge, device)

        def exchange(sound: CallSound) -> None:
            sound.exchange(device)
            # Not in a callback of the future: a program that waits for the future may use the old device at once.
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
            A future like that of `set_audio_device`. It also fails when the call's device is no sound card. If the call
            has no media, the warning 33009 comes too.
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

        For a level meter of this call; the delegate's method of the same name gets the levels of all calls. Both levels
        are root mean squares from 0.0 to 1.0: of the agent's voice, and of the sound that is sent.

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
            A future with a `MediaStats`; with None before there is a peer connection. After the call, its error is a
            `CallError`.
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
        both directions. While a callback blocks, metrics do not queue up: the next call brings the latest.

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
        """The warnings that were raised and not cleared yet, oldest first."""
        return self._now.warnings

    @property
    def report(self) -> CallReport:
        """A report about the call so far, for JSON: `call.report.to_json()`. After the call it is final.

        It contains no words, numbers, names, headers, addresses or credentials.
        """
        return self._record.report

    @property
    def report_upload(self) -> Future[int] | None:
        """The upload of the report, for clients with `enable_call_reports`: a future with the HTTP status.

        None before the call's end, and where nothing is uploaded. You need not wait for it. If the process ends before
        it is done, the upload is lost.
        """
        return self._now.upload

    @property
    def timings(self) -> CallTimings:
        """How long each step of the set-up took, for the steps that are done."""
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
        """Set up the audio path again. iOS: `iceRestart(completion:)`; Flutter: `restartIce()`.

        You rarely need this: the SDK notices a lost path and repairs it. aiortc cannot restart ICE, so the SDK opens
        another connection and the server hands the calls back, as after a lost network (R56): all calls of the client
        are `RECONNECTING` for a moment, and are then as before.

        Returns:
            A future that is done when that has begun; wait for `ACTIVE` with `wait_for_state`. Its error is a
            `SocketConnectionError` when there is no connection.

        Raises:
            CallError: The call's audio path has not been up yet.
        """
        call_id = self._record.call_id
        if self._now.media_setup_time is None:
            raise CallError("the call has no audio path yet, so there is none to restart", call_id=call_id)
        error = CallError("the program asked to restart the audio path", code=33001, call_id=call_id)
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
        """Send the question. The future gets the answer."""
        check_not_inside_tool()
        check_message(text, ())
        if self.state.is_terminal:
            return CommandFuture.settled(error=CallError("the call is over", call_id=self.call_id))
        return self._handle.command(
            lambda driver: driver.ask, self._record.call_id, text, bool(barge_in), refusal=not_connected()
        )

    def _forget_question(self, question: CommandFuture[str]) -> None:
        """Nobody waits for this answer now."""
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
