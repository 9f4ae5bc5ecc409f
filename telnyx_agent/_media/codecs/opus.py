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

import numpy as np
from numpy.typing import NDArray

from ...codecs import OpusSettings
from .codec import FRAME, RATE, CodecError, Decoder, Encoder

__all__ = ["LibOpus", "OpusDecoder", "OpusEncoder", "create_decoder", "create_encoder", "library"]

_log = logging.getLogger("telnyx_agent.media")

_APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
_SET_BITRATE, _SET_COMPLEXITY, _SET_INBAND_FEC, _SET_PACKET_LOSS_PERC, _SET_DTX = 4002, 4010, 4012, 4014, 4016
_SET_MAX_BANDWIDTH, _SET_VBR = 4004, 4006
_BANDWIDTHS = ((8000, 1101), (12000, 1102), (16000, 1103), (24000, 1104), (48000, 1105))
_RESET_STATE = 4028
_MAX_PAYLOAD = 1275
_MAX_SAMPLES = 5760  # 120 ms, the longest Opus packet
_STEP = 120  # 2.5 ms: what comes without a packet comes in multiples of it
_EMPTY: NDArray[np.int16] = np.empty(0, np.int16)
_DEFAULTS = OpusSettings()


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
                ("opus_encode", ctypes.c_int32, [pointer, ctypes.c_char_p, integer, pointer, ctypes.c_int32]),
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

    clock_rate = RATE

    def __init__(self, lib: LibOpus, settings: OpusSettings = _DEFAULTS) -> None:
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
        self.settings = settings
        self._control(_SET_BITRATE, settings.bitrate)
        self._control(_SET_COMPLEXITY, settings.complexity)
        self._control(_SET_DTX, int(settings.dtx))
        self.protect(fec=bool(settings.fec), expected_loss=settings.expected_loss)

    def protect(self, *, fec: bool, expected_loss: int) -> None:
        """Carry frames twice or not, for so many percent of lost packets, from the next frame on."""
        self._control(_SET_INBAND_FEC, int(fec))
        # Without FEC, too, the encoder leans less on what went before when it expects loss.
        self._control(_SET_PACKET_LOSS_PERC, expected_loss)

    def restrict(self, *, playback_rate: int, constant_bitrate: bool) -> None:
        """Keep to what the other side can play, in Hz, and to a constant bitrate if it wants that."""
        widths = [width for rate, width in _BANDWIDTHS if rate <= playback_rate]
        self._control(_SET_MAX_BANDWIDTH, widths[-1] if widths else _BANDWIDTHS[0][1])
        self._control(_SET_VBR, int(not constant_bitrate))

    def _control(self, request: int, value: int) -> None:
        self._lib.opus_encoder_ctl(self._state, request, ctypes.c_int32(value))

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """One payload for `FRAME` samples; empty in silence, with DTX."""
        if samples.size != FRAME:
            raise CodecError(f"a frame has {FRAME} samples, not {samples.size}")
        size = self._lib.opus_encode(self._state, samples.tobytes(), FRAME, self._payload, _MAX_PAYLOAD)
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
        # Decoded into and copied from: asking an array for its address costs more than the copy.
        self._pcm = ctypes.create_string_buffer(2 * _MAX_SAMPLES)
        self._view = memoryview(self._pcm).cast("B")
        self._durations: dict[int, int] = {}  # by the first byte
        self._spare = _EMPTY  # concealment that was made and not asked for yet

    def duration(self, payload: bytes) -> int:
        """Samples that the payload holds."""
        first = payload[0] if payload else 3
        if (known := self._durations.get(first)) is not None:
            return known
        samples = int(self._lib.opus_packet_get_nb_samples(payload, len(payload), RATE))
        if not 0 < samples <= _MAX_SAMPLES:
            raise CodecError(f"not an Opus packet ({samples})")
        if first & 3 != 3:  # the number of frames is not in the second byte (RFC 6716 3.2)
            self._durations[first] = samples
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

    def has_fec(self, payload: bytes) -> bool:
        """Whether the payload carries the frame before it a second time, as far as this libopus can tell."""
        has_lbrr = self._lib.packet_has_lbrr
        return bool(payload) and (has_lbrr is None or has_lbrr(payload, len(payload)) == 1)

    def recover(self, payload: bytes, samples: int) -> NDArray[np.int16] | None:
        """The last `samples` before `payload`, if it carries them."""
        if samples % _STEP or samples > _MAX_SAMPLES or not self.has_fec(payload):
            return None
        self._spare = _EMPTY
        return self._decode(payload, samples, 1)

    def reset(self) -> None:
        """A new stream begins."""
        self._spare = _EMPTY
        self._lib.opus_decoder_ctl(self._state, _RESET_STATE)

    def snapshot(self) -> object:
        """Everything that the decoder remembers now; costs a microsecond."""
        return ctypes.string_at(self._state, len(self._state)), self._spare

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot: a packet that was concealed has come after all."""
        state, self._spare = snapshot
        ctypes.memmove(self._state, state, len(state))

    def _decode(self, payload: bytes | None, limit: int, fec: int) -> NDArray[np.int16]:
        size = 0 if payload is None else len(payload)
        samples = self._lib.opus_decode(self._state, payload, size, self._pcm, limit, fec)
        if samples < 0:
            raise CodecError(f"libopus could not decode a packet of {size} bytes ({samples})")
        # Not by numpy: for more than 500 samples it gives up the GIL, and waits for it in a busy process.
        return np.frombuffer(bytearray(self._view[: 2 * samples]), np.int16)


def create_encoder(settings: OpusSettings = _DEFAULTS, *, lib: LibOpus | None = None) -> Encoder:
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
