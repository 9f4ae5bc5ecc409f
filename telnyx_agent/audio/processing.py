"""What is done to a call's sound between the sound card and the network: echo cancellation, noise suppression, gain.

`AudioConstraints` says what is wanted, as in Telnyx's mobile SDKs. `AudioProcessor` is the seam behind it: anything
with its three methods can be used in its place. `create_processor` chooses one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pcm16 = npt.NDArray[np.int16]

__all__ = ["AudioConstraints", "AudioProcessor", "create_processor"]


@attrs.frozen
class AudioConstraints:
    """What is wanted of the microphone's sound; all of it unless told otherwise.

    It is applied where a sound card can hear its own loudspeaker, and not to files and PCM, which have no echo. Echo
    cancellation and noise suppression need the extra, `pip install "telnyx-agent[aec]"`. Without it the echo is dealt
    with by turning the microphone down while the agent is heard, and noise is left as it is; the log says so once.

    Attributes:
        echo_cancellation: The agent shall not hear itself from the loudspeaker.
        noise_suppression: Take steady noise away, such as a fan's.
        auto_gain_control: Bring a quiet voice up and a loud one down, by 12 dB at most.
    """

    echo_cancellation: bool = True
    noise_suppression: bool = True
    auto_gain_control: bool = True

    @classmethod
    def disabled(cls) -> AudioConstraints:
        """Nothing is done: for headsets, music, or hardware that does it all by itself."""
        return cls(echo_cancellation=False, noise_suppression=False, auto_gain_control=False)


class AudioProcessor(Protocol):
    """Something that works on both directions of a call's sound, 10 ms at a time.

    Blocks are 480 samples, mono, int16, 48 kHz. They belong to the processor: it may work in place. The two directions
    may be called from two different threads at the same time (a sound card may have one for each), each in order; both
    are the sound card's, so nothing here may block or take more than about 1 ms. A method that raises, or returns
    something else than 480 samples of int16, has the processor switched off for the rest of the call.
    """

    def process_render(self, pcm: Pcm16) -> Pcm16:
        """Take what is about to be handed to the loudspeaker; returns what to hand over."""
        ...

    def process_capture(self, pcm: Pcm16, delay: float) -> Pcm16:
        """Take what the microphone heard; returns what to send.

        Also called while the call is muted, so that what is learnt about the room stays fresh.

        Args:
            pcm: The block from the microphone.
            delay: Seconds from `process_render` of a sample to its echo arriving here, as far as the drivers tell; 0
                when they do not.
        """
        ...

    def close(self) -> None:
        """The call is over. Called once, on any thread, after the last block."""
        ...


def create_processor(constraints: AudioConstraints, *, loudspeaker: bool) -> AudioProcessor | None:
    """A processor for one call, or None when there is nothing to do. Any thread; may take 0.3 s the first time.

    Args:
        constraints: What is wanted.
        loudspeaker: Whether what is played can come back into the microphone, as with a sound card. Files and PCM have
            no echo, and get nothing done to them.
    """
    if not loudspeaker or constraints == AudioConstraints.disabled():
        return None
    from ._chain import create_chain

    return create_chain(
        echo_cancellation=constraints.echo_cancellation,
        noise_suppression=constraints.noise_suppression,
        auto_gain_control=constraints.auto_gain_control,
    )
