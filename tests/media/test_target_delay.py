"""The target delay from the lateness of packets: what is covered, what is not, and how soon."""

from __future__ import annotations

import numpy as np
import pytest

from telnyx_agent._media.playout.target_delay import TargetDelay

FRAME = 960


def after(lateness: list[int], *, lost: float = 0.0, protected: bool = False, least: int = 0) -> TargetDelay:
    """The target after packets of this lateness, with this share of others lost evenly."""
    target = TargetDelay(least)
    owed = 0.0
    for value in lateness:
        target.arrived(value, FRAME)
        target.passed(recoverable=False)
        target.protected(protected)
        owed += lost
        if owed >= 1.0:
            owed -= 1.0
            target.passed(recoverable=True)
    return target


def test_a_perfect_network_needs_nothing() -> None:
    """All packets alike: none waits, once the first second is over."""
    assert after([480] * 10).value > 480
    target = after([480] * 100)
    assert (target.value, target.base) == (480, 480)


def test_jitter_is_covered_whole() -> None:
    """Packets evenly 0 to 40 ms late: nearly all of them are in time."""
    lateness = np.random.default_rng(1).integers(0, 1920, 500).tolist()
    assert 1560 <= after(lateness).value <= 1920


SPIKE = [0] * 242 + [7200 - 960 * n for n in range(8)]
"""The network holds everything back for 150 ms once in five seconds."""


def test_a_spike_or_two_are_not_covered() -> None:
    """Eight packets in five seconds, up to 150 ms late, are not worth 150 ms for all the others."""
    assert after(SPIKE * 2).value == 0
    assert after([*SPIKE * 2, *[0] * 20]).value == 0


def test_spikes_that_come_again_and_again_are_covered() -> None:
    """The third says that there will be a fourth; when that has not come for two of their periods, it is over."""
    target = after([*SPIKE * 3, *[0] * 490])
    assert target.value == 6000
    for _ in range(30):
        target.arrived(0, FRAME)
    assert target.value == 0


def test_the_highest_of_some_spikes_was_an_exception() -> None:
    """What two of the last four have reached is what is waited for, and never more than 200 ms."""
    low = [0] * 97 + [2880, 1920, 960]
    assert after([*low * 2, *SPIKE, *low]).value == 2400
    assert after(([0] * 200 + [48000 - 960 * n for n in range(50)]) * 4 + [0] * 80).value == 8000


def test_the_beginning_of_a_call_is_no_spike() -> None:
    """Nothing is known then of when packets come: where the line of time begins, and that the first came in a bunch."""
    assert after([48000 - 960 * n for n in range(40)] + SPIKE * 2 + [0] * 80).value == 0


def test_a_busy_machine_is_no_spike() -> None:
    """Hold-ups of less than 40 ms do not add up, and neither do spikes that are more than ten seconds apart."""
    assert after(([0] * 199 + [1800]) * 10 + [0] * 80).value == 0
    assert after(([0] * 510 + [7200 - 960 * n for n in range(8)]) * 5 + [0] * 80).value == 0


def test_a_spike_that_is_over_is_forgotten() -> None:
    """Two seconds of a bad network raise the target; a second and a half later it is down again."""
    target = after([0] * 100 + [4800, 0] * 50)
    assert target.value == 4800
    for _ in range(75):
        target.arrived(0, FRAME)
    assert target.value == 0


def test_a_longer_way_is_learnt_from_a_few_packets() -> None:
    """From one packet on all are 100 ms later."""
    target = after([0] * 400)
    needed = 0
    while target.value < 4800 and needed < 60:
        target.arrived(4800, FRAME)
        needed += 1
    assert needed <= 25


@pytest.mark.parametrize(("lost", "protected", "waits"), [(0.05, True, 720), (0.05, False, 0), (0.0, True, 0)])
def test_the_packet_after_a_lost_one_is_waited_for_when_that_helps(lost: float, protected: bool, waits: int) -> None:
    """Loss and error correction together are worth one packet of delay; either alone is not."""
    assert after([0] * 800, lost=lost, protected=protected).value == waits


def test_nothing_is_waited_for_before_anything_is_lost() -> None:
    """A call whose sender sends error correction, but loses nothing, keeps its delay; the first loss changes that."""
    target = after([0] * 100, protected=True)
    for _ in range(300):
        target.arrived(0, FRAME)
        target.protected(True)
        target.passed(recoverable=False)
        assert target.value == 0
    target = after([0] * 100, protected=True)
    target.passed(recoverable=True)
    for _ in range(40):
        target.arrived(0, FRAME)
    assert target.value == 720


@pytest.mark.parametrize("duration", [480, 960, 2880])
def test_a_network_that_loses_nothing_is_not_asked_for_delay(duration: int) -> None:
    """However short its packets, and cheap to wait for, and well protected: once the first guess is over."""
    target = TargetDelay()
    for number in range(300):
        target.protected(True)
        target.arrived(0, duration)
        target.passed(recoverable=False)
        assert target.value == 0 or number < 80


def test_one_look_at_a_protected_packet_is_enough_where_much_is_lost() -> None:
    """Nothing was known of error correction before; silence carries none."""
    target = after([], protected=False)
    for number in range(100):
        target.arrived(0, FRAME)
        target.passed(recoverable=number % 3 == 0)
    assert target.value == 0
    target.protected(True)
    for _ in range(40):
        target.arrived(0, FRAME)
    assert target.value == 720


def test_only_the_last_of_a_row_is_worth_waiting_for() -> None:
    """Five percent are lost, ten packets in a row: of these only one in ten can be recovered, which is not enough."""
    target = after([0] * 100, protected=True)
    for number in range(800):
        target.protected(True)
        if number % 200 < 190:
            target.arrived(0, FRAME)
            target.passed(recoverable=False)
        else:
            target.passed(recoverable=number % 200 == 199)
    for _ in range(100):
        target.arrived(0, FRAME)
        target.passed(recoverable=False)
    assert target.value == 0


def test_restart_keeps_the_spread() -> None:
    """A new stream begins anywhere on the line; what is known of the jitter holds."""
    lateness = np.random.default_rng(1).integers(0, 1920, 500).tolist()
    target = after(lateness)
    spread = target.value - target.base
    target.restart(5_000_040)
    assert target.value - target.base == spread
    assert abs(target.base - 5_000_000) <= 1920


def test_the_least_delay_holds() -> None:
    """Whatever the network is like."""
    assert after([0] * 500, least=2400).value == 2400


def test_lateness_is_rounded_up_to_two_and_a_half_milliseconds() -> None:
    """So that what is waited for is never a little too short."""
    assert [after([value]).base for value in (-121, -120, -1, 0, 1, 120, 121)] == [-120, -120, 0, 0, 120, 120, 240]


def test_the_first_second_has_a_guess() -> None:
    """15 ms over the earliest packet; from the fiftieth packet on it is reckoned, which is done at every eighth."""
    target = TargetDelay()
    seen = []
    for _ in range(60):
        target.arrived(480, FRAME)
        seen.append(target.value)
    assert seen == [1200] * 55 + [480] * 5
    target = TargetDelay()
    assert (target.is_new, target.value, target.base) == (True, 0, 0)
    target.restart(5000)
    assert (target.is_new, target.value, target.base) == (True, 0, 0)
    target.arrived(0, FRAME)
    assert target.is_new is False


@pytest.mark.parametrize(
    ("lateness", "worthless", "packets", "duration"),
    [
        (960, 4, 400, FRAME),  # one in a hundred late is as bad as 20 ms
        (1200, 5, 400, FRAME),
        (480, 2, 400, FRAME),  # half of its length late is late
        (360, 3, 400, FRAME),  # less is half as bad
        (840, 7, 400, 2 * FRAME),
        (960, 4, 400, 2 * FRAME),
        (960, 2, 100, FRAME),  # while there are fewer than 200, the missing ones are taken to have been in time
        (960, 2, 200, FRAME),
        (960, 3, 300, FRAME),
    ],
)
def test_what_is_worth_waiting_for(lateness: int, worthless: int, packets: int, duration: int) -> None:
    """So many late packets are not worth the delay for all; one more is."""
    for late, value in ((worthless, 0), (worthless + 1, lateness)):
        target = TargetDelay()
        for number in range(packets):
            target.arrived(0 if number < packets - late else lateness, duration)
        assert (target.value, target.base) == (value, 0), late


def test_what_has_no_sound_does_not_change_how_long_packets_are() -> None:
    """Padding: packets that are late by 7.5 ms still are by less than half their length."""
    target = TargetDelay()
    for number in range(400):
        target.arrived(0 if number < 397 else 360, FRAME)
    target.arrived(0, 0)
    assert target.value == 0
    target.arrived(360, 0)
    assert target.value == 360


@pytest.mark.parametrize(("early", "until"), [(1, 429), (2, 426)])
def test_a_packet_is_forgotten_after_eight_seconds(early: int, until: int) -> None:
    """400 packets count; the base is the earliest of them. What changes nothing is reckoned at every 32nd packet."""
    target = TargetDelay()
    for number in range(1, 500):
        target.arrived(-1200 if number <= early else 0, FRAME)
        assert target.base == (-1200 if number < until else 0), number


def test_packets_that_change_nothing_are_reckoned_at_less_often() -> None:
    """Loss is noticed by the 32nd."""
    target = after([0] * 400, protected=True)
    for _ in range(50):
        target.passed(recoverable=True)
    seen = []
    for _ in range(33):
        target.arrived(0, FRAME)
        seen.append(target.value)
    assert seen == [0] * 31 + [720] * 2


@pytest.mark.parametrize("shift", [-48_000, 48_000])
def test_spikes_are_seen_after_a_restart(shift: int) -> None:
    """A spike's first packet is its highest, and it may be the first after time has gone on from somewhere else."""
    target = after([0] * 250)
    line = 0
    for _ in range(3):
        line += shift
        target.restart(line - 119)
        assert (target.value - line, target.base - line) in [(0, 0), (6000, 0)]
        for late in SPIKE[242:]:
            target.arrived(line + late, FRAME)
        for _ in range(242):
            target.arrived(line, FRAME)
    assert (target.value - line, target.base - line) == (6000, 0)


def changes(steps: list[tuple[int, str]], before: int = 100) -> list[tuple[int, int]]:
    """After a second or two without loss: when the delay changed, and to what.

    Each step is a number of packets, and what they are: "." in time, "+" in time and carries the one before it, "x"
    lost, while the one after it has come and carries it.
    """
    target = after([0] * before)
    seen: list[tuple[int, int]] = []
    number = 0
    for count, kinds in steps:
        for kind in kinds * count:
            number += 1
            if kind == "x":
                target.passed(recoverable=True)
                continue
            target.arrived(0, FRAME)
            target.passed(recoverable=False)
            target.protected(kind == "+")
            if target.value != (seen[-1][1] if seen else 0):
                seen.append((number, target.value))
    return seen


@pytest.mark.parametrize(
    ("steps", "seen"),
    [
        ([(1000, "+")], []),
        ([(1000, "." * 19 + "x")], []),
        ([(400, "+" * 19 + "x"), (2000, "+")], [(21, 720), (9404, 0)]),
        ([(400, "+" * 19 + "x"), (2000, ".")], [(21, 720), (8092, 0)]),
        ([(40, "+" * 99 + "x"), (2000, "+")], [(303, 720), (4628, 0)]),
        ([(40, "+" * 199 + "x"), (2000, "+")], []),
        ([(20, "+" * 299 + "x"), (2000, "+")], []),
        ([(10, "+" * 9 + "x"), (2000, "+")], [(13, 720), (1238, 0)]),
        ([(1, "+" * 20 + "x" * 10), (2000, "+")], [(38, 720), (1238, 0)]),
        ([(100, "+.x" * 3)], [(17, 720)]),
        ([(100, "+" * 5 + "." * 20 + "x"), (100, "+" * 25 + "x")], [(54, 720)]),
    ],
)
def test_waiting_for_error_correction_to_the_packet(steps: list[tuple[int, str]], seen: list[tuple[int, int]]) -> None:
    """When it begins and when it ends; the constants were tuned with the traces of `benchmarks/playout_traces.py`."""
    assert changes(steps) == seen
