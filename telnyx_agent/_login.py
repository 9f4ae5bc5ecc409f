"""`Logins`: begins and ends the logins of one client, one after the other, and keeps the state of the latest.

A login has a loop, a dispatcher, a log, a publisher and a driver. Client, calls and assistant use it through a
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
"""Seconds to wait until a failed login has closed its socket. A server that works answers in milliseconds."""

_TAG = "telnyx_agent"
"""What Android's loggers get as their tag."""

_SETTLED = frozenset({LinkStatus.READY, LinkStatus.FAILED, LinkStatus.CLOSED})


class Logins:
    """The logins of one client, at most one at a time. Methods are for any thread, unless they say otherwise.

    Args:
        owner: The client; it is disconnected when the process ends (`_exit`).
        number: The client's number, for the log.
        listeners: Get the events.
        assistant: The state of the assistant.
        make_dispatcher: Makes the dispatcher that runs a login's callbacks.
        wishes: The wishes for the first login, as far as they are known before it.
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
        """The state of the connection, for properties and waiters."""
        self.handle = NOT_CONNECTED
        """The present login."""
        self.login: Login | None = None
        """The credentials or the assistant of the latest login."""
        self.wishes = wishes
        """What the program wants of the latest login."""
        self.tools = ToolRunner(self.answer_function_call)
        """The program's tools."""
        self._owner = owner
        self._number = number
        self._listeners = listeners
        self._assistant = assistant
        self._make_dispatcher = make_dispatcher
        # Held while a login begins or ends: two threads may log in, or one logs in while the other logs out. Never held
        # during a wait.
        self._lock = threading.Lock()
        self._is_free = threading.Event()
        self._dispatcher: Dispatcher | None = None
        self._log: ClientLog | None = None

    @property
    def dispatcher(self) -> Dispatcher:
        """Runs the callbacks of the latest login. Before the first login: a new one of the same kind."""
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
        # These modules are half of the SDK, and a program that does not log in needs none of them. Imported before the
        # lock is taken, because it takes a while.
        with uninterrupted():
            from . import _publisher  # noqa: F401
            from ._drivers import making  # noqa: F401

            if wishes.tx_config is not None:
                # Calls may come in. Then the loop needs this module, and must not wait for the disk.
                from . import _call_record  # noqa: F401

        self._wait_for_failed_login()
        with self._lock:
            if self.handle.is_open:
                raise LocalProtocolError(f"this client is logged in {self._whereto()}already; call disconnect() first")
            loop = LoopThread.acquire()
            try:
                self.login, self.wishes = login, wishes
                handle = self._new_handle(loop, calls)
                self._is_free.clear()
                _exit.LIVE.add(self._owner)
                # From here on `disconnect` ends the login, even if this thread is interrupted before it has started it.
                self.handle = handle
            except BaseException:  # Ctrl-C, or a signal handler of the program that raises
                if not self.handle.is_open:
                    self.connection.set(Link())
                    _exit.LIVE.discard(self._owner)
                    if self._dispatcher is not None:
                        self._dispatcher.close()
                    loop.release()
                raise
        # The loop has ended if another thread has disconnected meanwhile.
        refusal = LocalProtocolError("disconnected before the login was complete")
        return handle.command(lambda driver: driver.start, refusal=refusal)

    def end(self) -> CommandFuture[None]:
        """Log out. The future is done when everything is closed and the last callback has returned."""
        if not self.handle.is_open:
            # The login is over, but its last callbacks may still wait.
            return CommandFuture.settled_after(self._dispatcher)
        return self.handle.command(lambda driver: driver.disconnect)

    def wait_until_ready(self, timeout: float | None) -> None:
        """Block until the login is complete.

        Raises:
            TxError: The login failed; this is its error.
            SocketConnectionError: There is no login.
            TxTimeoutError: The login was not complete in time.
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
        """The error of a call that is placed without a login."""
        return self.connection.get().error or not_connected()

    def set_log_level(self, level: LogLevel) -> None:
        """Log more or less, until the next login sets its own level."""
        if self._log is not None:
            self._log.level = level

    def set_logger(self, logger: object | None) -> None:
        """Send the log of this login to `logger` from now on; None is stderr."""
        if self._log is not None and self._dispatcher is not None:
            self._log.redirect(_sink_of(logger, self._dispatcher))

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call `function` where the callbacks run; before the first login, on this thread."""
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
        """Make the parts of a login; none of them has started. Under the lock."""
        from ._drivers.making import make_driver
        from ._protocol.wire.credentials import conversation_of
        from ._publisher import Publisher

        login, wishes = self.login, self.wishes
        assert login is not None
        dispatcher = self._make_dispatcher()
        if self._dispatcher is not None and self._dispatcher is not dispatcher:
            # The callbacks of the last login come first.
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

    def _wait_for_failed_login(self) -> None:
        """A login that has failed is about to close its socket. Wait for that, so that the program may log in again."""
        if self.handle.is_open and self.connection.get().status is LinkStatus.FAILED:
            check_may_wait("a login")
            self._is_free.wait(_CLOSING_PATIENCE)

    def _finished(self) -> None:
        """Everything of a login is closed; the next one may begin. Loop thread."""
        with self._lock:
            self.handle.end()
            self.handle = NOT_CONNECTED
            _exit.LIVE.discard(self._owner)
        self._is_free.set()

    def _whereto(self) -> str:
        """A part of an error message, with a space at its end; empty where there is nothing to say."""
        from ._protocol.wire.credentials import is_anonymous

        if self.login is None or not is_anonymous(self.login):
            return ""
        return f"to {self.connection.get().target_id or 'an assistant'} "


def _release(dispatcher: Dispatcher, loop: LoopThread, log: ClientLog) -> None:
    """Let a login's threads end when they have done what is queued."""
    dispatcher.submit(log.close)
    dispatcher.close()
    loop.release()


def checked_logger(logger: object | None) -> object | None:
    """`logger`, which is a `TxLogger` or None.

    Raises:
        ClientConfigurationError: `logger` has no method `log`.
    """
    check_logger("logger", logger)
    return logger


def _sink_of(logger: Any, dispatcher: Dispatcher) -> Sink | None:
    """A function that passes the client's messages to its logger, where callbacks run; None without a logger."""
    if logger is None:
        return None
    # Android's form has a tag and an exception, too.
    with_tag = takes(logger.log, 2) is False and takes(logger.log, 4) is True

    def sink(level: LogLevel, message: str, exc: BaseException | None) -> None:
        arguments = (level, _TAG, message, exc) if with_tag else (level, message)
        dispatcher.submit(lambda: logger.log(*arguments), "logger.log")

    return sink
