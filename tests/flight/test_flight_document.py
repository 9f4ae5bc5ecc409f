"""The worked example of docs/flight-recorder.md is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from telnyx_agent import TxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate, replay
from tests.flight.conversation import converse

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "flight-recorder.md"


def test_the_worked_example(
    client: TxClient,
    agent: LocalAgent,
    delegate: RecordingDelegate,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The delegate of the document shows an answer twice, when it is replayed as well; its test finds that."""
    _, delegate_source, test_source = re.findall(
        r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL
    )
    path = tmp_path / "session.ndjson"
    converse(client, agent, delegate, path)
    names: dict[str, Any] = {}
    exec(delegate_source, names)
    exec(test_source.replace("session.ndjson", path.as_posix()), names)
    with pytest.raises(AssertionError):
        names["test_each_answer_is_shown_once"](capsys)

    del names["App"].on_agent_state_changed
    replay(path, names["App"]())
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(re.fullmatch(r"agent: \*+", line) for line in lines)
