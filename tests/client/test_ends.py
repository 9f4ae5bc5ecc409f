"""What has a thread belongs to its call: it cannot begin after the call's end, and ends with it."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telnyx_agent import Call, CallError, MediaError, TxClient, TxConfig
from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.player import MOST_QUEUED, PlaybackState, Player
from telnyx_agent.audio import NullAudio, PcmAudio, Tone
from telnyx_agent.testing import LocalAgent, RecordingDelegate

DEVICE_THREADS = ("telnyx-agent-recorder", "telnyx-agent-playback", "telnyx-agent-audio")


def own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(DEVICE_THREADS)]


def gone(threads: list[threading.Thread]) -> bool:
    deadline = time.monotonic() + 5
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


METHODS: dict[str, Callable[[Call, Path], object]] = {
    "record": lambda call, path: call.record(path),
    "record into a file": lambda call, path: call.record(io.BytesIO()),
    "play": lambda call, path: call.play(b"\0\0" * 48_000),
    "play an iterable": lambda call, path: call.play(iter([b"\0\0" * 48_000] * 100)),
    "set_audio_device": lambda call, path: call.set_audio_device(PcmAudio()).result(10),
    "set_audio_in_device": lambda call, path: call.set_audio_in_device(None).result(10),
    "set_audio_device to none": lambda call, path: call.set_audio_device(NullAudio()).result(10),
}
STATES = ("NEW", "RINGING", "ACTIVE", "HELD", "DONE")


def in_state(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, name: str) -> Call:
    """A call in that state; a RINGING one comes in."""
    if name == "RINGING":
        client.connect(TxConfig(sip_user="alice", password="a-password"), agent.configuration).result(10)
        agent.call_client()
        (call,) = delegate.wait_for("on_incoming_call", 10)
        assert isinstance(call, Call)
        return call
    client.anonymous_login("assistant-owners", server_configuration=agent.configuration).result(10)
    call = client.new_call()
    if name != "NEW":
        call.wait_until_active(15)
    if name == "HELD":
        call.hold().result(10)
    if name == "DONE":
        call.hangup().result(10)
    return call


@pytest.mark.parametrize("state", STATES)
def test_nothing_outlives_its_call(
    client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path, state: str
) -> None:
    """Each method, on a call in each state: it works until the call is over, or is refused; then nothing is left."""
    call = in_state(client, talking_agent, delegate, state)
    before, descriptors = own_threads(), len(os.listdir("/dev/fd"))
    for number, (name, method) in enumerate(METHODS.items()):
        if state != "DONE":
            # Recorded already, no media yet, or not a sound card's.
            with contextlib.suppress(CallError, MediaError):
                method(call, tmp_path / f"{number}.wav")
            continue
        with pytest.raises(CallError):
            method(call, tmp_path / f"{number}.wav")
        assert own_threads() == before, name
        assert len(os.listdir("/dev/fd")) <= descriptors, name  # fewer: sockets of the set-up have closed meanwhile
    threads = own_threads()
    assert (len(threads) > len(before)) is (state != "DONE")
    call.hangup().result(10)
    assert call.state.is_terminal
    assert gone(threads)
    for name in ("record", "play"):
        with pytest.raises(CallError, match="over"):
            METHODS[name](call, tmp_path / "late.wav")
    assert not (tmp_path / "late.wav").exists()


def test_a_call_that_never_was_placed_ends_what_was_begun(client: TxClient, tmp_path: Path) -> None:
    """Its media never came up, and there is nobody who stops a device."""
    with LocalAgent(voice="silent", ears="deaf", media=False) as agent:
        client.anonymous_login("assistant-owners", server_configuration=agent.configuration)
        call = client.new_call()
        call.record(tmp_path / "call.wav")
        playback = call.play(b"\0\0" * 48_000)
        threads = own_threads()
        client.disconnect().result(10)
    assert gone(threads)
    assert playback.state is PlaybackState.CALL_ENDED
    with pytest.raises(CallError):
        call.record(tmp_path / "again.wav")


def test_recording_and_the_end_at_the_same_moment(tmp_path: Path) -> None:
    """Whoever comes first: no recorder runs afterwards. Two hundred meetings, without a network."""
    for number in range(200):
        bridge, meet = AudioBridge(), threading.Barrier(2)

        def end(bridge: AudioBridge = bridge, meet: threading.Barrier = meet) -> None:
            meet.wait(5)
            bridge.end()

        ender = threading.Thread(target=end)
        ender.start()
        meet.wait(5)
        with contextlib.suppress(CallError):
            bridge.record(tmp_path / f"{number}.wav", "id")
        with contextlib.suppress(CallError):
            bridge.player.play(b"\0\0" * 480)
        ender.join()
    assert gone([thread for thread in own_threads() if "audio" not in thread.name])


def test_recording_from_several_threads(tmp_path: Path) -> None:
    """Whoever begins, pauses or stops it at the same moment: no recorder is left without an owner."""
    bridge, errors = AudioBridge(), []
    before, descriptors = own_threads(), len(os.listdir("/dev/fd"))

    def work(number: int) -> None:
        for turn in range(30):
            try:
                with contextlib.suppress(CallError):
                    bridge.record(tmp_path / f"{number}-{turn}.wav", "id")
                recorder = bridge.take_recorder()
                if recorder is not None:
                    recorder.pause()
                    recorder.resume()
                    assert recorder.finish() is None
            except Exception as exc:  # noqa: BLE001 - for the test's own thread
                errors.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bridge.end()
    assert not errors
    assert gone([thread for thread in own_threads() if thread not in before])
    assert len(os.listdir("/dev/fd")) == descriptors


def test_playbacks_that_wait_have_a_bound() -> None:
    """Each is a thread."""
    player = Player()
    for _ in range(MOST_QUEUED):
        player.play(b"\0\0")
    with pytest.raises(CallError, match=f"{MOST_QUEUED} playbacks wait already"):
        player.play(b"\0\0")
    threads = own_threads()
    player.stop()
    assert gone(threads)


def test_a_giant_piece_is_not_queued_at_once() -> None:
    """About a second is ready, whatever the pieces are."""
    player = Player()
    playback: Any = player.play(np.zeros(10_000_000, np.int16))
    time.sleep(0.2)  # what it must not do has no event
    assert playback._filled <= 2 * 48_000
    player.stop()
    assert playback.wait(5)


@pytest.fixture
def bridge() -> Iterator[AudioBridge]:
    bridge = AudioBridge()
    yield bridge
    bridge.end()


def test_a_ring_tone_ends_with_its_call(delegate: RecordingDelegate, agent: LocalAgent) -> None:
    """It cannot begin after the end either: the same tone, on a call that is hung up at once."""
    ring = PcmAudio()
    with TxClient(delegate, audio=NullAudio(), ringback=Tone.RINGBACK_EU, ring_device=ring) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        for _ in range(5):
            client.new_call().hangup().result(10)
    assert gone(own_threads())
