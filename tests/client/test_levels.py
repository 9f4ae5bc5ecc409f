"""How loud both sides are, and a processor of one's own in between."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from telnyx_agent import CallState, TxClient, TxClientDelegate
from telnyx_agent.audio import AudioStream, NullAudio, PcmAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate

TONE = (8000 * np.sin(2 * np.pi * 440 * np.arange(480) / 48000)).astype(np.int16)


class Humming:
    """A device that hums, and keeps what it hears."""

    name = "humming"

    def __init__(self) -> None:
        self.heard = threading.Event()
        self.starts = self.stops = 0
        self._inner = PcmAudio(source=self._hum, sink=self._hear)

    def _hum(self, samples: int) -> bytes:
        return np.resize(TONE, samples).tobytes()

    def _hear(self, pcm: NDArray[np.int16]) -> None:
        if np.abs(pcm).max(initial=0) > 1000:
            self.heard.set()

    def start(self, stream: AudioStream) -> None:
        self.starts += 1
        self._inner.start(stream)

    def stop(self) -> None:
        self.stops += 1
        self._inner.stop()


@pytest.fixture
def delegate() -> RecordingDelegate:
    """Hears the levels, too."""
    return RecordingDelegate(levels=True)


@pytest.fixture
def connected(delegate: RecordingDelegate, talking_agent: LocalAgent) -> Iterator[TxClient]:
    """Logged in."""
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-sound", server_configuration=talking_agent.configuration).result(10)
        yield client


def test_the_delegate_hears_how_loud_both_sides_are(connected: TxClient, delegate: RecordingDelegate) -> None:
    """Agent's voice and microphone, each with the call's id, on the delegate's thread."""
    call = connected.new_call(audio=Humming())
    inbound, _, call_id = delegate.wait_for("on_audio_level", 15, predicate=lambda inbound, *_: inbound > 0.01)
    assert call_id == call.call_id
    assert 0.01 < inbound <= 1.0
    _, outbound, _ = delegate.wait_for("on_audio_level", 15, predicate=lambda _, outbound, __: outbound > 0.0)
    assert outbound == pytest.approx(8000 / 32768 / 2**0.5, rel=0.05)
    call.mute_audio()
    delegate.clear()
    delegate.wait_for("on_audio_level", 15, predicate=lambda _, outbound, __: outbound == 0.0)


def test_a_call_has_a_level_listener_of_its_own(connected: TxClient) -> None:
    """Set in mid-call; replaced by None it is not called any more."""
    connected.delegate = None
    call = connected.new_call(audio=Humming())
    call.wait_until_active(10)
    seen = threading.Event()
    threads: list[str] = []

    def listen(inbound: float, outbound: float) -> None:
        threads.append(threading.current_thread().name)
        if inbound > 0.01 and outbound > 0.01:
            seen.set()

    call.on_audio_level = listen
    assert call.on_audio_level is listen
    assert seen.wait(15)
    assert set(threads) == {"telnyx-agent-delegate"}


def test_a_listener_that_raises_costs_nothing_but_itself(connected: TxClient, caplog: pytest.LogCaptureFixture) -> None:
    """The delegate's method and the call's listener, one after the other; the levels go on."""
    raised = threading.Event()
    heard = threading.Event()

    class Raising(TxClientDelegate):
        def on_audio_level(self, inbound: float, outbound: float, call_id: object) -> None:
            if raised.is_set():
                heard.set()
            raised.set()
            raise RuntimeError("user's bug")

    connected.delegate = Raising()
    with caplog.at_level(logging.CRITICAL, "telnyx_agent.delegate"):
        call = connected.new_call(audio=Humming())
        assert heard.wait(15)
        connected.delegate = None
        own = threading.Event()
        call.on_audio_level = lambda inbound, outbound: own.set()
        assert own.wait(10)
        assert call.state == CallState.ACTIVE


def test_disconnect_inside_a_level(connected: TxClient, delegate: RecordingDelegate) -> None:
    """It does not deadlock, and no level comes after the end of the call."""
    outcome: list[object] = []

    class Leaving(TxClientDelegate):
        def on_audio_level(self, inbound: float, outbound: float, call_id: object) -> None:
            outcome.append(connected.disconnect().exception(5))

    connected.delegate = Leaving()
    call = connected.new_call(audio=Humming())
    call.wait_until_ended(15)
    connected.disconnect().result(10)
    assert outcome
    assert not any(outcome)


def test_levels_do_not_queue_up_behind_a_callback_that_blocks(connected: TxClient) -> None:
    """At most one is on its way, so what comes after a pause is up to date."""
    connected.delegate = None
    call = connected.new_call(audio=Humming())
    blocked, release, after = threading.Event(), threading.Event(), threading.Event()
    count = 0

    def listen(inbound: float, outbound: float) -> None:
        nonlocal count
        count += 1
        if not blocked.is_set():
            blocked.set()
            release.wait(10)
        elif not after.is_set():
            after.set()

    call.on_audio_level = listen
    assert blocked.wait(15)
    call.wait_until_active(10)
    before = call.stats().result(5)
    assert before is not None
    # A second of the call, by its own clock, in which twenty levels would have queued up.
    while (now := call.stats().result(5)) is not None and now.packets_sent < before.packets_sent + 50:
        pass
    assert count == 1
    release.set()
    assert after.wait(10)


class Halving:
    """Makes the microphone half as loud; notes what it is given and that it is closed."""

    def __init__(self) -> None:
        self.rendered = threading.Event()
        self.captured = threading.Event()
        self.closed = threading.Event()

    def process_render(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        if np.abs(pcm).max() > 1000:
            self.rendered.set()
        return pcm

    def process_capture(self, pcm: NDArray[np.int16], delay: float) -> NDArray[np.int16]:
        self.captured.set()
        return pcm // 2

    def close(self) -> None:
        self.closed.set()


def humming() -> PcmAudio:
    """A device that hums."""
    return PcmAudio(source=lambda samples: np.resize(TONE, samples).tobytes(), sink=lambda pcm: None)


def test_a_processor_of_ones_own(client: TxClient, talking_agent: LocalAgent) -> None:
    """It gets both directions of the call, and is closed with it."""
    processor = Halving()
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(10)
    call = client.new_call(audio=humming(), audio_processor=processor)
    assert processor.captured.wait(20)
    assert processor.rendered.wait(20)
    call.hangup().result(10)
    assert processor.closed.wait(10)


def test_the_levels_can_be_read(client: TxClient, talking_agent: LocalAgent) -> None:
    """`input_level` is the microphone's, `output_level` the agent's; both between 0 and 1."""
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(10)
    call = client.new_call(audio=humming())
    both = threading.Event()

    def look(inbound: float, outbound: float) -> None:
        if 0.01 < call.input_level <= 1.0 and 0.01 < call.output_level <= 1.0:
            both.set()

    call.on_audio_level = look
    assert both.wait(20)
    call.mute_audio()
    silent = threading.Event()
    call.on_audio_level = lambda inbound, outbound: silent.set() if call.input_level == 0.0 else None
    assert silent.wait(20)
