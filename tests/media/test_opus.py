"""`opus`: lengths, concealment, error correction, settings, and the library itself."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from telnyx_agent._media.codecs import opus, pyav
from telnyx_agent._media.codecs.table import create_decoder, create_encoder
from telnyx_agent._media.playout.playout import Playout
from telnyx_agent._media.playout.sequence import ReceivedPacket
from telnyx_agent.codecs import OpusSettings
from tests.media.harness import (
    FRAME,
    RATE,
    decode,
    encode,
    energies,
    level,
    likeness,
    opus_payloads,
    pitch,
    speechlike,
    tone,
)


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
@pytest.mark.parametrize("channels", [1, 2])
def test_opus_of_any_length_mono_or_stereo(milliseconds: int, channels: int) -> None:
    """What another sender may choose, we play as mono."""
    payloads = opus_payloads(tone(440, 1.2), milliseconds, channels)
    decoder = create_decoder("opus")
    assert {decoder.duration(payload) for payload in payloads} == {milliseconds * 48}
    heard = decode(decoder, payloads)
    assert pitch(heard[9600:48000]) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
@pytest.mark.parametrize("lost", [None, 12])
def test_opus_of_any_length_through_the_playout(milliseconds: int, lost: int | None) -> None:
    """Packets, a loss, samples: the tone goes on through it."""
    playout = Playout(create_decoder("opus"))
    size = milliseconds * 48
    heard = []
    for n, payload in enumerate(opus_payloads(tone(440, 1.8), milliseconds, 1)):
        if n != lost:
            playout.put(ReceivedPacket(n, n * size, payload))
        heard.append(playout.get(size))
    samples = np.concatenate(heard)[14400:72000]
    assert energies(samples).min() > 0.3 * level(samples)
    assert playout.stats().concealed_samples == (0 if lost is None else size)


def test_opus_concealment_keeps_the_energy() -> None:
    """libopus' own concealment: through 40 ms of loss a voice goes on, and no sample leaps."""
    voice = speechlike(2.0)
    payloads = encode(create_encoder("opus"), voice)
    decoder = create_decoder("opus")
    heard = [decoder.conceal(FRAME) if n in (40, 41) else decoder.decode(p) for n, p in enumerate(payloads)]
    before, gap, after = (np.concatenate(heard[a:b]) for a, b in ((38, 40), (40, 42), (42, 44)))
    assert level(gap) > 0.5 * min(level(before), level(after))
    around = np.concatenate((before, gap, after)).astype(int)
    assert np.abs(np.diff(around)).max() < 2 * np.abs(np.diff(voice.astype(int))).max()


def test_opus_conceals_the_same_in_small_pieces() -> None:
    """A device that asks for 10 ms hears what one hears that asks for 40: libopus fades by calls, not by time."""
    payloads = encode(create_encoder("opus"), speechlike(1.0))
    made = []
    for size in (480, 1920, 113):
        decoder = create_decoder("opus")
        decode(decoder, payloads)
        made.append(np.concatenate([decoder.conceal(size) for _ in range(-(-1920 // size))])[:1920])
    assert (made[0] == made[1]).all()
    assert (made[0] == made[2]).all()


def test_opus_forward_error_correction() -> None:
    """A lost frame is taken from the packet after it, and sounds more like itself than a guess would."""
    voice = speechlike(3.0)
    payloads = encode(create_encoder("opus", OpusSettings(fec=True, expected_loss=20)), voice)
    playout, guessing = Playout(create_decoder("opus")), Playout(create_decoder("opus"))
    plain = encode(create_encoder("opus"), voice)
    lost = range(20, 150, 7)
    for n in range(150):
        if n not in lost:
            playout.put(ReceivedPacket(n, n * FRAME, payloads[n]))
            guessing.put(ReceivedPacket(n, n * FRAME, plain[n]))
        playout.get(FRAME), guessing.get(FRAME)
    assert playout.stats().fec_packets_recovered > len(lost) // 2
    assert playout.stats().packets_lost >= len(lost) - 3
    assert playout.stats().concealed_samples < guessing.stats().concealed_samples


def test_opus_keeps_to_what_the_other_side_can_play() -> None:
    """Bandwidth, by the first byte of each packet (RFC 6716 3.1), and the same size for all."""
    encoder = create_encoder("opus", OpusSettings(bitrate=32000))
    assert isinstance(encoder, opus.OpusEncoder)
    encoder.restrict(playback_rate=16000, constant_bitrate=True)
    payloads = encode(encoder, speechlike(1.0))[10:]
    wideband = {*range(8, 12), *range(20, 24)}
    assert {payload[0] >> 3 for payload in payloads} <= wideband
    assert len({len(payload) for payload in payloads}) == 1


def test_opus_protection_comes_and_goes() -> None:
    """Packets carry the frame before them only while they are told to."""
    lib = opus.library()
    assert lib is not None
    assert lib.packet_has_lbrr is not None
    encoder = create_encoder("opus")
    assert isinstance(encoder, opus.OpusEncoder)
    voice = speechlike(1.5)
    carried = []
    for fec in (False, True, False):
        encoder.protect(fec=fec, expected_loss=10 if fec else 0)
        payloads = encode(encoder, voice)[10:]
        carried.append(sum(lib.packet_has_lbrr(payload, len(payload)) for payload in payloads) / len(payloads))
    assert carried[0] == carried[2] == 0
    assert carried[1] > 0.5


def test_opus_settings_change_in_mid_call() -> None:
    """Bitrate and FEC take effect with the next frame."""
    encoder = create_encoder("opus", OpusSettings(bitrate=64000))
    assert isinstance(encoder, opus.OpusEncoder)
    voice = speechlike(1.0)
    rich = sum(map(len, encode(encoder, voice)))
    encoder.tune(OpusSettings(bitrate=12000))
    assert sum(map(len, encode(encoder, voice))) < rich / 3


def test_opus_dtx_sends_next_to_nothing_in_silence() -> None:
    """After a while of silence most frames are not sent at all."""
    encoder = create_encoder("opus", OpusSettings(dtx=True))
    encode(encoder, speechlike(0.5))
    silent = encode(encoder, np.zeros(RATE * 2, np.int16))
    assert sum(1 for payload in silent if payload) < 20


@pytest.mark.parametrize(
    "wrong", [{"bitrate": 100}, {"complexity": 11}, {"expected_loss": 101}, {"application": "music"}]
)
def test_opus_settings_are_checked(wrong: dict[str, object]) -> None:
    """A setting that libopus would refuse is refused when it is made."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OpusSettings(**wrong)  # type: ignore[arg-type]


def test_libopus_is_found_in_pyavs_wheel() -> None:
    """The fast path is the one that the other tests measure."""
    library = opus.library()
    assert library is not None
    assert library.version.startswith("libopus")


def test_a_file_that_is_not_libopus_is_refused() -> None:
    """Another library by chance of that name is no reason to crash."""
    libc = ctypes.CDLL(None)._name
    with pytest.raises(OSError, match="not libopus"):
        opus.LibOpus(libc)


def test_without_libopus_pyav_takes_over() -> None:
    """The fallback speaks and hears Opus, too, and conceals by repetition."""
    voice = speechlike(2.0)
    encoder, decoder = pyav.PyAvOpusEncoder(OpusSettings()), pyav.PyAvOpusDecoder()
    payloads = encode(encoder, voice)
    assert all(payloads)
    heard = decode(decoder, payloads)
    assert likeness(voice, heard) > 0.95
    assert decoder.duration(payloads[3]) == FRAME
    assert level(decoder.conceal(FRAME)) > 0
    assert likeness(voice, decode(create_decoder("opus"), payloads)) > 0.95
