"""Every way in which a program ends x every state of its client: gone soon, with the exit code that a Python programmer
expects, and with a goodbye wherever there is a socket to say it on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO

import attrs
import pytest

from telnyx_agent.testing import FaultProxy, LocalAgent, Scenario

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and fork are those of POSIX")

PATIENCE = 30.0
GONE_WITHIN = 2.0
"""Seconds, of a machine that has nothing else to do."""

PROGRAM = """
import os, signal, sys, threading, time
from telnyx_agent import CallState, TxClient, TxClientDelegate, TxServerConfiguration
from telnyx_agent.audio import NullAudio

URL, STATE = sys.argv[1:3]

class App(TxClientDelegate):
    def __init__(self):
        self.events = {{name: threading.Event() for name in ("on_reconnecting", "on_socket_connected")}}
    def on_reconnecting(self, attempt, delay, error):
        self.events["on_reconnecting"].set()
    def on_socket_connected(self):
        self.events["on_socket_connected"].set()

def log_in(client):
    return client.anonymous_login("assistant-1", server_configuration=TxServerConfiguration(URL))

app = App()
client = TxClient(app, audio=NullAudio())
if STATE != "not connected":
    log_in(client)
if STATE not in ("not connected", "ready"):
    call = client.new_call()
if STATE in ("ringing", "call connecting"):
    call.wait_for_state(CallState.RINGING if STATE == "ringing" else CallState.CONNECTING, 20)
if STATE in ("active", "disconnected", "dropped"):
    call.wait_until_active(20)
if STATE == "connected":
    assert app.events["on_socket_connected"].wait(20)
if STATE == "ready":
    client.wait_until_ready(20)
if STATE == "disconnected":
    client.disconnect().result(10)
if STATE == "dropped":
    print("up", flush=True)
    assert app.events["on_reconnecting"].wait(20)
print("there", flush=True)
sys.stdin.readline()
{end}
"""

WAIT = "print('waiting', flush=True)\nwhile True:\n    time.sleep(0.1)"
"""In slices: to a signal that comes just before one long `sleep`, Python would do nothing until that is over."""

FORK = """
child = os.fork()
if child == 0:
    {child}
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), flush=True)
"""


@attrs.frozen
class End:
    """A way to end.

    Attributes:
        code: What the program does when it is in the state.
        status: Its exit status then.
        signal: What it gets.
        polite: Whether it can say goodbye.
        child: The exit status of its child; None if there is none.
    """

    code: str
    status: int
    signal: signal.Signals | None = None
    polite: bool = True
    child: int | None = None


ENDS = {
    "falls off its end": End("", 0),
    "raises": End("raise RuntimeError('the end')", 1),
    "sys.exit": End("sys.exit(3)", 3),
    "SIGINT": End(WAIT, -signal.SIGINT, signal.SIGINT),
    # Python ends at once, without any code: a library cannot change that, and this one takes no signal from a program.
    "SIGTERM": End(WAIT, -signal.SIGTERM, signal.SIGTERM, polite=False),
    # docs/ending.md
    "SIGTERM with a handler": End(
        f"signal.signal(signal.SIGTERM, lambda *args: sys.exit(143))\n{WAIT}",
        143,
        signal.SIGTERM,
    ),
    "os.abort": End("os.abort()", -signal.SIGABRT, polite=False),
    "fork, the child exits": End(FORK.format(child="sys.exit(5)"), 0, child=5),
    "fork, the child exits at once": End(FORK.format(child="os._exit(6)"), 0, child=6),
    "fork, the child raises": End(FORK.format(child="raise RuntimeError('the end')"), 0, child=1),
}

STATES = {
    "not connected": Scenario.fast(),
    "connecting": Scenario.fast(),
    "connected": Scenario.silent("login"),
    "ready": Scenario.fast(),
    "call connecting": Scenario.fast(invite="silent"),
    "ringing": Scenario(ringing_delay=0.0, media_delay=60.0, answer_delay=60.0),
    "active": Scenario.fast(),
    "dropped": Scenario.fast(),
    "disconnected": Scenario.fast(),
}

GOODBYES = frozenset({"call connecting", "ringing", "active"})
"""The states in which the server knows the call, and can be told."""


@contextlib.contextmanager
def server(state: str, scenario: Scenario) -> Iterator[tuple[LocalAgent, str, Callable[[], None]]]:
    """An agent, the URL at which the program finds it, and what makes it lose that."""
    with (
        # Real media where there are some: their threads are what could keep a process alive.
        LocalAgent(voice="tones", ears="deaf", media=state in ("active", "dropped"), scenario=scenario) as agent,
        FaultProxy(agent) as proxy,
    ):
        if state == "connecting":
            proxy.accept("silent")

        def lose() -> None:
            proxy.accept("refuse")
            proxy.reset()

        yield agent, proxy.url, lose


def slack() -> float:
    """Seconds that a busy machine takes longer, from what an empty program takes."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-S", "-c", ""], check=True)
    return 0.5 + 10 * (time.monotonic() - begin)


@contextlib.contextmanager
def started(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program of its own with its pipes, and children in its process group; all gone in the end, whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it wrote until it ended by itself; if it does not, the test fails, and shows where its threads are."""
    try:
        return process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)
    output, errors = process.communicate(timeout=PATIENCE)
    pytest.fail(f"the program did not end within {PATIENCE:g} s:\n{output}\n{errors}")


def expect(stream: IO[str], text: str, process: subprocess.Popen[str]) -> None:
    """The program says that it has come so far."""
    if stream.readline() != f"{text}\n":
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(process.communicate(timeout=PATIENCE)[1])


def go_on(process: subprocess.Popen[str]) -> None:
    """Let the program, which waits in its state, come to its end."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def run(state: str, end: End, agent: LocalAgent, url: str, lose: Callable[[], None]) -> tuple[float, str]:
    """Run the program to its end: how long that took from when it began to end, and what it wrote to stderr."""
    with started(PROGRAM.format(end=end.code), url, state) as process:
        assert process.stdout is not None
        if state == "dropped":
            expect(process.stdout, "up", process)
            lose()
        expect(process.stdout, "there", process)
        if state == "call connecting":
            agent.wait_for_frame("telnyx_rtc.invite", PATIENCE, direction="received")
        begin = time.monotonic()
        go_on(process)
        if end.signal is not None:
            expect(process.stdout, "waiting", process)
            begin = time.monotonic()
        if end.signal is not None:
            process.send_signal(end.signal)
        output, errors = ended(process)
        taken = time.monotonic() - begin
    assert process.returncode == end.status, errors
    if end.child is not None:
        assert output == f"{end.child}\n", errors
    return taken, errors


CELLS = [
    (state, end)
    for state in STATES
    for end in ENDS
    # Everything where there is something to lose; elsewhere, that the process ends.
    if state in ("connecting", "ringing", "active", "dropped") or end in ("falls off its end", "SIGINT", "raises")
]


@pytest.mark.slow_except(5)
@pytest.mark.parametrize(("state", "how"), CELLS, ids=[f"{state}-{how}" for state, how in CELLS])
def test_the_process_is_gone(state: str, how: str, record_property: Callable[[str, object], None]) -> None:
    """Within two seconds, with its exit code; one goodbye if there is a socket, and none from a forked child."""
    end = ENDS[how]
    with server(state, STATES[state]) as (agent, url, lose):
        before = slack()
        taken, errors = run(state, end, agent, url, lose)
        record_property("seconds", round(taken, 3))
        allowed = GONE_WITHIN + max(before, slack())
        assert taken < allowed, f"it took {taken:.1f} s\n{errors}"
        assert "Fatal" not in errors or how == "os.abort"
        if end.polite and state in GOODBYES:
            agent.wait_for_frame("telnyx_rtc.bye", 1, direction="received")
        byes = [frame for frame in agent.frames if frame.method == "telnyx_rtc.bye" and frame.direction == "received"]
        assert len(byes) <= 1
        if state not in GOODBYES and state != "disconnected":
            assert not byes


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("state", ["connecting", "ringing", "active", "dropped"])
def test_a_forked_child_has_calls_of_its_own(state: str) -> None:
    """The parent's client refuses there; a new one calls and says goodbye; the parent's call goes on."""
    child = """
    from telnyx_agent import TxError
    try:
        client.disconnect().result(1)
        if STATE != "dropped":
            client.anonymous_login("assistant-1").result(1)
    except (TxError, RuntimeError):
        pass
    with TxClient(audio=NullAudio()) as own:
        own.anonymous_login("assistant-1", server_configuration=TxServerConfiguration(sys.argv[3])).result(20)
        own.new_call().wait_until_active(20)
    os._exit(7)
"""
    code = FORK.format(child=child.strip()) + "\nif STATE == 'active':\n    assert call.stats().result(5)\n"
    end = End(code, 0, child=7)
    with (
        LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as other,
        server(state, STATES[state]) as (agent, url, lose),
    ):
        with started(PROGRAM.format(end=end.code), url, state, other.url) as process:
            assert process.stdout is not None
            if state == "dropped":
                expect(process.stdout, "up", process)
                lose()
            expect(process.stdout, "there", process)
            go_on(process)
            expect(process.stdout, "7", process)
            _, errors = ended(process)
            assert process.returncode == 0, errors
        other.wait_for_frame("telnyx_rtc.bye", 1, direction="received")
        if state in GOODBYES:
            agent.wait_for_frame("telnyx_rtc.bye", 1, direction="received")


IN_A_CALLBACK = """
import os, sys, threading, time
from telnyx_agent import CallState, TxClient, TxClientDelegate, TxServerConfiguration
from telnyx_agent.audio import NullAudio

MODE = sys.argv[2]

class App(TxClientDelegate):
    done = threading.Event()
    def on_call_state_updated(self, state, call_id):
        if state == CallState.ACTIVE:
            self.done.set()
            {code}

client = TxClient(App(), audio=NullAudio(), callbacks=MODE)
client.anonymous_login("assistant-1", server_configuration=TxServerConfiguration(sys.argv[1]))
call = client.new_call()
while MODE == "pump":
    client.process_events(1.0)
assert App.done.wait(20)
call.hangup().result(10)
print(call.state.value)
"""


@pytest.mark.slow_except(1)
@pytest.mark.parametrize(
    ("mode", "code", "status", "output"),
    [
        ("pump", "sys.exit(4)", 4, ""),
        ("pump", "raise KeyboardInterrupt", -signal.SIGINT, ""),
        ("pump", "os._exit(5)", 5, ""),
        ("thread", "sys.exit(4)", 0, "DONE\n"),
        ("thread", "raise KeyboardInterrupt", 0, "DONE\n"),
        ("thread", "os._exit(5)", 5, ""),
        ("thread", "os.kill(os.getpid(), 2); time.sleep(1)", -signal.SIGINT, ""),
    ],
)
def test_a_callback_ends_the_program(mode: str, code: str, status: int, output: str) -> None:
    """On the main thread as anywhere there; on a thread of its own only with `os._exit` or a signal."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as agent:
        with started(IN_A_CALLBACK.format(code=code), agent.url, mode) as process:
            written, errors = ended(process)
        assert (process.returncode, written) == (status, output), errors
        if "_exit" not in code:
            agent.wait_for_frame("telnyx_rtc.bye", 5, direction="received")
        if output:
            assert "on_call_state_updated raised" in errors
