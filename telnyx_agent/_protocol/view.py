"""`SessionView`: what a session is made of, what one can see of it, and the commands that one of its parts carries out.

What takes several parts to do is in `Session`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime

from ..errors import TxError
from .channel import Channel
from .conversation import Conversation
from .credentials import CredentialLogin, Login, target_of
from .dialog import Dialogs
from .hold import HoldWish
from .inbox import Inbox
from .incoming import AllCalls
from .keys import KeyRun
from .liveness import Liveness
from .outcomes import SessionEvent
from .recovery import Recovery
from .registration import Registration
from .relogin import Relogin
from .requests import Frame
from .settings import SessionSettings
from .socket_health import SocketConnectionMetrics, SocketHealth
from .states import SessionState
from .timers import Timers
from .transcription import EPOCH

__all__ = ["SessionView", "no_clock"]


def no_clock() -> datetime:
    """For sessions whose transcript needs no times of day."""
    return EPOCH


class SessionView:
    """The parts of a session, each of which has a file of its own, and its properties.

    Attributes:
        conversation: What is said and typed in its calls, and the commands about that.
    """

    def __init__(
        self,
        login: Login,
        new_id: Callable[[], str],
        random: Callable[[], float],
        wall_clock: Callable[[], datetime],
        settings: SessionSettings,
    ) -> None:
        self._settings = settings
        self._events: deque[SessionEvent] = deque()
        report = self._events.append
        self._timers = Timers()
        self._channel = Channel(new_id, self._timers)
        self._registration = Registration(login, self._channel, self._timers, settings, random)
        self._recovery = Recovery(self._timers, settings, random, report)
        self._liveness = Liveness(self._timers, settings)
        self._socket_health = SocketHealth()
        dialogs = Dialogs()
        self.conversation = Conversation(
            self._channel, self._registration, dialogs, self._timers, settings, wall_clock, report
        )
        self._relogin = Relogin(self._channel, self._registration, settings, report)
        self._calls = AllCalls(
            self._channel,
            self._timers,
            self._registration,
            dialogs,
            self.conversation,
            settings,
            login.sdk_version,
            report,
        )
        self._inbox = Inbox(report)
        # The frames to send, in order; each is handed out once.
        self.texts_to_send = self._channel.take_texts
        self._was_ready = False
        self._failure: TxError | None = None
        # What the first login failed with that is being tried again.
        self._login_error: TxError | None = None

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """How far the connection has come."""
        return self._registration.state

    @property
    def is_over(self) -> bool:
        """Whether nothing can come of it any more."""
        return self._registration.is_over

    @property
    def is_closed(self) -> bool:
        """Whether it is over, and its last socket gone."""
        return self.state is SessionState.CLOSED

    @property
    def is_ready(self) -> bool:
        """Whether calls go through."""
        return self._registration.is_ready

    @property
    def session_id(self) -> str:
        """The session id: ours, until the server has confirmed or replaced it (R7, R10)."""
        return self._registration.session_id

    @property
    def voice_sdk_id(self) -> str | None:
        """The token that leads a reconnection back to the same server (R3)."""
        return self._channel.voice_sdk_id

    @property
    def target_id(self) -> str | None:
        """Whom the session is locked to; None if calls go where they are dialled to."""
        return target_of(self._registration.login)

    @property
    def call_report_id(self) -> str | None:
        """The key for call reports."""
        return self._registration.report.call_report_id

    @property
    def datacenter(self) -> str | None:
        """Where we are connected to, such as `"ams3-prod"`."""
        return self._registration.report.datacenter

    @property
    def region(self) -> str | None:
        """Where that is, such as `"eu-west"`."""
        return self._registration.report.region

    @property
    def socket_metrics(self) -> SocketConnectionMetrics:
        """What the pings say of the connection; the same object until there is news."""
        return self._socket_health.metrics

    def update_credentials(self, login: CredentialLogin, now: float) -> None:
        """Log in with other credentials on the same connection; `CredentialsUpdated` or `CredentialsRefused` follows.

        Raises:
            LocalProtocolError: The session is an assistant's, or such a change is under way.
            SocketConnectionError: The session is over, or its login is under way.
        """
        self._relogin.start(login, now)

    # -- what is the business of the calls alone -----------------------------------------------------------------------

    def answer_call(self, call_id: str, custom_headers: tuple[tuple[str, str], ...], now: float) -> str:
        """Take an incoming call.

        Returns:
            The offer. Make an answer to it, then call `set_local_description`.

        Raises:
            CallError: There is no such call (any more).
            LocalProtocolError: It is not an incoming one, or was taken already.
        """
        return self._calls.answer_call(call_id, custom_headers, now)

    def set_local_description(self, call_id: str, sdp: str, now: float) -> None:
        """The complete offer of a call is there, or the answer to that of an incoming one.

        Raises:
            LocalProtocolError: The call has one already, or wants none.
        """
        self._calls.set_local_description(call_id, sdp, now)

    def remote_description_applied(self, call_id: str, now: float) -> None:
        """The media took what `RemoteDescription` brought.

        Raises:
            LocalProtocolError: There was none.
        """
        self._calls.remote_description_applied(call_id, now)

    def set_answer(self, call_id: str, sdp: str, now: float) -> None:
        """The complete answer to the latest `MediaOffered` is there."""
        self._calls.set_answer(call_id, sdp, now)

    def fail_call(self, call_id: str, error: TxError, now: float) -> None:
        """The media of a call failed, so the call ends."""
        self._calls.fail(call_id, error, now)

    def hangup(self, call_id: str, now: float, *, cause: str | None = None, cause_code: int | None = None) -> None:
        """End a call. One that has ended, or never was, is no error. The far end is told if it was called."""
        self._calls.hang_up(call_id, now, cause, cause_code)

    def hold(self, call_id: str, wish: HoldWish, now: float) -> str:
        """Hold a call, or go on with it. What becomes of it, `CommandSettled` tells with the ticket that is returned.

        Raises:
            CallError: The call was not answered yet, or is over.
        """
        return self._calls.hold(call_id, wish, now)

    def press_keys(self, call_id: str, runs: tuple[KeyRun, ...], now: float) -> str:
        """Press telephone keys. What becomes of it, `CommandSettled` tells with the ticket that is returned.

        Raises:
            CallError: The call is not active.
        """
        return self._calls.press_keys(call_id, runs, now)

    def set_bye_headers(self, call_id: str, headers: tuple[tuple[str, str], ...]) -> None:
        """Custom headers for the bye of a call, if it comes to one. A call that has ended is no error."""
        self._calls.set_bye_headers(call_id, headers)

    def send_debug_frame(self, frame: Frame) -> None:
        """Send a frame of a debug report (protocol.md 7.1); it is lost where there is no connection."""
        if self.is_ready:
            self._channel.send(frame)

    # -- what comes out ------------------------------------------------------------------------------------------------

    def next_event(self) -> SessionEvent | None:
        """The next thing that happened; None if that was all."""
        return self._events.popleft() if self._events else None

    def show_frames(self, wanted: bool) -> None:
        """Whether `MessageReceived` is wanted; it is, until something else is said."""
        self._inbox.shows_frames = wanted

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called; None for never."""
        return self._timers.next_deadline
