"""`benchmarks hostile`: that the attacks are what they are called, and that the table tells what came of them."""

from __future__ import annotations

import attrs
import pytest

from benchmarks._hostile_families import FAMILIES, MOST, Family, World, candidates
from benchmarks.hostile import Measured, report, run
from telnyx_agent._net.frames import FrameDecoder
from telnyx_agent.testing._canned import canned_answer

WORLD = World("00000000-0000-4000-8000-000000000001", canned_answer(""), canned_answer(canned_answer("")))


def test_families_have_names_of_their_own() -> None:
    """They are the rows of the table."""
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) > 60
    assert FAMILIES[0].name == "honest use"
    for family in FAMILIES:
        assert sum(part is not None for part in (family.send, family.answer, family.datagrams, family.srtp)) == 1


@pytest.mark.slow
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


@pytest.mark.slow
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
    zeros = dict.fromkeys(("pause", "waited", "work", "collection", "memory", "received", "lost", "late", "made_up"), 0)
    good = Measured(family="honest use", disconnect=0.1, sent=0, wrong="", is_met=True, **zeros)
    bad = attrs.evolve(good, family="pings", disconnect=None, wrong="a call with 0 ends", is_met=False)
    page = report([good, bad]).markdown()
    assert "missed by 1 of 2: pings" in page
    assert "| never |" in page
    assert "| a call with 0 ends |" in page


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_program_is_attacked() -> None:
    """Shortly, with all four processes: what is measured was measured."""
    chosen = [family for family in FAMILIES if family.name in ("honest use", "empty texts")]
    honest, flood = (raw for raw in run(True, chosen).raw.values())
    assert honest["received"] > 40
    assert flood["received"] > 40
    assert flood["sent"] > 2**16
    assert honest["wrong"] == flood["wrong"] == ""
    assert honest["disconnect"] is not None
