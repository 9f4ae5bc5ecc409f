"""Typed messages and images: on the wire, in the transcript, seen by the agent, or refused in words."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from telnyx_agent import CallError, ClientConfigurationError, TxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 20.0
PNG = b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000d49484452000000020000000308020000003688c3b0") + bytes(20)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Text only, but with a call that is really up; it greets nobody."""
    with LocalAgent(greeting="", voice="silent", ears="deaf", scenario=Scenario.fast(), media=False) as agent:
        yield agent


def start(client: TxClient, agent: LocalAgent) -> None:
    """A call that is up."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
    client.new_call().wait_until_active(PATIENCE)


def test_images_travel_with_the_text(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """Text and images are one item on the wire and in the transcript; the agent has seen the image."""
    path = tmp_path / "picture"
    path.write_bytes(PNG)
    start(client, agent)

    client.send_ai_assistant_message("what is this", images=[path]).result(5)
    frame = agent.wait_for_frame("ai_conversation", direction="received")

    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert frame.params["item"]["content"] == [
        {"type": "input_text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    item = next(item for item in client.transcript if item.role == "user")
    assert (item.image_urls, item.content) == ((url,), "what is this")
    answer = delegate.wait_for(
        "on_transcript_item_updated", 10, predicate=lambda i: i.role == "assistant" and "png" in i.content.lower()
    )
    assert answer


def test_images_by_ioss_names(client: TxClient, agent: LocalAgent) -> None:
    """`base64Images`, whose format is found out; none; and an empty one that is none."""
    start(client, agent)
    client.send_ai_assistant_message("What is in this image?", base64_images=[PIXEL]).result(5)
    client.send_ai_assistant_message("Hello without image", base64_images=None).result(5)
    client.send_ai_assistant_message("Hello with empty image", base64_images=[""]).result(5)
    record = agent.wait_for_call(lambda call: len([t for t in call.transcript if t.role == "user"]) >= 2, PATIENCE)
    assert "Hello without image" in [turn.text for turn in record.transcript]
    sent = client.ai_assistant_manager.get_user_transcriptions()
    assert sent[0].image_urls == (f"data:image/png;base64,{PIXEL}",)
    assert [item.image_count for item in sent[1:]] == [0, 0]


def test_what_cannot_be_sent(client: TxClient, agent: LocalAgent) -> None:
    """Nothing to say is refused at once; no call is a CallError, and nothing stays in the transcript."""
    with pytest.raises(ClientConfigurationError):
        client.send_ai_assistant_message("  ")
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)

    with pytest.raises(CallError, match="call"):
        client.send_ai_assistant_message("hello").result(5)
    assert client.transcript == ()


def test_the_truth_of_a_message(agent: LocalAgent, client: TxClient) -> None:
    """iOS: `let success = client.sendAIAssistantMessage(...)`; and the session's end settles what waits."""
    assert not client.send_ai_assistant_message("Hello")
    start(client, agent)
    assert client.send_ai_assistant_message("Hello")
    failed = client.send_ai_assistant_message("Hello again")
    client.disconnect().result(PATIENCE)
    assert failed.done()
