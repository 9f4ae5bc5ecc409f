"""`DaemonPool`: blocking calls beside the loop, none of which can hold up the exit."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref

import pytest

from telnyx_agent import TxError
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent._runtime.threads import NoThreadError, SdkThread
from telnyx_agent._runtime.workers import DaemonPool

from .conftest import RunProgram


def test_results_and_errors_come_back() -> None:
    """A job's result, and whatever it raises, is the future's."""
    pool = DaemonPool()
    assert pool.submit(divmod, 7, 2).result(5) == (3, 1)
    assert isinstance(pool.submit(lambda: 1 / 0).exception(5), ZeroDivisionError)

    def leave() -> None:
        raise SystemExit(3)

    assert isinstance(pool.submit(leave).exception(5), SystemExit)
    assert pool.submit(lambda: "alive").result(5) == "alive"
    pool.shutdown()


def test_jobs_run_beside_each_other_up_to_the_limit() -> None:
    """As many threads as there are blocked jobs, but no more than `max_workers`; idle ones are used again."""
    pool = DaemonPool(max_workers=3)
    gate = threading.Event()
    together = threading.Barrier(3)
    first = [pool.submit(lambda: (together.wait(5), gate.wait(5))) for _ in range(3)]
    late = pool.submit(threading.get_ident)
    assert not late.done()
    gate.set()
    for job in first:
        job.result(5)
    assert late.result(5) in {worker.ident for worker in pool._workers}
    assert len(pool._workers) == 3
    for _ in range(20):
        pool.submit(int).result(5)
    assert len(pool._workers) == 3
    pool.shutdown()


def test_idle_workers_hold_nothing() -> None:
    """A worker that waits for the next job does not keep the last one's arguments alive."""

    class Thing:
        pass

    pool = DaemonPool()
    thing = Thing()
    gone = weakref.ref(thing)
    pool.submit(id, thing).result(5)
    pool.submit(int).result(5)  # the worker has let go of the first job before it takes the second
    del thing
    assert gone() is None
    pool.shutdown()


def test_an_idle_worker_has_the_next_job() -> None:
    """From the first one on, which `start` has made; for two jobs at once there is another."""
    pool = DaemonPool()
    idle = pool._idle
    pool.start()
    deadline = time.monotonic() + 5
    while pool._idle == idle and time.monotonic() < deadline:
        time.sleep(0.001)  # the worker comes to its wait, and tells nobody
    gate = threading.Event()
    jobs = [pool.submit(gate.wait, 5)]
    assert len(pool._workers) == 1
    jobs.append(pool.submit(gate.wait, 5))
    assert len(pool._workers) == 2
    gate.set()
    assert [job.result(5) for job in jobs] == [True, True]
    pool.shutdown()


def test_shutdown_refuses_and_cancels() -> None:
    """After `shutdown` nothing is taken; what has not begun can be cancelled; what has begun ends."""
    pool = DaemonPool(max_workers=1)
    begun, gate = threading.Event(), threading.Event()
    running = pool.submit(lambda: (begun.set(), gate.wait(5)))
    waiting = pool.submit(int)
    begun.wait(5)
    pool.shutdown(wait=False, cancel_futures=True)

    assert not pool.join(0.05)
    gate.set()
    assert pool.join(5)
    assert waiting.cancelled()
    assert running.result(5)
    with pytest.raises(RuntimeError, match="ended"):
        pool.submit(int)


def test_asyncio_takes_it_as_default_executor() -> None:
    """`run_in_executor(None, ...)` uses it, and asyncio can shut it down."""
    pool = DaemonPool(name="telnyx-agent-test")

    async def main() -> str:
        asyncio.get_running_loop().set_default_executor(pool)
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    assert asyncio.run(main()) == "telnyx-agent-test"
    assert pool.join(1)


def test_a_hung_job_does_not_hold_up_the_exit(run_program: RunProgram) -> None:
    """A process ends although a worker is blocked; with asyncio's own pool it would not."""
    outcome = run_program(
        """
        import threading
        from telnyx_agent._runtime.workers import DaemonPool
        begun = threading.Event()
        DaemonPool().submit(lambda: (begun.set(), threading.Event().wait()))
        begun.wait()
        """
    )
    assert outcome.returncode == 0
    assert outcome.stderr == ""


def test_join_is_bounded() -> None:
    """`join` gives up after its time."""
    pool = DaemonPool()
    gate = threading.Event()
    pool.submit(gate.wait)
    pool.shutdown(wait=False)
    begin = time.monotonic()
    assert not pool.join(0.1)
    assert time.monotonic() - begin < 4.0
    gate.set()
    assert pool.join(5)


def test_workers_that_hang_are_replaced() -> None:
    """Calls that hang for ever keep their threads, not the places of others."""
    waits: list[bool] = []
    pool = DaemonPool(max_workers=2, hangs_after=0.05, on_wait=lambda: waits.append(True))
    gate = threading.Event()
    hung = [pool.submit(gate.wait) for _ in range(2)]
    late = pool.submit(int)
    assert waits == [True]
    deadline = time.monotonic() + 5
    while pool.relieve() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert late.result(5) == 0
    gate.set()
    assert all(job.result(5) for job in hung)
    pool.shutdown()


def test_a_job_waits_when_there_are_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is somebody's business to look after it, and the worker that there is runs it in the end."""
    waits: list[bool] = []
    pool = DaemonPool(max_workers=2, on_wait=lambda: waits.append(True))
    gate, begun = threading.Event(), threading.Event()
    pool.submit(lambda: (begun.set(), gate.wait()))
    assert begun.wait(5)

    def refuse(thread: SdkThread) -> None:
        raise NoThreadError(thread.name, RuntimeError("can't start new thread"))

    monkeypatch.setattr(SdkThread, "start", refuse)
    late = pool.submit(int)
    assert waits == [True]
    assert pool.relieve()
    gate.set()
    assert late.result(5) == 0
    monkeypatch.undo()
    pool.shutdown()


def test_no_more_workers_are_started_than_jobs_wait() -> None:
    """One that is idle takes its job, however often somebody looks."""
    pool = DaemonPool(max_workers=5)
    for _ in range(3):
        assert pool.submit(int).result(5) == 0
        pool.relieve()
    assert len(pool._workers) <= 2
    pool.shutdown()


def test_a_job_fails_when_all_workers_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """No job waits without end; the error says what is the matter."""
    monkeypatch.setattr("telnyx_agent._runtime.workers.MOST_WORKERS", 2)
    pool = DaemonPool(max_workers=2, hangs_after=0.05)
    gate = threading.Event()
    for _ in range(2):
        pool.submit(gate.wait)
    late = pool.submit(int)
    deadline = time.monotonic() + 5
    while pool.relieve() and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(TxError, match="2 calls into devices, files or the resolver hang"):
        late.result(0)
    gate.set()
    pool.shutdown()


@pytest.mark.slow
def test_the_loop_replaces_workers_that_hang(loop: LoopThread) -> None:
    """More calls that hang than there are workers: what comes behind them runs."""
    gate = threading.Event()
    ran = threading.Event()

    def submit() -> None:
        for _ in range(32):
            loop.loop.run_in_executor(None, gate.wait)
        loop.loop.run_in_executor(None, ran.set)

    loop.post(submit)
    assert ran.wait(10)
    gate.set()
