"""`redact`: a log may show that something was said, and not what."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import attrs
import pytest

import telnyx_agent._media
import telnyx_agent._net
import telnyx_agent._protocol
import telnyx_agent._runtime
from telnyx_agent._protocol.conversation.transcription import EPOCH
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.session.socket_health import SocketConnectionQuality
from telnyx_agent._protocol.states import CallDirection
from telnyx_agent._protocol.wire import requests
from telnyx_agent._protocol.wire.jsonrpc import encode
from telnyx_agent._protocol.wire.redact import redact, redacted_text
from telnyx_agent._protocol.wire.requests import AnonymousLogin, CallOptions
from tests.protocol.malformed import MALFORMED
from tests.protocol.script import CALL_ID, VECTORS, vector

SECRET_KEYS = {
    *("target_id", "userVariables", "user_variables", "passwd", "login", "login_token", "voice_sdk_id", "sdp"),
    *("delta", "transcript", "text", "content", "image_url", "url", "arguments", "output", "candidate", "dtmf"),
    *("caller_id_name", "caller_id_number", "callee_id_name", "callee_id_number", "destination_number"),
    *("remote_caller_id_name", "remote_caller_id_number", "clientState", "client_state", "conversation_id", "value"),
    *("display_name", "display_number", "widget_settings", "target_params", "push_device_token"),
}


def texts(value: Any, key: str = "") -> list[tuple[str, str]]:
    """All texts in a frame, with the name of the member that they are in; of a secret one, its own."""
    if isinstance(value, dict):
        return [found for name, member in value.items() for found in texts(member, key if key in SECRET_KEYS else name)]
    if isinstance(value, list):
        return [found for member in value for found in texts(member, key)]
    return [(key, value)] if isinstance(value, str) else []


def test_no_vector_gives_its_secrets_away() -> None:
    """Nothing of what was said, of who calls, and of what opens a door."""
    for one in VECTORS:
        shown = json.loads(redacted_text(json.dumps(one["json"])))
        leaks = [(key, text) for key, text in texts(shown) if key in SECRET_KEYS and not text.startswith("<")]
        assert leaks == [], one["name"]


def test_what_is_needed_to_follow_a_call_is_shown() -> None:
    """Method, ids, causes, and how large the rest is."""
    bye = redact(vector("bye_remote_rejected"))
    assert (bye["id"], bye["method"]) == (254301, "telnyx_rtc.bye")
    assert {"callID": CALL_ID, "cause": "CALL_REJECTED", "sipCode": 603}.items() <= bye["params"].items()
    invite = redact(vector("invite_recommended"))
    assert invite["params"]["sdp"].startswith("<")
    assert invite["params"]["sdp"].endswith(" characters>")
    assert invite["params"]["dialogParams"]["audio"] is True
    error = redact(vector("error_credentials"))
    assert error["error"] == {"code": -32001, "message": "Login Incorrect"}
    state = redact(vector("gateway_reged_with_call_report"))
    assert state["result"]["params"]["state"] == "REGED"
    delta = redact(vector("ai_delta_captured"))
    assert delta["params"]["type"] == "response.text.delta"


def test_our_own_frames_are_hidden_too() -> None:
    """Names, numbers, variables, headers, messages, images."""
    login = AnonymousLogin("secret-id", user_variables={"name": "secret", "method": "secret"}, conversation_id="secret")
    options = CallOptions(
        CALL_ID, "secret", "secret", "secret", "secret", (("X-A", "secret"),), ({"mimeType": "audio/opus"},)
    )
    frames = [
        requests.anonymous_login("1", login, "s"),
        requests.invite("1", options, "secret", "s", "1"),
        requests.message("1", "i", "secret", ["data:secret"]),
        requests.function_call_output("c", "secret"),
        requests.dtmf("1", "c", "s", "secret"),
    ]
    shown = " ".join(redacted_text(encode(frame)) for frame in frames)
    assert "secret" not in shown
    assert "audio/opus" in shown


def test_malformed_frames_are_short() -> None:
    """Of what is not even JSON, only the size is shown."""
    for name, text in MALFORMED.items():
        shown = redacted_text(text)
        assert len(shown) < 1000, name
        assert shown.startswith("{") or "secret" not in shown, name


def test_a_log_line_has_an_end() -> None:
    """However many members a frame has."""
    frame = {"method": "x", "params": {f"member {number}": 1 for number in range(10_000)}}
    assert len(redacted_text(encode(frame))) < 5000


def test_members_that_nobody_knows_are_hidden() -> None:
    """Until somebody has looked at them."""
    frame = {
        "method": "x",
        "params": {"new": "secret", "n": 42, "o": {"type": "secret"}, "message": "x" * 500, "yes": True},
    }
    params = redact(frame)["params"]
    assert params == {
        "new": "<6 characters>",
        "n": "<hidden>",
        "o": "<1 members>",
        "message": "x" * 200 + "...",
        "yes": True,
    }


def test_batches_are_shown_in_a_row() -> None:
    """One after the other."""
    assert redacted_text('[{"method":"a"},{"method":"b"}]') == '{"method":"a"} {"method":"b"}'


@pytest.mark.parametrize(
    "frame",
    [
        {"method": ["canary"]},
        {"id": ["canary"], "params": {"callID": ["canary"], "message": ["canary"]}},
        {"method": "ai_conversation", "params": {"type": "new", "message": "canary", "data": "canary"}},
        {"method": "ai_conversation", "params": {"item": {"message": "canary"}, "response": {"data": "canary"}}},
    ],
)
def test_shown_members_in_the_wrong_place_are_hidden(frame: dict[str, Any]) -> None:
    """A list where a text is expected, and the assistant's words under a name that holds the server's elsewhere."""
    assert "canary" not in str(redact(frame))


def test_long_frames_are_cut() -> None:
    """After 4,000 characters, which are shown whole."""

    def shown(rest: int) -> str:
        """39 frames of 99 characters, each with a space behind it, and one of `rest`."""
        empty = encode({"jsonrpc": "2.0", "id": 1, "method": ""})
        sizes = [99] * 39 + [rest]
        padded = [empty.replace('""', '"' + "m" * (size - len(empty)) + '"') for size in sizes]
        return redacted_text(f"[{','.join(padded)}]")

    assert len(shown(100)) == 4000
    assert shown(100).endswith('"}')
    assert len(shown(101)) == 4003
    assert shown(101).endswith('m"...')


HIDDEN = frozenset(
    {
        *("answer_custom_headers", "arguments", "bye_custom_headers", "callee_name", "callee_number", "caller_name"),
        *("caller_number", "candidate", "client_state", "custom_headers", "data", "delta", "destination_number"),
        *(
            "frame",
            "headers",
            "image_urls",
            "keys",
            "number",
            "output",
            "params",
            "password",
            "payload",
            "sdp",
            "target_params",
        ),
        *("text", "token", "user_variables", "username"),
    }
)
"""Fields that hold what was said, or who somebody is, or what must not be known."""

ALSO_HIDDEN = {
    "Display.name": "a caller's, not a tool's",
    "TranscriptChanged.items": "with their texts",
    "QuestionSettled.key": "the program's own object",
    "_Question.key": "likewise",
    "_Callback.fn": "with its arguments",
    "MediaStats.ice_candidates": "long",
    "Result.result": "a frame's content",
    "Request.voice_sdk_id": "opens the session to whoever has it",
    "Result.voice_sdk_id": "likewise",
    "ErrorReply.voice_sdk_id": "likewise",
    "OpenConnection.voice_sdk_id": "likewise",
    "Head.headers": "servers like to repeat the URL in them, with its query",
}

NOT_TELLING = {"OpenItem.text": "an object that shows nothing"}


def values(package: ModuleType) -> Iterator[type[Any]]:
    """All attrs classes that the modules of a package know. Where a public one says it is from depends on its use."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        for kind in vars(module).values():
            if isinstance(kind, type) and attrs.has(kind) and kind.__module__.startswith("telnyx_agent"):
                yield kind


def hidden_and_shown() -> tuple[set[str], set[str]]:
    """`Class.field` of all attrs classes of these packages whose `repr` is attrs's."""
    hidden: set[str] = set()
    shown: set[str] = set()
    for package in (telnyx_agent._protocol, telnyx_agent._runtime, telnyx_agent._net, telnyx_agent._media):
        for kind in values(package):
            if kind.__repr__.__code__.co_filename.startswith("<attrs generated"):
                for field in attrs.fields(kind):
                    (shown if field.repr else hidden).add(f"{kind.__name__}.{field.name}")
    return hidden, shown


def test_what_tells_something_is_in_no_repr() -> None:
    """One rule for all classes, by the names of their fields: a new class with a `text` hides it, too."""
    hidden, shown = hidden_and_shown()
    telling = {name for name in shown if name.partition(".")[2] in HIDDEN}
    assert telling <= NOT_TELLING.keys()
    assert ALSO_HIDDEN.keys() <= hidden


DEFAULTS = {
    "CredentialLogin.sdk_version": "0",
    "CredentialLogin.gateway_retries": 3,
    "CloseConnection.code": 1000,
    "AnonymousLogin.target_type": "ai_assistant",
    "AnonymousLogin.sdk_version": "0",
    "CallOptions.direction": CallDirection.OUTBOUND,
    # Android's and Flutter's, and iOS's.
    "SocketConnectionMetrics.quality": SocketConnectionQuality.DISCONNECTED,
    "AudioVisualizerConfig.color": "verdant",
    "AudioVisualizerConfig.preset": "roundBars",
    "WidgetSettings.default_state": "collapsed",
    "WidgetSettings.position": "fixed",
    "WidgetSettings.theme": "dark",
    "WidgetSettings.show_transcript": True,
    "TranscriptionItem.timestamp": EPOCH,
}


def test_what_is_not_said_is_nothing() -> None:
    """No value of the protocol invents something where a frame, or the program, has left it out: with these exceptions.

    `SessionSettings` is made of times, which docs/limits.md has.
    """
    found = {
        f"{kind.__name__}.{field.name}": field.default
        for kind in values(telnyx_agent._protocol)
        if kind is not SessionSettings
        for field in attrs.fields(kind)
        if field.default and field.default is not attrs.NOTHING and not hasattr(field.default, "takes_self")
    }
    empty = {name for name, default in found.items() if attrs.has(type(default)) and not any(attrs.astuple(default))}
    assert {name: default for name, default in found.items() if name not in empty} == DEFAULTS
