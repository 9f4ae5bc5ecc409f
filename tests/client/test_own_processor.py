"""A call's sound in the user's hands: a processor of one's own, and the levels of both sides."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from telnyx_agent import TxClient
from telnyx_agent.audio import PcmAudio
from telnyx_agent.testing import LocalAgent

TONE = (8000 * np.sin(2 * np.pi * 440 * np.arange(480) / 48000)).astype(np.int16)


class Halving:
    """Makes the microphone half as loud; notes what it is given and that it is closed."""

    def __init__(self) -> None:
        self.rendered = threading.Event()
        self.captured = threading.Event()
        self.closed = threading.Event()

    def process_render(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        if np.abs(pcm).max() > 1000:
            self.rendered.set()
        return pcm

    def process_capture(self, pcm: NDArray[np.int16], delay: float) -> NDArray[np.int16]:
        self.captured.set()
        return pcm // 2

    def close(self) -> None:
        self.closed.set()


def humming() -> PcmAudio:
    """A device that hums."""
    return PcmAudio(source=lambda samples: np.resize(TONE, samples).tobytes(), sink=lambda pcm: None)


def test_a_processor_of_ones_own(client: TxClient, talking_agent: LocalAgent) -> None:
    """It gets both directions of the call, and is closed with it."""
    processor = Halving()
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(10)
    call = client.new_call(audio=humming(), audio_processor=processor)
    assert processor.captured.wait(20)
    assert processor.rendered.wait(20)
    call.hangup().result(10)
    assert processor.closed.wait(10)


def test_the_levels_can_be_read(client: TxClient, talking_agent: LocalAgent) -> None:
    """`input_level` is the microphone's, `output_level` the agent's; both between 0 and 1."""
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(10)
    call = client.new_call(audio=humming())
    both = threading.Event()

    def look(inbound: float, outbound: float) -> None:
        if 0.01 < call.input_level <= 1.0 and 0.01 < call.output_level <= 1.0:
            both.set()

    call.on_audio_level = look
    assert both.wait(20)
    call.mute_audio()
    silent = threading.Event()
    call.on_audio_level = lambda inbound, outbound: silent.set() if call.input_level == 0.0 else None
    assert silent.wait(20)
