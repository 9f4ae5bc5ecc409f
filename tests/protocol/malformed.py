"""Frames that no server should send. Each contains the word "secret" somewhere, which must not get into a log."""

from __future__ import annotations

import json
from typing import Any

from telnyx_agent._protocol.wire.jsonrpc import MAX_SIZE

CALL_ID = "074e7e59-6859-4b8b-8743-83df82e7f776"


def _deep(opening: str, innermost: str, closing: str, levels: int) -> str:
    return f'{{"method":"secret","params":{opening * levels}{innermost}{closing * levels}}}'


ENVELOPES: dict[str, str | bytes] = {
    "empty": "",
    "blank": " \r\n",
    "not JSON": "secret",
    "speed test": "#SPU secret",
    "half": '{"method":"secret","params":{"a":',
    "two": '{"method":"secret"}{"method":"secret"}',
    "binary": b'{"method":"secret"}',
    "binary garbage": b"\x00\xff secret",
    "text": '"secret"',
    "number": "42",
    "null": "null",
    "true": "true",
    "empty array": "[]",
    "array of texts": '["secret"]',
    "array of frames and others": '[{"method":"secret"},5]',
    "empty object": "{}",
    "no method": '{"jsonrpc":"2.0","id":1,"params":{"secret":1}}',
    "method is a number": '{"id":1,"method":5,"params":{"secret":1}}',
    "method is empty": '{"id":1,"method":"","params":{"secret":1}}',
    "method is null": '{"id":1,"method":null,"secret":1}',
    "params is a list": '{"id":1,"method":"x","params":["secret"]}',
    "params is a text": '{"id":1,"method":"x","params":"secret"}',
    "id is a list": '{"id":["secret"],"method":"x"}',
    "id is an object": '{"id":{"secret":1},"result":{}}',
    "id is true": '{"id":true,"method":"secret"}',
    "error is false": '{"id":"1","error":false,"secret":1}',
    "NaN": '{"method":"secret","params":{"a":NaN}}',
    "Infinity": '{"method":"secret","params":{"a":-Infinity}}',
    "number too large": '{"method":"secret","params":{"a":1e999}}',
    "integer too large": '{"method":"secret","params":{"a":' + "9" * 5000 + "}}",
    "id too large": '{"method":"secret","id":' + "9" * 30 + "}",
    "too long": '{"method":"secret","params":{"a":"' + "x" * MAX_SIZE + '"}}',
    "deep objects": _deep('{"a":', "1", "}", 100),
    "deep arrays": _deep("[", "", "]", 100),
    "very deep arrays": _deep("[", "", "]", 100_000),
    "very deep objects": '{"secret":' * 100_000,
    "control character": '{"method":"secret\x01"}',
}
"""Not a frame at all, or not one that can be told what it is."""


def _request(method: str, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})


def _ai(**params: Any) -> str:
    return _request("ai_conversation", **params)


REQUESTS: dict[str, str] = {
    "unknown method": _request("telnyx_rtc.nonsense", secret=1),
    "unknown long method": _request("x" * 5000, secret=1),
    **{f"{name} without callID": _request(f"telnyx_rtc.{name}", secret=1) for name in ("ringing", "media", "answer")},
    **{f"{name} without callID": _request(f"telnyx_rtc.{name}") for name in ("bye", "invite", "attach", "display")},
    **{f"{name} without callID": _request(f"telnyx_rtc.{name}") for name in ("candidate", "endOfCandidates")},
    "callID is a number": _request("telnyx_rtc.bye", callID=5, cause="secret"),
    "callID is an object": _request("telnyx_rtc.answer", callID={"secret": 1}),
    "callID is empty": _request("telnyx_rtc.bye", callID="", cause="secret"),
    "callID is null": _request("telnyx_rtc.bye", callID=None, cause="secret"),
    "sdp is a number": _request("telnyx_rtc.media", callID=CALL_ID, sdp=5),
    "sdp is a list": _request("telnyx_rtc.answer", callID=CALL_ID, sdp=["secret"]),
    "candidate is missing": _request("telnyx_rtc.candidate", callID=CALL_ID),
    "gateway state is missing": _request("telnyx_rtc.gatewayState"),
    "gateway state is a number": _request("telnyx_rtc.gatewayState", state=5),
    "widget settings are a text": _request("telnyx_rtc.widget_config", widget_settings="secret"),
    "ai type is a number": _ai(type=5),
    "ai widget settings are a list": _ai(type="widget_settings", widget_settings=["secret"]),
    "ai item is missing": _ai(type="conversation.item.created"),
    "ai item is a text": _ai(type="conversation.item.created", item="secret"),
    "ai item without role": _ai(type="conversation.item.created", item={"content": "secret"}),
    "ai role is a number": _ai(type="conversation.item.created", item={"role": 5, "content": "secret"}),
    "ai item type is a list": _ai(type="conversation.item.created", item={"type": [], "content": "secret"}),
    "ai content is a number": _ai(type="conversation.item.created", item={"role": "user", "content": 5}),
    "ai content is an object": _ai(type="conversation.item.created", item={"role": "user", "content": {"secret": 1}}),
    "ai delta is missing": _ai(type="response.text.delta", item_id="secret"),
    "ai delta is a number": _ai(type="response.text.delta", delta=5),
    "ai function call without call_id": _ai(
        type="conversation.item.created", item={"type": "function_call", "name": "secret", "arguments": "{}"}
    ),
}
"""Frames of a good form that lack what their method needs."""

MALFORMED: dict[str, str | bytes] = {**ENVELOPES, **REQUESTS}
