"""The watch that `tests/conftest.py` keeps sees what it is there to see."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import gc
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import watch


def run_on_loop(function: Callable[[], object], name: str = "telnyx-agent-loop", seconds: float = 0.0) -> None:
    """Call `function` on a thread of that name, while an event loop runs there for so many `seconds`."""

    async def main() -> None:
        function()
        await asyncio.sleep(seconds)

    thread = threading.Thread(target=lambda: asyncio.run(main()), name=name)
    thread.start()
    thread.join()


def sleep() -> None:
    time.sleep(0.0)


def read_file() -> None:
    Path(__file__).read_text(encoding="utf-8")


def look_up() -> None:
    socket.getaddrinfo("localhost", 80)


def wait_for_event() -> None:
    threading.Event().wait(0.001)


def wait_for_result() -> None:
    with pytest.raises(concurrent.futures.TimeoutError):
        concurrent.futures.Future[None]().result(0.001)


def compute() -> None:
    burn(2 * watch.LONGEST_CALLBACK)


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def send_blocking() -> None:
    near, far = socket.socketpair()
    with near, far:
        near.sendall(b"x")


BLOCKING = [compute, sleep, read_file, look_up, wait_for_event, wait_for_result, send_blocking]


@pytest.mark.parametrize("function", BLOCKING, ids=lambda function: function.__name__)
def test_blocking_calls_on_the_loop_are_seen(function: Callable[[], None]) -> None:
    """Each is recorded, with the line that did it."""
    run_on_loop(function)
    assert any(function.__name__ in text or "processor time" in text for text in watch.log.blocked)
    watch.log.take()


def test_many_callbacks_in_one_turn_are_seen() -> None:
    """Each is short; the loop does not get to its sockets for long."""
    pieces = 8

    def compute_in_pieces() -> None:
        for _ in range(pieces):
            asyncio.get_running_loop().call_soon(burn, 2 * watch.LONGEST_PAUSE / pieces)

    run_on_loop(compute_in_pieces, seconds=0.01)
    (text,) = watch.log.take()
    assert "telnyx-agent-loop had 0.5" in text


def beside_the_loop(function: Callable[[], object], name: str) -> list[str]:
    """What was seen while `function` ran on a thread of that name beside a loop that has nothing to do."""
    begun = threading.Event()

    def run() -> None:
        begun.wait()
        function()

    thread = threading.Thread(target=run, name=name)
    thread.start()

    async def main() -> None:
        await asyncio.sleep(0.2)
        begun.set()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)

    def serve() -> None:
        asyncio.run(main())

    loop_thread = threading.Thread(target=serve, name="telnyx-agent-loop")
    loop_thread.start()
    loop_thread.join()
    return watch.log.take()


def hold_the_lock() -> None:
    """One call into C, with processor time, in which no other thread of Python runs."""
    begin = time.thread_time()
    sum(range(1_000_000))
    once = time.thread_time() - begin
    sum(range(round(1_000_000 * 3 * watch.LONGEST_PAUSE / once)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere only the loop's own time is known")
def test_a_thread_that_keeps_the_lock_of_python_is_seen() -> None:
    """A call into C that takes long, such as `json.loads` of a giant, stops the loop on whatever thread it is made."""
    (text,) = beside_the_loop(hold_the_lock, "telnyx-agent-reader")
    assert "telnyx-agent-reader had " in text


@pytest.mark.slow
def test_what_other_threads_do_is_fine_as_long_as_the_loop_runs() -> None:
    """Work in Python gives way to the loop; a pause without work is a busy machine; the other side may do anything."""
    assert not beside_the_loop(lambda: burn(3 * watch.LONGEST_PAUSE), "telnyx-agent-reader")
    assert not beside_the_loop(lambda: ctypes.PyDLL(None).usleep(600_000), "telnyx-agent-reader")
    assert not beside_the_loop(hold_the_lock, "telnyx-agent-local-agent")


@pytest.mark.slow
def test_a_collection_is_not_the_callback_s_own_work() -> None:
    """The larger the heap of the test suite, the longer it takes; whatever is done beside it still counts."""
    begin = time.thread_time()
    gc.collect()
    once = time.thread_time() - begin
    times = round(2 * watch.LONGEST_CALLBACK / once) + 1

    def collect() -> None:
        for _ in range(times):
            gc.collect()

    def collect_and_compute() -> None:
        collect()
        compute()

    run_on_loop(collect)
    assert watch.log.blocked == []
    run_on_loop(collect_and_compute)
    assert len(watch.log.blocked) == 1
    watch.log.take()


@pytest.mark.parametrize("function", BLOCKING, ids=lambda function: function.__name__)
def test_blocking_calls_elsewhere_are_fine(function: Callable[[], None]) -> None:
    """Other threads may block, whether or not they run an event loop."""
    function()
    run_on_loop(function, name="somebody-else")
    assert not watch.log.take()


def test_what_an_event_loop_does_itself_is_fine() -> None:
    """Non-blocking sockets, timers and work handed to threads are not taken for blocking."""

    async def work() -> None:
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        assert await reader.read() == b""
        writer.close()
        server.close()
        await asyncio.sleep(0.001)
        await asyncio.get_running_loop().run_in_executor(None, sleep)

    thread = threading.Thread(target=lambda: asyncio.run(work()), name="telnyx-agent-loop")
    thread.start()
    thread.join()
    assert not watch.log.take()


@pytest.mark.parametrize("address", ["203.0.113.7", "10.1.2.3", "2001:db8::7", "224.0.0.251"])
def test_traffic_to_other_machines_is_refused(address: str) -> None:
    """Before anything is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock, pytest.raises(watch.TrafficRefusedError):
        sock.sendto(b"x", (address, 9))
    assert watch.log.take()


def test_names_of_other_machines_are_not_looked_up() -> None:
    """A look-up would already leave the machine."""
    with pytest.raises(watch.TrafficRefusedError):
        socket.getaddrinfo("rtc.telnyx.com", 443)
    assert watch.log.take()


def test_threads_left_behind_are_named() -> None:
    """The SDK's threads and all non-daemon ones; others' daemons are none of our business."""
    before = frozenset(threading.enumerate())
    stop = threading.Event()
    threads = [
        threading.Thread(target=stop.wait, name="telnyx-agent-forgotten", daemon=True),
        threading.Thread(target=stop.wait, name="forgotten", daemon=False),
        threading.Thread(target=stop.wait, name="somebody-else", daemon=True),
    ]
    for thread in threads:
        thread.start()
    left = "".join(watch.threads_left(before, patience=0.01))
    stop.set()
    for thread in threads:
        thread.join()
    assert "telnyx-agent-forgotten" in left
    assert "<Thread(forgotten" in left
    assert "somebody-else" not in left
    assert not watch.threads_left(before, patience=0.0)


def test_a_thread_that_is_being_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread starts it: it is among the threads of the process, but does not run yet."""
    before = frozenset(threading.enumerate())
    ended = threading.Event()
    late = threading.Thread(target=ended.set, name="telnyx-agent-late")
    starter = threading.Timer(0.1, late.start)
    starter.start()
    with monkeypatch.context() as patch:
        patch.setattr(threading, "enumerate", lambda: [*before, late])
        assert watch.threads_left(before, 5.0) == []
    assert ended.is_set()
    starter.join()


def test_tasks_that_fail_unseen_are_seen() -> None:
    """What asyncio only logs is a failure here."""
    import gc

    async def fail() -> None:
        raise ValueError("nobody looks")

    async def main() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.sleep(0.001)
        del task
        gc.collect()

    asyncio.run(main())
    assert any("nobody looks" in text for text in watch.log.take())
