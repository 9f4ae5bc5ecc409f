"""The server core: logins with credentials, and calls that it makes to clients (protocol.md 2.4, 3.10)."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent.testing import _events as ev
from telnyx_agent.testing._credentials import Credentials
from telnyx_agent.testing.scenario import Scenario

from .script import ANSWER, CALL_ID, OFFER, SESSION_ID, Client, Server

THEIRS = "cd35e65f-a507-4bd2-8d21-80f36d134a2e"
DIALOG: dict[str, Any] = {
    "caller_id_name": "Bob",
    "caller_id_number": "+15550122",
    "remote_caller_id_name": "Alice",
    "destination_number": "+15550111",
    "custom_headers": [{"name": "X-Order", "value": "17"}],
    "clientState": "aGVsbG8=",
}


# -- who may log in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("users", "tokens", "params", "refusal"),
    [
        (None, None, {"login": "anybody", "passwd": "anything"}, None),
        (None, None, {"login_token": "anything"}, None),
        ({"alice": "secret"}, None, {"login": "alice", "passwd": "secret"}, None),
        ({"alice": "secret"}, None, {"login": "alice", "passwd": "wrong"}, "Login Incorrect"),
        ({"alice": "secret"}, None, {"login": "bob", "passwd": "secret"}, "Login Incorrect"),
        ({"alice": "secret"}, None, {"login": "alice"}, "Login Incorrect"),
        ({"alice": "secret"}, None, {"login": 7, "passwd": None}, "Login Incorrect"),
        ({"alice": "secret"}, None, {"login_token": "t"}, "JWT token authentication failed"),
        (None, {"t"}, {"login_token": "t"}, None),
        (None, {"t"}, {"login_token": "u"}, "JWT token authentication failed"),
        (None, {"t"}, {"login": "alice", "passwd": "secret"}, "Login Incorrect"),
    ],
)
def test_credentials(
    users: dict[str, str] | None, tokens: set[str] | None, params: dict[str, Any], refusal: str | None
) -> None:
    """Without a list everybody is welcome, with one nobody else; the texts are the real server's (2.2)."""
    credentials = Credentials(users, None if tokens is None else frozenset(tokens))
    assert credentials.refusal(params) == refusal
    assert "secret" not in repr(credentials)


def registered(scenario: Scenario | None = None, user: str = "alice") -> Client:
    """A client that is logged in with credentials and registered."""
    client = Server().connect(scenario)
    client.request("login", {"login": user, "passwd": "secret", "sessid": SESSION_ID})
    client.server.pass_time(0.04)
    client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(0.1)
    return client


def test_a_login_with_credentials_locks_to_nobody() -> None:
    """No widget settings: there is no assistant. The event and the session have no password."""
    client = registered()
    assert client.names() == ["result", "clientReady", "result"]
    event = client.event(ev.LoggedIn)
    assert event.target_id == "alice"
    assert "passwd" not in event.params
    assert client.core.can_be_called


def test_who_can_be_called() -> None:
    """Neither an anonymous client, nor one that is not registered yet."""
    server = Server()
    assert not server.logged_in().core.can_be_called
    early = server.connect()
    early.request("login", {"login": "alice", "passwd": "secret"})
    server.pass_time(0.1)
    assert not early.core.can_be_called


def test_other_credentials_on_the_same_connection() -> None:
    """Accepted, announced, and nobody is thrown out; refused, and the session stays what it was."""
    client = registered()
    client.invite()
    client.take()
    client.request("login", {"login": "bob", "passwd": "secret", "sessid": SESSION_ID})
    client.server.pass_time(0.1)
    assert client.names() == ["result", "clientReady"]
    session = client.core.session
    assert session is not None
    assert session.target_id == "bob"
    assert session.find_call(CALL_ID) is not None
    client.request("login", {"login": "bob"})
    client.server.pass_time(0.1)
    assert client.names() == ["error"]
    assert session.target_id == "bob"


# -- calling a client --------------------------------------------------------------------------------------------------


def call(client: Client, ring: float = 60.0) -> dict[str, Any]:
    """The agent calls; the invite is the result."""
    client.take()
    client.core.call_client(THEIRS, DIALOG, ring, client.server.now)
    assert client.event(ev.OfferWanted).call_id == THEIRS
    client.core.set_local_description(THEIRS, OFFER, client.server.now)
    return client.frame("invite")


def answer(client: Client, **changes: Any) -> dict[str, Any]:
    """The client answers; the reply is the result."""
    dialog = {"callID": THEIRS, "custom_headers": [{"name": "X-Agent", "value": "7"}]}
    return client.ask("telnyx_rtc.answer", {"sdp": ANSWER, "dialogParams": dialog, **changes})


def test_the_invite() -> None:
    """Names, numbers and ids where the real server has them; the offer; the direction is the server's."""
    invite = call(registered())
    assert isinstance(invite["id"], int)
    params = invite["params"]
    ids = {name: params.pop(name) for name in ("telnyx_call_control_id", "telnyx_leg_id", "telnyx_session_id")}
    assert all(ids.values())
    assert params == {
        "callID": THEIRS,
        "sdp": OFFER,
        "caller_id_name": "Bob",
        "caller_id_number": "+15550122",
        "callee_id_name": "Alice",
        "callee_id_number": "+15550111",
        "display_direction": "outbound",
        "dialogParams": {"custom_headers": [{"name": "X-Order", "value": "17"}]},
        "client_state": "aGVsbG8=",
    }


def test_the_answer() -> None:
    """A result with the call's id, and the driver gets the SDP and the headers."""
    client = registered()
    call(client)
    assert answer(client)["result"]["callID"] == THEIRS
    event = client.event(ev.ClientAnswered)
    assert (event.sdp, event.custom_headers) == (ANSWER, (("X-Agent", "7"),))
    # It does not ring any more, so nobody gives up.
    client.server.pass_time(100)
    assert "bye" not in client.names()


@pytest.mark.parametrize(
    ("changes", "message", "ends"),
    [
        ({"dialogParams": {}}, "CallID missing", False),
        ({"dialogParams": {"callID": CALL_ID}}, "CALL DOES NOT EXIST", False),
        ({"sdp": ""}, "SDP missing", True),
        ({"sdp": "v=0\r\n"}, "CODEC ERROR", True),
    ],
)
def test_answers_that_are_none(changes: dict[str, Any], message: str, ends: bool) -> None:
    """-32002 with the ancestor's words; an SDP that cannot be used ends the call (S16)."""
    client = registered()
    call(client)
    assert answer(client, **changes)["error"]["code"] == -32002
    assert ("bye" in client.names()) is ends
    second = answer(client)
    assert ("error" in second) is ends


def test_a_second_answer_and_an_answer_to_the_wrong_call() -> None:
    """A call is answered once, and only by who is called."""
    client = registered()
    call(client)
    answer(client)
    assert answer(client)["error"]["message"] == "CALL ERROR"
    client.invite()
    assert answer(client, dialogParams={"callID": CALL_ID})["error"]["message"] == "CALL ERROR"


@pytest.mark.parametrize("behaviour", ["reject", "silent"])
def test_a_server_that_does_not_take_answers(behaviour: str) -> None:
    """For tests of what a client makes of it."""
    client = registered(Scenario(client_answer=behaviour))
    call(client)
    client.request("telnyx_rtc.answer", {"sdp": ANSWER, "dialogParams": {"callID": THEIRS}})
    assert client.names() == (["error"] if behaviour == "reject" else [])
    assert not [event for event in client.events if isinstance(event, ev.ClientAnswered)]


def test_nobody_answers() -> None:
    """The caller gives up after its time, with NO_ANSWER."""
    client = registered()
    call(client, ring=20.0)
    client.server.pass_time(19.9)
    assert "bye" not in client.names()
    client.server.pass_time(0.2)
    assert client.frame("bye")["params"]["cause"] == "NO_ANSWER"
    assert client.event(ev.CallEnded).cause == "NO_ANSWER"


def test_the_client_turns_it_down() -> None:
    """Its bye ends the call; no bye goes back (S11), also not when the caller's time is up."""
    client = registered()
    call(client, ring=20.0)
    reply = client.ask(
        "telnyx_rtc.bye", {"cause": "CALL_REJECTED", "causeCode": 21, "dialogParams": {"callID": THEIRS}}
    )
    assert reply["result"]["cause"] == "CALL_REJECTED"
    ended = client.event(ev.CallEnded)
    assert (ended.cause, ended.by_client) == ("CALL_REJECTED", True)
    client.server.pass_time(30)
    assert "bye" not in client.names()


def test_a_lost_connection() -> None:
    """What rings ends (S14); what was answered is offered again to the client that comes back, as its own calls are."""
    client = registered(Scenario.fast())
    call(client)
    answer(client)
    client.core.call_client(CALL_ID, DIALOG, 60.0, client.server.now)
    client.lose()
    assert client.event(ev.CallEnded).call_id == CALL_ID
    again = client.server.connect(Scenario.fast())
    again.request("login", {"login": "alice", "passwd": "secret", "sessid": SESSION_ID, "reconnection": True})
    client.server.pass_time(0.1)
    assert again.event(ev.AttachWanted).call_id == THEIRS
    again.core.set_local_description(THEIRS, OFFER, client.server.now)
    attach = again.frame("attach")["params"]
    assert (attach["callID"], attach["sdp"], attach["caller_id_number"]) == (THEIRS, OFFER, "+15550122")
