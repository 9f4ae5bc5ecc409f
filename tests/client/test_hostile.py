"""A server that means harm: whatever it sends, the client has an error to tell, and goes on or ends in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telnyx_agent import ClientConfigurationError, TxClient
from telnyx_agent._protocol import items
from telnyx_agent._protocol.budget import Budget
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
    assert ready.is_ready


def test_a_frame_of_100_megabytes(
    ready: TxClient, agent: LocalAgent, proxy: FaultProxy, delegate: RecordingDelegate
) -> None:
    """It is refused when its length is known, not when it has been received; then there is another connection."""
    proxy.inject(b"\x81\x7f" + (100 * 2**20).to_bytes(8, "big") + b"x" * 1_000_000)
    proxy.wait_for_connections(2, 10)
    ready.wait_until_ready(10)
    (told,) = [error for _, _, error in delegate.calls_of("on_reconnecting")]
    assert isinstance(told, RemoteProtocolError)
    assert "more than 5242880 bytes" in str(told)


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
