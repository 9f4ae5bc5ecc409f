"""What Ctrl-C and SIGTERM raise, and that it does not get lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from telnyx_agent.cli import signals
from telnyx_agent.cli.signals import Terminated, clean_endings, raise_at_once, raise_if_interrupted, wait_for
from tests.cli.command import ROOT, interpreter


def _forget() -> None:
    """What was received; otherwise the end of the block raises it once more."""
    signals._received.clear()


class _Finaliser:
    """Something that is being destroyed when the user presses Ctrl-C."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


@pytest.mark.parametrize(("number", "exception"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_raises_where_it_is_asked_for(number: signal.Signals, exception: type[BaseException]) -> None:
    """Not in the middle of what the block does; after the block the process is as it was."""
    before = signal.getsignal(number)
    done: list[str] = []

    def interrupted() -> None:
        with clean_endings():
            signal.raise_signal(number)
            done.append("what was begun")
            raise_if_interrupted()
            done.append("what comes after it")

    with pytest.raises(exception):
        interrupted()
    assert done == ["what was begun"]
    assert signal.getsignal(number) is before


def test_a_signal_that_nobody_asked_for_raises_at_the_end() -> None:
    """It is not forgotten."""
    with pytest.raises(KeyboardInterrupt), clean_endings():
        signal.raise_signal(signal.SIGINT)


def test_the_second_signal_raises_at_once() -> None:
    """Whoever presses it again does not want to wait."""
    with clean_endings():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        _forget()


def test_foreign_code_is_interrupted_where_it_is() -> None:
    """A delegate of the user's in `replay`."""
    with clean_endings(), raise_at_once():
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
        _forget()


def test_a_wait_is_interrupted() -> None:
    """What it waited for is left to end by itself."""
    go_on = threading.Event()
    try:
        with clean_endings():
            threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()
            with pytest.raises(KeyboardInterrupt):
                wait_for(go_on.wait)
            _forget()
    finally:
        go_on.set()
    assert wait_for(lambda: 17) == 17
    with pytest.raises(ZeroDivisionError):
        wait_for(lambda: 1 // 0)


def test_an_interrupt_in_a_finaliser_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python drops exceptions that are raised in one, with a traceback on stderr."""
    dropped: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    with clean_endings():
        finaliser = _Finaliser(signal.SIGINT)
        del finaliser
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
        _forget()
    assert dropped == []
    with clean_endings():
        raise_if_interrupted()


def test_at_the_processs_end_further_signals_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are being completed and its calls hung up."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with clean_endings(until_exit=True):
            pass
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent to one process alone")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_a_signal_at_any_moment_of_the_start(number: signal.Signals, moment: float, tmp_path: Path) -> None:
    """From the first import of the package on: no traceback, and the usual exit code."""
    # Says when the package has begun to be imported; what comes before is Python's own.
    first = "sys.argv[0] = 'telnyx-agent'; sys.addaudithook(lambda event, args: event == 'import' and "
    first += "args[0] == 'telnyx_agent._lazy' and print('begun', flush=True))"
    arguments = ("talk", "a", "--server", "ws://127.0.0.1:9", "--text-only")
    program = [*interpreter((), first), *arguments]
    program[1:1] = ["-X", "dev", "-W", "error"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        program,
        cwd=tmp_path,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(moment)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    # 1: it was quicker, and has found that nobody listens there.
    assert process.returncode in (128 + number, 1)
