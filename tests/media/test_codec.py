"""The codecs: round trips measured, tables against FFmpeg's, concealment by ear's measures, and without libopus."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import codecs as aiortc_codecs
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from telnyx_agent._media.codecs import pyav
from telnyx_agent._media.codecs.codec import SUPPORTED, CodecError
from telnyx_agent._media.codecs.concealment import Concealer
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
    snr,
    speechlike,
    tone,
)


@pytest.mark.parametrize(("name", "least"), [("G722", 18.0), ("PCMU", 25.0), ("PCMA", 25.0)])
def test_waveform_codecs_round_trip(name: str, least: float) -> None:
    """A voice comes back as it was, but for the codec's noise."""
    voice = speechlike(2.0)
    payloads = encode(create_encoder(name), voice)
    heard = decode(create_decoder(name), payloads)
    assert heard.size == voice.size
    assert snr(voice, heard) > least
    assert level(heard[9600:]) == pytest.approx(level(voice[9600:]), rel=0.1)


@pytest.mark.parametrize("settings", [OpusSettings(), OpusSettings(complexity=0), OpusSettings(application="lowdelay")])
def test_opus_round_trip(settings: OpusSettings) -> None:
    """Opus does not keep the waveform, but level, time and spectrum."""
    voice = speechlike(2.0)
    heard = decode(create_decoder("opus"), encode(create_encoder("opus", settings), voice))
    assert heard.size == voice.size
    assert likeness(voice, heard) > 0.95
    assert level(heard) == pytest.approx(level(voice), rel=0.15)


@pytest.mark.parametrize("name", SUPPORTED)
def test_packets_are_20_ms(name: str) -> None:
    """Each payload says how long it is, which is what was put in."""
    payloads = encode(create_encoder(name), tone(440, 0.2))
    decoder = create_decoder(name)
    assert [decoder.duration(payload) for payload in payloads] == [FRAME] * 10
    if name != "opus":
        assert [len(payload) for payload in payloads] == [160] * 10


@pytest.mark.parametrize("name", SUPPORTED)
def test_aiortc_understands_us(name: str) -> None:
    """An independent decoder hears the tone that we encoded."""
    channels, rate = (2, RATE) if name == "opus" else (1, 16000 if name == "G722" else 8000)
    decoder = aiortc_codecs.get_decoder(
        RTCRtpCodecParameters(mimeType=f"audio/{name}", clockRate=RATE if name == "opus" else 8000, channels=channels)
    )
    heard = []
    for n, payload in enumerate(encode(create_encoder(name), tone(440, 1.0))):
        for frame in decoder.decode(JitterFrame(payload, n * FRAME)):
            heard.append(np.asarray(frame.to_ndarray()).reshape(-1)[::channels])  # type: ignore[attr-defined]
    samples = np.concatenate(heard)[rate // 5 :]
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    assert np.argmax(spectrum) * rate / samples.size == pytest.approx(440, abs=3)


@pytest.mark.parametrize("name", SUPPORTED)
def test_we_understand_aiortc(name: str) -> None:
    """We hear the tone that an independent encoder sent."""
    encoder = aiortc_codecs.get_encoder(
        RTCRtpCodecParameters(mimeType=f"audio/{name}", clockRate=RATE if name == "opus" else 8000, channels=2)
    )
    payloads: list[bytes] = []
    samples = tone(440, 1.0)
    for n in range(50):
        frame = av.AudioFrame.from_ndarray(samples[n * FRAME :][:FRAME].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, n * FRAME, Fraction(1, RATE)
        payloads += encoder.encode(frame)[0]
    heard = decode(create_decoder(name), payloads)
    assert pitch(heard[9600:]) == pytest.approx(440, abs=3)
    # aiortc's encoder makes stereo of it, at 3 dB less in each channel.
    expected = level(samples) * (0.707 if name == "opus" else 1.0)
    assert level(heard[9600:]) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("milliseconds", [10, 20, 40, 60])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_fallback_knows_packet_lengths(milliseconds: int, channels: int) -> None:
    """Without libopus the length is read from the packet itself, and agrees."""
    ours, theirs = pyav.PyAvOpusDecoder(), create_decoder("opus")
    for payload in opus_payloads(tone(300, 0.5), milliseconds, channels):
        assert ours.duration(payload) == theirs.duration(payload) == milliseconds * 48
        assert ours.decode(payload).size == milliseconds * 48


@pytest.mark.parametrize("name", SUPPORTED)
@pytest.mark.parametrize("payload", [b"", b"\xff", b"\xff\xff\xff", bytes(3000)])
def test_garbage_is_an_error_not_a_crash(name: str, payload: bytes) -> None:
    """A payload that cannot be decoded raises what the playout expects, or decodes to something."""
    for decoder in (create_decoder(name), *([pyav.PyAvOpusDecoder()] if name == "opus" else [])):
        try:
            assert decoder.decode(payload).dtype == np.int16
        except CodecError:
            pass


def test_unknown_codecs() -> None:
    """There is no encoder or decoder for a name that we did not offer."""
    for create in (create_encoder, create_decoder):
        with pytest.raises(CodecError, match="telephone-event"):
            create("telephone-event")


@pytest.mark.parametrize("name", ["G722", "PCMU", "PCMA"])
def test_narrow_codecs_conceal_a_loss(name: str) -> None:
    """One lost packet in a steady tone: pitch and level go on, and nothing clicks."""
    payloads = encode(create_encoder(name), tone(200, 1.0))
    playout = Playout(create_decoder(name))
    heard = []
    for n, payload in enumerate(payloads):
        if n != 25:
            playout.put(ReceivedPacket(n, n * 160, payload))
        heard.append(playout.get(FRAME))
    samples = np.concatenate(heard)[9600:]
    assert playout.stats().concealed_samples == FRAME
    assert energies(samples).min() > 0.6 * level(samples)
    assert np.abs(np.diff(samples.astype(int))).max() < 6 * np.abs(np.diff(tone(200, 0.1).astype(int))).max()


def test_concealment_finds_the_pitch() -> None:
    """Repetition goes on with the period that was last heard, over any number of calls."""
    concealer = Concealer()
    concealer.heard(tone(150, 0.1))
    made = np.concatenate([concealer.conceal(n) for n in (480, 13, 960, 7, 3340)])
    assert pitch(made) == pytest.approx(150, abs=15)
    joined = concealer.heard(tone(150, 0.02))
    assert abs(int(joined[0]) - int(made[-1])) < 2500


def test_concealment_of_silence_is_silence() -> None:
    """Nothing is made up from nothing."""
    assert not Concealer().conceal(FRAME).any()
