"""`_stall`: when a sound card is given up, and when it is behind, with time and blocks as arguments."""

from __future__ import annotations

from telnyx_agent.audio._stall import CHECK_SECONDS, Backlog, Progress


def stalls_after(progress: Progress, now: float, blocks: int, *, step: float = CHECK_SECONDS) -> float:
    """Seconds without a block until it is given up."""
    begin = now
    progress.has_stalled(now, blocks)
    while not progress.has_stalled(now := now + step, blocks):
        assert now < begin + 60
    return now - begin


def test_a_device_that_had_been_moving_is_given_up_after_three_looks() -> None:
    """So that another one is in use within half a second."""
    assert 0.25 < stalls_after(Progress(), 100.0, 500) < 0.35


def test_a_device_that_never_moved_may_be_waking_up() -> None:
    """Bluetooth takes seconds; one that was opened again is given one."""
    assert 4.9 < stalls_after(Progress(), 100.0, 0) < 5.2
    assert 0.9 < stalls_after(Progress(1.0), 100.0, 0) < 1.2


def test_our_own_lateness_is_no_fault_of_the_device() -> None:
    """Looks that come late say that the process is busy, for as long as a waking device would be given."""
    assert stalls_after(Progress(), 100.0, 500, step=0.3) >= 5.0


def test_a_moving_device_is_never_given_up() -> None:
    """However late the looks come."""
    progress = Progress()
    assert not any(progress.has_stalled(100.0 + look, 500 + look) for look in range(100))


def test_a_delay_that_stays_is_a_backlog() -> None:
    """Older than it was at its best, three looks in a row."""
    backlog = Backlog()
    assert not any(backlog.has_piled_up(age) for age in (0.03, 0.0, 0.01, 0.25, 0.25, 0.01, 0.25, 0.25))
    assert backlog.has_piled_up(0.25)


def test_after_gaps_a_longer_delay_is_put_up_with() -> None:
    """But not for ever longer ones: 50, 100 and then 150 ms over the best."""
    for gaps, allowed in ((0, 0.05), (1, 0.1), (2, 0.15), (9, 0.15)):
        backlog = Backlog(gaps)
        assert not any(backlog.has_piled_up(age) for age in (0.03, *[0.03 + allowed - 0.001] * 9))
        assert any(backlog.has_piled_up(0.03 + allowed + 0.001) for _ in range(3))


def test_a_card_that_is_slow_from_the_beginning_has_no_backlog() -> None:
    """Bluetooth records a quarter of a second late, always."""
    backlog = Backlog()
    assert not any(backlog.has_piled_up(0.25 + 0.01 * (look % 4)) for look in range(100))
