"""Telnyx's own JavaScript SDK, unchanged, takes the local agent for Telnyx: it logs in, calls, hears, chats, hangs up.

What that SDK accepts and sends is the only protocol reference that runs on this machine; if it and the local agent did
not agree, agreement between our client and the local agent would prove little.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from telnyx_agent.testing import LocalAgent, Scenario
from tests.support.browser import JavaScriptError
from tests.support.browser_sdk import OfficialClient, measure_setup, official_client
from tests.support.requirements import require

from .conftest import QUESTION

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

GREETING = "Good morning, this is the local agent."


def assert_no_surprise(client: OfficialClient) -> None:
    """The SDK reported no error, and nothing in the page threw."""
    assert client.errors() == []
    assert [line for line in client.page.console if line.startswith(("error", "uncaught"))] == []


def assert_acknowledged(agent: LocalAgent, method: str) -> None:
    """The SDK answers the agent's request of that name with its id, in its JSON type."""
    request_id = agent.wait_for_frame(method, direction="sent").message["id"]
    agent.wait_for_frame(
        "(result)",
        direction="received",
        predicate=lambda frame: (type(frame["id"]), frame["id"]) == (int, request_id),
    )


def test_spoken_conversation(spoken_question: Path) -> None:
    """Greeting heard, question understood, answer heard, message answered, hung up by the browser."""
    require("voice", "ears")
    with LocalAgent(greeting=GREETING) as agent, official_client(spoken_question) as client:
        assert client.connect(agent.url, "assistant-1") < 5
        states = client.call(callerName="Browser", callerNumber="anonymous", clientState="c3RhdGU=")
        assert list(states) == ["requesting", "trying", "early", "active"]

        heard = client.listen(0.5)
        assert heard["peak"] > 0.02
        assert heard["energy"] > 1e-4

        # The microphone asks its question after a while; the agent understands it and answers.
        asked = client.wait_for_conversation("p.type === 'conversation.item.created' && p.item.role === 'user'")
        assert asked["item"]["id"]
        client.wait_for_conversation("p.type === 'response.done' && app.count('response.done') >= 2")
        assert GREETING in client.agent_texts()
        assert [text.lower().strip(" ?") for text in client.user_texts()] == [QUESTION.lower().strip(" ?")]
        assert any("nine to five" in text for text in client.agent_texts())

        client.say("Please tell me your name")
        client.wait_for_conversation("p.type === 'response.done' && app.count('response.done') >= 3")
        assert any("I am the local agent" in text for text in client.agent_texts())

        assert client.hang_up()["cause"] == "NORMAL_CLEARING"
        call = agent.wait_for_call(lambda call: call.state == "ended")
        assert (call.ended_by_client, call.cause, call.caller_name) == (True, "NORMAL_CLEARING", "Browser")
        assert call.seconds_heard > 0.8
        for method in ("telnyx_rtc.ringing", "telnyx_rtc.media", "telnyx_rtc.answer"):
            assert_acknowledged(agent, method)
        assert_no_surprise(client)


def test_conversation_without_extras() -> None:
    """With neither espeak-ng nor pocketsphinx: tones are heard, the text of the greeting and of an answer is there."""
    with (
        LocalAgent(greeting=GREETING, voice="tones", ears="energy") as agent,
        official_client() as client,
    ):
        client.connect(agent.url, "assistant-1")
        client.call()
        assert client.listen(0.3)["peak"] > 0.02
        client.wait_for_conversation("p.type === 'response.done'")
        assert client.agent_texts()[0] == GREETING
        client.hang_up()
        agent.wait_for_call(lambda call: call.state == "ended")
        assert_no_surprise(client)


def test_the_agent_hangs_up() -> None:
    """The browser's call is destroyed with the cause and the SIP fields that the agent gave."""
    with LocalAgent(greeting="", voice="tones", ears="deaf") as agent, official_client() as client:
        client.connect(agent.url, "assistant-1")
        client.call()
        agent.hang_up("NORMAL_CLEARING")
        end = client.wait_until_ended()
        assert (end["state"], end["cause"], end["causeCode"]) == ("destroy", "NORMAL_CLEARING", 16)
        assert_acknowledged(agent, "telnyx_rtc.bye")
        assert_no_surprise(client)


def test_a_call_is_rejected() -> None:
    """Busy is busy, in the official SDK's words, too."""
    with LocalAgent(scenario=Scenario.rejected("USER_BUSY"), voice="silent") as agent, official_client() as client:
        client.connect(agent.url, "assistant-1")
        with pytest.raises(JavaScriptError, match=r'"cause":"USER_BUSY","causeCode":17,"sipCode":486'):
            client.call()


def test_an_unknown_assistant_is_refused() -> None:
    """The SDK reports LOGIN_FAILED, as with the real server."""
    with LocalAgent() as agent, official_client() as client, pytest.raises(JavaScriptError, match="46001"):
        client.connect(agent.url, "invalid-assistant")


def test_the_call_survives_a_lost_socket() -> None:
    """The SDK connects again with the voice_sdk_id that it was given, and the agent hands it its call back."""
    with LocalAgent(greeting="", voice="tones", ears="deaf") as agent, official_client() as client:
        client.connect(agent.url, "assistant-1")
        client.call()
        agent.drop_connection()
        agent.wait_for_frame("telnyx_rtc.attach", 20, direction="received")
        agent.say("Are you still there? I can go on talking for a while.")
        assert client.listen(0.3)["peak"] > 0.02
        client.hang_up()
        agent.wait_for_call(lambda call: call.state == "ended")


def test_set_up_time_is_measured() -> None:
    """The function that the benchmark uses beside our own client; several calls in one page."""
    with LocalAgent(scenario=Scenario(speed=100), voice="tones", ears="deaf") as agent, official_client() as client:
        times = [measure_setup(client, agent.url, hear=index == 0) for index in range(3)]
    assert all(0 < time.ready < 5 and 0 < time.active < 5 for time in times)
    assert times[0].heard is not None
    assert times[0].active <= times[0].heard
    print([f"{time.active * 1000:.0f} ms" for time in times])
