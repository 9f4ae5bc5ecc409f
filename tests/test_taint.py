"""Canaries: a call with a secret in every place where one can be, at the most verbose level, and none comes out.

`tests/support/taint.py` does the same for every other test; here it is shown that it would find something, and what
only this test has: stderr, tracebacks, TURN, and the libraries' own loggers.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator

import pytest

from telnyx_agent import LogLevel, TxClient, TxError, TxServerConfiguration
from telnyx_agent._runtime.third_party_logs import hide_secrets
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import FrameRecord, LocalAgent, RecordingDelegate, Scenario
from tests.support.taint import Taint, secrets_in

CANARY = re.compile("canary", re.IGNORECASE)
NUMBER = "+15550001111222"


class Everything(logging.Handler):
    """All records of the process, but for the test servers', as a user's handler would write them."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {self.format(record)}")


@pytest.fixture
def everything() -> Iterator[Everything]:
    """The root logger at its most verbose."""
    handler = Everything()
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield handler
    root.setLevel(before)
    root.removeHandler(handler)


def check_clean(texts: list[str], *more: str) -> None:
    found = [text for text in texts if CANARY.search(text) or any(secret in text for secret in more)]
    assert not found, "\n".join(found)[:4000]


def test_a_whole_call_leaks_nothing(everything: Everything, capsys: pytest.CaptureFixture[str]) -> None:
    """Login, call with media, text, image, tool, error, hang-up: not in logs, on stderr, or in a `repr`."""
    delegate = RecordingDelegate()
    agent = LocalAgent(
        voice="tones",
        ears="energy",
        scenario=Scenario.fast(),
        greeting="canary greeting",
        brain=lambda text: f"canary {text}",
    )
    with agent, TxClient(delegate, audio=NullAudio()) as client:
        login = client.anonymous_login(
            "assistant-1",
            user_variables={"canary_name": "canary-value"},
            server_configuration=agent.configuration,
            conversation_id="conversation-canary",
            log_level=LogLevel.ALL,
        )
        login.result(10)
        call = client.new_call(
            "canary name", NUMBER, NUMBER, client_state="canary state", custom_headers={"X-A": "canary header"}
        )
        call.wait_until_active(20)
        agent.wait_for_call(lambda one: one.media_state == "connected", 20)
        image = b"\x89PNG\r\n\x1a\n" + b"canary"
        client.send_ai_assistant_message("canary typed", [image]).result(5)
        delegate.wait_for(
            "on_transcript_item_updated", 20, predicate=lambda item: item.is_final and "canary typed" in item.content
        )
        agent.call_function("canary_tool", {"canary": "canary"})
        agent.send({"jsonrpc": "2.0", "id": "x1", "method": "unknown_method", "params": {"word": "canary"}})
        agent.send("canary, not JSON")
        delegate.wait_for("on_ai_conversation_message", predicate=lambda message: "canary_tool" in str(message))
        shown = [repr(one) for one in (client, call, call.call_info, call.transcript, agent.configuration, login)]
        client.disconnect().result(10)
    stderr = capsys.readouterr().err
    keys = [key for frame in agent.frames for key in secrets_in(frame.message)]
    pwd = [key for frame in agent.frames for key in re.findall(r"ice-pwd:(\S+)", str(frame.message.get("params")))]
    assert pwd, "there was no SDP; this test has not seen what it is about"
    assert "invite" in stderr
    parts = [part for one in pwd for part in re.findall(r"[\w+/]{20,}", one)]
    check_clean([*everything.lines, *stderr.splitlines(), *shown], NUMBER, *keys, *parts)
    assert any(line.startswith("aiortc") for line in everything.lines)
    assert any(line.startswith("aioice") for line in everything.lines)


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario.fast(login="reject", login_error=(-32001, "refused")),
        Scenario.rejected("USER_BUSY"),
        Scenario.drop(after=0.2),
        Scenario.garbage("ringing", "{canary", b"canary", '{"method":["canary"]}'),
    ],
    ids=["refused", "busy", "dropped", "garbage"],
)
def test_what_goes_wrong_leaks_nothing(
    everything: Everything, capsys: pytest.CaptureFixture[str], scenario: Scenario
) -> None:
    """Errors, their causes and their tracebacks neither."""
    delegate = RecordingDelegate()
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent, TxClient(delegate) as client:
        future = client.anonymous_login(
            "assistant-1",
            user_variables={"a": "canary"},
            server_configuration=TxServerConfiguration(f"{agent.url}/?token=canary", ()),
            log_level=LogLevel.ALL,
        )
        error = future.exception(20)
        if error is None:
            call = client.new_call("canary", NUMBER, audio=NullAudio())
            delegate.wait_for(
                "on_call_state_updated", predicate=lambda state, _: state.value == "RINGING" or state.is_terminal
            )
            agent.wait_for_frame("telnyx_rtc.invite")
            call.hangup()
        client.disconnect().result(10)
    stderr = capsys.readouterr().err
    errors = [args[0] for args in delegate.calls_of("on_client_error")] + ([error] if error is not None else [])
    texts = ["".join(traceback.format_exception(type(one), one, one.__traceback__)) + repr(one) for one in errors]
    assert all(isinstance(one, TxError) for one in errors)
    check_clean([*texts, *everything.lines, *stderr.splitlines()], NUMBER)


# -- the libraries' loggers --------------------------------------------------------------------------------------------

SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:canary\r\na=ice-pwd:canary\r\n"


@pytest.mark.parametrize(
    ("name", "message", "args", "stays"),
    [
        (
            "aiortc.rtcpeerconnection",
            "RTCPeerConnection() setLocalDescription(%s)\n%s",
            ("offer", SDP),
            "setLocalDescr",
        ),
        ("aiortc.rtcpeerconnection", SDP, (), "description of 2 attributes"),
        ("aioice.ice", "> %s", ({"USERNAME": "canary:canary", "PRIORITY": 7},), "'PRIORITY': 7"),
        ("aioice.turn", "> %s", ({"MESSAGE-INTEGRITY": b"canary'\"\\", "X": 1},), "'X': 1"),
        ("aioice.turn", "> %s", ({"USERNAME": 'canary"', "NONCE": b"can\nary canary", "X": 1},), "'X': 1"),
        ("aioice.turn", "> {'DATA': b'canary\\'canary', 'X': 1}", (), "'X': 1"),
        ("aiortc", "fingerprint:sha-256 canary", (), "fingerprint"),
    ],
)
def test_libraries_do_not_show_keys(name: str, message: str, args: tuple[object, ...], stays: str) -> None:
    """What they say of who did what stays; descriptions, names and signatures go."""
    hide_secrets()
    hide_secrets()
    handler = Everything()
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    level, logger.level = logger.level, logging.DEBUG
    logger.manager._clear_cache()  # type: ignore[attr-defined]
    try:
        logger.debug(message, *args)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    (line,) = handler.lines
    assert stays in line
    check_clean([line])


def test_other_messages_are_not_touched() -> None:
    """Arguments stay arguments, and what cannot be formatted is left to the handlers."""
    hide_secrets()
    (hide,) = (one for one in logging.getLogger("aioice.ice").filters if type(one).__name__ == "_Hide")
    assert isinstance(hide, logging.Filter)
    for message, args in (("%s checks %d", ("a", 1)), ("%d", ("no number",)), ("plain", ())):
        record = logging.LogRecord("aioice.ice", logging.DEBUG, "", 0, message, args, None)
        assert hide.filter(record)
        assert (record.msg, record.args) == (message, args)


# -- the net itself ----------------------------------------------------------------------------------------------------

FRAME = (
    '{"jsonrpc":"2.0","id":1,"method":"ai_conversation","params":{"type":"response.text.done",'
    '"text":"canary, which was said by the agent"}}'
)


class Leaky:
    """An object of the SDK, as far as its module goes, that shows what it should not."""

    __module__ = "telnyx_agent.leaky"

    def __repr__(self) -> str:
        return "<canary, which was said by the agent>"


def tainted() -> Taint:
    """One that has seen a frame with a secret."""
    taint = Taint()
    taint.begin()
    log = LocalAgent(voice="silent", ears="deaf", media=False)._server.frames
    log.add("sent", 1, FRAME)
    taint._logs.append(log)
    return taint


def test_the_net_finds_leaks_in_logs_and_in_reprs() -> None:
    """A check that finds nothing proves something only if it would have found it."""
    taint = tainted()
    assert taint.end() == []
    taint.emit(
        logging.LogRecord(
            "telnyx_agent", logging.DEBUG, "", 0, "it said %s", ("canary, which was said by the agent",), None
        )
    )
    (found,) = taint.end()
    assert "is in a log" in found
    leaky = Leaky()
    taint = tainted()
    (found,) = taint.end()
    assert "is in a repr" in found
    del leaky


def test_what_counts_as_a_secret() -> None:
    """What is said, who calls, with which variables and keys; not ids, methods and states."""
    frame = FrameRecord(
        "received",
        1,
        0.0,
        '{"method":"telnyx_rtc.invite","params":{"sdp":"v=0\\r\\na=ice-pwd:password-of-ice\\r\\na=mid:0\\r\\n","sessid":'
        '"not-a-secret-id","dialogParams":{"caller_id_number":"+15550001111222","clientState":"c3RhdGUgc3RhdGU=",'
        '"userVariables":{"a":["variable-value"]},"custom_headers":[{"name":"X-A","value":"header-value"}]}}}',
    )
    wanted = {"password-of-ice", NUMBER, "c3RhdGUgc3RhdGU=", "variable-value", "header-value"}
    assert set(secrets_in(frame.message)) == wanted
