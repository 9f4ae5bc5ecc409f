"""What is sent: its pace, its timestamps, and what is in the frames. First without a clock, then by the real one."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import numpy as np
import pytest

from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.codecs.codec import Encoder
from telnyx_agent._media.codecs.table import create_decoder, create_encoder
from telnyx_agent._media.rtc.sender import FramePace, FrameSender
from telnyx_agent.codecs import OpusSettings
from tests.media.harness import FRAME, RATE, Samples, level, patient, pitch, run, tone


class RawEncoder:
    """Payloads are the samples, so that a test can say exactly what was sent."""

    def __init__(self, clock_rate: int = RATE) -> None:
        self.clock_rate = clock_rate

    def encode(self, samples: Samples) -> bytes:
        assert samples.size == FRAME
        return samples.tobytes()


class Script:
    """A pace and a microphone that live in a time of their own."""

    def __init__(self) -> None:
        self.bridge = AudioBridge()
        self.pace = FramePace(self.bridge)
        self.sent: list[tuple[float, int, Samples]] = []
        self.looks = 0
        self.pushed = 0
        self._now = 100.0

    def push(self, at: float, blocks: int = 1) -> None:
        """The device delivers a count, 10 ms at a time, at a moment of its own."""
        self.run(at)
        for _ in range(blocks):
            count = np.arange(self.pushed, self.pushed + 480) % 30000 + 1
            self.bridge.push_capture(count.astype(np.int16))
            self.bridge.capture.last_push = 100.0 + at
            self.pushed += 480

    def run(self, until: float) -> None:
        """Look as often as the pace wants to."""
        while self._now <= 100.0 + until:
            self.looks += 1
            more = True
            while more:
                samples = self.pace.step(self._now)
                if samples is not None:
                    self.sent.append((self._now - 100.0, self.pace.position, samples))
                more = self.pace.more
            assert self.pace.wake > self._now
            self._now = self.pace.wake

    def voice(self) -> Samples:
        whole = np.concatenate([samples for _, _, samples in self.sent])
        return np.asarray(whole[whole != 0], np.int16)


def test_one_look_for_each_frame_of_a_regular_device() -> None:
    """It is known when the next frame will be complete; it goes out about a millisecond later."""
    script = Script()
    for block in range(400):
        script.push(0.0037 + 0.01 * block)
    assert script.looks < 1.1 * len(script.sent)
    late = [at - 0.0037 - 0.01 * round((at - 0.0037) / 0.01 - 0.4) for at, _, _ in script.sent[10:]]
    assert max(late) < 0.004
    assert float(np.median(late)) < 0.002
    assert (np.diff(script.voice().astype(int)) % 30000 == 1).all()
    assert {b[1] - a[1] for a, b in zip(script.sent, script.sent[1:], strict=False)} == {FRAME}


def test_an_irregular_device_costs_looks_or_delay_but_little_of_both() -> None:
    """Blocks that come up to 3 ms late: looked for a little later, and hardly ever twice."""
    script = Script()
    dice = random.Random(5)
    for block in range(1000):
        script.push(0.003 + 0.01 * block + dice.uniform(0.0, 0.003))
    assert script.looks < 1.6 * len(script.sent)
    assert script.voice().size >= script.pushed - 2 * FRAME - 480
    gaps = np.diff([at for at, _, _ in script.sent[5:]])
    assert gaps.max() < 0.03


def test_a_device_that_delivers_40_ms_at_a_time() -> None:
    """Two frames at once, twice as seldom; nothing is taken for a stall."""
    script = Script()
    for burst in range(100):
        script.push(0.005 + 0.04 * burst, blocks=4)
    silent = script.pace.silent_frames
    assert silent <= 2
    assert script.voice().size >= script.pushed - 4 * FRAME
    assert script.sent[-1][1] == (len(script.sent) - 1) * FRAME


def test_without_a_device_by_the_clock() -> None:
    """Exactly one frame of silence every 20 ms."""
    script = Script()
    script.run(2.0)
    assert len(script.sent) in (100, 101)
    assert np.allclose(np.diff([at for at, _, _ in script.sent]), 0.02)
    assert script.pace.silent_frames == len(script.sent)


def test_a_device_that_stops_and_begins_again() -> None:
    """Silence in step with real time in between, and the voice whole on both sides."""
    script = Script()
    for block in range(51):
        script.push(0.002 + 0.01 * block)
    for block in range(50):
        script.push(2.002 + 0.01 * block)
    assert script.voice().size >= script.pushed - 2 * FRAME
    (begin, first, _), (end, last, _) = script.sent[0], script.sent[-1]
    assert (last - first) / RATE == pytest.approx(end - begin, abs=0.025)
    assert 60 < script.pace.silent_frames < 80


class Sent:
    """What a sender sends: (time, timestamp in samples, payload) of each frame that is not empty."""

    def __init__(self, bridge: AudioBridge, encoder: Encoder | None = None) -> None:
        self._bridge = bridge
        self._encoder = RawEncoder() if encoder is None else encoder
        self.sender: FrameSender | None = None
        self.frames: list[tuple[float, int, bytes]] = []
        self.waiting: list[int] = []

    async def take(self, seconds: float) -> None:
        """Let it send for so long."""
        if self.sender is None:
            self.sender = FrameSender(self._bridge)
            self.sender.encoder = self._encoder
        self.sender.start(self._note)
        await asyncio.sleep(seconds)
        self.sender.stop()

    def _note(self, timestamp: int, payload: bytes) -> None:
        self.waiting.append(self._bridge.capture.available)
        if payload:
            self.frames.append((time.monotonic(), timestamp * RATE // self._encoder.clock_rate, payload))

    def samples(self) -> Samples:
        return np.concatenate([np.frombuffer(payload, np.int16) for _, _, payload in self.frames])

    def steps(self) -> set[int]:
        positions = [position for _, position, _ in self.frames]
        return set(np.diff(positions).tolist())

    def drift(self) -> float:
        """Seconds by which the timestamps have run ahead of real time since the first frame."""
        (begin, first, _), (end, last, _) = self.frames[0], self.frames[-1]
        return (last - first) / RATE - (end - begin)


class Microphone(threading.Thread):
    """Pushes a count, 10 ms at a time, in real time; holds its breath when told to and then hands over what it owes."""

    def __init__(self, bridge: AudioBridge, *, catches_up: bool = True) -> None:
        super().__init__(name="test-microphone")
        self._bridge = bridge
        self._catches_up = catches_up
        self._end = threading.Event()
        self.talking = threading.Event()
        self.pushed = 0

    def run(self) -> None:
        due = time.monotonic()
        while not self._end.wait(max(0.0, due - time.monotonic())):
            if not self.talking.is_set():
                self.talking.wait(0.05)
                if not self._catches_up:
                    due = time.monotonic()
                continue
            count = np.arange(self.pushed, self.pushed + 480) % 30000 + 1
            self._bridge.push_capture(count.astype(np.int16))
            self.pushed += 480
            due += 0.01

    def __enter__(self) -> Microphone:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.talking.set()
        self.join()


@pytest.mark.slow
@patient
def test_without_a_device_silence_goes_out_in_step() -> None:
    """50 frames a second by the clock, without drift, without a hole in the timestamps."""
    sent = Sent(AudioBridge())
    run(lambda: sent.take(2.0))
    assert 99 <= len(sent.frames) <= 102
    assert sent.steps() == {FRAME}
    assert abs(sent.drift()) < 0.03
    assert not sent.samples().any()
    assert sent.sender is not None
    assert sent.sender.silent_frames == len(sent.frames)


@pytest.mark.slow
@patient
def test_what_is_captured_is_sent_whole() -> None:
    """Every sample once, in order, soon after it was captured."""
    bridge = AudioBridge()
    sent = Sent(bridge)
    with Microphone(bridge) as microphone:
        microphone.talking.set()
        run(lambda: sent.take(2.0))
    heard = sent.samples()
    voice = heard[np.flatnonzero(heard)[0] :]
    assert voice.size > 1.8 * RATE
    assert (np.diff(voice.astype(int)) % 30000 == 1).all()
    assert sent.steps() == {FRAME}
    assert abs(sent.drift()) < 0.04
    assert sent.sender is not None
    assert sent.sender.silent_frames <= 3


@patient
def test_a_frame_goes_out_soon_after_it_is_complete() -> None:
    """Looking for frames costs a few milliseconds at most, on average less than five."""
    bridge = AudioBridge()
    sent = Sent(bridge)
    with Microphone(bridge) as microphone:
        microphone.talking.set()
        run(lambda: sent.take(1.5))
    assert np.median(sent.waiting) <= 480


@pytest.mark.slow
@patient
def test_a_device_that_comes_and_goes_keeps_in_step_with_real_time() -> None:
    """Six utterances with pauses: timestamps neither lead nor lag, and no utterance is cut."""
    bridge = AudioBridge()
    sent = Sent(bridge)

    async def main() -> None:
        reading = asyncio.ensure_future(sent.take(3.6))
        for _ in range(6):
            microphone.talking.set()
            await asyncio.sleep(0.3)
            microphone.talking.clear()
            await asyncio.sleep(0.3)
        await reading

    with Microphone(bridge, catches_up=False) as microphone:
        run(main)
    assert abs(sent.drift()) < 0.06
    assert sent.steps() == {FRAME}
    voice = sent.samples()
    voice = voice[voice != 0]
    assert (np.diff(voice.astype(int)) % 30000 == 1).all()
    assert voice.size >= microphone.pushed - 2 * FRAME


@pytest.mark.slow
@patient
def test_a_stalled_device_does_not_delay_what_comes_after() -> None:
    """The microphone hands over 150 ms at once: what was already sent as silence is left out, delay stays as it was."""
    bridge = AudioBridge()
    sent = Sent(bridge)

    async def main() -> None:
        reading = asyncio.ensure_future(sent.take(2.5))
        microphone.talking.set()
        for _ in range(4):
            await asyncio.sleep(0.35)
            microphone.talking.clear()
            await asyncio.sleep(0.15)
            microphone.talking.set()
        await reading

    with Microphone(bridge) as microphone:
        run(main)
    assert abs(sent.drift()) < 0.08
    assert bridge.capture.available <= 2 * FRAME


@pytest.mark.slow
@patient
def test_a_loop_that_was_held_up_skips_in_the_timestamps() -> None:
    """Half a second without the loop: 200 ms of speech are kept, and the timestamps know how much is missing."""
    bridge = AudioBridge()
    sent = Sent(bridge)

    async def main() -> None:
        await sent.take(0.5)
        time.sleep(0.5)  # noqa: ASYNC251 - this is the hold-up
        await sent.take(1.0)

    with Microphone(bridge) as microphone:
        microphone.talking.set()
        run(main)
    assert bridge.capture.dropped > 0.2 * RATE
    assert abs(sent.drift()) < 0.06
    assert max(sent.steps()) >= bridge.capture.dropped


@patient
def test_silence_is_not_made_up_for_when_the_loop_was_held_up() -> None:
    """Nobody needs half a second of silence late."""
    sent = Sent(AudioBridge())

    async def main() -> None:
        await sent.take(0.2)
        time.sleep(0.5)  # noqa: ASYNC251 - this is the hold-up
        await sent.take(0.5)

    run(main)
    assert abs(sent.drift()) < 0.03
    assert len(sent.frames) < 45


@patient
def test_a_device_without_any_pace_cannot_take_the_loop() -> None:
    """A source that pushes as fast as it can is slowed down to real time; everything else on the loop goes on."""
    bridge = AudioBridge()
    sent = Sent(bridge)
    stop = threading.Event()
    ticks = 0

    def flood() -> None:
        while not stop.is_set():
            bridge.push_capture(np.ones(480, np.int16))

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def main() -> None:
        ticking = asyncio.ensure_future(tick())
        await sent.take(1.0)
        ticking.cancel()

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        run(main)
    finally:
        stop.set()
        thread.join()
    assert ticks > 5
    assert len(sent.frames) < 90


@patient
def test_mute_is_silence_at_once() -> None:
    """Also for what was captured before and not sent yet."""
    bridge = AudioBridge()
    sent = Sent(bridge)

    async def main() -> None:
        await sent.take(0.3)
        bridge.muted = True
        begin = len(sent.frames)
        await sent.take(0.3)
        assert not any(any(payload) for _, _, payload in sent.frames[begin:])
        bridge.muted = False
        await sent.take(0.3)

    with Microphone(bridge) as microphone:
        microphone.talking.set()
        run(main)
    assert any(sent.frames[-1][2])
    assert sent.steps() == {FRAME}


def test_what_was_said_before_the_call_is_not_sent() -> None:
    """A device that started early has filled the buffer with the past."""
    bridge = AudioBridge()
    bridge.push_capture(np.ones(9600, np.int16))
    sent = Sent(bridge)
    run(lambda: sent.take(0.1))
    assert not sent.samples().any()


@pytest.mark.parametrize("name", ["G722", "PCMU", "PCMA"])
def test_timestamps_of_narrow_codecs_tick_at_8_khz(name: str) -> None:
    """20 ms are 160 ticks, whatever the codec's real rate."""
    encoder = create_encoder(name)
    assert encoder.clock_rate == 8000
    timestamps: list[int] = []

    async def main() -> None:
        sender = FrameSender(AudioBridge())
        sender.encoder = encoder
        sender.start(lambda timestamp, payload: timestamps.append(timestamp))
        await asyncio.sleep(0.15)
        sender.stop()

    run(main)
    assert len(timestamps) >= 3
    assert timestamps[0] == 0
    assert {step % 160 for step in timestamps} == {0}
    assert min(np.diff(timestamps)) == 160


@patient
def test_opus_frames_carry_the_voice() -> None:
    """Through the real encoder: the tone comes out of the real decoder."""
    bridge = AudioBridge()
    sent = Sent(bridge, create_encoder("opus"))
    voice = tone(440, 5.0)
    with ToneSource(bridge, voice):
        run(lambda: sent.take(1.0))
    decoder = create_decoder("opus")
    heard = np.concatenate([decoder.decode(payload) for _, _, payload in sent.frames])[9600:]
    assert pitch(heard) == pytest.approx(440, abs=3)
    assert level(heard) == pytest.approx(level(voice), rel=0.1)


@pytest.mark.slow
@patient
def test_dtx_leaves_holes_that_the_timestamps_explain() -> None:
    """Silence is hardly sent, and time goes on."""
    sent = Sent(AudioBridge(), create_encoder("opus", OpusSettings(dtx=True)))
    run(lambda: sent.take(2.0))
    assert len(sent.frames) < 60
    assert abs(sent.drift()) < 0.05
    assert max(sent.steps()) >= 10 * FRAME


def test_stopped_is_stopped_and_without_a_codec_nothing_is_sent() -> None:
    """No frame after `stop`, also from inside a frame; none before a codec is known."""
    frames: list[int] = []

    async def main() -> None:
        sender = FrameSender(AudioBridge())

        def take(timestamp: int, payload: bytes) -> None:
            frames.append(timestamp)
            sender.stop()

        sender.start(take)
        await asyncio.sleep(0.05)
        assert not frames
        sender.encoder = RawEncoder()
        await asyncio.sleep(0.1)
        sender.stop()

    run(main)
    assert len(frames) == 1


def test_a_frame_that_cannot_be_encoded_is_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """One line with the traceback; the frames after it are sent."""

    class Moody(RawEncoder):
        frames = 0

        def encode(self, samples: Samples) -> bytes:
            self.frames += 1
            if self.frames in (2, 3):
                raise ValueError("not in the mood")
            return super().encode(samples)

    sent = Sent(AudioBridge(), Moody())
    run(lambda: sent.take(0.3))
    assert len(sent.frames) > 5
    assert max(sent.steps()) >= 2 * FRAME
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "a frame could not be sent (further errors of this call are not logged)"
    ]
    assert "not in the mood" in caplog.text


class ToneSource:
    """A device that only captures."""

    def __init__(self, bridge: AudioBridge, samples: Samples) -> None:
        self._bridge = bridge
        self._samples = samples
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> ToneSource:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        for at in range(0, self._samples.size, 480):
            if self._end.wait(max(0.0, due - time.monotonic())):
                return
            self._bridge.push_capture(self._samples[at : at + 480])
            due += 0.01
