"""Opus by libopus itself, through ctypes; by PyAV where libopus cannot be found.

PyAV cannot ask libopus for concealment, forward error correction, or a new setting in mid-call; its wheels contain the
library, though, and ctypes can load that file. Loaded as `PyDLL`: a call takes 30 to 200 us, and giving up the GIL for
it would cost a busy process 5 ms or more to get it back, for every frame.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
import logging
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from .codecs import FRAME, RATE, CodecError, Decoder, Encoder

__all__ = ["LibOpus", "OpusDecoder", "OpusEncoder", "OpusSettings", "create_decoder", "create_encoder", "library"]

_log = logging.getLogger("telnyx_agent.media")

_APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
_SET_BITRATE, _SET_COMPLEXITY, _SET_INBAND_FEC, _SET_PACKET_LOSS_PERC, _SET_DTX = 4002, 4010, 4012, 4014, 4016
_RESET_STATE = 4028
_MAX_PAYLOAD = 1275
_MAX_SAMPLES = 5760  # 120 ms, the longest Opus packet
_STEP = 120  # 2.5 ms: what comes without a packet comes in multiples of it
_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)


def _in_range(low: int, high: int) -> Any:
    return attrs.validators.and_(attrs.validators.ge(low), attrs.validators.le(high))


@attrs.frozen
class OpusSettings:
    """How speech is encoded. Mono, 48 kHz, 20 ms always.

    Args:
        bitrate: Bits a second.
        complexity: 0 (65 us a frame here) to 10 (210 us); 5 costs 160 us and is not told from 10 at this bitrate.
        fec: Carry each frame a second time, coarsely, in the packet after it (RFC 6716 2.1.7).
        expected_loss: Percent of packets; how much of the bitrate goes into FEC.
        dtx: Send next to nothing in silence.
        application: `"voip"`, `"audio"` or `"lowdelay"` (no FEC with that).
    """

    bitrate: int = attrs.field(default=32000, validator=_in_range(6000, 510000))
    complexity: int = attrs.field(default=5, validator=_in_range(0, 10))
    fec: bool = False
    expected_loss: int = attrs.field(default=0, validator=_in_range(0, 100))
    dtx: bool = False
    application: str = attrs.field(default="voip", validator=attrs.validators.in_(_APPLICATIONS))


class LibOpus:
    """libopus' functions with their signatures.

    Raises:
        OSError: The file cannot be loaded or is not libopus.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        lib = ctypes.PyDLL(path)
        integer, pointer = ctypes.c_int, ctypes.c_void_p
        try:
            for name, result, arguments in (
                ("opus_encoder_get_size", integer, [integer]),
                ("opus_encoder_init", integer, [pointer, ctypes.c_int32, integer, integer]),
                ("opus_encode", ctypes.c_int32, [pointer, pointer, integer, pointer, ctypes.c_int32]),
                # Variadic: only the fixed arguments are declared, so that ctypes passes the rest the variadic way,
                # which differs on Apple's ARM.
                ("opus_encoder_ctl", integer, [pointer, integer]),
                ("opus_decoder_get_size", integer, [integer]),
                ("opus_decoder_init", integer, [pointer, ctypes.c_int32, integer]),
                ("opus_decode", integer, [pointer, ctypes.c_char_p, ctypes.c_int32, pointer, integer, integer]),
                ("opus_decoder_ctl", integer, [pointer, integer]),
                ("opus_packet_get_nb_samples", integer, [ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32]),
                ("opus_get_version_string", ctypes.c_char_p, []),
            ):
                function = getattr(lib, name)
                function.restype, function.argtypes = result, arguments
                setattr(self, name, function)
        except AttributeError as exc:
            raise OSError(f"{path} is not libopus: {exc}") from exc
        # Since libopus 1.4; without it a packet's FEC is simply asked for.
        self.packet_has_lbrr: Any = getattr(lib, "opus_packet_has_lbrr", None)
        if self.packet_has_lbrr is not None:
            self.packet_has_lbrr.restype, self.packet_has_lbrr.argtypes = integer, [ctypes.c_char_p, ctypes.c_int32]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    @property
    def version(self) -> str:
        """Such as `"libopus 1.5.2"`."""
        return str(self.opus_get_version_string().decode("ascii", "replace"))


def _candidates() -> list[str]:
    """Where libopus may be: in PyAV's wheel (Linux and Windows, macOS), then wherever the system keeps it."""
    found: list[str] = []
    spec = importlib.util.find_spec("av")  # does not import it
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        for folder in (package.parent / "av.libs", package / ".dylibs"):
            if folder.is_dir():
                found += sorted(str(file) for file in folder.glob("*opus*") if "opusfile" not in file.name)
    system = ctypes.util.find_library("opus")
    if system is not None:
        found.append(system)
    return found


@functools.cache
def library() -> LibOpus | None:
    """libopus, or `None` where there is none; looked for once in the life of the process."""
    for path in _candidates():
        try:
            lib = LibOpus(path)
        except OSError as exc:
            _log.debug("cannot use %s as libopus: %s", path, exc)
            continue
        _log.debug("using %s from %s", lib.version, path)
        return lib
    _log.info("libopus was not found; Opus goes through PyAV, and lost packets are concealed by repetition")
    return None


class OpusEncoder:
    """Mono 20 ms frames to Opus, by libopus."""

    name = "opus"
    clock_rate = RATE

    def __init__(self, lib: LibOpus, settings: OpusSettings = OpusSettings()) -> None:
        self._lib = lib
        # libopus keeps its whole state in one piece of memory that may be ours, so there is nothing to be destroyed.
        self._state = ctypes.create_string_buffer(lib.opus_encoder_get_size(1))
        self._payload = ctypes.create_string_buffer(_MAX_PAYLOAD)
        status = lib.opus_encoder_init(self._state, RATE, 1, _APPLICATIONS[settings.application])
        if status != 0:
            raise CodecError(f"libopus refused to make an encoder ({status})")
        self.settings = settings
        self.tune(settings)

    def tune(self, settings: OpusSettings) -> None:
        """Change bitrate, complexity, FEC or DTX from the next frame on; the application cannot be changed."""
        for request, value in (
            (_SET_BITRATE, settings.bitrate),
            (_SET_COMPLEXITY, settings.complexity),
            (_SET_INBAND_FEC, int(settings.fec)),
            (_SET_PACKET_LOSS_PERC, settings.expected_loss),
            (_SET_DTX, int(settings.dtx)),
        ):
            self._lib.opus_encoder_ctl(self._state, request, ctypes.c_int32(value))
        self.settings = settings

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """One payload for `FRAME` samples; empty in silence, with DTX."""
        frame = np.ascontiguousarray(samples, np.int16)
        size = self._lib.opus_encode(self._state, frame.ctypes.data, FRAME, self._payload, _MAX_PAYLOAD)
        if size < 0:
            raise CodecError(f"libopus could not encode a frame ({size})")
        # Two bytes or less say "nothing new", and need not be sent (opus_encoder.h).
        return b"" if self.settings.dtx and size <= 2 else ctypes.string_at(self._payload, size)


class OpusDecoder:
    """Opus of any frame size, mono or stereo, to mono, by libopus, with its own concealment and FEC."""

    clock_rate = RATE

    def __init__(self, lib: LibOpus) -> None:
        self._lib = lib
        self._state = ctypes.create_string_buffer(lib.opus_decoder_get_size(1))
        status = lib.opus_decoder_init(self._state, RATE, 1)
        if status != 0:
            raise CodecError(f"libopus refused to make a decoder ({status})")
        self._spare = _EMPTY  # concealment that was made and not asked for yet

    def duration(self, payload: bytes) -> int:
        """Samples that the payload holds."""
        samples = int(self._lib.opus_packet_get_nb_samples(payload, len(payload), RATE))
        if not 0 < samples <= _MAX_SAMPLES:
            raise CodecError(f"not an Opus packet ({samples})")
        return samples

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """The payload's samples."""
        self._spare = _EMPTY
        return self._decode(payload, _MAX_SAMPLES, 0)

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """libopus' guess at the samples that did not come."""
        # libopus fades with each call, however short: asked for 10 ms at a time, a voice is gone in 30 ms. So it is
        # asked for 20 ms, and what is not needed yet is kept for the next call.
        parts = [self._spare]
        missing = samples - self._spare.size
        while missing > 0:
            parts.append(self._decode(None, FRAME, 0))
            missing -= FRAME
        made = np.concatenate(parts)
        self._spare = made[samples:]
        return made[:samples]

    def recover(self, payload: bytes, samples: int) -> NDArray[np.int16] | None:
        """The last `samples` before `payload`, if it carries them."""
        has_lbrr = self._lib.packet_has_lbrr
        if not payload or samples % _STEP or samples > _MAX_SAMPLES:
            return None
        if has_lbrr is not None and has_lbrr(payload, len(payload)) != 1:
            return None
        self._spare = _EMPTY
        return self._decode(payload, samples, 1)

    def reset(self) -> None:
        """A new stream begins."""
        self._spare = _EMPTY
        self._lib.opus_decoder_ctl(self._state, _RESET_STATE)

    def _decode(self, payload: bytes | None, limit: int, fec: int) -> NDArray[np.int16]:
        out = np.empty(limit, np.int16)
        size = 0 if payload is None else len(payload)
        samples = self._lib.opus_decode(self._state, payload, size, out.ctypes.data, limit, fec)
        if samples < 0:
            raise CodecError(f"libopus could not decode a packet of {size} bytes ({samples})")
        return out[:samples]


def create_encoder(settings: OpusSettings = OpusSettings(), *, lib: LibOpus | None = None) -> Encoder:
    """An Opus encoder by libopus, or by PyAV where there is no libopus."""
    lib = library() if lib is None else lib
    if lib is not None:
        return OpusEncoder(lib, settings)
    from .pyav import PyAvOpusEncoder

    return PyAvOpusEncoder(settings)


def create_decoder(*, lib: LibOpus | None = None) -> Decoder:
    """An Opus decoder by libopus, or by PyAV where there is no libopus."""
    lib = library() if lib is None else lib
    if lib is not None:
        return OpusDecoder(lib)
    from .pyav import PyAvOpusDecoder

    return PyAvOpusDecoder()
