"""`TokenWatch`: 34001 before a token runs out. The rows are those of JavaScript's own tests of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from telnyx_agent._protocol.outcomes import ClientWarning
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.session.token_expiry import expiry_of
from telnyx_agent._protocol.warnings import TxWarning, WarningCode
from telnyx_agent._protocol.wire.credentials import CredentialLogin
from telnyx_agent.errors import NetworkError
from tests.protocol.script import NOW, SERVER_SESSION, Script

RAISED = ClientWarning(TxWarning(WarningCode.TOKEN_EXPIRING_SOON))
CLEARED = ClientWarning(TxWarning(WarningCode.TOKEN_EXPIRING_SOON, is_cleared=True))


def part(content: Any) -> str:
    """As in a JWT: without padding."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def jwt(left: float) -> str:
    """A token that expires after so many seconds."""
    return f"{part({'alg': 'HS256'})}.{part({'exp': NOW.timestamp() + left, 'sub': 'Zoë??>>'})}.c2ln"


def ready(token: str) -> Script:
    """Logged in with it."""
    script = Script.ready(credentials=CredentialLogin(token=token, sdk_version="0.1.0"))
    script.wait(0.0)
    return script


def warnings(script: Script) -> list[ClientWarning]:
    """Since the last look."""
    return script.events(ClientWarning)


@pytest.mark.parametrize("left", [60, 120, 1])
def test_a_token_that_is_about_to_expire(left: float) -> None:
    """120 s before its end, or at once."""
    script = ready(jwt(left))
    assert warnings(script) == [RAISED]
    script.wait(1000.0)
    assert warnings(script) == []


def test_a_token_that_lives_longer() -> None:
    """300 s: the warning comes after 180 s, once."""
    script = ready(jwt(300))
    script.wait(179.9)
    assert warnings(script) == []
    script.wait(0.2)
    assert warnings(script) == [RAISED]
    script.wait(600.0)
    assert warnings(script) == []


def test_no_warning_after_the_end() -> None:
    """`disconnect` takes the timer along."""
    script = ready(jwt(300))
    script.session.disconnect(script.now)
    assert script.session.get_timer() is None
    assert warnings(script) == []


def test_a_new_token_clears_the_warning_and_is_watched() -> None:
    """`update_credentials`; a refused token changes nothing."""
    script = ready(jwt(60))
    assert warnings(script) == [RAISED]
    refused = CredentialLogin(token=jwt(10), sdk_version="0.1.0")
    script.session.relogin.start(refused, script.now)
    script.refuse("login", -32001, "Login Incorrect")
    assert warnings(script) == []
    script.session.relogin.start(CredentialLogin(token=jwt(600), sdk_version="0.1.0"), script.now)
    script.reply("login", sessid=SERVER_SESSION)
    assert warnings(script) == [CLEARED]
    script.wait(479.0)
    assert warnings(script) == []
    script.wait(2.0)
    assert warnings(script) == [RAISED]


@pytest.mark.parametrize(
    "token",
    [
        "an-opaque-token",
        "KEY.a.b",
        f"x.{part([1])}.y",
        f"x.{part({'exp': 'soon'})}.y",
        f"x.{part({'exp': True})}.y",
        f"x.{part({'exp': 10**400})}.y",
        f"x.{part({'exp': -(10**400)})}.y",
        f"x.{part({'exp': 1e308})}.y",
        f"x.{part({'exp': float('nan')})}.y",
        f"x.{part({'exp': float('inf')})}.y",
        "a.ä.b",
    ],
)
def test_tokens_that_do_not_say(token: str) -> None:
    """No JWT, or one without a time."""
    assert expiry_of(token) is None
    script = ready(token)
    script.wait(10_000.0)
    assert warnings(script) == []


def test_a_token_that_has_expired_is_the_servers_business() -> None:
    """It refuses the login."""
    assert warnings(ready(jwt(-1))) == []


def test_a_new_token_on_a_live_connection_is_watched() -> None:
    """From its acceptance on, in the place of the old one."""
    script = ready(jwt(10_000))
    new = CredentialLogin(token=jwt(300), sdk_version="0.1.0")
    script.session.relogin.start(new, script.now)
    script.accept_login()
    script.wait(179.9)
    assert warnings(script) == []
    script.wait(0.2)
    assert warnings(script) == [RAISED]


def test_a_password_has_no_end() -> None:
    """Nothing to watch."""
    script = Script.ready(credentials=CredentialLogin(sip_user="alice", password="x", sdk_version="0.1.0"))
    script.wait(0.0)
    assert warnings(script) == []
    assert expiry_of(None) is None


@pytest.mark.parametrize(("timeout", "expected"), [(0.0, 1), (60.0, 0)])
def test_a_lost_connection_that_is_not_made_again(timeout: float, expected: int) -> None:
    """36005, where the user wants no reconnection; before the final error."""
    script = Script.ready(settings=SessionSettings(reconnect_timeout=timeout))
    script.forget()
    script.lose_connection(NetworkError("network: reset"))
    assert (
        warnings(script)
        == [ClientWarning(TxWarning(WarningCode.RECONNECTION_FAILED_WITH_NO_AUTO_RECONNECT))] * expected
    )
