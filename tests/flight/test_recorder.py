"""The recorder's own life: crashes, full disks, slow disks, forks, and nobody who stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telnyx_agent import ClientConfigurationError, LocalProtocolError, TranscriptionItem, TxClient, TxError
from telnyx_agent._flight import FlightSlot, recorder
from telnyx_agent._flight.recorder import FlightRecorder
from telnyx_agent.testing import LocalAgent, RecordingDelegate, replay
from tests.support.watch import threads_left

ROOT = Path(__file__).resolve().parents[2]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def make(path: Path, failed: Callable[[TxError], object] = lambda error: None) -> FlightRecorder:
    return FlightRecorder(
        path, include_content=False, parameters=lambda name: (), look_at_media=lambda: False, on_error=failed
    )


def run(program: str, *arguments: str, code: int = 0) -> str:
    """A program of a user's, in a process of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


LOG_IN = """
import os, sys, threading
from telnyx_agent import TxClient, TxClientDelegate, TxServerConfiguration

class Delegate(TxClientDelegate):
    def on_client_ready(self):
        print("ready", flush=True)

    def on_client_error(self, error):
        print("error:", error, flush=True)

client = TxClient(Delegate())
recording = client.record_session(sys.argv[2])
client.anonymous_login("a", server_configuration=TxServerConfiguration(sys.argv[1], ())).result(10)
"""


# -- what is left when the program ends --------------------------------------------------------------------------------


def test_a_crash_leaves_what_happened_until_then(agent: LocalAgent, tmp_path: Path) -> None:
    """`os._exit`: no finaliser runs, no buffer is flushed. The last thing that was recorded is in the file."""
    path = tmp_path / "session.ndjson"
    wait = "while b'on_client_ready' not in open(sys.argv[2], 'rb').read(): threading.Event().wait(0.01)\nos._exit(3)"
    run(LOG_IN + wait, agent.url, str(path), code=3)

    names, delegate = [line.get("name") for line in lines_of(path)], RecordingDelegate()
    assert "on_client_ready" in names
    assert lines_of(path)[-1]["type"] != "end"
    result = replay(path, delegate)
    assert not result.is_complete
    assert "on_client_ready" in delegate.names


def test_what_was_recorded_milliseconds_before_a_crash_is_there(tmp_path: Path) -> None:
    """Nothing waits for a buffer to be full."""
    path = tmp_path / "session.ndjson"
    program = """
import os, sys, threading
from telnyx_agent._flight.recorder import FlightRecorder
r = FlightRecorder(sys.argv[1], include_content=False, parameters=lambda n: (), look_at_media=lambda: False,
                   on_error=print)
for number in range(1000):
    r.state("x", str(number))
threading.Event().wait(0.5)
os._exit(0)
"""
    run(program, str(path))
    assert [line["state"] for line in lines_of(path)[1:]] == [str(number) for number in range(1000)]


@pytest.mark.parametrize("end", ["", "sys.exit(1)", "raise KeyError"])
def test_a_program_that_just_ends_leaves_a_complete_recording(agent: LocalAgent, tmp_path: Path, end: str) -> None:
    """Nobody stops it: it is completed at the end, the goodbye of the client included."""
    path = tmp_path / "session.ndjson"
    run(LOG_IN + end, agent.url, str(path), code=1 if end else 0)
    assert lines_of(path)[-1]["type"] == "end"
    assert "on_socket_disconnected" in [line.get("name") for line in lines_of(path)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_leaves_the_file_alone(agent: LocalAgent, tmp_path: Path) -> None:
    """The child's end writes nothing into the parent's file."""
    path = tmp_path / "session.ndjson"
    fork = """
import warnings
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    recording.stop()
    os._exit(0)
os.waitpid(child, 0)
client.disconnect().result(5)
"""
    run(LOG_IN + fork, agent.url, str(path))
    kinds = [line["type"] for line in lines_of(path)]
    assert kinds.count("end") == 1
    assert kinds[-1] == "end"


@pytest.mark.slow
def test_nobody_stops_it_and_no_thread_stays(agent: LocalAgent, tmp_path: Path) -> None:
    """Without a connection the recorder's thread ends; the next login starts another, into the same file."""
    before, path = frozenset(threading.enumerate()), tmp_path / "session.ndjson"
    client = TxClient()
    client.record_session(path)
    for _ in range(2):
        client.anonymous_login("a", server_configuration=agent.configuration).result(10)
        client.disconnect().result(5)
        assert not threads_left(before | agent_threads(), 5)
    names = [line.get("name") for line in lines_of(path)]
    assert names.count("on_client_ready") == names.count("on_socket_disconnected") == 2


def agent_threads() -> frozenset[threading.Thread]:
    """Those of the test server."""
    return frozenset(one for one in threading.enumerate() if not one.name.startswith("telnyx-agent-flight"))


# -- the disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_ends_the_recording_and_not_the_call(agent: LocalAgent, tmp_path: Path) -> None:
    """The delegate hears of it once, `stop()` raises it, the file ends with a whole line and can be replayed."""
    path = tmp_path / "session.ndjson"
    full = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (3000, r.RLIM_INFINITY))\n"
    then = """
client.new_call().hangup().result(10)
print("goes on", flush=True)
client.disconnect().result(10)
try:
    recording.stop()
except Exception as error:
    print("stop:", type(error).__name__, error, flush=True)
"""
    said = run(full + LOG_IN + then, agent.url, str(path))
    assert "goes on" in said
    assert said.count("error: the session is not recorded any more") == 1
    assert "stop: TxError the session is not recorded any more" in said
    assert "make room" in said
    delegate = RecordingDelegate()
    assert not replay(path, delegate).is_complete
    assert path.read_bytes().endswith(b"}\n")
    assert "on_socket_connected" in delegate.names


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_disk_that_is_full_already_is_said_at_once(client: TxClient) -> None:
    """Before anything is lost."""
    with pytest.raises(
        ClientConfigurationError, match=r"cannot record the session to /dev/full: No space.*another file"
    ):
        client.record_session("/dev/full")


@pytest.mark.parametrize("kind", ["folder", "missing", "pipe", "null"])
def test_a_path_that_cannot_be_written_is_refused(client: TxClient, tmp_path: Path, kind: str) -> None:
    """With a reason and advice."""
    paths = {"folder": tmp_path, "missing": tmp_path / "no" / "x", "pipe": tmp_path / "pipe", "null": Path("a\0b")}
    path = paths[kind]
    if kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("there are no named pipes here")
        os.mkfifo(path)
    with pytest.raises(ClientConfigurationError, match="choose another file"):
        client.record_session(path)


def test_a_slow_disk_costs_lines_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue has a limit; whoever records never waits; a line tells how many are missing."""
    monkeypatch.setattr(recorder, "MOST_WAITING", 10)
    path, stuck, free = tmp_path / "session.ndjson", threading.Event(), threading.Event()
    one = make(path)
    write = os.write

    def slow(descriptor: int, data: bytes) -> int:
        stuck.set()
        assert free.wait(20)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    one.state("first", "0")
    assert stuck.wait(10)
    begin = time.monotonic()
    for number in range(100):
        one.state("x", str(number))
    assert time.monotonic() - begin < 10
    free.set()
    assert one.close(10)
    assert one.left_out == 90
    lines = lines_of(path)
    assert [line["state"] for line in lines if line.get("what") == "x"] == [str(number) for number in range(10)]
    assert [line["lines"] for line in lines if line["type"] == "left_out"] == [90]
    assert lines[-1] == {"t": lines[-1]["t"], "type": "end", "left_out": 90}
    assert replay(path, object()).lines_left_out == 90


def test_a_disk_that_hangs_does_not_hang_stop(
    client: TxClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the file is not complete, after a time."""
    free, recording = threading.Event(), client.record_session(tmp_path / "session.ndjson")
    write = os.write

    def slow(descriptor: int, data: bytes) -> int:
        assert free.wait(20)
        return write(descriptor, data)

    close = FlightRecorder.close
    monkeypatch.setattr(os, "write", slow)
    monkeypatch.setattr(FlightRecorder, "close", lambda one: close(one, 0.1))
    with pytest.raises(TxError, match="is not complete: it has taken no more data"):
        recording.stop()
    free.set()
    monkeypatch.undo()
    recording.stop()
    assert lines_of(tmp_path / "session.ndjson")[-1]["type"] == "end"


def test_without_threads_it_writes_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the interpreter ends, and no thread can be started any more: nothing is lost."""
    one = make(tmp_path / "session.ndjson")

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        one.state("x", "before")
        assert one.close(1)
        assert one.close(1)
    assert "the recording waits" in caplog.text
    assert [line.get("state") for line in lines_of(tmp_path / "session.ndjson")] == [None, "before", None]


def test_frames_that_wait_have_a_limit_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few frames may have megabytes."""
    monkeypatch.setattr(recorder, "MOST_CHARACTERS", 1000)
    one = make(tmp_path / "session.ndjson")
    one.frame("<", '{"method":"x","y":"%s"}' % ("y" * 2000))
    assert one.left_out == 1
    one.frame("<", '{"method":"x"}')
    assert one.close()
    assert [line["frame"] for line in lines_of(tmp_path / "session.ndjson") if line["type"] == "frame"] == [
        {"method": "x"}
    ]


def test_what_cannot_be_recorded_costs_one_line(tmp_path: Path) -> None:
    """A user's object that raises does not end the recording."""

    class Odd:
        @property
        def call_id(self) -> str:
            raise RuntimeError("canary")

    one, item = make(tmp_path / "session.ndjson"), TranscriptionItem("i", "user", "canary")
    one.callback("on_incoming_call", (Odd(),))
    one.callback("on_transcription_updated", ((item,), Odd()))
    one.callback("on_transcription_updated", ((item,),))
    assert one.close()
    assert [line["type"] for line in lines_of(tmp_path / "session.ndjson")][1:] == [
        *("unrecordable", "unrecordable", "callback", "end"),
    ]
    delegate = RecordingDelegate()
    replay(tmp_path / "session.ndjson", delegate)
    assert delegate.calls_of("on_transcription_updated")[0][0][0].content == "******"
    assert "canary" not in (tmp_path / "session.ndjson").read_text()


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_one_recording_at_a_time(client: TxClient, tmp_path: Path) -> None:
    """The second is refused; after `stop()` another may begin."""
    first = client.record_session(tmp_path / "a")
    with pytest.raises(LocalProtocolError, match=r"call stop\(\)"):
        client.record_session(tmp_path / "b")
    first.stop()
    with client.record_session(tmp_path / "b") as second:
        assert second.is_recording
        assert not first.is_recording
        assert second.path == str(tmp_path / "b")
        assert "b" not in repr(second).replace("SessionRecording", "")
    assert not (tmp_path / "a").samefile(tmp_path / "b")


def test_an_exception_in_the_block_is_not_hidden(client: TxClient, tmp_path: Path) -> None:
    """The file is completed all the same."""
    with pytest.raises(KeyError), client.record_session(tmp_path / "a"):
        raise KeyError
    assert lines_of(tmp_path / "a")[-1]["type"] == "end"


def test_a_raising_callback_is_recorded_and_reported(
    agent: LocalAgent, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The name of the exception is in the file, its text is not; the SDK reports it as always."""

    class Buggy:
        def on_client_ready(self) -> None:
            raise RuntimeError("canary")

    path = tmp_path / "session.ndjson"
    with TxClient(Buggy()) as client, client.record_session(path):
        client.anonymous_login("a", server_configuration=agent.configuration).result(10)
        client.disconnect().result(5)
    assert [line["raised"] for line in lines_of(path) if line["type"] == "called"] == ["RuntimeError"]
    assert "canary" not in path.read_text()
    assert "on_client_ready raised RuntimeError" in caplog.text


def test_stop_inside_a_callback(agent: LocalAgent, tmp_path: Path) -> None:
    """Legal, as everything."""
    path = tmp_path / "session.ndjson"
    done = threading.Event()

    class Stopper:
        def on_client_ready(self) -> None:
            recording.stop()
            done.set()

    with TxClient(Stopper()) as client:
        recording = client.record_session(path)
        client.anonymous_login("a", server_configuration=agent.configuration).result(10)
        assert done.wait(10)
    assert lines_of(path)[-1]["type"] == "end"


def test_the_header_says_with_what_and_not_where(tmp_path: Path) -> None:
    """Versions and the kind of machine; neither its name nor its user's."""
    assert make(tmp_path / "a").close()
    header = lines_of(tmp_path / "a")[0]
    assert sorted(header) == [
        *("content", "format", "platform", "python", "schema", "sdk", "started", "t", "type"),
    ]
    assert (header["schema"], header["t"]) == (1, 0.0)
    text = (tmp_path / "a").read_text()
    for name in (os.uname().nodename, os.path.expanduser("~")) if hasattr(os, "uname") else ():
        assert name not in text


def test_nothing_is_imported_while_nothing_is_recorded() -> None:
    """The recorder costs its users only."""
    program = (
        "import sys, telnyx_agent; print([name for name in sys.modules if '_flight.' in name or '_replay' in name])"
    )
    assert run(program).strip() == "[]"
    assert FlightSlot().recorder is None
