"""`jsonrpc`: the envelope, and the frames that are none."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telnyx_agent._protocol.wire import jsonrpc
from telnyx_agent._protocol.wire.jsonrpc import (
    MAX_DEPTH,
    MAX_SIZE,
    MOST_STRUCTURE,
    MOST_VOICE_SDK_ID_CHARACTERS,
    ErrorReply,
    Request,
    Result,
    classify,
    decode,
    decode_frames,
    encode,
)
from telnyx_agent.errors import RemoteProtocolError
from tests.protocol.malformed import ENVELOPES


@pytest.mark.parametrize("text", ENVELOPES.values(), ids=ENVELOPES)
def test_what_is_no_frame_is_refused(text: str | bytes) -> None:
    """With an error that does not quote it: it goes to logs."""
    with pytest.raises(RemoteProtocolError) as caught:
        decode(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("request_id", ["a", 138417, 0, 1.5, "", None])
def test_ids_keep_their_type(request_id: Any) -> None:
    """A text stays a text, a number a number (R4)."""
    decoded = decode(encode({"id": request_id, "method": "telnyx_rtc.ping"})).id
    assert decoded == request_id
    assert type(decoded) is type(request_id)


def test_replies_are_told_by_their_members() -> None:
    """`error` before `result` before `method` (R5)."""
    both = {"id": 1, "method": "telnyx_rtc.ringing", "result": {}}
    assert isinstance(classify(both), Result)
    assert isinstance(classify({**both, "error": {"code": 1, "message": "no"}}), ErrorReply)
    assert isinstance(classify({**both, "error": None}), Result)
    assert isinstance(classify({"method": "telnyx_rtc.ringing", "params": {}}), Request)


@pytest.mark.parametrize("value", ["VSDK1", None, "", 5, {}])
def test_voice_sdk_id_is_a_text_or_nothing(value: Any) -> None:
    """A value of another type is as good as none."""
    message = classify({"method": "x", "voice_sdk_id": value})
    assert message.voice_sdk_id == ("VSDK1" if value == "VSDK1" else None)


def test_a_voice_sdk_id_has_a_length() -> None:
    """It is kept and sent back; a long one counts as none."""
    most = "x" * MOST_VOICE_SDK_ID_CHARACTERS
    assert classify({"method": "x", "voice_sdk_id": most}).voice_sdk_id == most
    for bad in (most + "x", "VSDK\n", "\ud83d", "schlüssel"):
        assert classify({"method": "x", "voice_sdk_id": bad}).voice_sdk_id is None


def test_params_may_be_missing() -> None:
    """Absent and null are the same as empty."""
    assert classify({"method": "x"}) == classify({"method": "x", "params": None}) == Request("x")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"sessid": "s"}, {"sessid": "s"}),
        ({"result": {"code": "200", "sessid": "s"}}, {"code": "200", "sessid": "s"}),
        ({"result": {"code": "200", "result": {"sessid": "s"}}}, {"sessid": "s"}),
        ({"result": {"result": {"result": {"result": {"sessid": "s"}}}}}, {"sessid": "s"}),
        ({"result": "a text"}, {"result": "a text"}),
    ],
)
def test_legacy_results_are_unwrapped(result: Any, expected: Any) -> None:
    """However often they are wrapped (protocol.md 1.4)."""
    assert classify({"id": "1", "result": result}) == Result("1", expected)


def test_a_wrapped_result_may_be_an_error() -> None:
    """A code that is not "200"."""
    reply = classify({"id": "1", "result": {"result": {"code": "404", "message": "no such thing", "x": 1}}})
    assert reply == ErrorReply("1", "404", "no such thing", {"x": 1})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": -32001, "message": "Login Incorrect"}, (-32001, "Login Incorrect", {})),
        ({"code": "123", "message": "m"}, ("123", "m", {})),
        ({"code": None}, (-1, "", {})),
        ({"code": True, "message": 5}, (-1, "", {})),
        ({"code": 1.5, "message": "m"}, (-1, "m", {})),
        ("went wrong", (-1, "went wrong", {})),
        ({"code": 1, "message": "m", "data": {"cause": "A"}, "causeCode": 2}, (1, "m", {"cause": "A", "causeCode": 2})),
        ({"code": 1, "message": "m", "data": "text"}, (1, "m", {})),
    ],
)
def test_errors_keep_what_they_say(error: Any, expected: Any) -> None:
    """Code, message, and all further members, wherever they are (S9)."""
    reply = classify({"id": "1", "error": error})
    assert isinstance(reply, ErrorReply)
    assert (reply.code, reply.message, dict(reply.data)) == expected


def test_an_array_is_several_frames() -> None:
    """S21; but not where one is expected."""
    text = '[{"method":"a"},{"method":"b"}]'
    assert [frame["method"] for frame in decode_frames(text)] == ["a", "b"]
    with pytest.raises(RemoteProtocolError):
        decode(text)


def test_the_limits_are_inclusive() -> None:
    """The deepest and the longest frame that is taken."""
    deep: Any = {"method": "x"}
    for _ in range(MAX_DEPTH - 1):
        deep = {"method": "x", "params": deep}
    assert isinstance(decode(json.dumps(deep)), Request)
    text = json.dumps({"method": "x", "params": {"padding": ""}})
    longest = text.replace('""', f'"{"x" * (MAX_SIZE - len(text))}"')
    assert len(longest) == MAX_SIZE
    assert isinstance(decode(longest), Request)
    with pytest.raises(RemoteProtocolError, match="more than"):
        decode(longest + " ")


def test_what_is_nested_too_deep_is_not_decoded() -> None:
    """The decoder would recurse to Python's limit; what is finalised meanwhile, the program's too, would fail."""

    def scan(*args: object) -> object:
        raise AssertionError("it was decoded")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonrpc, "_SCAN", scan)
        for text in ("[" * 5000, '{"a":' * 5000, '["\\\\",' + "[" * 5000, '{"a\\"":"]]",' + '"b":[' * 5000):
            with pytest.raises(RemoteProtocolError, match="nested more than 64"):
                decode_frames(text)


def test_brackets_in_texts_are_no_nesting() -> None:
    """The quick look at a frame counts them, the thorough one does not."""
    assert isinstance(decode(json.dumps({"method": "x", "params": {"text": "[{" * 500}})), Request)
    assert isinstance(decode(json.dumps({"method": "x", "params": {"list": [[{}]] * 500}})), Request)


def test_what_is_sent_is_one_line_of_readable_json() -> None:
    """Compact, with letters of all languages as they are."""
    assert encode({"a": ["ü", "日本", "🎉"]}) == '{"a":["ü","日本","🎉"]}'


def test_what_is_sent_can_be_sent() -> None:
    """A surrogate without partner, as in undecodable file names, would break the WebSocket."""
    encode({"a": "x\udc80y"}).encode("utf-8")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(["id", "method", "result", "error", "params", "voice_sdk_id", "code", "message", "jsonrpc"])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(MEMBERS, JSON, max_size=6))
def test_any_object_is_a_message_or_refused(frame: dict[str, Any]) -> None:
    """Nothing but `RemoteProtocolError` comes out of the codec."""
    try:
        message = decode(json.dumps(frame))
    except RemoteProtocolError:
        return
    assert isinstance(message, (Request, Result, ErrorReply))


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40) | st.binary(max_size=40))
def test_any_text_is_a_message_or_refused(text: str | bytes) -> None:
    """The same for what is not even JSON."""
    try:
        decode(text)
    except RemoteProtocolError:
        pass


@pytest.mark.parametrize("padding", [0, 10_000])
@pytest.mark.parametrize(("characters", "is_taken"), [(40, True), (41, False), (81, False)])
def test_a_number_with_a_point_has_forty_characters_at_most(characters: int, is_taken: bool, padding: int) -> None:
    """In a short frame and in a long one."""
    text = f'{{"method": "x", "params": {{"number": 0.{"1" * (characters - 2)}, "text": "{"x" * padding}"}}}}'
    if is_taken:
        assert isinstance(decode(text), Request)
    else:
        with pytest.raises(RemoteProtocolError, match="not JSON"):
            decode(text)


@pytest.mark.parametrize("text", ['{"method": "x"}', '[{"method": "x"}]'])
@pytest.mark.parametrize(("before", "after"), [("", ""), (" ", ""), ("", "\n"), ("\r\n\t", " \t\r\n")])
def test_white_space_around_a_frame(text: str, before: str, after: str) -> None:
    """As JSON allows it."""
    assert decode(before + text + after) == Request("x")


@pytest.mark.parametrize(
    ("strings", "words"), [(MOST_STRUCTURE + 1, "at character"), (MOST_STRUCTURE + 2, "more strings")]
)
def test_more_strings_than_values_are_not_looked_at(strings: int, words: str) -> None:
    """Where there are brackets enough for the thorough look at its depth: each value may be one string."""
    with pytest.raises(RemoteProtocolError, match=words):
        decode("[]" * (MAX_DEPTH + 1) + '""' * strings)


@pytest.mark.parametrize("padding", [0, 10_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_id_has_twenty_digits_at_most(sign: int, padding: int) -> None:
    """In a short frame and in a long one: it goes back in the acknowledgement."""

    def frame(number: int) -> str:
        return json.dumps({"id": sign * number, "method": "x", "params": {"text": "x" * padding}})

    assert decode(frame(10**19 - 1)) == Request("x", {"text": "x" * padding}, sign * (10**19 - 1))
    with pytest.raises(RemoteProtocolError):
        decode(frame(10**20 + 1))


def _is_refused_as_too_deep(text: str) -> bool:
    try:
        decode_frames(text)
    except RemoteProtocolError as error:
        return "nested" in str(error)
    return False


@pytest.mark.parametrize(
    ("text", "is_too_deep"),
    [
        ("[" * 64 + "]" * 64, False),
        ("[" * 65 + "]" * 65, True),
        ("[" * 30_000, True),
        ('{"a":' * 65 + "1" + "}" * 65, True),
        (json.dumps({"a": [{}] * 100, "b": "[" * 1000}), False),
        (json.dumps({"a": [{}] * 100, "b": '\\"' * 50 + "[" * 1000 + "\\"}), False),
        (json.dumps({"a": '"\\', "b": [[1]] * 100}), False),
        ('["' + "[" * 100 + '",' + "[" * 64 + "]" * 64 + "]", True),
    ],
)
def test_depth_is_looked_at_before_anything_is_decoded(text: str, is_too_deep: bool) -> None:
    """To decode recurses, and other people's finalisers would find a stack that is used up."""
    assert _is_refused_as_too_deep(text) == is_too_deep


@pytest.mark.parametrize("part", ['"', '"\\', '\\"', "[]", '["x",', "\\\\", '"a"', "[ "])
def test_to_look_at_depth_takes_linear_time(part: str) -> None:
    """Whatever is in a message of 5 MB: less than half a second of this thread's processor time, on any machine."""
    text = "[" * 64 + "[]" * 10 + part * (5 * 2**20 // len(part) - 200)
    begin = time.thread_time()
    with pytest.raises(RemoteProtocolError):
        decode_frames(text)
    assert time.thread_time() - begin < 0.5


def test_depth_is_that_of_the_decoded_value() -> None:
    """The scan of the text agrees with a walk through what it means."""
    dice = random.Random(3)

    def value(depth: int) -> Any:
        kind = dice.randrange(5) if depth else 0
        if kind == 1:
            return [value(depth - 1) for _ in range(dice.randrange(4))]
        if kind == 2:
            return {dice.choice('ab"\\[{'): value(depth - 1) for _ in range(dice.randrange(4))}
        if kind in (3, 4):
            return [value(depth - 1)]
        return dice.choice(["[", "]]", '"', "\\", 'x"{', 1, None])

    def depth_of(one: Any) -> int:
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else None
        return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)

    for _ in range(300):
        made = {"pad": [[]] * 70, "value": value(dice.choice([5, 62, 63, 64, 80]))}
        assert _is_refused_as_too_deep(json.dumps(made)) == (depth_of(made) > MAX_DEPTH)
