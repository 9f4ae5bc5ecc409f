"""A process of its own that is told what to do: calls of methods as lines of JSON, and the parent's end of it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Child", "answer", "serve"]


def answer(target: object, line: str) -> None:
    """Do what one line says, and print what came of it."""
    name, arguments = json.loads(line)
    method: Callable[..., Any] = getattr(target, name)
    print(json.dumps(method(*arguments)), flush=True)


def serve(target: object) -> None:
    """Do what comes on standard input until it ends."""
    for line in sys.stdin:
        answer(target, line)


class Child:
    """The parent's end.

    Args:
        module: Of this package, such as `"benchmarks._relay"`.
        arguments: Its command line.
        environment: Variables on top of the parent's.
    """

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
            cwd=Path(__file__).resolve().parents[1],
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def ask(self, name: str, *arguments: Any, patience: float | None = None) -> Any:
        """Call a method; what it returns, as JSON has it.

        Args:
            name: Of the method.
            arguments: Its arguments.
            patience: Seconds to wait for the answer; None waits for ever.

        Raises:
            RuntimeError: The process has ended; its standard error says why.
            TimeoutError: It has not answered. Nothing more can be asked.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps([name, arguments]) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(f"{self._module} has ended") from None
        # Nothing is in the buffer between two answers: one line comes for each question.
        if not select.select([self._process.stdout], [], [], patience)[0]:
            raise TimeoutError(f"{self._module} does not answer, asked to {name}")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._module} has ended, asked to {name}")
        return json.loads(line)

    def end(self) -> None:
        """End the process: it ends when its input does. Idempotent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
