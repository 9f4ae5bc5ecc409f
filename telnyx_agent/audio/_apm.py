"""The WebRTC audio processing module, as the package `livekit` (the extra `telnyx-agent[aec]`) ships it.

The package's own Python methods give up the GIL six times per 10 ms of sound, and build and read protocol messages.
With two busy Python threads in the process that takes 11 ms in the median, where the work is 0.1 ms (`docs/echo.md`).
So the messages are made once, and the library is called without letting go of the GIL. That uses private names of the
package; where one is missing the public methods are used, and `tests/audio/test_apm.py` fails.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from ._samples import BLOCK, SAMPLE_RATE, Int16

__all__ = ["AudioProcessingModule", "load"]

logger = logging.getLogger("telnyx_agent.audio")

_BYTES = BLOCK * 2
_DELAY_LIMIT = 0.5
_SAFE_SIDE = 0.02  # an echo that comes earlier than announced is not found; one that comes later is


def load() -> Any:
    """The module `livekit.rtc`; takes 0.1 s and 27 MB the first time, and starts three threads of its own.

    Raises:
        ImportError: It is not installed, or not for this platform.
    """
    return importlib.import_module("livekit.rtc")


class AudioProcessingModule:
    """One call's instance. `render` and `capture` may be used from two threads, each from one at a time.

    Raises:
        ImportError: The package, or the library in it, cannot be loaded.
    """

    def __init__(self, *, echo_cancellation: bool, noise_suppression: bool) -> None:
        rtc = load()
        self._module = rtc.AudioProcessingModule(
            echo_cancellation=echo_cancellation,
            noise_suppression=noise_suppression,
            # Below 100 Hz there is no voice, but all of the rumble; WebRTC itself turns it on with the echo canceller.
            high_pass_filter=True,
            auto_gain_control=False,
        )
        self._calls: _Calls
        try:
            self._calls = _DirectCalls(self._module)
        except (AttributeError, ImportError, TypeError, ValueError, OSError) as exc:
            logger.info("this version of livekit is not known (%s); its public methods are used, which are slower", exc)
            self._calls = _PublicCalls(self._module, rtc.AudioFrame)
        self._wants_delay = echo_cancellation

    @property
    def is_direct(self) -> bool:
        """Whether the library is called without letting go of the GIL."""
        return isinstance(self._calls, _DirectCalls)

    def render(self, pcm: Int16) -> None:
        """Take a block that is about to be heard.

        Raises:
            RuntimeError: The module refused.
        """
        self._calls.render(pcm)

    def capture(self, pcm: Int16, delay: float) -> Int16:
        """What is left of a block of the microphone.

        Args:
            pcm: The block.
            delay: From `render` to the echo's arrival, in seconds, as far as it is known.

        Raises:
            RuntimeError: The module refused.
        """
        if self._wants_delay:
            # Expected before every block; without it the module believes that nothing is known.
            self._calls.set_delay(round(1000 * min(_DELAY_LIMIT, max(0.0, delay - _SAFE_SIDE))))
        return self._calls.capture(pcm)

    def close(self) -> None:
        """Give the native object back. What comes afterwards is refused."""
        self._calls.close()


class _Calls:
    """The three functions of the library."""

    def render(self, pcm: Int16) -> None:
        raise NotImplementedError

    def capture(self, pcm: Int16) -> Int16:
        raise NotImplementedError

    def set_delay(self, milliseconds: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class _PublicCalls(_Calls):
    """By the package's public methods."""

    def __init__(self, module: Any, frame: Callable[..., Any]) -> None:
        self._module = module
        self._frame = frame

    def render(self, pcm: Int16) -> None:
        self._open_module().process_reverse_stream(self._as_frame(pcm))

    def capture(self, pcm: Int16) -> Int16:
        frame = self._as_frame(pcm)
        self._open_module().process_stream(frame)
        result: Int16 = np.frombuffer(frame.data, np.int16).copy()
        return result

    def set_delay(self, milliseconds: int) -> None:
        self._open_module().set_stream_delay_ms(milliseconds)

    def close(self) -> None:
        # The native object goes with the last reference to the Python one.
        self._module = None

    def _open_module(self) -> Any:
        module = self._module
        if module is None:
            raise RuntimeError("the audio processing module is closed")
        return module

    def _as_frame(self, pcm: Int16) -> Any:
        return self._frame(bytearray(pcm.tobytes()), SAMPLE_RATE, 1, BLOCK)


class _DirectCalls(_Calls):
    """By the package's native library, with the GIL held: each call takes 20 to 100 us and waits for nobody.

    Each direction has its own memory and messages; the native side has a lock per instance.
    """

    def __init__(self, module: Any) -> None:
        client = importlib.import_module("livekit.rtc._ffi_client").FfiClient.instance
        self._messages = importlib.import_module("livekit.rtc._proto.ffi_pb2")
        self._handle = module._ffi_handle
        library = ctypes.PyDLL(client._ffi_lib._name)
        self._request = library.livekit_ffi_request
        self._request.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
        self._request.restype = ctypes.c_uint64
        self._drop = library.livekit_ffi_drop_handle
        self._drop.argtypes = [ctypes.c_uint64]
        self._drop.restype = ctypes.c_bool
        self._accepted: dict[str, bytes] = {}
        self._render = _Direction()
        self._capture = _Direction()
        self._render_message = self._block_message("apm_process_reverse_stream", self._render)
        self._capture_message = self._block_message("apm_process_stream", self._capture)
        self._milliseconds = -1
        self._delay_message = b""
        # A first go, so that a version that is not understood is noticed here, and not by the sound card.
        self.set_delay(0)
        self.render(self._render.block)
        self.capture(self._capture.block)

    def render(self, pcm: Int16) -> None:
        self._render.block[:] = pcm
        self._ask("apm_process_reverse_stream", self._render_message, self._render)

    def capture(self, pcm: Int16) -> Int16:
        self._capture.block[:] = pcm
        self._ask("apm_process_stream", self._capture_message, self._capture)
        result: Int16 = self._capture.block.copy()
        return result

    def set_delay(self, milliseconds: int) -> None:
        if milliseconds != self._milliseconds:
            request = self._messages.FfiRequest()
            request.apm_set_stream_delay.apm_handle = self._handle.handle
            request.apm_set_stream_delay.delay_ms = milliseconds
            self._delay_message = request.SerializeToString()
            self._milliseconds = milliseconds
        self._ask("apm_set_stream_delay", self._delay_message, self._capture)

    def close(self) -> None:
        self._handle.dispose()

    def _block_message(self, kind: str, direction: _Direction) -> bytes:
        request = self._messages.FfiRequest()
        fields = getattr(request, kind)
        fields.apm_handle = self._handle.handle
        fields.data_ptr = direction.block.ctypes.data
        fields.size = _BYTES
        fields.sample_rate = SAMPLE_RATE
        fields.num_channels = 1
        message: bytes = request.SerializeToString()
        return message

    def _ask(self, kind: str, message: bytes, direction: _Direction) -> None:
        if self._handle.disposed:
            raise RuntimeError("the audio processing module is closed")
        answer_handle = self._request(message, len(message), *direction.answer_addresses)
        if not answer_handle:
            raise RuntimeError(f"the audio processing module refused {kind}")
        answer = ctypes.string_at(direction.answer, direction.answer_size.value)
        self._drop(answer_handle)
        if answer != self._accepted.get(kind):
            response = self._messages.FfiResponse.FromString(answer)
            if not response.HasField(kind):
                raise ValueError(f"the audio processing module answered {kind} with something else")
            if error := getattr(response, kind).error:
                raise RuntimeError(f"the audio processing module failed in {kind}: {error}")
            self._accepted[kind] = answer


class _Direction:
    """The memory of one direction: the block, and where the library writes its answer's address and size."""

    def __init__(self) -> None:
        self.block: Int16 = np.zeros(BLOCK, np.int16)
        self.answer = ctypes.c_void_p()
        self.answer_size = ctypes.c_size_t()
        self.answer_addresses = (ctypes.addressof(self.answer), ctypes.addressof(self.answer_size))
