"""G.722, and Opus where libopus cannot be loaded, by PyAV; concealment by repetition. Imports `av`."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from .codec import FRAME, RATE, CodecError
from .concealment import Concealer
from .resample import Downsampler, Upsampler

if TYPE_CHECKING:
    from ...codecs import OpusSettings

__all__ = ["G722Decoder", "G722Encoder", "PyAvOpusDecoder", "PyAvOpusEncoder"]

_WIDE = 16000
_FACTOR = 3  # 16 kHz to 48 kHz


def _open(codec: str, mode: str, rate: int) -> AudioCodecContext:
    context = av.CodecContext.create(codec, "w" if mode == "w" else "r")
    assert isinstance(context, AudioCodecContext)
    context.format = "s16"
    context.layout = "mono"
    context.sample_rate = rate
    if mode == "w":
        context.time_base = Fraction(1, rate)
    return context


def _encode(context: AudioCodecContext, samples: NDArray[np.int16], rate: int, pts: int) -> bytes:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    frame.pts = pts
    return b"".join(bytes(packet) for packet in context.encode(frame))


def _decode(context: AudioCodecContext, payload: bytes) -> NDArray[np.int16]:
    """All samples of one payload; several channels are averaged."""
    try:
        frames = context.decode(av.Packet(payload))
    except av.FFmpegError as exc:
        raise CodecError(str(exc)) from exc
    parts: list[NDArray[np.int16]] = []
    for frame in frames:
        channels = np.asarray(frame.to_ndarray(), np.int16).reshape(-1, len(frame.layout.channels))
        parts.append(channels.mean(axis=1).astype(np.int16) if channels.shape[1] > 1 else channels.reshape(-1))
    if not parts:
        raise CodecError(f"{len(payload)} bytes decoded to nothing")
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


class G722Encoder:
    """48 kHz samples to G.722 at 64 kbit/s."""

    clock_rate = 8000

    def __init__(self) -> None:
        self._context = _open("g722", "w", _WIDE)
        self._resampler = Downsampler(_FACTOR)
        self._pts = 0

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """160 bytes for 960 samples."""
        wide = self._resampler.process(samples)
        payload = _encode(self._context, wide, _WIDE, self._pts)
        self._pts += wide.size
        return payload


class G722Decoder:
    """G.722 to 48 kHz samples."""

    clock_rate = 8000

    def __init__(self) -> None:
        self._resampler = Upsampler(_FACTOR)
        self._concealer = Concealer()
        self.reset()

    def duration(self, payload: bytes) -> int:
        """Samples that the payload holds."""
        if not payload:
            raise CodecError("empty G.722 payload")
        return len(payload) * 2 * _FACTOR

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """The payload's samples."""
        self.duration(payload)
        return self._concealer.heard(self._resampler.process(_decode(self._context, payload)))

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """The last pitch period again."""
        return self._concealer.conceal(samples)

    def has_fec(self, payload: bytes) -> bool:
        """`recover` has nothing."""
        return False

    def recover(self, payload: bytes, samples: int) -> NDArray[np.int16] | None:
        """G.722 carries nothing twice."""
        return None

    def reset(self) -> None:
        """A new stream begins."""
        self._context = _open("g722", "r", _WIDE)
        self._resampler.reset()
        self._concealer.reset()


class PyAvOpusEncoder:
    """Opus by PyAV's libopus; settings are fixed once it is made."""

    clock_rate = RATE

    def __init__(self, settings: OpusSettings) -> None:
        self.settings = settings
        self._context = _open("libopus", "w", RATE)
        self._context.bit_rate = settings.bitrate
        self._context.options = {
            "application": settings.application,
            "compression_level": str(settings.complexity),
            "frame_duration": "20",
            "fec": str(int(bool(settings.fec))),
            "packet_loss": str(settings.expected_loss),
        }
        self._pts = 0

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """One payload for `FRAME` samples."""
        payload = _encode(self._context, samples, RATE, self._pts)
        self._pts += FRAME
        return payload


# RFC 6716 3.1: frame sizes in samples at 48 kHz by the upper five bits of the first byte.
_OPUS_FRAMES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4


class PyAvOpusDecoder:
    """Opus by PyAV's libopus, concealed by repetition."""

    clock_rate = RATE

    def __init__(self) -> None:
        self._concealer = Concealer()
        self.reset()

    def duration(self, payload: bytes) -> int:
        """Samples that the payload holds, from its first two bytes (RFC 6716 3.2)."""
        if not payload:
            raise CodecError("empty Opus payload")
        code = payload[0] & 3
        if code == 3 and len(payload) < 2:
            raise CodecError("truncated Opus payload")
        frames = (1, 2, 2, payload[1] & 0x3F if code == 3 else 0)[code]
        samples = frames * _OPUS_FRAMES[payload[0] >> 3]
        if not 0 < samples <= 5760:
            raise CodecError(f"not an Opus packet ({samples})")
        return samples

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """The payload's samples."""
        self.duration(payload)
        return self._concealer.heard(_decode(self._context, payload))

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """The last pitch period again."""
        return self._concealer.conceal(samples)

    def has_fec(self, payload: bytes) -> bool:
        """`recover` has nothing."""
        return False

    def recover(self, payload: bytes, samples: int) -> NDArray[np.int16] | None:
        """PyAV has no way to ask for FEC."""
        return None

    def reset(self) -> None:
        """A new stream begins."""
        self._context = _open("libopus", "r", RATE)
        self._concealer.reset()
