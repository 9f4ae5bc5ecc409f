"""An import that a signal would interrupt: it is completed first, and the signal is not lost."""

from __future__ import annotations

import signal
import threading

import pytest

from telnyx_agent._runtime.imports import uninterrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_comes_right_afterwards(number: signal.Signals) -> None:
    """With the program's own handler, which is in its place again."""
    seen: list[object] = []

    def handler(number: int, frame: object) -> None:
        seen.append(number)

    before = signal.signal(number, handler)
    try:
        with uninterrupted():
            signal.raise_signal(number)
            assert seen == []
        assert seen == [number]
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


def test_ctrl_c_raises_after_the_import() -> None:
    """What was imported is whole."""
    done = []

    def interrupted() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("imported")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["imported"]


def test_on_another_thread_nothing_changes() -> None:
    """Signals come to the main thread."""
    before, seen = signal.getsignal(signal.SIGINT), []

    def look() -> None:
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]
