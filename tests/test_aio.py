"""The asyncio side: `async with`, awaitable commands, `async for`, and cancellation that costs nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from telnyx_agent import AuthenticationError, CallError, CallState, LocalProtocolError, TxClient, TxTimeoutError
from telnyx_agent import events as ev
from telnyx_agent.aio import AsyncTxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario

PATIENCE = 20.0


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Text only, without a greeting."""
    with LocalAgent(greeting="", voice="silent", ears="deaf", scenario=Scenario.fast(), media=False) as agent:
        yield agent


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """In an event loop of the test's own, with asyncio's own checks."""
    asyncio.run(asyncio.wait_for(main(), 60), debug=True)


def test_a_conversation(agent: LocalAgent) -> None:
    """Login, call, question and answer, the end: each `await` returns when it is done."""

    async def main() -> None:
        async with AsyncTxClient(audio=NullAudio()) as client:
            await client.anonymous_login("assistant-1", server_configuration=agent.configuration)
            assert client.sync.is_registered
            async with client.new_call() as call:
                await call.wait_until_active(PATIENCE)
                assert await call.ask("what is your name", PATIENCE) == "I am the local agent. I live on your machine."
                await client.send_ai_assistant_message("thank you")
                assert call.sync.call_id in client.calls
            assert call.state == CallState.DONE
            assert (await call.wait_until_ended(PATIENCE)).is_local
            assert [item.role for item in call.transcript][:2] == ["user", "assistant"]
        assert not client.sync.is_connected()

    run(main)


def test_the_same_client_from_both_sides(agent: LocalAgent) -> None:
    """`AsyncTxClient.of(client)` adds a side to a client that there is."""
    with TxClient(audio=NullAudio()) as client:

        async def main() -> None:
            await AsyncTxClient.of(client).anonymous_login("assistant-1", server_configuration=agent.configuration)
            call = AsyncTxClient.of(client).new_call()
            assert await call.ask("what is your name", PATIENCE)
            assert client.get_call(call.sync.call_id) is call.sync

        run(main)
        assert client.is_registered


def test_events_with_async_for(agent: LocalAgent) -> None:
    """The stream ends with the login."""
    seen: list[str] = []

    async def main() -> None:
        async with AsyncTxClient(audio=NullAudio()) as client:
            events = client.events(timeout=PATIENCE)
            await client.anonymous_login("assistant-1", server_configuration=agent.configuration)
            async for event in events:
                match event:
                    case ev.ClientReady():
                        client.new_call()
                    case ev.CallStateUpdated(call_state) if call_state == CallState.ACTIVE:
                        await client.send_ai_assistant_message("thank you")
                    case ev.TranscriptItemUpdated(item) if item.is_final:
                        seen.append(item.content)
                        if item.role == "assistant":
                            await client.disconnect()
                    case ev.SocketDisconnected():
                        seen.append("disconnected")
            seen.append("over")

    run(main)
    assert seen == ["thank you", "You are welcome.", "disconnected", "over"]


def test_the_loop_goes_on_while_one_waits(agent: LocalAgent) -> None:
    """Two conversations and a clock in one thread; no await blocks the loop."""
    ticks = 0

    async def clock() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def converse(words: str) -> str:
        async with AsyncTxClient(audio=NullAudio()) as client:
            await client.anonymous_login("assistant-1", server_configuration=agent.configuration)
            return await client.new_call().ask(f"Repeat after me: {words}", PATIENCE)

    async def main() -> None:
        ticking = asyncio.create_task(clock())
        assert list(await asyncio.gather(converse("one"), converse("two"))) == ["one", "two"]
        ticking.cancel()

    run(main)
    assert ticks > 10


def test_errors_are_raised(agent: LocalAgent) -> None:
    """By the `await` whose command failed."""

    async def main() -> None:
        async with AsyncTxClient(audio=NullAudio()) as client:
            with pytest.raises(AuthenticationError):
                await client.anonymous_login("invalid-1", server_configuration=agent.configuration)
            await client.disconnect()
            await client.anonymous_login("assistant-1", server_configuration=agent.configuration)
            with pytest.raises(CallError):
                await client.send_ai_assistant_message("nobody there")
            call = client.new_call()
            await call.hangup()
            with pytest.raises(CallError, match="ended before it became ACTIVE"):
                await call.wait_until_active(PATIENCE)
            with pytest.raises(CallError, match="over"):
                await call.ask("hello")

    run(main)


def test_time_is_up(agent: LocalAgent) -> None:
    """`TxTimeoutError`, as of the blocking waiters; what was waited for goes on."""

    async def main() -> None:
        async with AsyncTxClient(audio=NullAudio()) as client:
            await client.anonymous_login("assistant-1", server_configuration=agent.configuration)
            call = client.new_call()
            await call.wait_until_active(PATIENCE)
            with pytest.raises(TxTimeoutError):
                await call.wait_until_ended(0.01)
            with pytest.raises(TxTimeoutError):
                await call.ask("what is your name", timeout=0.0001)
            events = client.events(timeout=0.01)
            with pytest.raises(TxTimeoutError):
                _ = [event async for event in events]
            await call.hangup()
            assert not isinstance(await anext(events), ev.EventsDropped)
            await events.aclose()
            assert [event async for event in events] == []

    run(main)


def test_cancelling_an_await_loses_nothing(agent: LocalAgent) -> None:
    """The command is carried out, the event is still there, and no task is left behind."""

    async def main() -> None:
        async with AsyncTxClient(audio=NullAudio()) as client:
            events = client.events()
            waiting = asyncio.create_task(anext(events))
            await asyncio.sleep(0)
            waiting.cancel()
            assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)

            login = asyncio.create_task(client.anonymous_login("assistant-1", server_configuration=agent.configuration))
            await asyncio.sleep(0)
            login.cancel()
            assert isinstance((await asyncio.gather(login, return_exceptions=True))[0], asyncio.CancelledError)

            assert isinstance(await anext(events), ev.ConnectionStateChanged)
            assert isinstance(await anext(events), ev.SocketConnected)
            await asyncio.to_thread(client.sync.wait_until_ready, PATIENCE)
            call = client.new_call()
            await call.wait_until_active(PATIENCE)
            question = asyncio.create_task(call.ask("Repeat after me: never heard", None))
            await asyncio.sleep(0)
            question.cancel()
            await asyncio.gather(question, return_exceptions=True)
            assert await call.ask("Repeat after me: one two three", PATIENCE) == "one two three"
            assert asyncio.all_tasks() == {asyncio.current_task()}

    # `wait_for` of `run` has a task of its own around this one, depending on the version of Python.
    asyncio.run(main(), debug=True)


def test_a_coroutine_is_a_tool_in_the_users_loop(agent: LocalAgent) -> None:
    """It may use what lives there; plain functions run on the tools' threads."""
    threads: set[str] = set()

    async def main() -> None:
        arrived: asyncio.Queue[str] = asyncio.Queue()
        async with AsyncTxClient(audio=NullAudio()) as client:

            @client.tool
            async def lookup_order(order_id: str) -> str:
                threads.add(threading.current_thread().name)
                await arrived.put(order_id)
                return "shipped"

            @client.tool
            async def asks() -> str:
                with pytest.raises(LocalProtocolError, match="waits for the tool's result"):
                    await next(iter(client.calls.values())).ask("what now")
                return "refused"

            @client.tool(name="fails")
            async def fails() -> None:
                raise LookupError("no such shelf")

            await client.anonymous_login("assistant-1", server_configuration=agent.configuration)
            call = client.new_call()
            answer = await call.ask("where is my order", PATIENCE)
            assert answer.endswith("I looked it up: shipped.")
            assert await arrived.get() == "1001"
            await asyncio.to_thread(agent.call_function, "fails")
            frame = await asyncio.to_thread(
                agent.wait_for_frame, "ai_conversation", PATIENCE, direction="received", count=3
            )
            assert frame.message["params"]["item"]["output"] == '{"error": "LookupError: no such shelf"}'
            await asyncio.to_thread(agent.call_function, "asks")
            frame = await asyncio.to_thread(
                agent.wait_for_frame, "ai_conversation", PATIENCE, direction="received", count=4
            )
            assert frame.message["params"]["item"]["output"] == "refused"

    run(main)
    assert threads == {"MainThread"}


def test_the_loop_ends_in_the_middle(agent: LocalAgent) -> None:
    """A loop that is gone has nobody to wake, and the client does not mind."""
    tasks: list[asyncio.Task[Any]] = []  # asyncio itself keeps no task alive, here until the loop cancels them
    with TxClient(audio=NullAudio()) as client, TxClient(audio=NullAudio()) as idle:

        async def main() -> None:
            side = AsyncTxClient.of(client)
            await side.anonymous_login("assistant-1", server_configuration=agent.configuration)
            call = side.new_call()
            tasks.append(asyncio.create_task(anext(AsyncTxClient.of(idle).events())))
            tasks.append(asyncio.create_task(call.wait_until_ended()))
            await asyncio.sleep(0)
            assert not any(task.done() for task in tasks)

        asyncio.run(main())
        client.new_call().wait_until_active(PATIENCE)
