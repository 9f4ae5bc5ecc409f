"""Recordings of real calls: exactly what was at the device, on both sides of each instant, whatever happens to it."""

from __future__ import annotations

import io
import os
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from telnyx_agent import Call, CallError, CallState, MediaError, TxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate
from tests.media.harness import patient
from tests.support.duplex import BLOCK, Duplex, Samples


def noise(seed: int, loudness: float = 3000) -> Samples:
    """Ten seconds that are nowhere like themselves, so that every block's place can be found."""
    values = np.random.default_rng(seed).standard_normal(1000 * BLOCK) * loudness
    return np.clip(values, -32000, 32000).astype(np.int16)


def from_noise(sound: Samples, *, without: range = range(0)) -> Duplex:
    """A device that captures it, and nothing at all in some steps."""

    def speak(step: int) -> Samples | None:
        first = step % 1000 * BLOCK
        return None if step in without else sound[first : first + BLOCK]

    return Duplex(speak)


def read(source: Path | io.BytesIO) -> tuple[Samples, Samples]:
    with wave.open(source if isinstance(source, io.BytesIO) else str(source)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 48000)
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return frames[:, 0], frames[:, 1]


def place(channel: Samples, block: Samples) -> int:
    """Where a block is; it is there exactly once."""
    starts = np.flatnonzero(channel[: channel.size - block.size + 1] == block[0])
    found = [int(start) for start in starts if (channel[start : start + block.size] == block).all()]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def client(delegate: RecordingDelegate, talking_agent: LocalAgent) -> Iterator[TxClient]:
    """Logged in."""
    with TxClient(delegate) as client:
        client.anonymous_login("assistant-recording", server_configuration=talking_agent.configuration).result(10)
        yield client


def call_with(client: TxClient, device: Duplex) -> Call:
    """A call whose device runs."""
    call = client.new_call(audio=device)
    call.wait_until_active(15)
    device.wait_steps(5)
    return call


def assert_recorded(left: Samples, right: Samples, device: Duplex, steps: slice) -> int:
    """These steps of a device are in the recording, both sides at the same place; returns the place."""
    captured, rendered = device.captured(), device.rendered()
    first, last = steps.start * BLOCK, steps.stop * BLOCK
    at = place(left, captured[first : first + BLOCK])
    size = last - first
    wrong = np.flatnonzero(left[at : at + size] != captured[first:last])
    assert not wrong.size, f"left differs {wrong[0]} samples after {at}"
    wrong = np.flatnonzero(right[at : at + size] != rendered[first:last])
    assert not wrong.size, f"right differs {wrong[0]} samples after {at}"
    return at


@pytest.mark.slow
def test_both_sides_of_a_call_are_aligned_through_everything(
    client: TxClient, tmp_path: Path, talking_agent: LocalAgent
) -> None:
    """A microphone that hangs for 300 ms, a change of devices with a gap, mute: never a sample off."""

    def scenario() -> None:
        first = from_noise(noise(1), without=range(120, 150))
        second = from_noise(noise(2))
        path = tmp_path / "call.wav"
        with call_with(client, first) as call:
            begin = len(first.steps) + 2
            call.record(path)
            assert call.is_recording
            talking_agent.say("one two three four five six seven")
            first.wait_steps(max(0, 180 - len(first.steps)))
            assert np.abs(first.rendered()).max() > 1000
            call.set_audio_device(second).result(10)
            second.wait_steps(30)
            call.mute_audio()
            muted = len(second.steps)
            second.wait_steps(20)
            call.unmute_audio()
            unmuted = len(second.steps) + 2
            talking_agent.say("eight nine ten")
            second.wait_steps(60)
        left, right = read(path)
        at = assert_recorded(left, right, first, slice(begin, len(first.steps)))
        end = at + (len(first.steps) - begin) * BLOCK
        later = assert_recorded(left, right, second, slice(0, muted - 2))
        assert later >= end
        assert not left[later + (muted + 2) * BLOCK : later + (unmuted - 4) * BLOCK].any()
        assert later + unmuted * BLOCK == assert_recorded(left, right, second, slice(unmuted, len(second.steps) - 2))
        quiet = slice(later + (muted + 2) * BLOCK, later + (unmuted - 4) * BLOCK)
        assert (right[quiet] == second.rendered()[(muted + 2) * BLOCK : (unmuted - 4) * BLOCK]).all()
        assert np.abs(right[later:]).max() > 1000

    patient(scenario)()


def test_a_pause_is_left_out(client: TxClient, tmp_path: Path, talking_agent: LocalAgent) -> None:
    """Neither side's words are in the file, and both go on at the same instant."""
    device = from_noise(noise(3))
    path = tmp_path / "call.wav"
    with call_with(client, device) as call:
        begin = len(device.steps) + 2
        call.record(path)
        device.wait_steps(50)
        call.pause_recording()
        assert not call.is_recording
        paused = len(device.steps)
        talking_agent.say("this is private")
        device.wait_steps(60)
        call.resume_recording()
        assert call.is_recording
        resumed = len(device.steps)
        talking_agent.say("this is not")
        device.wait_steps(50)
        call.stop_recording()
        stopped = len(device.steps)
        assert not call.is_recording
        device.wait_steps(2)
        left, right = read(path)  # complete while the call goes on
        assert call.state == CallState.ACTIVE
    before = assert_recorded(left, right, device, slice(begin, paused - 2))
    after = assert_recorded(left, right, device, slice(resumed + 2, stopped - 2))
    assert abs(after - (before + (paused - begin) * BLOCK)) <= 5 * BLOCK
    assert left.size <= (stopped - begin - (resumed - paused) + 8) * BLOCK


def test_what_is_played_into_the_call_is_on_the_left(client: TxClient, tmp_path: Path) -> None:
    """The left channel is what was sent, not what the microphone heard."""
    sound = noise(4, 1000)
    device = from_noise(sound)
    path = tmp_path / "call.wav"
    with call_with(client, device) as call:
        call.record(path)
        assert call.play(np.full(24000, 20_000, np.int16), mix=False).wait(10)
        device.wait_steps(5)
        assert call.play(np.full(24000, 20_000, np.int16)).wait(10)
        device.wait_steps(5)
    left, _ = read(path)
    assert (left == 20_000).sum() >= 24000
    mixed = np.flatnonzero((left > 15_000) & (left != 20_000))
    assert mixed.size > 23000
    captured = device.captured()
    assert np.isin(left[mixed] - 20_000, captured).all()


def test_a_recording_that_fails_is_told_once_and_the_call_goes_on(
    client: TxClient, delegate: RecordingDelegate
) -> None:
    """A disk that is full in the midst of a call."""

    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            if self.tell() > 50_000:
                raise OSError(28, "No space left on device")
            return super().write(data)  # type: ignore[arg-type]

    device = from_noise(noise(5))
    with call_with(client, device) as call:
        call.record(Full())
        with pytest.raises(CallError, match="already"):
            call.record(io.BytesIO())
        (error,) = delegate.wait_for("on_client_error", 10)
        assert isinstance(error, MediaError)
        assert "make room on the disk" in str(error)
        assert call.state == CallState.ACTIVE
        assert not call.is_recording
    call.wait_until_ended(10)
    assert [event for event in delegate.events if event.name == "on_client_error"] != []
    assert len([event for event in delegate.events if event.name == "on_client_error"]) == 1


def test_a_call_can_be_recorded_into_a_pipe(client: TxClient) -> None:
    """For another program: a stream of unknown length that ends with the call."""
    reading, writing = os.pipe()
    received = bytearray()

    def drain() -> None:
        with os.fdopen(reading, "rb") as source:
            while part := source.read1(65536):
                received.extend(part)

    reader = threading.Thread(target=drain)
    reader.start()
    device = from_noise(noise(6))
    with os.fdopen(writing, "wb", buffering=0) as target, call_with(client, device) as call:
        begin = len(device.steps) + 2
        call.record(target)
        device.wait_steps(50)
        call.stop_recording()
        stopped = len(device.steps) - 2
    reader.join(10)
    frames = np.frombuffer(bytes(received[44:]), "<i2").reshape(-1, 2)
    assert_recorded(frames[:, 0], frames[:, 1], device, slice(begin, stopped))


def test_a_file_that_cannot_be_written_is_refused_at_once(client: TxClient, tmp_path: Path) -> None:
    """By `record` itself, and nothing is being recorded then."""
    with call_with(client, from_noise(noise(7))) as call:
        with pytest.raises(MediaError, match="cannot record to"):
            call.record(tmp_path / "nowhere" / "call.wav")
        assert not call.is_recording
        call.pause_recording()
        call.resume_recording()
        call.stop_recording()


def test_recording(client: TxClient, talking_agent: LocalAgent, tmp_path: Path) -> None:
    """A stereo WAV: the agent's tones are on the right, the caller, who was silent, on the left."""
    path = tmp_path / "call.wav"
    call = client.new_call()
    call.record(path)
    with pytest.raises(CallError, match="already"):
        call.record(path)
    call.wait_until_active(15)
    talking_agent.wait_for_call(lambda record: record.seconds_received > 2, 15)
    call.hangup().result(5)

    with wave.open(str(path)) as recording:
        assert (recording.getnchannels(), recording.getframerate(), recording.getsampwidth()) == (2, 48000, 2)
        samples = np.frombuffer(recording.readframes(recording.getnframes()), np.int16).reshape(-1, 2)
    assert len(samples) > 48000
    assert np.abs(samples[:, 0]).max() == 0
    assert np.abs(samples[:, 1]).max() > 1000


def test_a_recording_that_cannot_be_written(client: TxClient, delegate: RecordingDelegate) -> None:
    """A bad path is refused at once; a full disk is told by whoever ends the recording."""
    call = client.new_call()
    with pytest.raises(MediaError):
        call.record("/no/such/folder/call.wav")
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, a full disk")
    with pytest.raises(MediaError), open("/dev/full", "wb", buffering=0) as disk:
        call.record(disk)
