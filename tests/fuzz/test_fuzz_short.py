"""Some seconds of fuzzing in every run: the same seeds, so that a failure is one; `python -m fuzz` is the long run."""

from __future__ import annotations

import json
import random

import pytest

from fuzz import runner
from fuzz.mutate import mutated_bytes, mutated_frame
from fuzz.runner import Finding, run_session, run_target
from fuzz.session_world import SessionWorld
from fuzz.targets import TARGETS, corpus
from telnyx_agent._protocol.session.session import Session

MOST_MEMORY = 200 * 2**20
"""Bytes by which the process may grow at its peak."""


@pytest.mark.slow_except(2)
@pytest.mark.parametrize("seed", range(4))
def test_mutated_server_frames(seed: int) -> None:
    """5,000 each against the whole core: no exception leaves it, every call has one end, every login one result."""
    report = run_session(5000, seed)

    assert report.sessions > 10
    assert report.events > 2000, "it has not come far enough into a session to prove anything"
    assert report.peak_growth < MOST_MEMORY


def test_a_session_that_lasts() -> None:
    """10,000 frames for as few sessions as possible: what is kept has a bound."""
    report = run_session(10_000, 99, lasting=True)

    assert report.peak_growth < MOST_MEMORY


@pytest.mark.slow_except(3)
@pytest.mark.parametrize(
    ("name", "inputs"), [("websocket", 2000), ("codec", 5000), ("session", 100), ("sdp", 3000), ("rtp", 300)]
)
def test_other_targets(name: str, inputs: int) -> None:
    """Every example of the corpus, and that many mutations of them."""
    report = run_target(name, inputs, 1)

    assert report.inputs == inputs


def test_the_corpus_is_kept() -> None:
    """Examples of each kind; frames are JSON."""
    assert len(corpus("frames")) > 60
    assert all(isinstance(json.loads(data), dict) for data in corpus("frames"))
    assert len(corpus("sdp")) > 10
    assert len(corpus("rtp")) >= 5
    assert len(corpus("websocket")) >= 10
    assert {folder for _, folder in TARGETS.values()} == {"websocket", "frames", "sdp", "rtp"}


def test_the_same_seed_makes_the_same_frames() -> None:
    """Or nothing that was found could be looked at again."""

    def frames(seed: int) -> list[str]:
        dice = random.Random(seed)
        examples = [json.loads(data) for data in corpus("frames")]
        known = {"id": ["a"], "callID": ["b"], "item": ["c"]}
        return [mutated_frame(dice.choice(examples), examples, known, dice) for _ in range(300)]

    before = json.dumps([json.loads(data) for data in corpus("frames")])
    assert frames(1) == frames(1) != frames(2)
    assert len(set(frames(1))) > 200
    assert json.dumps([json.loads(data) for data in corpus("frames")]) == before
    assert mutated_bytes(b"abc", [b"xyz"], random.Random(1)) == mutated_bytes(b"abc", [b"xyz"], random.Random(1))


def test_what_leaves_the_core_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The net has no holes: an exception, an end that is missing, a frame that takes too long."""
    original = Session.receive_text

    def broken(session: Session, text: str | bytes, now: float) -> None:
        original(session, text, now)
        if "ringing" in str(text):
            raise KeyError("ringing")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "receive_text", broken)
        with pytest.raises(Finding, match=r"input \d+ of seed 1: KeyError"):
            run_session(2000, 1)
    with monkeypatch.context() as patch:
        patch.setattr(SessionWorld, "_happened", lambda world, event: None)
        with pytest.raises(Finding, match=r"(calls|questions) without an end"):
            run_session(5000, 1)
    with monkeypatch.context() as patch:
        patch.setattr(runner, "LONGEST", 0.0)
        with pytest.raises(Finding, match="took"):
            run_session(100, 1)
