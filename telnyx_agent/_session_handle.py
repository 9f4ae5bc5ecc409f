"""`SessionHandle`: one login as any thread sees it. Client, calls and assistant give their commands through it.

It knows the driver, the loop and the dispatcher of its login. It does not know the client, calls and assistant that use
it. `NOT_CONNECTED` is the handle where there is no login.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ._login_state import Link
from ._runtime.futures import CommandFuture
from ._runtime.watch import Watch
from .errors import LocalProtocolError, SocketConnectionError, TxError, in_words

if TYPE_CHECKING:
    from ._drivers.session import SessionDriver
    from ._protocol.session.session import Session
    from ._runtime.dispatch import Dispatcher
    from ._runtime.loop import LoopThread

__all__ = ["NOT_CONNECTED", "SessionHandle", "not_connected"]

_T = TypeVar("_T")
_log = logging.getLogger("telnyx_agent")


def not_connected() -> SocketConnectionError:
    """The refusal of a command where there is no connection."""
    return SocketConnectionError("not connected: call anonymous_login() or connect() first")


class SessionHandle:
    """Passes commands to one login's driver. Every method may be called from any thread; none blocks or raises.

    Args:
        loop: The loop. None: this handle refuses every command.
        dispatcher: Runs the callbacks of this login.
        connection: The state of the connection, for properties and waiters.
    """

    def __init__(
        self,
        loop: LoopThread | None = None,
        dispatcher: Dispatcher | None = None,
        connection: Watch[Link] | None = None,
    ) -> None:
        self.driver: SessionDriver | None = None
        """Carries the commands out, on the loop. Set before anybody else gets this handle; None after the end."""
        self.loop = loop
        self.dispatcher = dispatcher
        self.connection = Watch(Link()) if connection is None else connection

    @property
    def is_open(self) -> bool:
        """Whether the login goes on, or its end is under way."""
        return self.driver is not None

    @property
    def session_id(self) -> str:
        """The id that the server has confirmed; empty before."""
        return self.connection.get().session_id

    @property
    def is_in_callback(self) -> bool:
        """Whether the calling thread is running a callback of this login."""
        return self.dispatcher is not None and self.dispatcher.is_current_thread()

    def end(self) -> None:
        """The login is closed. Forget its driver, because calls keep this handle and would keep the driver alive."""
        self.driver = None

    def command(
        self,
        method: Callable[[SessionDriver], Callable[..., None]],
        *args: Any,
        refusal: TxError | None = None,
    ) -> CommandFuture[Any]:
        """Run a driver's method on the loop; its last argument is the future that it settles.

        Args:
            method: Which method: `lambda driver: driver.hangup`.
            args: Its other arguments.
            refusal: The future's error if the login is over. None: no error, for commands that end something.
        """
        driver, loop = self.driver, self.loop
        if driver is None or loop is None:
            return CommandFuture.settled(error=refusal)
        future: CommandFuture[Any] = CommandFuture(self.dispatcher, loop)
        try:
            loop.post(_carry_out, method(driver), args, future)
        except RuntimeError:  # the loop has ended since
            future.settle(error=refusal)
        return future

    def perform(self, action: Callable[[Session, float], _T]) -> CommandFuture[_T]:
        """Run `action(session, now)` on the loop. For commands that need only the pure core.

        Returns:
            A future with the action's result. It is done when the callbacks that the action caused have returned. Its
            error is the `TxError` that the action raises, or `not_connected()`.
        """
        return self.command(lambda driver: driver.perform, action, refusal=not_connected())

    def request(self, action: Callable[[Session, float], str]) -> CommandFuture[None]:
        """Run `action(session, now)` on the loop, which asks the server for something and returns a ticket.

        Returns:
            A future that is done when the server has confirmed it; else its error is a `TxError`.
        """
        return self.command(lambda driver: driver.request, action, refusal=not_connected())

    def post(self, method: Callable[[SessionDriver], Callable[..., object]], *args: Any) -> bool:
        """Run a driver's method on the loop, without a future. False if the login is over."""
        driver, loop = self.driver, self.loop
        if driver is None or loop is None:
            return False
        try:
            loop.post(method(driver), *args)
        except RuntimeError:  # the loop has ended since
            return False
        return True


NOT_CONNECTED = SessionHandle()
"""The handle of a client without a login: it refuses every command."""


def _carry_out(method: Callable[..., None], args: tuple[Any, ...], done: CommandFuture[Any]) -> None:
    """Run a driver's method (loop thread). What it raises becomes the future's error, so that nobody waits for ever."""
    try:
        method(*args, done)
    except TxError as error:
        done.settle(error=error)
    except Exception as exc:  # noqa: BLE001 - it is in the log, and in the future
        _log.exception("a command could not be carried out")
        failure = LocalProtocolError(f"the command could not be carried out: {in_words(exc)}")
        failure.__cause__ = exc
        done.settle(error=failure)
