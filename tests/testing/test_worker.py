"""`Worker`: jobs one after the other, whatever they do."""

from __future__ import annotations

import logging
import threading

import pytest

from telnyx_agent.testing._worker import Worker


def test_a_worker_survives_its_jobs(caplog: pytest.LogCaptureFixture) -> None:
    """A job that fails is logged; too many jobs are refused; after `close` none is taken."""
    done, block, blocked = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        blocked.set()
        block.wait(5)

    worker = Worker("telnyx-agent-test-worker")
    with caplog.at_level(logging.WARNING):
        assert worker.submit(lambda: [][0])
        assert worker.submit(done.set)
        assert done.wait(5)
        assert "IndexError" in caplog.text
        assert worker.submit(wait)
        assert blocked.wait(5)
        while worker.submit(lambda: None):
            pass
        assert "too busy" in caplog.text
    assert not worker.close(0.01)
    block.set()
    assert worker.close(5)
    assert not worker.submit(lambda: None)
