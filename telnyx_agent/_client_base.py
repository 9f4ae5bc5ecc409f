"""`ClientBase`: what every part of `TxClient` stands on - the client's state, and how a command gets to the loop.

`TxClient` is put together from classes that derive from this one, one for each thing that a client can do; each is in a
module of its own (`_client_*.py`) and has no state in common with the others but what is here.
"""

from __future__ import annotations

import itertools
import logging
import threading
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

from . import _exit
from ._audience import Audience
from ._call_base import CallPort
from ._callables import check_methods
from ._calling import MediaChoices
from ._checks import checked_timeout
from ._flight import FlightSlot
from ._login_state import Link
from ._runtime.dispatch import Dispatcher, PumpDispatcher, dispatcher_factory
from ._runtime.futures import CommandFuture
from ._runtime.log import ClientLog
from ._runtime.loop import LoopThread
from ._runtime.waiting import Watch
from ._transcript_edits import AssistantPort, Items
from .assistant import AIAssistantManager
from .config import TxServerConfiguration
from .errors import ClientConfigurationError, LocalProtocolError, SocketConnectionError, TxError, in_words

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ._drivers.session import SessionDriver
    from ._drivers.sound import CallSound
    from ._media.peer import MediaStats
    from ._protocol.session import Session
    from ._protocol.warnings import WarningCode
    from .call import Call

__all__ = ["ClientBase", "LoginLink", "not_connected"]

_T = TypeVar("_T")
_C = TypeVar("_C", bound="ClientBase")
_client_numbers = itertools.count(1)
_log = logging.getLogger("telnyx_agent")


@attrs.frozen(eq=False)
class LoginLink:
    """What one login holds."""

    driver: SessionDriver
    dispatcher: Dispatcher
    loop: LoopThread


class ClientBase:
    """The state of a client. Nothing here is for users; any thread, unless it says otherwise."""

    def __init__(
        self,
        delegate: object | None,
        media: MediaChoices,
        callbacks: Literal["thread", "pump"] | Executor,
        reconnect_timeout: float,
    ) -> None:
        self._number = next(_client_numbers)
        self._media = media
        self._flight = FlightSlot()
        self._audience = Audience(delegate, self._flight)
        if hasattr(callbacks, "submit"):
            check_methods("callbacks", callbacks, {"submit": ("(fn)",)}, required=("submit",))
        self._make_dispatcher = dispatcher_factory(callbacks)
        self._reconnect_timeout = checked_timeout(reconnect_timeout)
        self._watch = Watch(Link())
        self._calls: dict[uuid.UUID, Call] = {}
        # Guards the change of login against itself (two threads logging in, or one in and one out); never held while
        # waiting.
        self._lock = threading.Lock()
        self._link: LoginLink | None = None
        self._last_dispatcher: Dispatcher | None = None
        self._configuration = TxServerConfiguration()
        self._log: ClientLog | None = None
        self._logger: object | None = None
        self._assistant = AIAssistantManager(
            AssistantPort(
                send_message=self._send_message,
                edit_transcript=self._edit_transcript,
                perform=self._perform,
                connected_target_id=lambda: self._watch.get().target_id,
                tell=self._tell,
                add_tap=self._audience.add_tap,
                client_delegate=lambda: self._audience.delegate,
                connection_info=self._connection_info,
            )
        )

    def __repr__(self) -> str:
        return f"<TxClient {self._number} {self._watch.get().status.value}>"

    def __enter__(self: _C) -> _C:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        future = self.disconnect()
        if not self._on_delegate_thread():
            future.result(timeout=5.0)

    def disconnect(self) -> CommandFuture[None]:
        """End all calls, log out and close the connection. Idempotent, from any thread, inside any callback.

        Returns:
            A future that is done when socket, calls and audio devices are closed and the last callback was delivered.
        """
        for call in tuple(self._calls.values()):
            call._bridge.is_ending = True
        if self._link is None:
            # Over already, but perhaps only just: its last callbacks may still be on their way.
            return CommandFuture.settled_after(self._last_dispatcher)
        return self._command(None, lambda driver: driver.disconnect)

    # -- callbacks on the caller's thread ----------------------------------------------------------------------------

    def process_events(self, timeout: float = 0.0) -> int:
        """Run the callbacks that are due, on this thread. Only for `TxClient(callbacks="pump")`.

        Call it from your own loop: a Tk `after`, a Qt timer, a pygame frame. Exceptions of callbacks are logged, as
        always.

        Args:
            timeout: Seconds to wait for the first callback; 0.0 returns at once.

        Returns:
            How many callbacks ran.

        Raises:
            ClientConfigurationError: The client runs its callbacks otherwise.
        """
        dispatcher = self._make_dispatcher() if self._last_dispatcher is None else self._last_dispatcher
        if not isinstance(dispatcher, PumpDispatcher):
            raise ClientConfigurationError('process_events() is for clients made with TxClient(callbacks="pump")')
        return dispatcher.process_events(timeout)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _finished(self) -> None:
        """Everything of a login is gone; the next may come. Loop thread."""
        with self._lock:
            self._link = None
            _exit.LIVE.discard(self)

    def _command(
        self, refusal: Exception | None, command: Callable[[SessionDriver], Callable[..., None]], *args: Any
    ) -> CommandFuture[Any]:
        """Run a driver's command on the loop; its last argument is the future that it settles.

        `refusal` is the outcome where there is no connection (any more): to end what has ended is no error.
        """
        link = self._link
        if link is None:
            return CommandFuture.settled(error=refusal)
        future: CommandFuture[Any] = CommandFuture(link.dispatcher, link.loop)
        try:
            link.loop.post(_carry_out, command(link.driver), args, future)
        except RuntimeError:  # the loop has ended since
            future.settle(error=refusal)
        return future

    def _perform(
        self, action: Callable[[Session, float], _T], *, otherwise: Exception | None = None
    ) -> CommandFuture[_T]:
        """Run `action(session, now)` on the loop: the way of every command that needs no more than the pure core.

        Returns:
            A future with what it returns, done once the callbacks that it caused were delivered. Its error is the
            `TxError` that it raises, or `otherwise` (None: not connected) where there is no connection.
        """
        refusal = not_connected() if otherwise is None else otherwise
        return self._command(refusal, lambda driver: driver.perform, action)

    def _request(self, action: Callable[[Session, float], str]) -> CommandFuture[None]:
        """Run `action(session, now)` on the loop, which asks the server for something and returns a ticket.

        Returns:
            A future that is done when the server has confirmed it; its error is the `TxError` that came of it.
        """
        return self._command(not_connected(), lambda driver: driver.request, action)

    def _call_port(self) -> CallPort:
        return CallPort(
            hangup=self._hangup,
            stats=self._call_stats,
            with_sound=self._with_sound,
            watch_levels=self._watch_levels,
            perform=self._perform,
            answer=self._answer,
            request=self._request,
            on_delegate_thread=self._on_delegate_thread,
            ask=self._ask,
            forget_question=self._forget_question,
            session_id=lambda: self._watch.get().session_id,
            warn=self._warn,
        )

    def _answer(
        self, call: Call, headers: tuple[tuple[str, str], ...], muted: bool | None, own_choices: tuple[Any, ...]
    ) -> CommandFuture[None]:
        raise NotImplementedError  # in `ClientLogin`

    def _hangup(self, call_id: str, cause: str | None, cause_code: int | None) -> CommandFuture[None]:
        return self._command(None, lambda driver: driver.hangup, call_id, cause, cause_code)

    def _call_stats(self, call_id: str) -> CommandFuture[MediaStats | None]:
        return self._command(not_connected(), lambda driver: driver.call_stats, call_id)

    def _with_sound(self, call_id: str, job: Callable[[CallSound], None]) -> CommandFuture[None]:
        return self._command(not_connected(), lambda driver: driver.with_sound, call_id, job)

    def _warn(self, code: WarningCode, call_id: str) -> CommandFuture[None]:
        return self._command(None, lambda driver: driver.warn, code, call_id)

    def _watch_levels(self, call_id: str) -> CommandFuture[None]:
        return self._command(None, lambda driver: driver.watch_levels, call_id)

    def _send_message(self, text: str, urls: tuple[str, ...], may_wait: bool) -> CommandFuture[str]:
        return self._command(not_connected(), lambda driver: driver.send_message, text, urls, may_wait)

    def _edit_transcript(
        self, action: Callable[[Session, float], None], offline: Callable[[Items], Items]
    ) -> CommandFuture[None]:
        if self._link is None:
            self._assistant._replace(offline)
        return self._command(None, lambda driver: driver.perform, action)

    def _tell(self, name: str, *args: Any) -> None:
        """Give everybody an event that did not come from the server; nothing without a session."""
        link = self._link
        if link is None:
            return
        try:
            link.loop.post(self._audience.send, link.dispatcher, name, *args)
        except RuntimeError:  # the loop has ended since, and the session with it
            return

    def _connection_info(self) -> dict[str, Any]:
        raise NotImplementedError  # in `ClientLogin`

    def _ask(self, text: str, call_id: uuid.UUID, barge_in: bool) -> CommandFuture[str]:
        """Ask the agent in a call; the future gets the answer (see `Call.ask`)."""
        link = self._link
        if link is None:
            return CommandFuture.settled(error=not_connected())
        future: CommandFuture[str] = CommandFuture(link.dispatcher, link.loop)
        self._assistant._questions[future] = future
        sent = self._perform(
            lambda session, now: session.conversation.questions.ask(
                future, text, now, call_id=call_id, barge_in=barge_in
            )
        )
        if sent.done() and isinstance(error := sent.exception(0), TxError):
            from ._protocol.outcomes import QuestionSettled

            self._assistant._settle_question(QuestionSettled(future, "", error))
        return future

    def _forget_question(self, question: CommandFuture[str]) -> None:
        """Nobody waits for this answer any more."""
        if self._assistant._questions.pop(question, None) is not None:
            self._perform(lambda session, now: session.conversation.questions.forget(question, now))

    def _on_delegate_thread(self) -> bool:
        dispatcher = self._last_dispatcher
        return dispatcher is not None and dispatcher.is_current_thread()


def _carry_out(command: Callable[..., None], args: tuple[Any, ...], done: CommandFuture[Any]) -> None:
    """Run a driver's command (loop thread). Whatever it raises is its outcome: nobody may wait for it in vain."""
    try:
        command(*args, done)
    except TxError as error:
        done.settle(error=error)
    except Exception as exc:  # noqa: BLE001 - it is in the log, and in the future
        _log.exception("a command could not be carried out")
        failure = LocalProtocolError(f"the command could not be carried out: {in_words(exc)}")
        failure.__cause__ = exc
        done.settle(error=failure)


def not_connected() -> SocketConnectionError:
    """The refusal of a command where there is no connection."""
    return SocketConnectionError("not connected: call anonymous_login() or connect() first")
