"""`LoopThread`: one loop for all, there when needed, gone when not, and hard to kill."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent._runtime.watch import Watch

from .conftest import RunProgram


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "telnyx-agent-loop"]


def finish(loop: LoopThread) -> None:
    """Wait until everything that was posted so far has run."""
    done = threading.Event()
    loop.post(done.set)
    assert done.wait(5)


def test_one_loop_for_all() -> None:
    """Everybody gets the same loop; it runs until the last one has given it back."""
    first, second = LoopThread.acquire(), LoopThread.acquire()
    assert first is second
    assert len(loop_threads()) == 1
    first.release()
    finish(second)
    second.release()
    assert not loop_threads()


def test_functions_run_in_order_on_the_loop(loop: LoopThread) -> None:
    """What is posted runs once, in the order of posting, on the loop's thread."""
    seen: list[tuple[int, bool]] = []
    for number in range(10_000):
        loop.post(lambda number=number: seen.append((number, loop.is_current)))
    finish(loop)
    assert seen == [(number, True) for number in range(10_000)]
    assert not loop.is_current


def test_bugs_do_not_end_the_loop(loop: LoopThread, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a posted function raises is logged with its traceback, and the next one runs."""

    def broken(error: BaseException) -> None:
        raise error

    for error in (ValueError("mine"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()):
        loop.post(broken, error)
    finish(loop)

    records = [record for record in caplog.records if record.name == "telnyx_agent"]
    assert len(records) == 4
    assert all("in broken" in (record.exc_text or "") for record in records)
    assert "broken" in records[0].getMessage()


def test_bugs_in_tasks_do_not_end_the_loop(loop: LoopThread, caplog: pytest.LogCaptureFixture) -> None:
    """A task that calls `sys.exit` would end asyncio's `run_forever`; here it is logged."""

    async def leave() -> None:
        raise SystemExit(3)

    tasks: list[asyncio.Task[None]] = []
    loop.post(lambda: tasks.append(loop.loop.create_task(leave())))
    finish(loop)
    loop.post(tasks.clear)
    finish(loop)
    finish(loop)
    assert any(record.exc_info and record.exc_info[0] is SystemExit for record in caplog.records)


def test_what_asyncio_complains_about_goes_to_our_log(loop: LoopThread, caplog: pytest.LogCaptureFixture) -> None:
    """Exceptions that nobody retrieved are logged under our name: asyncio's own logger would print them."""
    loop.post(lambda: loop.loop.call_exception_handler({"message": "something odd", "exception": ValueError("x")}))
    finish(loop)
    assert [record.name for record in caplog.records] == ["telnyx_agent"]
    assert "something odd" in caplog.text


def test_post_after_the_end_is_refused() -> None:
    """Who posts too late hears of it; what was posted before the release has run."""
    loop = LoopThread.acquire()
    ran: list[int] = []
    for number in range(1000):
        loop.post(ran.append, number)
    loop.release()
    assert ran == list(range(1000))
    with pytest.raises(RuntimeError, match="ended"):
        loop.post(print)


def test_too_many_releases_are_refused() -> None:
    """A second release of the same user is a bug, and not of some other client's loop."""
    loop = LoopThread.acquire()
    loop.release()
    with pytest.raises(RuntimeError, match="more often"):
        loop.release()


def test_release_on_the_loop_itself() -> None:
    """The last client may end in a function on the loop: no deadlock, and the thread ends by itself."""
    loop = LoopThread.acquire()
    thread = loop_threads()[0]
    loop.post(loop.release)
    thread.join(5)
    assert not thread.is_alive()
    again = LoopThread.acquire()
    assert again is not loop
    finish(again)
    again.release()


def test_release_by_a_worker_of_the_loop() -> None:
    """Nor does it deadlock on one of the loop's own worker threads."""
    loop = LoopThread.acquire()
    thread = loop_threads()[0]
    begin = time.monotonic()
    loop.post(lambda: loop.loop.run_in_executor(None, loop.release))
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - begin < 8.0


def test_leftover_tasks_are_cancelled_and_awaited() -> None:
    """At the end each task gets its `CancelledError` and the time to clean up; generators are closed."""
    loop = LoopThread.acquire()
    log: list[str] = []
    generators: list[AsyncIterator[int]] = []
    started = threading.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            log.append("generator closed")

    async def work() -> None:
        generators.append(numbers())
        await generators[0].__anext__()
        started.set()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            log.append("task cleaned up")

    kept: list[asyncio.Task[None]] = []
    loop.post(lambda: kept.append(loop.loop.create_task(work())))
    assert started.wait(5)
    loop.release()
    assert log == ["task cleaned up", "generator closed"]
    assert kept[0].cancelled()


def test_lingering_work_is_finished_first() -> None:
    """What lingers is not cancelled but awaited, also when it began after the release."""
    loop = LoopThread.acquire()
    thread = loop_threads()[0]
    done: list[str] = []

    async def say_goodbye() -> None:
        await asyncio.sleep(0.1)
        done.append("goodbye")

    def end() -> None:
        loop.release()
        loop.linger(say_goodbye())

    loop.post(end)
    thread.join(5)
    assert done == ["goodbye"]


@pytest.mark.slow
def test_stubborn_tasks_and_blocked_workers_do_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """A task that will not be cancelled and a worker that is stuck cost a second each, and a warning."""
    loop = LoopThread.acquire()
    gate, started = threading.Event(), threading.Event()

    async def stubborn() -> None:
        loop.loop.run_in_executor(None, gate.wait)
        started.set()
        while not gate.is_set():
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    kept: list[asyncio.Task[None]] = []
    loop.post(lambda: kept.append(loop.loop.create_task(stubborn(), name="stubborn one")))
    assert started.wait(5)
    begin = time.monotonic()
    loop.release()
    seconds = time.monotonic() - begin
    assert 1.0 < seconds < 4.0
    assert "stubborn one" in caplog.text
    assert "worker thread is still blocked" in caplog.text
    gate.set()
    caplog.clear()
    kept[0]._log_destroy_pending = False  # type: ignore[attr-defined]


def test_blocking_work_has_worker_threads(loop: LoopThread) -> None:
    """`run_in_executor(None, ...)` runs on daemon threads with our name."""
    watch: Watch[tuple[str, bool]] = Watch(("", False))

    async def work() -> None:
        def where() -> tuple[str, bool]:
            return threading.current_thread().name, threading.current_thread().daemon

        watch.set(await loop.loop.run_in_executor(None, where))

    loop.post(lambda: loop.linger(work()))
    assert watch.wait(lambda value: value[0], 5) == ("telnyx-agent-worker", True)


def test_no_policy_of_the_program_is_used() -> None:
    """A program that has its own idea of event loops does not change ours."""
    loop = LoopThread.acquire()
    assert type(loop.loop).__module__.startswith("asyncio.")
    loop.release()


def test_starts_and_stops_leave_nothing() -> None:
    """Two hundred cycles: no thread, no descriptor, and the last is as fast as the first."""
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(200):
        loop = LoopThread.acquire()
        finish(loop)
        loop.release()
    assert not loop_threads()
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) <= descriptors


def test_a_loop_that_is_stopped_before_its_first_turn_ends_in_silence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its thread may come to run it only when its last user has left."""
    stopped, stop = threading.Event(), LoopThread._stop

    def stop_at_last(loop: LoopThread) -> None:
        stop(loop)
        stopped.set()

    monkeypatch.setattr(LoopThread, "_stop", stop_at_last)
    monkeypatch.setattr(asyncio, "set_event_loop", lambda loop: stopped.wait(5))
    LoopThread.acquire().release()
    assert not loop_threads()
    assert not [record for record in caplog.records if record.name == "telnyx_agent"]


def test_an_interrupt_while_the_thread_starts(interrupted_start: Callable[[], None]) -> None:
    """Ctrl-C in the moment in which `acquire` waits for its thread: the thread ends, and the next user gets another."""
    interrupted_start()
    with pytest.raises(KeyboardInterrupt):
        LoopThread.acquire()
    for thread in loop_threads():
        thread.join(5)
    assert not loop_threads()

    loop = LoopThread.acquire()
    finish(loop)
    loop.release()


def test_many_threads_acquire_and_release() -> None:
    """Users that come and go at the same time never see a loop that has ended."""
    failures: list[BaseException] = []

    def use() -> None:
        try:
            for _ in range(100):
                loop = LoopThread.acquire()
                finish(loop)
                loop.release()
        except BaseException as exc:  # noqa: BLE001 - reported below
            failures.append(exc)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert not loop_threads()


@pytest.mark.slow
def test_a_late_release_from_a_finaliser(run_program: RunProgram) -> None:
    """At interpreter exit, from `atexit` and from a finaliser after that: no deadlock, no noise."""
    outcome = run_program(
        """
        import atexit
        from telnyx_agent._runtime.loop import LoopThread

        class Late:
            def __init__(self):
                self.loop = LoopThread.acquire()
            def __del__(self):
                self.loop.release()

        late = Late()
        early = LoopThread.acquire()
        atexit.register(early.release)
        """
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.seconds < 8.0


@pytest.mark.slow
def test_a_forgotten_loop_does_not_hold_up_the_exit(run_program: RunProgram) -> None:
    """A program that never releases ends all the same."""
    outcome = run_program(
        """
        from telnyx_agent._runtime.loop import LoopThread
        LoopThread.acquire().post(print, "hello")
        """
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_gets_a_loop_of_its_own(run_program: RunProgram) -> None:
    """The parent's loop is refused in the child, which can have its own; the parent's goes on."""
    outcome = run_program(
        """
        import os, threading, warnings
        from telnyx_agent._runtime.loop import LoopThread
        warnings.simplefilter("ignore")  # from 3.12 on, a fork beside threads is warned of

        parent = LoopThread.acquire()
        def hold():  # so that the child inherits a lock that is held
            with LoopThread._guard:
                held.set(); gate.wait()
        held, gate = threading.Event(), threading.Event()
        threading.Thread(target=hold).start()
        held.wait()
        pid = os.fork()
        if pid == 0:
            try:
                parent.post(print, "never")
            except RuntimeError as exc:
                print("refused:", exc)
            parent.release()
            child = LoopThread.acquire()
            assert child is not parent
            ran = threading.Event()
            child.post(ran.set)
            assert ran.wait(5)
            child.release()
            print("child is done", flush=True)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        gate.set()
        ran = threading.Event()
        parent.post(ran.set)
        assert ran.wait(5)
        parent.release()
        print("parent is done")
        """
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "refused: this client belongs to the parent process" in outcome.stdout
    assert outcome.stdout.endswith("child is done\nparent is done\n")


def test_nothing_is_printed_by_a_silent_sdk(run_program: RunProgram) -> None:
    """Errors on the loop do not reach stderr past the user's settings, not even by `logging.lastResort`."""
    outcome = run_program(
        """
        import asyncio, threading
        import telnyx_agent
        from telnyx_agent._runtime.loop import LoopThread
        loop = LoopThread.acquire()
        loop.post(lambda: 1 / 0)
        async def fail():
            raise ValueError("nobody asks for me")
        loop.post(lambda: loop.loop.create_task(fail()) and None)
        done = threading.Event()
        loop.post(done.set)
        done.wait()
        loop.release()
        """
    )
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_logging_of_loop_errors_is_visible_when_set_up(caplog: pytest.LogCaptureFixture, loop: LoopThread) -> None:
    """With logging set up, the same errors are records of level ERROR."""
    loop.post(lambda: 1 / 0)
    finish(loop)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_what_a_program_posts_at_once_runs_in_slices() -> None:
    """Thousands of commands do not keep the loop from everything else; their order stays, and all of them run."""
    loop = LoopThread.acquire()
    ran: list[int] = []
    seen: list[int] = []
    done = threading.Event()

    def work(number: int) -> None:
        end = time.thread_time() + 0.0005
        while time.thread_time() < end:
            pass
        ran.append(number)

    def give() -> None:
        for number in range(400):
            loop.post(work, number)
        loop.post(done.set)
        loop.loop.call_soon(lambda: seen.append(len(ran)))

    loop.post(give)
    assert done.wait(10)
    loop.release()
    assert ran == list(range(400))
    assert seen[0] < 40
