"""Canaries: a conversation with a secret in every place where one can be, and none is in its recording.

What `tests/support/taint.py` is for logs: every text of every frame that is not of the protocol's is looked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telnyx_agent import TxClient, TxServerConfiguration
from telnyx_agent._flight.masking import masked_frame, masked_message
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.flight.conversation import converse
from tests.support.taint import secrets_in

NUMBER = "15550001111222"


def keys_in(agent: LocalAgent) -> set[str]:
    """ICE passwords, fingerprints, addresses of candidates, and what `secrets_in` knows, from the frames themselves."""
    found: set[str] = set()
    for frame in agent.frames:
        found.update(secrets_in(frame.message))
        for sdp in _descriptions(frame.message):
            found.update(re.findall(r"a=(?:ice-pwd|ice-ufrag|fingerprint):(?:sha-\d+ )?(\S{4,})", sdp))
            found.update(re.findall(r"a=candidate:\S+ \d \S+ \d+ (\S+) ", sdp))
    return found


def _descriptions(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from [member] if name == "sdp" else _descriptions(member)


def check_clean(path: Path, *secrets: str, said: bool = False) -> str:
    text = path.read_text()
    found = [line for line in text.splitlines() if any(secret in line for secret in secrets)]
    found += [] if said else [line for line in text.splitlines() if re.search("canary", line, re.IGNORECASE)]
    assert not found, "\n".join(found)[:3000]
    return text


def test_a_whole_conversation_leaks_nothing(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """Variables, headers, names, numbers, text, image, transcript, tool, SDP, keys, addresses, the assistant."""
    path = tmp_path / "session.ndjson"
    converse(client, agent, delegate, path)
    keys = keys_in(agent)

    assert {"canary typed", f"+{NUMBER}", "canary header"} <= keys
    assert any(re.fullmatch(r"[\w+/]{20,}", key) for key in keys), "there was no SDP with a password"
    text = check_clean(path, NUMBER, "555000", *keys)
    assert "invite" in text
    assert "a=candidate 1 udp" in text
    assert path.stat().st_mode & 0o077 == 0


def test_with_the_content_nothing_but_the_content_is_there(
    client: TxClient, agent: LocalAgent, delegate: RecordingDelegate, tmp_path: Path
) -> None:
    """What was said and typed; no key, number, name, variable, header, image, tool's arguments, assistant."""
    path = tmp_path / "session.ndjson"
    converse(client, agent, delegate, path, include_content=True)
    said = ("canary typed", "canary greeting")
    rest = [key for key in keys_in(agent) if not any(key in one or one in key for one in said)]
    rest = [key for key in rest if key not in ("canary", "typed", "greeting", " typed", " greeting")]

    text = check_clean(path, NUMBER, "555000", *rest, said=True)
    assert "canary typed" in text
    left = re.sub(r"canary (?:canary )?(?:typed|greeting)?|canary", lambda m: "" if m[0] != "canary" else "?", text)
    for secret in ("_name", "value", "header", 'state"', "tool"):
        assert f"?{secret}" not in left
        assert f"canary{secret}" not in text
    assert "assistant-canary" not in text
    assert "conversation-canary" not in text


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario.fast(login="reject", login_error=(-32001, "canary refused +15557654321987")),
        Scenario.rejected("USER_BUSY"),
        Scenario.drop(after=0.2),
        Scenario.garbage("ringing", "{canary", b"canary", '{"method":["canary"]}', '{"method":"x","word":"canary y"}'),
    ],
    ids=["refused", "busy", "dropped", "garbage"],
)
def test_what_goes_wrong_leaks_nothing(scenario: Scenario, tmp_path: Path) -> None:
    """Errors with the server's words in them, URLs with a token, broken frames."""
    delegate, path = RecordingDelegate(), tmp_path / "session.ndjson"
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent, TxClient(delegate) as client:
        with client.record_session(path):
            login = client.anonymous_login(
                "assistant-canary",
                user_variables={"a": "canary"},
                server_configuration=TxServerConfiguration(f"{agent.url}/?token=canary", ()),
            )
            refusal = login.exception(20)  # noqa: LOG004 - a future's
            if refusal is None:
                call = client.new_call("canary", f"+{NUMBER}")
                delegate.wait_for(
                    "on_call_state_updated", predicate=lambda state, _: state.value == "RINGING" or state.is_terminal
                )
                agent.wait_for_frame("telnyx_rtc.invite")
                call.hangup()
            client.disconnect().result(10)
        assert delegate.events
    check_clean(path, NUMBER, "15557654321987")


def test_frames_of_any_form_leak_nothing() -> None:
    """Whatever a server puts where: texts in ids, lists for texts, numbers, nested objects, names of members."""
    bad: list[Any] = [
        "canary words",
        ["canary words"],
        {"canary": "canary words"},
        [{"x": "canary words"}],
        f"+{NUMBER}",
    ]
    names = ["id", "method", "message", "state", "cause", "sipReason", "callID", "role", "params", "result", "error"]
    names += [
        "item",
        "response",
        "content",
        "sdp",
        "data",
        "User-Agent",
        "reattached_sessions",
        "canary-name!",
        "voice",
    ]
    for name in names:
        for value in bad:
            for frame in (
                {name: value},
                {"params": {name: value}},
                {"method": "ai_conversation", "params": {"item": {name: value}}},
                {"params": {"dialogParams": {name: value}}},
            ):
                text = json.dumps([masked_frame(frame, with_texts=False), masked_message(frame, with_texts=False)])
                assert "words" not in text
                assert NUMBER not in text
                assert "canary-name!" not in text
    assert json.dumps(masked_frame({"params": {"pin": 1234567, "content_index": 2}}, with_texts=False)) == (
        '{"params": {"pin": {"*": "number"}, "content_index": 2}}'
    )
