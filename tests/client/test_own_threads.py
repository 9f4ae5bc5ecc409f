"""A wait on a thread of the SDK's own would be for oneself: it is refused at once, and in words.

Nobody does that on purpose. A finaliser does it: the garbage collector runs it on whatever thread makes it run.
"""

from __future__ import annotations

import concurrent.futures
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telnyx_agent import CallState, LocalProtocolError, TxClient
from telnyx_agent._net import connection
from telnyx_agent._net.upgrade import upgrade
from telnyx_agent._runtime.dispatch import ThreadDispatcher
from telnyx_agent._runtime.futures import CommandFuture
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent._runtime.threads import SdkThread
from telnyx_agent._runtime.watch import Watch
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent

LIMIT = 10.0


def run_inside(job: Callable[[], Any]) -> BaseException | None:
    """What `job` raises on an internal thread; the test fails if it takes long."""
    raised: list[BaseException | None] = []

    def work() -> None:
        try:
            job()
        except BaseException as exc:  # noqa: BLE001 - looked at below
            raised.append(exc)
        else:
            raised.append(None)

    thread = SdkThread(work, "telnyx-agent-test")
    begin = time.monotonic()
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert time.monotonic() - begin < 4.0
    return raised[0]


def test_every_wait_is_refused(client: TxClient, agent: LocalAgent, tmp_path: Path) -> None:
    """The table of everything that blocks. None of the futures is ever settled, none of the events ever comes."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(LIMIT)
    call = client.new_call()
    call.wait_until_active(LIMIT)
    playback = call.play(np.zeros(480_000, np.int16))
    future: CommandFuture[None] = CommandFuture()
    dispatcher = ThreadDispatcher()
    gate = threading.Event()
    dispatcher.submit(lambda: gate.wait(LIMIT))
    dispatcher.close()
    pump = TxClient(callbacks="pump")
    waits: dict[str, Callable[[], Any]] = {
        "result": future.result,
        "result with a time-out": lambda: future.result(LIMIT),
        "exception": future.exception,
        "wait": future.wait,
        "concurrent.futures.wait": lambda: concurrent.futures.wait([future]),
        "as_completed": lambda: list(concurrent.futures.as_completed([future])),
        "Watch.wait": lambda: Watch(0).wait(bool),
        "Call.wait_for_state": lambda: call.wait_for_state(CallState.DONE),
        "Call.wait_until_ended": call.wait_until_ended,
        "Call.ask": lambda: call.ask("What are your opening hours?"),
        "process_events": lambda: pump.process_events(LIMIT),
        "Playback.wait": playback.wait,
        "Dispatcher.join": dispatcher.join,
        "EventStream": lambda: [next(iter(client.events())) for _ in range(1000)],
        "with TxClient": lambda: client.__exit__(None, None, None),
    }
    try:
        for name, wait in waits.items():
            error = run_inside(wait)
            assert isinstance(error, LocalProtocolError), (name, error)
            assert "telnyx-agent-test" in str(error)
    finally:
        gate.set()
        dispatcher.join(LIMIT)


def test_what_does_not_wait_is_allowed() -> None:
    """A settled future, or a look without waiting."""
    done = CommandFuture.settled(7)
    waiting: CommandFuture[None] = CommandFuture()
    assert run_inside(lambda: done.result() == 7 or 1 / 0) is None
    assert run_inside(lambda: waiting.wait(0)) is None
    assert run_inside(lambda: Watch(7).wait(bool)) is None
    assert run_inside(lambda: concurrent.futures.wait([done])) is None


class Careless:
    """Ends its client when it is collected, as its author thinks on its own thread."""

    def __init__(self, client: TxClient) -> None:
        self.client = client
        self.me = self  # so that only the collector finds it

    def __del__(self) -> None:
        outcomes.append(threading.current_thread().name)
        try:
            self.client.disconnect().result()
        except LocalProtocolError as exc:
            outcomes.append(str(exc))


outcomes: list[str] = []


class CollectingAudio(NullAudio):
    """A device of the program's; a collection happens to come while it is opened."""

    def start(self, stream: Any) -> None:
        gc.collect()
        super().start(stream)


@pytest.mark.parametrize("where", ["loop", "reader", "device"])
def test_a_finaliser_that_waits(where: str, talking_agent: LocalAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the loop and the reader it is told so at once; on a device's thread it may wait. All goes on."""
    outcomes.clear()

    def collecting(*args: Any, **kwargs: Any) -> None:
        upgrade(*args, **kwargs)
        if where == "reader":
            gc.collect()

    monkeypatch.setattr(connection, "upgrade", collecting)
    other = TxClient(audio=NullAudio())
    other.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(LIMIT)
    gc.collect()
    gc.disable()
    try:
        Careless(other)
        client = TxClient(audio=CollectingAudio() if where == "device" else NullAudio())
        client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(LIMIT)
        call = client.new_call()
        if where == "loop":
            loop = LoopThread.acquire()
            loop.post(gc.collect)
            loop.release()
        call.wait_until_active(LIMIT)
        deadline = time.monotonic() + LIMIT
        while not outcomes and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        gc.enable()
    assert client.disconnect().wait(LIMIT)
    assert other.disconnect().wait(LIMIT)
    assert outcomes[0] == f"telnyx-agent-{where}"
    assert len(outcomes) == (1 if where == "device" else 2), outcomes
