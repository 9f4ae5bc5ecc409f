"""`credentials` and `relogin`: the login of a SIP connection, its gateway's retries, and other credentials later on."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent._protocol.outcomes import (
    ClientFailed,
    ClientReady,
    CloseConnection,
    CredentialsRefused,
    CredentialsUpdated,
    DropConnection,
    LoginFailed,
    OpenConnection,
    Reconnected,
    Reconnecting,
)
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.states import SessionState
from telnyx_agent._protocol.wire.credentials import CredentialLogin
from telnyx_agent._protocol.wire.redact import redacted_text
from telnyx_agent.errors import (
    AuthenticationError,
    GatewayError,
    LocalProtocolError,
    NetworkError,
    SocketConnectionError,
)
from tests.protocol.script import ONE_CONNECTION, SERVER_SESSION, VOICE_SDK_ID, Script, vector

PASSWORD, TOKEN = "a-password-of-alice", "eyJ-a-token-of-alice"
ALICE = CredentialLogin(sip_user="alice", password=PASSWORD, sdk_version="0.1.0")
BY_TOKEN = CredentialLogin(token=TOKEN, sdk_version="0.1.0")
OTHER = CredentialLogin(token="eyJ-another-token", sdk_version="0.1.0")
FAILURES = ["FAILED", "FAIL_WAIT", "EXPIRED", "TIMEOUT", "DOWN"]


# -- the login ---------------------------------------------------------------------------------------------------------


def test_the_login_with_a_password() -> None:
    """Protocol.md 2.4: user and password, the mobile SDKs' wish to have calls back, and no token."""
    params = Script.opened(credentials=ALICE).expect("login")["params"]
    assert params.pop("sessid")
    assert params == {
        "login": "alice",
        "passwd": PASSWORD,
        "loginParams": {"attach_call": "true"},
        "userVariables": {},
        "reconnection": False,
        "User-Agent": {"sdkVersion": "0.1.0", "data": "Python-0.1.0"},
    }


def test_the_login_with_a_token() -> None:
    """A token stands alone: no user, no password."""
    params = Script.opened(credentials=BY_TOKEN).expect("login")["params"]
    assert params["login_token"] == TOKEN
    assert not {"login", "passwd"} & params.keys()


def test_the_login_has_the_members_of_the_official_one() -> None:
    """JavaScript's captured frame, but for its empty switch and the token that stands beside a password there."""
    official = vector("login_with_sessid_js")
    ours = Script.opened(credentials=ALICE).expect("login")
    assert ours.keys() == official.keys()
    assert ours["params"].keys() == official["params"].keys() - {"login_token"}


def test_it_is_the_first_frame_and_the_way_to_ready_is_the_same() -> None:
    """Also if a call waits for it."""
    script = Script(credentials=ALICE)
    script.place_call(destination_number="+15550100")
    script.session.connection_opened(script.now)
    frames = script.sent()
    assert [frame["method"] for frame in frames] == ["login"]
    script.frame(
        {"jsonrpc": "2.0", "id": frames[0]["id"], "result": {"message": "logged in", "sessid": SERVER_SESSION}}
    )
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    script.gateway("REGED")
    assert len(script.events(ClientReady)) == 1
    assert script.session.registration.target_id is None
    invite = script.expect("telnyx_rtc.invite")
    assert invite["params"]["dialogParams"]["destination_number"] == "+15550100"


@pytest.mark.parametrize("login", [ALICE, BY_TOKEN], ids=["password", "token"])
@pytest.mark.parametrize("name", ["error_credentials", "error_jwt", "error_auth_required"])
def test_refused_logins_end_at_once(login: CredentialLogin, name: str) -> None:
    """R15: no second try; code and text as the server sent them; the text says what to look at, and no secret."""
    script = Script.opened(credentials=login)
    error = vector(name)["error"]
    script.refuse("login", error["code"], error["message"])
    failed = script.event(LoginFailed).error
    assert isinstance(failed, AuthenticationError)
    assert (failed.server_code, failed.server_message) == (error["code"], error["message"])
    assert ("token" if login is BY_TOKEN else "password") in str(failed)
    assert PASSWORD not in str(failed)
    assert TOKEN not in str(failed)
    assert "assistant" not in str(failed)
    assert script.events() == [CloseConnection(1000)]
    script.wait(100)
    assert script.sent() == []


def test_secrets_are_in_no_repr_and_in_no_log() -> None:
    """Neither of the value nor of the session nor of the frame."""
    for login in (ALICE, BY_TOKEN):
        script = Script(credentials=login)
        script.session.connection_opened(script.now)
        (text,) = script.session.texts_to_send()
        assert PASSWORD in text or TOKEN in text
        for shown in (
            repr(login),
            repr(script.session),
            redacted_text(text),
        ):
            assert PASSWORD not in shown
            assert TOKEN not in shown


# -- the gateway -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["UNREGED", "TRYING", "REGISTER", "UNREGISTER", "NOREG"])
def test_states_on_the_way_are_asked_for_again(state: str) -> None:
    """R14: every two to three seconds, five times at most; then 46001."""
    script = Script.logged_in(credentials=ALICE)
    for _ in range(4):
        script.gateway(state)
        script.wait(3)
    script.gateway(state)
    error = script.event(LoginFailed).error
    assert isinstance(error, GatewayError)
    assert (error.code, error.server_message) == (46001, state)
    assert "assistant" not in str(error)


def fail_gateway(script: Script, state: str) -> None:
    """Log in on the next connection, to a gateway in this state."""
    script.session.connection_opened(script.now)
    script.accept_login()
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    script.gateway(state)


@pytest.mark.parametrize("state", FAILURES)
def test_a_gateway_that_fails_is_tried_on_other_connections(state: str) -> None:
    """Three times, as Android and Flutter do, with growing delays; then the login fails with the gateway's error."""
    script = Script(credentials=ALICE)
    fail_gateway(script, state)
    delays = []
    for _ in range(3):
        assert len(script.events(DropConnection)) == 1
        retry = script.event(Reconnecting)
        assert isinstance(retry.error, GatewayError)
        delays.append(retry.delay)
        assert script.events(LoginFailed) == []
        script.wait(retry.delay)
        assert len(script.events(OpenConnection)) == 1
        fail_gateway(script, state)
    assert delays == [1.0, 2.0, 4.0]
    error = script.event(LoginFailed).error
    assert isinstance(error, GatewayError)
    assert (error.code, error.server_message) == (45004, state)
    assert script.events(Reconnecting) == []
    assert script.session.registration.state is SessionState.CLOSING
    assert script.session.get_timer() is None


@pytest.mark.parametrize("state", ["FAILED", "FAIL_WAIT", "TIMEOUT", "DOWN"])
def test_the_retry_may_succeed(state: str) -> None:
    """One ClientReady, no error, no Reconnected; and the next connection asked for another server (R3)."""
    script = Script(credentials=ALICE)
    script.session.connection_opened(script.now)
    script.frame(
        {
            "jsonrpc": "2.0",
            "id": script.expect("login")["id"],
            "result": {"message": "logged in", "sessid": SERVER_SESSION},
            "voice_sdk_id": VOICE_SDK_ID,
        }
    )
    script.say("telnyx_rtc.clientReady")
    script.gateway(state)
    script.wait(1)
    assert script.event(OpenConnection) == OpenConnection(VOICE_SDK_ID, elsewhere=True)
    fail_gateway(script, "REGED")
    assert len(script.events(ClientReady)) == 1
    assert not script.events(Reconnected)
    assert not script.events(LoginFailed)
    assert script.session.registration.is_ready


def test_a_call_waits_through_the_retries() -> None:
    """What is dialled before the login is through is called when it is."""
    script = Script(credentials=ALICE)
    script.place_call(destination_number="+15550100")
    fail_gateway(script, "FAILED")
    script.wait(1)
    fail_gateway(script, "REGED")
    assert script.expect("telnyx_rtc.invite")
    assert script.states() == ["NEW", "CONNECTING"]


@pytest.mark.parametrize("settings", [ONE_CONNECTION, None])
def test_who_does_not_reconnect_does_not_retry(settings: SessionSettings | None) -> None:
    """Nor does a login to an assistant, whose user waits for an answer."""
    script = Script.logged_in(settings=settings, credentials=ALICE if settings is ONE_CONNECTION else None)
    script.gateway("FAILED")
    assert isinstance(script.event(LoginFailed).error, GatewayError)


def test_time_for_retries_is_limited() -> None:
    """When `reconnect_timeout` is over, the login fails with what it failed with before."""
    script = Script(credentials=ALICE, settings=SessionSettings(reconnect_timeout=8.0))
    fail_gateway(script, "FAIL_WAIT")
    script.wait(1)
    script.session.connection_opened(script.now)
    script.wait(8)
    assert isinstance(script.event(LoginFailed).error, GatewayError)


def test_a_network_that_fails_meanwhile_ends_the_login() -> None:
    """As in any first login."""
    script = Script(credentials=ALICE)
    fail_gateway(script, "FAILED")
    script.wait(1)
    script.lose_connection(NetworkError("network: refused"))
    assert isinstance(script.event(LoginFailed).error, NetworkError)


# -- reconnection ------------------------------------------------------------------------------------------------------


def test_a_lost_connection_is_made_again_with_the_same_credentials() -> None:
    """R53: the same session id, `reconnection` true, the token for the same server in the URL."""
    script = Script.ready(credentials=ALICE)
    script.frame({"jsonrpc": "2.0", "id": 9, "method": "telnyx_rtc.ping", "params": {}, "voice_sdk_id": VOICE_SDK_ID})
    script.lose_connection(NetworkError("network: gone"))
    script.wait(1)
    assert script.event(OpenConnection).voice_sdk_id == VOICE_SDK_ID
    script.forget()
    script.session.connection_opened(script.now)
    params = script.expect("login")["params"]
    assert (params["sessid"], params["reconnection"], params["passwd"]) == (SERVER_SESSION, True, PASSWORD)


def test_credentials_that_are_refused_when_reconnecting_end_the_session() -> None:
    """A token may have expired meanwhile."""
    script = Script.ready(credentials=BY_TOKEN)
    script.lose_connection(NetworkError("network: gone"))
    script.wait(1)
    script.session.connection_opened(script.now)
    script.refuse("login", -32001, "JWT token authentication failed")
    failed = script.event(ClientFailed)
    assert failed.is_final
    assert isinstance(failed.error, AuthenticationError)


# -- other credentials -------------------------------------------------------------------------------------------------


def test_other_credentials_on_the_same_connection() -> None:
    """The login carries the same session id; what was accepted is used for the next connection."""
    script = Script.ready(credentials=ALICE)
    script.session.relogin.start(OTHER, script.now)
    login = script.expect("login")
    assert (login["params"]["login_token"], login["params"]["sessid"]) == (OTHER.token, SERVER_SESSION)
    assert script.events() == []
    script.frame({"jsonrpc": "2.0", "id": login["id"], "result": {"message": "logged in", "sessid": SERVER_SESSION}})
    assert script.events(CredentialsUpdated) == [CredentialsUpdated()]
    script.lose_connection(NetworkError("network: gone"))
    script.wait(1)
    script.session.connection_opened(script.now)
    assert script.expect("login")["params"]["login_token"] == OTHER.token


def test_calls_survive_other_credentials() -> None:
    """The clientReady that follows names no calls, but none is lost; the gateway is asked once more."""
    script = Script.talking(credentials=ALICE)
    script.session.relogin.start(OTHER, script.now)
    script.accept_login()
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    assert script.states() == []
    script.gateway("REGED")
    assert not script.events(ClientReady)
    assert not script.events(Reconnected)
    # The next one is about a lost session again (R38).
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    reason = script.end().termination_reason
    assert reason is not None
    assert reason.error is not None
    assert reason.error.code == 48501


def test_a_gateway_that_does_not_know_the_new_credentials_is_a_reason_for_another_connection() -> None:
    """FAILED after a change: logged in anew, with the new ones."""
    script = Script.ready(credentials=ALICE)
    script.session.relogin.start(OTHER, script.now)
    script.accept_login()
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    script.gateway("FAILED")
    assert isinstance(script.event(Reconnecting).error, GatewayError)


def test_refused_credentials_change_nothing() -> None:
    """The session goes on, and its next login is the old one."""
    script = Script.talking(credentials=ALICE)
    script.session.relogin.start(OTHER, script.now)
    script.refuse("login", -32001, "Login Incorrect")
    error = script.event(CredentialsRefused).error
    assert isinstance(error, AuthenticationError)
    assert error.server_code == -32001
    assert script.session.registration.is_ready
    assert script.states() == []
    script.lose_connection(NetworkError("network: gone"))
    script.wait(1)
    script.session.connection_opened(script.now)
    assert script.expect("login")["params"]["passwd"] == PASSWORD


def test_calls_survive_an_answer_that_comes_too_late() -> None:
    """The server takes the new credentials when we have given up: what it announces then is not about calls either."""
    script = Script.talking(credentials=ALICE)
    script.session.relogin.start(OTHER, script.now)
    login = script.expect("login")
    script.wait(11)
    script.frame({"jsonrpc": "2.0", "id": login["id"], "result": {"message": "logged in", "sessid": SERVER_SESSION}})
    script.say("telnyx_rtc.clientReady", reattached_sessions=[])
    assert script.states() == []
    assert script.events(CredentialsUpdated) == []


@pytest.mark.parametrize("loss", [False, True], ids=["silence", "loss"])
def test_no_answer_to_other_credentials(loss: bool) -> None:
    """After ten seconds, or with the connection: the old ones stay. The next change may come."""
    script = Script.ready(credentials=ALICE)
    script.session.relogin.start(OTHER, script.now)
    if loss:
        script.lose_connection(NetworkError("network: gone"))
    else:
        script.wait(11)
    assert isinstance(script.event(CredentialsRefused).error, SocketConnectionError)
    script.forget()
    script.session.relogin.start(BY_TOKEN, script.now)
    if loss:
        # Between two connections there is nobody to ask: the next login has them.
        assert script.events(CredentialsUpdated) == [CredentialsUpdated()]
        script.wait(1)
        script.session.connection_opened(script.now)
    assert script.expect("login")["params"]["login_token"] == TOKEN


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (Script.ready, LocalProtocolError),
        (lambda: Script.logged_in(credentials=ALICE), SocketConnectionError),
        (lambda: Script(credentials=ALICE), SocketConnectionError),
    ],
    ids=["anonymous", "login under way", "not open"],
)
def test_when_credentials_cannot_be_changed(script: Any, error: type[Exception]) -> None:
    """An error at the call, and nothing on the wire."""
    session = script()
    session.forget()
    with pytest.raises(error):
        session.session.relogin.start(OTHER, session.now)
    assert session.sent() == session.events() == []


def test_one_change_at_a_time() -> None:
    """The second is refused while the first is under way."""
    script = Script.ready(credentials=ALICE)
    script.session.relogin.start(OTHER, script.now)
    with pytest.raises(LocalProtocolError):
        script.session.relogin.start(BY_TOKEN, script.now)
    assert script.sent_methods() == ["login"]


def test_a_session_that_ends_meanwhile_tells_whoever_waits() -> None:
    """`disconnect` before the answer."""
    script = Script.ready(credentials=ALICE)
    script.session.relogin.start(OTHER, script.now)
    script.session.disconnect(script.now)
    script.lose_connection()
    assert len(script.events(CredentialsRefused)) == 1
