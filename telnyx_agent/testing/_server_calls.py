"""Calls as the server handles them: invite to bye, hold, DTMF, candidates, re-attach. Pure.

S-numbers are protocol.md 0.1 (what the server's ancestor does), A-numbers the steps of 10.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._dialog_params import client_cause, find_call_id, offer_problem
from ._events import (
    AttachAnswered,
    AttachWanted,
    CallAnswered,
    CallEnded,
    CallOffered,
    CandidateReceived,
    CloseSocket,
    DigitsReceived,
    EarlyMediaBegun,
    HoldChanged,
    MediaUpdateOffered,
)
from ._registry import CallPhase, Registry, ServerCall, ServerSession
from ._send_queue import Outbox
from .scenario import HangUp, Scenario

__all__ = ["SESSION_ERROR", "CallHandler"]

SESSION_ERROR = -32002


class CallHandler:
    """All calls of one connection.

    Args:
        outbox: Where frames and events go.
        scenario: How to behave.
        registry: For call ids that are in use elsewhere.
    """

    def __init__(self, outbox: Outbox, scenario: Scenario, registry: Registry) -> None:
        self._outbox = outbox
        self._scenario = scenario
        self._registry = registry
        self._after_attach: list[Callable[[float], None]] = []

    # -- invite to answer ----------------------------------------------------------------------------------------------

    def invite(
        self, request_id: Any, params: Mapping[str, Any], session: ServerSession, now: float, *, ready: bool
    ) -> None:
        """A7 to A11; or what the scenario does instead."""
        scenario, outbox = self._scenario, self._outbox
        if scenario.invite == "silent":
            return
        call_id = find_call_id(params, strict=scenario.strict)
        trickle = params.get("trickle") is True
        dialog = params.get("dialogParams")
        refusal = HangUp("GATEWAY_DOWN") if not ready else scenario.invite_error
        if not isinstance(dialog, Mapping):
            outbox.error(request_id, SESSION_ERROR, "Dialog data missing")
        elif call_id is None:
            outbox.error(request_id, SESSION_ERROR, "CallID missing")
        elif refusal is not None:
            cause = {name: value for name, value in refusal.params().items() if name in ("cause", "causeCode")}
            outbox.after(
                scenario.invite_delay, now, lambda _: outbox.error(request_id, SESSION_ERROR, "CALL ERROR", **cause)
            )
        elif self._registry.is_full:
            busy = {"cause": "SWITCH_CONGESTION", "causeCode": 42}
            outbox.error(request_id, SESSION_ERROR, "CALL ERROR", callID=call_id, **busy)
        elif self._registry.call_exists(call_id):
            outbox.error(request_id, SESSION_ERROR, "CALL ERROR", callID=call_id)
        elif (problem := offer_problem(params.get("sdp"), trickle=trickle)) is not None:
            outbox.error(request_id, SESSION_ERROR, problem, callID=call_id)
        else:
            call = ServerCall(
                call_id=call_id,
                dialog=dict(dialog),
                leg_id=outbox.new_id(),
                telnyx_session_id=outbox.new_id(),
                control_id="v3:" + outbox.new_id().replace("-", ""),
                invited_at=now,
            )
            session.calls[call.key] = call
            self._plan(request_id, call, session, now)
            outbox.emit(CallOffered(call_id, str(params["sdp"]), trickle))

    def _plan(self, request_id: Any, call: ServerCall, session: ServerSession, now: float) -> None:
        """Put the steps of an outbound call on the calendar."""
        scenario = self._scenario
        steps = [(scenario.ringing_delay, "ringing")] if scenario.ringing else []
        if scenario.drop_before_answer:
            steps.append((scenario.ringing_delay, "drop"))
        if scenario.hang_up_before_answer is not None:
            steps.append((scenario.media_delay, "reject"))
        elif scenario.sdp_in == "answer":
            steps.append((scenario.answer_delay, "answer"))
        elif scenario.answer_before_media:
            steps += [(scenario.media_delay, "answer"), (scenario.answer_delay, "media")]
        else:
            steps += [(scenario.media_delay, "media"), (scenario.answer_delay, "answer")]

        def created(later: float) -> None:
            self._outbox.reply(request_id, {"callID": call.call_id, "message": "CALL CREATED"})
            self._outbox.reached("invite", later, call.call_id)

        self._outbox.after(scenario.invite_delay, now, created)
        for delay, name in steps:
            due = now + scenario.scaled(delay)
            call.steps.append((due, name))
            self._outbox.at(due, lambda later: self._advance(call, session, later))

    def _advance(self, call: ServerCall, session: ServerSession, now: float) -> None:
        """Do the steps that are due, in order; those that carry an SDP wait for it."""
        while call.steps and call.phase is not CallPhase.ENDED and not call.detached:
            due, name = call.steps[0]
            if due > now or (name in ("media", "answer") and call.local_sdp is None):
                return
            call.steps.popleft()
            if name == "ringing":
                self._ring(call, now)
            elif name == "media":
                self._send_media(call, now)
            elif name == "answer":
                self._answer(call, session, now)
            elif name == "drop":
                self._outbox.emit(CloseSocket(None))
            elif self._scenario.hang_up_before_answer is not None:
                self.hang_up(session, call, self._scenario.hang_up_before_answer, now)

    def _ring(self, call: ServerCall, now: float) -> None:
        call.phase = CallPhase.RINGING
        # Android needs the caller's name and number, React Native drops the frame without the Telnyx ids.
        self._outbox.request(
            "telnyx_rtc.ringing",
            {
                "callID": call.call_id,
                **call.parties(),
                "dialogParams": {"custom_headers": []},
                "display_direction": "inbound",
                **call.ids(),
            },
        )
        self._outbox.reached("ringing", now, call.call_id)

    def _send_media(self, call: ServerCall, now: float) -> None:
        if call.phase is not CallPhase.ANSWERED:
            call.phase = CallPhase.EARLY
        params: dict[str, Any] = {
            "callID": call.call_id,
            "dialogParams": {"custom_headers": []},
            "variables": {"Core-UUID": call.leg_id, "Event-Name": "CHANNEL_DATA"},
        }
        if self._scenario.sdp_in in ("media", "both"):
            params["sdp"] = call.local_sdp
        self._outbox.request("telnyx_rtc.media", params)
        if self._scenario.early_media and call.phase is CallPhase.EARLY:
            self._outbox.emit(EarlyMediaBegun(call.call_id))
        self._outbox.reached("media", now, call.call_id)

    def _answer(self, call: ServerCall, session: ServerSession, now: float) -> None:
        call.phase = CallPhase.ANSWERED
        params: dict[str, Any] = {
            "callID": call.call_id,
            "dialogParams": {"custom_headers": []},
            "variables": {"Core-UUID": call.leg_id},
            **call.ids(),
        }
        if self._scenario.sdp_in in ("answer", "both"):
            params["sdp"] = call.local_sdp
        self._outbox.request("telnyx_rtc.answer", params)
        greet_at = max(now, call.invited_at + self._scenario.scaled(self._scenario.greeting_delay))
        self._outbox.emit(CallAnswered(call.call_id, greet_at))
        self._outbox.reached("answer", now, call.call_id)
        if self._scenario.hang_up_after is not None:
            self._outbox.at(
                now + self._scenario.hang_up_after, lambda t: self.hang_up(session, call, self._scenario.hang_up, t)
            )
        if self._scenario.drop_after is not None:
            self._outbox.at(now + self._scenario.drop_after, lambda _: self._outbox.emit(CloseSocket(None)))

    # -- media, from the driver ----------------------------------------------------------------------------------------

    def set_local_description(self, session: ServerSession, call: ServerCall, sdp: str, now: float) -> None:
        """The answer to an invite's offer, or the offer of an attach, is ready."""
        call.local_sdp = sdp
        if not call.attach_pending:
            self._advance(call, session, now)
            return
        call.attach_pending = False
        self._send_attach(call, sdp)
        self._check_attached(session, now)

    def refuse_media(self, session: ServerSession, call: ServerCall, now: float) -> None:
        """The driver cannot make media for the call: end it."""
        call.attach_pending = False
        self.hang_up(session, call, HangUp("INCOMPATIBLE_DESTINATION"), now)
        self._check_attached(session, now)

    def answer_media_update(self, call: ServerCall, sdp: str | None) -> None:
        """The answer to `modify updateMedia` is ready, or None if it failed."""
        if not call.updating:
            return
        request_id, call.update_request, call.updating = call.update_request, None, False
        if sdp is None:
            members = {"callID": call.call_id, "action": "updateMedia"}
            self._outbox.error(request_id, SESSION_ERROR, "CODEC NEGOTIATION ERROR", **members)
        else:
            result = {"action": "updateMedia", "callID": call.call_id, "sdp": sdp, "holdState": _hold_state(call)}
            self._outbox.reply(request_id, result)

    # -- the end -------------------------------------------------------------------------------------------------------

    def hang_up(self, session: ServerSession, call: ServerCall, reason: HangUp, now: float) -> None:
        """The far end hangs up. Nothing happens if the call is over already."""
        if call.phase is CallPhase.ENDED:
            return
        self._send_bye(call, reason)
        self._end(session, call, reason.cause, by_client=False)
        self._outbox.reached("bye", now, call.call_id)

    def _send_bye(self, call: ServerCall, reason: HangUp) -> None:
        params: dict[str, Any] = {"callID": call.call_id, **reason.params(), "dialogParams": {"custom_headers": []}}
        client_state = call.dialog.get("clientState")
        if isinstance(client_state, str) and client_state:
            params["client_state"] = client_state
        if "sipCode" in params:
            params["sip_call_id"] = call.telnyx_session_id
        self._outbox.request("telnyx_rtc.bye", params)

    def _end(self, session: ServerSession, call: ServerCall, cause: str, *, by_client: bool) -> None:
        call.phase = CallPhase.ENDED
        call.cause = cause
        call.steps.clear()
        session.calls.pop(call.key, None)
        self._outbox.emit(CallEnded(call.call_id, cause, by_client))

    def bye(self, request_id: Any, params: Mapping[str, Any], session: ServerSession, now: float) -> None:
        """The client hangs up (A20): a result, no bye of our own (S11) unless the scenario races."""
        call = self._find(request_id, params, session)
        if call is None:
            return
        cause, code = client_cause(params)
        if self._scenario.bye_race:
            self._send_bye(call, self._scenario.hang_up)
        if self._scenario.answer_bye:
            self._outbox.reply(
                request_id, {"callID": call.call_id, "message": "CALL ENDED", "causeCode": code, "cause": cause}
            )
        self._end(session, call, cause, by_client=True)
        session.deliveries.forget()
        self._outbox.reached("bye", now, call.call_id)

    # -- in a call -----------------------------------------------------------------------------------------------------

    def modify(self, request_id: Any, params: Mapping[str, Any], session: ServerSession, now: float) -> None:
        """Hold, unhold, toggleHold, updateMedia (S12)."""
        action = params.get("action")
        call = self._find(request_id, params, session, action=action)
        if call is None:
            return
        if action == "updateMedia":
            self._update_media(request_id, params, session, call, now)
        elif action in ("hold", "unhold", "toggleHold") and self._scenario.hold != "accept":
            if self._scenario.hold == "refuse":
                members = {"callID": call.call_id, "action": action}
                self._outbox.error(request_id, SESSION_ERROR, "CALL ERROR", **members)
        elif action in ("hold", "unhold", "toggleHold"):
            held = {"hold": True, "unhold": False}.get(action, not call.held)
            if held != call.held:
                call.held = held
                self._outbox.emit(HoldChanged(call.call_id, held))
            self._outbox.reply(request_id, {"action": action, "callID": call.call_id, "holdState": _hold_state(call)})
        else:
            self._outbox.error(request_id, SESSION_ERROR, "action missing", callID=call.call_id)

    def _update_media(
        self, request_id: Any, params: Mapping[str, Any], session: ServerSession, call: ServerCall, now: float
    ) -> None:
        members = {"callID": call.call_id, "action": "updateMedia"}
        problem = offer_problem(params.get("sdp"), trickle=params.get("trickle") is True)
        if call.phase is not CallPhase.ANSWERED:
            self._outbox.error(request_id, SESSION_ERROR, "CALL ERROR", **members)
            self.hang_up(session, call, HangUp("DESTINATION_OUT_OF_ORDER", 27), now)
        elif problem is not None or call.updating:
            self._outbox.error(request_id, SESSION_ERROR, problem or "MEDIA ERROR", **members)
        else:
            call.updating, call.update_request = True, request_id
            self._outbox.emit(MediaUpdateOffered(call.call_id, str(params["sdp"])))

    def info(self, request_id: Any, params: Mapping[str, Any], session: ServerSession) -> None:
        """DTMF (S17): an unknown call gets a result without message."""
        call = session.find_call(find_call_id(params, strict=self._scenario.strict))
        digits = params.get("dtmf")
        if call is None or not isinstance(digits, str):
            self._outbox.reply(request_id, {})
            return
        if self._scenario.dtmf != "accept":
            if self._scenario.dtmf == "refuse":
                self._outbox.error(request_id, SESSION_ERROR, "CALL ERROR", callID=call.call_id)
            return
        self._outbox.emit(DigitsReceived(call.call_id, digits))
        self._outbox.reply(request_id, {"message": "SENT"})

    def candidate(self, request_id: Any, params: Mapping[str, Any], session: ServerSession, *, end: bool) -> None:
        """A trickled candidate, or the end of them (3.7)."""
        call = self._find(request_id, params, session)
        if call is None:
            return
        candidate, mid, index = params.get("candidate"), params.get("sdpMid"), params.get("sdpMLineIndex")
        text = candidate.removeprefix("a=") if isinstance(candidate, str) and not end else None
        self._outbox.emit(
            CandidateReceived(
                call.call_id,
                text or None,
                mid if isinstance(mid, str) else None,
                index if isinstance(index, int) else None,
            )
        )
        self._outbox.reply(request_id, {})

    # -- re-attach -----------------------------------------------------------------------------------------------------

    def begin_attach(self, call: ServerCall) -> None:
        """Ask the driver for an offer to a client that came back."""
        call.attach_pending = True
        self._outbox.emit(AttachWanted(call.call_id))

    def when_attached(self, session: ServerSession, now: float, action: Callable[[float], None]) -> None:
        """Do something as soon as every attach frame is out (S15: attach comes before clientReady)."""
        self._after_attach.append(action)
        self._check_attached(session, now)

    def _check_attached(self, session: ServerSession, now: float) -> None:
        if not any(call.attach_pending for call in session.calls.values()):
            actions, self._after_attach = self._after_attach, []
            for action in actions:
                action(now)

    def _send_attach(self, call: ServerCall, sdp: str) -> None:
        other = self._scenario.reattach == "other"
        params = {
            "callID": self._outbox.new_id() if other else call.call_id,
            **call.parties(),
            "dialogParams": {"custom_headers": []},
            "display_direction": "outbound",
            "sdp": sdp,
            **call.ids(),
            "variables": {"Core-UUID": call.leg_id, "Event-Name": "CHANNEL_DATA"},
        }
        self._outbox.request("telnyx_rtc.attach", params)

    def attach(self, request_id: Any, params: Mapping[str, Any], session: ServerSession, now: float) -> None:
        """The client's answer to an attach offer (S16)."""
        call = self._find(request_id, params, session)
        if call is None:
            return
        sdp = params.get("sdp")
        if not call.detached or not isinstance(sdp, str) or offer_problem(sdp, trickle=True) is not None:
            self._outbox.error(request_id, SESSION_ERROR, "CALL ERROR", callID=call.call_id)
            self.hang_up(session, call, HangUp("BEARERCAPABILITY_NOTAVAIL", 58), now)
            return
        call.detached = False
        self._outbox.emit(AttachAnswered(call.call_id, sdp))
        self._outbox.reply(request_id, {})
        display = {"display_name": "AI Assistant", "display_number": "assistant", "display_direction": "inbound"}
        self._outbox.request("telnyx_rtc.display", {"callID": call.call_id, **display, **call.parties()})

    def _find(
        self, request_id: Any, params: Mapping[str, Any], session: ServerSession, **members: Any
    ) -> ServerCall | None:
        """The call that a request is about; answers the request with an error if there is none."""
        call_id = find_call_id(params, strict=self._scenario.strict)
        if call_id is None:
            self._outbox.error(request_id, SESSION_ERROR, "CallID missing", **members)
            return None
        call = session.find_call(call_id)
        if call is None:
            self._outbox.error(request_id, SESSION_ERROR, "CALL DOES NOT EXIST", callID=call_id, **members)
        return call


def _hold_state(call: ServerCall) -> str:
    return "held" if call.held else "active"
