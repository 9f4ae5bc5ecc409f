"""Which faults hit which frame: rates and single faults, drawn from a seed. No socket, no clock."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Literal, get_args

import attrs

from ..errors import ClientConfigurationError
from ._checks import check_number
from ._wire_frames import WireFrame

__all__ = [
    "Action",
    "Direction",
    "Fault",
    "FaultPlan",
    "FaultRates",
    "FaultRecord",
    "damaged",
    "probability",
    "seconds",
]

Direction = Literal["to_client", "to_server"]
"""Which way a frame goes."""

Action = Literal[
    "drop", "duplicate", "reorder", "delay", "corrupt", "truncate", "garble", "tear", "cut", "reset", "close", "stall"
]
"""What happens to a frame, or to its connection:

* `drop`: it is lost. `duplicate`: it comes twice. `reorder`: it comes after the next one. `delay`: it, and all behind
  it, comes later.
* `corrupt`: some of its characters are others. `truncate`: its second half is missing. Both are good frames with bad
  contents.
* `garble`: its first byte is no WebSocket. `tear`: the connection ends in the middle of it.
* `cut`: the TCP connection ends, without a close frame. `reset`: the same with an RST. `close`: a close frame comes
  instead.
* `stall`: nothing goes this way any more, and the connection stays open, until `FaultProxy.resume`.
"""

ENDING = frozenset({"tear", "cut", "reset", "close", "stall"})
"""After these nothing more comes through."""


def probability(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    """Validates a field of attrs: from 0.0 to 1.0."""
    check_number(attribute.name, value, 0.0, 1.0)


def seconds(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    """Validates a field of attrs: zero or more."""
    check_number(attribute.name, value, 0.0)


@attrs.frozen(kw_only=True)
class FaultRates:
    """What happens to the frames of one direction, at random. Only frames with messages are hit; all are delayed.

    Args:
        drop: Probability, for each frame, that it is lost. TCP itself never does that; servers that restart do.
        duplicate: Probability that it comes twice.
        reorder: Probability that it comes after the next one.
        corrupt: Probability that some of its characters are others.
        truncate: Probability that its second half is missing.
        delay: Seconds that each takes longer.
        jitter: Seconds that each may take longer besides; the order stays.
        pace: Seconds between one byte and the next (slow-loris); 0 for all at once.

    Raises:
        ClientConfigurationError: A probability or a time is none.
    """

    drop: float = attrs.field(default=0.0, validator=probability)
    duplicate: float = attrs.field(default=0.0, validator=probability)
    reorder: float = attrs.field(default=0.0, validator=probability)
    corrupt: float = attrs.field(default=0.0, validator=probability)
    truncate: float = attrs.field(default=0.0, validator=probability)
    delay: float = attrs.field(default=0.0, validator=seconds)
    jitter: float = attrs.field(default=0.0, validator=seconds)
    pace: float = attrs.field(default=0.0, validator=seconds)


@attrs.frozen
class Fault:
    """One fault, which hits the first frame that all conditions fit, once.

    Args:
        action: What happens, see `Action`.
        direction: Which way the frame goes.
        frame: The number of the frame with a message in its direction of its connection, from 1; None for any.
        contains: A text that it contains, such as `"telnyx_rtc.answer"`; None for any.
        connection: The number of the connection, from 1; None for any.
        after: For what ends or stalls a connection: whether the frame itself still comes through.
        seconds: For `delay`.
        code: For `close`.
        reason: For `close`.

    Raises:
        ClientConfigurationError: There is no such action or direction.
    """

    action: Action = attrs.field()
    direction: Direction = attrs.field(default="to_client")
    frame: int | None = attrs.field(default=None, kw_only=True)
    contains: str | None = attrs.field(default=None, kw_only=True)
    connection: int | None = attrs.field(default=None, kw_only=True)
    after: bool = attrs.field(default=False, kw_only=True)
    seconds: float = attrs.field(default=1.0, kw_only=True, validator=seconds)
    code: int = attrs.field(default=1011, kw_only=True)
    reason: str = attrs.field(default="", kw_only=True)

    @action.validator
    def _check_action(self, attribute: attrs.Attribute[Action], value: Action) -> None:
        if value not in get_args(Action):
            raise ClientConfigurationError(f"{value!r} is not a fault; there are {', '.join(get_args(Action))}")

    @direction.validator
    def _check_direction(self, attribute: attrs.Attribute[Direction], value: Direction) -> None:
        if value not in get_args(Direction):
            raise ClientConfigurationError(f"{value!r} is not one of {', '.join(get_args(Direction))}")

    def fits(self, connection: int, direction: Direction, number: int, frame: WireFrame) -> bool:
        """Whether it hits this frame."""
        return (
            self.direction == direction
            and self.connection in (None, connection)
            and self.frame in (None, number)
            and (self.contains is None or self.contains.encode() in frame.payload)
        )


@attrs.frozen
class FaultRecord:
    """A fault that happened.

    Attributes:
        connection: Its number, from 1.
        direction: Which way.
        frame: The number of the frame, from 1; 0 for what was done by hand.
        action: What.
    """

    connection: int
    direction: Direction
    frame: int
    action: Action


class FaultPlan:
    """Decides what happens to the frames of one direction of one connection.

    Whatever the timing, the n-th frame meets the same fate with the same seed: every frame takes the same number of
    draws.

    Args:
        seed: Of the proxy.
        connection: Its number.
        direction: Which way.
    """

    def __init__(self, seed: int, connection: int, direction: Direction) -> None:
        self._connection = connection
        self._direction = direction
        self.random = random.Random(f"{seed}/{connection}/{direction}")
        self._number = 0

    @property
    def number(self) -> int:
        """The number of the latest frame."""
        return self._number

    def decide(self, frame: WireFrame, rates: FaultRates, single: list[Fault]) -> list[Fault]:
        """What happens to the next frame with a message; single faults that fit are taken out of the list."""
        self._number += 1
        fitting = [fault for fault in single if fault.fits(self._connection, self._direction, self._number, frame)]
        for fault in fitting:
            single.remove(fault)
        drawn: list[Action] = []
        if self.random.random() < rates.drop:
            drawn.append("drop")
        if self.random.random() < rates.duplicate:
            drawn.append("duplicate")
        if self.random.random() < rates.reorder:
            drawn.append("reorder")
        if self.random.random() < rates.corrupt:
            drawn.append("corrupt")
        if self.random.random() < rates.truncate:
            drawn.append("truncate")
        return fitting + [Fault(action, self._direction) for action in drawn]

    def lateness(self, rates: FaultRates) -> float:
        """Seconds that a frame takes longer."""
        return rates.delay + rates.jitter * self.random.random()


_REPLACEMENTS = b'{}[]",:\\0x'


def damaged(frame: WireFrame, actions: Iterable[Action], dice: random.Random) -> WireFrame:
    """The frame after `corrupt` and `truncate`, still a good WebSocket frame, though perhaps not UTF-8."""
    payload = bytearray(frame.payload)
    for action in actions:
        if action == "corrupt" and payload:
            for _ in range(1 + len(payload) // 64):
                payload[dice.randrange(len(payload))] = dice.choice(_REPLACEMENTS)
        elif action == "truncate":
            del payload[len(payload) // 2 :]
    return attrs.evolve(frame, payload=bytes(payload))
