"""The decoder and what it makes up: going back, going on, and what error correction mends."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent._media.codecs.codec import CodecError
from telnyx_agent._media.codecs.opus import OpusEncoder, library
from telnyx_agent._media.codecs.table import create_decoder
from telnyx_agent._media.playout.concealer import FADED, Synthesis
from telnyx_agent._media.playout.wsola import OVERLAP
from telnyx_agent.codecs import OpusSettings
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


# -- what is asked of the decoder --------------------------------------------------------------------------------------


class Notes(RawDecoder):
    """A decoder whose state is what it was asked for. Payloads with 9 in front carry the one before a second time."""

    def __init__(self) -> None:
        super().__init__()
        self.state: tuple[str, ...] = ()

    def did(self) -> tuple[str, ...]:
        return self.state

    def decode(self, payload: bytes) -> Samples:
        if not payload:
            raise CodecError("nothing")
        self.state += (f"decode {payload[0]}",)
        return np.full(FRAME, 1000 * payload[0], np.int16)

    def conceal(self, samples: int) -> Samples:
        self.state += (f"conceal {samples}",)
        return super().conceal(samples)

    def has_fec(self, payload: bytes) -> bool:
        return payload[:1] == b"\x09"

    def recover(self, payload: bytes, samples: int) -> Samples | None:
        if payload == b"\x09broken":
            raise CodecError("broken")
        self.state += (f"recover {samples}",)
        return None if payload == b"\x09empty" else np.full(samples, 555, np.int16)

    def snapshot(self) -> tuple[str, ...]:
        return self.state

    def restore(self, state: tuple[str, ...]) -> None:
        self.state = state


VOICE = b"\x01..."
FEC = b"\x09..."


def playing() -> tuple[Synthesis, Notes]:
    """After one packet of voice."""
    decoder = Notes()
    synthesis = Synthesis(decoder)
    synthesis.decode(VOICE)
    return synthesis, decoder


def test_a_packet_that_comes_after_all_is_decoded_as_if_it_had_been_in_time() -> None:
    """The decoder is put back to before the gap; how the filling would go on is there to be joined."""
    synthesis, decoder = playing()
    synthesis.make_up(480)
    synthesis.make_up(480)
    assert decoder.did() == ("decode 1", "conceal 480", "conceal 480")
    going_on, chunk = synthesis.decode_late(b"\x02...")
    assert decoder.did() == ("decode 1", "decode 2")
    assert (going_on.size, chunk.size, synthesis.made_up) == (OVERLAP, FRAME, 0)


def test_the_next_gap_begins_where_the_last_one_ended() -> None:
    """Not before it."""
    synthesis, decoder = playing()
    synthesis.make_up(480)
    synthesis.decode(b"\x02...")
    synthesis.make_up(480)
    synthesis.decode_late(b"\x03...")
    assert decoder.did() == ("decode 1", "conceal 480", "decode 2", "decode 3")


@pytest.mark.parametrize(
    ("lead", "made", "state", "going_on"),
    [
        (0, 0, ("decode 1", "recover 960"), 0),
        (0, 480, ("decode 1", "recover 960"), OVERLAP // 2),
        (1920, 2400, ("decode 1", "conceal 1920", "recover 960"), OVERLAP // 2),
    ],
)
def test_what_was_lost_is_taken_from_the_packet_after_it(
    lead: int, made: int, state: tuple[str, ...], going_on: int
) -> None:
    """In its place: after the packets that are lost for good."""
    synthesis, decoder = playing()
    if made:
        synthesis.make_up(made)
    outcome = synthesis.recover(FEC, lead, FRAME, made)
    assert outcome is not None
    assert decoder.did() == state
    assert outcome[0].size == going_on
    assert (outcome[1] == 555).all()
    assert synthesis.made_up == 0
    synthesis.make_up(480)
    synthesis.decode_late(b"\x02...")
    assert decoder.did() == (*state, "decode 2")


@pytest.mark.parametrize("payload", [VOICE, b"\x09broken", b"\x09empty"])
def test_where_nothing_can_be_recovered(payload: bytes) -> None:
    """There is nothing in it, or it cannot be read. Nor is there without a decoder."""
    synthesis, decoder = playing()
    assert synthesis.recover(payload, 0, FRAME, 0) is None
    assert Synthesis(None).recover(FEC, 0, FRAME, 0) is None
    if payload == VOICE:
        assert decoder.did() == ("decode 1",)


def test_a_decoder_is_mended_behind_what_is_heard() -> None:
    """It goes on making up as if nothing had been, and the next packet finds it as after the recovered one."""
    synthesis, decoder = playing()
    synthesis.make_up(960)
    synthesis.mend(FEC, 480, FRAME)
    assert synthesis.mended
    assert decoder.did() == ("decode 1", "conceal 960")
    synthesis.decode_late(b"\x02...")
    assert decoder.did() == ("decode 1", "conceal 480", "recover 960", "decode 2")
    assert not synthesis.mended


@pytest.mark.parametrize("payload", [b"\x09empty", b"\x09broken"])
def test_what_does_not_mend_leaves_the_decoder_as_it_was(payload: bytes) -> None:
    """A packet without error correction for the gap is decoded once, in its turn."""
    synthesis, decoder = playing()
    synthesis.make_up(960)
    synthesis.mend(payload, 0, FRAME)
    assert not synthesis.mended
    assert decoder.did() == ("decode 1", "conceal 960")
    synthesis.decode_late(b"\x02...")
    assert decoder.did() == ("decode 1", "decode 2")


def test_a_packet_whose_place_is_over_is_passed_over() -> None:
    """Only the decoder takes it; without a gap there is nothing to go back to."""
    synthesis, decoder = playing()
    synthesis.pass_over(b"\x02...")
    assert decoder.did() == ("decode 1",)
    synthesis.make_up(480)
    synthesis.pass_over(b"\x02...")
    assert decoder.did() == ("decode 1", "conceal 480")
    synthesis.decode_late(b"\x03...")
    assert decoder.did() == ("decode 1", "decode 2", "decode 3")


@pytest.mark.parametrize(("made_up", "begins"), [(0, 1.0), (5760, 1.0), (8640, 0.5), (FADED, 0.0), (3 * FADED, 0.0)])
def test_real_sound_comes_up_from_where_the_filling_was(made_up: int, begins: float) -> None:
    """In 2.5 ms, from the level to which that had faded."""
    synthesis, _ = playing()
    synthesis.made_up = made_up
    chunk = synthesis.decode(VOICE)
    assert chunk[0] == pytest.approx(1000 * begins, abs=1)
    assert chunk[60] == pytest.approx(1000 * (begins + (1.0 - begins) * 60 / 119), abs=1)
    assert (chunk[119:] == 1000).all()


@pytest.mark.parametrize(("payload", "is_silent"), [(b"\x01", True), (b"\x01.", True), (b"\x01..", False)])
def test_a_tiny_packet_says_that_the_sender_is_silent(payload: bytes, is_silent: bool) -> None:
    """Then the decoder's noise goes on without end."""
    synthesis, decoder = playing()
    synthesis.decode(payload)
    assert synthesis.comfort is is_silent
    synthesis.make_up(FADED)
    before = decoder.state
    made = synthesis.make_up(480)
    assert made.any() == is_silent
    assert (decoder.state != before) is is_silent


def test_another_decoder_and_another_stream() -> None:
    """A stream that begins anew with the same decoder resets it; a gap before it is forgotten."""
    synthesis, decoder = playing()
    synthesis.make_up(480)
    synthesis.use(decoder, first_of_stream=False)
    assert decoder.resets == 0
    synthesis.use(decoder, first_of_stream=True)
    assert decoder.resets == 1
    synthesis.decode_late(b"\x02...")
    assert decoder.did() == ("decode 1", "conceal 480", f"conceal {OVERLAP}", "decode 2")
    other = Notes()
    synthesis.make_up(480)
    synthesis.use(other, first_of_stream=False)
    synthesis.decode_late(b"\x03...")
    assert other.did() == (f"conceal {OVERLAP}", "decode 3")
    assert other.resets == 0


def test_before_anything_was_heard_there_is_silence() -> None:
    """Without a decoder, before the first packet, and after a cut: none of it is made up."""
    assert not Synthesis(None).make_up(480).any()
    decoder = Notes()
    assert not Synthesis(decoder).make_up(480).any()
    synthesis, decoder = playing()
    synthesis.cut()
    assert not synthesis.make_up(480).any()
    assert decoder.did() == ("decode 1",)
