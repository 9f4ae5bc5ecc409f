"""`CommandFuture`: complete after the callbacks, but never stuck behind them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from telnyx_agent._runtime import futures
from telnyx_agent._runtime.dispatch import Dispatcher, PumpDispatcher, ThreadDispatcher
from telnyx_agent._runtime.futures import CALLBACK_GRACE, CALLBACK_LIMIT, CommandFuture, _finish, _Grace
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.errors import NetworkError, TxTimeoutError

from .conftest import RunProgram


@pytest.fixture
def dispatcher() -> Iterator[ThreadDispatcher]:
    thread = ThreadDispatcher()
    yield thread
    thread.close()
    assert thread.join(5)


def test_first_outcome_wins() -> None:
    """It settles once; what comes later changes nothing and raises nothing."""
    future: CommandFuture[int] = CommandFuture()
    future.settle(1)
    future.settle(2)
    future.settle(error=NetworkError("late"))
    assert future.result() == 1
    assert future.exception() is None
    assert future.done()


def test_errors_are_raised() -> None:
    """An error comes out of `result` and is returned by `exception`."""
    future: CommandFuture[None] = CommandFuture()
    error = NetworkError("unreachable")
    future.settle(error=error)
    with pytest.raises(NetworkError) as caught:
        future.result(0)
    assert caught.value is error
    assert future.exception(0) is error


def test_a_timeout_error_as_outcome_is_no_time_out_of_the_wait() -> None:
    """On every Python version the command's own `TimeoutError` is told from the wait's."""
    future: CommandFuture[None] = CommandFuture()
    error = TxTimeoutError("the server did not answer")
    future.settle(error=error)
    with pytest.raises(TxTimeoutError) as caught:
        future.result(1.0)
    assert caught.value is error


def test_it_cannot_be_cancelled() -> None:
    """A command is under way as soon as it is given."""
    future: CommandFuture[None] = CommandFuture()
    assert future.running()
    assert not future.cancel()
    future.settle()
    assert future.result() is None


@pytest.mark.parametrize("method", ["result", "exception"])
def test_time_is_up(method: str) -> None:
    """`TxTimeoutError`, which is the builtin `TimeoutError` too, on 3.10 as well; the command goes on."""
    future: CommandFuture[str] = CommandFuture()
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match=r"after 0\.1 s; it goes on") as caught:
        getattr(future, method)(0.1)
    assert isinstance(caught.value, TxTimeoutError)
    assert 0.1 <= time.monotonic() - begin < 4.0
    future.settle("done")
    assert future.result(0) == "done"


def test_wait_never_raises() -> None:
    """`wait` says whether it is complete, well or not."""
    future: CommandFuture[None] = CommandFuture()
    assert not future.wait(0)
    assert not future.wait(0.05)
    future.settle(error=NetworkError("no"))
    assert future.wait(0)
    assert future.wait()


def test_it_completes_after_the_callbacks(loop: LoopThread, dispatcher: ThreadDispatcher) -> None:
    """What the command caused was delivered before `result` returns: a hundred times out of a hundred."""
    for _ in range(100):
        delivered = threading.Event()
        future: CommandFuture[str] = CommandFuture(dispatcher, loop)

        def command(future: CommandFuture[str] = future, delivered: threading.Event = delivered) -> None:
            dispatcher.submit(delivered.set)
            future.settle_after_callbacks("ready")

        loop.post(command)
        assert future.result(5) == "ready"
        assert delivered.is_set()


def test_slow_callbacks_delay_it_for_a_quarter_of_a_second(loop: LoopThread, dispatcher: ThreadDispatcher) -> None:
    """A user's callback that blocks cannot hold up the one who waits for the command."""
    gate = threading.Event()
    future: CommandFuture[str] = CommandFuture(dispatcher, loop)
    dispatcher.submit(lambda: gate.wait(5))
    begin = time.monotonic()
    loop.post(future.settle_after_callbacks, "ready")
    assert future.result(5) == "ready"
    assert CALLBACK_GRACE <= time.monotonic() - begin < 4.0
    gate.set()


@pytest.mark.parametrize("is_last", [False, True])
def test_a_busy_machine_does_not_put_it_before_its_callbacks(
    loop: LoopThread, dispatcher: ThreadDispatcher, monkeypatch: pytest.MonkeyPatch, is_last: bool
) -> None:
    """Only the time counts in which callbacks run, not that in which their thread waits for its turn."""
    monkeypatch.setattr(dispatcher, "time_in_callbacks", lambda: 0.0)
    told = threading.Event()
    dispatcher.submit(lambda: time.sleep(2 * CALLBACK_GRACE))
    dispatcher.submit(told.set)
    if is_last:
        future: CommandFuture[str] = CommandFuture.settled_after(dispatcher)
    else:
        future = CommandFuture(dispatcher, loop)
        loop.post(future.settle_after_callbacks, "ready")
    assert future.wait(5)
    assert told.is_set()


@pytest.mark.parametrize("is_last", [False, True])
def test_callbacks_that_never_get_their_turn_are_not_waited_for(
    loop: LoopThread, dispatcher: ThreadDispatcher, monkeypatch: pytest.MonkeyPatch, is_last: bool
) -> None:
    """A second is the limit."""
    monkeypatch.setattr(dispatcher, "time_in_callbacks", lambda: 0.0)
    gate = threading.Event()
    dispatcher.submit(lambda: gate.wait(20))
    begin = time.monotonic()
    if is_last:
        future: CommandFuture[str] = CommandFuture.settled_after(dispatcher)
    else:
        future = CommandFuture(dispatcher, loop)
        loop.post(future.settle_after_callbacks, "ready")
    assert future.wait(15)
    assert time.monotonic() - begin + 0.01 >= CALLBACK_LIMIT
    assert not gate.is_set()
    gate.set()


def test_the_time_in_callbacks_is_theirs_alone(dispatcher: ThreadDispatcher) -> None:
    """It stands still while nothing runs, and goes on in the middle of a callback."""
    begun, gate, over = threading.Event(), threading.Event(), threading.Event()
    dispatcher.submit(lambda: begun.set() or gate.wait(5))
    dispatcher.submit(over.set)
    assert begun.wait(5)
    first = dispatcher.time_in_callbacks()
    time.sleep(0.05)
    assert dispatcher.time_in_callbacks() >= first + 0.05
    gate.set()
    assert over.wait(5)
    dispatcher.close()
    assert dispatcher.join(5)
    last = dispatcher.time_in_callbacks()
    time.sleep(0.05)
    assert dispatcher.time_in_callbacks() == last


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callbacks may take half a minute: who waits for them is noticed."""
    monkeypatch.setattr(futures, "CALLBACK_GRACE", 30.0)
    monkeypatch.setattr(futures, "CALLBACK_LIMIT", 30.0)


@pytest.mark.parametrize("early", [True, False])
def test_result_inside_a_callback_does_not_wait_for_itself(
    loop: LoopThread, dispatcher: ThreadDispatcher, early: bool, long_grace: None
) -> None:
    """A `.result()` in a callback returns as soon as the command is complete, whichever comes first."""
    results: list[str] = []
    done, posted = threading.Event(), threading.Event()

    def command(future: CommandFuture[str]) -> None:
        future.settle_after_callbacks("placed")
        posted.set()

    def callback() -> None:
        future: CommandFuture[str] = CommandFuture(dispatcher, loop)
        loop.post(command, future)
        if early:
            posted.wait(5)
        results.append(future.result(5))
        done.set()

    dispatcher.submit(callback)
    assert done.wait(10)
    assert results == ["placed"]


def test_nobody_may_be_pumping(loop: LoopThread, long_grace: None) -> None:
    """With pumped callbacks a command completes at once: the user may be waiting instead of pumping."""
    pump = PumpDispatcher()
    pump.submit(int)
    future: CommandFuture[str] = CommandFuture(pump, loop)
    loop.post(future.settle_after_callbacks, "ready")
    assert future.result(5) == "ready"


def test_settling_after_the_last_release_of_the_loop(dispatcher: ThreadDispatcher) -> None:
    """A client's last act: it gives the loop back, then settles. Callbacks first, but not for ever."""
    for is_blocked in (False, True):
        loop = LoopThread.acquire()
        gate = threading.Event()
        delivered: list[str] = []
        future: CommandFuture[None] = CommandFuture(dispatcher, loop)

        def end(
            loop: LoopThread = loop, future: CommandFuture[None] = future, delivered: list[str] = delivered
        ) -> None:
            dispatcher.submit(lambda: delivered.append("disconnected"))
            loop.release()
            future.settle_after_callbacks()

        if is_blocked:
            dispatcher.submit(lambda gate=gate: gate.wait(5))  # type: ignore[misc]
        begin = time.monotonic()
        loop.post(end)
        assert future.result(5) is None
        assert time.monotonic() - begin < 4.0
        assert delivered == ([] if is_blocked else ["disconnected"])
        gate.set()


def test_done_callbacks_run_where_callbacks_run(loop: LoopThread, dispatcher: ThreadDispatcher) -> None:
    """Never on the loop, with the future as argument, in order, and also when it is complete already."""
    seen: list[tuple[str, str, Any]] = []
    done = threading.Event()
    future: CommandFuture[int] = CommandFuture(dispatcher, loop)

    def note(name: str, future: concurrent.futures.Future[int]) -> None:
        seen.append((name, threading.current_thread().name, future))

    future.add_done_callback(lambda future: note("first", future))
    future.add_done_callback(lambda future: note("second", future))
    future.add_done_callback(lambda _: done.set())
    loop.post(future.settle, 5)
    assert done.wait(5)
    done.clear()
    future.add_done_callback(lambda future: (note("late", future), done.set()))
    assert done.wait(5)
    assert future.result(0) == 5
    assert seen == [(name, "telnyx-agent-delegate", future) for name in ("first", "second", "late")]


def test_a_raising_done_callback_is_reported(dispatcher: ThreadDispatcher, caplog: pytest.LogCaptureFixture) -> None:
    """It is user code like any other callback."""
    future: CommandFuture[None] = CommandFuture(dispatcher)
    reported = threading.Event()

    def on_done(_: object) -> None:
        raise ValueError("users have bugs")

    future.add_done_callback(on_done)
    future.settle()
    dispatcher.submit(reported.set)
    assert reported.wait(5)
    assert "on_done raised ValueError" in caplog.text


def test_it_can_be_awaited(loop: LoopThread, dispatcher: ThreadDispatcher) -> None:
    """`asyncio.wrap_future` works: results, errors, time-outs, and giving up on the asyncio side."""

    async def main() -> None:
        good: CommandFuture[str] = CommandFuture(dispatcher, loop)
        bad: CommandFuture[str] = CommandFuture(dispatcher, loop)
        slow: CommandFuture[str] = CommandFuture(dispatcher, loop)
        loop.post(good.settle_after_callbacks, "ready")
        loop.post(lambda: bad.settle_after_callbacks(error=NetworkError("unreachable")))
        assert await asyncio.wrap_future(good) == "ready"
        with pytest.raises(NetworkError):
            await asyncio.wrap_future(bad)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(slow), 0.05)
        assert not slow.done()
        slow.settle("later")
        assert await asyncio.wrap_future(slow) == "later"

    asyncio.run(main())


def test_the_standard_library_can_wait_for_it(loop: LoopThread, dispatcher: ThreadDispatcher) -> None:
    """`concurrent.futures.wait` and `as_completed` take it like any other future."""
    futures: list[CommandFuture[int]] = [CommandFuture(dispatcher, loop) for _ in range(5)]
    for number, future in enumerate(futures):
        loop.post(future.settle_after_callbacks, number)
    assert {future.result() for future in concurrent.futures.as_completed(futures, 5)} == set(range(5))
    assert not concurrent.futures.wait(futures, 5).not_done


def test_many_threads_wait_and_settle() -> None:
    """Whoever settles first wins for all who wait."""
    for _ in range(50):
        future: CommandFuture[int] = CommandFuture()
        results: list[int] = []
        start = threading.Barrier(8)

        def wait(
            future: CommandFuture[int] = future, results: list[int] = results, start: threading.Barrier = start
        ) -> None:
            start.wait()
            results.append(future.result(5))

        def settle(number: int, future: CommandFuture[int] = future, start: threading.Barrier = start) -> None:
            start.wait()
            future.settle(number)

        threads = [threading.Thread(target=wait) for _ in range(4)]
        threads += [threading.Thread(target=settle, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert len(results) == 4
        assert len(set(results)) == 1


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("how", ["result()", "exception()", "wait()", "result(60)"])
def test_ctrl_c_interrupts(run_program: RunProgram, how: str) -> None:
    """One Ctrl-C ends a wait for a command, with or without time-out."""
    outcome = run_program(
        f"""
        from telnyx_agent._runtime.futures import CommandFuture
        try:
            print("waiting")
            CommandFuture().{how}
        except KeyboardInterrupt:
            print("interrupted")
        """,
        interrupt=True,
    )
    assert outcome.stdout == "waiting\ninterrupted\n"


def test_a_future_without_a_dispatcher() -> None:
    """What is complete from the start needs no threads: done-callbacks run at once, where they are added."""
    future: CommandFuture[int] = CommandFuture()
    future.settle_after_callbacks(5)
    seen: list[concurrent.futures.Future[int]] = []
    future.add_done_callback(seen.append)
    assert seen == [future]


def test_nothing_to_do_but_wait_for_the_last_callbacks(
    dispatcher: ThreadDispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A future that is settled after what is queued; at once, where nothing is, or where it would wait for itself."""
    for name in ("CALLBACK_GRACE", "CALLBACK_LIMIT"):  # on a busy machine this test may not run for so long
        monkeypatch.setattr(futures, name, 60.0)
    release, told = threading.Event(), []
    dispatcher.submit(lambda: release.wait(5))
    dispatcher.submit(lambda: told.append("callback"))
    future = CommandFuture.settled_after(dispatcher)
    assert not future.done()
    release.set()
    assert future.wait(5)
    assert told == ["callback"]

    inside: list[bool] = []
    dispatcher.submit(lambda: inside.append(CommandFuture.settled_after(dispatcher).done()))
    dispatcher.close()
    assert dispatcher.join(5)
    assert inside == [True]
    assert CommandFuture.settled_after(dispatcher).done()
    assert CommandFuture.settled_after(PumpDispatcher()).done()
    assert CommandFuture.settled_after(None).done()


def test_it_does_not_wait_for_a_last_callback_that_blocks(dispatcher: ThreadDispatcher) -> None:
    """Longer than a quarter of a second."""
    release = threading.Event()
    dispatcher.submit(lambda: release.wait(10))
    begin = time.monotonic()
    assert CommandFuture.settled_after(dispatcher).wait(8)
    assert time.monotonic() - begin + 0.01 >= CALLBACK_GRACE
    assert not release.is_set()
    release.set()


def test_the_grace_is_time_in_callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on; and it has an end however little of it is spent."""
    spent = 5.0
    dispatcher = cast(Dispatcher, SimpleNamespace(time_in_callbacks=lambda: spent))
    grace = _Grace(dispatcher)
    assert grace.left == CALLBACK_GRACE
    spent += 0.1
    assert grace.left == pytest.approx(CALLBACK_GRACE - 0.1)
    spent += CALLBACK_GRACE
    assert grace.left == pytest.approx(-0.1)
    monkeypatch.setattr(futures, "CALLBACK_LIMIT", 0.0)
    assert _Grace(dispatcher).left == 0.0


def test_an_await_that_was_given_up() -> None:
    """The future that was awaited is cancelled already when the command completes; that is no error."""

    async def given_up() -> tuple[bool, bool]:
        cancelled, waiting = (asyncio.get_running_loop().create_future() for _ in range(2))
        cancelled.cancel()
        for future in (cancelled, waiting, waiting):
            _finish(future)
        return cancelled.cancelled(), waiting.done()

    assert asyncio.run(given_up()) == (True, True)
