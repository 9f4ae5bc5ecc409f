"""`TxClient`: log in to an assistant, place calls, hang up - from any thread, with callbacks on a delegate.

iOS: `TxClient`. Each method checks its arguments and passes the work on: `Logins` makes a login, `Calls` makes a call,
and commands go to the loop through the login's `SessionHandle`.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import attrs

from ._arguments import checked_arguments
from ._assistant_record import AssistantRecord
from ._call_ids import call_uuid
from ._call_media import MediaChoices
from ._callables import check_function, check_methods
from ._calls import Calls
from ._checks import checked_answer_timeout, checked_call, checked_level, checked_login, checked_timeout
from ._connection_status import ConnectionStatus, shown
from ._flight import FlightSlot
from ._images import ImageSource
from ._listeners import Listeners, check_delegate
from ._login import Logins, checked_logger
from ._login_state import LinkStatus
from ._login_wishes import LoginWishes
from ._protocol.session.socket_health import SocketConnectionMetrics
from ._runtime.dispatch import PumpDispatcher, dispatcher_factory
from ._runtime.futures import CommandFuture
from ._runtime.ids import new_id
from ._runtime.switch_interval import DEFAULT_INTERVAL
from ._session_handle import not_connected
from ._session_recording import SessionRecording, record_session
from ._tools.runner import DEFAULT_TIMEOUT, Tool, make_tool
from ._variables import dynamic_variable_headers
from .assistant import AIAssistantManager
from .audio.processing import AudioConstraints
from .call import Call
from .codecs import SUPPORTED_CODECS, TxCodecCapability, checked_codecs
from .config import LogLevel, TxLogger, TxServerConfiguration
from .errors import CallError, ClientConfigurationError, FailureReason
from .tx_config import TxConfig, checked_credentials

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ._event_stream import EventStream
    from ._protocol.conversation.transcription import TranscriptionItem
    from ._protocol.wire.credentials import Login
    from .audio import AudioDevice, AudioProcessor
    from .audio.tones import RingSource
    from .codecs import OpusSettings

__all__ = ["TxClient"]

_C = TypeVar("_C", bound="TxClient")
_F = TypeVar("_F", bound=Callable[..., Any])
_numbers = itertools.count(1)


@checked_arguments
class TxClient:
    """A connection to Telnyx: to an AI assistant, or with credentials. Opens nothing and has no thread before a login.

    Every method may be called from any thread and inside any callback. Commands return at once with a future:
    ignore it and listen to the delegate (the iOS way), or call `.result(timeout)`, which raises what went wrong. A
    client can log in again after `disconnect()`.

        with TxClient(delegate=MyDelegate()) as client:
            client.anonymous_login("assistant-...")
            client.new_call().wait_until_ended()

    Args:
        delegate: A `TxClientDelegate` or any object with some of its methods. Kept alive by the client.
        audio: The audio device of calls that are not given their own. None: the default microphone and speaker, or,
            where there are none, silence and one warning.
        callbacks: Where the callbacks run: `"thread"`, on a thread of the client's own; `"pump"`, on the thread that
            calls `process_events`; or on an executor (anything with `submit`), one callback at a time, in order.
        audio_constraints: What is done about echo, noise and level where the device is a sound card.
        opus: How Opus is encoded: bitrate, complexity, error correction, silence suppression.
        switch_interval: Seconds; Python's thread switch interval while a call is up. It keeps busy threads of your
            program from disturbing the sound (see docs/performance.md). None does not change it.
        reconnect_timeout: Seconds for which the client tries to replace a lost connection. After that it gives up and
            calls `on_client_error` once. `math.inf`: no limit; 0: it does not try. iOS: `reconnectTimeOut`.
        logger: Gets the log messages that `log_level` selects, instead of stderr; see `TxLogger`.
        force_relay_candidate: Send and receive audio over a TURN server only. iOS: `forceRelayCandidate`.
        ringback: What you hear while the other side rings and sends no sound of its own: a `Tone`, or the path of a WAV
            file. None: nothing. iOS: `ringBackTone`.
        ringtone: What you hear while somebody calls you. iOS: `ringtone`.
        ring_device: The device that plays both; the system's default when not given. Never the device of a call.
        enable_call_reports: Post each call's report to Telnyx, as the official SDKs do; see docs/quality.md.

    Raises:
        ClientConfigurationError: An argument is unusable.
    """

    def __init__(
        self,
        delegate: object | None = None,
        *,
        audio: AudioDevice | None = None,
        callbacks: Literal["thread", "pump"] | Executor = "thread",
        audio_constraints: AudioConstraints | None = None,
        opus: OpusSettings | None = None,
        switch_interval: float | None = DEFAULT_INTERVAL,
        reconnect_timeout: float = 60.0,
        logger: TxLogger | None = None,
        force_relay_candidate: bool = False,
        ringback: RingSource | None = None,
        ringtone: RingSource | None = None,
        ring_device: AudioDevice | None = None,
        enable_call_reports: bool = False,
    ) -> None:
        check_delegate("delegate", delegate)
        media = MediaChoices(
            switch_interval=switch_interval,
            relay_only=bool(force_relay_candidate),
            ringback=ringback,
            ringtone=ringtone,
            ring_device=ring_device,
        ).overridden_by(audio, audio_constraints, None, opus)
        self._listeners = Listeners(delegate, FlightSlot())
        if hasattr(callbacks, "submit"):
            check_methods("callbacks", callbacks, {"submit": ("(fn)",)}, required=("submit",))
        self._number = next(_numbers)
        self._reconnect_timeout = checked_timeout(reconnect_timeout)
        self._logger = checked_logger(logger)
        self._media = media
        known = AssistantRecord()
        wishes = LoginWishes(TxServerConfiguration(), media, self._reconnect_timeout)
        self._logins = Logins(self, self._number, self._listeners, known, dispatcher_factory(callbacks), wishes)
        self._calls = Calls(enable_reports=enable_call_reports)
        self._assistant = AIAssistantManager(known, self._logins, self._listeners)
        if enable_call_reports:
            # Imported now and not at a call's end, because the loop must not wait for the disk.
            from ._quality import upload as _upload  # noqa: F401

    def __repr__(self) -> str:
        return f"<TxClient {self._number} {self._logins.connection.get().status.value}>"

    def __enter__(self: _C) -> _C:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        future = self.disconnect()
        if not self._logins.is_in_callback:
            future.result(timeout=5.0)

    # -- logging in and out --------------------------------------------------------------------------------------------

    @property
    def delegate(self) -> object | None:
        """Who gets the callbacks. May be replaced at any time; callbacks not yet delivered go to the new one.

        Raises:
            ClientConfigurationError: When it is set: a class in place of an object, or a callback that is `async def`
                or takes a wrong number of parameters.
        """
        return self._listeners.delegate

    @delegate.setter
    def delegate(self, delegate: object | None) -> None:
        check_delegate("delegate", delegate)
        self._listeners.delegate = delegate

    def anonymous_login(
        self,
        target_id: str,
        target_type: str = "ai_assistant",
        target_version_id: str | None = None,
        user_variables: Mapping[str, Any] | None = None,
        reconnection: bool = False,
        server_configuration: TxServerConfiguration | None = None,
        *,
        conversation_id: str | None = None,
        log_level: LogLevel = LogLevel.NONE,
    ) -> CommandFuture[None]:
        """Connect and log in to an assistant without credentials. Calls may be placed at once: they wait for the login.

        The assistant must allow it (`telephony_settings.supports_unauthenticated_web_calls`). Until `disconnect()`, all
        calls of this session go to the assistant; a call's destination is ignored.

        Args:
            target_id: The assistant's id.
            target_type: Only `"ai_assistant"` is known to Telnyx.
            target_version_id: A version of the assistant; the latest when not given.
            user_variables: Values for the assistant, sent as JSON. Anybody who can read the session can read them.
            reconnection: Whether to tell the server that this is a reconnection attempt.
            server_configuration: Signalling and ICE servers; Telnyx's production servers when not given.
            conversation_id: Join this existing conversation.
            log_level: How much this session logs to stderr; `NONE` is silent.

        Returns:
            A future that is done when the client is ready. Its error, and `on_client_error`'s, is an
            `AuthenticationError` (refused), `NetworkError` (no connection or no answer) or `GatewayError`.

        Raises:
            ClientConfigurationError: An argument is unusable; nothing was sent.
            LocalProtocolError: The client is logged in already; call `disconnect()` first.
        """
        login = checked_login(target_id, target_type, target_version_id, user_variables, reconnection, conversation_id)
        level = checked_level(log_level)
        return self._log_in(login, server_configuration, self._media, self._reconnect_timeout, level)

    def connect(
        self, tx_config: TxConfig, server_configuration: TxServerConfiguration | None = None
    ) -> CommandFuture[None]:
        """Connect and log in with credentials. iOS: `connect(txConfig:serverConfiguration:)`.

        Calls may be placed at once: they wait for the login. For a call that comes in,
        `TxClientDelegate.on_incoming_call` is called. The session is locked to no assistant, so `new_call` needs a
        destination.

        If the gateway fails (`FAILED`, `FAIL_WAIT`, `EXPIRED` and the like), the client tries up to three other
        connections and calls `on_reconnecting` before each. As long as the gateway is on its way to `REGED`, the client
        asks for its state, up to five more times.

        Args:
            tx_config: The credentials, and how this session logs and reconnects.
            server_configuration: Signalling and ICE servers; Telnyx's production servers when not given.

        Returns:
            A future that is done when the client is ready. Its error, and `on_client_error`'s, is an
            `AuthenticationError` (refused; `server_code` -32001), `NetworkError` (no connection or no answer) or
            `GatewayError`.

        Raises:
            ClientConfigurationError: There is no user, password or token; nothing was sent.
            MediaError: The file of a ringing tone cannot be read; nothing was sent.
            LocalProtocolError: The client is logged in already; call `disconnect()` first, or `update_credentials()`.
        """
        # Typed as `object`, because this check is for programs that no type checker has seen.
        given: object = tx_config
        if not isinstance(given, TxConfig):
            raise ClientConfigurationError(f"connect() takes a TxConfig(...), not {type(given).__name__}")
        login = checked_credentials(tx_config.sip_user, tx_config.password, tx_config.token)
        timeout = tx_config.reconnect_timeout if tx_config.reconnect_client else 0.0
        media = self._media.with_config(tx_config)
        logger = checked_logger(tx_config.custom_logger)
        return self._log_in(login, server_configuration, media, timeout, tx_config.log_level, logger, tx_config)

    def update_credentials(
        self, *, sip_user: str | None = None, password: str | None = None, token: str | None = None
    ) -> CommandFuture[None]:
        """Log in with other credentials on the same connection, for example before a token expires.

        Calls go on. If the server refuses the new credentials, the session keeps the old ones.

        Args:
            sip_user: As in `TxConfig`.
            password: As in `TxConfig`.
            token: As in `TxConfig`.

        Returns:
            A future that is done when the server has accepted them; every reconnection then uses them. Its error is
            an `AuthenticationError` (refused), a `LocalProtocolError` (the session is anonymous, or another such change
            is under way) or a `SocketConnectionError` (not logged in, or no answer).

        Raises:
            ClientConfigurationError: There is no user, password or token; nothing was sent.
        """
        login = checked_credentials(sip_user, password, token)
        return self._logins.handle.command(lambda driver: driver.update_credentials, login, refusal=not_connected())

    def disconnect(self) -> CommandFuture[None]:
        """End all calls, log out and close the connection. Idempotent, from any thread, inside any callback.

        Returns:
            A future that is done when socket, calls and audio devices are closed and the last callback has returned.
        """
        for call in self._calls.all().values():
            call._bridge.is_ending = True
        return self._logins.end()

    def wait_until_ready(self, timeout: float | None = None) -> None:
        """Block until the login is complete. One Ctrl-C interrupts.

        Args:
            timeout: Seconds; None waits for as long as the login takes (the login has a time-out of its own).

        Raises:
            TxError: The login failed; this is its error.
            SocketConnectionError: There is no login.
            TxTimeoutError: The login was not complete in time. It goes on.
        """
        self._logins.wait_until_ready(timeout)

    def process_events(self, timeout: float = 0.0) -> int:
        """Run the callbacks that are due, on this thread. Only for `TxClient(callbacks="pump")`.

        Call it from your own loop: a Tk `after`, a Qt timer, a pygame frame. An exception in a callback is logged and
        not raised here.

        Args:
            timeout: Seconds to wait for the first callback; 0.0 returns at once.

        Returns:
            How many callbacks ran.

        Raises:
            ClientConfigurationError: The client was not made with `callbacks="pump"`.
        """
        dispatcher = self._logins.dispatcher
        if not isinstance(dispatcher, PumpDispatcher):
            raise ClientConfigurationError('process_events() is for clients made with TxClient(callbacks="pump")')
        return dispatcher.process_events(timeout)

    def events(self, timeout: float | None = None, *, maxsize: int = 1000, audio_levels: bool = False) -> EventStream:
        """Everything that happens from now on, one typed event after the other, for a `for` loop.

            for event in client.events():
                match event:
                    case TranscriptItemUpdated(item) if item.is_final:
                        print(item)

        The events are those of the delegate, in the same order. They come also without a delegate, and while its
        callbacks block or wait for `process_events`. The stream ends when the login is over (it failed, was lost, or
        `disconnect()` ended it) and the last event has been taken. A stream that is made before a login waits for one.

        Args:
            timeout: Seconds to wait for each event. Then `next` raises `TxTimeoutError`; the stream can still be used.
                None: no limit.
            maxsize: How many events may wait to be taken. When there are more, the oldest is dropped, and an
                `EventsDropped(count)` takes the place of all that were dropped.
            audio_levels: Also give `AudioLevel`, 20 times a second.

        Raises:
            ClientConfigurationError: `maxsize` or `timeout` is unusable.
        """
        if isinstance(maxsize, bool) or not isinstance(maxsize, int) or maxsize < 1:
            raise ClientConfigurationError(f"maxsize must be at least 1, not {maxsize!r}")
        if timeout is not None and not timeout >= 0:
            raise ClientConfigurationError(f"timeout must be 0 or more seconds, or None, not {timeout!r}")
        from ._event_stream import EventStream

        stream = EventStream(maxsize, timeout, audio_levels)
        self._listeners.add_stream(stream)
        if audio_levels:
            for call_id in self._calls.ids():
                self._logins.handle.post(lambda driver: driver.watch_levels, call_id)
        return stream

    def set_log_level(self, level: LogLevel | int | str) -> None:
        """Log more or less from now on, until the next login sets its own level. Android and Flutter: `setLogLevel`.

        Raises:
            ClientConfigurationError: There is no such level.
        """
        self._logins.set_log_level(checked_level(level, "level"))

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call `function` where the callbacks run, after those that are due. Any thread.

        Before the first login no callbacks run: `function` is called at once, on this thread.

        Raises:
            ClientConfigurationError: `function` is no plain function without parameters.
        """
        check_function("function", function, "()")
        self._logins.call_soon(function)

    def set_logger(self, logger: TxLogger | None) -> None:
        """Send the log to `logger` from now on, also that of this session; None is stderr. Flutter: `setCustomLogger`.

        Raises:
            ClientConfigurationError: `logger` has no method `log`.
        """
        self._logger = checked_logger(logger)
        self._logins.set_logger(logger)

    def record_session(self, path: str | os.PathLike[str], *, include_content: bool = False) -> SessionRecording:
        """Write down what is sent, received and told to the delegate, one JSON object a line, until `stop()`.

        For bug reports, and for `telnyx-agent replay FILE` and `telnyx_agent.testing.replay`, which call a delegate
        again with all of it. May be called before the login, between logins, or during a call. The recording goes on
        over several logins. The format is in docs/flight-recorder.md.

        The file holds frames, states, each callback with its arguments and its times, and the media's statistics once a
        second. These are masked: keys, tokens, ICE passwords, addresses, phone numbers, names, user variables, custom
        headers, images, the assistant's id, and what was said and typed. Their lengths, and the ids of calls, are
        shown. Only the file's owner can read it. A thread of its own writes the file, so it survives a crash of the
        program.

        Args:
            path: The file, which is replaced.
            include_content: Also write what was said and typed. Ask for consent where the law requires it.

        Raises:
            ClientConfigurationError: The file cannot be written.
            LocalProtocolError: This client is being recorded already.
        """
        return record_session(
            path,
            include_content=include_content,
            slot=self._listeners.flight,
            logins=self._logins,
            call_ids=self._calls.ids,
        )

    # -- the connection ------------------------------------------------------------------------------------------------

    def is_connected(self) -> bool:
        """Whether the WebSocket is open."""
        return self._logins.connection.get().status in (LinkStatus.CONNECTED, LinkStatus.READY)

    @property
    def is_registered(self) -> bool:
        """Whether the login is complete (gateway state `REGED`) and calls go through at once. iOS: `isRegistered`."""
        return self._logins.connection.get().status is LinkStatus.READY

    @property
    def connection_status(self) -> ConnectionStatus:
        """How far the connection is. Android: `connectionStatusFlow`; Flutter: `getConnectionStatus()`."""
        return shown(self._logins.connection.get().status.value)

    @property
    def session_id(self) -> str:
        """The session id that the server confirmed; empty before. iOS: `getSessionId()`."""
        return self._logins.connection.get().session_id

    @property
    def connected_target_id(self) -> str | None:
        """The assistant that the session is locked to, from `on_client_ready` until the disconnection; else None."""
        return self._logins.connection.get().target_id

    @property
    def is_session_locked(self) -> bool:
        """Whether every call goes to one assistant, whatever its destination."""
        return self.connected_target_id is not None

    @property
    def voice_sdk_id(self) -> str | None:
        """The token with which a reconnection finds the same server; None before the login. Flutter: `voiceSdkId`.

        The SDK sends it by itself. Treat it as a secret.
        """
        return self._logins.connection.get().voice_sdk_id

    @property
    def call_report_id(self) -> str | None:
        """The id under which Telnyx takes this session's call reports; None before. Flutter: `callReportId`."""
        return self._logins.connection.get().call_report_id

    @property
    def registration_latency(self) -> float | None:
        """Seconds from `anonymous_login` or `connect` until this session was ready; None before.

        Android and Flutter: `LatencyMetrics.registrationLatencyMs`.
        """
        return self._logins.connection.get().ready_after

    @property
    def server_configuration(self) -> TxServerConfiguration:
        """The servers of the latest login; Telnyx's production servers before the first."""
        return self._logins.wishes.configuration

    @property
    def datacenter(self) -> str | None:
        """The data centre that the client is logged in to, such as `"ams3-prod"`; None until the server tells."""
        return self._logins.connection.get().datacenter

    @property
    def region(self) -> str | None:
        """Where that is, such as `"eu-west"`; None until the server tells."""
        return self._logins.connection.get().region

    @property
    def socket_metrics(self) -> SocketConnectionMetrics:
        """The quality of the signalling connection: pings, round trips, reconnections. Updated with each ping.

        Android and Flutter: `SocketConnectionMetrics`.
        """
        return self._logins.connection.get().socket

    # -- calls ---------------------------------------------------------------------------------------------------------

    def new_call(
        self,
        caller_name: str = "",
        caller_number: str = "",
        destination_number: str = "",
        call_id: uuid.UUID | str | None = None,
        client_state: str | bytes | None = None,
        custom_headers: Mapping[str, str] | None = None,
        *,
        audio: AudioDevice | None = None,
        muted: bool = False,
        dynamic_variables: Mapping[str, str | int | float | bool] | None = None,
        audio_constraints: AudioConstraints | None = None,
        audio_processor: AudioProcessor | None = None,
        opus: OpusSettings | None = None,
        preferred_codecs: Iterable[TxCodecCapability | Mapping[str, Any] | str] | None = None,
        invite_timeout: float | None = None,
        force_relay_candidate: bool | None = None,
        quality_interval: float = 1.0,
        debug: bool = False,
    ) -> Call:
        """Call the assistant, or a number. Returns at once; while the login is in flight the call waits for it.

        Args:
            caller_name: Your name, as the other side sees it; that of the `TxConfig` when not given.
            caller_number: Your number, as the other side sees it; that of the `TxConfig` when not given.
            destination_number: Whom to call: a number or SIP address. On an anonymous session it may stay empty: the
                server ignores it.
            call_id: The call's id; a new one when not given.
            client_state: Data that the server gives back with its events; base64-encoded on the wire.
            custom_headers: SIP headers; names start with `X-`. `X-Account-Number` becomes the assistant's dynamic
                variable `account_number`.
            audio: The audio device of this call, in place of the client's. A device serves one call at a time;
                `NullAudio` serves any number.
            muted: Start muted.
            dynamic_variables: The assistant's dynamic variables, by name: `{"account_number": 1}` goes as the header
                `X-Account-Number`; see `dynamic_variable_headers`.
            audio_constraints: What is done about echo, noise and level, in place of the client's.
            audio_processor: Your own processor in place of what the constraints ask for; used for this call only.
            opus: How Opus is encoded, in place of the client's.
            preferred_codecs: These come first in the offer, in this order. Each is a `TxCodecCapability`, W3C's
                dictionary or a name such as `"PCMU"`. The other codecs follow, so the call can be made in any case.
            invite_timeout: Seconds for the other side to answer; then the call ends with `RECOVERY_ON_TIMER_EXPIRE`.
                None: 30 s for any reaction and 120 s for the answer. (No official SDK has such a limit.)
            force_relay_candidate: Audio over a TURN server only, in place of the client's choice.
            quality_interval: Seconds between two samples for `on_call_quality_changed`, from 0.1 to 60.
            debug: Send the samples to Telnyx too, for its debugging tools, as the official SDKs' `debug` does. The
                metrics themselves do not need it.

        Raises:
            CallError: `destination_number` is empty, and the session is not locked to an assistant. iOS:
                `callFailed(destinationNumberIsRequired)`.
            SocketConnectionError: There is no login, and none is under way; call `anonymous_login` or `connect` first.
            TxError: The last login failed; this is its error. A call that is placed right after a login may get it too,
                because the login may fail first.
            ClientConfigurationError: An argument is unusable, or the audio device serves another call.
            MediaError: There is no audio device of the name that was given, or its file cannot be used.
        """
        handle, wishes = self._logins.handle, self._logins.wishes
        if not handle.is_open:
            raise self._logins.refusal
        config = wishes.tx_config
        if config is not None:
            caller_name = caller_name or config.caller_id_name or ""
            caller_number = caller_number or config.caller_id_number or ""
            if not destination_number:
                raise CallError(
                    "destination_number is required: only a session with an assistant knows whom to call"
                ).with_reason(FailureReason.DESTINATION_NUMBER_IS_REQUIRED)
        if dynamic_variables:
            custom_headers = dynamic_variable_headers(dynamic_variables, custom_headers)
        options = checked_call(
            caller_name, caller_number, destination_number, call_id, client_state, custom_headers, self._calls, new_id
        )
        codecs, answer_timeout = checked_codecs(preferred_codecs), checked_answer_timeout(invite_timeout)
        options = attrs.evolve(options, preferred_codecs=codecs, answer_timeout=answer_timeout)
        choices = wishes.media.overridden_by(audio, audio_constraints, audio_processor, opus)
        choices = choices.sampled_every(quality_interval)
        if force_relay_candidate is not None:
            choices = attrs.evolve(choices, relay_only=bool(force_relay_candidate))
        call = self._calls.place(options, handle, wishes, choices, muted=muted, debug=debug)
        if call is None:
            raise self._logins.refusal
        return call

    @property
    def calls(self) -> Mapping[uuid.UUID, Call]:
        """The calls that have not ended, by id: an immutable snapshot."""
        return self._calls.all()

    def get_call(self, call_id: uuid.UUID | str) -> Call | None:
        """The call with this id that has not ended; None if there is none.

        Raises:
            ClientConfigurationError: `call_id` is no UUID.
        """
        wanted = call_uuid(call_id)
        if wanted is None:
            raise ClientConfigurationError(f"call_id must be a UUID or its text, not {call_id!r}")
        return self._calls.get(str(wanted))

    @property
    def active_call(self) -> Call | None:
        """Of the calls that are answered and up (`ACTIVE` or `HELD`), the one that was placed, or came in, last.

        None if there is none.
        """
        calls = tuple(self._calls.all().values())
        return next((call for call in reversed(calls) if call.state.is_considered_active), None)

    def get_supported_audio_codecs(self) -> tuple[TxCodecCapability, ...]:
        """The codecs of calls, in the order in which they are offered. Needs no connection.

        iOS, Android and Flutter: `getSupportedAudioCodecs()`.
        """
        return SUPPORTED_CODECS

    # -- the assistant -------------------------------------------------------------------------------------------------

    @property
    def ai_assistant_manager(self) -> AIAssistantManager:
        """Transcript, observers, typed messages, widget settings. iOS: `aiAssistantManager`."""
        return self._assistant

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The transcript of the current call, or of the last one until the next begins."""
        return self._assistant.transcript

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation: the one that the login joined, or the one in a message of the server.

        Give it to a later `anonymous_login(conversation_id=...)` to continue this conversation.
        """
        return self._assistant._record.conversation_id

    def send_ai_assistant_message(
        self,
        message: str = "",
        images: Iterable[ImageSource] = (),
        *,
        base64_images: Iterable[str] | None = (),
        wait: bool = False,
    ) -> CommandFuture[str]:
        """Send typed text and images to the assistant; see `AIAssistantManager.send_ai_assistant_message`."""
        return self._assistant.send_ai_assistant_message(message, images, base64_images=base64_images, wait=wait)

    # -- tools ---------------------------------------------------------------------------------------------------------

    @overload
    def tool(self, function: _F, /) -> _F: ...

    @overload
    def tool(
        self,
        function: str | None = None,
        /,
        *,
        name: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        description: str | None = None,
    ) -> Callable[[_F], _F]: ...

    def tool(
        self,
        function: Callable[..., Any] | str | None = None,
        /,
        *,
        name: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        description: str | None = None,
    ) -> Any:
        """Let the agent call a function, as a decorator. The assistant must have a client-side tool of that name.

            @client.tool
            def lookup_order(order_id: str) -> dict[str, str]: ...

            @client.tool(name="lookup_order", timeout=10)
            def look_up(order_id: str) -> dict[str, str]: ...

        The agent's arguments are checked and converted to what the type hints say: texts, numbers, truth values, lists,
        dicts, `Optional`, unions, `Literal`, enums, dataclasses, attrs classes, `TypedDict`, dates, UUIDs. The function
        runs on a thread named `telnyx-agent-tool`, and may block; several functions may run at once. A coroutine
        function runs there in an event loop of its own. The result goes to the agent: a text as it is, all else as
        JSON. An exception (logged to `telnyx_agent.tools`), arguments that do not fit, or a time-out go to the agent as
        an error. If the call ends first, the result is dropped. Tools stay for all later calls and logins.

        Args:
            function: The function, where the decorator stands alone; or the name, as the first argument.
            name: What the agent calls it; the function's own name unless given.
            timeout: Seconds from the agent's request to the answer; None: no limit. A function that takes longer goes
                on, but its result is dropped.
            description: For `Tool.definition`; the docstring's first paragraph unless given.

        Returns:
            The function, unchanged.

        Raises:
            ClientConfigurationError: The function has no name, an argument that has no name, or a type hint that no
                JSON value can become.
        """
        if callable(function):
            self.add_tool(function)
            return function
        chosen = function if name is None else name

        def register(decorated: _F) -> _F:
            self.add_tool(decorated, name=chosen, timeout=timeout, description=description)
            return decorated

        return register

    def add_tool(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        description: str | None = None,
    ) -> Tool:
        """Let the agent call a function; as `tool`, but not as a decorator. A tool of the same name is replaced.

        Raises:
            ClientConfigurationError: As for `tool`.
        """
        tool = make_tool(function, name, timeout, description)
        self._logins.tools.add(tool)
        return tool

    def remove_tool(self, name: str) -> bool:
        """Remove a tool; a function that already runs goes on. False if there is no tool of that name."""
        return self._logins.tools.remove(name)

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools, by name: an immutable snapshot."""
        return self._logins.tools.tools

    # -- inside --------------------------------------------------------------------------------------------------------

    def _log_in(
        self,
        login: Login,
        configuration: TxServerConfiguration | None,
        media: MediaChoices,
        reconnect_timeout: float,
        level: LogLevel,
        logger: object | None = None,
        tx_config: TxConfig | None = None,
    ) -> CommandFuture[None]:
        configuration = TxServerConfiguration() if configuration is None else configuration
        wishes = LoginWishes(configuration, media, reconnect_timeout, level, logger or self._logger, tx_config)
        return self._logins.begin(login, wishes, self._calls)
