"""What the sound card's callback takes of the heap: a copy of the block, and nothing that stays."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np

from telnyx_agent import MediaError
from telnyx_agent.audio._callbacks import Callbacks, CapturePort, RenderPort
from telnyx_agent.audio._samples import BLOCK, SAMPLE_RATE, Int16

LITTLE = 2048
"""Bytes at once: the copy of a block is 960, and each object has a head."""


class Call:
    """Takes and gives blocks, and allocates nothing itself."""

    sample_rate = SAMPLE_RATE

    def __init__(self) -> None:
        self.block: Int16 = np.zeros(BLOCK, np.int16)

    def push_capture(self, pcm: bytes | bytearray | memoryview | Int16) -> None:
        """A block of the microphone."""

    def pull_render(self, samples: int) -> Int16:
        """A block for the loudspeaker."""
        return self.block

    def device_failed(self, error: MediaError) -> None:
        """It does not."""
        raise error


def test_a_block_costs_one_copy() -> None:
    """A card at 48 kHz mono: a thousand blocks both ways leave nothing, and none needs more than its copy."""
    failed: list[None] = []
    callbacks, call = Callbacks(lambda: failed.append(None)), Call()
    callbacks.capture, callbacks.render = CapturePort(call, SAMPLE_RATE, 1), RenderPort(call, SAMPLE_RATE, 1)
    callbacks.stopping = False
    microphone, loudspeaker = bytearray(b"\1" * 2 * BLOCK), memoryview(bytearray(2 * BLOCK)).cast("h")
    time = SimpleNamespace(currentTime=0.02, inputBufferAdcTime=0.01)

    def run(blocks: int) -> None:
        for _ in range(blocks):
            callbacks.duplex(microphone, loudspeaker, BLOCK, time, None)

    run(100)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        run(10)
        before, _ = tracemalloc.get_traced_memory()
        blocks_before = sys.getallocatedblocks()
        tracemalloc.reset_peak()
        run(1000)
        after, peak = tracemalloc.get_traced_memory()
        kept = sys.getallocatedblocks() - blocks_before
    finally:
        tracemalloc.stop()
        gc.enable()

    assert not failed
    assert callbacks.failure is None
    assert callbacks.input_blocks == callbacks.output_blocks == 1110
    assert after - before < LITTLE / 4, "something of each block, or of all of them, is kept"
    assert kept < 50
    assert peak - before < LITTLE, "a block needs more than its copy"
