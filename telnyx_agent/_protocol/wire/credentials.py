"""`CredentialLogin`: the login of a SIP connection - user and password, or a token - and its frame (protocol.md 2.4).

An anonymous login has one assistant; a login with credentials may call numbers, and be called.
"""

from __future__ import annotations

from typing import Any

import attrs

from . import requests
from .requests import AnonymousLogin, Frame, user_agent

__all__ = [
    "CredentialLogin",
    "Login",
    "conversation_of",
    "is_anonymous",
    "login_frame",
    "login_hint",
    "renewed",
    "retries_of",
    "target_of",
    "token_of",
]


@attrs.frozen
class CredentialLogin:
    """Who logs in. Either user and password, or a token; a JWT is a token like any other.

    Attributes:
        sip_user: The SIP connection's user.
        password: Its password.
        token: A telephony credential's token, in place of both.
        reconnection: Whether to say that this is a reconnection attempt.
        sdk_version: For the user agent.
        gateway_retries: After how many gateway failures of the *first* login it is tried on another connection. The
            registration is with a SIP registrar, which may be unwell for seconds (Android and Flutter: 3).
    """

    sip_user: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    token: str | None = attrs.field(default=None, repr=False)
    reconnection: bool = False
    sdk_version: str = "0"
    gateway_retries: int = 3


Login = AnonymousLogin | CredentialLogin


def is_anonymous(login: Login) -> bool:
    """Whether the session is locked to one assistant."""
    return isinstance(login, AnonymousLogin)


def conversation_of(login: Login) -> str | None:
    """The existing conversation that is to be joined, if any."""
    return login.conversation_id if isinstance(login, AnonymousLogin) else None


def target_of(login: Login) -> str | None:
    """Whom every call of the session goes to; None if it goes where it is dialled to."""
    return login.target_id if isinstance(login, AnonymousLogin) else None


def token_of(login: Login) -> str | None:
    """The token that logs in, if it is one."""
    return login.token if isinstance(login, CredentialLogin) else None


def renewed(login: Login, *, reconnection: bool) -> Login:
    """The same login, for another connection."""
    if isinstance(login, AnonymousLogin):
        return attrs.evolve(login, reconnection=reconnection)
    return attrs.evolve(login, reconnection=reconnection)


def retries_of(login: Login) -> int:
    """How often a first login may meet a gateway that fails, and be tried on another connection."""
    return 0 if isinstance(login, AnonymousLogin) else login.gateway_retries


def login_hint(login: Login) -> str:
    """What to look at when the server refuses it."""
    if isinstance(login, AnonymousLogin):
        return (
            "check the assistant's id, and that "
            "the assistant allows it (telephony_settings.supports_unauthenticated_web_calls)"
        )
    if login.token is not None:
        return "check the token: it may have expired, or belong to a credential that was deleted"
    return "check the SIP user and the password of your credential connection"


def login_frame(request_id: str, login: Login, session_id: str) -> Frame:
    """The first frame on every socket."""
    if isinstance(login, AnonymousLogin):
        return requests.anonymous_login(request_id, login, session_id)
    params: dict[str, Any] = {}
    if login.token is not None:
        params["login_token"] = login.token
    else:
        params.update(login=login.sip_user, passwd=login.password)
    params.update(
        {
            # All mobile SDKs, always, as text: calls of the session that live are offered again.
            "loginParams": {"attach_call": "true"},
            "userVariables": {},
            "reconnection": login.reconnection,
            "sessid": session_id,
            # As JavaScript has it, and as in `anonymous_login` (R9); the mobile SDKs send a text.
            "User-Agent": {"sdkVersion": login.sdk_version, "data": user_agent(login.sdk_version)},
        }
    )
    return {"jsonrpc": "2.0", "id": request_id, "method": "login", "params": params}
