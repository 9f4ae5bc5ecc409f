"""Changes frames and bytes at random, from a seed: by structure where there is one, by characters, and by bytes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["mutated_bytes", "mutated_frame", "mutated_text"]

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 0.5, 1e308, -0.0),
    *("", " ", "0", "-1", "null", "200", "a" * 5000, "\x00", "\ud83d", "\u2028", "🙂", "../../etc/passwd", "%s%n{0}"),
    *([], {}, [[]], [None], {"": ""}, ["a", 1, {}], {"code": 200}, {"result": {"result": {}}}, {"message": 5}),
)
_METHODS = (
    *("telnyx_rtc.clientReady", "telnyx_rtc.gatewayState", "telnyx_rtc.ringing", "telnyx_rtc.media"),
    *("telnyx_rtc.answer", "telnyx_rtc.bye", "telnyx_rtc.ping", "telnyx_rtc.punt", "telnyx_rtc.attach"),
    *("telnyx_rtc.invite", "telnyx_rtc.modify", "telnyx_rtc.display", "telnyx_rtc.info", "telnyx_rtc.event"),
    *("telnyx_rtc.widget_config", "telnyx_rtc.candidate", "telnyx_rtc.endOfCandidates", "ai_conversation", "x"),
)
_TYPES = (
    *("conversation.item.created", "response.created", "response.text.delta", "response.text.done"),
    *("response.output_item.done", "response.done", "widget_settings", "session.updated", "unknown"),
)
_STATES = ("REGED", "TRYING", "REGISTER", "FAILED", "FAIL_WAIT", "UNREGED", "NOREG", "EXPIRED", "reged", "")


def mutated_frame(frame: Any, others: Sequence[Any], known: dict[str, list[Any]], dice: random.Random) -> str:
    """A frame as text, changed once or several times.

    Args:
        frame: A decoded frame; it is not changed.
        others: Further frames, parts of which may end up in this one.
        known: Values that mean something at the moment, by name: `id` (of requests that wait), `callID`, `item`.
        dice: Decides.
    """
    frame = copy.deepcopy(frame)
    _make_relevant(frame, known, dice)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3, 8))):
        frame = _changed(frame, others, dice)
    try:
        text = json.dumps(frame, ensure_ascii=dice.random() < 0.5)
    except (ValueError, RecursionError):  # an attempt at nesting that is too deep for us as well
        return "[" * 200_000
    return mutated_text(text, dice) if dice.random() < 0.15 else text


def mutated_text(text: str, dice: random.Random) -> str:
    """A text with some characters changed, lost, doubled or moved."""
    for _ in range(dice.choice((1, 1, 2, 5))):
        at, end = sorted((dice.randrange(len(text) + 1), dice.randrange(len(text) + 1)))
        action = dice.randrange(6)
        if action == 0:
            text = text[:at]
        elif action == 1:
            text = (
                text[:at]
                + dice.choice(("\x00", '"', "{", "]", "\\u", "\ud800", "\ufeff", "9" * 400, "e", ","))
                + text[at:]
            )
        elif action == 2:
            text = text[:at] + text[end:]
        elif action == 3 and end - at < 10_000:
            text = text[:end] + text[at:end] * dice.choice((1, 2, 20)) + text[end:]
        elif action == 4:
            text = text[at:] + text[:at]
        else:
            text = text[:at] + dice.choice(("[", "{", '{"a":', "[[[")) * dice.choice((1, 64, 65, 3000)) + text[at:]
    return text


def mutated_bytes(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    """Bytes with some changed, lost, doubled, or from elsewhere."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        at = dice.randrange(len(changed) + 1)
        action = dice.randrange(6)
        if action == 0 and at < len(changed):
            changed[at] ^= 1 << dice.randrange(8)
        elif action == 1 and at < len(changed):
            changed[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif action == 2:
            del changed[at : at + dice.randrange(1, 9)]
        elif action == 3:
            changed[at:at] = dice.randbytes(dice.randrange(1, 9))
        elif action == 4:
            changed[at:at] = changed[at : at + dice.randrange(1, 200)]
        elif others:
            other = dice.choice(others)
            start = dice.randrange(len(other) + 1)
            changed[at:] = other[start:]
    return bytes(changed[:20_000])


def _make_relevant(frame: Any, known: dict[str, list[Any]], dice: random.Random) -> None:
    """Let it be about what there is: a reply to a request that waits, a call that goes on."""
    if not isinstance(frame, dict):
        return
    if ("result" in frame or "error" in frame) and known["id"] and dice.random() < 0.7:
        frame["id"] = dice.choice(known["id"])
    elif "id" in frame and dice.random() < 0.7:
        frame["id"] = dice.randrange(10**9)
    for name in ("params", "result"):
        content = frame.get(name)
        if isinstance(content, dict) and "callID" in content and known["callID"] and dice.random() < 0.8:
            content["callID"] = dice.choice(known["callID"])
        if isinstance(content, dict) and known["item"]:
            _set_item(content, known["item"], dice)


def _set_item(params: dict[str, Any], ids: list[Any], dice: random.Random) -> None:
    """Let it be about an item of the transcript."""
    for name in ("item_id", "response_id"):
        if name in params and dice.random() < 0.5:
            params[name] = dice.choice(ids)
    for name in ("item", "response"):
        if isinstance(params.get(name), dict) and dice.random() < 0.5:
            params[name]["id"] = dice.choice(ids)


def _changed(frame: Any, others: Sequence[Any], dice: random.Random) -> Any:
    places = list(_places(frame))
    if not places:
        return copy.deepcopy(dice.choice(_VALUES))
    container, key = dice.choice(places)
    return dice.choice(_CHANGES)(frame, container, key, others, dice)


def _places(frame: Any) -> Sequence[tuple[Any, Any]]:
    """Everything in it that has a place: its container and its key or index."""
    found: list[tuple[Any, Any]] = []
    level = [frame]
    while level and len(found) < 2000:
        item = level.pop()
        pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        for key, value in pairs:
            found.append((item, key))
            level.append(value)
    return found


Change = Callable[[Any, Any, Any, Sequence[Any], random.Random], Any]


def _delete(frame: Any, container: Any, key: Any, others: Sequence[Any], dice: random.Random) -> Any:
    del container[key]
    return frame


def _replace(frame: Any, container: Any, key: Any, others: Sequence[Any], dice: random.Random) -> Any:
    container[key] = copy.deepcopy(dice.choice(_VALUES))
    return frame


def _fitting(frame: Any, container: Any, key: Any, others: Sequence[Any], dice: random.Random) -> Any:
    choices: dict[Any, Sequence[Any]] = {"method": _METHODS, "type": _TYPES, "state": _STATES}
    container[key] = copy.deepcopy(dice.choice(choices.get(key, _VALUES)))
    return frame


def _borrow(frame: Any, container: Any, key: Any, others: Sequence[Any], dice: random.Random) -> Any:
    other = dice.choice(others)
    places = _places(other)
    if places:
        from_container, from_key = dice.choice(places)
        container[key] = copy.deepcopy(from_container[from_key])
    return frame


def _wrap(frame: Any, container: Any, key: Any, others: Sequence[Any], dice: random.Random) -> Any:
    value = container[key]
    for _ in range(dice.choice((1, 1, 2, 70))):
        value = {dice.choice(("result", "params", "item", "a")): value} if dice.random() < 0.5 else [value]
    container[key] = value
    return frame


def _repeat(frame: Any, container: Any, key: Any, others: Sequence[Any], dice: random.Random) -> Any:
    # Fifty times fifty times fifty would be a test of the machine.
    container[key] = [container[key]] * (2 if len(_places(frame)) > 200 else dice.choice((2, 50)))
    return frame


def _as_text(frame: Any, container: Any, key: Any, others: Sequence[Any], dice: random.Random) -> Any:
    container[key] = json.dumps(container[key])
    return frame


def _add(frame: Any, container: Any, key: Any, others: Sequence[Any], dice: random.Random) -> Any:
    if isinstance(container, dict):
        name = dice.choice(
            ("error", "result", "method", "id", "params", "voice_sdk_id", "sdp", "callID", "", "__class__")
        )
        container[name] = copy.deepcopy(dice.choice(_VALUES))
    return frame


def _batch(frame: Any, container: Any, key: Any, others: Sequence[Any], dice: random.Random) -> Any:
    return [frame, *(copy.deepcopy(dice.choice(others)) for _ in range(dice.choice((0, 1, 5))))]


_CHANGES: tuple[Change, ...] = (
    *(_delete, _replace, _replace, _replace, _fitting, _fitting, _borrow, _borrow),
    *(_wrap, _repeat, _as_text, _add, _batch),
)
