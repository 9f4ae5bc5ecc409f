"""`ClientCall`: a call that the local agent makes to a client. The test's hand on it; any thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .scenario import HangUp

if TYPE_CHECKING:
    from ._live_call import CallRecord
    from ._server import AgentServer
    from .local_agent import LocalAgent

__all__ = ["CallsClients", "ClientCall"]

T = TypeVar("T")

_CANCELLED = HangUp("ORIGINATOR_CANCEL", 487, 487, "Request Terminated")


class ClientCall:
    """One call to a client, from its ringing to its end. Made by `LocalAgent.call_client`.

    Attributes:
        call_id: The call's id, as the client sees it.
    """

    def __init__(self, agent: LocalAgent, call_id: str) -> None:
        self.call_id = call_id
        self._agent = agent

    def __repr__(self) -> str:
        return f"<ClientCall {self.call_id}>"

    @property
    def record(self) -> CallRecord:
        """A snapshot.

        Raises:
            LookupError: The agent has forgotten the call.
        """
        for record in self._agent.calls:
            if record.call_id == self.call_id:
                return record
        raise LookupError(f"there is no call {self.call_id}")

    def wait_until_ringing(self, timeout: float = 5.0) -> None:
        """Wait until the client has confirmed the invite.

        Raises:
            TimeoutError: It did not in time.
        """
        sent = self._agent.wait_for_frame(
            "telnyx_rtc.invite",
            timeout,
            direction="sent",
            predicate=lambda frame: bool(frame["params"].get("callID") == self.call_id),
        )
        self._agent.wait_for_frame(
            "(result)",
            timeout,
            direction="received",
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
        self._agent.say(text, call_id=self.call_id)

    def cancel(self) -> None:
        """Give up while it rings, as a caller who does not want to wait any more (`ORIGINATOR_CANCEL`).

        Raises:
            LookupError: The call is over.
        """
        self._agent._hang_up(_CANCELLED, self.call_id)

    def hang_up(self, cause: str = "NORMAL_CLEARING") -> None:
        """Hang up.

        Raises:
            LookupError: The call is over.
        """
        self._agent.hang_up(cause, call_id=self.call_id)

    def _wait_for(self, state: str, timeout: float) -> CallRecord:
        return self._agent.wait_for_call(
            lambda record: record.call_id == self.call_id and record.state == state, timeout
        )


class CallsClients:
    """The part of `LocalAgent` that calls."""

    if TYPE_CHECKING:

        def _with_server(self, action: Callable[[AgentServer], T]) -> T: ...

    def call_client(
        self,
        caller_name: str = "Local Agent",
        caller_number: str = "+15550100",
        *,
        sip_user: str | None = None,
        callee_name: str = "",
        callee_number: str | None = None,
        custom_headers: Mapping[str, str] | None = None,
        client_state: str | None = None,
        greeting: str | None = None,
        ring_timeout: float = 60.0,
    ) -> ClientCall:
        """Call a client that is logged in with credentials: it rings, and when it answers, the agent speaks.

        Args:
            caller_name: Who calls.
            caller_number: From which number.
            sip_user: Whom; the client that logged in last, unless named.
            callee_name: The client's name.
            callee_number: The number that was dialled; the SIP user unless given.
            custom_headers: SIP headers of the invite.
            client_state: Base64, as Telnyx sends it.
            greeting: The agent's first words; those of `LocalAgent` unless given.
            ring_timeout: Seconds; then the caller gives up with `NO_ANSWER`.

        Raises:
            LookupError: No such client is logged in with credentials and registered.
        """
        dialog: dict[str, Any] = {
            "caller_id_name": caller_name,
            "caller_id_number": caller_number,
            "remote_caller_id_name": callee_name,
            "destination_number": callee_number,
            "custom_headers": [{"name": name, "value": value} for name, value in (custom_headers or {}).items()],
            "clientState": client_state,
        }
        call_id = self._with_server(lambda server: server.call_client(dialog, sip_user, greeting, ring_timeout))
        return ClientCall(self, call_id)  # type: ignore[arg-type]

    def _hang_up(self, reason: HangUp, call_id: str | None) -> None:
        def do(server: AgentServer) -> None:
            call = server.call(call_id)
            call.core.hang_up(call.call_id, reason, asyncio.get_running_loop().time())
            server.pump(call.core)

        self._with_server(do)
