"""The program under test: one client that is attacked, another that holds an honest call, in one process.

    python -m benchmarks._hostile_victim

Driven by `benchmarks._child.Child`.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs

from telnyx_agent import Call, CallState, TxClient, TxClientDelegate, TxError, TxServerConfiguration
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.audio import NullAudio

from ._child import serve
from ._hostile_families import BY_NAME, Family

__all__ = ["Heartbeat", "Listener", "Victim", "own_ends"]

_BEAT = 0.005
_FRAME = 960
"""Samples of 20 ms."""

_PATIENCE = 30.0
"""Seconds after which something counts as hanging."""


@attrs.frozen
class Moment:
    """What the loop's thread has had so far, in seconds: by the clock, of work, and of waiting for a processor."""

    clock: float
    work: float
    waited: float


class Heartbeat:
    """Notes the longest time in which the SDK's loop did not come round, and why: it worked, or had no processor.

    What is left of a pause besides the two was spent in waiting for Python's lock: for other threads of the program.
    """

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop
        self._last = Moment(0.0, 0.0, 0.0)
        self._timer: Any = None
        self._schedule: int | None = None
        self.pause = self.waited = self.work = 0.0
        """Seconds: the longest pause, counted without the wait for a processor; of it that wait; and the most work at
        a stretch."""
        loop.post(self._begin)

    def _now(self) -> Moment:
        # Nanoseconds on a processor and of waiting for one; only Linux tells.
        waited = 0 if self._schedule is None else int(os.pread(self._schedule, 100, 0).split()[1])
        return Moment(time.perf_counter(), time.thread_time(), waited / 1e9)

    def _begin(self) -> None:
        file = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._schedule = os.open(file, os.O_RDONLY) if file.exists() else None
        self._last = self._now()
        self._timer = self._loop.loop.call_later(_BEAT, self._beat)

    def _beat(self) -> None:
        self._note()
        self._timer = self._loop.loop.call_later(_BEAT, self._beat)

    def _note(self) -> None:
        now, last = self._now(), self._last
        self._last = now
        pause, waited = now.clock - last.clock - _BEAT, now.waited - last.waited
        if pause - waited > self.pause - self.waited:
            self.pause, self.waited = pause, waited
        self.work = max(self.work, now.work - last.work)

    def stop(self, timeout: float) -> bool:
        """End it, and have the last pause counted as well; False if the loop does not answer."""
        done = threading.Event()

        def end() -> None:
            self._note()
            self._timer.cancel()
            if self._schedule is not None:
                os.close(self._schedule)
            done.set()

        self._loop.post(end)
        if done.wait(timeout):
            return True
        self.pause = max(self.pause, time.perf_counter() - self._last.clock)
        return False


class Collections:
    """Notes how long the longest garbage collection worked, on whatever thread: all others wait for it."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._began = 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        else:
            self.longest = max(self.longest, time.thread_time() - self._began)


class Listener(TxClientDelegate):
    """Counts what must come once; its callbacks take as long as the family says."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._is_released = threading.Event()
        self.ends: Counter[UUID] = Counter()
        self.logins: Counter[str] = Counter()

    def release(self) -> None:
        """A callback that is blocked goes on."""
        self._is_released.set()

    def on_client_ready(self) -> None:
        self.logins["ready"] += 1

    def on_call_state_updated(self, call_state: CallState, call_id: UUID) -> None:
        if call_state.is_terminal:
            self.ends[call_id] += 1

    def on_incoming_call(self, call: Call) -> None:
        if self._kind == "answering":
            call.answer(audio=NullAudio())

    def _take(self, *event: Any, **more: Any) -> None:
        if self._kind == "slow":
            self._is_released.wait(0.005)
        elif self._kind == "blocked":
            self._is_released.wait()

    on_transcript_item_updated = on_function_call = on_widget_settings_updated = _take


class Errors(logging.Handler):
    """Keeps the first lines that come with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None and len(self.lines) < 5:
            self.lines.append(f"{record.getMessage()}: {record.exc_info[1]!r}"[:300])


def own_ends(calls: list[Call], ends: Counter[UUID], *, counted: bool) -> str:
    """What is wrong about the ends of these calls; empty if nothing is."""
    open_calls = sum(not call.state.is_terminal for call in calls)
    if open_calls:
        return f"{open_calls} of {len(calls)} calls without an end"
    if counted and (wrong := [ends[call.call_id] for call in calls if ends[call.call_id] != 1]):
        return f"a call with {wrong[0]} ends"
    return ""


class Victim:
    """What the parent can ask for."""

    def __init__(self) -> None:
        self._errors = Errors()
        logging.getLogger("telnyx_agent").addHandler(self._errors)
        self._honest = TxClient(Listener("quick"), audio=NullAudio())
        self._busy = threading.Event()
        self._calls: list[Call] = []
        self._loop = LoopThread.acquire()
        self._heart: Heartbeat | None = None

    def begin(self, honest_url: str, hostile_url: str, name: str) -> None:
        """Log both in, and bring their calls up; the one that is attacked only if its answer is honest."""
        self._family: Family = BY_NAME[name]
        configuration = TxServerConfiguration(honest_url, webrtc_ice_servers=())
        self._honest.anonymous_login("assistant-honest", server_configuration=configuration).result(10)
        self._honest_call = self._honest.new_call()
        self._honest_call.wait_until_active(15)
        self._listener = Listener(self._family.delegate)
        callbacks: Any = "pump" if self._family.delegate == "pump" else "thread"
        self._client = TxClient(self._listener, audio=NullAudio(), callbacks=callbacks)
        self._stream = self._client.events() if self._family.delegate == "stream" else None
        self._log_in(TxServerConfiguration(hostile_url, webrtc_ice_servers=()))
        if self._family.login == "anonymous" and self._family.answer is None:
            self._place()
            self._calls[0].wait_until_active(15)
            # The first second of a call is busy with itself.
            time.sleep(0.5)

    def _log_in(self, configuration: TxServerConfiguration) -> None:
        if self._family.login == "credentials":
            from telnyx_agent import TxConfig

            config = TxConfig(sip_user="alice", password="secret")
            self._login = self._client.connect(config, server_configuration=configuration)
        else:
            self._login = self._client.anonymous_login("assistant-1", server_configuration=configuration)
        if self._family.login != "late":
            self._login.result(10)

    def _place(self) -> None:
        self._calls.append(self._client.new_call())

    def watch(self) -> None:
        """From now on it counts."""
        for _ in range(self._family.busy):
            threading.Thread(target=self._compute, daemon=True).start()
        self._before = self._heard()
        self._collections = Collections()
        self._heart = Heartbeat(self._loop)
        if self._family.answer is not None:
            self._place()

    def _compute(self) -> None:
        while not self._busy.is_set():
            sum(range(1000))

    def _heard(self) -> dict[str, int]:
        stats = self._honest_call._bridge.playout.stats()
        return {
            "received": stats.packets_received,
            "lost": stats.packets_lost + stats.packets_discarded,
            "late": stats.packets_late,
            "made_up": stats.concealed_samples // _FRAME,
        }

    def disconnect(self) -> float | None:
        """The attacked client's; how many seconds it took, None if it hangs."""
        begin = time.monotonic()
        try:
            self._client.disconnect().result(_PATIENCE)
        except TxError:
            return None
        return time.monotonic() - begin

    def report(self) -> dict[str, Any]:
        """What it came to. The attack is over."""
        assert self._heart is not None
        answers = self._heart.stop(_PATIENCE)
        self._busy.set()
        time.sleep(0.3)  # what is under way to the honest call still comes
        after = self._heard()
        wrong = own_ends(self._calls, self._listener.ends, counted=self._family.is_prompt)
        if not self._login.done():
            wrong = "the login has no outcome"
        return {
            "pause": self._heart.pause,
            "waited": self._heart.waited,
            "work": self._heart.work,
            "collection": self._collections.longest,
            "answers": answers,
            **{name: after[name] - self._before[name] for name in after},
            "honest": self._honest_call.state.kind.value.lower(),
            "wrong": wrong,
            "errors": self._errors.lines,
        }

    def end(self) -> bool:
        """Let everything go."""
        self._listener.release()
        with contextlib.suppress(TxError):
            self._honest.disconnect().result(_PATIENCE)
        self._loop.release()
        return True


def main() -> None:
    """Serve until the input ends."""
    with contextlib.suppress(KeyboardInterrupt):
        serve(Victim())


if __name__ == "__main__":
    main()
