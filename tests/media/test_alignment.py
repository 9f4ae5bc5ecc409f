"""The two channels of a recording, with no thread and no clock: each sample says when it was at the device."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from telnyx_agent._media.playout.alignment import StereoTimeline
from tests.media.harness import RATE, Samples

PERIOD = 30011  # a prime: no block begins twice with the same sample within a test


def instant(position: int, size: int = 480) -> Samples:
    """The samples of a side from `position` on; never 0, so that what was filled can be told."""
    return (1 + np.arange(position, position + size) % PERIOD).astype(np.int16)


class Card:
    """A duplex sound card that gives the timeline its blocks."""

    def __init__(self, timeline: StereoTimeline, *, capture_first: bool = True, jitter: float = 0.0) -> None:
        self.timeline = timeline
        self.capture_first = capture_first
        self.jitter = jitter
        self.chance = random.Random(7)
        self.step = 0
        self.taken: list[Samples] = []

    def run(
        self,
        steps: int,
        *,
        left: Callable[[int], bool] = lambda step: True,
        right: Callable[[int], bool] = lambda step: True,
    ) -> None:
        for _ in range(steps):
            now = self.step / 100 + self.chance.uniform(0, self.jitter)
            for order, is_left in enumerate((True, False) if self.capture_first else (False, True)):
                if (left if is_left else right)(self.step):
                    self.timeline.add(is_left, instant(self.step * 480), now + order * 0.001)
            self.step += 1
            self.take()

    def take(self, *, final: bool = False) -> None:
        while (frames := self.timeline.take(final=final)).size:
            self.taken.append(frames)

    def result(self) -> tuple[Samples, Samples]:
        self.take(final=True)
        frames = np.concatenate([np.empty((0, 2), np.int16), *self.taken])
        return frames[:, 0], frames[:, 1]


def assert_aligned(left: Samples, right: Samples) -> None:
    both = (left != 0) & (right != 0)
    assert both.any()
    assert (left[both] == right[both]).all(), int(np.flatnonzero(both & (left != right))[0])


@pytest.mark.parametrize("capture_first", [True, False])
@pytest.mark.parametrize("jitter", [0.0, 0.006])
def test_a_duplex_card_is_aligned_to_the_sample(capture_first: bool, jitter: float) -> None:
    """Whichever of the two a card does first, and however late its thread is now and then."""
    card = Card(StereoTimeline(), capture_first=capture_first, jitter=jitter)
    card.run(300)
    left, right = card.result()
    assert left.size == right.size == 300 * 480
    assert (left == right).all()
    assert (left == instant(0, left.size)).all()


@pytest.mark.parametrize("capture_first", [True, False])
@pytest.mark.parametrize("is_left", [True, False])
@pytest.mark.parametrize("lost", [5, 30, 99, 250])
def test_a_side_that_delivers_nothing_comes_back_in_step(capture_first: bool, is_left: bool, lost: int) -> None:
    """50 ms to 2.5 s of one side are lost: silence is in their place, and the rest stands where it belongs."""
    card = Card(StereoTimeline(), capture_first=capture_first)
    hangs = {"left" if is_left else "right": lambda step: not 100 <= step < 100 + lost}
    card.run(600, **hangs)
    left, right = card.result()
    one, other = (left, right) if is_left else (right, left)
    assert (other == instant(0, 600 * 480)).all()
    hole = slice(100 * 480, (100 + lost) * 480)
    assert not one[hole].any()
    one[hole] = other[hole]
    assert (one == other).all()


@pytest.mark.parametrize("capture_first", [True, False])
@pytest.mark.parametrize("is_left", [True, False])
def test_a_side_that_begins_later_is_in_step(capture_first: bool, is_left: bool) -> None:
    """The microphone is opened after the loudspeaker, or the other way round."""
    card = Card(StereoTimeline(), capture_first=capture_first)
    card.run(200, **{"left" if is_left else "right": lambda step: step >= 37})
    left, right = card.result()
    assert left.size == 200 * 480
    assert_aligned(left, right)
    assert not (left if is_left else right)[: 37 * 480].any()


def test_a_recording_that_begins_between_the_two_sides_is_aligned() -> None:
    """The first block is one of the right side's, whose fellow on the left was before the recording."""
    card = Card(StereoTimeline())
    card.run(1, left=lambda step: False)
    card.run(100)
    left, right = card.result()
    assert (left[480:] == right[480:]).all()
    assert (right == instant(0, right.size)).all()


def test_what_comes_late_is_not_filled() -> None:
    """A side that was held up for 150 ms and then delivers it all at once has lost nothing."""
    timeline = StereoTimeline()
    taken = []
    for step in range(300):
        now = step / 100
        timeline.add(False, instant(step * 480), now)
        if 100 <= step < 115:
            pass
        elif step == 115:
            for late in range(100, 116):
                timeline.add(True, instant(late * 480), now + 0.001 + (late - 100) * 1e-4)
        else:
            timeline.add(True, instant(step * 480), now + 0.001)
        taken.append(timeline.take())
    taken.append(timeline.take(final=True))
    frames = np.concatenate(taken)
    assert (frames[:, 0] == instant(0, 300 * 480)).all()
    assert (frames[:, 0] == frames[:, 1]).all()


@pytest.mark.parametrize("gap", [0.3, 1.0, 40.0])
def test_when_both_are_away_the_time_goes_on(gap: float) -> None:
    """Between two devices there is silence on both sides, as long as the gap was."""
    timeline = StereoTimeline()
    card = Card(timeline)
    card.run(100)
    card.step += round(gap * 100)
    card.run(100)
    left, right = card.result()
    assert left.size == pytest.approx((200 + round(gap * 100)) * 480, abs=480)
    assert (left == right).all()
    assert (left[-48000:] == instant((100 + round(gap * 100)) * 480, 48000)).all()
    assert not left[48000:-48000].any()


@pytest.mark.parametrize(("lost", "is_filled"), [(1, False), (2, False), (3, True), (4, True)])
@pytest.mark.parametrize("is_left", [True, False])
def test_two_blocks_may_be_a_clock_three_are_lost(lost: int, is_filled: bool, is_left: bool) -> None:
    """Less is left as it is: to fill it would be heard, and to be 20 ms off is not."""
    card = Card(StereoTimeline())
    card.run(300, **{"left" if is_left else "right": lambda step: not 100 <= step < 100 + lost})
    left, right = card.result()
    one = left if is_left else right
    hole = np.flatnonzero(one == 0)
    begin = 100 * 480 if is_filled else (300 - lost) * 480
    assert hole.tolist() == list(range(begin, begin + lost * 480))


@pytest.mark.parametrize(("gap", "filled"), [(0.24, 0), (0.26, 12912), (0.3, 14832), (0.5, 24432)])
def test_from_when_on_a_silence_of_both_is_time(gap: float, filled: int) -> None:
    """A quarter of a second; the scheduler's delays are shorter. To the sample, by the clock."""
    timeline = StereoTimeline()
    for begin in (0.0, 0.5 + gap):
        for step in range(50):
            timeline.add(True, instant(step * 480), begin + step / 100)
            timeline.add(False, instant(step * 480), begin + step / 100 + 0.001)
    taken = []
    while (frames := timeline.take(final=True)).size:
        taken.append(frames)
    both = np.concatenate(taken)
    assert both.shape[0] == 100 * 480 + filled
    assert not both[50 * 480 : 50 * 480 + filled].any()
    assert both[: 50 * 480].all()
    assert both[50 * 480 + filled :].all()


def test_one_side_may_be_a_second_behind() -> None:
    """Then the recording goes on without it."""
    timeline = StereoTimeline()
    for step in range(200):
        timeline.add(True, instant(step * 480), step / 100)
    frames = sum(timeline.take().shape[0] for _ in range(5))
    assert frames == pytest.approx((200 - 100 - 10) * 480, abs=480)


def test_much_is_taken_in_parts() -> None:
    """Five seconds at a time, so that nothing else has to wait for it."""
    timeline = StereoTimeline()
    for step in range(1200):
        timeline.add(True, instant(step * 480), step / 100)
        timeline.add(False, instant(step * 480), step / 100)
    sizes = []
    while (frames := timeline.take(final=True)).size:
        sizes.append(frames.shape[0])
    assert sizes == [5 * RATE, 5 * RATE, 2 * RATE]


def test_a_process_that_was_held_up_has_no_gap() -> None:
    """Nothing comes for 400 ms, then both sides catch up: everything is there already."""
    timeline = StereoTimeline()
    card = Card(timeline)
    card.run(100)
    for late in range(40):
        timeline.add(True, instant((100 + late) * 480), 1.4 + late * 1e-3)
        timeline.add(False, instant((100 + late) * 480), 1.4002 + late * 1e-3)
    card.step = 141
    card.run(100)
    left, right = card.result()
    assert (left == right).all()
    assert left.size == 240 * 480


def test_two_devices_with_a_gap_and_a_late_microphone() -> None:
    """A change of devices: the first ends in the midst of a step, the second begins with its loudspeaker."""
    timeline = StereoTimeline()
    card = Card(timeline)
    card.run(100)
    card.run(1, right=lambda step: False)
    card.step += 50
    card.capture_first = False
    card.run(20, left=lambda step: False)
    card.run(200)
    left, right = card.result()
    assert_aligned(left, right)
    assert left[-1] == right[-1]
    assert left.size == pytest.approx(371 * 480, abs=480)


@pytest.mark.parametrize("capture_first", [True, False])
@pytest.mark.parametrize(("pause", "resume"), [("before", "before"), ("between", "before"), ("between", "between")])
def test_a_pause_is_left_out_of_both_sides(capture_first: bool, pause: str, resume: str) -> None:
    """Even when it begins or ends between a block of the one side and its fellow of the other."""
    timeline = StereoTimeline()
    card = Card(timeline, capture_first=capture_first)

    def step_with(action: Callable[[], None], where: str) -> None:
        if where == "before":
            action()
            card.run(1)
            return
        first, second = (True, False) if capture_first else (False, True)
        timeline.add(first, instant(card.step * 480), card.step / 100)
        action()
        timeline.add(second, instant(card.step * 480), card.step / 100 + 0.001)
        card.step += 1

    card.run(100)
    step_with(timeline.pause, pause)
    card.run(149)
    step_with(timeline.resume, resume)
    card.run(99)
    left, right = card.result()
    assert (left == right).all()
    kept_before = 100 + (pause == "between")
    resumed = 250 + (resume == "between")
    assert left.size == (kept_before + 350 - resumed) * 480
    assert (left[: kept_before * 480] == instant(0, kept_before * 480)).all()
    assert (left[kept_before * 480 :] == instant(resumed * 480, (350 - resumed) * 480)).all()


def test_many_pauses() -> None:
    """Also when the recording ends within one, and when someone pauses twice."""
    timeline = StereoTimeline()
    card = Card(timeline)
    for n in range(6):
        if n % 2:
            timeline.pause()
            timeline.pause()
        else:
            timeline.resume()
        card.run(50)
    left, right = card.result()
    assert (left == right).all()
    assert left.size == 3 * 50 * 480
    assert left[50 * 480] == instant(100 * 480)[0]


def test_a_side_that_hangs_while_paused_is_in_step_afterwards() -> None:
    """The pause is time of both sides, delivered or not."""
    timeline = StereoTimeline()
    card = Card(timeline)
    card.run(100)
    timeline.pause()
    card.run(100, left=lambda step: not 120 <= step < 160)
    timeline.resume()
    card.run(100)
    left, right = card.result()
    assert left.size == 200 * 480
    assert (left == right).all()


@pytest.mark.parametrize("capture_first", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_blocks_that_found_no_room_leave_silence(capture_first: bool, first: bool) -> None:
    """The disk hung: one side's last block before is that of the other side's first that is missing."""
    timeline = StereoTimeline()
    card = Card(timeline, capture_first=capture_first)
    card.run(51, left=lambda step: step < 50 or first, right=lambda step: step < 50 or not first)
    card.step = 150
    card.run(50)
    left, right = card.result()
    assert left.size == pytest.approx(200 * 480, abs=480)
    assert_aligned(left, right)
    assert (left[-50 * 480 :] == instant(150 * 480, 50 * 480)).all()
    assert (right[-50 * 480 :] == left[-50 * 480 :]).all()
    assert not left[51 * 480 : 148 * 480].any()


@pytest.mark.slow
def test_two_clocks_that_differ_stay_together() -> None:
    """A USB microphone and another loudspeaker, 200 ppm apart for half an hour: never more than 40 ms off."""
    timeline = StereoTimeline()
    worst = 0
    events = [(n * 0.01, False) for n in range(180_000)]
    events += [(0.003 + n * 0.01 * (1 + 200e-6), True) for n in range(round(180_000 / (1 + 200e-6)))]
    block = np.ones(480, np.int16)
    size = 0
    for now, is_left in sorted(events):
        timeline.add(is_left, block, now)
        worst = max(worst, abs(timeline._left.total - timeline._right.total))
        size += len(timeline.take())
    size += len(timeline.take(final=True))
    assert worst <= 0.04 * RATE
    assert size == pytest.approx(1800 * RATE, abs=0.05 * RATE)


def test_other_blocks_than_ten_milliseconds() -> None:
    """A device may push 20 ms and pull 7: both sides run on without a hole or a seam."""
    timeline = StereoTimeline()
    taken = []
    for milliseconds in range(1, 1401):
        if milliseconds % 20 == 0:
            timeline.add(True, instant(milliseconds * 48 - 960, 960), milliseconds / 1000)
        if milliseconds % 7 == 0:
            timeline.add(False, instant(milliseconds * 48 - 336, 336), milliseconds / 1000)
        taken.append(timeline.take())
    taken.append(timeline.take(final=True))
    frames = np.concatenate(taken)
    assert (frames[:, 0] == instant(0, 1400 * 48)).all()
    assert (frames[:, 0] == frames[:, 1]).all()


def test_one_side_alone() -> None:
    """A call without a microphone is as long as what was heard."""
    timeline = StereoTimeline()
    card = Card(timeline)
    card.run(500, left=lambda step: False)
    left, right = card.result()
    assert not left.any()
    assert (right == instant(0, 500 * 480)).all()


def test_nothing_at_all() -> None:
    """A call that was never answered."""
    timeline = StereoTimeline()
    timeline.pause()
    timeline.add(True, np.empty(0, np.int16), 0.0)
    assert timeline.take(final=True).shape == (0, 2)
