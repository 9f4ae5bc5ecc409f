"""What the caller says in `demo`: sentence after sentence, each when the agent has finished its turn."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .live_call import LiveCall
    from .prompter import Prompter

__all__ = ["DEMO", "Dialogue", "Turn", "demo_picture"]


@attrs.frozen
class Turn:
    """One turn of the caller.

    Args:
        text: What is said or typed.
        is_typed: Typed rather than said.
        has_picture: With a picture.
    """

    text: str = attrs.field(repr=False)
    is_typed: bool = False
    has_picture: bool = False


DEMO: tuple[Turn, ...] = (
    Turn("What is your name?"),
    Turn("What are your opening hours?"),
    Turn("What is this?", is_typed=True, has_picture=True),
    Turn("Goodbye"),
)
"""Sentences that the local agent's scripted brain answers, none of them at length."""


class Dialogue:
    """A `Script`: holds one side of a spoken conversation.

    Args:
        turns: What to say.
        prompter: Says it.
        speak: Turns a text into sound.
        patience: Seconds in which the user may say something before this begins to speak for them; 0.0 begins with
            the first turn that is due.
        on_takeover: Called when it does begin to speak for a user who stayed silent.
    """

    GREETING_PATIENCE = 4.0
    ANSWER_PATIENCE = 6.0
    END_OF_TURN = 0.4
    VOICE = 0.01
    """Level of the microphone, root mean square, from which somebody speaks into it."""
    SLOW_EARS = 5
    """How much longer to wait for the words of somebody whose voice was heard."""

    def __init__(
        self,
        turns: Sequence[Turn],
        prompter: Prompter,
        speak: Callable[[str], npt.NDArray[np.int16]],
        *,
        patience: float = 0.0,
        on_takeover: Callable[[], None] | None = None,
    ) -> None:
        self._prompter = prompter
        self._on_takeover = on_takeover
        self._patience = patience
        # Made before the call: nobody shall wait for it in between.
        self._turns = [(turn, None if turn.is_typed else speak(turn.text)) for turn in turns]
        self._next = 0
        self._user_has_spoken = False
        self._user_was_heard = False

    def __call__(self, live: LiveCall, now: float) -> bool:
        """One step."""
        if self._prompter.is_speaking:
            # Time to answer begins when the question has been asked.
            live.turns.ask(now)
            return False
        if live.call is not None and live.call.input_level > self.VOICE and live.turns.silence(now) > self.END_OF_TURN:
            self._user_was_heard = True
        patience = self.ANSWER_PATIENCE if self._next else self.GREETING_PATIENCE
        if not live.turns.is_over(now, pause=self.END_OF_TURN, patience=patience) or self._is_users(live, now):
            return False
        if self._next == len(self._turns):
            return True
        self._take_turn(live, now)
        return False

    def _is_users(self, live: LiveCall, now: float) -> bool:
        """Whether it is up to the user at the microphone to speak."""
        if self._patience == 0.0 or self._next > 0:
            return False
        self._user_has_spoken = self._user_has_spoken or any(item.role == "user" for item in live.client.transcript)
        patience = self._patience * (self.SLOW_EARS if self._user_was_heard else 1)
        if self._user_has_spoken or live.turns.silence(now) < patience:
            return True
        if self._on_takeover is not None:
            self._on_takeover()
        return False

    def _take_turn(self, live: LiveCall, now: float) -> None:
        turn, sound = self._turns[self._next]
        self._next += 1
        if sound is None:
            live.send(turn.text, now, images=[demo_picture()] if turn.has_picture else ())
        else:
            live.turns.ask(now)
            self._prompter.say(sound)


def demo_picture(width: int = 96, height: int = 64) -> bytes:
    """A small PNG: stripes from blue to green."""
    row = b"\0" + b"".join(bytes((0, shade, 255 - shade)) for shade in (x * 8 // width * 32 for x in range(width)))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * height)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
