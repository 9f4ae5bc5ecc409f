"""The local agent on a real WebSocket: life, records, live control. Calls here carry no media."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket

from telnyx_agent._runtime.log import flush
from telnyx_agent.config import TxServerConfiguration
from telnyx_agent.testing import FrameRecord, FunctionCall, LocalAgent, Reply, Scenario

from .oracle import Oracle, run
from .script import OFFER

QUIET: dict[str, Any] = {"voice": "silent", "ears": "deaf", "media": False}


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    with LocalAgent(scenario=Scenario.fast(), **QUIET) as running:
        yield running


async def place_call(client: Oracle, **changes: object) -> None:
    """A call without media."""
    await client.ready()
    dialog = {"callID": client.call_id, "caller_id_name": "Ann", "caller_id_number": "1"}
    await client.ask("telnyx_rtc.invite", {"sdp": OFFER, "dialogParams": {**dialog, **changes}})
    await client.method("answer")


def test_where_it_is(agent: LocalAgent) -> None:
    """URL, port and configuration agree."""
    assert agent.url == f"ws://127.0.0.1:{agent.port}"
    assert agent.configuration == TxServerConfiguration(signaling_server=agent.url, webrtc_ice_servers=())
    assert agent.configuration.is_local


def test_a_second_start_and_a_second_stop() -> None:
    """Both do nothing; a stopped agent can be started again."""
    agent = LocalAgent(**QUIET)
    assert agent.start() is agent.start()
    agent.stop()
    agent.stop()
    with agent, socket.create_connection(("127.0.0.1", agent.port), 5):
        pass


def test_a_port_that_is_taken(agent: LocalAgent) -> None:
    """The error comes out of `start`, and no thread stays."""
    with pytest.raises(OSError, match=str(agent.port)):
        LocalAgent(port=agent.port, **QUIET).start()


def test_a_port_of_ones_own() -> None:
    """The port can be chosen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with LocalAgent(port=port, **QUIET) as agent:
        assert agent.port == port


def test_it_is_not_running() -> None:
    """Commands to an agent that does not run say so; records are still there."""
    agent = LocalAgent(**QUIET)
    with pytest.raises(LookupError, match="not running"):
        agent.hang_up()
    assert (agent.frames, agent.calls, agent.connections) == ((), (), ())


def test_a_call_by_text(agent: LocalAgent) -> None:
    """From the login to the bye: greeting, typed message, echo, answer, records."""

    async def scenario() -> None:
        async with Oracle.connected(agent.url) as client:
            await place_call(client, clientState="aGk=", custom_headers=[{"name": "X-A", "value": "b"}])
            assert "help you" in await client.response()
            item_id = await client.type("What are your opening hours?")
            echo = await client.conversation("conversation.item.created")
            assert echo["item"]["id"] == item_id
            assert "nine to five" in await client.response(2)
            (call,) = agent.calls
            assert (call.state, call.target_id, call.client_state) == ("answered", "assistant-1", "aGk=")
            assert call.custom_headers == (("X-A", "b"),)
            assert (await client.bye())["result"]["cause"] == "NORMAL_CLEARING"

    run(scenario())
    call = agent.wait_for_call(lambda call: call.state == "ended")
    assert call.ended_by_client
    assert [line.role for line in call.transcript] == ["assistant", "user", "assistant"]
    assert agent.wait_for_frame("telnyx_rtc.bye", direction="received").connection == 1


def test_frames_are_copies(agent: LocalAgent) -> None:
    """What a test does to a frame stays in the test."""
    connection = websocket.create_connection(agent.url, timeout=5)
    connection.send('{"jsonrpc":"2.0","id":1,"method":"telnyx_rtc.ping","params":{"a":1}}')
    connection.recv()
    connection.close()
    record = agent.wait_for_frame("telnyx_rtc.ping")
    record.params["a"] = 2
    assert record.params == {"a": 1}
    assert (record.direction, record.connection) == ("received", 1)
    error = agent.wait_for_frame("(error)")
    assert error.time >= record.time
    assert "ping" not in repr(record)


def test_names_of_odd_frames() -> None:
    """Frames that are no JSON-RPC have a name too."""
    names = [FrameRecord("sent", 1, 0.0, data).method for data in ("x", "[]", "{}", '{"result":1}', b"\xff")]
    assert names == ["(other)", "(other)", "(other)", "(result)", "(other)"]


def test_waiting_in_vain(agent: LocalAgent) -> None:
    """The error lists what did come."""
    websocket.create_connection(agent.url, timeout=5).close()
    with pytest.raises(TimeoutError, match="none"):
        agent.wait_for_frame("telnyx_rtc.bye", timeout=0.05)
    with pytest.raises(TimeoutError, match="no call looked like that"):
        agent.wait_for_call(lambda call: True, timeout=0.05)


def test_live_control(agent: LocalAgent) -> None:
    """say, ping, send, call_function, hang_up: each is seen by the client."""

    async def scenario() -> None:
        async with Oracle.connected(agent.url) as client:
            await place_call(client)
            await client.response()
            await asyncio.to_thread(agent.say, "One more thing.")
            assert await client.response(2) == "One more thing."
            await asyncio.to_thread(agent.ping)
            assert (await client.method("ping"))["params"]["serno"] == pytest.approx(time.time(), abs=5)
            await asyncio.to_thread(agent.send, {"jsonrpc": "2.0", "method": "odd", "params": {}})
            await client.wait(lambda frame: frame.get("method") == "odd")
            call_id = await asyncio.to_thread(agent.call_function, "lookup_order", {"id": 7})
            item = (await client.conversation("conversation.item.created"))["item"]
            assert (item["call_id"], json.loads(item["arguments"])) == (call_id, {"id": 7})
            output = {"type": "function_call_output", "call_id": call_id, "output": '{"status": "shipped"}'}
            params = {"type": "conversation.item.create", "item": output}
            await client.send({"jsonrpc": "2.0", "method": "ai_conversation", "params": params})
            assert await client.response(3) == "I looked it up: status shipped."
            await asyncio.to_thread(agent.hang_up, "USER_BUSY")
            assert (await client.method("bye"))["params"]["cause"] == "USER_BUSY"
            with pytest.raises(LookupError, match="no call"):
                await asyncio.to_thread(agent.hang_up)

    run(scenario())


def test_closing_and_cutting(agent: LocalAgent) -> None:
    """A close code arrives; a cut connection ends without one."""
    for close, code in ((lambda: agent.close_connection(4014, "down"), 4014), (agent.drop_connection, 1006)):

        async def scenario(close: Callable[[], None] = close, code: int = code) -> None:
            async with Oracle.connected(agent.url) as client:
                await client.ready()
                await asyncio.to_thread(close)
                await asyncio.gather(client.closed, return_exceptions=True)
                await client.socket.wait_closed()
                assert client.socket.protocol.close_code == code

        run(scenario())
    with pytest.raises(LookupError, match="no client"):
        agent.ping()
    with pytest.raises(LookupError, match="connection 9"):
        agent.ping(connection=9)


def test_falling_silent(agent: LocalAgent) -> None:
    """The socket stays open but nothing comes any more."""

    async def scenario() -> None:
        async with Oracle.connected(agent.url) as client:
            await client.ready()
            await client.conversation("widget_settings")
            await asyncio.to_thread(agent.fall_silent)
            count = len(client.frames)
            await client.request("telnyx_rtc.ping", {})
            await asyncio.to_thread(agent.wait_for_frame, "telnyx_rtc.ping")
            pong = await client.socket.ping()
            await pong  # the WebSocket itself still answers, so all that was sent has arrived
            assert len(client.frames) == count

    run(scenario())


def test_punt(agent: LocalAgent) -> None:
    """The client gets the frame; its call is over."""

    async def scenario() -> None:
        async with Oracle.connected(agent.url) as client:
            await place_call(client)
            await asyncio.to_thread(agent.punt)
            await client.method("punt")

    run(scenario())
    assert agent.wait_for_call(lambda call: call.state == "ended").cause == "PURGE"


def test_a_scenario_for_each_connection() -> None:
    """The first connection gets the first one, the others the last."""
    scenarios = [Scenario.gateway("FAILED", speed=50), Scenario.fast()]

    async def state(url: str) -> str:
        async with Oracle.connected(url) as client:
            await client.login()
            reply = await client.ask("telnyx_rtc.gatewayState", {})
            return str(reply["result"]["params"]["state"])

    with LocalAgent(scenario=scenarios, **QUIET) as agent:
        assert [run(state(agent.url)) for _ in range(3)] == ["FAILED", "REGED", "REGED"]
    with pytest.raises(ValueError, match="scenario is a Scenario"):
        LocalAgent(scenario=[], **QUIET).start()


@pytest.mark.parametrize("target", ["", "  ", "invalid-assistant", "Invalid"])
def test_targets_refused_by_default(agent: LocalAgent, target: str) -> None:
    """Blank ids and those that start with "invalid"."""

    async def scenario() -> None:
        async with Oracle.connected(agent.url) as client:
            assert (await client.login(target))["error"]["code"] == -32001

    run(scenario())


def test_an_accept_of_ones_own() -> None:
    """It decides; one that fails refuses, and does not harm the server."""

    async def code(url: str, target: str) -> int | None:
        async with Oracle.connected(url) as client:
            code = (await client.login(target)).get("error", {}).get("code")
            return None if code is None else int(code)

    with LocalAgent(scenario=Scenario.fast(), accept=lambda target: {"a": True, "b": False}[target], **QUIET) as agent:
        assert run(code(agent.url, "a")) is None
        assert run(code(agent.url, "b")) == -32001
        assert run(code(agent.url, "c")) == -32001


def test_a_brain_of_ones_own() -> None:
    """Any callable; it may hang up, fail, or say nothing."""

    def brain(text: str) -> Reply | str | None:
        if text == "fail":
            raise RuntimeError("as told")
        return {"bye": Reply("So long.", hang_up=True), "nothing": None}.get(text, text.upper())

    async def scenario(url: str) -> None:
        async with Oracle.connected(url) as client:
            await place_call(client)
            await client.type("nothing")
            await client.type("loud")
            assert await client.response() == "LOUD"
            await client.type("fail")
            assert "went wrong" in await client.response(2)
            await client.type("bye")
            assert await client.response(3) == "So long."
            assert (await client.method("bye"))["params"]["cause"] == "NORMAL_CLEARING"

    with LocalAgent(brain, scenario=Scenario.fast(reply_delay=0), greeting="", **QUIET) as agent:
        run(scenario(agent.url))


def test_function_calls_of_the_scenario() -> None:
    """A18: asked for after the greeting."""

    async def scenario(url: str) -> None:
        async with Oracle.connected(url) as client:
            await place_call(client)
            item = (await client.conversation("conversation.item.created"))["item"]
            assert (item["type"], item["name"]) == ("function_call", "get_weather")

    calls = (FunctionCall("get_weather"),)
    with LocalAgent(scenario=Scenario.fast(function_calls=calls), **QUIET) as agent:
        run(scenario(agent.url))


def test_reattach_on_a_new_socket(agent: LocalAgent) -> None:
    """Scenario G over real sockets, without media: cut, log in again, attach, go on talking."""

    async def scenario() -> None:
        async with Oracle.connected(agent.url) as first:
            await place_call(first)
            await first.response()
            await asyncio.to_thread(agent.drop_connection)
            await asyncio.gather(first.closed, return_exceptions=True)
        call = await asyncio.to_thread(agent.wait_for_call, lambda call: call.state == "detached")
        async with Oracle.connected(agent.url, f"/?voice_sdk_id={first.voice_sdk_id}") as second:
            second.session_id = first.session_id
            await second.login(reconnection=True)
            attach = await second.method("attach")
            assert attach["params"]["callID"] == call.call_id
            assert (await second.method("clientReady"))["params"]["reattached_sessions"] == [call.call_id]
            params = {"sdp": OFFER, "dialogParams": {"callID": call.call_id, "attach": True}}
            assert "result" in await second.ask("telnyx_rtc.attach", params)
            await second.method("display")
            await asyncio.to_thread(agent.wait_for_call, lambda call: call.state == "answered")
            await second.type("Who are you?")
            assert "local agent" in await second.response()

    run(scenario())


def test_many_clients(agent: LocalAgent) -> None:
    """Ten at once, each with a call and an answer of its own."""

    async def one(number: int) -> None:
        async with Oracle.connected(agent.url) as client:
            await place_call(client)
            await client.response()
            await client.type(f"number {number}")
            assert await client.response(2) == f"You said: number {number}"
            await client.bye()

    async def scenario() -> None:
        await asyncio.gather(*(one(number) for number in range(10)))

    run(scenario())
    assert len({call.call_id for call in agent.calls}) == 10


def test_stop_with_live_clients() -> None:
    """Sockets are closed with 1001, all threads end, and it takes less than 3 seconds."""

    async def scenario(agent: LocalAgent) -> None:
        async with Oracle.connected(agent.url) as client:
            await place_call(client)
            start = time.monotonic()
            await asyncio.to_thread(agent.stop)
            assert time.monotonic() - start < 3
            await client.socket.wait_closed()
            assert client.socket.protocol.close_code == 1001

    with LocalAgent(scenario=Scenario.fast(), **QUIET) as agent:
        run(scenario(agent))
    assert [thread.name for thread in threading.enumerate() if "telnyx-agent-local" in thread.name] == []
    assert agent.calls[0].state == "ended"


def test_stop_with_a_client_that_never_speaks() -> None:
    """A TCP connection without a WebSocket handshake is cut."""
    with LocalAgent(**QUIET) as agent, socket.create_connection(("127.0.0.1", agent.port), 5) as silent:
        start = time.monotonic()
        agent.stop()
        assert time.monotonic() - start < 3
        silent.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(100) == b""


def test_clients_that_come_as_it_stops() -> None:
    """A connection that is accepted in that moment is not lost (it would be reported as unclosed)."""
    for _ in range(20):
        with LocalAgent(**QUIET) as agent, contextlib.ExitStack() as clients:
            for _ in range(3):
                client = clients.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", agent.port))
            agent.stop()
    gc.collect()


def test_stop_with_a_brain_that_hangs() -> None:
    """A brain that does not return delays `stop` by a second at most."""
    release, asked = threading.Event(), threading.Event()

    def brain(text: str) -> str:
        asked.set()
        release.wait(20)
        return ""

    async def scenario(url: str) -> None:
        async with Oracle.connected(url) as client:
            await place_call(client)
            await client.type("Hello")
            await asyncio.to_thread(asked.wait, 5)

    with LocalAgent(brain, scenario=Scenario.fast(), greeting="", **QUIET) as agent:
        run(scenario(agent.url))
        start = time.monotonic()
        agent.stop()
        assert time.monotonic() - start < 3
    release.set()


def test_clients_that_send_garbage(agent: LocalAgent) -> None:
    """Nothing that a client sends stops the server."""
    connection = websocket.create_connection(agent.url, timeout=5)
    for data in ("", "{", "[[[", '{"jsonrpc":"2.0"}', '{"method":{}}', "null"):
        connection.send(data)
    connection.send_binary(b"\x00\xff")
    connection.send('{"jsonrpc":"2.0","id":"x","method":"telnyx_rtc.ping"}')
    assert json.loads(connection.recv())["error"]["code"] == -32000
    connection.close()


def test_a_record_of_its_own_thread(agent: LocalAgent) -> None:
    """The agent's thread has the name that the documentation says."""
    assert "telnyx-agent-local-agent" in [thread.name for thread in threading.enumerate()]


def test_a_log_handler_that_blocks_does_not_stop_it() -> None:
    """Handlers are the program's, and run on a thread of their own, with or without a client in the process."""
    gate, threads = threading.Event(), set()

    class Blocking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            threads.add(threading.current_thread().name)
            gate.wait(20)

    handler, loud = Blocking(), logging.getLogger("telnyx_agent.testing")
    before = loud.level
    loud.addHandler(handler)
    loud.setLevel(logging.DEBUG)
    try:
        with LocalAgent(voice="silent", ears="deaf", media=False) as agent:
            for _ in range(2):
                with contextlib.closing(websocket.create_connection(agent.url, timeout=5)) as connection:
                    connection.send('{"jsonrpc": "2.0", "id": 1, "method": "telnyx_rtc.ping", "params": {}}')
                    assert connection.recv()
    finally:
        gate.set()
        assert flush(5)
        loud.removeHandler(handler)
        loud.setLevel(before)
    assert threads <= {"telnyx-agent-log", "MainThread"}
    assert "telnyx-agent-log" in threads
