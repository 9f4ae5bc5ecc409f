"""Android's flow as an iterator, and its values."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from telnyx_agent import ClientConfigurationError, TxTimeoutError
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import (
    AiConversationResponse,
    AnswerResponse,
    ReceivedMessage,
    RingingResponse,
    SocketError,
    SocketMethod,
    SocketResponse,
    SocketStatus,
    TelnyxClient,
    TranscriptItem,
)
from telnyx_agent.testing import LocalAgent, Scenario

PATIENCE = 20.0


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Text only."""
    with LocalAgent(
        greeting="Hello there.", voice="silent", ears="deaf", scenario=Scenario.fast(), media=False
    ) as agent:
        yield agent


def is_end_of_response(result: object) -> bool:
    """Whether the agent has finished."""
    return isinstance(result, AiConversationResponse) and result.ai_conversation_params["type"] == "response.done"


def test_the_flow_in_a_for_loop(agent: LocalAgent) -> None:
    """Everything from the last value on, with Android's results."""
    seen: list[tuple[str, Any]] = []
    said = False
    with TelnyxClient(audio=NullAudio()) as client:
        client.connect_anonymously(agent.configuration, "assistant-1")
        for response in client.socket_responses(timeout=PATIENCE):
            data = response.data
            if data is None:
                seen.append((response.status.name, None))
                continue
            seen.append((SocketMethod(data.method).name, data.result))
            if data.method == SocketMethod.CLIENT_READY:
                call = client.new_invite("Ann", "", "", "state")
            # The agent may have said its greeting before the call's media are there.
            said = said or is_end_of_response(data.result)
            if said and "ANSWER" in dict(seen):
                break
    names = [name for name, _ in seen]
    assert names[:4] == ["LOADING", "ESTABLISHED", "LOGIN", "CLIENT_READY"]
    assert ("RINGING", RingingResponse(call.call_id)) in seen
    answer = next(result for name, result in seen if name == "ANSWER")
    assert isinstance(answer, AnswerResponse)
    assert answer.call_id == call.call_id
    assert answer.telnyx_call_control_id == call.telnyx_call_control_id


def test_a_late_subscriber_gets_the_last_value(agent: LocalAgent) -> None:
    """Replay 1, and each subscriber its own buffer, whose oldest values go first."""
    with TelnyxClient(audio=NullAudio()) as client:
        seen: list[SocketResponse] = []
        client.socket_response_flow.collect(seen.append)
        early = client.socket_response_flow.subscribe(maxsize=2, timeout=0)
        client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
        assert client.socket_response_flow.replay is not None
        with client.socket_response_flow.subscribe(timeout=PATIENCE) as late:
            first = next(late)
            assert first.status is SocketStatus.MESSAGERECEIVED
        assert list(late) == []
        client.disconnect().result(PATIENCE)
        ready = SocketResponse.message_received(ReceivedMessage(SocketMethod.CLIENT_READY.method_name))
        assert ready in seen
        next(early)
        assert next(early) == SocketResponse.disconnect()
        with pytest.raises(TxTimeoutError):
            next(early)


def test_cancelling_wakes_the_taker(agent: LocalAgent) -> None:
    """On whatever thread it waits; and waiting has a limit."""
    with TelnyxClient(audio=NullAudio()) as client:
        waiting = client.socket_response_flow.subscribe()
        taken: list[SocketResponse] = []
        taker = threading.Thread(target=lambda: taken.extend(waiting))
        taker.start()
        waiting.cancel()
        taker.join(PATIENCE)
        assert not taker.is_alive()
        assert taken == []
        with pytest.raises(TxTimeoutError):
            next(client.socket_responses(timeout=0.01))
        with pytest.raises(ClientConfigurationError):
            client.socket_response_flow.subscribe(maxsize=0)


def test_the_error_code_is_androids(agent: LocalAgent) -> None:
    """`response.error_code == SocketError.CREDENTIAL_ERROR`."""
    with TelnyxClient(audio=NullAudio()) as client:
        client.connect_anonymously(agent.configuration, "invalid-1")
        responses = client.socket_responses(timeout=PATIENCE)
        error = next(response for response in responses if response.status is SocketStatus.ERROR)
    assert error.error_code == SocketError.CREDENTIAL_ERROR
    assert error == SocketResponse.error(error.error_message or "", -32001)


JPEG = "/9j/4AAQSkZJRgABAQAAAQABAAD"
"""As Flutter's own test has it: base64 without its padding."""


def test_the_transcript_flow_and_androids_other_names(agent: LocalAgent) -> None:
    """`transcriptUpdateFlow`, `currentWidgetSettings`, `clearTranscript`; the present transcript comes first."""
    updates: list[list[str]] = []
    changed = threading.Condition()

    def collect(transcript: Sequence[TranscriptItem]) -> None:
        with changed:
            updates.append([item.content for item in transcript])
            changed.notify_all()

    with TelnyxClient(audio=NullAudio()) as client:
        client.connect_anonymously(agent.configuration, "assistant-1")
        call = client.new_invite("Ann", "", "", "state")
        assert call.call.ask("thank you", PATIENCE)
        present = [item.content for item in client.transcript]
        with client.transcript_update_flow.collect(collect), changed:
            assert changed.wait_for(lambda: present in updates, PATIENCE)
            assert updates[0] == present
            client.clear_transcript()
            assert changed.wait_for(lambda: [] in updates, PATIENCE)
        settings = client.current_widget_settings
        assert settings is not None
        assert settings.theme == "dark"


def test_flutters_and_ioss_images(agent: LocalAgent) -> None:
    """One image by its old name, several, and iOS's `base64Images`: prefixed with what they are."""
    with TelnyxClient(audio=NullAudio()) as client:
        client.connect_anonymously(agent.configuration, "assistant-1")
        call = client.new_invite("Ann", "", "", "state")
        call.wait_until_active(PATIENCE)
        call.send_conversation_message("one", base64_image=JPEG).result(PATIENCE)
        client.send_conversation_message("two", [JPEG], base64_image=JPEG).result(PATIENCE)
        client.client.send_ai_assistant_message("one more", base64_images=[JPEG]).result(PATIENCE)
        items = [item for item in client.transcript if item.role == "user"]
        assert [(item.content, item.image_count) for item in items] == [("one", 1), ("two", 2), ("one more", 1)]
        assert all(url.startswith("data:image/jpeg;base64,/9j/") for item in items for url in item.image_urls)
