"""What the agent does: by what is heard of it where somebody listens, by its messages where nobody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.conversation.agent import PAUSE, QUIET, TAIL, VOICE_WAIT, YIELD
from telnyx_agent._protocol.conversation.speech_progress import USUAL_PACE
from telnyx_agent._protocol.conversation.transcription import TranscriptionItem
from telnyx_agent._protocol.states import AgentState
from tests.protocol.script import Script

NOTICED = 0.35
"""Seconds after which the ears know that it is silent."""


class Voice(Script):
    """A call whose sound is heard."""

    def says(self, text: str, response: str = "r1", *, done: bool = True) -> None:
        """The text of a response, all at once, as the real server sends it."""
        self.ai("response.created", response={"id": response})
        self.ai("response.text.delta", delta=text, item_id=response, response_id=response)
        if done:
            self.done(response)

    def done(self, response: str = "r1") -> None:
        """The text is complete."""
        self.ai("response.done", response={"id": response, "status": "completed"})

    def user(self, text: str, item_id: str = "u1") -> None:
        """The user has said something."""
        item = {"id": item_id, "type": "message", "role": "user", "status": "completed", "content": text}
        self.ai("conversation.item.created", item=item)

    def begins(self) -> None:
        """The voice is heard from now on."""
        self.session.conversation.voice(True, self.now, self.now)

    def ends(self) -> None:
        """The voice has ended, as is noticed only later."""
        at = self.now
        self.wait(NOTICED)
        self.session.conversation.voice(False, at, self.now)

    def speaks(self, seconds: float) -> None:
        """The voice is heard for so long."""
        self.begins()
        self.wait(seconds)
        self.ends()

    def changes(self) -> list[str]:
        """The states that were reported since the last time."""
        return [event.agent_state.name for event in self.events(outcomes.AgentStateChanged)]

    def last(self) -> TranscriptionItem:
        """The assistant's latest item."""
        return next(item for item in reversed(self.items) if item.role == "assistant")


@pytest.fixture
def voice() -> Voice:
    """An active call; silence has been heard in it."""
    talk = cast(Voice, Voice.talking())
    talk.session.conversation.voice(False, talk.now, talk.now)
    talk.events()
    return talk


def test_it_speaks_from_the_first_sound_to_the_last(voice: Voice) -> None:
    """Although the whole text comes before the first sound, and its end long before the last."""
    voice.user("Hello")
    voice.says("Hi there! How can I help you?")
    assert voice.changes() == ["THINKING"]
    voice.wait(0.5)
    voice.begins()
    assert voice.changes() == ["SPEAKING"]
    voice.wait(2.0)
    voice.ends()
    assert voice.changes() == []
    voice.wait(PAUSE)
    assert voice.changes() == ["LISTENING"]


def test_a_pause_between_sentences_is_no_end(voice: Voice) -> None:
    """It goes on speaking when the next sentence begins soon."""
    voice.says("One. Two.")
    for _ in range(3):
        voice.speaks(1.0)
        voice.wait(PAUSE / 2)
    assert voice.changes() == ["THINKING", "SPEAKING"]
    voice.wait(PAUSE)
    assert voice.changes() == ["LISTENING"]


def test_a_voice_without_a_word(voice: Voice) -> None:
    """A greeting whose text never comes is speech all the same."""
    voice.speaks(1.0)
    voice.wait(PAUSE)
    assert voice.changes() == ["SPEAKING", "LISTENING"]


def test_the_voice_may_come_before_its_text(voice: Voice) -> None:
    """And text that is still coming keeps it speaking through pauses."""
    voice.begins()
    voice.says("A long story", done=False)
    voice.wait(1.0)
    voice.ends()
    voice.wait(PAUSE * 2)
    assert voice.changes() == ["SPEAKING"]
    voice.done()
    assert voice.changes() == ["LISTENING"]


def test_a_text_that_is_never_spoken(voice: Voice) -> None:
    """It is waited for a little, then the agent listens."""
    voice.user("Hello")
    voice.says("Hi there!")
    assert voice.changes() == ["THINKING"]
    voice.wait(VOICE_WAIT)
    assert voice.changes() == ["LISTENING"]


def test_an_interruption(voice: Voice) -> None:
    """It thinks from the user's words on, though the rest of its voice is still heard."""
    voice.says("A very long story that nobody wants to hear to its end.", done=False)
    voice.begins()
    voice.wait(1.0)
    assert voice.changes() == ["THINKING", "SPEAKING"]
    voice.user("Stop")
    assert voice.changes() == ["THINKING"]
    voice.wait(0.2)
    voice.ends()
    assert voice.changes() == []
    voice.says("All right.", "r2")
    voice.begins()
    assert voice.changes() == ["SPEAKING"]


def test_an_agent_that_talks_on(voice: Voice) -> None:
    """What the user said ("uh-huh") is no interruption for an agent that goes on speaking."""
    voice.says("A long story")
    voice.begins()
    voice.wait(1.0)
    voice.user("Uh-huh")
    assert voice.changes() == ["THINKING", "SPEAKING", "THINKING"]
    voice.wait(YIELD)
    assert voice.changes() == ["SPEAKING"]
    voice.wait(5.0)
    voice.ends()
    voice.wait(PAUSE)
    assert not voice.last().interrupted


def test_a_tool_is_thinking(voice: Voice) -> None:
    """From the request until the agent speaks again."""
    voice.says("One moment.")
    voice.speaks(1.0)
    voice.wait(PAUSE)
    assert voice.changes() == ["THINKING", "SPEAKING", "LISTENING"]
    item = {"type": "function_call", "call_id": "call-1", "name": "look_up", "arguments": "{}"}
    voice.ai("conversation.item.created", item=item)
    assert voice.changes() == ["THINKING"]
    voice.session.conversation.send_function_call_output("call-1", "done", voice.now)
    voice.says("It is done.", "r2")
    voice.begins()
    assert voice.changes() == ["SPEAKING"]


def test_two_requests_under_one_id_need_two_answers(voice: Voice) -> None:
    """Only with the last one the agent has what it needs to go on; a third one answers nothing."""
    item = {"type": "function_call", "call_id": "call-1", "name": "look_up", "arguments": "{}"}
    for _ in range(2):
        voice.ai("conversation.item.created", item=item)
    voice.session.conversation.send_function_call_output("call-1", "done", voice.now)
    voice.wait(60.0)
    assert voice.changes() == ["THINKING"]
    voice.session.conversation.send_function_call_output("call-1", "done", voice.now)
    voice.wait(12.0)
    assert voice.changes() == ["LISTENING"]


def test_without_ears_the_messages_count() -> None:
    """A call without media: speaking from the first word to `response.done`, as ever (R50)."""
    talk = cast(Voice, Voice.talking())
    talk.events()
    talk.user("Hello")
    talk.says("Hi", done=False)
    talk.wait(1.0)
    talk.done()
    assert talk.changes() == ["THINKING", "SPEAKING", "LISTENING"]
    assert talk.last().heard_text == "Hi"


@pytest.mark.parametrize("with_ears", [True, False])
def test_a_response_that_nobody_ends(voice: Voice, with_ears: bool) -> None:
    """Its item is complete, and the agent listens, when neither text nor voice has come for a while."""
    talk = voice if with_ears else cast(Voice, Voice.talking())
    talk.events()
    talk.says("Hi there", done=False)
    if with_ears:
        talk.speaks(6.0)
        assert talk.items[-1].is_partial
    talk.wait(QUIET + VOICE_WAIT)
    assert talk.transcript() == ["assistant: Hi there"]
    assert talk.agent_state is AgentState.LISTENING
    assert talk.transcript() == ["assistant: Hi there"]


def pause(voice: Voice) -> None:
    voice.says("Hi")
    voice.speaks(1.0)


def text_without_voice(voice: Voice) -> None:
    voice.says("Hi")


def tool(voice: Voice) -> None:
    item = {"type": "function_call", "call_id": "call-1", "name": "look_up", "arguments": "{}"}
    voice.ai("conversation.item.created", item=item)
    voice.session.conversation.send_function_call_output("call-1", "done", voice.now)


def endless_text(voice: Voice) -> None:
    voice.says("Hi", done=False)
    voice.speaks(1.0)


def interrupted(voice: Voice) -> None:
    voice.says("Hi", done=False)
    voice.begins()
    voice.wait(1.0)
    voice.user("Stop")


def interrupted_by_the_next(voice: Voice) -> None:
    interrupted(voice)
    voice.says("Well", "r2", done=False)


@pytest.mark.parametrize(
    ("story", "seconds", "then"),
    [
        (pause, 0.45, "LISTENING"),
        (text_without_voice, 1.5, "LISTENING"),
        (tool, 10.0 + 1.5, "LISTENING"),  # for a text, and for a voice without one
        (endless_text, 4.0, "LISTENING"),
        (interrupted, 1.0, "SPEAKING"),
        (interrupted_by_the_next, 0.2, "SPEAKING"),
    ],
)
def test_how_long_what_is_not_said_is_waited_for(
    voice: Voice, story: Callable[[Voice], None], seconds: float, then: str
) -> None:
    """Nothing changes before that time, and then it does."""
    story(voice)
    voice.changes()
    voice.wait(seconds - 0.01)
    assert voice.changes() == []
    voice.wait(0.02)
    assert voice.changes() == [then]


def test_the_next_voice_is_awaited_beyond_the_pause(voice: Voice) -> None:
    """It counts as speaking until the pause is over, then it thinks until its voice is due: each has its own time."""
    voice.says("Hi")
    voice.speaks(1.0)
    voice.says("Well", "r2")
    voice.changes()
    voice.wait(PAUSE - 0.01)
    assert voice.changes() == []
    voice.wait(0.02)
    assert voice.changes() == ["THINKING"]
    voice.wait(VOICE_WAIT - PAUSE - 0.02)
    assert voice.changes() == []
    voice.wait(0.02)
    assert voice.changes() == ["LISTENING"]


def test_it_may_speak_before_the_call_is_up() -> None:
    """Early media, or a greeting whose text comes before the answer to the invite; and only then is it not idle."""
    for heard in (True, False):
        talk = cast(Voice, Voice.calling())
        if heard:
            talk.begins()
        else:
            talk.says("Welcome", done=False)
        assert talk.changes() == ["SPEAKING"]


def test_an_image_is_looked_at(voice: Voice) -> None:
    """What the user has sent is processed, which is told otherwise than thinking."""
    content = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    item = {"id": "u1", "type": "message", "role": "user", "status": "completed", "content": content}
    voice.ai("conversation.item.created", item=item)
    assert voice.changes() == ["PROCESSING_IMAGE"]


def test_without_a_call_it_is_idle(voice: Voice) -> None:
    """From the end on, whatever is still heard."""
    voice.begins()
    assert voice.changes() == ["SPEAKING"]
    voice.hang_up()
    assert voice.changes() == ["IDLE"]
    voice.session.conversation.voice(False, voice.now, voice.now)
    voice.session.conversation.voice(True, voice.now, voice.now)
    voice.wait(10.0)
    assert voice.changes() == []


# -- what was heard ----------------------------------------------------------------------------------------------------

STORY = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


def test_interrupted_items_say_what_was_heard(voice: Voice) -> None:
    """In proportion to the time for which the voice was heard; the rest of the text stays in `content`."""
    voice.says(STORY, done=False)
    voice.begins()
    voice.wait(2.0)
    voice.user("Stop")
    voice.ends()
    item = voice.last()
    assert item.is_interrupted
    assert item.content == STORY
    assert item.heard_share == pytest.approx(2.0 * USUAL_PACE / len(STORY), abs=0.01)
    assert item.heard_text == "one two three four five six seven"


def test_an_item_that_was_complete_but_not_heard_to_its_end(voice: Voice) -> None:
    """Its text was final before its voice; the user spoke, and the voice fell silent."""
    voice.says(STORY)
    voice.begins()
    voice.wait(1.0)
    assert not voice.last().interrupted
    voice.user("Stop")
    voice.wait(0.3)
    voice.ends()
    assert voice.last().interrupted
    assert STORY.startswith(voice.last().heard_text)
    assert 0 < len(voice.last().heard_text) < len(STORY) / 2


def test_an_item_that_was_heard_to_its_end(voice: Voice) -> None:
    """The user answers at its last word: that is no interruption."""
    voice.says("How are you today?")
    voice.begins()
    voice.wait(1.2)
    voice.user("Fine")
    voice.ends()
    assert not voice.last().interrupted
    assert voice.last().heard_text == "How are you today?"


def test_nothing_was_heard_of_it(voice: Voice) -> None:
    """Interrupted before the first sound."""
    voice.says(STORY, done=False)
    voice.user("Stop")
    assert (voice.last().heard_share, voice.last().heard_text) == (0.0, "")


def test_the_pace_is_learned(voice: Voice) -> None:
    """An agent that speaks slowly has been heard for less."""
    slow = USUAL_PACE / 2
    for number in range(6):
        text = STORY[:60]
        voice.says(text, f"r{number}")
        voice.speaks(len(text) / slow)
        voice.wait(PAUSE)
    voice.says(STORY, "last", done=False)
    voice.begins()
    voice.wait(4.0)
    voice.user("Stop")
    voice.ends()
    assert voice.last().heard_share == pytest.approx(4.0 * slow / len(STORY), rel=0.05)


def test_the_second_item_of_a_response(voice: Voice) -> None:
    """What was heard belongs to the first one first."""
    first = STORY[:30]
    voice.ai("response.created", response={"id": "r1"})
    voice.ai("response.text.delta", delta=first, item_id="i1", response_id="r1")
    voice.ai("response.text.delta", delta=STORY, item_id="i2", response_id="r1")
    voice.begins()
    voice.wait(3.0)
    voice.user("Stop")
    voice.ends()
    assert voice.last().id == "i2"
    assert voice.last().heard_share == pytest.approx((3.0 * USUAL_PACE - len(first)) / len(STORY), abs=0.01)


def test_a_cancelled_response(voice: Voice) -> None:
    """The server says itself that it was cut short."""
    voice.says(STORY, done=False)
    voice.begins()
    voice.wait(2.0)
    voice.ai("response.done", response={"id": "r1", "status": "cancelled"})
    assert voice.last().interrupted
    assert 0 < len(voice.last().heard_text) < len(STORY)


def test_the_share_survives_an_export(voice: Voice) -> None:
    """`to_dict` and back."""
    voice.says(STORY, done=False)
    voice.begins()
    voice.wait(2.0)
    voice.user("Stop")
    item = voice.last()
    assert TranscriptionItem.from_dict(item.to_dict()) == item
    assert item.to_dict()["heard_share"] == item.heard_share


def test_somebody_begins_to_listen_in_the_middle() -> None:
    """A response that began before the sound was there goes on speaking; no flicker."""
    talk = cast(Voice, Voice.talking())
    talk.events()
    talk.says("Welcome to our", done=False)
    talk.session.conversation.voice(False, talk.now, talk.now)
    talk.begins()
    assert talk.changes() == ["SPEAKING"]


def test_more_text_in_a_pause_of_the_voice(voice: Voice) -> None:
    """The agent is still speaking: that its voice was heard is not forgotten with the next words."""
    voice.begins()
    voice.says("One.", done=False)
    voice.wait(1.0)
    voice.ends()
    voice.changes()
    voice.ai("response.text.delta", delta=" Two.", item_id="r1", response_id="r1")
    voice.wait(1.0)
    assert voice.changes() == []
    assert voice.agent_state is AgentState.SPEAKING


def test_the_rest_of_an_interrupted_voice_is_short_when_the_next_response_has_begun(voice: Voice) -> None:
    """For `TAIL`, but never for longer than without one: what is heard then is the next response."""
    for waited, rest in ((0.0, TAIL), (YIELD - TAIL / 2, TAIL / 2)):
        voice.begins()
        voice.says("A long story", f"old {waited}", done=False)
        voice.wait(1.0)
        voice.user("Stop", f"u {waited}")
        voice.wait(waited)
        voice.changes()
        voice.ai("response.created", response={"id": f"new {waited}"})
        voice.wait(rest - 0.01)
        assert voice.changes() == []
        voice.wait(0.02)
        assert voice.changes() == ["SPEAKING"]
        voice.done(f"new {waited}")
        voice.ends()
        voice.wait(PAUSE)
        voice.changes()


def test_the_end_of_the_next_response_interrupts_nothing(voice: Voice) -> None:
    """The user began while the voice of a complete item was heard; but the voice that ended was that of the next."""
    voice.begins()
    item = {"id": "a1", "role": "assistant", "status": "completed", "content": "A long and complete answer."}
    voice.ai("conversation.item.created", item=item)
    voice.wait(0.5)
    voice.user("And?")
    voice.ai("response.created")
    voice.wait(0.3)
    voice.ends()
    assert not voice.last().interrupted
