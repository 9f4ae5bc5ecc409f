"""`CallAsking`: the part of `Call` that asks the agent something and waits for the answer."""

from __future__ import annotations

from ._call_base import CallBase
from ._checks import check_message
from ._runtime.futures import CommandFuture
from ._tools import check_not_inside_tool
from .errors import LocalProtocolError, TxTimeoutError

__all__ = ["CallAsking"]


class CallAsking(CallBase):
    """See `Call`."""

    def ask(self, text: str, timeout: float | None = 30.0, *, barge_in: bool = False) -> str:
        """Send a typed question and wait for the agent's complete answer. One Ctrl-C interrupts the wait.

        The question is sent when the agent listens: when the call is up, its greeting is over, and it has finished what
        it says. An agent that does not begin to greet within 1.5 s of the answer to the call is not waited for, one
        that begins to answer something else for 5 s, and one that goes on speaking for 20 s.

        The answer is everything that the agent says after the question, until it has finished; where it asks for a
        client-side tool, what it says to the result belongs to it. It is what was sent as text, which may be complete
        before its sound is. While the call is being set up, or its connection is lost, the question waits. Several
        threads may ask at once: the questions are asked one after the other, those of a client's other calls too. (No
        message says which call it is for: with several calls at once, the server decides who answers.)

        Args:
            text: The question.
            timeout: Seconds, those spent in waiting for other questions included; None waits for as long as the call
                lasts.
            barge_in: Ask at once, whatever the agent is saying: it is interrupted. An agent that has not begun to greet
                may then do so after the question, and its greeting is taken for the answer.

        Raises:
            AnswerInterruptedError: Somebody spoke or wrote before the answer was complete; `text` is what there was.
            CallError: There is no call that can be asked, or it ended before the answer was complete.
            ClientConfigurationError: The text is blank or too long; nothing was sent.
            LocalProtocolError: This is the delegate's thread or a tool's. All callbacks, or the agent, would have to
                wait for the answer; ask on another thread.
            TxTimeoutError: There was no complete answer in time. The question stays asked.
        """
        if self._port.on_delegate_thread():
            raise LocalProtocolError(
                "ask() inside a callback would hold up all callbacks until the agent has answered; "
                "ask on another thread, or use send_ai_assistant_message()"
            )
        question = self._ask(text, barge_in)
        try:
            return question.result(timeout)
        except TxTimeoutError as exc:
            if question.done():
                raise
            why = "; the call is on hold, so it does not hear you: unhold() it first" if self._bridge.held else ""
            raise TxTimeoutError(
                f"the agent did not answer completely within {timeout:g} s{why}", call_id=self.call_id
            ) from exc
        finally:
            self._port.forget_question(question)

    def _ask(self, text: str, barge_in: bool = False) -> CommandFuture[str]:
        """Send the question; the future gets the answer."""
        check_not_inside_tool()
        check_message(text, ())
        if self.state.is_terminal:
            return CommandFuture.settled(error=self._over())
        return self._port.ask(text, self.call_id, bool(barge_in))
