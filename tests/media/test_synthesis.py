"""The decoder and what it makes up: going back, going on, and what error correction mends."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent._media.codecs import create_decoder
from telnyx_agent._media.opus import OpusEncoder, library
from telnyx_agent._media.settings import OpusSettings
from telnyx_agent._media.synthesis import Synthesis
from tests.media.harness import CONCEALED, FRAME, RATE, RawDecoder, Samples

LOST = 40


def payloads(*, fec: bool = True) -> list[bytes]:
    """A second and a half of a gliding voice."""
    lib = library()
    assert lib is not None
    time = np.arange(75 * FRAME) / RATE
    phase = 2 * np.pi * np.cumsum(140.0 + 40.0 * np.sin(2 * np.pi * 1.3 * time)) / RATE
    voice = (2500.0 * sum(np.sin(k * phase + k * k) / k**1.2 for k in range(1, 18))).astype(np.int16)
    encoder = OpusEncoder(lib, OpusSettings(bitrate=32000, complexity=5, fec=fec, expected_loss=10 if fec else 0))
    return [encoder.encode(frame) for frame in voice.reshape(-1, FRAME)]


def until_loss(stream: list[bytes]) -> Synthesis:
    """A synthesis that has decoded all before the lost packet."""
    synthesis = Synthesis(None)
    synthesis.use(create_decoder("opus"), first_of_stream=True)
    for payload in stream[:LOST]:
        synthesis.decode(payload)
    return synthesis


def errors(heard: list[Samples], stream: list[bytes]) -> float:
    """How far the packets after the lost one are from what they would be without loss, to their level."""
    decoder = create_decoder("opus")
    plain = np.concatenate([decoder.decode(payload) for payload in stream])[(LOST + 1) * FRAME :]
    sound = np.concatenate(heard).astype(float)
    return float(np.std(sound - plain[: sound.size]) / np.std(plain[: sound.size].astype(float)))


def test_error_correction_mends_a_decoder_that_has_guessed() -> None:
    """The place of the lost packet was filled before the next one came; what follows is nearly as if none were lost."""
    stream = payloads()
    guessing, mended = until_loss(stream), until_loss(stream)
    guessing.make_up(FRAME)
    one = [guessing.decode(payload) for payload in stream[LOST + 1 : LOST + 5]]
    mended.make_up(FRAME)
    mended.mend(stream[LOST + 1], 0, FRAME)
    assert mended.mended
    going_on, chunk = mended.decode_late(stream[LOST + 1])
    assert not mended.mended
    assert going_on.size < FRAME == chunk.size
    other = [chunk, *(mended.decode(payload) for payload in stream[LOST + 2 : LOST + 5])]
    assert errors(other, stream) < 0.5 * errors(one, stream)


def test_what_carries_nothing_mends_nothing() -> None:
    """Without error correction the decoder goes on as if nobody had tried."""
    stream = payloads(fec=False)
    tried, plain = until_loss(stream), until_loss(stream)
    for synthesis in (tried, plain):
        synthesis.make_up(FRAME)
    tried.mend(stream[LOST + 1], 0, FRAME)
    assert not tried.mended
    assert (tried.decode(stream[LOST + 1]) == plain.decode(stream[LOST + 1])).all()


def test_made_up_sound_goes_on_where_it_was_after_a_look_at_the_past() -> None:
    """Mending changes what comes, not what is being made up, however little of that was asked for at a time."""
    stream = payloads()
    mended, plain = until_loss(stream), until_loss(stream)
    for synthesis in (mended, plain):
        synthesis.make_up(FRAME + 300)
    mended.mend(stream[LOST + 1], 0, FRAME)
    assert mended.mended
    assert (mended.make_up(500) == plain.make_up(500)).all()


@pytest.mark.parametrize("comfort", [False, True])
def test_made_up_sound_fades_unless_the_sender_is_silent(comfort: bool) -> None:
    """Full for 120 ms, then down to nothing at 240 ms; comfort noise goes on."""
    synthesis = Synthesis(RawDecoder())
    synthesis.made_up = 0
    synthesis.comfort = comfort
    made = np.concatenate([synthesis.make_up(480) for _ in range(30)])
    assert (made[:5760] == CONCEALED).all()
    n = np.arange(14400 - 5760)
    expected = np.full(n.size, CONCEALED) if comfort else CONCEALED * np.clip(1.0 - n / 5760, 0.0, 1.0)
    assert np.abs(made[5760:] - expected).max() <= 1
