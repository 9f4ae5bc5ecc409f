"""Calls that the server makes to a client which is logged in with credentials: invite to answer (3.10). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._dialog_params import find_call_id, offer_problem
from ._events import ClientAnswered, OfferWanted
from ._registry import CallPhase, ServerCall, ServerSession
from ._send_queue import Outbox
from ._server_calls import SESSION_ERROR, CallHandler
from .scenario import HangUp, Scenario

__all__ = ["IncomingHandler"]


class IncomingHandler:
    """The calls of one connection that go to the client.

    Args:
        outbox: Where frames and events go.
        scenario: How to behave.
        calls: Ends them; everything after the answer is as with other calls.
    """

    def __init__(self, outbox: Outbox, scenario: Scenario, calls: CallHandler) -> None:
        self._outbox = outbox
        self._scenario = scenario
        self._calls = calls

    def call(self, session: ServerSession, call_id: str, dialog: Mapping[str, Any], ring: float, now: float) -> None:
        """Call the client: its phone rings when the driver has made an offer, for `ring` seconds."""
        call = ServerCall(
            call_id=call_id,
            dialog=dict(dialog),
            leg_id=self._outbox.new_id(),
            telnyx_session_id=self._outbox.new_id(),
            control_id="v3:" + self._outbox.new_id().replace("-", ""),
            to_client=True,
            invited_at=now,
        )
        session.calls[call.key] = call
        self._outbox.emit(OfferWanted(call_id))

        def give_up(later: float) -> None:
            if call.phase is not CallPhase.ANSWERED:
                self._calls.hang_up(session, call, HangUp("NO_ANSWER"), later)

        self._outbox.at(now + ring, give_up)

    def send_invite(self, call: ServerCall, sdp: str, now: float) -> None:
        """The offer is made."""
        call.local_sdp = sdp
        call.phase = CallPhase.RINGING
        headers = call.dialog.get("custom_headers") or []
        params: dict[str, Any] = {
            "callID": call.call_id,
            "sdp": sdp,
            **call.parties(),
            # Seen from the server.
            "display_direction": "outbound",
            "dialogParams": {"custom_headers": [dict(header) for header in headers]},
            **call.ids(),
        }
        if call.dialog.get("clientState"):
            params["client_state"] = call.dialog["clientState"]
        self._outbox.request("telnyx_rtc.invite", params)

    def answer(self, request_id: Any, params: Mapping[str, Any], session: ServerSession, now: float) -> None:
        """The client takes a call."""
        call_id = find_call_id(params, strict=self._scenario.strict)
        call = session.find_call(call_id)
        if call_id is None:
            self._outbox.error(request_id, SESSION_ERROR, "CallID missing")
        elif call is None:
            self._outbox.error(request_id, SESSION_ERROR, "CALL DOES NOT EXIST", callID=call_id)
        elif not call.to_client or call.phase is not CallPhase.RINGING or self._scenario.client_answer == "reject":
            self._outbox.error(request_id, SESSION_ERROR, "CALL ERROR", callID=call_id)
        elif (problem := offer_problem(params.get("sdp"), trickle=params.get("trickle") is True)) is not None:
            self._outbox.error(request_id, SESSION_ERROR, problem, callID=call_id)
            self._calls.hang_up(session, call, HangUp("INCOMPATIBLE_DESTINATION"), now)
        elif self._scenario.client_answer == "accept":
            call.phase = CallPhase.ANSWERED
            dialog = params.get("dialogParams")
            given = dialog.get("custom_headers") if isinstance(dialog, Mapping) else None
            headers = [header for header in given if isinstance(header, Mapping)] if isinstance(given, list) else []
            pairs = tuple((str(header.get("name")), str(header.get("value"))) for header in headers)
            self._outbox.reply(request_id, {"callID": call.call_id, "message": "CALL ANSWERED"})
            self._outbox.emit(ClientAnswered(call.call_id, str(params["sdp"]), pairs))
