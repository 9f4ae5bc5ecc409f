"""`TxClientDelegate`: the callbacks of the SDK. Subclass it and override what you need; each method is a no-op.

The method names are the iOS SDK's (`TxClientDelegate` and `AIAssistantManagerDelegate`) in PEP 8. The contract of all
of them:

* They are called on one thread, `telnyx-agent-delegate`, one at a time, in the order in which things happened (or, with
  `TxClient(callbacks="pump")`, on the thread that calls `TxClient.process_events`, or on your executor). Never on the
  audio thread, never on the network threads: a callback may block, and the call goes on meanwhile.
* Every public method of the SDK may be called inside, `disconnect()` included.
* An exception is logged with its traceback to the logger `telnyx_agent.delegate`. The next callback comes as usual.
* Instead of a subclass, you may use any object. Methods that it does not have are skipped.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from .errors import TxError

if TYPE_CHECKING:
    from ._connection_status import ConnectionStatus
    from ._media.turn_latency import TurnLatency
    from ._protocol.conversation.transcription import TranscriptionItem
    from ._protocol.conversation.widget import WidgetSettings
    from ._protocol.session.socket_health import SocketConnectionMetrics
    from ._protocol.states import AgentState, CallState, CallTerminationReason
    from ._protocol.warnings import TxWarning
    from ._protocol.wire.ai_inbound import AiEvent, FunctionCall
    from ._quality.metrics import CallQualityMetrics
    from ._quality.report import CallReport
    from .audio import AudioDeviceChange
    from .call import Call

__all__ = ["AIAssistantManagerDelegate", "TxClientDelegate"]


class TxClientDelegate:
    """Callbacks of one `TxClient`. All methods are optional and do nothing by default.

    A subclass must not have other methods whose names start with `on_`, because a misspelt callback would never be
    called. If such a method is your own, name it in the class statement:
    `class App(TxClientDelegate, own_methods=["on_button"])`.

    Raises:
        TypeError: On definition of a subclass with an unknown `on_...` method; names the nearest known one.
    """

    def __init_subclass__(cls, *, own_methods: Iterable[str] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if not name.startswith("on_") or hasattr(TxClientDelegate, name) or name in own_methods:
                continue
            near = difflib.get_close_matches(name, CALLBACK_NAMES, n=1, cutoff=0.0)[0]
            raise TypeError(
                f"{cls.__name__}.{name} is not a callback of TxClientDelegate and would never be called; "
                f"did you mean {near}? (If it is your own method: class {cls.__name__}(..., own_methods=[{name!r}]))"
            )

    # -- connection --------------------------------------------------------------------------------------------------

    def on_socket_connected(self) -> None:
        """The WebSocket is open and the login was sent. It is complete with `on_client_ready`."""

    def on_socket_disconnected(self) -> None:
        """The WebSocket is closed, after `disconnect()` or because the server or the network ended it.

        Comes exactly once for each `on_socket_connected`. If the session goes on, `on_reconnecting` follows. Else the
        session is over, and its calls have ended before.
        """

    def on_reconnecting(self, attempt: int, delay: float, error: TxError) -> None:
        """The connection was lost after `on_client_ready`, and the SDK tries to replace it. Comes for each attempt.

        It also comes during a login with credentials, when the gateway has failed and the SDK tries another connection.

        In the end comes `on_reconnected` or, after `TxClient(reconnect_timeout=...)`, one `on_client_error`; neither
        comes if you call `disconnect()`. Meanwhile active calls are `DROPPED`. When they go on, mute, hold and
        transcript are as before. Calls that were not answered yet have ended.

        Args:
            attempt: The number of the next attempt, from 1.
            delay: Seconds until the next attempt.
            error: Why the connection, or the last attempt, failed.
        """

    def on_reconnected(self) -> None:
        """Logged in and registered again. Calls that were `DROPPED` become `ACTIVE` (or `HELD`) or end."""

    def on_client_error(self, error: TxError) -> None:
        """Something failed that does not belong to one call: the connection, the login, the gateway, an audio device.

        For each login comes either `on_client_ready` or this callback, unless you call `disconnect()` first.

        Args:
            error: `AuthenticationError` (its text contains "authentication"), `NetworkError` (contains "network"),
                `GatewayError` or another `TxError`; `str(error)` is readable.
        """

    def on_client_ready(self) -> None:
        """Logged in and registered (gateway state `REGED`): from now on, calls are sent at once.

        Comes once per login. After a lost connection, `on_reconnected` comes instead.
        """

    def on_connection_state_changed(self, status: ConnectionStatus) -> None:
        """The connection has another status. Comes just before the callback for the same change, such as
        `on_client_ready`, but after `on_socket_disconnected`.

        Args:
            status: The new status. `TxClient.connection_status` may be newer.
        """

    def on_socket_message(self, message: Mapping[str, Any]) -> None:
        """A frame came from the server. Comes before all callbacks that follow from it. Costs time only if overridden.

        Args:
            message: The whole frame, as the server sent it. It contains what was said, and network addresses: log it
                with care.
        """

    def on_session_updated(self, session_id: str) -> None:
        """The server confirmed or replaced the session id.

        Args:
            session_id: The id that Telnyx's logs show as `sessid`.
        """

    # -- calls -------------------------------------------------------------------------------------------------------

    def on_call_state_updated(self, call_state: CallState, call_id: UUID) -> None:
        """A call changed its state. `DONE` comes exactly once per call and is the last callback about it.

        Args:
            call_state: The new state, with its reason for `DROPPED`, `RECONNECTING` and `DONE`.
            call_id: Which call; `client.calls[call_id]` until it has ended.
        """

    def on_remote_call_ended(self, call_id: UUID, reason: CallTerminationReason | None = None) -> None:
        """A call ended, but not by your `hangup()` or `disconnect()`. `DONE` follows.

        Args:
            call_id: Which call.
            reason: The server's cause, codes and SIP fields, or the error that ended the call.
        """

    def on_incoming_call(self, call: Call) -> None:
        """Somebody calls. This is the first callback about the call, which is `RINGING`. Not in an anonymous session.

        Answer with `call.answer()`, here or later and on any thread, or refuse with `call.reject()`. If you do neither,
        it rings until the caller gives up, and for two minutes at most. It also comes during other calls; each call has
        its own media.

        Args:
            call: The call. `call.call_info` says who calls; `call.invite_custom_headers` has the headers of the invite.
        """

    # -- the voice ---------------------------------------------------------------------------------------------------

    def on_audio_level(self, inbound: float, outbound: float, call_id: UUID) -> None:
        """The levels of a call, 20 times a second while its media is up. Costs time only if overridden.

        While a callback blocks, levels do not queue up.

        Args:
            inbound: The level of the agent's voice, root mean square, 0.0 to 1.0.
            outbound: The level of the sound that was sent; 0.0 while muted.
            call_id: Which call.
        """

    def on_audio_device_changed(self, change: AudioDeviceChange, call_id: UUID) -> None:
        """The call uses another microphone or loudspeaker: one was unplugged, came back, or was chosen.

        If 16 changes wait for this callback, only the newest of all further changes comes.

        Args:
            change: What happened, and which devices are in use now.
            call_id: Which call.
        """

    def on_turn_latency(self, turn: TurnLatency, call_id: UUID) -> None:
        """The agent has begun to answer: how long the user waited for it.

        Args:
            turn: The time from the end of the user's speech to the first sound of the agent; also in `Call.turns`.
            call_id: Which call.
        """

    # -- quality -----------------------------------------------------------------------------------------------------

    def on_call_quality_changed(self, metrics: CallQualityMetrics, call_id: UUID) -> None:
        """The quality of a call, at its `quality_interval`, while it has media. Costs time only if overridden.

        While a callback blocks, metrics do not queue up.

        Args:
            metrics: Jitter and round trip in seconds, MOS, levels, counters. iOS: `onCallQualityChange`.
            call_id: Which call.
        """

    def on_client_warning(self, warning: TxWarning) -> None:
        """There is a problem, but the call or the session goes on: a bad network, a silent microphone, a lost path.

        Each warning comes once when the problem begins and once when it is over.

        Args:
            warning: Number, name, text and advice. `warning.is_cleared` says whether the problem is over.
        """

    def on_call_report(self, report: CallReport, call_id: UUID) -> None:
        """A call is over. Comes just before its `DONE`.

        Args:
            report: States, times and quality of the call, for JSON; also in `Call.report`.
            call_id: Which call.
        """

    def on_socket_metrics_changed(self, metrics: SocketConnectionMetrics) -> None:
        """A ping came or was answered, so there are new metrics of the signalling connection.

        Args:
            metrics: The metrics; also in `TxClient.socket_metrics`. Android and Flutter: `SocketConnectionMetrics`.
        """

    # -- the assistant -----------------------------------------------------------------------------------------------

    def on_ai_assistant_connection_state_changed(self, is_connected: bool, target_id: str | None) -> None:
        """The session is now locked to an assistant, or not any more. (After `REGED`; on iOS it comes too early.)

        Args:
            is_connected: Whether calls of this session now go to the assistant.
            target_id: The assistant's id; None if the session is not locked.
        """

    def on_transcription_updated(self, transcriptions: Sequence[TranscriptionItem]) -> None:
        """The transcript changed: a new item, more text in an item, an item that became final.

        If your callbacks are much slower than the agent, several changes of a long transcript come in one call. The
        last call always brings the newest transcript.

        Args:
            transcriptions: The whole transcript in order, an immutable snapshot. Items keep their `id` while they grow.
        """

    def on_transcript_item_updated(self, item: TranscriptionItem) -> None:
        """One item of the transcript is new or changed; comes just before `on_transcription_updated`.

        Args:
            item: The present item; `item.is_partial` until it is complete. A complete item comes again if the assistant
                was interrupted while it spoke the item (`item.interrupted`).
        """

    def on_agent_state_changed(self, agent_state: AgentState) -> None:
        """The agent began to listen, think or speak.

        In a call with audio, it speaks from the first sound of its voice that is heard to the last; 0.8 s of silence
        are taken for the end. Without audio, it speaks from the first word of a response to its end.
        """

    def on_widget_settings_updated(self, settings: WidgetSettings) -> None:
        """The server sent the assistant's widget settings (texts, theme, URLs). Replaces earlier settings as a
        whole.
        """

    def on_ai_conversation_message(self, message: Mapping[str, Any]) -> None:
        """An `ai_conversation` frame arrived; also those that the SDK does not understand.

        Args:
            message: The frame's `params`, as the server sent them. They contain what was said: log them with care.
        """

    def on_ai_conversation_event(self, event: AiEvent) -> None:
        """The same frame, decoded; comes just after `on_ai_conversation_message`.

        Args:
            event: One of the classes of `telnyx_agent.events.AiEvent`, by its `params.type`; `OtherAi` for types that
                no official SDK knows.
        """

    def on_function_call(self, call: FunctionCall) -> None:
        """The agent asks for a client-side tool. The SDK runs those of `TxClient.tool` itself.

        Args:
            call: Id, name and arguments; answer with `AIAssistantManager.send_function_call_output`, if you set
                `AIAssistantManager.answers_unknown_tools` to False.
        """

    def on_ringing_ack_received(self, call_id: UUID) -> None:
        """The server reports that the assistant's side rings. iOS's name for the `telnyx_rtc.ringing` frame.

        Args:
            call_id: Which call.
        """

    # -- push notifications: iOS's names, for delegates that are ported as they are ----------------------------------

    def on_push_disabled(self, success: bool, message: str) -> None:
        """Never called: there are no push notifications on a desktop."""

    def on_push_call(self, call: Any) -> None:
        """Never called: there are no push notifications on a desktop."""


CALLBACK_NAMES: tuple[str, ...] = tuple(sorted(name for name in vars(TxClientDelegate) if name.startswith("on_")))
"""The names of all callbacks."""


class AIAssistantManagerDelegate:
    """Callbacks of one `AIAssistantManager.delegate`. iOS: `AIAssistantManagerDelegate`.

    They are the same as those of `TxClientDelegate`, and the client's delegate gets them too. This class is for
    programs that have two delegates, as on iOS.
    """

    on_ai_assistant_connection_state_changed = TxClientDelegate.on_ai_assistant_connection_state_changed
    on_ai_conversation_message = TxClientDelegate.on_ai_conversation_message
    on_ringing_ack_received = TxClientDelegate.on_ringing_ack_received
    on_transcription_updated = TxClientDelegate.on_transcription_updated
    on_widget_settings_updated = TxClientDelegate.on_widget_settings_updated


ASSISTANT_CALLBACKS = frozenset(name for name in vars(AIAssistantManagerDelegate) if name.startswith("on_"))
"""The names of the callbacks of an `AIAssistantManagerDelegate`."""
