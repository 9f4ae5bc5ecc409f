"""`TxClient`: log in to an assistant, place calls, hang up - from any thread, with callbacks on a delegate.

iOS: `TxClient`. It holds no protocol state itself: each login makes a `SessionDriver` on the shared loop thread, and
what that reports comes back through a `Hub`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import attrs

from ._arguments import checked_arguments
from ._audience import check_delegate
from ._call_ids import call_uuid
from ._calling import MediaChoices, claims, make_media
from ._checks import checked_answer_timeout, checked_call, checked_level, checked_login
from ._client_base import not_connected
from ._client_codecs import ClientCodecs
from ._client_credentials import ClientCredentials
from ._client_events import ClientEvents
from ._client_logging import ClientLogging, checked_logger
from ._client_quality import ClientQuality
from ._client_recording import ClientRecording
from ._client_state import ClientState
from ._client_tools import ClientTools
from ._images import ImageSource
from ._login_state import LinkStatus
from ._runtime.futures import CommandFuture
from ._runtime.ids import new_id
from ._runtime.switch_interval import DEFAULT_INTERVAL
from ._variables import dynamic_variable_headers
from .assistant import AIAssistantManager
from .audio.processing import AudioConstraints
from .call import Call, CallPort
from .codecs import TxCodecCapability, checked_codecs
from .config import LogLevel, TxLogger, TxServerConfiguration
from .errors import CallError, ClientConfigurationError, FailureReason

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ._media.bridge import AudioBridge
    from ._protocol.conversation import TranscriptionItem
    from ._protocol.requests import CallOptions
    from .audio import AudioDevice, AudioProcessor
    from .audio.tones import RingSource
    from .codecs import OpusSettings

__all__ = ["TxClient"]


@checked_arguments
class TxClient(
    ClientCredentials,
    ClientState,
    ClientTools,
    ClientEvents,
    ClientCodecs,
    ClientQuality,
    ClientLogging,
    ClientRecording,
):
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
        callbacks: Who runs the callbacks: `"thread"`, a thread of the client's own; `"pump"`, whoever calls
            `process_events`; or an executor (anything with `submit`), one callback at a time, in order.
        audio_constraints: What is done about echo, noise and level where the device is a sound card.
        opus: How Opus is encoded: bitrate, complexity, error correction, silence suppression.
        switch_interval: Seconds; Python's thread switch interval while a call is up, so that busy threads of your
            program do not make the call stutter (see docs/performance.md). None leaves it alone.
        reconnect_timeout: Seconds for which a lost connection is made again before the client gives up, with one
            `on_client_error`; `math.inf` for ever, 0 not at all. iOS: `reconnectTimeOut`.
        logger: Takes the log that `log_level` asks for, in the place of stderr; see `TxLogger`.
        force_relay_candidate: Send and take audio over a TURN server only. iOS: `forceRelayCandidate`.
        ringback: What you hear while the other side rings and sends no sound of its own: a `Tone`, or the path of a WAV
            file. None: nothing. iOS: `ringBackTone`.
        ringtone: What you hear while somebody calls you. iOS: `ringtone`.
        ring_device: Where you hear it; the system's default when not given. Never the device of a call.
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
        ).but(audio, audio_constraints, None, opus)
        super().__init__(delegate, media, callbacks, reconnect_timeout)
        self._logger = checked_logger(logger)
        self._enable_call_reports = enable_call_reports
        if enable_call_reports:
            # Here, not at a call's end: the loop must not wait for the disk.
            from ._quality import upload as _upload  # noqa: F401

    # -- connection --------------------------------------------------------------------------------------------------

    @property
    def delegate(self) -> object | None:
        """Who gets the callbacks. May be replaced at any time; callbacks not yet delivered go to the new one.

        Raises:
            ClientConfigurationError: When it is set: a class in place of an object, or a callback that is `async def`
                or takes a wrong number of parameters.
        """
        return self._audience.delegate

    @delegate.setter
    def delegate(self, delegate: object | None) -> None:
        check_delegate("delegate", delegate)
        self._audience.delegate = delegate

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

        The assistant must allow it (`telephony_settings.supports_unauthenticated_web_calls`). From then on every call
        of this session goes to the assistant, whatever its destination, until `disconnect()`.

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
        return self._log_in(login, server_configuration, level, self._reconnect_timeout)

    def wait_until_ready(self, timeout: float | None = None) -> None:
        """Block until the login is complete. One Ctrl-C interrupts.

        Args:
            timeout: Seconds; None waits for as long as the login takes (it has its own time-out).

        Raises:
            TxError: What the login failed with.
            TxTimeoutError: The time was up; the login goes on.
        """
        if self._link is None and self._watch.get().status is not LinkStatus.FAILED:
            raise not_connected()
        link = self._watch.wait(lambda now: now.status in _SETTLED, timeout)
        if link.error is not None:
            raise link.error
        if link.status is not LinkStatus.READY:
            raise not_connected()

    def is_connected(self) -> bool:
        """Whether the WebSocket is open."""
        return self._watch.get().status in (LinkStatus.CONNECTED, LinkStatus.READY)

    @property
    def is_registered(self) -> bool:
        """Whether the login is complete (gateway state `REGED`) and calls go through at once. iOS: `isRegistered`."""
        return self._watch.get().status is LinkStatus.READY

    @property
    def session_id(self) -> str:
        """The session id that the server confirmed; empty before. iOS: `getSessionId()`."""
        return self._watch.get().session_id

    @property
    def connected_target_id(self) -> str | None:
        """The assistant that the session is locked to, from `on_client_ready` until the disconnection; else None."""
        return self._watch.get().target_id

    @property
    def is_session_locked(self) -> bool:
        """Whether every call goes to one assistant, whatever its destination."""
        return self.connected_target_id is not None

    # -- calls -------------------------------------------------------------------------------------------------------

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
            preferred_codecs: These come first in the offer, in this order: each a `TxCodecCapability`, W3C's dictionary
                or a name such as `"PCMU"`. The others follow, so that the call can be made in any case.
            invite_timeout: Seconds for the other side to answer; then the call ends with `RECOVERY_ON_TIMER_EXPIRE`.
                None: 30 s for any sign of life and 120 s for the answer. (No official SDK has such a limit.)
            force_relay_candidate: Audio over a TURN server only, in place of the client's choice.
            quality_interval: Seconds between two samples for `on_call_quality_changed`, from 0.1 to 60.
            debug: Send the samples to Telnyx too, for its debugging tools, as the official SDKs' `debug` does. The
                metrics themselves do not need it.

        Raises:
            CallError: There is no destination, and the session is not an assistant's. iOS:
                `callFailed(destinationNumberIsRequired)`.
            SocketConnectionError: Not logged in and not about to be; call `anonymous_login` or `connect` first.
            TxError: What the last login failed with, if it did: whether a call right behind a login comes before or
                after its failure is a matter of chance.
            ClientConfigurationError: An argument is unusable, or the audio device serves another call.
            MediaError: The audio device that was chosen by its name is not there, or a file of it cannot be used.
        """
        link = self._link
        if link is None:
            raise self._watch.get().error or not_connected()
        config = self._tx_config
        if config is not None:
            caller_name = caller_name or config.caller_id_name or ""
            caller_number = caller_number or config.caller_id_number or ""
            if not destination_number:
                raise CallError(
                    "destination_number is required: only a session with an assistant knows whom to call"
                ).because(FailureReason.DESTINATION_NUMBER_IS_REQUIRED)
        if dynamic_variables:
            custom_headers = dynamic_variable_headers(dynamic_variables, custom_headers)
        options = checked_call(
            caller_name, caller_number, destination_number, call_id, client_state, custom_headers, self._calls, new_id
        )
        codecs, timeout = checked_codecs(preferred_codecs), checked_answer_timeout(invite_timeout)
        options = attrs.evolve(options, preferred_codecs=codecs, answer_timeout=timeout)
        choices = self._session_media.but(audio, audio_constraints, audio_processor, opus).sampled_every(
            quality_interval
        )
        if force_relay_candidate is not None:
            choices = attrs.evolve(choices, relay_only=bool(force_relay_candidate))
        media = make_media(choices, self._configuration, options, link.driver, link.loop)
        claims.take("audio", media.bridge, choices.device)
        media.bridge.muted = muted
        call = self._make_call(options, media.bridge, self._call_port())
        self._set_up_reports(call, debug)
        self._calls[call.call_id] = call
        try:
            link.loop.post(link.driver.place_call, options, media)
        except RuntimeError:
            self._calls.pop(call.call_id, None)
            media.bridge.end()
            raise self._watch.get().error or not_connected() from None
        return call

    @property
    def calls(self) -> Mapping[uuid.UUID, Call]:
        """The calls that have not ended, by id: an immutable snapshot."""
        return MappingProxyType(dict(self._calls))

    def get_call(self, call_id: uuid.UUID | str) -> Call | None:
        """The call with this id that has not ended; None if there is none.

        Raises:
            ClientConfigurationError: It is no UUID.
        """
        wanted = call_uuid(call_id)
        if wanted is None:
            raise ClientConfigurationError(f"call_id must be a UUID or its text, not {call_id!r}")
        return self._calls.get(wanted)

    # -- the assistant -----------------------------------------------------------------------------------------------

    @property
    def ai_assistant_manager(self) -> AIAssistantManager:
        """Transcript, observers, typed messages, widget settings. iOS: `aiAssistantManager`."""
        return self._assistant

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """The transcript of the current call, or of the last one until the next begins."""
        return self._assistant.transcript

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

    # -- inside ------------------------------------------------------------------------------------------------------

    def _make_call(self, options: CallOptions, bridge: AudioBridge, port: CallPort) -> Call:
        """What `compat` replaces to return calls with further spellings."""
        return Call(options, bridge, port)


_SETTLED = frozenset({LinkStatus.READY, LinkStatus.FAILED, LinkStatus.CLOSED})
