"""The net of `TELNYX_AGENT_RECORD_ALL` finds what it is there to find."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from telnyx_agent import TxClient
from telnyx_agent.testing import LocalAgent
from tests.support.recorded import _faults

LINE = '{"t": 1.0, "type": "callback", "number": 999, "name": "on_x", "args": [{"$": "object", "class": "canary"}]}\n'


@pytest.mark.parametrize(
    ("secret", "added", "says"),
    [
        ("(?!)", "", []),
        ("anonymous_login", "", ["is in a recording"]),
        ("(?!)", '{"t": 1.0, "type":"unrecordable"}\n', ["could not be recorded"]),
        ("(?!)", '{"t": 1.0, "type": "left_out", "lines": 1}\n', ["is not complete"]),
        ("(?!)", LINE, ["cannot be made again"]),
    ],
    ids=["clean", "secret", "unrecordable", "incomplete", "unknown"],
)
def test_what_is_wrong_with_a_recording_is_found(
    client: TxClient, agent: LocalAgent, tmp_path: Path, secret: str, added: str, says: list[str]
) -> None:
    """A check that finds nothing proves something only if it would have found it."""
    path = tmp_path / "session.ndjson"
    with client.record_session(path) as recording:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        client.disconnect().result(10)
    path.write_text(path.read_text() + added)
    found = list(_faults(recording, re.compile(secret)))
    assert len(found) == len(says)
    assert all(part in text for part, text in zip(says, found, strict=True))
