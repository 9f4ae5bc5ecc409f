"""What holds for every test: no thread stays behind, nothing blocks the SDK's loop, no traffic leaves this machine."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from tests.support import watch

watch.start()

PATIENCE = 2.0
"""Seconds that threads have to end after a test."""


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    """Fail the test for what it left behind, and for what the loop's thread or the network saw meanwhile."""
    before = frozenset(threading.enumerate())
    watch.log.take()
    yield
    left = [f"still running: {thread}" for thread in watch.threads_left(before, PATIENCE)]
    # Afterwards: what ends late may still have blocked the loop.
    found = watch.log.take() + left
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.fixture(autouse=True, scope="module")
def _collected() -> Iterator[None]:
    """Have sockets and files that nobody closed reported here, and not by some later module's test."""
    yield
    gc.collect()
