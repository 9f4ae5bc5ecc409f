"""What holds for every test: no thread stays behind, nothing blocks the SDK's loop, no traffic leaves this machine, and
nothing that is secret or was said gets into a log or a `repr`.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import re
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from typing import Any

import hypothesis
import pytest

from telnyx_agent import TxClient
from telnyx_agent._runtime.log import flush
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.parity import table
from tests.parity.gate import ParityGate
from tests.support import watch
from tests.support.recorded import IS_WANTED, AllRecorded
from tests.support.slow import SlowTests
from tests.support.taint import Taint

watch.start()
taint = Taint()
taint.install()
recorded = AllRecorded() if IS_WANTED else None
if recorded is not None:
    recorded.install()

if sys.platform != "win32":
    import resource

    # A PortAudio stream whose sound server died has been seen to print one line for ever, as fast as it could, into the
    # file that pytest captures: gigabytes, until the disk was full. Beyond this size such a write fails instead.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 31, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in a shell's background. The programs that tests interrupt would inherit it, and never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Many tests start programs, each of which would compile the whole package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A busy machine is no failure. The usual run always tries the same examples, a run of everything new ones.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.register_profile("same", hypothesis.settings.get_profile("tests"), derandomize=True, database=None)

PATIENCE = 2.0
"""Seconds that threads have to end after a test."""

GRACE = 60.0
"""Seconds beyond its time-out that a test has to notice that."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all`: the tests that are marked `slow` as well. `--parity`: see `ParityGate`."""
    parser.addoption("--all", action="store_true", dest="all_tests", help="run the tests that are marked slow as well")
    parser.addoption("--parity", action="store_true", help="fail for rows of docs/parity.tsv that no test proves")


def pytest_configure(config: pytest.Config) -> None:
    """Take in what decides which tests are run, and what else fails a run."""
    # pytest rewrites the SDK's modules as it does tests, because the SDK has a plugin for it. They are imported on
    # several threads at once, for which Python 3.11 is not made: "AST constructor recursion depth mismatch".
    rewriting: Any = config.pluginmanager.rewrite_hook
    rewriting._must_rewrite.discard("telnyx_agent")
    config.pluginmanager.register(SlowTests(config), "slow-tests")
    hypothesis.settings.load_profile("tests" if config.getoption("all_tests") else "same")
    # Where pytest-xdist shares the tests out, reports of all workers come to the process that has no `workerinput`.
    if config.getoption("parity") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(ParityGate(table.read()), "parity-gate")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what pytest holds, a million objects, out of each collection, and out of the search for secrets.

    And refuse names of tests that are others in each process: pytest-xdist could not share them out.
    """
    if changing := [item.nodeid for item in session.items if re.search(r" at 0x[0-9a-f]{6}", item.nodeid)]:
        raise pytest.UsageError(f"give these parameters ids of their own: {changing}")
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End a process whose test hangs where no signal handler runs: PortAudio has been seen to wait for a dead thread.

    pytest-xdist then reports the test as failed, and goes on with another process. Not where somebody may be debugging.
    """
    marker = item.get_closest_marker("timeout")
    seconds = marker.args[0] if marker is not None and marker.args else float(item.config.getini("timeout") or 0)
    if seconds and (hasattr(item.config, "workerinput") or os.environ.get("CI")):
        faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=2)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


class _Flushed(pytest.LogCaptureFixture):  # type: ignore[misc]
    """What the SDK's own threads log comes to `caplog`'s handler a moment later: wait for it before one looks."""

    @property
    def handler(self) -> Any:
        flush()
        return super().handler


@pytest.fixture
def caplog(request: pytest.FixtureRequest) -> Iterator[pytest.LogCaptureFixture]:
    """As pytest's."""
    result = _Flushed(request.node, _ispytest=True)
    yield result
    result._finalize()


@pytest.fixture
def capsys(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> pytest.CaptureFixture[str]:
    """As pytest's; what the SDK prints comes to stderr a moment later, too."""
    return _flushed(capsys, monkeypatch)


@pytest.fixture
def capfd(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> pytest.CaptureFixture[str]:
    """Likewise."""
    return _flushed(capfd, monkeypatch)


def _flushed(captured: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> pytest.CaptureFixture[str]:
    read = captured.readouterr
    monkeypatch.setattr(captured, "readouterr", lambda: (flush(), read())[1])
    return captured


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    """Fail the test for what it left behind, and for what the loop's thread or the network saw meanwhile."""
    before = frozenset(threading.enumerate())
    watch.log.take()
    taint.begin()
    yield
    leaks = [] if recorded is None else recorded.end(taint.secrets())
    left = [f"still running: {thread}" for thread in watch.threads_left(before, PATIENCE)]
    flush()
    # Afterwards: what ends late may still have blocked the loop.
    found = watch.log.take() + left + leaks + taint.end()
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.fixture(autouse=True, scope="module")
def _collected() -> Iterator[None]:
    """Have sockets and files that nobody closed reported here, and not by some later module's test."""
    yield
    gc.collect()


# -- what most tests of a client begin with: a quick local agent, and a client that talks to it ------------------------


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Signalling only: calls get an SDP that leads nowhere; answers come at once and as text."""
    with LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast(), media=False) as agent:
        yield agent


@pytest.fixture
def talking_agent() -> Iterator[LocalAgent]:
    """Real WebRTC; the agent plays tones for words and notices that somebody spoke."""
    with LocalAgent(voice="tones", ears="energy", scenario=Scenario.fast()) as agent:
        yield agent


@pytest.fixture
def delegate() -> RecordingDelegate:
    """The delegate of `client`."""
    return RecordingDelegate()


@pytest.fixture
def client(delegate: RecordingDelegate) -> Iterator[TxClient]:
    """A client that makes no sound."""
    with TxClient(delegate, audio=NullAudio()) as client:
        yield client
