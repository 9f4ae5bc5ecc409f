"""The three ways that data takes through the SDK, seen in a real call with the local agent.

    python3 -m tests.packaging.data_paths

prints for each the functions that are under way when it comes by certain functions (`WAYPOINTS`), thread by thread. To
be run in a process of its own, because it looks at every call of every function.
"""

from __future__ import annotations

import ast
import functools
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

import numpy as np

from telnyx_agent import CallState, TxClient, TxClientDelegate
from telnyx_agent.audio import AudioStream
from telnyx_agent.testing import LocalAgent

from .modules import modules

__all__ = ["WAYPOINTS", "text"]

Stack = tuple[str, ...]

DEVICE = "the sound device's"
DELEGATE = "telnyx-agent-delegate"
LOOP = "telnyx-agent-loop"
READER = "telnyx-agent-reader"

WAYPOINTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "A delta of the transcript": {
        READER: ("_net/frames:FrameDecoder.feed", "_net/backpressure:Inflow.deliver"),
        LOOP: (
            "_protocol/wire/jsonrpc:_decode",
            "_protocol/conversation/transcription:GrowingText.append",
            "_runtime/dispatch:ThreadDispatcher.submit",
        ),
        DELEGATE: ("the program:on_transcription_updated",),
    },
    "What the microphone hears": {
        DEVICE: ("_media/capture:CaptureBuffer.push",),
        LOOP: (
            "_media/rtc/sender:FramePace.step",
            "_media/codecs/opus:OpusEncoder.encode",
            "_media/rtc/rtp:_Stream.send",
        ),
    },
    "The agent's voice": {
        LOOP: ("_media/playout/playout:Playout.put",),
        DEVICE: ("_media/playout/playout:Playout.get", "_media/codecs/opus:OpusDecoder.decode"),
    },
}
"""By data and thread: the functions that it comes by, in order, as `module:name`."""

SCAFFOLDING = ("_runtime/threads:", "_runtime/loop:LoopThread._run", "_runtime/loop:_guarded", "_runtime/loop:_call")
"""What is under way on every thread; not shown."""

STEADY = 3
"""Deltas that are sent before one is looked at: the first ones are something special."""

SECONDS = 0.5
"""So long the sound of a call is looked at."""


class Program(TxClientDelegate):
    """Waits for changes of the transcript."""

    def __init__(self) -> None:
        self.told = threading.Semaphore(0)

    def on_transcription_updated(self, transcriptions: Any) -> None:
        self.told.release()


class Device:
    """A sound device: a thread of its own that pushes and pulls 10 ms at a time."""

    name = "device"

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, stream: AudioStream) -> None:
        self._thread = threading.Thread(target=self._run, args=(stream,), name=DEVICE)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, stream: AudioStream) -> None:
        block = np.zeros(stream.sample_rate // 100, np.int16)
        while not self._ended.wait(0.01):
            stream.push_capture(block)
            stream.pull_render(block.size)


class Recorder:
    """A profiler that notes what is under way when a waypoint is entered."""

    def __init__(self) -> None:
        self.is_on = False
        self.stacks: dict[tuple[str, str], Counter[Stack]] = defaultdict(Counter)
        self._names = _names()
        self._threads = {thread for threads in WAYPOINTS.values() for thread in threads}
        self._wanted = {name for threads in WAYPOINTS.values() for points in threads.values() for name in points}
        unknown = self._wanted - set(self._names.values())
        assert not unknown, f"no such functions: {sorted(unknown)}; WAYPOINTS names those that data comes by"

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        thread = threading.current_thread().name
        if thread not in self._threads:
            sys.setprofile(None)  # the local agent's threads, and others that no data comes by
        elif event == "call" and self.is_on and (name := self._name(frame)) in self._wanted:
            self.stacks[thread, name][tuple(reversed(tuple(self._under_way(frame))))] += 1

    def _name(self, frame: FrameType) -> str | None:
        return self._names.get((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    def _under_way(self, frame: FrameType | None) -> Iterator[str]:
        while frame is not None:
            if (name := self._name(frame)) is not None:
                yield name
            frame = frame.f_back


@functools.cache
def _names() -> dict[tuple[str, int], str]:
    """Each function of the package, and the program's, as `module:name` by its file and its first line."""
    found: dict[tuple[str, int], str] = {}

    def look(node: ast.AST, file: str, module: str, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{prefix}{child.name}"
                if not isinstance(child, ast.ClassDef):
                    line = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                    found[file, line] = f"{module}:{name}"
                look(child, file, module, f"{name}.")
            else:
                look(child, file, module, prefix)

    for module in modules():
        look(module.tree, str(module.path), module.short_name, "")
    found = {place: name for place, name in found.items() if not name.startswith(SCAFFOLDING)}
    told = Program.on_transcription_updated.__code__
    found[told.co_filename, told.co_firstlineno] = f"the program:{told.co_name}"
    return found


def _delta(number: int) -> dict[str, Any]:
    ids = {"item_id": "item", "response_id": "item", "content_index": 0, "output_index": 0}
    params = {"type": "response.text.delta", "delta": f"word{number} ", **ids}
    return {"jsonrpc": "2.0", "id": 1000 + number, "method": "ai_conversation", "params": params}


def _record() -> Recorder:
    recorder = Recorder()
    # For threads that are started from here on; our own does nothing but wait.
    threading.setprofile(recorder)
    program, device = Program(), Device()
    with LocalAgent(voice="tones", ears="deaf", greeting="") as agent, TxClient(delegate=program) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        call = client.new_call(audio=device)
        call.wait_for_state(CallState.ACTIVE, 10)
        for number in range(STEADY + 1):
            recorder.is_on = number == STEADY
            agent.send(_delta(number))
            assert program.told.acquire(timeout=10)
        recorder.is_on = False
        agent.say("one two three four five six seven")
        recorder.is_on = True
        time.sleep(SECONDS)
        recorder.is_on = False
    return recorder


def text() -> str:
    """All paths, as they stand in `docs/architecture.md`."""
    recorder = _record()
    blocks = []
    for title, threads in WAYPOINTS.items():
        lines: list[str] = []
        for thread, points in threads.items():
            lines += [*(["═══"] if lines else []), f"{thread} thread"]
            shown: Stack = ()
            for point in points:
                stacks = recorder.stacks[thread, point]
                assert stacks, f"{title}: {point} was not entered on {thread}"
                stack = min(stacks, key=lambda one: (-stacks[one], one))
                same = next((n for n, (a, b) in enumerate(zip(shown, stack, strict=False)) if a != b), len(shown))
                lines += [_line(depth, name) for depth, name in enumerate(stack) if depth >= same]
                shown = stack
        blocks.append("\n".join([f"{title}:", "", "```", *lines, "```"]))
    return "\n\n".join(blocks)


def _line(depth: int, name: str) -> str:
    module, _, function = name.partition(":")
    return f"{'  ' * (depth + 1) + function:<56}{module}"


if __name__ == "__main__":
    print(text())
    sys.exit(0)
