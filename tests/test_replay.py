"""Files that cannot be replayed, and what a replay does with delegates."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from telnyx_agent import AgentState, CallState, ClientConfigurationError, TxClientDelegate
from telnyx_agent._replay import Recording, ReplayedCall, Unknown
from telnyx_agent.testing import RecordingDelegate, replay

HEADER = {"t": 0.0, "type": "header", "format": "telnyx-agent session", "schema": 1, "sdk": "0.1.0", "content": False}
CALL_ID = "11111111-2222-4333-8444-555555555555"


def callback(number: int, name: str, *args: Any, t: float = 1.0) -> dict[str, Any]:
    return {"t": t, "type": "callback", "number": number, "name": name, "args": list(args)}


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (HEADER, *lines)))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.ndjson"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty; record again"),
        (b"RIFF\x00\x00WAVE", "is no recording of a session; give a file that TxClient.record_session has written"),
        (b'{"some": "json"}\n', "is no recording of a session; give"),
        (b"[1]\n", "is no recording of a session; give"),
        (json.dumps(HEADER).encode()[:-9], "is no recording of a session; give"),
        (
            json.dumps({**HEADER, "schema": 2, "sdk": "9.1\x1b"}).encode(),
            r"telnyx-agent 9\.1 in format 2; .*pip install",
        ),
    ],
    ids=["empty", "wav", "json", "list", "cut", "newer"],
)
def test_what_is_no_recording_is_refused(path: Path, content: bytes, says: str) -> None:
    """With a sentence that says what it is and what to do."""
    path.write_bytes(content)
    with pytest.raises(ClientConfigurationError, match=says):
        replay(path, object())


def test_a_missing_file_is_refused(path: Path) -> None:
    """Like any other."""
    with pytest.raises(ClientConfigurationError, match="cannot be read: No such file"):
        replay(path, object())


@pytest.mark.parametrize(
    "line",
    [
        callback(1, "on_x", {"$": "UUID", "value": "no uuid"}),
        callback(1, "on_x", {"$": "AgentState", "value": "asleep"}),
        callback(1, "on_x", {"$": "NetworkError"}),
        callback(1, "on_x", {"$": "item", "number": 3}),
        callback(1, "on_x", {"$": "TranscriptionItem", "number": 0, "id": "a", "role": "user", "content": {"+": "x"}}),
        callback(1, "on_x", {"$": "TxCallInfo", "call_id": 3}),
        callback(1, "on_x", {"*": 10**9}),
        callback(1, "on_x", {"*": "secret"}),
        callback(1, "on_x", {}),
        callback(1, "__init__"),
        callback(1, "on_\x1b[31m"),
        {"type": "callback", "name": "on_x"},
        {"type": "called", "number": 1},
        ["no object"],
    ],
    ids=str,
)
def test_what_was_changed_by_hand_is_refused_as_a_whole(path: Path, line: object) -> None:
    """The delegate is told nothing of a recording that cannot be told to its end."""
    delegate = RecordingDelegate()
    with pytest.raises(ClientConfigurationError, match=r"is broken: (line|callback) .*copy it again"):
        replay(write(path, callback(1, "on_client_ready"), line, {"type": "end"}), delegate)
    assert not delegate.events


def test_a_broken_line_in_the_middle_is_refused(path: Path) -> None:
    """Only a last line may be cut."""
    write(path, callback(1, "on_client_ready"))
    path.write_bytes(path.read_bytes() + b'{"t": 3, "type\n{"t": 4, "type": "end"}\n')
    with pytest.raises(ClientConfigurationError, match="line 3 is not a JSON object"):
        replay(path, object())
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:2]) + b"\n" + b"[" * 100_000 + b"\n")
    with pytest.raises(ClientConfigurationError, match="line 3 is not a JSON object"):
        replay(path, object())


def test_every_truncation_replays_what_is_whole_or_is_refused(path: Path) -> None:
    """A crash may come at any byte. All callbacks whose lines are whole are told, and that more is missing."""
    write(path, *(callback(number, "on_session_updated", str(number)) for number in range(5)), {"t": 9, "type": "end"})
    whole = path.read_bytes()
    first = whole.index(b"\n")
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        if size < first:
            with pytest.raises(ClientConfigurationError):
                replay(path, object())
            continue
        delegate = RecordingDelegate()
        result = replay(path, delegate)
        # A line whose break alone is missing is whole.
        expected = min(5, whole[:size].count(b'"on_session_updated"') - (not _ends_whole(whole, size)))
        assert [args[0] for args in delegate.calls_of("on_session_updated")] == [str(one) for one in range(expected)]
        assert result.callbacks == expected
        assert result.is_complete == (size == len(whole) - 1)


def _ends_whole(whole: bytes, size: int) -> bool:
    line = whole[:size].rpartition(b"\n")[2]
    return b'"on_session_updated"' not in line or whole[size : size + 1] == b"\n"


def test_values_come_back_as_what_they_were(path: Path) -> None:
    """Enumerations, ids, states, masks; what this version does not know has a stand-in."""
    args = [
        {"$": "AgentState", "value": "listening"},
        {"$": "UUID", "value": CALL_ID},
        {"$": "CallState", "kind": {"$": "CallStateKind", "value": "ACTIVE"}, "added_later": 1},
        {"*": 3},
        {"*": "number"},
        {"*": "object", "members": 2},
        {"*": "bytes", "size": 2},
        {"$": "float", "value": "inf"},
        {"$": "dict", "value": {"type": "x", "list": [{"*": 2}, 1]}},
        {"$": "Call", "call_id": CALL_ID},
        {"$": "NewsFromTheFuture", "x": 1},
        {"$": "object", "class": "user.Thing"},
        [1, None, True],
    ]
    delegate = RecordingDelegate()
    replay(write(path, callback(1, "on_x", *args)), delegate)
    (told,) = delegate.calls_of("on_x")

    assert told[:5] == (AgentState.LISTENING, UUID(CALL_ID), CallState.ACTIVE, "***", 0)
    assert told[5:9] == ({}, b"", float("inf"), {"type": "x", "list": ["**", 1]})
    assert told[9:] == (
        ReplayedCall(UUID(CALL_ID)),
        Unknown("NewsFromTheFuture"),
        Unknown("user.Thing"),
        (1, None, True),
    )


@pytest.mark.parametrize(
    "name", ["TxClient", "os", "__init__", "annotations", "AudioDevice", "SoundDeviceAudio", "object"]
)
def test_a_recording_makes_nothing_but_values(path: Path, name: str) -> None:
    """It may come from anybody: no client, no device, nothing of another module."""
    delegate = RecordingDelegate()
    replay(write(path, callback(1, "on_x", {"$": name, "class": "x"})), delegate)
    assert delegate.calls_of("on_x")[0][0] in (Unknown(name), Unknown("x"))


def test_commands_of_a_replayed_call_do_nothing(path: Path) -> None:
    """A delegate that takes a call does not fail, and one that asks for what is not there is told so."""
    call = ReplayedCall(UUID(CALL_ID))
    assert call.hangup().result(1) is None
    assert hash(call) == hash(ReplayedCall(UUID(CALL_ID)))
    assert CALL_ID in repr(call)
    with pytest.raises(AttributeError, match="was not recorded"):
        _ = call.transcript
    with pytest.raises(AttributeError):
        _ = call.no_such_method


def test_a_raising_delegate_hears_the_rest(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As in a real session; the exceptions are in the result."""

    class Buggy(TxClientDelegate):
        def __init__(self) -> None:
            self.ready = 0

        def on_socket_connected(self) -> None:
            raise RuntimeError("user's bug")

        def on_client_ready(self) -> None:
            self.ready += 1

    delegate = Buggy()
    write(path, callback(1, "on_socket_connected"), callback(2, "on_client_ready"), {"type": "left_out", "lines": 4})
    with caplog.at_level(logging.ERROR, "telnyx_agent.delegate"):
        result = replay(path, delegate)
    assert delegate.ready == 1
    assert [(name, type(error)) for name, error in result.errors] == [("on_socket_connected", RuntimeError)]
    assert "user's bug" in caplog.text
    assert (result.callbacks, result.is_complete, result.lines_left_out) == (2, False, 4)


def test_speed(path: Path) -> None:
    """In real time, or so many times faster; without it, at once."""
    write(path, callback(1, "on_a", t=0.0), callback(2, "on_b", t=600.0))
    for speed, least, most in ((1.0, 0.59, 20.0), (4.0, 0.14, 20.0), (None, 0.0, 0.3)):
        delegate = RecordingDelegate()
        begin = time.monotonic()
        replay(path, delegate, speed=speed)
        assert least <= time.monotonic() - begin <= most
        assert delegate.names == ["on_a", "on_b"]
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(ClientConfigurationError, match="speed must be more than 0"):
            replay(path, object(), speed=bad)


def test_times_of_callbacks(path: Path) -> None:
    """Seconds; None where the delegate had no such method."""
    called = {"t": 9.0, "type": "called", "number": 1, "began": 3.0, "took": 4.0, "raised": "KeyError"}
    first, second = Recording(write(path, callback(1, "on_a"), callback(2, "on_b"), called)).callbacks()
    assert (first.time, first.began_after, first.took, first.raised) == (0.001, 0.002, 0.004, "KeyError")
    assert (second.time, second.began_after, second.took, second.raised) == (0.001, None, None, None)


def test_a_long_answer_is_replayed_piece_by_piece(path: Path) -> None:
    """Ten thousand pieces take megabytes of neither disk nor memory, and come back as they were."""
    from telnyx_agent._flight.encoding import Encoder
    from telnyx_agent._protocol.conversation.transcription import GrowingText, TranscriptionItem

    for with_texts in (True, False):
        encoder, text = Encoder(with_texts=with_texts), GrowingText("")
        item = TranscriptionItem("i", "assistant", text.snapshot(), is_partial=True)
        lines = []
        for number in range(3000):
            text.append(f"word{number} ")
            item = item.grown(text.snapshot())
            lines.append(callback(2 * number, "on_transcript_item_updated", *encoder.arguments(("item",), (item,))))
            lines.append(
                callback(
                    2 * number + 1, "on_transcription_updated", *encoder.arguments(("transcriptions",), ((item,),))
                )
            )
        write(path, *lines)
        assert path.stat().st_size < 2_500_000
        *_, last = Recording(path).callbacks()
        (told,) = last.args[0]
        assert len(told.content) == len(item.content)
        assert (told.content == item.content) == with_texts


def test_any_damage_is_refused_or_harmless(path: Path) -> None:
    """Bytes changed, lines moved, values exchanged: a `ClientConfigurationError`, or a replay; nothing else, seeded."""
    lines = [
        callback(1, "on_call_state_updated", {"$": "CallState", "kind": {"$": "CallStateKind", "value": "ACTIVE"}}),
        callback(2, "on_client_error", {"$": "NetworkError", "message": "network: x", "code": 45001, "call_id": None}),
        callback(
            3, "on_x", {"$": "TranscriptionItem", "number": 0, "id": "a", "role": "user", "content": "x", "at": 1.5}
        ),
        callback(4, "on_transcription_updated", {"$": "transcript", "keep": 0, "then": [{"$": "item", "number": 0}]}),
        callback(
            5, "on_x", {"$": "TxCallInfo", "call_id": 1, "caller_name": "", "caller_number": 2, "destination_number": 3}
        ),
        {"t": 5.0, "type": "called", "number": 1, "began": 2.0, "took": 1.0},
        {"t": 6.0, "type": "end", "left_out": 0},
    ]
    values = [
        "null",
        "0",
        "-1",
        "1e999",
        "[]",
        "{}",
        '"x"',
        '{"*":3}',
        '{"*":-1}',
        '{"$":"item"}',
        '{"$":[]}',
        "[[[[1]]]]",
    ]
    dice, outcomes = random.Random(7), {True: 0, False: 0}
    whole = write(path, *lines).read_bytes()
    assert replay(path, object()).is_complete
    for _ in range(1000):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            place = dice.randrange(len(HEADER), len(data))
            how = dice.randrange(10)
            if how == 0:
                data[place] = dice.randrange(256)
            elif how == 1:
                del data[place : place + dice.randint(1, 40)]
            elif how == 2:
                data[place:place] = data[dice.randrange(len(data)) :][: dice.randint(1, 60)]
            else:
                text = data.decode("latin-1")
                colons = [one.end() for one in re.finditer(r":(?=[^,}\]]*[,}\]])", text)]
                start = dice.choice(colons)
                end = start + re.compile(r"[^,}\]]*").match(text[start:]).end()  # type: ignore[union-attr]
                data[start:end] = dice.choice(values).encode()
        path.write_bytes(bytes(data))
        try:
            replay(path, RecordingDelegate())
        except ClientConfigurationError:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
    assert min(outcomes.values()) > 50, outcomes
