"""`TxClientDelegate`: what the SDK tells your program. Subclass it and override what you need; everything is a no-op.

The method names are the iOS SDK's (`TxClientDelegate` and `AIAssistantManagerDelegate`) in PEP 8. The contract of all
of them:

* They are called on one thread, `telnyx-agent-delegate`, one at a time, in the order in which things happened (or, with
  `TxClient(callbacks="pump")`, on the thread that calls `TxClient.process_events`, or on your executor). Never on the
  audio thread, never on the network threads: you may block, the call goes on meanwhile.
* Every public method of the SDK may be called inside, `disconnect()` included.
* An exception that escapes is logged with its traceback to the logger `telnyx_agent.delegate`; the next callback comes.
* Any object will do instead of a subclass: methods that it lacks are skipped.
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

    A method whose name starts with `on_` but is none of these is refused when the class is defined, so that a misspelt
    callback does not stay silent for ever. List methods of your own that look like callbacks in the class statement:
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
        """The WebSocket is open and the login is on its way. Wait for `on_client_ready` before you rely on anything."""

    def on_socket_disconnected(self) -> None:
        """The WebSocket is gone, after `disconnect()` or because the server or the network ended it.

        Exactly once for each `on_socket_connected`. Either it is the end, and the calls have ended before; or
        `on_reconnecting` follows.
        """

    def on_reconnecting(self, attempt: int, delay: float, error: TxError) -> None:
        """The connection was lost after `on_client_ready`, and is being made again. Comes again for each attempt.

        Of a login with credentials also before that, when the gateway has failed and is tried on another connection.

        It ends in `on_reconnected` or, after `TxClient(reconnect_timeout=...)`, in one `on_client_error`; in neither if
        you call `disconnect()`. Active calls are `DROPPED` meanwhile, and come back with what they had: mute, hold,
        transcript. Calls that were not answered yet have ended.

        Args:
            attempt: Which attempt is about to be made, from 1.
            delay: Seconds until it is made.
            error: Why the connection, or the last attempt, failed.
        """

    def on_reconnected(self) -> None:
        """Logged in and registered again. Calls that were `DROPPED` become `ACTIVE` (or `HELD`) or end."""

    def on_client_error(self, error: TxError) -> None:
        """Something failed that is not tied to one call: the connection, the login, the gateway, an audio device.

        A login ends in exactly one of `on_client_ready` and `on_client_error`, whatever happens.

        Args:
            error: `AuthenticationError` (its text contains "authentication"), `NetworkError` (contains "network"),
                `GatewayError` or another `TxError`; `str(error)` is readable.
        """

    def on_client_ready(self) -> None:
        """Logged in and registered (gateway state `REGED`): calls go through from here on. Once per login; after a lost
        connection `on_reconnected` comes in its place.
        """

    def on_connection_state_changed(self, status: ConnectionStatus) -> None:
        """The connection came further, or was lost. Comes just before the callback that says so in particular, and
        after `on_socket_disconnected`.

        Args:
            status: Now; also in `TxClient.connection_status`, which may be ahead of it.
        """

    def on_socket_message(self, message: Mapping[str, Any]) -> None:
        """A frame came from the server, decoded, before anything was made of it. Costs nothing unless it is overridden.

        Args:
            message: The whole frame, as the server sent it. Contains what was said and how to reach you: log with care.
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
        """A call ended otherwise than by your `hangup()` or `disconnect()`; `DONE` follows.

        Args:
            call_id: Which call.
            reason: The server's cause, codes and SIP fields, or the error that ended the call.
        """

    def on_incoming_call(self, call: Call) -> None:
        """Somebody calls: the first callback about a call, which is `RINGING`. Never happens on an anonymous session.

        Take it with `call.answer()`, here or later and on any thread, or turn it down with `call.reject()`. If you do
        neither it rings until the caller gives up, and for two minutes at most. It comes during other calls, too; each
        has media of its own.

        Args:
            call: Who calls is in `call.call_info`, the invite's headers are in `call.invite_custom_headers`.
        """

    # -- the voice ---------------------------------------------------------------------------------------------------

    def on_audio_level(self, inbound: float, outbound: float, call_id: UUID) -> None:
        """How loud the call is, 20 times a second while its media is up. Costs nothing unless it is overridden.

        Levels that could not be delivered because a callback took its time are left out, not queued.

        Args:
            inbound: The agent's voice since the last time, root mean square, 0.0 to 1.0.
            outbound: The same of what was sent; 0.0 while muted.
            call_id: Which call.
        """

    def on_audio_device_changed(self, change: AudioDeviceChange, call_id: UUID) -> None:
        """The call goes on with another microphone or loudspeaker: one was unplugged, came back, or was switched.

        Of changes that come while 16 wait for this callback, only the newest is told.

        Args:
            change: What happened and what is in use now.
            call_id: Which call.
        """

    def on_turn_latency(self, turn: TurnLatency, call_id: UUID) -> None:
        """The agent has begun to answer: how long the user waited for it.

        Args:
            turn: From the end of the user's speech to the first of the agent's that was heard; also in `Call.turns`.
            call_id: Which call.
        """

    # -- quality -----------------------------------------------------------------------------------------------------

    def on_call_quality_changed(self, metrics: CallQualityMetrics, call_id: UUID) -> None:
        """How good a call is, at its `quality_interval`, while it has media. Costs nothing unless it is overridden.

        Metrics that could not be delivered because a callback took its time are left out, not queued.

        Args:
            metrics: Jitter and round trip in seconds, MOS, levels, counters. iOS: `onCallQualityChange`.
            call_id: Which call.
        """

    def on_client_warning(self, warning: TxWarning) -> None:
        """Something is not as it should be, and it goes on: a bad network, a silent microphone, a lost path.

        Each is told once when it begins and once when it is over.

        Args:
            warning: Number, name, text and advice; `warning.is_cleared` when it is over.
        """

    def on_call_report(self, report: CallReport, call_id: UUID) -> None:
        """A call is over; comes just before its `DONE`.

        Args:
            report: What the call was like, for JSON; also in `Call.report`.
            call_id: Which call.
        """

    def on_socket_metrics_changed(self, metrics: SocketConnectionMetrics) -> None:
        """A ping came or was answered: how well the signalling connection does.

        Args:
            metrics: Also in `TxClient.socket_metrics`. Android and Flutter: `SocketConnectionMetrics`.
        """

    # -- the assistant -----------------------------------------------------------------------------------------------

    def on_ai_assistant_connection_state_changed(self, is_connected: bool, target_id: str | None) -> None:
        """The session became locked to an assistant (after `REGED`, unlike iOS which says so too early) or was
        released.

        Args:
            is_connected: Whether calls of this session now go to the assistant.
            target_id: The assistant's id, None when released.
        """

    def on_transcription_updated(self, transcriptions: Sequence[TranscriptionItem]) -> None:
        """The transcript changed: a new item, more text in an item, an item that became final.

        Where your callbacks are much slower than the agent, changes of long transcripts come together; the last call
        brings the newest transcript.

        Args:
            transcriptions: The whole transcript in order, an immutable snapshot. Items keep their `id` while they grow.
        """

    def on_transcript_item_updated(self, item: TranscriptionItem) -> None:
        """One item of the transcript is new or changed; comes just before `on_transcription_updated`.

        Args:
            item: The item as it now is; `item.is_partial` until it is complete. A complete one comes again when it
                turns out that the assistant was interrupted while it spoke it (`item.interrupted`).
        """

    def on_agent_state_changed(self, agent_state: AgentState) -> None:
        """The agent began to listen, think or speak.

        In a call with audio it speaks from the first sound of its voice that is heard to the last (with 0.8 s to tell
        a pause from the end); without audio, from the first word of a response to its end.
        """

    def on_widget_settings_updated(self, settings: WidgetSettings) -> None:
        """The server sent the assistant's widget settings (texts, theme, URLs). Replaces earlier settings as a
        whole.
        """

    def on_ai_conversation_message(self, message: Mapping[str, Any]) -> None:
        """An `ai_conversation` frame arrived; also those that the SDK does not understand.

        Args:
            message: The frame's `params`, as sent by the server. Contains what was said: log with care.
        """

    def on_ai_conversation_event(self, event: AiEvent) -> None:
        """The same frame, decoded; comes just after `on_ai_conversation_message`.

        Args:
            event: One of the classes of `telnyx_agent.events.AiEvent`, by its `params.type`; `OtherAi` for types that
                no official SDK knows.
        """

    def on_function_call(self, call: FunctionCall) -> None:
        """The agent asks for a client-side tool. Those given to `TxClient.tool` run by themselves, not in here.

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

    The same as those of `TxClientDelegate`, which see; a client's delegate gets them too. For programs that keep the
    two apart, as iOS does.
    """

    on_ai_assistant_connection_state_changed = TxClientDelegate.on_ai_assistant_connection_state_changed
    on_ai_conversation_message = TxClientDelegate.on_ai_conversation_message
    on_ringing_ack_received = TxClientDelegate.on_ringing_ack_received
    on_transcription_updated = TxClientDelegate.on_transcription_updated
    on_widget_settings_updated = TxClientDelegate.on_widget_settings_updated


ASSISTANT_CALLBACKS = frozenset(name for name in vars(AIAssistantManagerDelegate) if name.startswith("on_"))
"""The names of the callbacks of an `AIAssistantManagerDelegate`."""
