"""`SoundDeviceAudio` on real PortAudio, ALSA and PulseAudio; only the cables are virtual."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

from telnyx_agent.audio import NullAudio, SoundDeviceAudio, default_audio, list_devices
from telnyx_agent.audio import _portaudio as portaudio
from telnyx_agent.audio._speaker import default_speaker
from telnyx_agent.audio.device import AudioDeviceChange
from telnyx_agent.errors import ClientConfigurationError, MediaError
from tests.audio.memory_stream import Int16, MemoryStream, level, snr, tone
from tests.support.pulse import INPUT_ONLY, OUTPUT_ONLY, STUCK, SURROUND, PulseServer

pytestmark = [pytest.mark.sound, pytest.mark.slow]


def loudest(samples: Int16, seconds: float, rate: int = 48000) -> Int16:
    """The loudest stretch; sound through a sound server begins when it begins."""
    length = round(seconds * rate)
    assert len(samples) >= length
    energy = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return samples[start : start + length]


def test_devices_are_listed(sound: PulseServer) -> None:
    """With all that is needed to choose one."""
    found = {device.name: device for device in list_devices()}
    assert set(found) == {"default", "headset", "loudspeaker"}
    assert found["default"].is_default_input
    assert found["default"].is_default_output
    assert found["headset"].input_channels > 0
    assert found["headset"].host_api == "ALSA"


def test_the_microphone_is_heard_by_the_call(sound: PulseServer) -> None:
    """A tone that is played into the cable arrives, at its level."""
    device, stream = SoundDeviceAudio(), MemoryStream()
    device.start(stream)
    sound.play(tone(440, 1.0))
    device.stop()
    heard = loudest(stream.captured, 0.5)
    assert snr(heard, 440) > 30
    assert level(heard) == pytest.approx(0.354, rel=0.05)
    assert set(stream.captured_blocks) == {480}


def test_the_agent_is_heard_from_the_loudspeaker(sound: PulseServer) -> None:
    """What the call renders is what the cable carries."""
    device, stream = SoundDeviceAudio(), MemoryStream(tone(700, 60))
    with sound.recording() as speaker:
        device.start(stream)
        stream.wait_pulled(72_000)
        device.stop()
    heard = loudest(speaker.samples, 0.3)
    assert snr(heard, 700) > 30
    assert level(heard) == pytest.approx(0.354, rel=0.05)


def test_devices_are_chosen_by_name_and_by_index(sound: PulseServer) -> None:
    """And the name of the object tells what is in use."""
    index = next(device.index for device in list_devices() if device.name == "loudspeaker")
    device, stream = SoundDeviceAudio("headset", index), MemoryStream(tone(700, 60))
    assert device.name == f"input headset and output {index}"
    with sound.recording() as speaker:
        device.start(stream)
        assert device.name == "headset and loudspeaker"
        stream.wait_pulled(48_000)
        device.stop()
    assert snr(loudest(speaker.samples, 0.2), 700) > 30


def test_latencies_are_told(sound: PulseServer) -> None:
    """For the echo canceller; unknown before the start."""
    device, stream = SoundDeviceAudio(), MemoryStream()
    assert (device.input_latency, device.output_latency) == (0.0, 0.0)
    device.start(stream)
    assert 0 < device.input_latency < 0.5
    assert 0 < device.output_latency < 0.5
    device.stop()
    assert (device.input_overflows, device.output_underflows) >= (0, 0)


def test_an_unknown_device_is_refused_with_the_list(sound: PulseServer) -> None:
    """After PortAudio has looked again, since it may have been plugged in just now."""
    with pytest.raises(MediaError, match=r"no input device is 'bluetooth'.* 0: headset, ALSA"):
        SoundDeviceAudio("bluetooth").start(MemoryStream())


def test_it_serves_one_call_at_a_time(sound: PulseServer) -> None:
    """A second start is refused; a second object is not."""
    device, other, first, second = SoundDeviceAudio(), SoundDeviceAudio(), MemoryStream(), MemoryStream()
    device.start(first)
    with pytest.raises(MediaError, match="already serve a call"):
        device.start(second)
    other.start(second)
    first.wait_pulled(4800)
    second.wait_pulled(4800)
    device.stop()
    other.stop()


def test_it_serves_one_call_after_the_other(sound: PulseServer) -> None:
    """And the call that is over is not touched any more."""
    device = SoundDeviceAudio()
    device.stop()
    for _ in range(3):
        stream = MemoryStream()
        device.start(stream)
        stream.wait_pulled(4800)
        device.stop()
        stream.seal()
        device.stop()
        assert not stream.touched_after_seal


def test_any_thread_may_stop_it(sound: PulseServer) -> None:
    """Several at once, each of which waits until it is over."""
    device, stream = SoundDeviceAudio(), MemoryStream()
    device.start(stream)
    stream.wait_pulled(960)
    threads = [threading.Thread(target=device.stop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    stream.seal()
    device.stop()
    assert not stream.touched_after_seal


def test_it_can_be_stopped_from_the_sound_cards_own_thread(sound: PulseServer) -> None:
    """Which cannot wait for itself; the next call can start all the same."""
    stopped = threading.Event()

    def render(samples: int) -> Int16:
        if stream.pulled > 4800:
            device.stop()
            stream.seal()
            stopped.set()
        return np.zeros(samples, np.int16)

    device, stream = SoundDeviceAudio(), MemoryStream(render)
    device.start(stream)
    assert stopped.wait(10)
    after = MemoryStream()
    device.start(after)
    after.wait_pulled(4800)
    device.stop()
    assert not stream.touched_after_seal


def test_a_failing_call_does_not_end_the_stream(sound: PulseServer, caplog: pytest.LogCaptureFixture) -> None:
    """One error with its traceback in the log; the callbacks go on."""

    def render(samples: int) -> Int16:
        raise RuntimeError("the call is broken")

    device, stream = SoundDeviceAudio(), MemoryStream(render)
    device.start(stream)
    stream.wait_pulled(48_000)
    device.stop()
    assert len(stream.captured) > 0
    assert caplog.text.count("RuntimeError: the call is broken") == 1
    assert stream.error is None


def test_a_dying_sound_system_is_reported_to_the_call(pulse: PulseServer) -> None:
    """Within moments, and only once; a restarted one is found again by the same object."""
    with pulse.environment():
        device, stream = SoundDeviceAudio(), MemoryStream()
        device.start(stream)
        stream.wait_pulled(4800)
        pulse.kill()
        error = stream.wait_failed()
        assert "stopped by itself" in error.message
        device.stop()
        stream.seal()
        with pytest.raises(MediaError, match="no sound device"):
            device.start(MemoryStream())
        pulse.start()
        again = MemoryStream()
        device.start(again)
        again.wait_pulled(4800)
        device.stop()
        assert not stream.touched_after_seal


def test_the_call_may_react_to_the_failure_at_once(pulse: PulseServer) -> None:
    """Stop it and start another device, or the same one, on the thread that reports."""
    done = threading.Event()
    fallback = NullAudio()
    refusals: list[str] = []

    class Reacting(MemoryStream):
        def device_failed(self, error: MediaError) -> None:
            device.stop()
            try:
                device.start(self)
            except MediaError as refusal:
                refusals.append(refusal.message)
            fallback.start(self)
            done.set()

    with pulse.environment():
        device, stream = SoundDeviceAudio(), Reacting()
        device.start(stream)
        stream.wait_pulled(4800)
        pulse.kill()
        assert done.wait(10)
        assert refusals[0].startswith("this machine has no sound device")
        stream.wait_pulled(stream.pulled + 4800)
        device.stop()
        fallback.stop()


PLAYER = """
import logging, os, sys, threading
import numpy as np
from telnyx_agent.audio import SoundDeviceAudio, _streams
from tests.audio.memory_stream import MemoryStream, tone

class Stream(MemoryStream):
    hears = False

    def push_capture(self, pcm):
        super().push_capture(pcm)
        before, self.hears = self.hears, bool(np.abs(np.frombuffer(pcm, np.int16)).max() > 3000)
        if self.hears and not before:
            print("hears", flush=True)

    def device_failed(self, error):
        print("failed:", error.message, flush=True)

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
_streams.Line.is_behind = lambda line: False  # which a busy machine is, and then opens the stream again for that
device, stream = SoundDeviceAudio(), Stream(tone(700, 100))
device.start(stream)
stream.wait_pulled(9600)
print("plays", flush=True)
for line in sys.stdin:
    stream.wait_pulled(stream.pulled + 9600)
    print("goes on", flush=True)
os._exit(0)
"""
"""Plays until its stdin ends, and prints what becomes of it."""


class Player:
    """A process of its own, which is ended from outside: PortAudio 19.6 may not survive that its streams are killed.

    Its thread for a stream then prints one line for ever, and whoever closes the stream waits for that thread.
    """

    def __init__(self, sound: PulseServer) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-c", PLAYER],
            env={**os.environ, **sound.variables()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._seen = 0
        self._has_ended = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._process:
            self._process.kill()
            self._reader.join()

    def wait_for(self, *parts: str) -> str:
        """The next line that has one of these parts; pytest's time-out ends the wait."""
        with self._changed:
            while True:
                for line in self._lines[self._seen :]:
                    self._seen += 1
                    if any(part in line for part in parts):
                        return line
                assert not self._has_ended, f"the program ended before {parts}: {self._lines}"
                self._changed.wait()

    def has_said(self, part: str) -> bool:
        """Whether there was a line that has this part."""
        with self._changed:
            return any(part in line for line in self._lines)

    def goes_on(self) -> str:
        """What it says when it is asked whether it goes on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.wait_for("goes on", "failed:")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()


HUNG = "a driver has hung"


@pytest.mark.parametrize("kind", ["sink-input", "source-output"])
def test_a_stream_that_breaks_down_is_opened_again(pulse: PulseServer, kind: str) -> None:
    """The device is still there, so the call need not know; it is told where PortAudio hangs in the dead stream."""
    with Player(pulse) as player:
        player.wait_for("plays")
        pulse.drop(kind)
        line = player.wait_for("broke down and was opened again", "failed:")
        if "failed:" not in line:
            line = player.goes_on()
        assert "goes on" in line or HUNG in line


def test_the_agent_is_heard_again_after_its_stream_was_ended(pulse: PulseServer) -> None:
    """Whoever mends it: PortAudio and ALSA often do it by themselves."""
    with Player(pulse) as player:
        player.wait_for("plays")
        pulse.end_streams("sink-input")
        in_a_row = 0
        with pulse.listening() as blocks:
            for block in blocks:
                in_a_row = in_a_row + 1 if level(block) > 0.1 and snr(block, 700) > 10 else 0
                if in_a_row == 5 or player.has_said(HUNG):
                    return
    pytest.fail("nothing more came from the loudspeaker")


def test_the_user_is_heard_again_after_the_stream_was_ended(pulse: PulseServer) -> None:
    """The same in the other direction."""
    with Player(pulse) as player:
        player.wait_for("plays")
        assert not player.has_said("hears")
        pulse.end_streams("source-output")
        while not player.has_said("hears") and not player.has_said(HUNG):
            pulse.play(tone(440, 0.3))


def test_a_stream_that_breaks_down_all_the_time_has_failed(pulse: PulseServer) -> None:
    """After the third attempt within half a minute the call is told."""
    with Player(pulse) as player:
        player.wait_for("plays")
        # On a busy machine a stream that was opened again may bring nothing within a second, which is a breakdown, too.
        while True:
            # Not while PortAudio looks at the devices: it does not survive that they are taken from it then.
            pulse.drop("sink-input", "source-output")
            if "failed:" in (line := player.wait_for("was opened again", "failed:")):
                break
        assert "failed: the sound device default" in line or HUNG in line


def test_a_call_that_cannot_be_told_is_logged(pulse: PulseServer, caplog: pytest.LogCaptureFixture) -> None:
    """The devices are closed all the same."""

    class Broken(MemoryStream):
        def device_failed(self, error: MediaError) -> None:
            super().device_failed(error)
            raise LookupError("broken")

    with pulse.environment():
        device, stream = SoundDeviceAudio(), Broken()
        device.start(stream)
        pulse.kill()
        stream.wait_failed()
        device.stop()
        assert portaudio.look_again()
    assert caplog.text.count("LookupError: broken") == 1


def test_a_busy_device_is_refused_without_trying_every_format(
    sound: PulseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PortAudio waits a second for each attempt. PulseAudio's devices are never busy, so the refusal is made up."""
    import sounddevice

    attempts: list[int] = []

    def busy(**arguments: Any) -> None:
        attempts.append(arguments["samplerate"])
        raise sounddevice.PortAudioError("Error opening stream: Device unavailable", -9985)

    for kind in ("RawStream", "RawInputStream", "RawOutputStream"):
        monkeypatch.setattr(sounddevice, kind, busy)
    with pytest.raises(MediaError, match="another program is using it; close that program"):
        SoundDeviceAudio().start(MemoryStream())
    assert len(attempts) == 4  # together and the microphone alone, before and after PortAudio has looked again


def test_a_driver_that_hangs_does_not_hold_up_the_program_for_ever(
    sound: PulseServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`stop` gives up with a warning; the call is not touched any more all the same."""
    monkeypatch.setattr("telnyx_agent.audio._sound_run._JOIN_TIMEOUT", 0.05)
    device, stream, release = SoundDeviceAudio(), MemoryStream(), threading.Event()
    device.start(stream)
    run: Any = device._run
    close = run._close
    monkeypatch.setattr(run, "_close", lambda lines: (release.wait(10), close(lines)))
    device.stop()
    stream.seal()
    assert "did not close" in caplog.text
    with pytest.raises(MediaError, match="already serve"):
        device.start(MemoryStream())
    monkeypatch.setattr("telnyx_agent.audio._sound_run._JOIN_TIMEOUT", 5.0)
    release.set()
    device.stop()
    assert not stream.touched_after_seal


@pytest.mark.slow
def test_a_device_that_does_not_move_is_reported(
    pulse: PulseServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It can be opened, but no block ever comes: drivers do that when a device is unplugged."""
    with pulse.environment(STUCK):
        device, stream = SoundDeviceAudio("stuck", "surround"), Following()
        device.start(stream)
        assert stream.changed.wait(20)
        device.stop()
    error = stream.changes[0].error
    assert error is not None
    assert "does not move" in error.message


def test_a_card_that_refuses_48_khz_is_served_at_its_own_rate(pulse: PulseServer) -> None:
    """44.1 kHz for the loudspeaker, 48 kHz for the microphone: two streams, each at the pace of its card."""
    with pulse.environment(SURROUND):
        device, stream = SoundDeviceAudio(output="surround"), MemoryStream()
        device.start(stream)
        stream.wait_captured(24_000)
        stream.wait_pulled(9600)
        run: Any = device._run
        rates = [line.rate for line in run._lines]
        blocks = run._lines[1].blocks
        device.stop()
    assert rates == [48000, 44100]
    assert abs(stream.pulled - blocks * 480) <= 960


@pytest.mark.parametrize(
    ("devices", "missing", "captures"), [(INPUT_ONLY, "output", True), (OUTPUT_ONLY, "input", False)]
)
def test_half_a_sound_system_is_used(
    pulse: PulseServer, caplog: pytest.LogCaptureFixture, devices: str, missing: str, captures: bool
) -> None:
    """A machine with a microphone or a loudspeaker alone; what is missing is logged, and the pace is kept."""
    with pulse.environment(devices):
        device, stream = default_audio(), MemoryStream()
        assert isinstance(device, SoundDeviceAudio)
        device.start(stream)
        stream.wait_pulled(24_000)
        device.stop()
    assert f"this machine has no {missing} device" in caplog.text
    assert stream.captured_blocks
    assert captures or not stream.captured.any()


@pytest.mark.slow
def test_a_microphone_of_zeros_is_warned_about_once(
    sound: PulseServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What macOS delivers when the permission is missing; not before three seconds."""
    device, stream = SoundDeviceAudio(), MemoryStream()
    device.start(stream)
    stream.wait_captured(48_000 * 2)
    assert "zeros" not in caplog.text
    stream.wait_captured(round(48_000 * 4.5))
    device.stop()
    assert caplog.text.count("nothing but zeros") == 1


@pytest.mark.slow
def test_a_pause_of_the_speaker_is_no_silent_microphone(
    sound: PulseServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One sound at the beginning is enough."""
    device, stream = SoundDeviceAudio(), MemoryStream()
    device.start(stream)
    sound.play(tone(440, 0.2))
    stream.wait_captured(len(stream.captured) + round(48_000 * 3.5))
    device.stop()
    assert "zeros" not in caplog.text


def test_looking_again_spares_open_streams(sound: PulseServer) -> None:
    """Those of the program's own, too: PortAudio would close them under its feet."""
    import sounddevice

    with sounddevice.RawOutputStream(channels=1, dtype="int16") as foreign:
        assert not portaudio.look_again()
        assert list_devices(refresh=True)
        assert foreign.active
    assert portaudio.look_again()


def test_a_program_that_forgets_to_stop_ends(pulse: PulseServer) -> None:
    """Without a crash, a hang or a word on stderr, although PortAudio's threads are still calling."""
    script = (
        "from tests.audio.memory_stream import MemoryStream\n"
        "from telnyx_agent.audio import SoundDeviceAudio\n"
        "stream = MemoryStream()\n"
        "SoundDeviceAudio().start(stream)\n"
        "stream.wait_pulled(9600)\n"
        "print('end')\n"
    )
    environment = {**os.environ, **pulse.variables()}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_the_watching_thread_logs_what_was_opened(sound: PulseServer, caplog: pytest.LogCaptureFixture) -> None:
    """At info level, for bug reports."""
    with caplog.at_level(logging.INFO, "telnyx_agent.audio"):
        device, stream = SoundDeviceAudio(), MemoryStream()
        device.start(stream)
        device.stop()
    assert "48000 Hz" in caplog.text


@pytest.mark.parametrize("value", [1.5, b"headset", ["headset"]])
def test_a_device_of_the_wrong_type_is_refused(value: Any) -> None:
    """When the object is made."""
    with pytest.raises(ClientConfigurationError, match="index or a part of its name"):
        SoundDeviceAudio(input=value)


class Following(MemoryStream):
    """Hears of changes, too."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[AudioDeviceChange] = []
        self.changed = threading.Event()

    def device_changed(self, change: AudioDeviceChange) -> None:
        self.changes.append(change)
        self.changed.set()


def test_other_devices_in_mid_call(sound: PulseServer) -> None:
    """The call hears of it, and what cannot be used leaves those in place that were in use."""
    device, stream = SoundDeviceAudio(), Following()
    device.start(stream)
    stream.wait_pulled(4800)
    device.switch(output="loudspeaker")
    assert device.name == "default and loudspeaker"
    change = stream.changes[-1]
    assert (change.reason.value, change.input, change.output) == ("switched", "default", "loudspeaker")
    with pytest.raises(MediaError, match="no input device is 'bluetooth'"):
        device.switch(input="bluetooth")
    stream.wait_pulled(stream.pulled + 4800)
    stream.wait_captured(len(stream.captured) + 4800)
    device.stop()
    assert len(stream.changes) == 1


def test_an_unplugged_device_is_replaced_by_the_default(sound: PulseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """PortAudio does not list it any more; the call goes on and hears of it."""
    monkeypatch.setattr("telnyx_agent.audio._streams.Line.is_behind", lambda line: False)  # which a busy machine is
    device, stream = SoundDeviceAudio("headset", "loudspeaker"), Following()
    device.start(stream)
    stream.wait_pulled(24_000)
    assert "loudspeaker" in device.name
    monkeypatch.setattr(portaudio, "find", lambda known, info, direction: None)
    sound.drop("sink-input", "source-output")
    assert stream.changed.wait(10)
    change = stream.changes[0]
    assert (change.reason.value, change.input, change.output) == ("unplugged", "default", "default")
    assert change.error is not None
    assert "unplugged" in change.error.message
    stream.wait_pulled(stream.pulled + 4800)
    stream.wait_captured(len(stream.captured) + 4800)
    device.stop()
    assert stream.error is None


def test_what_has_piled_up_in_the_driver_is_left_behind(sound: PulseServer, caplog: pytest.LogCaptureFixture) -> None:
    """After a stall PortAudio's ALSA driver would deliver everything late for the rest of the call."""
    caplog.set_level(logging.INFO, "telnyx_agent.audio")
    device, stream = SoundDeviceAudio(), MemoryStream()
    device.start(stream)
    stream.wait_pulled(48_000)
    run: Any = device._run
    callbacks = run._lines[0].callbacks
    stalled = threading.Event()
    # The callback itself takes its time once, which is what a process that is stopped or very busy looks like.
    capture = callbacks.capture
    put = capture.put

    def stall(data: bytes) -> None:
        if not stalled.is_set():
            stalled.set()
            threading.Event().wait(0.3)
        put(data)

    capture.put = stall
    while "was opened again" not in caplog.text:
        stream.wait_pulled(stream.pulled + 4800)
    stream.wait_pulled(stream.pulled + 24_000)
    age = run._lines[0].callbacks.input_age
    device.stop()
    assert "had piled up" in caplog.text
    assert age < 0.15
    assert stream.error is None


@pytest.mark.slow
def test_a_call_outlives_the_sound_system(pulse: PulseServer) -> None:
    """In silence, at its pace, until there are devices again."""
    with pulse.environment():
        device, stream = SoundDeviceAudio(), Following()
        device.start(stream)
        stream.wait_pulled(4800)
        pulse.kill()
        assert stream.changed.wait(10)
        stream.wait_pulled(stream.pulled + 4800)
        stream.changed.clear()
        pulse.start()
        assert stream.changed.wait(20)
        stream.wait_pulled(stream.pulled + 4800)
        device.stop()
    assert [change.reason.value for change in stream.changes] == ["failed", "recovered"]
    assert stream.changes[0].error is not None


def test_the_loudspeaker_alone(sound: PulseServer, caplog: pytest.LogCaptureFixture) -> None:
    """For ringing: what it is given is heard, and no microphone is opened, nor missed."""
    device, stream = default_speaker(), MemoryStream(tone(700, 60))
    with sound.recording() as speaker, caplog.at_level(logging.INFO):
        device.start(stream)
        stream.wait_pulled(72_000)
        device.stop()
    assert snr(loudest(speaker.samples, 0.5), 700) > 30
    assert not stream.captured_blocks or not np.any(stream.captured)
    assert "input" not in caplog.text
