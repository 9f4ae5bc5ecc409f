"""`CommandFutures`: the futures of one login's commands, until events of the session settle them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._protocol.states import CallState, CallTerminationReason
from ..errors import CallError, LocalProtocolError, SocketConnectionError, TxError

if TYPE_CHECKING:
    from .._runtime.futures import CommandFuture

__all__ = ["CommandFutures"]


class CommandFutures:
    """Futures of commands whose result comes with a later event of the session. Loop thread only.

    Attributes:
        login: Of the login.
        end: Of `disconnect`.
        credentials: Of logins with other credentials.
        tickets: Of commands that the server has to confirm, by their tickets.
        messages: Of messages that wait for the connection, by their ids.
        answers: Of calls that are being answered, by their ids.
        questions: Of `Call.ask`. Each future is also the key of its question.
    """

    def __init__(self) -> None:
        self.login: list[CommandFuture[None]] = []
        self.end: list[CommandFuture[None]] = []
        self.credentials: list[CommandFuture[None]] = []
        self.tickets: dict[str, CommandFuture[None]] = {}
        self.messages: dict[str, CommandFuture[str]] = {}
        self.answers: dict[str, CommandFuture[None]] = {}
        self.questions: set[object] = set()

    def settle_login(self, error: TxError | None = None) -> None:
        """The login is complete, or has failed."""
        _settle(self.login, error)

    def settle_credentials(self, error: TxError | None = None) -> None:
        """The server has accepted other credentials, or refused them."""
        _settle(self.credentials, error)

    def settle_ticket(self, ticket: str, error: TxError | None) -> None:
        """The server has confirmed a command, or will not."""
        if (future := self.tickets.pop(ticket, None)) is not None:
            future.settle_after_callbacks(error=error)

    def settle_message(self, item_id: str, error: TxError | None = None) -> None:
        """A message that waited was sent, or will not be sent."""
        if (future := self.messages.pop(item_id, None)) is not None:
            if error is None:
                future.settle_after_callbacks(item_id)
            else:
                future.settle(error=error)

    def settle_answer(self, call_id: str, state: CallState) -> None:
        """A call is in a new state."""
        if state == CallState.ACTIVE or state.is_terminal:
            future = self.answers.pop(call_id, None)
            if future is not None and state.is_terminal:
                future.settle(error=_not_answered(call_id, state.termination_reason))
            elif future is not None:
                future.settle_after_callbacks()

    def settle_question(self, question: Any, text: str, error: TxError | None) -> None:
        """A question has its answer, or will have none."""
        if question in self.questions:
            self.questions.discard(question)
            question.settle(text, error)

    def settle_rest(self) -> None:
        """The login is over: settle all futures with an error, except those of `end`."""
        self.settle_login(LocalProtocolError("disconnected before the login was complete"))
        error = SocketConnectionError("not connected any more")
        for futures in (self.messages, self.tickets, self.answers):
            for future in futures.values():
                future.settle(error=error)
            futures.clear()
        self.settle_credentials(error)
        for question in tuple(self.questions):
            self.settle_question(question, "", CallError("the call ended before the answer was complete"))

    def settle_end(self) -> None:
        """Everything of the login is closed."""
        _settle(self.end)


def _settle(futures: list[CommandFuture[None]], error: TxError | None = None) -> None:
    for future in futures:
        future.settle_after_callbacks(error=error)
    futures.clear()


def _not_answered(call_id: str, reason: CallTerminationReason | None) -> TxError:
    if reason is not None and reason.error is not None:
        return reason.error
    why: Any = "no reason was given" if reason is None else reason
    return CallError(f"the call ended before it was answered: {why}", call_id=call_id)
