"""The log queue: nothing of the program's runs on an internal thread, nothing blocks there, nothing grows."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from telnyx_agent._runtime import log_queue
from telnyx_agent._runtime.log import flush
from telnyx_agent._runtime.loop import LoopThread

from .conftest import RunProgram

NAMES = ("telnyx_agent.client.1", "telnyx_agent.media", "aiortc.rtcpeerconnection", "aioice.ice", "asyncio", "program")


class Handler(logging.Handler):
    """One of the program's; says on which thread it is called."""

    def __init__(self, job: Callable[[logging.LogRecord], object] = lambda record: None) -> None:
        super().__init__()
        self.job = job
        self.records: list[logging.LogRecord] = []
        self.threads: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.threads.append(threading.current_thread().name)
        self.records.append(record)
        self.job(record)


@pytest.fixture
def handler() -> Iterator[Handler]:
    handler = Handler()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def on_loop(loop: LoopThread, job: Callable[[], object]) -> None:
    """Do it there; it must not wait for what the test holds back meanwhile."""
    done = threading.Event()
    loop.post(lambda: (job(), done.set()))
    assert done.wait(20), "the loop stands still"


def test_what_the_program_could_not_raise_goes_to_its_hook(run_program: RunProgram) -> None:
    """On its own threads as ever, at once; on ours, by the log's thread."""
    outcome = run_program(
        """
        import sys, threading
        sys.unraisablehook = lambda raised: print(threading.current_thread().name, raised.exc_value, flush=True)
        from telnyx_agent._runtime.log import flush
        from telnyx_agent._runtime.loop import LoopThread

        class Bad:
            def __del__(self):
                raise ValueError("in a finaliser")

        loop = LoopThread.acquire()
        bad = Bad()
        del bad
        done = threading.Event()
        loop.post(lambda: (Bad() and None, done.set()))
        done.wait(5)
        flush(5)
        loop.release()
        """
    )
    first, second = outcome.stdout.splitlines()
    assert first == "MainThread in a finaliser"
    assert second.endswith("in a finaliser")
    assert not second.startswith(("MainThread", "telnyx-agent-loop"))


@pytest.mark.parametrize("name", NAMES)
def test_no_handler_runs_on_the_loop(name: str, loop: LoopThread, handler: Handler) -> None:
    """Whoever logs. The record says what it said: where it was made, when, by whom, with which exception."""

    def log() -> None:
        try:
            raise ValueError("deep inside")
        except ValueError:
            logging.getLogger(name).warning("a %s", "warning", exc_info=True, extra={"more": 1})

    before = time.time()
    on_loop(loop, log)
    after = time.time()
    assert flush()
    (record,) = [record for record in handler.records if record.name == name]
    assert handler.threads == ["telnyx-agent-log"]
    assert record.getMessage() == "a warning"
    assert (record.threadName, record.funcName, record.filename) == ("telnyx-agent-loop", "log", "test_log_queue.py")
    assert before <= record.created <= after
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError
    assert record.more == 1  # type: ignore[attr-defined]


def test_other_threads_log_as_ever(loop: LoopThread, handler: Handler) -> None:
    """At once, on the thread itself."""
    logging.getLogger("program").warning("here")
    assert handler.threads == [threading.current_thread().name]


def test_a_handler_that_blocks(loop: LoopThread, handler: Handler) -> None:
    """The loop goes on; memory has a bound; what was left out is said when the handler goes on."""
    gate = threading.Event()
    handler.job = lambda record: gate.wait(60)
    logger = logging.getLogger("telnyx_agent.media")

    def flood() -> None:
        for _ in range(1000):
            logger.warning("x" * 1000)

    try:
        for _ in range(8):
            on_loop(loop, flood)
        assert len(log_queue._queue.jobs) <= log_queue.MOST_WAITING
        assert log_queue._queue.bytes <= log_queue.MOST_BYTES
    finally:
        gate.set()
    assert flush()
    told = [record.getMessage() for record in handler.records if "were left out" in record.getMessage()]
    lost = sum(int(text.split()[0]) for text in told)
    kept = sum(record.getMessage().startswith("x") for record in handler.records)
    assert told
    assert lost + kept == 8000


def test_exceptions_that_wait_do_not_keep_everything_alive(loop: LoopThread, handler: Handler) -> None:
    """Of those far behind, only the text is kept."""
    gate = threading.Event()
    handler.job = lambda record: gate.wait(60)
    refs: list[weakref.ref[Any]] = []

    class Heavy:
        pass

    def fail() -> None:
        heavy = Heavy()
        refs.append(weakref.ref(heavy))
        try:
            raise ValueError("deep inside")
        except ValueError:
            logging.getLogger("program").exception("failed")

    try:
        on_loop(loop, lambda: [fail() for _ in range(200)])
        gc.collect()
        assert sum(ref() is not None for ref in refs) <= 66
    finally:
        gate.set()
    assert flush()
    assert all("ValueError: deep inside" in (r.exc_text or str(r.exc_info)) or r.exc_info for r in handler.records)


def test_a_handler_that_raises_and_one_that_logs(
    loop: LoopThread, handler: Handler, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next record is handled all the same."""
    again = iter(range(3))

    def job(record: logging.LogRecord) -> None:
        if next(again, None) is not None:
            logging.getLogger("program").warning("from a handler")
        raise SystemExit(3)

    handler.job = job
    on_loop(loop, lambda: logging.getLogger("program").warning("first"))
    on_loop(loop, lambda: logging.getLogger("program").warning("second"))
    assert flush()
    said = [record.getMessage() for record in handler.records]
    assert said[0] == "first"
    assert said[-1] == "second"
    assert "a log handler of the program raised" in capsys.readouterr().err


def test_locks_that_the_program_holds(loop: LoopThread, handler: Handler) -> None:
    """A handler's, and that of the module `logging`, with nothing remembered of which level is wanted."""
    logger = logging.getLogger("telnyx_agent.media")
    lock = logging._lock  # type: ignore[attr-defined]
    logger.manager._clear_cache()  # type: ignore[attr-defined]
    assert handler.lock is not None
    with lock, handler.lock:
        on_loop(loop, lambda: (logger.debug("not wanted"), logger.warning("wanted")))
    assert flush()
    assert "wanted" in [record.getMessage() for record in handler.records]


def test_a_record_factory_runs_on_the_log_thread(loop: LoopThread, handler: Handler) -> None:
    """It is the program's, too; what it adds to a record is there."""
    factory = logging.getLogRecordFactory()
    threads = []

    def mine(*args: Any, **kwargs: Any) -> logging.LogRecord:
        threads.append(threading.current_thread().name)
        record = factory(*args, **kwargs)
        record.mine = True
        return record

    logging.setLogRecordFactory(mine)
    try:
        on_loop(loop, lambda: logging.getLogger("telnyx_agent.media").warning("here"))
        assert flush()
    finally:
        logging.setLogRecordFactory(factory)
    (record,) = handler.records
    assert (threads, record.mine) == (["telnyx-agent-log"], True)  # type: ignore[attr-defined]
    assert record.threadName == "telnyx-agent-loop"


class Mixin:
    """What a class of the program's may inherit beside `logging.Logger`."""

    seen: ClassVar[list[tuple[str, str]]]

    def note(self, what: str) -> None:
        self.seen.append((what, threading.current_thread().name))

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name of `logging`
        self.note("isEnabledFor")
        return super().isEnabledFor(level)  # type: ignore[misc, no-any-return]


def make_logger_class() -> type[logging.Logger]:
    """A new one, that overrides all that is called to log, and adds to each record."""

    class ProgramLogger(Mixin, logging.Logger):
        seen: ClassVar[list[tuple[str, str]]] = []

        def info(self, *args: Any, **kwargs: Any) -> None:
            self.note("info")
            super().info(*args, **kwargs)

        def _log(self, *args: Any, **kwargs: Any) -> None:
            self.note("_log")
            super()._log(*args, **kwargs)

        def makeRecord(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: N802
            self.note("makeRecord")
            record = super().makeRecord(*args, **kwargs)
            record.program = "mine"
            return record

        def handle(self, record: logging.LogRecord) -> None:
            self.note("handle")
            super().handle(record)

        def getEffectiveLevel(self) -> int:  # noqa: N802
            self.note("getEffectiveLevel")
            return super().getEffectiveLevel()

        def findCaller(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
            self.note("findCaller")
            return super().findCaller(*args, **kwargs)

    return ProgramLogger


@pytest.mark.parametrize("is_there_before", [True, False])
def test_a_logger_class_of_the_program_runs_on_the_log_thread(
    is_there_before: bool, loop: LoopThread, handler: Handler
) -> None:
    """Whether its first logger was made before the loop or after it. What it does to records is still done."""
    kind = make_logger_class()
    if is_there_before:
        log_queue._guard_all()  # as `install` does once in a process
        assert isinstance(vars(kind)["handle"], log_queue._Override)
    logger = kind("program.class", logging.DEBUG)
    logger.parent = logging.getLogger()
    on_loop(loop, lambda: logger.info("from %s", "the loop"))
    assert flush()
    (record,) = handler.records
    assert (record.getMessage(), record.program, record.threadName) == (  # type: ignore[attr-defined]
        "from the loop",
        "mine",
        "telnyx-agent-loop",
    )
    assert record.filename == "test_log_queue.py"
    assert {what for what, _ in kind.seen} >= {"handle", "makeRecord", "isEnabledFor"}  # type: ignore[attr-defined]
    assert {thread for _, thread in kind.seen} == {"telnyx-agent-log"}  # type: ignore[attr-defined]


def test_a_logger_class_of_the_program_is_as_ever_on_its_own_threads(loop: LoopThread, handler: Handler) -> None:
    """The same overrides run there as if the SDK were not there, and the record names the same caller."""
    seen = []
    for init in (log_queue._init, logging.Logger.__init__):
        kind = make_logger_class()
        logger = kind.__new__(kind)
        init(logger, "program.class")
        logger.parent = logging.getLogger()
        logger.warning("here")
        seen.append(kind.seen)  # type: ignore[attr-defined]
    assert isinstance(vars(kind)["handle"], log_queue._Override)
    assert seen[0] == seen[1]
    assert {what for what, _ in seen[1]} >= {"_log", "makeRecord", "handle", "getEffectiveLevel", "isEnabledFor"}
    before, after = handler.records
    assert (after.funcName, after.lineno) == (before.funcName, before.lineno)


def test_the_thread_ends_with_the_loop() -> None:
    """And comes again with the next."""
    for _ in range(2):
        loop = LoopThread.acquire()
        loop.post(logging.getLogger("program").warning, "here")
        loop.release()
        assert flush()
    deadline = time.monotonic() + 5
    while any(thread.name == "telnyx-agent-log" for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(thread.name == "telnyx-agent-log" for thread in threading.enumerate())


BLOCKED = """
import logging, os, sys, threading, time, gc, warnings
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent._runtime.log import ClientLog
from telnyx_agent.config import LogLevel
read, write = os.pipe()
os.dup2(write, 2)
while True:  # nobody reads, and it is full
    os.set_blocking(write, False)
    try:
        os.write(write, b"x" * 4096)
    except BlockingIOError:
        break
os.set_blocking(write, True)
loop = LoopThread.acquire()

def on_loop(job):
    done = threading.Event()
    loop.post(lambda: (job(), done.set()))
    print("goes on" if done.wait(2) else "stands still", flush=True)
"""

JOBS = {
    "client": 'log = ClientLog(LogLevel.ALL, 1); on_loop(lambda: log.error("here")); log.error("and here")',
    "handler": 'logging.basicConfig(); on_loop(lambda: logging.getLogger("aiortc").error("here"))',
    "last resort": 'on_loop(lambda: logging.getLogger("program").error("here"))',
    "finaliser": """
class Bad:
    def __del__(self):
        1 / 0
bad = [Bad()]
on_loop(bad.clear)""",
    "warning": 'on_loop(lambda: warnings.warn("here"))',
    "asyncio": "on_loop(lambda: loop.loop.call_soon(lambda: 1 / 0)); on_loop(lambda: None)",
}


@pytest.mark.parametrize("job", JOBS)
def test_a_stderr_that_nobody_reads(job: str, run_program: RunProgram) -> None:
    """The loop goes on, and the process ends as if nothing were; stdout, which is read, is written to until then."""
    last = "import atexit\natexit.register(print, 'at the very end', flush=True)"  # runs after what is registered later
    outcome = run_program(f"{last}\n{BLOCKED}\n{JOBS[job]}\nloop.release()\nprint('end', flush=True)\n")
    assert outcome.returncode == 0
    assert set(outcome.stdout.splitlines()) == {"goes on", "end", "at the very end"}
    assert outcome.seconds < 5


@pytest.mark.parametrize(("job", "said"), [("client", "and here"), ("finaliser", "ZeroDivisionError")])
def test_what_the_sdk_says_does_not_go_through_pythons_buffer(job: str, said: str, run_program: RunProgram) -> None:
    """Whoever writes there holds its lock, and the interpreter's end needs it."""
    outcome = run_program(
        f"""
import io, logging, sys, threading

class Recording(io.TextIOWrapper):
    def write(self, text):
        print("through the buffer:", text, flush=True)
        return super().write(text)

sys.stderr = sys.__stderr__ = Recording(sys.stderr.detach(), "utf-8", line_buffering=True)
from telnyx_agent._runtime.log import ClientLog, flush
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.config import LogLevel
loop = LoopThread.acquire()

def on_loop(job):
    done = threading.Event()
    loop.post(lambda: (job(), done.set()))
    done.wait(10)

{JOBS[job]}
flush()
loop.release()
"""
    )
    assert outcome.stdout == ""
    assert said in outcome.stderr


@pytest.mark.parametrize(("errors", "said"), [("backslashreplace", "Zo\\xeb"), ("xmlcharrefreplace", "Zo&#235;")])
def test_what_stderr_cannot_say_is_written_its_own_way(errors: str, said: str, run_program: RunProgram) -> None:
    """As its encoding and `PYTHONIOENCODING` have it, although it does not go through it."""
    outcome = run_program(
        f"""
        import io, sys
        sys.stderr = sys.__stderr__ = io.TextIOWrapper(sys.stderr.detach(), "ascii", "{errors}", line_buffering=True)
        from telnyx_agent._runtime.log import ClientLog
        from telnyx_agent.config import LogLevel
        ClientLog(LogLevel.ALL, 1).error("Zo\\N{{LATIN SMALL LETTER E WITH DIAERESIS}}")
        """
    )
    assert outcome.stderr.split()[-1] == said


def test_what_was_said_last_is_seen(run_program: RunProgram) -> None:
    """At the end of the process, everything comes out."""
    outcome = run_program(
        """
        from telnyx_agent._runtime.log import ClientLog
        from telnyx_agent.config import LogLevel
        log = ClientLog(LogLevel.ALL, 1)
        for number in range(1000):
            log.error("line %d", number)
        """
    )
    assert [line.split()[-1] for line in outcome.stderr.splitlines()] == [str(number) for number in range(1000)]


def test_the_end_waits_for_a_slow_handler_as_long_as_it_goes_on(run_program: RunProgram) -> None:
    """Each record has its time, so that nothing is lost of what was said last."""
    outcome = run_program(
        """
        import logging, threading
        from telnyx_agent._runtime.loop import LoopThread

        class Slow(logging.Handler):
            def emit(self, record):
                threading.Event().wait(0.1)  # as a write over the network
                print(record.getMessage(), flush=True)

        logging.getLogger().addHandler(Slow())
        loop = LoopThread.acquire()
        done = threading.Event()
        loop.post(lambda: ([logging.getLogger("aiortc").error("%d", number) for number in range(12)], done.set()))
        done.wait()
        loop.release()
        """
    )
    assert outcome.stdout.split() == [str(number) for number in range(12)]


@pytest.mark.slow
def test_a_call_goes_on_while_nobody_reads_stderr(run_program: RunProgram) -> None:
    """With everything logged: login, call, hang-up and disconnection take no longer, and callbacks come."""
    outcome = run_program(
        f"""{BLOCKED}
import logging
from telnyx_agent import TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, Scenario
stream = logging.StreamHandler()  # of the program's, for what is said on the SDK's threads
stream.addFilter(lambda record: record.threadName != "MainThread")
logging.getLogger().addHandler(stream)
with LocalAgent(voice="tones", ears="energy", scenario=Scenario.fast()) as agent:
    client = TxClient(audio=NullAudio())
    client.anonymous_login("a", server_configuration=agent.configuration, log_level="all").result(10)
    call = client.new_call()
    call.wait_until_active(10)
    for _ in range(50):
        client.send_ai_assistant_message("x" * 2000).result(10)
    before = call.stats().result(10).packets_received
    time.sleep(0.5)
    print("voice" if call.stats().result(10).packets_received > before + 10 else "silence")
    begin = time.monotonic()
    call.hangup().result(10)
    client.disconnect().result(10)
    print("quick" if time.monotonic() - begin < 3 else "slow", flush=True)
loop.release()
"""
    )
    assert outcome.returncode == 0
    assert outcome.stdout.splitlines() == ["voice", "quick"]
