"""What a call with a sound card gets: echo canceller and noise suppression, the gate behind them, and gain."""

from __future__ import annotations

import logging
import threading

import numpy as np

from . import _apm
from ._gain import AutomaticGain
from ._half_duplex import EchoGate, ramped
from ._samples import Int16

__all__ = ["Chain", "create_chain"]

logger = logging.getLogger("telnyx_agent.audio")

_INSTALL = 'pip install "telnyx-agent[aec]"'
_said: set[str] = set()
_saying = threading.Lock()


class Chain:
    """An `AudioProcessor`: the WebRTC module if there is one, the echo gate if echo is to go, the gain if it is wanted.

    Behind the module the gate takes away what is left of the echo in the first seconds, until the module has learnt the
    room, and in rooms that it never learns. Without the module the gate is the half-duplex guard.
    """

    def __init__(
        self, module: _apm.AudioProcessingModule | None, gate: EchoGate | None, level: AutomaticGain | None
    ) -> None:
        self.module = module
        """The WebRTC audio processing module, unless there is none."""
        self.gate = gate
        """What turns the microphone down while the agent is heard, if it is wanted."""
        self.level = level
        """The automatic gain, if it is wanted."""
        self._gain = 1.0

    def process_render(self, pcm: Int16) -> Int16:
        """Look at the agent's voice; it is not changed."""
        if self.module is not None:
            self.module.render(pcm)
        if self.gate is not None:
            self.gate.render(pcm.astype(np.float32))
        return pcm

    def process_capture(self, pcm: Int16, delay: float) -> Int16:
        """What is to be sent."""
        heard = None
        if self.module is not None:
            heard = pcm.astype(np.float32)
            pcm = self.module.capture(pcm, delay)
        if self.gate is None and self.level is None:
            return pcm
        samples = pcm.astype(np.float32)
        gain = 1.0 if self.gate is None else self.gate.gain(samples, delay, microphone=heard)
        if self.level is not None:
            agent_is_heard = self.gate is not None and self.gate.agent_is_heard
            gain *= self.level.gain(samples, learn=not agent_is_heard)
        before, self._gain = self._gain, gain
        return pcm if before == gain == 1.0 else ramped(samples, before, gain)

    def close(self) -> None:
        """Give the native module back."""
        if self.module is not None:
            self.module.close()


def create_chain(*, echo_cancellation: bool, noise_suppression: bool, auto_gain_control: bool) -> Chain | None:
    """What can be done of what is wanted; what cannot is said in the log, once per process."""
    module = None
    if echo_cancellation or noise_suppression:
        try:
            module = _apm.AudioProcessingModule(
                echo_cancellation=echo_cancellation, noise_suppression=noise_suppression
            )
        except Exception as exc:  # noqa: BLE001 - not installed, not for this platform, at odds with another package
            _say(exc, echo_cancellation=echo_cancellation, noise_suppression=noise_suppression)
    gate = EchoGate(cancelled=module is not None) if echo_cancellation else None
    level = AutomaticGain() if auto_gain_control else None
    if module is None and gate is None and level is None:
        return None
    return Chain(module, gate, level)


def _say(problem: Exception, *, echo_cancellation: bool, noise_suppression: bool) -> None:
    missing = isinstance(problem, ModuleNotFoundError)
    why = "is not installed" if missing else f"cannot be used ({type(problem).__name__}: {problem})"
    if echo_cancellation:
        lost = "; there is no noise suppression" if noise_suppression else ""
        text = (
            f"the echo canceller {why}: while the agent is heard from the loudspeaker, the microphone is turned down, "
            f"and the agent hears only who is clearly louder than its echo{lost}. To have the echo cancelled instead: "
            f"{_INSTALL}; to have nothing done, as with headphones: AudioConstraints(echo_cancellation=False)"
        )
    else:
        text = f"noise suppression {why}, so there is none: {_INSTALL}"
    _log_once(text)


def _log_once(text: str) -> None:
    with _saying:
        first = text not in _said
        _said.add(text)
    if first:
        logger.warning("%s", text)
