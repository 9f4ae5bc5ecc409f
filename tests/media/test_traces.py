"""Every trace in `tests/traces/` keeps its limits; the language is described in `traces.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media import traces

TRACES = sorted(traces.FOLDER.glob("*.txt"))


def test_there_are_traces() -> None:
    """A wrong folder would otherwise pass for a good playout."""
    assert len(TRACES) >= 25


@pytest.mark.slow_except(8)
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_trace(path: Path) -> None:
    """Delay, concealment, gaps and clicks stay within the limits of the file."""
    trace = traces.read(path)
    assert not traces.check_words(trace)
    assert trace.title
    assert trace.limits
    outcome = traces.run(trace)
    assert not traces.fails(outcome, trace.limits), outcome
