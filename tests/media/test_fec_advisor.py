"""What an encoder is told after reports of loss, and what may be set. No clock."""

from __future__ import annotations

import itertools

import pytest

from telnyx_agent import ClientConfigurationError
from telnyx_agent._media.fec_advisor import LossAdvisor, Protection
from telnyx_agent.codecs import OpusSettings


def reports(
    advisor: LossAdvisor, fractions: list[float], *, every: float = 1.0, start: float = 50.0
) -> list[Protection]:
    return [advisor.report(fraction, start + every * number) for number, fraction in enumerate(fractions)]


def test_nothing_is_protected_while_nothing_is_lost() -> None:
    """Error correction costs quality, so it is not sent for fun."""
    advisor = LossAdvisor(OpusSettings())
    assert advisor.initially() == Protection(fec=False, expected_loss=0)
    assert set(reports(advisor, [0.0] * 30)) == {Protection(fec=False, expected_loss=0)}


def test_on_with_the_first_loss_off_after_a_quiet_time() -> None:
    """Up at once, down in steps, off only when nothing was lost for 20 s; then on again at once."""
    advisor = LossAdvisor(OpusSettings())
    first, *rest = reports(advisor, [0.2] + [0.0] * 40)
    assert first == Protection(fec=True, expected_loss=20)
    expected = [protection.expected_loss for protection in rest]
    assert expected == sorted(expected, reverse=True)
    with_fec = [protection.fec for protection in rest]
    assert with_fec.count(True) == 19
    assert with_fec == sorted(with_fec, reverse=True)
    assert rest[-1] == Protection(fec=False, expected_loss=5) or rest[-1].expected_loss == 0
    assert advisor.report(0.02, 200.0).fec


def test_single_losses_do_not_make_it_switch_to_and_fro() -> None:
    """One packet of 50 lost every 10 s: on all the time, at one level."""
    advisor = LossAdvisor(OpusSettings())
    advice = reports(advisor, ([0.02] + [0.0] * 9) * 10)
    assert set(advice) == {Protection(fec=True, expected_loss=10)}


def test_steady_loss_is_one_level() -> None:
    """Reports that scatter around 7 % hardly change anything."""
    advisor = LossAdvisor(OpusSettings())
    advice = reports(advisor, [0.06, 0.08, 0.1, 0.04, 0.08, 0.06, 0.1, 0.05] * 5)
    assert all(protection.fec for protection in advice)
    changes = sum(a != b for a, b in itertools.pairwise(advice))
    assert changes <= 2


def test_between_two_reports_old_loss_fades_towards_the_new() -> None:
    """A time constant of 8 s: 30 % and then 10 % is 17 % after it, in steps of 5."""
    advisor = LossAdvisor(OpusSettings())
    assert advisor.report(0.3, 50.0).expected_loss == 30
    assert advisor.report(0.1, 58.0).expected_loss == 20


def test_what_is_heard_of_loss_is_forgotten_slowly() -> None:
    """To a third in 8 s, as long as nothing is lost; FEC goes with the twentieth second."""
    advisor = LossAdvisor(OpusSettings())
    assert advisor.report(0.3, 50.0) == Protection(fec=True, expected_loss=30)
    assert [advisor.report(0.0, now).expected_loss for now in (58.0, 66.0)] == [15, 10]
    assert advisor.report(0.0, 69.9) == Protection(fec=True, expected_loss=10)
    assert advisor.report(0.0, 70.0) == Protection(fec=False, expected_loss=5)


@pytest.mark.parametrize(("fraction", "expected"), [(0.1, 10), (0.1001, 15), (0.15, 15), (0.16, 20), (0.01, 10)])
def test_loss_is_told_in_steps_of_five(fraction: float, expected: int) -> None:
    """Rounded up, and at least 10 with error correction: with less libopus carries hardly anything twice."""
    assert LossAdvisor(OpusSettings()).report(fraction, 5.0) == Protection(fec=True, expected_loss=expected)
    if expected > 10 or fraction < 0.1:
        least = 5 if fraction < 0.1 else expected
        assert LossAdvisor(OpusSettings(fec=False)).report(fraction, 5.0) == Protection(False, least)


def test_what_is_expected_has_limits() -> None:
    """Speech itself needs most of the bits; and what the program expects is the least."""
    assert reports(LossAdvisor(OpusSettings()), [1.0])[0] == Protection(fec=True, expected_loss=30)
    advisor = LossAdvisor(OpusSettings(expected_loss=15))
    assert advisor.initially() == Protection(fec=False, expected_loss=15)
    assert reports(advisor, [0.01])[0] == Protection(fec=True, expected_loss=15)


def test_always_and_never() -> None:
    """The program's word counts; with FEC libopus needs to expect some loss."""
    always = LossAdvisor(OpusSettings(fec=True), usable=False)
    assert always.initially() == Protection(fec=True, expected_loss=10)
    assert reports(always, [0.0] * 60)[-1] == Protection(fec=True, expected_loss=10)
    never = LossAdvisor(OpusSettings(fec=False))
    assert reports(never, [0.2])[0] == Protection(fec=False, expected_loss=20)


@pytest.mark.parametrize(
    "advisor",
    [LossAdvisor(OpusSettings(), usable=False), LossAdvisor(OpusSettings(application="lowdelay", fec=True))],
)
def test_where_it_would_be_of_no_use(advisor: LossAdvisor) -> None:
    """The other side has not said useinbandfec=1; or the codec's mode carries none."""
    assert not any(protection.fec for protection in reports(advisor, [0.1] * 5))


def test_reports_that_come_late_or_out_of_order() -> None:
    """A clock that stands still or an hour without a report: no error, and old loss is forgotten."""
    advisor = LossAdvisor(OpusSettings())
    advisor.report(0.3, 100.0)
    assert advisor.report(0.0, 100.0).fec
    assert advisor.report(0.0, 99.0).fec
    assert advisor.report(0.0, 3700.0) == Protection(fec=False, expected_loss=0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"bitrate": 5999}, "bitrate is 5999; it must be bits a second, from 6000 to 510000"),
        ({"bitrate": 32000.0}, "bitrate is 32000.0"),
        ({"complexity": 11}, "complexity is 11; it must be a whole number, from 0 to 10"),
        ({"expected_loss": -1}, "expected_loss is -1; it must be percent, from 0 to 100"),
        ({"expected_loss": True}, "expected_loss is True"),
        ({"fec": "yes"}, "fec is 'yes'; it must be one of None, True, False"),
        ({"dtx": 1}, "dtx is 1; it must be one of True, False"),
        ({"application": "music"}, "application is 'music'; it must be 'voip' .speech., 'audio' .music. or 'lowdelay'"),
    ],
)
def test_settings_are_checked_when_they_are_made(wrong: dict[str, object], words: str) -> None:
    """The message names the value and what it may be."""
    with pytest.raises(ClientConfigurationError, match=words):
        OpusSettings(**wrong)  # type: ignore[arg-type]
