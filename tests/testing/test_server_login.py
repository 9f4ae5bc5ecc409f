"""The server core: envelope rules, login, gateway, ping (protocol.md 0.1, 10.1, scenarios A, B, E, F, H)."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent.testing import _events as ev
from telnyx_agent.testing.scenario import Injection, Scenario

from .script import SESSION_ID, Server, is_uuid


def test_the_way_to_ready() -> None:
    """Scenario A1 to A6: result, clientReady, REGED with its siblings, widget settings; at their times."""
    server = Server()
    client = server.connect()
    login = client.request("anonymous_login", {"target_id": "assistant-1", "sessid": SESSION_ID})
    assert client.take() == []
    server.pass_time(0.021)
    assert client.reply(login)["result"] == {"message": "logged in", "sessid": SESSION_ID}
    server.pass_time(0.01)
    ready = client.frame("clientReady")
    assert ready["params"] == {"reattached_sessions": []}
    query = client.request("telnyx_rtc.gatewayState", {})
    server.pass_time(0.011)
    result = client.reply(query)["result"]
    assert result["sessid"] == SESSION_ID
    assert result["params"]["state"] == "REGED"
    assert {"call_report_id", "dc", "region"} <= result["params"].keys()
    server.pass_time(0.02)
    settings = client.frame("widget_settings")
    assert settings["params"]["widget_settings"]["theme"] == "dark"
    assert client.event(ev.LoggedIn).target_id == "assistant-1"
    assert client.event(ev.Registered).session_id == SESSION_ID


def test_ids_of_server_requests() -> None:
    """Rule 3: integers that count up from five digits; conversations have a UUID; every frame the token."""
    client = Server().connect(Scenario.fast())
    client.login()
    client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(0.1)
    frames = client.take()
    requests = [frame for frame in frames if "method" in frame]
    integers = [frame["id"] for frame in requests if frame["method"] != "ai_conversation"]
    assert integers == [12345]
    conversation = next(frame for frame in requests if frame["method"] == "ai_conversation")
    assert is_uuid(conversation["id"])
    token = client.core.voice_sdk_id
    assert token.startswith("VSDK1")
    assert len(token) == 35
    assert all(frame["voice_sdk_id"] == token for frame in frames)


@pytest.mark.parametrize("request_id", ["Instance of 'Uuid'", 7, 3.5, None, "", True])
def test_ids_are_echoed_with_their_type(request_id: Any) -> None:
    """Rule 7: the reply's id is the request's, whatever JSON it is."""
    client = Server().logged_in()
    frame = {"jsonrpc": "2.0", "id": request_id, "method": "telnyx_rtc.ping"}
    client.send(frame)
    (reply,) = client.take()
    assert reply["id"] == request_id
    assert type(reply["id"]) is type(request_id)
    assert reply["result"] == {"message": "PONG", "sessid": SESSION_ID}


def test_the_first_frame_fixes_the_session_id() -> None:
    """S1: a ping before the login makes the server choose the id; the login's is ignored."""
    client = Server().connect()
    client.request("telnyx_rtc.ping", {})
    login = client.login()
    sessid = client.reply(login)["result"]["sessid"]
    assert sessid != SESSION_ID
    assert is_uuid(sessid)


def test_an_ack_as_first_frame_fixes_the_session_id_too() -> None:
    """S1 holds for frames that are otherwise discarded."""
    client = Server().connect()
    client.send({"jsonrpc": "2.0", "id": 1, "result": {"method": "telnyx_rtc.ping"}})
    assert client.reply(client.login())["result"]["sessid"] != SESSION_ID


def test_no_sessid_in_the_login() -> None:
    """S1: the server makes one, and says so in every result (S4)."""
    client = Server().connect()
    sessid = client.reply(client.login(sessid=None))["result"]["sessid"]
    assert is_uuid(sessid)
    assert client.ask("telnyx_rtc.ping", {})["result"]["sessid"] == sessid


@pytest.mark.parametrize("method", ["telnyx_rtc.ping", "telnyx_rtc.invite", "telnyx_rtc.gatewayState", "nonsense"])
def test_before_the_login_everything_is_refused(method: str) -> None:
    """Rule 4, S2."""
    client = Server().connect()
    error = client.ask(method, {})["error"]
    assert error == {"code": -32000, "message": "Authentication Required"}


def test_acks_and_pongs_are_swallowed() -> None:
    """Rule 6, S3: frames with `result` get no answer, whatever their id."""
    client = Server().logged_in()
    client.send({"jsonrpc": "2.0", "id": "f", "result": {"message": "PONG", "sessid": "x"}})
    client.send({"jsonrpc": "2.0", "id": 99, "result": {"method": "telnyx_rtc.ringing"}})
    client.send({"jsonrpc": "2.0", "id": 99, "error": {"code": 1}})
    assert client.take() == []


def test_unknown_methods() -> None:
    """Rule 5."""
    error = Server().logged_in().ask("telnyx_rtc.nonsense", {})["error"]
    assert error == {"code": -32601, "message": "Invalid Method, Missing Method or Permission Denied"}


def test_frames_without_method_are_dropped() -> None:
    """Rule 5: debug reports have neither method nor result."""
    client = Server().logged_in()
    client.send({"jsonrpc": "2.0", "id": "d", "type": "debug_report_start", "debug_report_id": "x"})
    assert client.take() == []


@pytest.mark.parametrize("version", ["1.0", None, 2.0])
def test_another_jsonrpc_version(version: Any) -> None:
    """S8."""
    client = Server().logged_in()
    client.send({"jsonrpc": version, "id": "v", "method": "telnyx_rtc.ping"})
    assert client.reply("v")["error"] == {"code": -32600, "message": "Invalid message"}


def test_notifications_get_no_reply() -> None:
    """Rule 7."""
    client = Server().logged_in()
    client.send({"jsonrpc": "2.0", "method": "telnyx_rtc.ping", "params": {}})
    client.send({"jsonrpc": "2.0", "method": "nonsense"})
    assert client.take() == []


@pytest.mark.parametrize(
    "garbage",
    ["", "{", "null", "3", '"text"', "#SPU 9", "[" * 5000, b"\x00\x01", '{"jsonrpc":"2.0","id":1,"params":3}'],
)
def test_garbage_changes_nothing(garbage: str | bytes) -> None:
    """What cannot be understood is reported, not answered, and the session goes on."""
    client = Server().logged_in()
    client.send(garbage)
    assert client.take() == []
    assert client.ask("telnyx_rtc.ping", {})["result"]["message"] == "PONG"


def test_batches_are_accepted() -> None:
    """S21."""
    client = Server().logged_in()
    client.send([{"jsonrpc": "2.0", "id": n, "method": "telnyx_rtc.ping"} for n in (1, 2)])
    assert [frame["id"] for frame in client.take()] == [1, 2]


# -- logins ------------------------------------------------------------------------------------------------------------


def test_invalid_target() -> None:
    """Scenario B: the error, and the socket stays open."""
    server = Server(accept=lambda target: target != "invalid-1")
    client = server.connect()
    login = client.login(target_id="invalid-1")
    assert client.reply(login)["error"] == {"code": -32001, "message": "Login Incorrect"}
    server.pass_time(60)
    assert client.is_open
    assert client.take() == []


def test_invalid_target_at_the_gateway() -> None:
    """Scenario B': logged in, then UNREGED for ever."""
    client = Server().connect(Scenario.invalid_target("gateway"))
    client.login()
    assert client.names() == ["result", "clientReady"]
    for _ in range(5):
        query = client.request("telnyx_rtc.gatewayState", {})
        client.server.pass_time(0.02)
        assert client.reply(query)["result"]["params"] == {"state": "UNREGED"}


def test_a_rejection_of_ones_own() -> None:
    """The code and message of a rejection can be chosen."""
    scenario = Scenario(login="reject", login_error=(-32001, "JWT token authentication failed"))
    client = Server().connect(scenario)
    error = client.reply(client.login())["error"]
    assert error == {"code": -32001, "message": "JWT token authentication failed"}


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("anonymous_login", {}, "Missing params"),
        ("anonymous_login", {"target_type": "ai_assistant"}, "Missing or improper credentials"),
        ("anonymous_login", {"target_id": 3}, "Missing or improper credentials"),
        ("login", {"login": "ann"}, "Missing passwd"),
    ],
)
def test_logins_that_lack_something(method: str, params: dict[str, Any], message: str) -> None:
    """S8: the texts of -32001."""
    client = Server().connect()
    request_id = client.request(method, params)
    client.server.pass_time(0.1)
    assert client.reply(request_id)["error"] == {"code": -32001, "message": message}


@pytest.mark.parametrize("params", [{"login": "ann", "passwd": "s"}, {"login_token": "jwt"}])
def test_credential_logins(params: dict[str, str]) -> None:
    """`login` works too; passwords are not handed on."""
    client = Server().connect()
    request_id = client.request("login", params)
    client.server.pass_time(0.1)
    assert client.reply(request_id)["result"]["message"] == "logged in"
    assert not {"passwd", "login_token"} & client.event(ev.LoggedIn).params.keys()


def test_user_variables_that_the_server_keeps() -> None:
    """S18: text and booleans."""
    client = Server().connect()
    client.login(userVariables={"a": "x", "b": True, "c": 3, "d": None, "e": []})
    assert client.event(ev.LoggedIn).params["userVariables"] == {"a": "x", "b": True}


def test_silence_at_the_login() -> None:
    """A login that is never answered."""
    client = Server().connect(Scenario.silent("login"))
    client.login()
    client.server.pass_time(60)
    assert client.take() == []


def test_no_client_ready() -> None:
    """A login result without clientReady; gatewayState still works (R13)."""
    client = Server().connect(Scenario.silent("client_ready"))
    client.login()
    client.server.pass_time(5)
    assert client.names() == ["result"]
    client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(0.1)
    assert client.names() == ["result", "widget_settings"]


# -- gateway -----------------------------------------------------------------------------------------------------------


def test_gateway_states_in_a_row() -> None:
    """Scenario A, variant: some other states before REGED."""
    client = Server().connect(Scenario.gateway("TRYING", "REGISTER", "REGED"))
    client.login()
    states = []
    for _ in range(4):
        query = client.request("telnyx_rtc.gatewayState", {})
        client.server.pass_time(0.011)
        states.append(client.reply(query)["result"]["params"]["state"])
    assert states == ["TRYING", "REGISTER", "REGED", "REGED"]
    client.server.pass_time(1)
    assert client.names().count("widget_settings") == 1


def test_gateway_push() -> None:
    """Scenario A, variant: a method frame in place of the result."""
    client = Server().connect(Scenario(gateway_push=True))
    client.login()
    client.take()
    client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(0.011)
    frame = client.frame("gatewayState")
    assert isinstance(frame["id"], int)
    assert frame["params"]["state"] == "REGED"
    assert client.event(ev.Registered)


def test_gateway_silence() -> None:
    """REGED never comes."""
    client = Server().connect(Scenario.silent("gateway"))
    client.login()
    client.take()
    client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(20)
    assert client.take() == []


@pytest.mark.parametrize("state", ["FAILED", "FAIL_WAIT", "TIMEOUT", "DOWN", "EXPIRED", "NOREG"])
def test_gateway_failures(state: str) -> None:
    """Scenario E: the state alone, without the siblings of REGED."""
    client = Server().connect(Scenario.gateway(state))
    client.login()
    query = client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(0.1)
    assert client.reply(query)["result"] == {"params": {"state": state}, "sessid": SESSION_ID}
    assert client.is_open


def test_gateway_failure_with_close_code() -> None:
    """Scenario E, variant: 4014."""
    client = Server().connect(Scenario.gateway("FAILED", gateway_close_code=4014))
    client.login()
    client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(0.1)
    assert client.closed == ev.CloseSocket(4014, "gateway down")


def test_widget_settings_early() -> None:
    """Scenario A, variant: A6 before A3."""
    client = Server().connect(Scenario(widget_settings_early=True))
    client.login()
    assert client.names() == ["result", "widget_settings", "clientReady"]
    client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(1)
    assert client.names() == ["result"]


def test_no_widget_settings() -> None:
    """None means none."""
    client = Server().connect(Scenario(widget_settings=None))
    client.login()
    client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(1)
    assert "widget_settings" not in client.names()


# -- ping --------------------------------------------------------------------------------------------------------------


def test_ping_after_silence() -> None:
    """S6: 30 s without anything from the client, counted anew by every frame; serno is Unix time."""
    server = Server()
    client = server.logged_in()
    server.pass_time(29)
    assert client.take() == []
    client.send({"jsonrpc": "2.0", "id": 1, "result": {}})
    server.pass_time(29)
    assert client.take() == []
    server.pass_time(1.1)
    ping = client.frame("ping")
    assert isinstance(ping["id"], int)
    assert ping["params"]["serno"] == pytest.approx(1_753_000_000 + server.now, abs=2)
    server.pass_time(30)
    assert client.names() == ["ping"]


@pytest.mark.parametrize("request_id", ["a-uuid", 99421])
def test_every_ping_request_gets_a_pong(request_id: Any) -> None:
    """S5: probes, JavaScript's pong and the verbatim echo of iOS and Android alike."""
    client = Server().logged_in()
    reply = client.ask("telnyx_rtc.ping", {"serno": 42}, request_id)
    assert reply["result"] == {"message": "PONG", "sessid": SESSION_ID}


def test_early_ping() -> None:
    """Scenario F: a ping right after the socket opened."""
    client = Server().connect(Scenario(ping_early=True))
    assert client.names() == ["ping"]


def test_probes_without_answer() -> None:
    """Scenario F: the pong that never comes."""
    client = Server().logged_in(Scenario(answer_pings=False, ping_interval=None))
    client.request("telnyx_rtc.ping", {})
    client.server.pass_time(100)
    assert client.take() == []


def test_half_dead() -> None:
    """Scenario F: after some time nothing is read or written, but the socket stays open."""
    client = Server().logged_in(Scenario.half_dead(1.0))
    client.server.pass_time(1)
    client.request("telnyx_rtc.ping", {})
    client.server.pass_time(100)
    assert client.take() == []
    assert client.is_open


def test_punt() -> None:
    """Scenario H: calls end without a bye."""
    client = Server().logged_in(Scenario.punt(after=2.0))
    client.invite()
    client.take()
    client.server.pass_time(2)
    assert "punt" in client.names()
    ended = client.event(ev.CallEnded)
    assert ended.cause == "PURGE"
    assert not ended.by_client


def test_injections() -> None:
    """Garbage goes out exactly where the scenario says, with ids filled in."""
    scenario = Scenario(
        injections=(
            Injection("open", "not json"),
            Injection("login", b"\x00binary"),
            Injection("ringing", '{"call":"{call_id}","session":"{session_id}"}'),
            Injection("gateway", "late", delay=0.5),
        )
    )
    client = Server().connect(scenario)
    assert client.raw == ["not json"]
    client.login()
    assert client.raw[2] == b"\x00binary"
    client.request("telnyx_rtc.gatewayState", {})
    client.server.pass_time(0.1)
    assert "late" not in client.raw
    client.invite("abc")
    assert f'{{"call":"abc","session":"{SESSION_ID}"}}' in client.raw
    client.server.pass_time(0.5)
    assert "late" in client.raw


def test_speed() -> None:
    """`speed` shortens the real server's delays, `inf` leaves them out."""
    client = Server().connect(Scenario(speed=float("inf")))
    client.request("anonymous_login", {"target_id": "a"})
    client.server.pass_time(0)
    assert client.names() == ["result", "clientReady"]


@pytest.mark.parametrize(
    "wrong",
    [{"speed": 0}, {"login": "maybe"}, {"sdp_in": "trailer"}, {"media_delay": -1}, {"reattach": "x"}, {"invite": "x"}],
)
def test_scenarios_are_checked(wrong: dict[str, Any]) -> None:
    """A value that means nothing is refused when the scenario is made."""
    with pytest.raises(ValueError, match=r"."):
        Scenario(**wrong)


@pytest.mark.parametrize("make", [Scenario.invalid_target, Scenario.silent])
def test_presets_are_checked(make: Any) -> None:
    """So is the place that a preset is told."""
    with pytest.raises(ValueError, match="nowhere"):
        make("nowhere")
