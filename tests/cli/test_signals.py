"""What Ctrl-C and SIGTERM raise, and that it does not get lost."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable

import pytest

from telnyx_agent.cli.signals import Terminated, clean_endings, raise_if_interrupted


class _Finaliser:
    """Something that is being destroyed when the user presses Ctrl-C."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


@pytest.mark.parametrize(("number", "exception"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_raises(number: signal.Signals, exception: type[BaseException]) -> None:
    """Inside the block; after it the process is as it was."""
    before = signal.getsignal(number)
    with pytest.raises(exception), clean_endings():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_an_interrupt_that_python_drops_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a finaliser, exceptions are printed and forgotten."""
    dropped: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    with clean_endings():
        raise_if_interrupted()
        finaliser = _Finaliser(signal.SIGINT)
        del finaliser
        assert dropped
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
    with clean_endings():
        raise_if_interrupted()


def test_on_another_thread_nothing_changes() -> None:
    """Python allows signal handlers on the main thread only; `main` works on others, too."""
    seen: list[Callable[..., object] | int | None] = []

    def run() -> None:
        with clean_endings():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
