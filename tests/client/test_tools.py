"""Client-side tools: the agent asks, a function answers, and the agent uses the answer - whatever goes wrong."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pytest

from telnyx_agent import Call, CallError, CallState, LocalProtocolError, SocketConnectionError, TxClient
from telnyx_agent._runtime.threads import NoThreadError
from telnyx_agent._runtime.workers import DaemonPool
from telnyx_agent._tools.runner import MAX_ERROR, MAX_OPEN
from telnyx_agent.audio import NullAudio
from telnyx_agent.events import FunctionCall
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from telnyx_agent.testing.scenario import FunctionCall as ToolRequest

PATIENCE = 20.0


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """The usual brain ("order" makes it ask for `lookup_order`), as text, without a greeting."""
    with LocalAgent(voice="silent", ears="deaf", greeting="", scenario=Scenario.fast(), media=False) as agent:
        yield agent


def begin(client: TxClient, agent: LocalAgent) -> Call:
    """A call that is up."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    call = client.new_call()
    call.wait_until_active(PATIENCE)
    return call


def output(agent: LocalAgent, call_id: str) -> str:
    """What came back for a request."""

    def fits(frame: Any) -> bool:
        item = frame.get("params", {}).get("item", {})
        return bool(item.get("type") == "function_call_output" and item.get("call_id") == call_id)

    frame = agent.wait_for_frame("ai_conversation", PATIENCE, direction="received", predicate=fits)
    assert "id" not in frame.message  # a notification (R49)
    assert frame.message["params"]["type"] == "conversation.item.create"
    return str(frame.message["params"]["item"]["output"])


def error(agent: LocalAgent, call_id: str) -> str:
    """The error that came back."""
    found = json.loads(output(agent, call_id))
    assert list(found) == ["error"]
    return str(found["error"])


def test_the_agent_asks_and_uses_the_answer(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """From the question to the answer that has the tool's result in it; the tool runs on a thread of its own."""
    threads: list[str] = []

    @client.tool
    def lookup_order(order_id: int) -> dict[str, Any]:
        threads.append(threading.current_thread().name)
        return {"order_id": order_id, "state": "shipped"}

    begin(client, agent)
    client.send_ai_assistant_message("where is my order")

    delegate.wait_for(
        "on_transcript_item_updated", PATIENCE, predicate=lambda item: "state shipped" in item.content and item.is_final
    )
    assert threads == ["telnyx-agent-tool"]
    (call,) = delegate.calls_of("on_function_call")[0]
    assert isinstance(call, FunctionCall)
    assert (call.name, call.parsed_arguments()) == ("lookup_order", {"order_id": "1001"})
    assert json.loads(output(agent, call.call_id)) == {"order_id": 1001, "state": "shipped"}


def test_three_ways_to_register(client: TxClient) -> None:
    """Decorator, decorator with arguments, method. A tool can be taken back."""

    @client.tool
    def first() -> None:
        """Does nothing."""

    @client.tool(name="second", timeout=5)
    def other() -> None:
        """Does nothing."""

    @client.tool("third")
    def another() -> None:
        """Does nothing."""

    tool = client.add_tool(other, name="fourth", timeout=None)

    assert list(client.tools) == ["first", "second", "third", "fourth"]
    assert client.tools["second"].timeout == 5
    assert tool.timeout is None
    assert client.remove_tool("first")
    assert client.remove_tool("fourth")
    assert not client.remove_tool("first")
    assert list(client.tools) == ["second", "third"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"order_id": "x"}, "argument order_id must be an integer, not a text"),
        ({}, "missing argument(s): order_id"),
        ({"order_id": 1, "colour": "red"}, "unknown argument(s) colour; the tool takes: order_id"),
    ],
)
def test_arguments_that_do_not_fit(client: TxClient, agent: LocalAgent, arguments: dict[str, Any], text: str) -> None:
    """The agent is told what is wrong, and the function is not called."""
    called: list[int] = []

    @client.tool
    def lookup_order(order_id: int) -> None:
        called.append(order_id)

    begin(client, agent)
    assert error(agent, agent.call_function("lookup_order", arguments)) == text
    assert called == []


def test_an_unknown_tool(client: TxClient, agent: LocalAgent, caplog: pytest.LogCaptureFixture) -> None:
    """Is answered with an error, and is in the log; its name, which the server chose, is not."""
    begin(client, agent)
    with caplog.at_level(logging.WARNING, "telnyx_agent.tools"):
        assert error(agent, agent.call_function("nobody_knows")) == "there is no tool named nobody_knows"
    assert "a tool that this program does not have" in caplog.text
    assert "nobody_knows" not in caplog.text


def test_an_exception_becomes_an_error(client: TxClient, agent: LocalAgent, caplog: pytest.LogCaptureFixture) -> None:
    """With its text; the traceback is in the log, and the next request is answered as if nothing had been."""

    @client.tool
    def fails() -> None:
        raise LookupError("no such shelf")

    @client.tool
    def leaves() -> None:
        raise SystemExit(3)

    @client.tool
    def returns_nonsense() -> object:
        return object()

    begin(client, agent)
    with caplog.at_level(logging.ERROR, "telnyx_agent.tools"):
        assert error(agent, agent.call_function("fails")) == "LookupError: no such shelf"
        assert error(agent, agent.call_function("leaves")) == "SystemExit: 3"
        assert "cannot be expressed as JSON" in error(agent, agent.call_function("returns_nonsense"))
    assert "Traceback" in caplog.text
    assert 'raise LookupError("no such shelf")' in caplog.text


def test_a_bug_in_a_tool_is_seen_without_logging(
    client: TxClient, agent: LocalAgent, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr, with its traceback: else nobody would ever see it."""
    monkeypatch.setattr("telnyx_agent._runtime.dispatch._is_configured", lambda logger: False)

    @client.tool
    def fails() -> None:
        raise LookupError("no such shelf")

    begin(client, agent)
    error(agent, agent.call_function("fails"))
    shown = capsys.readouterr().err
    assert "tool fails raised LookupError; the agent was told so" in shown
    assert "no such shelf" in shown


def test_a_tool_that_takes_too_long(client: TxClient, agent: LocalAgent, caplog: pytest.LogCaptureFixture) -> None:
    """The agent is told after the time-out; what the tool returns later goes nowhere."""
    go = threading.Event()
    done = threading.Event()

    @client.tool(timeout=1.0)
    def slow() -> str:
        go.wait(PATIENCE)
        done.set()
        return "too late"

    @client.tool
    def quick() -> str:
        return "in time"

    begin(client, agent)
    with caplog.at_level(logging.INFO, "telnyx_agent.tools"):
        asked = agent.call_function("slow")
        assert error(agent, asked) == "the tool slow did not answer within 1 seconds"
        go.set()
        assert done.wait(PATIENCE)
        assert output(agent, agent.call_function("quick")) == "in time"
        client.disconnect().result(PATIENCE)
    assert "slow did not answer" in caplog.text
    sent = [frame.message for frame in agent.frames if frame.direction == "received"]
    assert "too late" not in json.dumps(sent)


def test_several_tools_run_at_once(client: TxClient, agent: LocalAgent) -> None:
    """Three that wait for each other; each result goes to its own request, and the delegate's thread is free."""
    together = threading.Barrier(3, timeout=PATIENCE)

    @client.tool
    def meet(who: str) -> str:
        together.wait()
        return f"met {who}"

    begin(client, agent)
    asked = {who: agent.call_function("meet", {"who": who}) for who in ("ann", "bob", "cem")}
    assert {who: output(agent, call_id) for who, call_id in asked.items()} == {
        who: f"met {who}" for who in ("ann", "bob", "cem")
    }


def test_a_tool_may_use_the_client(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Futures and commands are legal; `ask` is not, because the agent waits for the tool."""
    outcome: list[object] = []

    @client.tool
    def busy() -> str:
        outcome.append(client.send_ai_assistant_message("from the tool").result(PATIENCE))
        with pytest.raises(LocalProtocolError, match="waits for the tool's result") as caught:
            next(iter(client.calls.values())).ask("what now")
        outcome.append(caught.value)
        return "done"

    begin(client, agent)
    assert output(agent, agent.call_function("busy")) == "done"
    assert len(outcome) == 2


def test_a_coroutine_function(client: TxClient, agent: LocalAgent) -> None:
    """Runs in an event loop of its own."""

    @client.tool
    async def later(value: int) -> int:
        import asyncio

        await asyncio.sleep(0)
        return value + 1

    begin(client, agent)
    assert output(agent, agent.call_function("later", {"value": 1})) == "2"


def test_the_call_ends_meanwhile(client: TxClient, agent: LocalAgent, caplog: pytest.LogCaptureFixture) -> None:
    """The result is dropped with one line in the log; nothing is sent."""
    started, go = threading.Event(), threading.Event()

    @client.tool
    def slow() -> str:
        started.set()
        go.wait(PATIENCE)
        return "nobody waits"

    call = begin(client, agent)
    with caplog.at_level(logging.INFO, "telnyx_agent.tools"):
        asked = agent.call_function("slow")
        assert started.wait(PATIENCE)
        agent.hang_up()
        call.wait_until_ended(PATIENCE)
        go.set()
        with pytest.raises(CallError, match="the call is over"):
            client.ai_assistant_manager.send_function_call_output(asked, "x").result(PATIENCE)
        client.disconnect().result(PATIENCE)
        for thread in threading.enumerate():
            if thread.name == "telnyx-agent-tool":
                thread.join(PATIENCE)
    lines = [record.getMessage() for record in caplog.records if record.name == "telnyx_agent.tools"]
    assert lines == ["tool slow: the result came too late and was dropped"]
    assert "nobody waits" not in json.dumps([frame.message for frame in agent.frames])


def outputs(agent: LocalAgent, call_id: str) -> list[str]:
    """All that was answered to a request."""
    frames = [one.message for one in agent.frames if one.direction == "received"]
    items = [frame.get("params", {}).get("item", {}) for frame in frames if frame.get("method") == "ai_conversation"]
    return [item["output"] for item in items if item.get("call_id") == call_id]


def test_a_request_that_comes_twice_runs_once(
    client: TxClient, agent: LocalAgent, caplog: pytest.LogCaptureFixture
) -> None:
    """While it is not answered; both are answered, and the log says so."""
    go = threading.Event()
    calls: list[int] = []

    @client.tool
    def once() -> int:
        go.wait(PATIENCE)
        calls.append(1)
        return len(calls)

    begin(client, agent)
    asked = agent.call_function("once")
    frame = agent.wait_for_frame("ai_conversation", PATIENCE, direction="sent")
    item = {"type": "function_call", "call_id": asked, "name": "once", "arguments": "{}"}
    agent.send({**frame.message, "params": {"type": "conversation.item.created", "item": item}})
    marker = agent.call_function("unknown_marker")
    error(agent, marker)
    go.set()
    assert output(agent, asked) == "1"
    assert output(agent, agent.call_function("once")) == "2"
    assert calls == [1, 1]
    client.disconnect().result(PATIENCE)
    assert outputs(agent, asked) == ["1", "1"]
    assert "used the id of a function call again, for the same request" in caplog.text


def test_two_requests_under_one_id(client: TxClient, agent: LocalAgent, caplog: pytest.LogCaptureFixture) -> None:
    """Both run, both are answered, and the log says so."""
    go = threading.Event()

    @client.tool
    def double(number: int) -> int:
        go.wait(PATIENCE)
        return 2 * number

    begin(client, agent)
    for number in (1, 2):
        item = {
            "type": "function_call",
            "call_id": "one",
            "name": "double",
            "arguments": json.dumps({"number": number}),
        }
        agent.send(created(item))
    error(agent, agent.call_function("unknown_marker"))
    go.set()
    output(agent, "one")
    output(agent, agent.call_function("double", {"number": 3}))
    client.disconnect().result(PATIENCE)
    assert sorted(outputs(agent, "one")) == ["2", "4"]
    assert "used the id of a function call again, for another request" in caplog.text


def created(item: Mapping[str, Any]) -> dict[str, Any]:
    """The frame that asks for a tool."""
    params = {"type": "conversation.item.created", "item": item}
    return {"jsonrpc": "2.0", "id": str(uuid.uuid4()), "method": "ai_conversation", "params": params}


ODD_REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"arguments": ""}, "{}"),
    ({}, "{}"),
    ({"arguments": None}, "{}"),
    ({"arguments": "  "}, "{}"),
    ({"arguments": {"a": 1}}, '{"a": 1}'),
    ({"arguments": "{"}, "not valid JSON"),
    ({"arguments": "[]"}, "must be a JSON object"),
    ({"arguments": [1]}, "must be a JSON object"),
    ({"arguments": 5}, "must be a JSON object"),
    ({"arguments": True}, "must be a JSON object"),
    ({"arguments": "[" * 20_000}, "not valid JSON"),
    ({"name": ""}, "no usable name"),
    ({"name": None}, "no usable name"),
    ({"name": 7}, "no usable name"),
    ({"name": ["echo"]}, "no usable name"),
    ({"name": "x" * 1000}, "no usable name"),
    ({"name": "other"}, "no tool named other"),
]
"""What a function call has beside its id, and what its answer has in it."""


def test_whatever_has_an_id_is_answered(client: TxClient, agent: LocalAgent) -> None:
    """With an error, if need be: an agent without an answer waits for ever."""

    @client.tool
    def echo(**arguments: Any) -> Any:
        return arguments

    begin(client, agent)
    for number, (members, answer) in enumerate(ODD_REQUESTS):
        agent.send(created({"type": "function_call", "call_id": f"id-{number}", "name": "echo", **members}))
        assert answer in output(agent, f"id-{number}")


def test_an_id_that_is_a_number(client: TxClient, agent: LocalAgent) -> None:
    """Is answered as a text."""
    begin(client, agent)
    agent.send(created({"type": "function_call", "call_id": 12, "name": "echo"}))
    assert "no tool named" in output(agent, "12")


def test_results_that_cannot_be_sent(client: TxClient, agent: LocalAgent, capsys: pytest.CaptureFixture[str]) -> None:
    """Too large, not to be written as JSON, an error without words or with too many: the agent is told."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    class Odd(dict[str, Any]):
        def items(self) -> Any:
            raise LookupError("no items")

    @client.tool
    def huge() -> str:
        return "x" * (4 * 2**20 + 1)

    @client.tool
    def odd() -> Any:
        return Odd(a=1)

    class Leaving(dict[str, Any]):
        def items(self) -> Any:
            raise SystemExit

    class Lying(str):
        __slots__ = ()

        def __len__(self) -> int:
            return 3

    class Last(Exception):
        def __str__(self) -> str:
            raise SystemExit

    @client.tool
    def leaving() -> Any:
        return Leaving(a=1)

    @client.tool
    def lying() -> str:
        return Lying("x" * (4 * 2**20 + 1))

    @client.tool
    def last() -> None:
        raise Last

    @client.tool
    def mute() -> None:
        raise Mute

    @client.tool
    def talkative() -> None:
        raise LookupError("x" * 1_000_000)

    begin(client, agent)
    assert "returned more than 4194304 characters" in error(agent, agent.call_function("huge"))
    assert "cannot be expressed as JSON" in error(agent, agent.call_function("odd"))
    assert "cannot be expressed as JSON" in error(agent, agent.call_function("leaving"))
    assert "returned more than 4194304 characters" in error(agent, agent.call_function("lying"))
    assert error(agent, agent.call_function("mute")) == "Mute"
    assert error(agent, agent.call_function("last")) == "Last"
    assert len(error(agent, agent.call_function("talkative"))) == MAX_ERROR + 3


def test_no_thread_for_a_tool(client: TxClient, agent: LocalAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent is told at once, and the next request is served."""

    @client.tool
    def hello() -> str:
        return "hello"

    def refuse(self: DaemonPool, *args: Any) -> None:
        raise NoThreadError("telnyx-agent-tool", RuntimeError("can't start new thread"))

    begin(client, agent)
    with monkeypatch.context() as patch:
        patch.setattr(DaemonPool, "submit", refuse)
        assert error(agent, agent.call_function("hello")) == "the tool hello cannot be run now"
    assert output(agent, agent.call_function("hello")) == "hello"


def test_more_requests_than_can_be_served(client: TxClient, agent: LocalAgent) -> None:
    """Those beyond the bound are refused at once; those that wait are served when the others are through."""
    go = threading.Event()

    @client.tool(timeout=None)
    def wait() -> str:
        go.wait(PATIENCE)
        return "done"

    begin(client, agent)
    ids = [f"id-{number}" for number in range(MAX_OPEN + 5)]
    for call_id in ids:
        agent.send(created({"type": "function_call", "call_id": call_id, "name": "wait", "arguments": "{}"}))
    for call_id in ids[MAX_OPEN:]:
        assert "64 function calls are open already" in error(agent, call_id)
    go.set()
    assert [output(agent, call_id) for call_id in ids[:MAX_OPEN]] == ["done"] * MAX_OPEN


def test_answering_by_hand(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """The application takes the request from the callback and sends the output itself."""
    manager = client.ai_assistant_manager
    manager.answers_unknown_tools = False
    begin(client, agent)
    asked = agent.call_function("by_hand", {"a": 1})
    (call,) = delegate.wait_for("on_function_call", PATIENCE)
    assert (call.call_id, call.name, json.loads(call.arguments)) == (asked, "by_hand", {"a": 1})
    manager.send_function_call_output(asked, "by hand").result(PATIENCE)
    assert output(agent, asked) == "by hand"


def test_tools_the_agent_wants_at_once(client: TxClient, delegate: RecordingDelegate) -> None:
    """After its greeting, as the scenario says; every request is answered."""
    wanted = (ToolRequest("add", '{"a": 1, "b": 2}', "call-1"), ToolRequest("add", '{"a": 3, "b": 4}', "call-2"))

    @client.tool
    def add(a: int, b: int) -> int:
        return a + b

    scenario = attrs.evolve(Scenario.fast(), function_calls=wanted)
    with LocalAgent(voice="silent", ears="deaf", scenario=scenario, media=False) as agent:
        begin(client, agent)
        assert [output(agent, "call-1"), output(agent, "call-2")] == ["3", "7"]
        for answer in ("I looked it up: 3.", "I looked it up: 7."):
            delegate.wait_for(
                "on_transcript_item_updated", PATIENCE, predicate=lambda item, text=answer: item.content == text
            )
        client.disconnect().result(PATIENCE)


def test_without_a_connection(client: TxClient) -> None:
    """A result has nowhere to go, and is not kept (R49)."""
    with pytest.raises(SocketConnectionError):
        client.ai_assistant_manager.send_function_call_output("call-1", "x").result(PATIENCE)
    with pytest.raises(SocketConnectionError):
        client.ai_assistant_manager.subscribe_response_audio_stream().result(PATIENCE)


def test_tools_survive_a_login(agent: LocalAgent) -> None:
    """They are the client's, and the next login finds them."""
    with TxClient(audio=NullAudio()) as client:
        client.add_tool(lambda: "here", name="where")
        for _ in range(2):
            begin(client, agent)
            assert output(agent, agent.call_function("where")) == "here"
            client.disconnect().result(PATIENCE)


def test_the_audio_stream_subscription(client: TxClient, agent: LocalAgent) -> None:
    """`response.audio_stream.subscribe` goes out as a notification."""
    begin(client, agent)
    client.ai_assistant_manager.subscribe_response_audio_stream().result(PATIENCE)
    frame = agent.wait_for_frame("ai_conversation", PATIENCE, direction="received")
    assert frame.message == {
        "jsonrpc": "2.0",
        "method": "ai_conversation",
        "params": {"type": "conversation.item.create", "item": {"type": "response.audio_stream.subscribe"}},
    }


def test_a_reconnection_while_a_tool_runs(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, caplog: pytest.LogCaptureFixture
) -> None:
    """A result that is ready after it goes over the new connection; one that is ready in between is dropped (R49)."""
    go = {"early": threading.Event(), "late": threading.Event()}
    started = {"early": threading.Event(), "late": threading.Event()}

    @client.tool
    def wait(name: str) -> str:
        started[name].set()
        go[name].wait(PATIENCE)
        return f"{name} result"

    call = begin(client, agent)
    asked = {name: agent.call_function("wait", {"name": name}) for name in go}
    assert all(event.wait(PATIENCE) for event in started.values())
    delegate_lost = threading.Event()
    delegate.__dict__["on_reconnecting"] = lambda *args: delegate_lost.set()
    with caplog.at_level(logging.INFO, "telnyx_agent.tools"):
        agent.drop_connection()
        assert delegate_lost.wait(PATIENCE)
        go["early"].set()
        delegate.wait_for("on_reconnected", PATIENCE)
        call.wait_for_state(CallState.ACTIVE, PATIENCE)
        go["late"].set()
        assert output(agent, asked["late"]) == "late result"
    dropped = [record.getMessage() for record in caplog.records if "dropped" in record.getMessage()]
    received = json.dumps([frame.message for frame in agent.frames if frame.direction == "received"])
    assert ("early result" in received) == (not dropped)
