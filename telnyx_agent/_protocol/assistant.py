"""`SessionAssistant`: the part of a session that speaks to the assistant - messages, questions, tools' results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from ..errors import CallError, ClientConfigurationError, SocketConnectionError
from . import requests
from .asks import Asks
from .credentials import Login, conversation_of
from .requests import Frame
from .settings import SessionSettings
from .timers import TimerKind
from .view import SessionView

__all__ = ["SessionAssistant"]


class SessionAssistant(SessionView):
    """What takes the conversation and the connection together."""

    def __init__(
        self,
        login: Login,
        new_id: Callable[[], str],
        random: Callable[[], float],
        wall_clock: Callable[[], datetime],
        settings: SessionSettings,
    ) -> None:
        super().__init__(login, new_id, random, wall_clock, settings)
        self._asks = Asks(
            self._conversation,
            self._timers,
            lambda text, call_id, now: self.send_message(text, (), now, may_wait=True, call_id=call_id),
            self.is_waiting,
            self._events.append,
        )
        self._conversation.calls.joined = conversation_of(login)

    # -- the assistant -------------------------------------------------------------------------------------------------

    def send_message(
        self,
        text: str,
        image_urls: Sequence[str],
        now: float,
        *,
        may_wait: bool = False,
        call_id: UUID | None = None,
    ) -> str:
        """Send typed text, images (`data:` or `https:` URLs) or both; the transcript has it at once (R45, R48).

        Args:
            text: The text.
            image_urls: The images.
            now: The time.
            may_wait: Whether to keep the message while a call is being set up or taken up again. What became of it is
                then told by `MessageSent` or `MessageFailed`.
            call_id: The call whose transcript it belongs to; None leaves that to `Attribution`. On the wire no message
                says so.

        Returns:
            The id of the transcript item.

        Raises:
            ClientConfigurationError: There is nothing to send.
            CallError: No call is active; nothing was sent.
            SocketConnectionError: A call is active, but its connection is lost at the moment; nothing was sent.
        """
        if not text.strip() and not image_urls:
            raise ClientConfigurationError("there is nothing to send: give a text, an image or both")
        if self.is_ready and self._calls.has_active:
            return self._messages.send(text, tuple(image_urls), now, may_wait=may_wait, call_id=call_id)
        if may_wait and self._calls.has_any:
            return self._messages.keep(text, tuple(image_urls), call_id=call_id)
        if self._calls.has_lost or self._calls.has_active:
            raise SocketConnectionError(
                "the connection is lost at the moment and being made again; the message was not sent"
            )
        raise CallError("no call is active; messages reach the assistant only during a call")

    def send_function_call_output(self, call_id: str, output: str, now: float) -> None:
        """Answer a `FunctionCallReceived`.

        Raises:
            SocketConnectionError: Not connected; an answer that comes late is worth nothing, so it is not kept (R49).
            CallError: The call in which it was asked for is over.
        """
        if not self.is_ready:
            raise SocketConnectionError("not connected; the tool's result was not sent")
        self._conversation.tool_answered(call_id, now)
        self._notify(requests.function_call_output(call_id, output))

    def clear_role(self, role: str, now: float) -> None:
        """Forget the items of one role."""
        self._conversation.clear(role)

    def ask(self, key: object, text: str, now: float, *, call_id: UUID | None = None, barge_in: bool = False) -> None:
        """Send a typed question and wait for the answer: `QuestionSettled` follows, also if it cannot be sent.

        Questions are asked one after the other, when the agent listens. While a call is being set up or taken up again,
        they wait. See `Asks.ask`.
        """
        self._asks.ask(key, text, now, call_id=call_id, barge_in=barge_in)

    def forget_question(self, key: object, now: float) -> None:
        """Nobody waits for the answer any more."""
        self._asks.forget(key, now)

    def agent_voice(self, audible: bool, at: float, now: float, call_id: str | None = None) -> None:
        """The agent's voice begins, or has ended, to be heard in a call; `at` is when that was, on the same clock."""
        self._conversation.voice(audible, at, now, call_id)

    def conversation_timer_due(self, kind: TimerKind, now: float) -> None:
        """One of the conversation's timers is due."""
        if kind is TimerKind.ANSWER:
            self._asks.timer_due(now)
        else:
            self._conversation.timer_due(now)

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation: that which was joined, or which the server has told."""
        return self._conversation.conversation_id or conversation_of(self._registration.login)

    def subscribe_audio_stream(self, now: float) -> None:
        """Ask for events about audio before it is played; they come as `AiMessage`.

        Raises:
            SocketConnectionError: Not connected.
        """
        self._notify(requests.audio_stream_subscribe())

    def _notify(self, frame: Frame) -> None:
        if not self.is_ready:
            raise SocketConnectionError("not connected; the message was not sent")
        self._channel.send(frame)
