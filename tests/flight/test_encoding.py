"""Whatever is encoded comes back: transcripts that grow, change and begin anew, and what delegates are told of them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from telnyx_agent import AgentState, TranscriptionItem, TxCallInfo
from telnyx_agent._flight.encoding import Encoder
from telnyx_agent._replay import Recording, ReplayedCall, Unknown
from telnyx_agent.testing import RecordingDelegate, replay
from tests.test_replay import HEADER

TEXTS = st.text(max_size=12)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("new"), TEXTS),
        st.tuples(st.just("grow"), TEXTS),
        st.tuples(st.just("replace"), TEXTS),
        st.tuples(st.just("first"), TEXTS),
        st.tuples(st.just("clear"), TEXTS),
        st.tuples(st.just("same"), TEXTS),
    ),
    max_size=30,
)


def changed(items: tuple[TranscriptionItem, ...], what: str, text: str, number: int) -> tuple[TranscriptionItem, ...]:
    """The transcript after a change."""
    if what == "clear":
        return ()
    if what == "new" or not items:
        return (
            *items,
            TranscriptionItem(f"id-{number}", "user", text, is_partial=True, call_id=UUID(int=7), at=1.5),
        )
    if what == "grow":
        return (*items[:-1], attrs.evolve(items[-1], content=items[-1].content + text))
    if what == "replace":
        return (*items[:-1], attrs.evolve(items[-1], content=text, is_partial=False, interrupted=True))
    if what == "first":
        return (attrs.evolve(items[0], content=text), *items[1:])
    return items


def through_a_file(path: Path, transcripts: list[tuple[TranscriptionItem, ...]], *, with_texts: bool) -> Recording:
    encoder, lines = Encoder(with_texts=with_texts), [HEADER]
    for number, items in enumerate(transcripts):
        args = encoder.arguments(("transcriptions",), (items,))
        lines.append(
            {"t": number, "type": "callback", "number": number, "name": "on_transcription_updated", "args": args}
        )
    path.write_bytes(b"".join(json.dumps(line).encode("ascii") + b"\n" for line in lines))
    return Recording(path)


@given(CHANGES)
def test_transcripts_come_back(tmp_path_factory: object, changes: list[tuple[str, str]]) -> None:
    """Item by item, attribute by attribute, line breaks and control characters included."""
    path = _folder(tmp_path_factory) / "session.ndjson"
    transcripts: list[tuple[TranscriptionItem, ...]] = [()]
    for number, (what, text) in enumerate(changes):
        transcripts.append(changed(transcripts[-1], what, text, number))
    told = [callback.args[0] for callback in through_a_file(path, transcripts, with_texts=True).callbacks()]
    assert told == transcripts
    assert [item.at for items in told for item in items] == [item.at for items in transcripts for item in items]
    masked = [callback.args[0] for callback in through_a_file(path, transcripts, with_texts=False).callbacks()]
    assert masked == [
        tuple(attrs.evolve(item, content="*" * len(item.content)) for item in items) for items in transcripts
    ]


def _folder(factory: object) -> Path:
    made: Path = factory.getbasetemp()  # type: ignore[attr-defined]
    return made


def test_values_of_all_kinds_come_back(tmp_path: Path) -> None:
    """What delegates may be given, now or one day: calls, times, batches, bytes, things of the user's own."""
    call_id = UUID("11111111-2222-4333-8444-555555555555")

    class Incoming:
        def __init__(self) -> None:
            self.call_id = call_id
            self.call_info = TxCallInfo(call_id, "canary", "+15550001111222", "canary")

    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    item = TranscriptionItem("+15550001111222", "user", "x", image_urls=("data:x",), metadata={"canary": 1})
    values = [Incoming(), moment, [AgentState.SPEAKING, 1], b"canary", {"canary": 1}, object(), float("nan"), "canary"]
    path, encoder = tmp_path / "session.ndjson", Encoder(with_texts=True)
    line = {"t": 0, "type": "callback", "number": 1, "name": "on_x", "args": encoder.arguments((), [*values, item])}
    path.write_text(f"{json.dumps(HEADER)}\n{json.dumps(line, allow_nan=False)}\n")
    assert "canary" not in path.read_text()
    assert "5550001" not in path.read_text()
    (callback,) = Recording(path).callbacks()
    *told, number, text, again = callback.args
    assert told[0].call_info == TxCallInfo(call_id, "******", "*" * 15, "******")
    assert told[0].invite_custom_headers == {}
    assert told == [ReplayedCall(call_id), moment, (AgentState.SPEAKING, 1), b"", {}, Unknown("builtins.object")]
    assert number != number
    assert text == "******"
    assert (again.id, again.image_urls, dict(again.metadata)) == ("*" * 15, ("******",), {})
    assert again.timestamp == item.timestamp


def test_tools_arguments_stay_json(tmp_path: Path) -> None:
    """As long as they were, and empty: a delegate can decode them."""
    arguments = json.dumps({"city": "canary"})
    message = {"type": "conversation.item.created", "item": {"type": "function_call", "arguments": arguments}}
    path, encoder = tmp_path / "session.ndjson", Encoder(with_texts=True)
    args = encoder.arguments(("message", "arguments"), (message, arguments))
    line = {"t": 0, "type": "callback", "number": 1, "name": "on_x", "args": args}
    path.write_text(f"{json.dumps(HEADER)}\n{json.dumps(line)}\n")
    assert "canary" not in path.read_text()
    (callback,) = Recording(path).callbacks()
    told, alone = callback.args
    assert told["item"]["arguments"] == alone
    assert (len(alone), json.loads(alone)) == (len(arguments), {})


def test_a_thousand_replays_are_one(tmp_path: Path) -> None:
    """The same calls with the same arguments in the same order, a thousand times out of a thousand."""
    path, items = tmp_path / "session.ndjson", [(TranscriptionItem("a", "user", "x" * size),) for size in range(10)]
    through_a_file(path, list(items), with_texts=True)
    first: list[object] | None = None
    for _ in range(1000):
        delegate = RecordingDelegate()
        assert not replay(path, delegate).errors
        told = [(event.name, event.args) for event in delegate.events]
        assert first is None or told == first
        first = list(told)
    assert first is not None
    assert len(first) == 10
