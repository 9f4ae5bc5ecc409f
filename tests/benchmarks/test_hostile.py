"""`benchmarks hostile`: that the attacks are what they are called, and that the table tells what came of them."""

from __future__ import annotations

import pytest

from benchmarks._hostile_families import FAMILIES, MOST, Family, World, candidates
from benchmarks.hostile import Measured, report
from telnyx_agent._runtime.frames import FrameDecoder
from telnyx_agent.testing._canned import canned_answer

WORLD = World("00000000-0000-4000-8000-000000000001", canned_answer(""), canned_answer(canned_answer("")))


def test_families_have_names_of_their_own() -> None:
    """They are the rows of the table."""
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) > 60
    assert FAMILIES[0].name == "honest use"
    for family in FAMILIES:
        assert sum(part is not None for part in (family.send, family.answer, family.datagrams, family.srtp)) == 1


@pytest.mark.parametrize(
    "family",
    [family for family in FAMILIES if "5 MiB" in family.name],
    ids=lambda family: str(family.name),
)
def test_giants_are_as_large_as_may_be(family: Family) -> None:
    """Or they would prove nothing: almost 5 MiB, and not a byte more."""
    assert family.send is not None
    data = next(iter(family.send(WORLD)))
    (item,) = list(FrameDecoder(MOST).feed(data))
    assert isinstance(item, str)
    assert MOST * 0.97 < len(item.encode()) <= MOST


def test_every_family_gives_frames() -> None:
    """What is sent is what a WebSocket takes, but for the one that lies about its length."""
    for family in FAMILIES:
        if family.send is not None and "claims" not in family.name and "6 MiB" not in family.name:
            list(FrameDecoder(MOST).feed(next(family.send(WORLD))))


def test_an_answer_with_candidates() -> None:
    """Each of them is another."""
    lines = candidates(2000)(WORLD.answer).split("\r\n")
    assert len({line for line in lines if line.startswith("a=candidate:")}) > 2000


def test_the_verdict_names_who_missed() -> None:
    """The note below the table is what one reads."""
    good = Measured("honest use", 0.01, 0.0, 0.0, 0.0, 1, 0.1, 100, 0, 0, 0, 0, "", True)
    bad = Measured("pings", 9.0, 0.0, 0.0, 0.0, 1, None, 100, 0, 0, 0, 0, "a call with 0 ends", False)
    page = report([good, bad]).markdown()
    assert "missed by 1 of 2: pings" in page
    assert "| never |" in page
    assert "| a call with 0 ends |" in page
