"""`TurnWatch`: when it is the caller's turn."""

from __future__ import annotations

import pytest

from telnyx_agent import AgentState, TranscriptionItem
from telnyx_agent.cli.turns import PATIENCE, TurnWatch


def said(item_id: str, *, role: str = "assistant", partial: bool = False) -> TranscriptionItem:
    return TranscriptionItem(item_id, role, "some words", is_partial=partial)


@pytest.fixture
def turns() -> TurnWatch:
    """A call that was answered at second 10."""
    watch = TurnWatch(0.0)
    watch.begin(10.0)
    return watch


def test_a_greeting_is_waited_for(turns: TurnWatch) -> None:
    """Until patience ends, an agent that has said nothing yet has the floor."""
    assert not turns.is_over(12.9, pause=0.5, patience=3.0)
    assert turns.is_over(13.1, pause=0.5, patience=3.0)


def test_a_complete_answer_and_a_pause_end_a_turn(turns: TurnWatch) -> None:
    """Not the words alone: the agent may still be heard, or go on."""
    turns.item(said("1", partial=True), 10.5)
    turns.item(said("1"), 12.0)
    assert turns.has_answered
    assert not turns.is_over(12.3, pause=0.5, patience=3.0)
    assert turns.is_over(12.6, pause=0.5, patience=3.0)


def test_a_voice_that_is_heard_keeps_the_floor(turns: TurnWatch) -> None:
    """Words may be ahead of the voice."""
    turns.item(said("1"), 11.0)
    turns.level(0.1, 14.0)
    turns.level(0.001, 14.4)
    assert not turns.is_over(14.4, pause=0.5, patience=3.0)
    assert turns.is_over(14.5, pause=0.5, patience=3.0)


def test_an_agent_that_thinks_is_waited_for(turns: TurnWatch) -> None:
    """Silence while it thinks is no end of its turn, unless it thinks for ever."""
    turns.item(said("1"), 11.0)
    turns.agent_state(AgentState.THINKING, 12.0)
    assert not turns.is_over(12.0 + PATIENCE - 0.1, pause=0.5, patience=3.0)
    assert turns.is_over(12.0 + PATIENCE + 0.1, pause=0.5, patience=3.0)


def test_only_what_begins_after_a_question_answers_it(turns: TurnWatch) -> None:
    """The end of the greeting, which the question interrupted, is no answer."""
    turns.item(said("greeting", partial=True), 10.5)
    turns.ask(11.0)
    turns.item(said("greeting"), 11.1)
    turns.item(said("question", role="user"), 11.5)
    assert not turns.has_answered
    turns.item(said("answer", partial=True), 12.0)
    assert not turns.has_answered
    turns.item(said("answer"), 13.0)
    assert turns.has_answered


def test_the_users_words_are_a_sign_that_an_answer_comes(turns: TurnWatch) -> None:
    """Recognition may take longer than a pause between sentences."""
    turns.item(said("1"), 11.0)
    turns.item(said("2", role="user"), 12.0)
    assert turns.silence(12.2) == pytest.approx(0.2)
