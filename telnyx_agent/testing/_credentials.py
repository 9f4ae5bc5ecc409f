"""Who may log in with credentials. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["Credentials"]

_WRONG = "Login Incorrect"
_WRONG_TOKEN = "JWT token authentication failed"


@attrs.frozen
class Credentials:
    """Users with their passwords, and tokens. Where neither is given, everybody is welcome.

    Attributes:
        users: Passwords by user.
        tokens: Tokens.
    """

    users: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    tokens: frozenset[str] | None = attrs.field(default=None, repr=False)

    def refusal(self, params: Mapping[str, Any]) -> str | None:
        """What the server says to somebody who is not welcome (protocol.md 2.2); None to everybody else."""
        if self.users is None and self.tokens is None:
            return None
        token = params.get("login_token")
        if isinstance(token, str):
            return None if token in (self.tokens or ()) else _WRONG_TOKEN
        user = params.get("login")
        known = (self.users or {}).get(user) if isinstance(user, str) else None
        return None if known is not None and known == params.get("passwd") else _WRONG
