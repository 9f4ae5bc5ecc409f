"""`_callbacks`: what the sound card's callbacks do, called here with buffers as PortAudio would."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import attrs
import numpy as np
import pytest

from telnyx_agent import LocalProtocolError
from telnyx_agent._runtime.futures import CommandFuture
from telnyx_agent._runtime.threads import is_internal
from telnyx_agent.audio._callbacks import Callbacks, CapturePort, RenderPort
from telnyx_agent.audio._samples import BLOCK, SAMPLE_RATE
from tests.audio.memory_stream import Int16, MemoryStream, snr, tone

cffi = pytest.importorskip("cffi")
"""What sounddevice makes its buffers with; it comes with it."""


@attrs.frozen
class Flags:
    """What `sounddevice.CallbackFlags` tells."""

    input_overflow: bool = False
    output_underflow: bool = False

    def __bool__(self) -> bool:
        return self.input_overflow or self.output_underflow


FINE = Flags()


class Card:
    """Calls as a sound card does, with one duplex stream."""

    def __init__(self, stream: MemoryStream, *, capture: bool = True, render: bool = True) -> None:
        self.failed = threading.Event()
        self.discarded = 0
        self.clock = SimpleNamespace(currentTime=2.5, inputBufferAdcTime=2.25)
        self.callbacks = Callbacks(self.failed.set)
        self.callbacks.stopping = False
        self.callbacks.discard = None if render else self._discard
        self.callbacks.capture = CapturePort(stream, 48000, 1) if capture else None
        self.callbacks.render = RenderPort(stream, 48000, 1) if render else None

    def _discard(self) -> None:
        self.discarded += 1

    def block(self, heard: Int16, status: Flags = FINE) -> Int16:
        """Hand over one block and take one."""
        ffi = cffi.FFI()
        indata, outdata = (ffi.new("char[]", b"\x55" * 2 * len(heard)) for _ in range(2))
        into, out = (ffi.buffer(data, 2 * len(heard)) for data in (indata, outdata))
        into[:] = heard.tobytes()
        self.callbacks.duplex(into, out, len(heard), self.clock, status)
        into[:] = bytes(len(into))  # the memory is the card's again
        return np.frombuffer(out[:], np.int16)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000])
def test_the_microphone_of_any_card_becomes_48_khz_mono(rate: int, channels: int) -> None:
    """Block by block, without clicks."""
    stream = MemoryStream()
    port, heard = CapturePort(stream, rate, channels), np.repeat(tone(1000, 0.5, rate=rate), channels)
    block = rate // 100 * channels
    for start in range(0, len(heard), block):
        port.put(heard[start : start + block].tobytes())
    assert len(stream.captured) == 24000
    assert snr(stream.captured[2400:], 1000) > 70


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000])
def test_the_loudspeaker_of_any_card_gets_what_it_wants(rate: int, channels: int) -> None:
    """Exactly so many samples each time, and the call's clock keeps in step with the card's."""
    stream = MemoryStream(tone(1000, 1))
    port = RenderPort(stream, rate, channels)
    blocks = [port.get(rate // 100) for _ in range(50)]
    assert {len(block) for block in blocks} == {rate // 100 * channels}
    frames = np.concatenate(blocks).reshape(-1, channels)
    assert np.array_equal(frames[:, 0], frames[:, -1])
    assert snr(frames[rate // 20 :, 0], 1000, rate=rate) > 70
    assert stream.pulled == 24000


def test_silence_of_the_microphone_is_timed_until_the_first_sound() -> None:
    """Zeros and nothing else mean a permission or a switch; a pause in speech does not."""
    port = CapturePort(MemoryStream(), 48000, 1)
    for _ in range(50):
        port.put(bytes(960))
    assert port.silent_seconds == pytest.approx(0.5)
    port.put(bytes(959) + b"\1")
    for _ in range(50):
        port.put(bytes(960))
    assert port.silent_seconds == pytest.approx(0.5)


def test_a_block_goes_each_way() -> None:
    """As it is, when the card takes 48 kHz mono; what was captured is a copy, since the card reuses its memory."""
    stream = MemoryStream(tone(500, 0.01))
    card = Card(stream)
    assert np.array_equal(card.block(tone(900, 0.01)), tone(500, 0.01))
    assert np.array_equal(stream.captured, tone(900, 0.01))
    assert (card.callbacks.input_blocks, card.callbacks.output_blocks) == (1, 1)
    assert card.discarded == 0


def test_lost_sound_is_counted() -> None:
    """As PortAudio reports it."""
    card = Card(MemoryStream())
    for flags in (FINE, Flags(input_overflow=True), Flags(output_underflow=True), Flags(True, True)):
        card.block(tone(900, 0.01), flags)
    assert (card.callbacks.input_overflows, card.callbacks.output_underflows) == (2, 2)


def test_an_exception_of_the_call_ends_neither_direction() -> None:
    """The first one is kept and reported, the loudspeaker gets silence, and the next block comes."""
    errors = [ValueError("first"), SystemExit(2)]

    def render(samples: int) -> Int16:
        if errors:
            raise errors.pop(0)
        return np.ones(samples, np.int16)

    stream = MemoryStream(render)
    card = Card(stream)
    assert not card.failed.is_set()
    assert not np.any(card.block(tone(900, 0.01)))
    assert card.failed.is_set()
    assert not np.any(card.block(tone(900, 0.01)))
    assert np.all(card.block(tone(900, 0.01)) == 1)
    assert str(card.callbacks.failure) == "first"
    assert len(stream.captured) == 3 * 480


def test_a_block_of_the_wrong_length_is_a_failure_and_silence() -> None:
    """Not memory that somebody else has used before."""
    card = Card(MemoryStream(lambda samples: np.ones(samples - 1, np.int16)))
    assert not np.any(card.block(tone(900, 0.01)))
    assert card.failed.is_set()


def test_nothing_touches_the_call_while_stopping() -> None:
    """The loudspeaker gets silence."""
    stream = MemoryStream(tone(500, 1))
    card = Card(stream)
    card.callbacks.stopping = True
    stream.seal()
    assert not np.any(card.block(tone(900, 0.01)))
    assert not stream.touched_after_seal


def test_without_a_loudspeaker_the_microphone_keeps_the_pace() -> None:
    """The agent's voice is taken, so that it does not pile up."""
    card = Card(MemoryStream(), render=False)
    card.block(tone(900, 0.01))
    assert card.discarded == 1


def test_a_callback_is_known_from_inside() -> None:
    """So that `stop` does not wait for the callback that calls it."""
    seen: list[bool] = []

    def render(samples: int) -> Int16:
        seen.append(card.callbacks.is_current_thread)
        return np.zeros(samples, np.int16)

    card = Card(MemoryStream(render))
    card.block(tone(900, 0.01))
    seen.append(card.callbacks.is_current_thread)
    assert seen == [True, False]


def test_nothing_waits_in_a_callback() -> None:
    """PortAudio's thread is the sound's: what would wait for the SDK there is told so, and only there."""
    raised: list[BaseException] = []

    class Waiting:
        sample_rate = SAMPLE_RATE

        def push_capture(self, pcm: object) -> None:
            try:
                CommandFuture[None]().result()
            except LocalProtocolError as error:
                raised.append(error)

    callbacks = Callbacks(lambda: None)
    callbacks.capture = CapturePort(Waiting(), SAMPLE_RATE, 1)  # type: ignore[arg-type]
    callbacks.stopping = False
    callbacks.input(bytes(960), BLOCK, None, FINE)
    assert len(raised) == 1
    assert not is_internal()
