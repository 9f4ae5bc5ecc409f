"""What holds for every device that a pacing thread drives: start, stop, and what may touch the call when."""

from __future__ import annotations

import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from telnyx_agent.audio import AudioDevice, NullAudio, PcmAudio, WaveAudio
from telnyx_agent.errors import MediaError
from tests.audio.memory_stream import Int16, MemoryStream

DEVICES: dict[str, Callable[[], AudioDevice]] = {"null": NullAudio, "pcm": PcmAudio, "wave": WaveAudio}


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> AudioDevice:
    """One of each."""
    return DEVICES[request.param]()


def test_it_has_a_name(device: AudioDevice) -> None:
    """For logs, and a `repr` that tells whether it runs."""
    assert device.name
    assert device.name in repr(device)
    assert "stopped" in repr(device)


def test_it_renders_at_the_pace_of_the_call(device: AudioDevice) -> None:
    """In blocks of 10 ms, on the thread that is named for it."""
    stream = MemoryStream()
    device.start(stream)
    assert "running" in repr(device)
    stream.wait_pulled(4800)
    device.stop()
    assert stream.pulled % 480 == 0
    assert stream.touched_by == {"telnyx-agent-audio"}


def test_it_serves_one_call_at_a_time(device: AudioDevice) -> None:
    """A second start is refused, and does not disturb the first."""
    first, second = MemoryStream(), MemoryStream()
    device.start(first)
    with pytest.raises(MediaError, match="already serves a call; give every simultaneous call"):
        device.start(second)
    first.wait_pulled(first.pulled + 960)
    device.stop()
    assert second.pulled == 0


def test_it_serves_one_call_after_the_other(device: AudioDevice) -> None:
    """The same object, each time from the beginning."""
    for _ in range(3):
        stream = MemoryStream()
        device.start(stream)
        stream.wait_pulled(960)
        device.stop()


def test_stop_is_idempotent(device: AudioDevice) -> None:
    """Before the first start, and after the end."""
    device.stop()
    device.start(MemoryStream())
    device.stop()
    device.stop()


def test_the_call_is_not_touched_after_stop(device: AudioDevice) -> None:
    """Whichever of several threads stops it: once `stop` has returned, it is over."""
    for _ in range(20):
        stream = MemoryStream()
        device.start(stream)
        touched: list[bool] = []

        def stop(stream: MemoryStream = stream, touched: list[bool] = touched) -> None:
            device.stop()
            before = stream.pulled
            stream.seal()
            touched.append(stream.pulled != before)

        threads = [threading.Thread(target=stop) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert touched == [False] * 3
        assert not stream.touched_after_seal


def test_it_can_be_stopped_from_the_audio_thread(device: AudioDevice) -> None:
    """By the call itself, for example; that block is the last one, and the next call can start at once."""
    stopped = threading.Event()

    def stop(samples: int) -> Int16:
        device.stop()
        stream.seal()
        stopped.set()
        return MemoryStream().pull_render(samples)

    stream = MemoryStream(render=stop)
    device.start(stream)
    assert stopped.wait(10)
    after = MemoryStream()
    device.start(after)
    after.wait_pulled(960)
    device.stop()
    assert not stream.touched_after_seal


def test_a_block_that_fails_does_not_end_the_call(device: AudioDevice, caplog: pytest.LogCaptureFixture) -> None:
    """One error with its traceback in the log, and the next block comes."""
    failures: list[int] = []

    def render(samples: int) -> Int16:
        failures.append(samples)
        if len(failures) < 4:
            raise RuntimeError("the call is broken")
        return MemoryStream().pull_render(samples)

    stream = MemoryStream(render)
    device.start(stream)
    stream.wait_pulled(4800)
    device.stop()
    assert caplog.text.count("Traceback") == 1


def test_a_machine_without_room_for_a_thread_is_told(device: AudioDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `MediaError`, and the device can be started later."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(MediaError, match=r"cannot start: .*can't start new thread"):
            device.start(MemoryStream())
    device.start(MemoryStream())
    device.stop()


def test_a_program_that_forgets_to_stop_ends_and_keeps_its_file(tmp_path: Path) -> None:
    """At interpreter exit the devices stop by themselves, and the file is complete to the last block."""
    script = (
        "import sys, numpy as np\n"
        "from tests.audio.memory_stream import MemoryStream, tone\n"
        "from telnyx_agent.audio import WaveAudio, PcmAudio, NullAudio\n"
        "stream = MemoryStream(tone(440, 9))\n"
        "for device in (PcmAudio(), NullAudio()): device.start(MemoryStream())\n"
        "WaveAudio(output=sys.argv[1]).start(stream)\n"
        "stream.wait_pulled(14880)\n"
        "import atexit\n"
        "atexit._run_exitfuncs()\n"
        "print(stream.pulled)\n"
    )
    output = tmp_path / "out.wav"
    done = subprocess.run([sys.executable, "-c", script, str(output)], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    with wave.open(str(output)) as file:
        assert file.getnframes() == int(done.stdout)
