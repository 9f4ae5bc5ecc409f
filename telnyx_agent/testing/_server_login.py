"""Login, gateway state and what follows a login: clientReady, widget settings, taking over an older socket. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._credentials import Credentials
from ._events import CallEnded, CloseSocket, LoggedIn, Registered, Superseded
from ._registry import CallPhase, Connection, Registry, ServerSession
from ._send_queue import Outbox
from ._server_calls import CallHandler
from .scenario import Scenario

__all__ = ["LoginHandler"]

LOGIN_ERROR = -32001
NO_CONVERSATION = 10007, "The conversation does not exist or does not belong to this user"
_SECRETS = ("passwd", "login_token")


class LoginHandler:
    """The login of one connection.

    Args:
        outbox: Where frames and events go.
        scenario: How to behave.
        registry: Where sessions live.
        calls: Calls of this connection, for those that are re-attached.
        accept: Says whether a target id (or, for `login`, a user name) is welcome.
        credentials: Says whether a user with a password, or a token, is welcome.
        knows_voice_sdk_id: Whether the URL carried a `voice_sdk_id` that this server gave out.
    """

    def __init__(
        self,
        outbox: Outbox,
        scenario: Scenario,
        registry: Registry,
        calls: CallHandler,
        *,
        accept: Callable[[str], bool],
        credentials: Credentials,
        knows_voice_sdk_id: bool,
    ) -> None:
        self.session: ServerSession | None = None
        self.registered = False
        self._outbox = outbox
        self._scenario = scenario
        self._registry = registry
        self._calls = calls
        self._accept = accept
        self._credentials = credentials
        self._knows_voice_sdk_id = knows_voice_sdk_id
        self._queries = 0

    def login(
        self, request_id: Any, method: str, params: Mapping[str, Any], now: float, connection: Connection
    ) -> None:
        """A1 to A3, or a rejection (B), or silence."""
        scenario, outbox = self._scenario, self._outbox
        if scenario.login == "silent":
            return
        error = self._refusal(method, params)
        if error is not None:
            code, message = error
            outbox.after(scenario.login_delay, now, lambda _: outbox.error(request_id, code, message))
            return

        def accepted(later: float) -> None:
            outbox.reply(request_id, {"message": "logged in"})
            self._enter(method, params, later, connection)
            outbox.reached("login", later)

        outbox.after(scenario.login_delay, now, accepted)
        if scenario.client_ready:
            outbox.after(max(scenario.client_ready_delay, scenario.login_delay), now, self._announce)

    def _refusal(self, method: str, params: Mapping[str, Any]) -> tuple[int, str] | None:
        """Code and message of a rejection, or None."""
        name = params.get("target_id" if method == "anonymous_login" else "login")
        token = params.get("login_token")
        if not params:
            return LOGIN_ERROR, "Missing params"
        if method == "login" and not isinstance(name, str) and isinstance(token, str):
            name = "login_token"
        elif method == "login" and isinstance(name, str) and not isinstance(params.get("passwd"), str):
            return LOGIN_ERROR, "Missing passwd"
        if not isinstance(name, str):
            return LOGIN_ERROR, "Missing or improper credentials"
        if self._scenario.login == "reject" or not self._accept(name):
            return self._scenario.login_error
        wrong = self._credentials.refusal(params) if method == "login" else None
        if wrong is not None:
            return LOGIN_ERROR, wrong
        joined = joined_conversation(params)
        known = self._scenario.conversations
        if joined is not None and known is not None and joined not in known:
            return NO_CONVERSATION
        return None

    def _enter(self, method: str, params: Mapping[str, Any], now: float, connection: Connection) -> None:
        """The session begins, or begins again on this socket."""
        session_id = self._outbox.session_id
        session = self._registry.sessions.get(session_id)
        if session is None:
            self._registry.make_room()
            session = self._registry.sessions[session_id] = ServerSession(session_id)
        elif session.connection is not None and session.connection is not connection:
            # S15: the old socket is still alive from the server's point of view.
            old = session.connection
            self._detach_from(session, now)
            old.supersede(now)
            self._outbox.emit(Superseded(old.number))
        session.connection, session.expires_at = connection, None
        session.voice_sdk_id = self._outbox.voice_sdk_id
        session.target_id = str(params.get("target_id") or params.get("login") or "")
        session.has_credentials = method == "login"
        self.session = session
        # Attach first (S15): a client that has not been offered its call again could make nothing of its words.
        self._outbox.keep_conversation(session.deliveries, hold=bool(session.calls or session.deliveries))
        self._reattach(session)
        if self._scenario.conversation_id is not None:
            self._outbox.conversation_id = joined_conversation(params) or self._scenario.conversation_id
        public = {name: value for name, value in params.items() if name not in _SECRETS}
        public["userVariables"] = kept_variables(params.get("userVariables"))
        self._outbox.emit(LoggedIn(session_id, session.target_id, public))

    def _detach_from(self, session: ServerSession, now: float) -> None:
        for call in self._registry.detach(session, now, self._scenario.detach_timeout):
            call.phase = CallPhase.ENDED
            self._outbox.emit(CallEnded(call.call_id, "ORIGINATOR_CANCEL", by_client=True))

    def _reattach(self, session: ServerSession) -> None:
        """Offer the session's calls to the client again, or forget them."""
        detached = [call for call in session.calls.values() if call.detached]
        lost = self._scenario.reattach == "none" or (self._scenario.strict and not self._knows_voice_sdk_id)
        for call in detached:
            if lost:
                call.phase = CallPhase.ENDED
                del session.calls[call.key]
                self._outbox.emit(CallEnded(call.call_id, "NORMAL_CLEARING", by_client=False))
            else:
                self._calls.begin_attach(call)

    def _announce(self, now: float) -> None:
        """clientReady, after the attach frames (S15) or, in one variant, before."""
        session = self.session
        if session is None:
            return
        if self._scenario.reattach == "late":
            self._client_ready(session, now)
        else:
            self._calls.when_attached(session, now, lambda later: self._client_ready(session, later))

    def _client_ready(self, session: ServerSession, now: float) -> None:
        if self._scenario.widget_settings_early:
            self._send_widget_settings()
        reattached = [call.call_id for call in session.calls.values() if call.detached]
        self._outbox.request("telnyx_rtc.clientReady", {"reattached_sessions": reattached})
        self._outbox.release_conversation()
        self._outbox.reached("client_ready", now)

    # -- gateway -------------------------------------------------------------------------------------------------------

    def gateway_state(self, request_id: Any, now: float) -> None:
        """A4, A5: the next of the scenario's states."""
        states = self._scenario.gateway_states
        if not states:
            return
        state = states[min(self._queries, len(states) - 1)]
        self._queries += 1
        self._outbox.after(self._scenario.gateway_delay, now, lambda later: self._send_state(request_id, state, later))

    def _send_state(self, request_id: Any, state: str, now: float) -> None:
        scenario, outbox = self._scenario, self._outbox
        params: dict[str, Any] = {"state": state}
        if state == "REGED":
            params |= {"call_report_id": outbox.new_id(), "dc": "ams3-prod", "region": "eu-west"}
            self._registry.report_ids.add(params["call_report_id"])
        if scenario.gateway_push:
            outbox.request("telnyx_rtc.gatewayState", params)
        else:
            outbox.reply(request_id, {"params": params})
        outbox.reached("gateway", now)
        if state != "REGED":
            if scenario.gateway_close_code is not None:
                outbox.emit(CloseSocket(scenario.gateway_close_code, "gateway down"))
        elif not self.registered:
            self._outbox.release_conversation()  # where there is no clientReady
            self.registered = True
            outbox.emit(Registered(outbox.session_id))
            if not scenario.widget_settings_early:
                outbox.after(scenario.widget_settings_delay, now, lambda _: self._send_widget_settings())
            if scenario.punt_after is not None:
                outbox.at(now + scenario.punt_after, self.punt)

    def _send_widget_settings(self) -> None:
        settings = self._scenario.widget_settings
        if settings is not None and self.session is not None and not self.session.has_credentials:
            self._outbox.conversation({"type": "widget_settings", "widget_settings": dict(settings)}, keep=False)

    def punt(self, now: float) -> None:
        """H: evict this client. Its calls end without a bye; the client closes the socket."""
        self._outbox.request("telnyx_rtc.punt", {})
        session = self.session
        if session is None:
            return
        for call in list(session.calls.values()):
            call.phase = CallPhase.ENDED
            del session.calls[call.key]
            self._outbox.emit(CallEnded(call.call_id, "PURGE", by_client=False))


def joined_conversation(params: Mapping[str, Any]) -> str | None:
    """The conversation that a login wants to join, in either of its two places (R8)."""
    inner = params.get("target_params")
    found = params.get("conversation_id") or (inner.get("conversation_id") if isinstance(inner, Mapping) else None)
    return found if isinstance(found, str) else None


def kept_variables(variables: object) -> dict[str, str | bool]:
    """S18: of `userVariables` the server keeps text and booleans only."""
    if not isinstance(variables, Mapping):
        return {}
    return {str(name): value for name, value in variables.items() if isinstance(value, (str, bool))}
