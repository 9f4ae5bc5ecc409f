"""A server that means harm: whatever it sends, the client has an error to tell, and goes on or ends in order."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from telnyx_agent import CallState, ClientConfigurationError, SocketConnectionError, TxClient, TxServerConfiguration
from telnyx_agent._call_record import CallRecord
from telnyx_agent._drivers import session as session_driver
from telnyx_agent._listeners import Listeners
from telnyx_agent._net.backpressure import Inflow
from telnyx_agent._net.connection import SignalingConnection
from telnyx_agent._protocol.conversation import transcript as items
from telnyx_agent._protocol.conversation.limits import Budget
from telnyx_agent._publisher import Publisher
from telnyx_agent.audio import NullAudio
from telnyx_agent.errors import RemoteProtocolError
from telnyx_agent.testing import FaultProxy, LocalAgent, RecordingDelegate

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def proxy(agent: LocalAgent) -> Iterator[FaultProxy]:
    with FaultProxy(agent) as proxy:
        yield proxy


@pytest.fixture
def ready(client: TxClient, proxy: FaultProxy) -> TxClient:
    client.anonymous_login("assistant-1", server_configuration=proxy.configuration).result(10)
    return client


def echo_of_a_ping(client: TxClient, agent: LocalAgent, connection: int) -> None:
    """The client is alive: it answers a ping of the server's."""
    count = len([one for one in agent.frames if one.method == "telnyx_rtc.ping" and one.direction == "received"])
    agent.ping(connection=connection)
    agent.wait_for_frame("telnyx_rtc.ping", direction="received", count=count + 1)


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        '{"a":' * 100_000,
        DEEP.replace("[", '{"a":[').replace("]", "]}")[:900_000],
        "9" * 1_000_000,
        "\x00" * 100_000,
    ],
    ids=["deep lists", "deep and open", "deep objects", "a long number", "zeros"],
)
def test_frames_that_are_hard_to_read(ready: TxClient, agent: LocalAgent, text: str) -> None:
    """Ignored; the session goes on."""
    agent.send(text)
    echo_of_a_ping(ready, agent, 1)
    assert ready.is_registered


def test_a_frame_of_100_megabytes(
    ready: TxClient, agent: LocalAgent, proxy: FaultProxy, delegate: RecordingDelegate
) -> None:
    """It is refused when its length is known, not when it has been received; then there is another connection."""
    proxy.inject(b"\x81\x7f" + (100 * 2**20).to_bytes(8, "big") + b"x" * 1_000_000)
    proxy.wait_for_connections(2, 10)
    ready.wait_until_ready(10)
    (told,) = [error for _, _, error in delegate.calls_of("on_reconnecting")]
    assert isinstance(told, RemoteProtocolError)
    assert "more than 67108864 bytes" in str(told)


def test_a_message_that_is_too_long_costs_nothing_but_itself(
    client: TxClient, agent: LocalAgent, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """In a call: one line in the log; call, connection and transcript go on."""
    client.anonymous_login("assistant-1", server_configuration=proxy.configuration).result(10)
    call = client.new_call(audio=NullAudio())
    call.wait_until_active(10)
    for _ in range(2):
        proxy.inject(b"\x81\x7f" + (6 * 2**20).to_bytes(8, "big") + b"x" * (6 * 2**20))
    echo_of_a_ping(client, agent, 1)
    assert call.state == CallState.ACTIVE
    assert proxy.accepted == 1
    lines = [record.getMessage() for record in caplog.records if "more than 5242880 bytes" in record.getMessage()]
    assert lines == ["ignored a frame from the server: a message of more than 5242880 bytes"]


A3 = {"id": 7000, "method": "telnyx_rtc.attach", "params": {"callID": "not-a-uuid", "sdp": "v=0"}}


def test_frames_about_what_is_no_call(client: TxClient, agent: LocalAgent, proxy: FaultProxy) -> None:
    """They end nothing: the connection is made again afterwards, the call goes on, and all of it can be ended."""
    client.anonymous_login("assistant-1", server_configuration=proxy.configuration).result(10)
    call = client.new_call(audio=NullAudio())
    call.wait_until_active(10)
    agent.send(json.dumps([A3] * 50))
    proxy.close(1011)
    proxy.wait_for_connections(2, 10)
    call.wait_for_state(CallState.ACTIVE, 10)
    client.disconnect().result(5)
    assert call.state == CallState.DONE


class Odd(Exception):
    """What nobody expects."""


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (Listeners, "send_transcript"),
        (CallRecord, "state_changed"),
        (Publisher, "publish"),
        (Publisher, "_update"),
    ],
)
def test_an_event_that_cannot_be_handled_ends_nothing(
    client: TxClient, agent: LocalAgent, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    """Whatever raises on the way of an event: the next ones are handled, timers go on, everything ends in order."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    original = getattr(owner, method)
    raised: list[Any] = []

    def fail(self: object, *args: Any, **named: Any) -> Any:
        if not raised:
            raised.append(args)
            raise Odd
        return original(self, *args, **named)

    monkeypatch.setattr(owner, method, fail)
    call = client.new_call(audio=NullAudio())
    agent.ping()
    call.wait_until_active(10)
    agent.say("Hello.")
    end = time.monotonic() + 10
    while not raised:
        assert time.monotonic() < end
        time.sleep(0.01)
    echo_of_a_ping(client, agent, 1)
    call.hangup().result(5)
    client.disconnect().result(5)
    assert call.state == CallState.DONE


def test_a_transcript_without_end(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error; what fits stays; the call goes on. With fewer items than the real limit, which takes 5,000."""
    monkeypatch.setattr(items, "Budget", lambda: Budget(items=50))
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    client.new_call(audio=NullAudio()).wait_until_active(10)
    for number in range(200):
        item = {"id": f"i{number}", "type": "message", "role": "user", "content": [{"type": "text", "text": "x"}]}
        params = {"type": "conversation.item.created", "item": item}
        agent.send({"id": number, "method": "ai_conversation", "params": params})
    (error,) = delegate.wait_for("on_client_error", 20)
    assert isinstance(error, RemoteProtocolError)
    assert "transcript is full" in str(error)
    echo_of_a_ping(client, agent, 1)
    assert len(client.ai_assistant_manager.transcript) == 50
    assert len(delegate.calls_of("on_client_error")) == 1


def test_more_than_a_server_takes(ready: TxClient) -> None:
    """Said at the call, with the numbers."""
    ready.new_call(audio=NullAudio()).wait_until_active(10)
    with pytest.raises(ClientConfigurationError, match=r"limit of 4,194,304"):
        ready.send_ai_assistant_message("x" * 5_000_000)


def test_what_never_ends_is_left_behind(
    client: TxClient, agent: LocalAgent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection whose end nobody tells: `disconnect()` settles, the log says what happened, the next login works."""
    monkeypatch.setattr(session_driver, "END_LIMIT", 0.3)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    with monkeypatch.context() as patch:
        patch.setattr(Inflow, "finish", lambda inflow, at_end: None)
        client.disconnect().result(5)
        assert "a connection did not end within 0.3 s and was left behind" in caplog.text
        link_ends = time.monotonic() + 5
        while any(thread.name == "telnyx-agent-reader" for thread in threading.enumerate()):
            assert time.monotonic() < link_ends
            time.sleep(0.01)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    client.disconnect().result(5)


def test_a_connection_that_cannot_be_made(client: TxClient, agent: LocalAgent) -> None:
    """The context was good when the configuration was made, and is changed before it is used: that is the login's
    end.
    """
    context = ssl.create_default_context()
    configuration = TxServerConfiguration("wss://127.0.0.1:9", ssl_context=context)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    login = client.anonymous_login("assistant-1", server_configuration=configuration)
    with pytest.raises(ClientConfigurationError, match="does not verify"):
        login.result(5)
    client.disconnect().result(5)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)


@pytest.mark.parametrize("odd", [RuntimeError("odd"), MemoryError(), KeyError("odd"), OSError(24, "too many files")])
def test_whatever_keeps_a_connection_from_being_made(
    client: TxClient, agent: LocalAgent, monkeypatch: pytest.MonkeyPatch, odd: Exception
) -> None:
    """It is the error of the login, in words."""

    def fail(connection: SignalingConnection, *args: object, **kwargs: object) -> None:
        raise odd

    with monkeypatch.context() as patch:
        patch.setattr(SignalingConnection, "__init__", fail)
        login = client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        with pytest.raises(SocketConnectionError, match=f"could not be made: {type(odd).__name__}"):
            login.result(5)
        client.disconnect().result(5)
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
