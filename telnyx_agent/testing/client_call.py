"""`ClientCall`: a call that the local agent makes to a client. The test's hand on it; any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .scenario import HangUp

if TYPE_CHECKING:
    from ._live_call import CallRecord
    from ._server_handle import ServerHandle

__all__ = ["ClientCall"]

_CANCELLED = HangUp("ORIGINATOR_CANCEL", 487, 487, "Request Terminated")


class ClientCall:
    """One call to a client, from its ringing to its end. Made by `LocalAgent.call_client`.

    Attributes:
        call_id: The call's id, as the client sees it.
    """

    def __init__(self, server: ServerHandle, call_id: str) -> None:
        self.call_id = call_id
        self._server = server

    def __repr__(self) -> str:
        return f"<ClientCall {self.call_id}>"

    @property
    def record(self) -> CallRecord:
        """A snapshot.

        Raises:
            LookupError: The agent has forgotten the call.
        """
        for record in self._server.records():
            if record.call_id == self.call_id:
                return record
        raise LookupError(f"there is no call {self.call_id}")

    def wait_until_ringing(self, timeout: float = 5.0) -> None:
        """Wait until the client has confirmed the invite.

        Raises:
            TimeoutError: It did not in time.
        """
        sent = self._server.frames.wait_for(
            "telnyx_rtc.invite",
            timeout,
            direction="sent",
            count=1,
            predicate=lambda frame: bool(frame["params"].get("callID") == self.call_id),
        )
        self._server.frames.wait_for(
            "(result)",
            timeout,
            direction="received",
            count=1,
            predicate=lambda frame: bool(frame.get("id") == sent.message["id"]),
        )

    def wait_until_answered(self, timeout: float = 5.0) -> CallRecord:
        """Wait until the client has answered.

        Raises:
            TimeoutError: It did not in time, or the call ended.
        """
        return self._wait_for("answered", timeout)

    def wait_until_ended(self, timeout: float = 5.0) -> CallRecord:
        """Wait until the call is over: `cause` and `ended_by_client` of the record say how.

        Raises:
            TimeoutError: It was not in time.
        """
        return self._wait_for("ended", timeout)

    def say(self, text: str) -> None:
        """Say something, after what is being said.

        Raises:
            LookupError: The call is over.
        """
        self._server.say(text, self.call_id)

    def cancel(self) -> None:
        """Give up while it rings, as a caller who does not want to wait any more (`ORIGINATOR_CANCEL`).

        Raises:
            LookupError: The call is over.
        """
        self._server.hang_up(_CANCELLED, self.call_id)

    def hang_up(self, cause: str = "NORMAL_CLEARING") -> None:
        """Hang up.

        Raises:
            LookupError: The call is over.
        """
        self._server.hang_up(HangUp(cause), self.call_id)

    def _wait_for(self, state: str, timeout: float) -> CallRecord:
        return self._server.wait_for_call(
            lambda record: record.call_id == self.call_id and record.state == state, timeout
        )
