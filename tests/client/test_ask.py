"""`Call.ask`: a question, and the agent's complete answer - or an error that says why there is none."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from telnyx_agent import (
    AnswerInterruptedError,
    Call,
    CallError,
    ClientConfigurationError,
    LocalProtocolError,
    SocketConnectionError,
    TxClient,
    TxClientDelegate,
    TxTimeoutError,
)
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario

PATIENCE = 20.0


def make_agent(**changes: object) -> LocalAgent:
    """Text only, without a greeting."""
    scenario = Scenario.fast(**changes)
    return LocalAgent(voice="silent", ears="deaf", greeting="", scenario=scenario, media=False)


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """The usual brain."""
    with make_agent() as agent:
        yield agent


def begin(client: TxClient, agent: LocalAgent) -> Call:
    """A call that is up."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    call = client.new_call()
    call.wait_until_active(PATIENCE)
    return call


def test_question_and_answer(client: TxClient, agent: LocalAgent) -> None:
    """One after the other; each answer is its own question's, and all of it."""
    call = begin(client, agent)
    assert call.ask("Repeat after me: one two three", timeout=PATIENCE) == "one two three"
    assert call.ask("who are you", timeout=PATIENCE) == "I am the local agent. I live on your machine."
    assert [item.role for item in call.transcript] == ["user", "assistant", "user", "assistant"]


def test_a_question_to_an_agent_on_hold(client: TxClient, agent: LocalAgent) -> None:
    """It is not answered; the error says why, and the next question has its own answer."""
    call = begin(client, agent)
    call.hold().result(PATIENCE)
    with pytest.raises(TxTimeoutError, match=r"within 0\.2 s; the call is on hold.*unhold\(\) it first"):
        call.ask("Repeat after me: one", timeout=0.2)
    call.unhold().result(PATIENCE)
    assert call.ask("Repeat after me: two", timeout=PATIENCE) == "two"


def test_the_greeting_is_no_answer(client: TxClient) -> None:
    """As the guide has it (docs/tools.md): a question right behind `ACTIVE`, to an agent that greets its caller."""
    with LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast(), media=False) as agent:
        call = begin(client, agent)
        assert call.ask("Repeat after me: nine to five", PATIENCE) == "nine to five"
        greeting, question, answer = call.transcript
        assert [item.role for item in call.transcript] == ["assistant", "user", "assistant"]
        assert greeting.is_final
        assert (question.content, answer.content) == ("Repeat after me: nine to five", "nine to five")
        client.disconnect().result(PATIENCE)


@pytest.mark.slow
def test_a_greeting_that_is_heard_is_over_first(client: TxClient) -> None:
    """With media and a device that hears it: not a word of it is cut off."""
    with LocalAgent(voice="tones", ears="deaf", greeting="Welcome to the shop.") as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        call = client.new_call(audio=NullAudio())
        call.wait_until_active(PATIENCE)
        assert call.ask("Repeat after me: nine to five", PATIENCE) == "nine to five"
        assert not call.transcript[0].interrupted
        client.disconnect().result(PATIENCE)


@pytest.mark.slow
def test_three_calls_at_once(client: TxClient, agent: LocalAgent) -> None:
    """A question in each, from three threads: each call has its own question and answer, with its own id."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    calls = [client.new_call() for _ in range(3)]
    for call in calls:
        call.wait_until_active(PATIENCE)
    with ThreadPoolExecutor(3) as pool:
        words = ["one", "two", "three"]
        answers = list(
            pool.map(lambda one: one[0].ask(f"Repeat after me: {one[1]}", PATIENCE), zip(calls, words, strict=True))
        )
    assert answers == words
    for call, word in zip(calls, words, strict=True):
        assert [item.content for item in call.transcript] == [f"Repeat after me: {word}", word]
        assert {item.call_id for item in call.transcript} == {call.call_id}
    assert len(client.transcript) == 6
    calls[0].hangup().result(PATIENCE)
    assert calls[1].ask("Repeat after me: four", PATIENCE) == "four"
    assert [len(call.transcript) for call in calls] == [2, 4, 2]


def test_the_question_may_come_before_the_call_is_up(client: TxClient, agent: LocalAgent) -> None:
    """It waits for the answer to the invite."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    assert client.new_call().ask("what is your name", timeout=PATIENCE).startswith("I am the local agent")


@pytest.mark.slow
def test_a_tool_belongs_to_the_answer(client: TxClient, agent: LocalAgent) -> None:
    """What the agent says to the tool's result is the end of the answer, however long the tool takes."""
    asked, go = threading.Event(), threading.Event()

    @client.tool
    def lookup_order(order_id: str) -> dict[str, str]:
        asked.set()
        go.wait(PATIENCE)
        return {"state": "shipped"}

    call = begin(client, agent)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(call.ask, "where is my order", PATIENCE)
        assert asked.wait(PATIENCE)
        with pytest.raises(concurrent.futures.TimeoutError):
            answer.result(1.0)  # much longer than an answer takes to settle
        go.set()
        assert answer.result(PATIENCE) == "One moment, I will look that up. I looked it up: state shipped."


@pytest.mark.slow
def test_an_agent_that_never_says_that_it_is_done(client: TxClient) -> None:
    """After a while without a word its answer is complete."""
    with make_agent(response_done=False) as agent:
        call = begin(client, agent)
        assert call.ask("what is your name", PATIENCE) == "I am the local agent. I live on your machine."
        client.disconnect().result(PATIENCE)


@pytest.mark.slow
def test_several_threads_ask_at_once(client: TxClient, agent: LocalAgent) -> None:
    """The questions are asked one after the other, and nobody gets another's answer."""
    call = begin(client, agent)
    numbers = ["one", "two", "three", "four"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: call.ask(f"Repeat after me: {number}", PATIENCE), numbers))
    assert answers == numbers


@pytest.mark.slow
def test_another_message_interrupts_the_answer(client: TxClient) -> None:
    """It is said that it was, and what there was of it."""
    words = "word " * 200
    with LocalAgent(
        lambda text: words if "tell" in text else "All right.",
        voice="tones",
        ears="deaf",
        greeting="",
        scenario=Scenario.fast(),
        media=False,
    ) as agent:
        call = begin(client, agent)
        speaking = threading.Event()
        client.ai_assistant_manager.subscribe_to_transcript_item_updates(
            lambda item: speaking.set() if item.role == "assistant" and len(item.content) > 8 else None
        )
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(call.ask, "tell me", PATIENCE)
            assert speaking.wait(PATIENCE)
            client.send_ai_assistant_message("stop").result(PATIENCE)
            error = answer.exception(PATIENCE)
        assert isinstance(error, AnswerInterruptedError)
        assert error.text.startswith("word word")
        assert len(error.text) < len(words)
        assert "word" not in str(error)
        assert call.ask("once more", PATIENCE) == "All right."
        client.disconnect().result(PATIENCE)


def test_the_call_ends_first(client: TxClient) -> None:
    """By the agent, or by us; the question fails at once, and later ones are refused."""
    heard = threading.Event()

    def brain(text: str) -> None:
        heard.set()

    with LocalAgent(brain, voice="silent", ears="deaf", greeting="", scenario=Scenario.fast(), media=False) as agent:
        call = begin(client, agent)
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(call.ask, "anybody there", None), pool.submit(call.ask, "hello", None)]
            assert heard.wait(PATIENCE)
            agent.hang_up()
            for answer in answers:
                with pytest.raises(CallError, match="ended before"):
                    answer.result(PATIENCE)
        call.wait_until_ended(PATIENCE)
        with pytest.raises(CallError, match="over"):
            call.ask("still there")
        client.disconnect().result(PATIENCE)


def test_no_answer_in_time(client: TxClient) -> None:
    """The waiter's time is up, and the next question gets the next answer."""
    silent = threading.Event()

    def brain(text: str) -> str:
        if "wait" in text:
            silent.wait(PATIENCE)
        return f"To {text}"

    with LocalAgent(brain, voice="silent", ears="deaf", greeting="", scenario=Scenario.fast(), media=False) as agent:
        call = begin(client, agent)
        with pytest.raises(TxTimeoutError, match=r"did not answer completely within 0\.2 s"):
            call.ask("please wait", timeout=0.2)
        silent.set()
        assert call.ask("this", timeout=PATIENCE) == "To this"
        client.disconnect().result(PATIENCE)


def test_ask_inside_a_callback(agent: LocalAgent) -> None:
    """Is refused at once: all callbacks would have to wait for the answer."""
    outcome: list[BaseException] = []
    asked = threading.Event()

    class Asker(TxClientDelegate):
        def on_client_ready(self) -> None:
            try:
                client.new_call().ask("hello")
            except LocalProtocolError as error:
                outcome.append(error)
            asked.set()

    with TxClient(Asker(), audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        assert asked.wait(PATIENCE)
    assert "another thread" in str(outcome[0])


@pytest.mark.parametrize("text", ["", "  ", "x" * (5 * 2**20)])
def test_what_cannot_be_asked(client: TxClient, agent: LocalAgent, text: str) -> None:
    """Nothing, and too much."""
    call = begin(client, agent)
    with pytest.raises(ClientConfigurationError):
        call.ask(text)


def test_after_the_connection(client: TxClient, agent: LocalAgent) -> None:
    """A call that is over cannot be asked, whatever ended it."""
    call = begin(client, agent)
    client.disconnect().result(PATIENCE)
    with pytest.raises((CallError, SocketConnectionError)):
        call.ask("hello")
