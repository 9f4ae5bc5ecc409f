"""`Logins`: the logins of one client, one after the other - what each takes, and what is left of the last.

A login has a loop, a dispatcher, a log, a publisher and a driver. Client, calls and assistant see it as a
`SessionHandle`.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import _exit
from ._callables import check_logger, takes
from ._login_state import Link, LinkStatus
from ._runtime.futures import CommandFuture
from ._runtime.imports import uninterrupted
from ._runtime.log import ClientLog
from ._runtime.loop import LoopThread
from ._runtime.threads import check_may_wait
from ._runtime.watch import Watch
from ._session_handle import NOT_CONNECTED, SessionHandle, not_connected
from ._tools.runner import ToolRunner
from .config import LogLevel
from .errors import LocalProtocolError, TxError

if TYPE_CHECKING:
    from typing import Any

    from ._assistant_record import AssistantRecord
    from ._calls import Calls
    from ._listeners import Listeners
    from ._login_wishes import LoginWishes
    from ._protocol.wire.credentials import Login
    from ._runtime.dispatch import Dispatcher
    from ._runtime.log import Sink

__all__ = ["Logins", "checked_logger"]

_CLOSING_PATIENCE = 2.0
"""Seconds; a server that lives answers a close frame in milliseconds."""

_TAG = "telnyx_agent"
"""What Android's loggers get as their tag."""

_SETTLED = frozenset({LinkStatus.READY, LinkStatus.FAILED, LinkStatus.CLOSED})


class Logins:
    """See above. Any thread, unless it says otherwise.

    Args:
        owner: What says goodbye when the process ends: the client.
        number: That of the client, for the log.
        listeners: Who is told what happens.
        assistant: What is known of the assistant.
        make_dispatcher: Makes what runs the callbacks of a login.
        wishes: Those of the first login, as far as they are known before it.
    """

    def __init__(
        self,
        owner: _exit.Connected,
        number: int,
        listeners: Listeners,
        assistant: AssistantRecord,
        make_dispatcher: Callable[[], Dispatcher],
        wishes: LoginWishes,
    ) -> None:
        self.connection = Watch(Link())
        """What properties and waiters see of the connection."""
        self.handle = NOT_CONNECTED
        """The login that goes on."""
        self.login: Login | None = None
        """What the latest login says to the server."""
        self.wishes = wishes
        """Those of the latest login."""
        self.tools = ToolRunner(self.answer_function_call)
        """The program's tools."""
        self._owner = owner
        self._number = number
        self._listeners = listeners
        self._assistant = assistant
        self._make_dispatcher = make_dispatcher
        # Guards the change of login against itself (two threads logging in, or one in and one out); never held while
        # waiting.
        self._lock = threading.Lock()
        self._is_free = threading.Event()
        self._dispatcher: Dispatcher | None = None
        self._log: ClientLog | None = None

    @property
    def dispatcher(self) -> Dispatcher:
        """What runs the callbacks of the latest login; before the first, what would."""
        return self._make_dispatcher() if self._dispatcher is None else self._dispatcher

    @property
    def is_in_callback(self) -> bool:
        """Whether the calling thread is running a callback of the client's."""
        return self._dispatcher is not None and self._dispatcher.is_current_thread()

    def begin(
        self,
        login: Login,
        wishes: LoginWishes,
        calls: Calls,
    ) -> CommandFuture[None]:
        """Connect and log in. The future is done when the client is ready.

        Raises:
            LocalProtocolError: The client is logged in already.
        """
        # Half of the SDK, which nobody needs who only imports it. Here, not under the lock.
        with uninterrupted():
            from . import _publisher  # noqa: F401
            from ._drivers import making  # noqa: F401

        self._let_failed_login_go()
        with self._lock:
            if self.handle.is_open:
                raise LocalProtocolError(f"this client is logged in {self._whereto()}already; call disconnect() first")
            loop = LoopThread.acquire()
            try:
                self.login, self.wishes = login, wishes
                handle = self._new_handle(loop, calls)
                self._is_free.clear()
                _exit.LIVE.add(self._owner)
                # From here on `disconnect` puts an end to it, also if it is interrupted before its start.
                self.handle = handle
            except BaseException:  # Ctrl-C, or a signal's handler of the program's that raises
                if not self.handle.is_open:
                    self.connection.set(Link())
                    _exit.LIVE.discard(self._owner)
                    if self._dispatcher is not None:
                        self._dispatcher.close()
                    loop.release()
                raise
        # Where another thread has disconnected since, that was the end of the loop.
        refusal = LocalProtocolError("disconnected before the login was complete")
        return handle.command(lambda driver: driver.start, refusal=refusal)

    def end(self) -> CommandFuture[None]:
        """Log out. The future is done when everything is gone and the last callback was delivered."""
        if not self.handle.is_open:
            # Over already, but perhaps only just: its last callbacks may still be on their way.
            return CommandFuture.settled_after(self._dispatcher)
        return self.handle.command(lambda driver: driver.disconnect)

    def wait_until_ready(self, timeout: float | None) -> None:
        """Block until the login is complete.

        Raises:
            TxError: What it failed with, or there is none.
            TxTimeoutError: The time was up.
        """
        if not self.handle.is_open and self.connection.get().status is not LinkStatus.FAILED:
            raise not_connected()
        link = self.connection.wait(lambda now: now.status in _SETTLED, timeout)
        if link.error is not None:
            raise link.error
        if link.status is not LinkStatus.READY:
            raise not_connected()

    @property
    def refusal(self) -> TxError:
        """Why no call can be placed where there is no login."""
        return self.connection.get().error or not_connected()

    def set_log_level(self, level: LogLevel) -> None:
        """Log more or less, until the next login says its own."""
        if self._log is not None:
            self._log.level = level

    def set_logger(self, logger: object | None) -> None:
        """Let the log of this login go somewhere else."""
        if self._log is not None and self._dispatcher is not None:
            self._log.redirect(_sink_of(logger, self._dispatcher))

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call `function` where the callbacks run; before the first login, here."""
        if self._dispatcher is None:
            function()
        else:
            self._dispatcher.submit(function)

    def answer_function_call(self, call_id: str, output: str) -> CommandFuture[None]:
        """Give the agent the output of a tool."""
        return self.handle.perform(
            lambda session, now: session.conversation.send_function_call_output(call_id, output, now)
        )

    # -- inside ------------------------------------------------------------------------------------------------------

    def _new_handle(self, loop: LoopThread, calls: Calls) -> SessionHandle:
        """What a login takes; nothing of it has begun. Under the lock."""
        from ._drivers.making import make_driver
        from ._protocol.wire.credentials import conversation_of
        from ._publisher import Publisher

        login, wishes = self.login, self.wishes
        assert login is not None
        dispatcher = self._make_dispatcher()
        if self._dispatcher is not None and self._dispatcher is not dispatcher:
            # What the last login still has to tell comes first.
            dispatcher.submit(self._dispatcher.join, name="the last login's callbacks")
        self._dispatcher = dispatcher
        sink = _sink_of(wishes.logger, dispatcher)
        log = self._log = ClientLog(wishes.level, self._number, self._listeners.flight, sink)
        self.connection.set(Link(status=LinkStatus.CONNECTING, began_at=time.monotonic()))
        self._assistant.begin_login(conversation_of(login))
        handle = SessionHandle(loop, dispatcher, self.connection)
        publisher = Publisher(
            handle,
            wishes,
            self._listeners,
            calls,
            self._assistant,
            self.tools,
            on_finished=self._finished,
            on_release=functools.partial(_release, dispatcher, loop, log),
        )
        handle.driver = make_driver(
            login, wishes.configuration, wishes.reconnect_timeout, publisher, log, loop, dispatcher.pressure
        )
        return handle

    def _let_failed_login_go(self) -> None:
        """A login that has failed only closes its socket: whoever tries other credentials need not wait for that."""
        if self.handle.is_open and self.connection.get().status is LinkStatus.FAILED:
            check_may_wait("a login")
            self._is_free.wait(_CLOSING_PATIENCE)

    def _finished(self) -> None:
        """Everything of a login is gone; the next may come. Loop thread."""
        with self._lock:
            self.handle.end()
            self.handle = NOT_CONNECTED
            _exit.LIVE.discard(self._owner)
        self._is_free.set()

    def _whereto(self) -> str:
        """For a message: with a space behind, or empty."""
        from ._protocol.wire.credentials import is_anonymous

        if self.login is None or not is_anonymous(self.login):
            return ""
        return f"to {self.connection.get().target_id or 'an assistant'} "


def _release(dispatcher: Dispatcher, loop: LoopThread, log: ClientLog) -> None:
    """Let a login's threads end once they are through with what is queued."""
    dispatcher.submit(log.close)
    dispatcher.close()
    loop.release()


def checked_logger(logger: object | None) -> object | None:
    """A `TxLogger`, or None.

    Raises:
        ClientConfigurationError: It is none.
    """
    check_logger("logger", logger)
    return logger


def _sink_of(logger: Any, dispatcher: Dispatcher) -> Sink | None:
    """What hands a client's messages to its logger, where callbacks run."""
    if logger is None:
        return None
    # Android's form has a tag and an exception, too.
    with_tag = takes(logger.log, 2) is False and takes(logger.log, 4) is True

    def sink(level: LogLevel, message: str, exc: BaseException | None) -> None:
        arguments = (level, _TAG, message, exc) if with_tag else (level, message)
        dispatcher.submit(lambda: logger.log(*arguments), "logger.log")

    return sink
