"""`run_microphone_check`: does the microphone hear anything, and is it too loud."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import ClientConfigurationError, MediaError
from ._results import Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..audio import AudioDevice
    from ..audio.device import PcmLike

__all__ = ["MicrophoneReport", "run_microphone_check"]

_RATE = 48000
_FULL_SCALE = 32700
_MUCH_CLIPPING = 0.001
_PERMISSION_DENIED = 42001


@attrs.frozen
class MicrophoneReport:
    """What the microphone gave.

    Attributes:
        device: Its name.
        seconds: Of sound that came.
        level: Root mean square, 0.0 to 1.0.
        peak: The loudest sample, 0.0 to 1.0.
        zeros: The part of all samples that were exactly zero: 1.0 is what a switched-off or forbidden microphone gives.
        clipped: The part of all samples at full scale.
        verdict: READY; DEGRADED for silence or clipping; BLOCKED for a device that cannot be opened or gives nothing.
        detail: Why it is not READY, and what can be done.
    """

    device: str
    seconds: float
    level: float
    peak: float
    zeros: float
    clipped: float
    verdict: Verdict
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is nothing to complain about."""
        return self.verdict is Verdict.READY

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**attrs.asdict(self), "verdict": self.verdict.value, "ok": self.ok}

    def __str__(self) -> str:
        heard = f"{self.seconds:.1f} s, level {self.level:.4f}, peak {self.peak:.3f}"
        return f"microphone: {self.verdict.value} ({self.device}; {heard}) {self.detail}".rstrip()


class _Listener:
    """The `AudioStream` that the device is given: it counts what comes, and plays silence."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._changed = threading.Condition()
        self._blocks: list[NDArray[np.int16]] = []
        self._count = 0
        self.error: MediaError | None = None

    @property
    def sample_rate(self) -> int:
        return _RATE

    def push_capture(self, pcm: PcmLike) -> None:
        import numpy as np

        samples = np.array(pcm if isinstance(pcm, np.ndarray) else np.frombuffer(pcm, np.int16), np.int16)
        with self._changed:
            self._blocks.append(samples)
            self._count += samples.size
            self._changed.notify_all()

    def pull_render(self, samples: int) -> NDArray[np.int16]:
        import numpy as np

        return np.zeros(samples, np.int16)

    def device_failed(self, error: MediaError) -> None:
        with self._changed:
            self.error = error
            self._changed.notify_all()

    def wait(self, timeout: float) -> NDArray[np.int16]:
        """All samples, once there are enough or the time is up."""
        import numpy as np

        with self._changed:
            self._changed.wait_for(lambda: self._count >= self._wanted or self.error is not None, timeout)
            return np.concatenate([np.zeros(0, np.int16), *self._blocks])


def run_microphone_check(
    duration: float = 2.0, silence_threshold: float = 0.01, *, device: AudioDevice | None = None
) -> MicrophoneReport:
    """Listen for a while. Blocks. Nothing is kept of what was heard, and nothing is sent.

    Args:
        duration: Seconds.
        silence_threshold: The level, 0.0 to 1.0, below which the microphone counts as silent.
        device: Which; the default one when not given. It must not be in use by a call.

    Returns:
        Also for a device that cannot be opened; then the verdict is BLOCKED or PERMISSION_DENIED.

    Raises:
        ClientConfigurationError: The duration is not from 0.1 to 60 seconds.
    """
    if not 0.1 <= duration <= 60.0:
        raise ClientConfigurationError(f"duration is from 0.1 to 60 seconds; got {duration!r}")
    listener = _Listener(round(duration * _RATE))
    try:
        chosen = _default_device() if device is None else device
        chosen.start(listener)
    except MediaError as error:
        return _unusable("none" if device is None else device.name, error)
    try:
        samples = listener.wait(duration + 3.0)
    finally:
        chosen.stop()
    if listener.error is not None:
        return _unusable(chosen.name, listener.error)
    return _measured(chosen.name, samples, silence_threshold)


def _default_device() -> AudioDevice:
    from ..audio import SoundDeviceAudio, input_devices

    # Where there is none, some sound systems open a device that gives nothing but zeros.
    if not input_devices():
        raise MediaError("there is no microphone on this machine; connect one, and look at `telnyx-agent devices`")
    return SoundDeviceAudio()


def _unusable(name: str, error: MediaError) -> MicrophoneReport:
    verdict = Verdict.PERMISSION_DENIED if error.code == _PERMISSION_DENIED else Verdict.BLOCKED
    return MicrophoneReport(name, 0.0, 0.0, 0.0, 0.0, 0.0, verdict, str(error))


def _measured(name: str, samples: NDArray[np.int16], threshold: float) -> MicrophoneReport:
    import numpy as np

    if not samples.size:
        detail = "the microphone gave nothing at all; unplug it and plug it in again"
        return MicrophoneReport(name, 0.0, 0.0, 0.0, 0.0, 0.0, Verdict.BLOCKED, detail)
    values = samples.astype(np.float64)
    level = math.sqrt(float(values @ values) / values.size) / 32768.0
    peak = float(np.abs(values).max()) / 32768.0
    zeros = float(np.mean(samples == 0))
    clipped = float(np.mean(np.abs(values) >= _FULL_SCALE))
    verdict, detail = Verdict.READY, ""
    if zeros == 1.0:
        verdict = Verdict.DEGRADED
        detail = "nothing but zeros: the microphone is switched off, or the system keeps it from this program"
    elif clipped > _MUCH_CLIPPING:
        verdict, detail = Verdict.DEGRADED, "it is too loud and distorts; turn its level down"
    elif level < threshold:
        verdict, detail = Verdict.DEGRADED, "it is silent; was nobody speaking, or is another microphone chosen?"
    return MicrophoneReport(name, samples.size / _RATE, level, peak, zeros, clipped, verdict, detail)
