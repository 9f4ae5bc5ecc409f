"""Dispatchers: one callback at a time, in order, whoever runs them and whatever they do."""

from __future__ import annotations

import concurrent.futures
import functools
import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from telnyx_agent._runtime.dispatch import (
    Dispatcher,
    ExecutorDispatcher,
    PumpDispatcher,
    ThreadDispatcher,
    dispatcher_factory,
)
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent._runtime.threads import SdkThread, is_internal

from .conftest import RunProgram


class Recorder:
    """Notes what runs, and whether ever two at once."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.threads: set[int] = set()
        self.overlapped = False
        self._busy = threading.Lock()

    def note(self, value: Any) -> None:
        if not self._busy.acquire(blocking=False):
            self.overlapped = True
            return
        try:
            self.threads.add(threading.get_ident())
            self.seen.append(value)
        finally:
            self._busy.release()


@pytest.fixture
def pool() -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture
def thread() -> Iterator[ThreadDispatcher]:
    dispatcher = ThreadDispatcher()
    yield dispatcher
    dispatcher.close()
    assert dispatcher.join(5)


def drain(dispatcher: Dispatcher) -> None:
    """Wait until everything that was submitted so far has run."""
    if isinstance(dispatcher, PumpDispatcher):
        while dispatcher.process_events():
            continue
        return
    done = threading.Event()
    dispatcher.submit(done.set)
    assert done.wait(20)


@pytest.mark.parametrize("kind", ["thread", "pump", "executor"])
def test_order_under_load(kind: str, pool: concurrent.futures.ThreadPoolExecutor) -> None:
    """Ten thousand callbacks from one thread run in order, never two at once."""
    dispatchers: dict[str, Callable[[], Dispatcher]] = {
        "thread": ThreadDispatcher,
        "pump": PumpDispatcher,
        "executor": lambda: ExecutorDispatcher(pool),
    }
    dispatcher = dispatchers[kind]()
    recorder = Recorder()
    for number in range(10_000):
        dispatcher.submit(functools.partial(recorder.note, number))
    drain(dispatcher)
    dispatcher.close()
    assert dispatcher.join(5)

    assert recorder.seen == list(range(10_000))
    assert not recorder.overlapped


def test_order_per_thread_when_many_submit(thread: ThreadDispatcher) -> None:
    """With eight threads submitting, each one's callbacks keep their order and none is lost."""
    recorder = Recorder()

    def submit(who: int) -> None:
        for number in range(1000):
            thread.submit(functools.partial(recorder.note, (who, number)))

    submitters = [threading.Thread(target=submit, args=(who,)) for who in range(8)]
    for submitter in submitters:
        submitter.start()
    for submitter in submitters:
        submitter.join()
    drain(thread)

    assert len(recorder.threads) == 1
    for who in range(8):
        assert [number for one, number in recorder.seen if one == who] == list(range(1000))


def test_thread_begins_with_the_first_callback_and_ends_with_close() -> None:
    """No callback, no thread; after `close` what is queued still runs, and then the thread is gone."""
    dispatcher = ThreadDispatcher()
    assert not any(thread.name == "telnyx-agent-delegate" for thread in threading.enumerate())
    gate = threading.Event()
    seen: list[str] = []
    dispatcher.submit(lambda: gate.wait(5))
    dispatcher.submit(lambda: seen.append(threading.current_thread().name))
    dispatcher.close()
    dispatcher.close()
    assert not dispatcher.join(0.05)
    assert not dispatcher.has_ended
    gate.set()
    assert dispatcher.join(5)
    assert dispatcher.has_ended
    assert seen == ["telnyx-agent-delegate"]


def test_an_interrupt_while_the_thread_starts(interrupted_start: Callable[[], None]) -> None:
    """Ctrl-C in the moment in which `submit` waits for its thread: it stays the only one that runs callbacks."""
    dispatcher, recorder, gate = ThreadDispatcher(), Recorder(), threading.Event()
    interrupted_start()
    with pytest.raises(KeyboardInterrupt):
        dispatcher.submit(lambda: (recorder.note("first"), gate.wait(5)))
    dispatcher.submit(lambda: recorder.note("second"))
    time.sleep(0.05)  # for a second thread, if there is one, to do what it must not
    in_time = list(recorder.seen)
    gate.set()
    dispatcher.close()
    assert dispatcher.join(5)
    assert (in_time, recorder.seen, len(recorder.threads)) == (["first"], ["first", "second"], 1)


def test_there_is_no_thread_for_callbacks(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """They wait; the loop tries again after half a second, each time, and what is wrong is said once."""
    attempts: list[tuple[float, Callable[[], object]]] = []
    monkeypatch.setattr(LoopThread, "later", lambda seconds, fn: attempts.append((seconds, fn)))
    dispatcher, seen = ThreadDispatcher(), []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", raise_no_more_threads)
        dispatcher.submit(lambda: seen.append(1))
        dispatcher.submit(lambda: seen.append(2))
        attempts[0][1]()
    assert [seconds for seconds, _ in attempts] == [0.5] * 3
    assert [record.getMessage()[:14] for record in caplog.records] == ["callbacks wait"]
    attempts[-1][1]()
    dispatcher.close()
    assert dispatcher.join(5)
    assert seen == [1, 2]


def raise_no_more_threads(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_late_callbacks_still_run() -> None:
    """What is submitted after `close` is not lost: a future's last callback, for one."""
    dispatcher = ThreadDispatcher()
    dispatcher.submit(int)
    dispatcher.close()
    assert dispatcher.join(5)
    late = threading.Event()
    dispatcher.submit(late.set)
    assert late.wait(5)
    assert dispatcher.join(5)


def test_close_and_join_inside_a_callback(thread: ThreadDispatcher) -> None:
    """Both are legal where they would mean waiting for oneself."""
    results: queue.Queue[bool] = queue.Queue()

    def end() -> None:
        thread.close()
        results.put(thread.join())

    thread.submit(end)
    assert results.get(timeout=5) is True


def test_who_runs_callbacks(thread: ThreadDispatcher, pool: concurrent.futures.ThreadPoolExecutor) -> None:
    """`is_current_thread` is true inside callbacks, and only there."""
    for dispatcher in (thread, PumpDispatcher(), ExecutorDispatcher(pool)):
        seen: list[bool] = []
        dispatcher.submit(lambda seen=seen, dispatcher=dispatcher: seen.append(dispatcher.is_current_thread()))  # type: ignore[misc]
        drain(dispatcher)
        assert seen == [True]
        assert not dispatcher.is_current_thread()
    assert [thread.can_wait, PumpDispatcher().can_wait, ExecutorDispatcher(pool).can_wait] == [True, False, False]


def test_a_raising_callback_is_logged_and_the_next_one_runs(
    thread: ThreadDispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    """Each bug yields exactly one record with the traceback and the callback's name; nothing ends."""
    after = threading.Event()

    def on_ready() -> None:
        raise ValueError("users have bugs")

    def leave() -> None:
        raise SystemExit(3)

    def interrupt() -> None:
        raise KeyboardInterrupt

    thread.submit(functools.partial(functools.partial(on_ready)))
    thread.submit(leave, "on_named")
    thread.submit(interrupt)
    thread.submit(after.set)
    assert after.wait(5)

    records = [record for record in caplog.records if record.name == "telnyx_agent.delegate"]
    assert [record.levelno for record in records] == [logging.ERROR] * 3
    assert "on_ready raised ValueError" in records[0].getMessage()
    assert "on_named raised SystemExit" in records[1].getMessage()
    assert "users have bugs" in caplog.text
    assert "test_dispatch.py" in (records[0].exc_text or "")


def test_a_broken_log_handler_does_not_end_the_callbacks(thread: ThreadDispatcher) -> None:
    """Not even reporting may end the thread."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("disk full")

    logger = logging.getLogger("telnyx_agent.delegate")
    handler = Broken()
    logger.addHandler(handler)
    try:
        after = threading.Event()
        thread.submit(lambda: 1 / 0)
        thread.submit(after.set)
        assert after.wait(5)
    finally:
        logger.removeHandler(handler)


def test_tracebacks_are_visible_without_logging(run_program: RunProgram) -> None:
    """A program that never set up logging sees its bug on stderr: once, whole, with file and line."""
    outcome = run_program(
        """
        import telnyx_agent
        from telnyx_agent._runtime.dispatch import ThreadDispatcher
        dispatcher = ThreadDispatcher()
        def on_client_ready():
            raise ValueError("users have bugs")
        dispatcher.submit(on_client_ready)
        dispatcher.submit(lambda: print("and on it goes"))
        dispatcher.close()
        dispatcher.join(5)
        """
    )
    assert outcome.stdout == "and on it goes\n"
    assert outcome.stderr.startswith("telnyx_agent: on_client_ready raised ValueError; the call goes on\nTraceback")
    assert outcome.stderr.count("Traceback") == outcome.stderr.count("\nValueError: users have bugs\n") == 1
    assert "in on_client_ready" in outcome.stderr


def test_tracebacks_go_through_logging_when_it_is_set_up(run_program: RunProgram) -> None:
    """A program that has set up logging gets the traceback there, and only there."""
    outcome = run_program(
        """
        import logging, sys
        logging.basicConfig(stream=sys.stdout, format="%(name)s %(levelname)s %(message)s")
        import telnyx_agent
        from telnyx_agent._runtime.dispatch import ThreadDispatcher
        dispatcher = ThreadDispatcher()
        dispatcher.submit(lambda: 1 / 0, "on_client_ready")
        dispatcher.close()
        dispatcher.join(5)
        """
    )
    assert outcome.stderr == ""
    assert outcome.stdout.startswith("telnyx_agent.delegate ERROR on_client_ready raised ZeroDivisionError")
    assert outcome.stdout.count("Traceback") == 1


def test_slow_callbacks_are_named(thread: ThreadDispatcher, caplog: pytest.LogCaptureFixture) -> None:
    """A callback of more than half a second is one warning, with its name and the seconds; a quick one is none."""

    def on_transcription_updated() -> None:
        threading.Event().wait(0.6)

    thread.submit(on_transcription_updated)
    thread.submit(int, "on_quick")
    drain(thread)

    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "on_transcription_updated took 0.6 s" in warnings[0]


def test_slow_callbacks_print_nothing_without_logging(run_program: RunProgram) -> None:
    """The warning is the SDK's, so a program that did not ask for logs does not get it on stderr."""
    outcome = run_program(
        """
        import time
        import telnyx_agent
        from telnyx_agent._runtime.dispatch import PumpDispatcher
        dispatcher = PumpDispatcher()
        dispatcher.submit(lambda: time.sleep(0.6))
        print(dispatcher.process_events())
        """
    )
    assert (outcome.stdout, outcome.stderr) == ("1\n", "")


def test_pump_runs_on_the_callers_thread() -> None:
    """Callbacks run where and when the user says, as many as were due, and the count is returned."""
    dispatcher = PumpDispatcher()
    recorder = Recorder()
    assert dispatcher.process_events() == 0
    for number in range(3):
        dispatcher.submit(functools.partial(recorder.note, number))
    assert recorder.seen == []
    assert dispatcher.process_events() == 3
    assert recorder.seen == [0, 1, 2]
    assert recorder.threads == {threading.get_ident()}


def test_pump_waits_for_the_first_callback() -> None:
    """With a time-out it returns as soon as there was something, or when the time is up."""
    dispatcher = PumpDispatcher()
    begin = time.monotonic()
    assert dispatcher.process_events(0.1) == 0
    assert 0.1 <= time.monotonic() - begin < 4.0
    timer = threading.Timer(0.05, dispatcher.submit, (int,))
    timer.start()
    assert dispatcher.process_events(10.0) == 1
    assert time.monotonic() - begin < 5.0
    timer.join()


def test_all_logins_have_one_pump() -> None:
    """And each a thread of its own."""
    make = dispatcher_factory("pump")
    assert isinstance(make(), PumpDispatcher)
    assert make() is make()
    make = dispatcher_factory("thread")
    assert isinstance(make(), ThreadDispatcher)
    assert make() is not make()


def test_pump_waits_only_when_it_is_told_to() -> None:
    """A loop of a game calls it for each picture."""
    begin = time.monotonic()
    assert PumpDispatcher().process_events() == 0
    assert time.monotonic() - begin < 0.9


def test_pump_comes_to_an_end() -> None:
    """Callbacks that submit others do not keep one call busy for ever."""
    dispatcher = PumpDispatcher()

    def again() -> None:
        dispatcher.submit(again)

    dispatcher.submit(again)
    assert [dispatcher.process_events() for _ in range(5)] == [1] * 5


def test_pump_inside_a_callback() -> None:
    """A modal dialog may pump: the callbacks behind it run, and its own goes on afterwards."""
    dispatcher = PumpDispatcher()
    seen: list[str] = []

    def dialog() -> None:
        seen.append("dialog opens")
        dispatcher.process_events()
        seen.append("dialog closes")

    dispatcher.submit(dialog)
    dispatcher.submit(lambda: seen.append("event"))
    dispatcher.process_events()
    assert seen == ["dialog opens", "event", "dialog closes"]


def test_two_pumping_threads_take_turns() -> None:
    """Two threads that pump never run two callbacks at once, and one does not wait for the other for ever."""
    dispatcher = PumpDispatcher()
    inside, gate = threading.Event(), threading.Event()
    dispatcher.submit(lambda: (inside.set(), gate.wait(5)))
    dispatcher.submit(int)
    other = threading.Thread(target=dispatcher.process_events)
    other.start()
    inside.wait(5)
    assert dispatcher.process_events(0.05) == 0
    gate.set()
    other.join(5)
    assert dispatcher.process_events() == 0


def test_pump_gives_the_user_what_ends_programs(caplog: pytest.LogCaptureFixture) -> None:
    """`KeyboardInterrupt` and `SystemExit` are the pumping caller's; other exceptions are logged; nothing is lost."""
    dispatcher = PumpDispatcher()

    def leave() -> None:
        raise SystemExit(3)

    def interrupt() -> None:
        raise KeyboardInterrupt

    seen: list[str] = []
    for callback in (lambda: 1 / 0, leave, interrupt, lambda: seen.append("last")):
        dispatcher.submit(callback)
    with pytest.raises(SystemExit):
        dispatcher.process_events()
    with pytest.raises(KeyboardInterrupt):
        dispatcher.process_events()
    assert dispatcher.process_events() == 1
    assert seen == ["last"]
    assert [record.name for record in caplog.records] == ["telnyx_agent.delegate"]


def test_ctrl_c_interrupts_the_pump(run_program: RunProgram) -> None:
    """One Ctrl-C ends a waiting `process_events`."""
    outcome = run_program(
        """
        from telnyx_agent._runtime.dispatch import PumpDispatcher
        try:
            print("waiting")
            PumpDispatcher().process_events(60)
        except KeyboardInterrupt:
            print("interrupted")
        """,
        interrupt=True,
    )
    assert outcome.stdout.endswith("interrupted\n")


def test_executor_runs_one_job_per_callback(pool: concurrent.futures.ThreadPoolExecutor) -> None:
    """Other jobs of the user's executor come between: callbacks never occupy it for longer than one of them lasts."""
    order: list[str] = []
    single = concurrent.futures.ThreadPoolExecutor(1)
    dispatcher = ExecutorDispatcher(single)
    gate = threading.Event()
    dispatcher.submit(lambda: gate.wait(5))
    dispatcher.submit(lambda: order.append("second callback"))
    single.submit(order.append, "user's job")
    gate.set()
    drain(dispatcher)
    single.shutdown()
    assert order == ["user's job", "second callback"]


def test_executor_of_a_gui() -> None:
    """Anything with `submit` will do: here a queue that some main loop empties on its own thread."""
    jobs: queue.Queue[Callable[[], Any]] = queue.Queue()

    class Gui:
        def submit(self, fn: Callable[[], Any], /) -> None:
            jobs.put(fn)

    dispatcher = ExecutorDispatcher(Gui())
    recorder = Recorder()
    for number in range(3):
        dispatcher.submit(functools.partial(recorder.note, number))
    assert jobs.qsize() == 1
    while recorder.seen != [0, 1, 2]:
        jobs.get(timeout=5)()
    assert recorder.threads == {threading.get_ident()}


def test_executor_that_was_shut_down(caplog: pytest.LogCaptureFixture) -> None:
    """`submit` does not raise on the loop; the log says why there are no callbacks, and none runs anywhere else."""
    executor = concurrent.futures.ThreadPoolExecutor(1)
    executor.shutdown()
    ran = threading.Event()
    dispatcher = ExecutorDispatcher(executor)
    for count in (1, 2):
        dispatcher.submit(ran.set)
        while caplog.text.count("the executor does not take them (RuntimeError") < count:
            time.sleep(0.01)
    assert not ran.is_set()


class _Sneaky:
    """An executor that does more, less or something else than `submit` promises."""

    def __init__(self, submit: Callable[[Callable[[], Any]], object]) -> None:
        self.submit = submit


def _twice(fn: Callable[[], Any]) -> None:
    threading.Thread(target=lambda: (fn(), fn()), name="program").start()


@pytest.mark.parametrize("submit", [lambda fn: fn(), _twice], ids=["at once", "twice"])
def test_executor_that_runs_jobs_its_own_way(submit: Callable[[Callable[[], Any]], object]) -> None:
    """At once, in `submit`: on no thread that must not run the program's code, and however many there are, the stack
    does not grow. A job that is run again does nothing: no two callbacks at once.
    """
    dispatcher = ExecutorDispatcher(_Sneaky(submit))
    recorder, depths = Recorder(), set()
    gate = threading.Event()

    def note(number: int) -> None:
        recorder.note(number)
        depths.add(len(traceback.extract_stack()) if submit is not _twice else 0)
        assert not is_internal()

    def begin() -> None:
        assert gate.wait(10)

    internal = SdkThread(lambda: [dispatcher.submit(functools.partial(note, number)) for number in range(500)], "t")
    dispatcher.submit(begin)
    internal.start()
    internal.join(10)
    gate.set()
    drain(dispatcher)
    assert recorder.seen == list(range(500))
    assert not recorder.overlapped
    assert len(depths) == 1
    assert threading.get_ident() not in recorder.threads


def test_executor_that_blocks() -> None:
    """`submit` of an executor with a bound blocks when it is full: nobody waits for it but the callbacks."""
    gate, ran = threading.Event(), threading.Event()
    dispatcher = ExecutorDispatcher(_Sneaky(lambda fn: (gate.wait(10), fn())))
    dispatcher.submit(ran.set)
    assert not ran.is_set()
    gate.set()
    assert ran.wait(10)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), RuntimeError("full")])
def test_executor_that_raises(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it is, it is in the log; the callback runs when the executor takes jobs again."""
    errors = [error]

    def submit(fn: Callable[[], Any]) -> None:
        if errors:
            raise errors.pop()
        fn()

    dispatcher = ExecutorDispatcher(_Sneaky(submit))
    recorder = Recorder()
    dispatcher.submit(functools.partial(recorder.note, 1))
    while f"the executor does not take them ({type(error).__name__}" not in caplog.text:
        time.sleep(0.01)
    dispatcher.submit(functools.partial(recorder.note, 2))
    drain(dispatcher)
    assert recorder.seen == [1, 2]


def test_reports_do_not_ask_what_a_callback_says_of_itself(thread: ThreadDispatcher) -> None:
    """`submit` may be called on the loop, and what is to be called may be an object of the program's."""

    class Odd:
        def __call__(self) -> None: ...

        def __getattr__(self, name: str) -> Any:
            raise AssertionError("the program's code")

        def __repr__(self) -> str:
            raise AssertionError("the program's code")

    for dispatcher in (thread, PumpDispatcher()):
        dispatcher.submit(Odd())
        dispatcher.submit(functools.partial(functools.partial(Odd())))
        drain(dispatcher)


def test_executor_that_cancels_jobs(caplog: pytest.LogCaptureFixture) -> None:
    """A job that the user's executor cancels does not block those behind it: they run with the next job."""
    executor = concurrent.futures.ThreadPoolExecutor(1)
    gate, begun = threading.Event(), threading.Event()
    executor.submit(lambda: (begun.set(), gate.wait(5)))
    begun.wait(5)
    dispatcher = ExecutorDispatcher(executor)
    recorder = Recorder()
    dispatcher.submit(functools.partial(recorder.note, 1))
    executor.shutdown(wait=False, cancel_futures=True)
    gate.set()
    assert "CancelledError" in caplog.text
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        dispatcher._executor = other
        dispatcher.submit(functools.partial(recorder.note, 2))
        drain(dispatcher)
    assert recorder.seen == [1, 2]


def test_executor_survives_bugs(pool: concurrent.futures.ThreadPoolExecutor, caplog: pytest.LogCaptureFixture) -> None:
    """`SystemExit` in a callback is not lost in the executor's future, but logged."""

    def leave() -> None:
        raise SystemExit(3)

    dispatcher = ExecutorDispatcher(pool)
    dispatcher.submit(leave)
    drain(dispatcher)
    assert "leave raised SystemExit" in caplog.text
