"""A server that does not know what arrived before a connection was lost says it again: nothing is lost or doubled."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from telnyx_agent._protocol import outcomes as out
from telnyx_agent._protocol.session.inbox import RecentRequests
from telnyx_agent._protocol.states import AgentState
from tests.protocol.script import VOICE_SDK_ID, Script, answer, log_in_again, lose, reopen

Frame = dict[str, Any]


def user(number: int, text: str, *, status: str = "completed") -> Frame:
    """Something the user said."""
    item = {"id": f"u{number}", "type": "message", "role": "user", "status": status, "content": text}
    return {"type": "conversation.item.created", "item": item}


def response(number: int, parts: list[str], end: str) -> list[Frame]:
    """A turn of the assistant's, which ends with its text, without, or not at all."""
    ids = {"item_id": f"r{number}", "response_id": f"r{number}"}
    frames: list[Frame] = [{"type": "response.created", "response": {"id": f"r{number}"}}]
    frames += [{"type": "response.text.delta", "delta": part, **ids} for part in parts]
    if end == "text":
        frames.append({"type": "response.text.done", "text": "".join(parts), **ids})
    if end in ("text", "done"):
        frames.append({"type": "response.done", "response_id": f"r{number}"})
    return frames


def tool(number: int) -> Frame:
    """The assistant wants a tool."""
    item = {"type": "function_call", "call_id": f"t{number}", "name": "look", "arguments": "{}"}
    return {"type": "conversation.item.created", "item": item}


@st.composite
def conversations(draw: st.DrawFn) -> list[Frame]:
    """The frames of some turns. Deltas are often alike, as are those of a stuttering speaker."""
    frames: list[Frame] = []
    for number in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            text = draw(st.sampled_from(["yes", "no, wait"]))
            frames += [user(number, text[:2], status="in_progress")] * draw(st.integers(0, 1))
            frames.append(user(number, text))
        parts = draw(st.lists(st.sampled_from(["ha ", "ho ", "and so on. "]), min_size=1, max_size=6))
        frames += response(number, parts, draw(st.sampled_from(["text", "done", "none"])))
        if draw(st.booleans()):
            frames.append(tool(number))
    return frames


def deliver(script: Script, numbered: list[tuple[int, Frame]], voice_sdk_id: str = VOICE_SDK_ID) -> None:
    """The server sends them; each has an id of its own, which it keeps."""
    for number, params in numbered:
        frame_id = f"00000000-0000-4000-9000-{number:012}"
        script.frame({"id": frame_id, "method": "ai_conversation", "params": params, "voice_sdk_id": voice_sdk_id})


def come_back(script: Script) -> None:
    """The connection is lost, and the call is taken up again on the next."""
    lose(script)
    reopen(script)
    log_in_again(script, attach=True)
    answer(script)
    assert script.session.registration.is_ready


def finals(events: list[Any]) -> list[tuple[str, str, bool]]:
    """Everything final that was told, as often as it was."""
    items = [event.item for event in events if isinstance(event, out.TranscriptChanged)]
    return [(item.id, item.content, item.interrupted) for item in items if item is not None and item.is_final]


def growth(events: list[Any]) -> list[tuple[str, str, str | None]]:
    """Every step of every item, and the delta that it was told with."""
    changes = [event for event in events if isinstance(event, out.TranscriptChanged)]
    return [(one.item.id, one.item.content, one.delta) for one in changes if one.item is not None]


@given(conversations(), st.data())
def test_any_suffix_may_come_again(frames: list[Frame], data: st.DataObject) -> None:
    """After each of some drops the server begins again somewhere before the drop: all is as if it had not happened."""
    numbered = list(enumerate(frames))
    undisturbed = Script.talking()
    deliver(undisturbed, numbered)
    expected = undisturbed.events()

    script, told = Script.talking(), []
    seen = 0
    for voice_sdk_id in data.draw(st.lists(st.sampled_from([VOICE_SDK_ID, "VSDK1another"]), min_size=1, max_size=3)):
        start = data.draw(st.integers(0, seen), label="the server begins again")
        end = data.draw(st.integers(seen, len(frames)), label="the connection is lost")
        deliver(script, numbered[start:end], voice_sdk_id)
        told += script.events()
        come_back(script)
        script.forget_events()
        seen = end
    deliver(script, numbered[data.draw(st.integers(0, seen), label="the last time") :])
    told += script.events()

    assert script.items == undisturbed.items
    assert finals(told) == finals(expected)
    assert growth(told) == growth(expected)
    assert [one.call.call_id for one in told if isinstance(one, out.FunctionCallReceived)] == [
        one.call.call_id for one in expected if isinstance(one, out.FunctionCallReceived)
    ]
    assert not [one for one in told if isinstance(one, out.Malformed)]


@given(st.lists(st.sampled_from(["ha ", "ho "]), min_size=1, max_size=6), st.data())
def test_a_complete_response_stays_as_it_is_whatever_comes_of_it(parts: list[str], data: st.DataObject) -> None:
    """Also under new ids of the frames: its `done` has brought the whole text, once and for all."""
    frames = response(1, parts, "text")
    script = Script.talking()
    deliver(script, list(enumerate(frames)))
    assert len(finals(script.events())) == 1
    come_back(script)
    script.forget_events()
    start = data.draw(st.integers(0, len(frames) - 1))
    deliver(script, list(enumerate(frames, 100))[start:])
    assert growth(script.events()) == []
    assert [item.content for item in script.items] == ["".join(parts)]
    assert script.agent_state is AgentState.LISTENING


def test_an_item_that_is_said_again_changes_nothing() -> None:
    """Neither the transcript, nor what the agent does: it does not begin to think about an old question."""
    script = Script.talking()
    question = user(1, "and then?")
    greeting = {"id": "a1", "role": "assistant", "status": "completed", "content": "Welcome"}
    turn = [question, *response(1, ["That was it."], "text")]
    turn.append({"type": "conversation.item.created", "item": greeting})
    deliver(script, list(enumerate(turn)))
    state = script.agent_state
    script.forget_events()
    deliver(script, [(100, question), (101, turn[-1])])
    assert script.events(out.TranscriptChanged) == []
    assert script.agent_state is state


def test_a_repetition_on_the_same_connection_is_a_mistake_still() -> None:
    """TCP repeats nothing; after a loss the server cannot know better."""
    script = Script.talking()
    deliver(script, [(1, user(1, "yes"))] * 2)
    assert "twice" in str(script.event(out.Malformed).error)
    assert script.transcript() == ["user: yes"]


def test_as_many_frames_are_remembered_as_a_dead_minute_has() -> None:
    """The oldest are forgotten; numbers are forgotten with their connection."""
    recent = RecentRequests()
    assert not any(recent.is_repetition(f"id-{number}", "text") for number in range(512))
    assert recent.is_repetition("id-0", "text")
    assert not recent.is_repetition(7, "text")  # in the place of the oldest
    assert not recent.is_of_earlier_connection(7)
    recent.forget_numbers()
    assert recent.is_repetition("id-1", "text")
    assert recent.is_of_earlier_connection("id-1")
    assert not recent.is_repetition(7, "text")
    assert not recent.is_of_earlier_connection(7)
    assert not recent.is_repetition("id-0", "text")
