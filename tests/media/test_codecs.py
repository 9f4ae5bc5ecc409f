"""The codecs: round trips measured, tables against FFmpeg's, concealment by ear's measures, and without libopus."""

from __future__ import annotations

import ctypes
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import codecs as aiortc_codecs
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.audio.codeccontext import AudioCodecContext

from telnyx_agent._media import opus, pyav
from telnyx_agent._media.codec_table import create_decoder, create_encoder
from telnyx_agent._media.codecs import SUPPORTED, CodecError, Decoder, Encoder
from telnyx_agent._media.concealment import Concealer
from telnyx_agent._media.g711 import G711Decoder, G711Encoder
from telnyx_agent._media.ordering import ReceivedPacket
from telnyx_agent._media.playout import Playout
from telnyx_agent._media.resample import Downsampler, Upsampler
from telnyx_agent.codecs import OpusSettings
from tests.media.harness import FRAME, RATE, Samples, energies, level, likeness, pitch, snr, tone


def speechlike(seconds: float, *, highest: float = 3400.0) -> Samples:
    """A voice of a kind: a gliding pitch with harmonics and syllables."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / RATE
    voice = sum((np.sin(n * phase) / n for n in range(1, int(highest / 160))), np.zeros_like(t))
    return (5000 * voice * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * t))).astype(np.int16)


def encode(encoder: Encoder, samples: Samples) -> list[bytes]:
    return [encoder.encode(samples[at : at + FRAME]) for at in range(0, samples.size // FRAME * FRAME, FRAME)]


def decode(decoder: Decoder, payloads: list[bytes]) -> Samples:
    return np.concatenate([decoder.decode(payload) for payload in payloads])


def opus_payloads(samples: Samples, milliseconds: int, channels: int) -> list[bytes]:
    """Opus by FFmpeg, which can make what our own encoder does not: other packet lengths and stereo."""
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, AudioCodecContext)
    context.format, context.layout, context.sample_rate = "s16", "stereo" if channels == 2 else "mono", RATE
    context.bit_rate, context.time_base = 64000, Fraction(1, RATE)
    context.options = {"frame_duration": str(milliseconds), "application": "voip"}
    size = milliseconds * RATE // 1000
    payloads = []
    for at in range(0, samples.size // size * size, size):
        block = np.repeat(samples[at : at + size], channels).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout=context.layout.name)
        frame.sample_rate, frame.pts = RATE, at
        payloads += [bytes(packet) for packet in context.encode(frame)]
    return payloads


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


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_g711_tables_are_ffmpegs(law: str) -> None:
    """All 256 codes mean what FFmpeg says, and each is what its own value is encoded to."""
    context = av.CodecContext.create("pcm_mulaw" if law == "pcmu" else "pcm_alaw", "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout = 8000, "mono"
    codes = bytes(range(256))
    expected = np.asarray(context.decode(av.Packet(codes))[0].to_ndarray()).reshape(-1)
    table = G711Decoder(law)._table
    assert (table == expected).all()
    again = G711Encoder(law)._table[table.view(np.uint16)]
    assert (table[again] == table).all()


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


@pytest.mark.parametrize("factor", [3, 6])
def test_resampling_keeps_the_band_and_nothing_else(factor: int) -> None:
    """Down and up again: speech in the band at its level, what is above it gone, blocks joined without a seam."""
    low, high = tone(1000, 1.0), tone(RATE / factor / 2 * 1.25, 1.0)
    for source, least, most in ((low, 0.98, 1.02), (high, 0.0, 0.01)):
        down, up = Downsampler(factor), Upsampler(factor)
        heard = np.concatenate([up.process(down.process(source[at : at + FRAME])) for at in range(0, RATE, FRAME)])
        assert heard.size == RATE
        assert least <= level(heard[4800:]) / level(source) <= most
