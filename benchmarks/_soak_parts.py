"""The three parts of the soak: calls in a row and at once, drops in one session, starts and stops.

Each gives samples of what this process holds (`_leaks`), how long things took, and what went wrong. The agent and the
bad network are in another process (`_far_end`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import math
import random
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from telnyx_agent import Call, CallState, TxClient, TxError, TxServerConfiguration
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.audio import PcmAudio

from . import _leaks
from ._child import Child
from ._leaks import Sample

__all__ = ["Far", "Part", "calls", "drops", "starts"]

PATIENCE = 30.0
"""Seconds after which something hangs."""

_AUDIBLE = 300
_CALLS_EACH = 5
"""Calls of each client between two samples."""

_SETTLED = 5.0
"""Seconds that what ends by itself has before a sample."""

TALKATIVE = 0.4
"""For this part of the drops the agent talks; then only what drops themselves leave behind makes memory grow."""

_FAULTS = ("none", "none", "none", "reset", "cut", "close", "stall", "delay", "loss", "blackout")
_ENDS = ("hangup", "hangup", "remote", "disconnect")


@attrs.define
class Part:
    """What came of one part.

    Attributes:
        name: Of the part.
        samples: What the process held, in order.
        times: Rounds and seconds by turns, by what; in arrays, as our own lists would count as what is left behind.
        outcomes: How often what happened.
        wrong: What must not be.
    """

    name: str
    samples: list[Sample] = attrs.field(factory=list)
    times: dict[str, array[float]] = attrs.field(factory=dict, repr=False)
    outcomes: Counter[str] = attrs.field(factory=Counter)
    wrong: list[str] = attrs.field(factory=list)
    began: float = attrs.field(factory=time.monotonic)

    def took(self, what: str, rounds: int, seconds: float | None) -> None:
        """Note how long something took."""
        if seconds is not None and math.isfinite(seconds):
            self.times.setdefault(what, array("d")).extend((rounds, seconds))

    @property
    def series(self) -> dict[str, list[tuple[int, float]]]:
        """Seconds that things took, by what, as `(rounds, seconds)`."""
        return {
            what: [(round(one), two) for one, two in zip(v[::2], v[1::2], strict=True)]
            for what, v in self.times.items()
        }

    def sample(self, rounds: int, patience: float | None = None) -> None:
        """Take a sample, once what ends by itself has ended, or after `patience` seconds."""
        settle(self.samples[0] if self.samples else None, _SETTLED if patience is None else patience)
        one = _leaks.take(time.monotonic() - self.began, rounds, loop())
        self.samples.append(one)
        if len(self.samples) > 3:  # the verdict needs the first and the last two; the rest would be our own leak
            self.samples[-3] = attrs.evolve(self.samples[-3], objects={})
        print(f"{self.name} {rounds}: {one}", file=sys.stderr, flush=True)


class Far:
    """The process of the far end, for many threads.

    Args:
        proxies: How many clients there are.
        seed: Of the faults.
    """

    def __init__(self, proxies: int, seed: int) -> None:
        self._child = Child("benchmarks._far_end", str(proxies), str(seed))
        self._lock = threading.Lock()
        urls = [TxServerConfiguration(url, webrtc_ice_servers=()) for url in self.ask("urls")]
        self.direct, self.proxied = urls[0], urls[1:]

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call a method of `FarEnd`."""
        with self._lock:
            return self._child.ask(name, *arguments)

    def __enter__(self) -> Far:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._child.end()


class FirstSound:
    """Notes when a device is handed the first sound."""

    def __init__(self) -> None:
        self.at = math.nan
        self.come = threading.Event()

    def __call__(self, pcm: NDArray[np.int16]) -> None:
        if not self.come.is_set() and int(np.abs(pcm).max(initial=0)) > _AUDIBLE:
            self.at = time.monotonic()
            self.come.set()


def loop() -> asyncio.AbstractEventLoop | None:
    """The SDK's event loop, if it runs."""
    shared = LoopThread._shared
    return None if shared is None else shared.loop


def settle(first: Sample | None, patience: float) -> None:
    """Wait until there is no more than at first, or for as long as what ends by itself may take."""
    deadline = time.monotonic() + patience
    while first is not None and time.monotonic() < deadline:
        if threading.active_count() <= first.threads and _leaks.descriptors() <= first.descriptors:
            gc.collect()
            if _leaks.tasks(loop()) <= first.tasks and sum(_leaks.watched_objects().values()) <= first.live:
                return
        time.sleep(0.1)


# -- calls in a row and at once ----------------------------------------------------------------------------------------


class Caller:
    """One client after the other, each with some calls.

    Args:
        number: Of its proxy.
        far: The other side.
        seed: Of its decisions.
        part: Where the figures go.
    """

    def __init__(self, number: int, far: Far, seed: int, part: Part) -> None:
        self._number = number
        self._far = far
        self._dice = random.Random(f"{seed}/{number}")
        self._part = part
        self._client: TxClient | None = None

    def make(self, numbers: Sequence[int]) -> None:
        """Some calls in a row."""
        for number in numbers:
            try:
                self._call(number)
            except TimeoutError as exc:
                self._part.wrong.append(f"call {number} hung: {exc}")
                self._stop()
        self._stop()

    def _call(self, number: int) -> None:
        fault, when, end = (
            self._dice.choice(_FAULTS),
            self._dice.choice(("ringing", "active")),
            self._dice.choice(_ENDS),
        )
        pause = self._dice.uniform(0.0, 0.3)
        client = self._client
        if client is None:
            client = self._client = TxClient()
            client.anonymous_login("assistant-soak", server_configuration=self._far.proxied[self._number])
        sound = FirstSound()
        began = time.monotonic()
        client.wait_until_ready(PATIENCE)
        call = client.new_call(audio=PcmAudio(sink=sound))
        with contextlib.suppress(TxError):
            if when == "ringing":
                self._disturb(fault)
            self._hold(call, sound, began, number, fault if when == "ringing" else "none")
            if when == "active":
                self._disturb(fault)
        time.sleep(pause)
        self._end(client, call, "hangup" if fault == "stall" and end == "remote" else end)
        self._part.outcomes[f"{fault} while {when}"] += 1
        self._far.ask("calm", self._number)
        if fault == "stall":
            self._stop()  # whether it is dead is found out by a probe half a minute later

    def _hold(self, call: Call, sound: FirstSound, began: float, number: int, fault: str) -> None:
        """Until the agent is heard."""
        if fault in ("stall", "blackout"):
            return  # it will not be
        call.wait_until_active(PATIENCE)
        if fault == "none":
            self._part.took("to ACTIVE", number, call.setup_time)
        deadline = time.monotonic() + PATIENCE
        while not sound.come.wait(3.0):
            if call.state == CallState.DONE:
                return  # the fault came before the answer, which ends a call
            # Who answered just before the connection was lost has greeted nobody.
            self._far.ask("greet", str(call.call_id))
            if time.monotonic() > deadline:
                raise TimeoutError("the agent was not heard")
        if fault == "none":
            self._part.took("to the first sound", number, sound.at - began)

    def _disturb(self, fault: str) -> None:
        if fault != "none":
            self._far.ask("disturb", self._number, fault)

    def _end(self, client: TxClient, call: Call, how: str) -> None:
        if how == "remote":
            if not self._far.ask("hang_up", str(call.call_id)):
                how = "hangup"
            else:
                with contextlib.suppress(TimeoutError):  # the agent's goodbye may have been lost with the connection
                    call.wait_until_ended(1.0)
        if how == "disconnect":
            self._stop()
        elif call.state != CallState.DONE:
            call.hangup().result(PATIENCE)
        call.wait_until_ended(PATIENCE)
        self._part.outcomes[f"ended by {how}"] += 1

    def _stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect().result(PATIENCE)


def calls(count: int, at_once: int, seed: int, minutes: float | None = None) -> Part:
    """Calls, `at_once` of them at a time, until there were enough, or until the time is over.

    Args:
        count: How many; without meaning if there are minutes.
        at_once: Clients, each with a thread and a proxy of its own.
        seed: Of all faults.
        minutes: How long.
    """
    part = Part("calls")
    each = max(1, min(_CALLS_EACH, count // at_once // 4)) if minutes is None else _CALLS_EACH
    with contextlib.ExitStack() as stack:
        far = stack.enter_context(Far(at_once, seed))
        witness = stack.enter_context(TxClient())  # keeps the loop, whose tasks are counted, and must not be disturbed
        witness.anonymous_login("assistant-witness", server_configuration=far.direct).result(PATIENCE)
        callers = [Caller(number, far, seed, part) for number in range(at_once)]
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(at_once))
        done = 0
        part.began = time.monotonic()
        while done < count if minutes is None else time.monotonic() - part.began < minutes * 60.0:
            step = each if minutes is not None else min(each, math.ceil((count - done) / at_once))
            jobs = [
                pool.submit(caller.make, range(done + number * step, done + (number + 1) * step))
                for number, caller in enumerate(callers)
            ]
            for job in jobs:
                job.result()
            done += at_once * step
            part.sample(done)
        if not witness.is_registered:
            part.wrong.append("the client that was never disturbed is not ready any more")
        part.outcomes["far end: open calls"] = far.ask("open_calls")
    return part


# -- drops in one session ----------------------------------------------------------------------------------------------


class Returns:
    """A delegate that counts how often the connection was back."""

    def __init__(self) -> None:
        self.count = 0
        self.ended = 0
        self._changed = threading.Condition()

    def on_reconnected(self, *details: object) -> None:
        """Back."""
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def on_call_state_updated(self, state: CallState, *details: object) -> None:
        """A call changed."""
        if state == CallState.DONE:
            self.ended += 1

    def wait(self, count: int) -> None:
        """Until it was back so often."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count >= count, 2 * PATIENCE):
                raise TimeoutError(f"{self.count} reconnections, not {count}")


def drops(count: int, seed: int) -> Part:
    """One call whose connection is lost again and again, while the agent talks.

    Args:
        count: How often.
        seed: Of the kinds and moments.
    """
    part = Part("drops")
    dice = random.Random(f"{seed}/drops")
    returns = Returns()
    every = max(1, count // 50) if count >= 100 else max(1, count // 5)  # each sample takes a second
    with Far(1, seed) as far, TxClient(returns) as client:
        client.anonymous_login("assistant-drops", server_configuration=far.proxied[0]).result(PATIENCE)
        sound = FirstSound()
        call = client.new_call(audio=PcmAudio(sink=sound))
        if not sound.come.wait(PATIENCE):
            raise TimeoutError("the agent was not heard")
        part.began = time.monotonic()
        part.sample(0)
        lines: list[str] = []
        for number in range(1, count + 1):
            _drop(far, dice, call, lines, speak=number <= max(20, TALKATIVE * count))
            began = time.monotonic()
            returns.wait(number)
            call.wait_until_active(PATIENCE)
            part.took("to be back", number, time.monotonic() - began)
            part.outcomes["back"] += 1
            if number % every == 0:
                _complete(client, lines)
                part.sample(number, 1.0)  # a transcript grows, so there is always more than at first
        part.wrong += _check_lines(client, far, call, lines)
        if client.get_call(call.call_id) is not call or call.state != CallState.ACTIVE or returns.ended:
            part.wrong.append(f"the call did not survive: {call.state}, told of {returns.ended} ends")
        call.hangup().result(PATIENCE)
    part.sample(count)
    return part


def _drop(far: Far, dice: random.Random, call: Call, lines: list[str], *, speak: bool) -> None:
    """Lose the connection, before, while or after the agent says something."""
    kind, when, pause = dice.choice(("reset", "cut", "close")), dice.choice(("before", "after")), dice.uniform(0, 0.2)
    if speak and when == "before":
        _say(far, call, lines)
    time.sleep(pause if when == "before" else 0.0)
    far.ask("disturb", 0, kind)
    if speak and when == "after":
        time.sleep(pause)
        _say(far, call, lines)


def _say(far: Far, call: Call, lines: list[str]) -> None:
    lines.append(f"Line {len(lines) + 1}.")
    far.ask("say", lines[-1], str(call.call_id))


def _finals(client: TxClient) -> list[str]:
    """What the agent has said, as far as it is final."""
    return [one.content.strip() for one in client.transcript if one.role == "assistant" and one.is_final]


def _complete(client: TxClient, lines: list[str]) -> None:
    """Wait until the last line has come, or for as long as that may take."""
    deadline = time.monotonic() + PATIENCE
    while lines and time.monotonic() < deadline and lines[-1] not in _finals(client):
        time.sleep(0.1)


def _check_lines(client: TxClient, far: Far, call: Call, lines: list[str]) -> list[str]:
    """Each line is there, once, in order, and final."""
    _complete(client, lines)
    finals = _finals(client)
    times = Counter(finals)
    lost = [line for line in lines if not times[line]]
    doubled = [line for line in lines if times[line] > 1]
    wrong = [f"{len(lost)} of {len(lines)} finals are lost: {lost[:3]}"] if lost else []
    wrong += [f"{len(doubled)} of {len(lines)} finals are doubled: {doubled[:3]}"] if doubled else []
    if not wrong and [one for one in finals if one in set(lines)] != lines:
        wrong.append("the finals are not in order")
    if call.transcript != client.transcript:
        wrong.append("the call's transcript is not the client's")
    said = [one.strip() for one in far.ask("said", str(call.call_id))]
    if said != finals:
        wrong.append(f"the agent has said {len(said)} things, of which {len(finals)} are in the transcript")
    return wrong


# -- starts and stops --------------------------------------------------------------------------------------------------

_PHASES = ("connecting", "ready", "ringing", "active", "heard")
_STOPS = ("disconnect", "with", "hangup", "forget")


def starts(count: int, seed: int) -> Part:
    """Clients that are made, log in, perhaps call, and are stopped at any moment, in every way.

    Args:
        count: How many.
        seed: Of the moments and ways.
    """
    part = Part("starts")
    dice = random.Random(f"{seed}/starts")
    every = max(1, count // 50)
    with Far(1, seed) as far:
        for phase in _PHASES:  # so that everything has happened once before the first sample
            _start_and_stop(far, phase, "disconnect")
        part.began = time.monotonic()
        part.sample(0)
        for number in range(1, count + 1):
            phase, stop = dice.choice(_PHASES), dice.choice(_STOPS)
            began = time.monotonic()
            try:
                stopped = _start_and_stop(far, phase, stop)
            except (TimeoutError, TxError) as exc:
                part.wrong.append(f"start {number}, {stop} while {phase}: {exc!r}")
                continue
            part.took("to start and stop", number, time.monotonic() - began)
            part.took("to stop", number, stopped)
            part.outcomes[f"{stop} while {phase}"] += 1
            if number % every == 0:
                part.sample(number)
    return part


def _start_and_stop(far: Far, phase: str, stop: str) -> float:
    """One of them; seconds that the stop took."""
    sound = FirstSound()
    client = TxClient()
    ready = client.anonymous_login("assistant-starts", server_configuration=far.proxied[0])
    call: Call | None = None
    if phase == "ready":
        ready.result(PATIENCE)
    elif phase != "connecting":
        call = client.new_call(audio=PcmAudio(sink=sound))
    if call is not None and phase != "ringing":
        call.wait_until_active(PATIENCE)
        if phase == "heard" and not sound.come.wait(PATIENCE):
            raise TimeoutError("the agent was not heard")
    began = time.monotonic()
    if stop == "with":
        with client:
            pass
    elif stop == "forget":
        client.disconnect()  # what a client that is merely forgotten does not do by itself
        del ready, call, client
    else:
        if stop == "hangup" and call is not None:
            call.hangup().result(PATIENCE)
        client.disconnect().result(PATIENCE)
    return time.monotonic() - began


def table(part: Part, most: int = 10) -> Iterator[tuple[object, ...]]:
    """Rows for some of the samples of a part, the first and the last included."""
    step = max(1, math.ceil((len(part.samples) - 1) / most))
    picked = part.samples[::step]
    if part.samples and picked[-1] is not part.samples[-1]:
        picked.append(part.samples[-1])
    before = -1
    for one in picked:
        times = [_median(values, before, one.rounds) for values in list(part.series.values())[:2]]
        times += [None] * (2 - len(times))
        cells = (one.threads, one.descriptors, one.tasks, one.live, f"{one.rss:.1f}", f"{one.held:.1f}")
        yield (part.name, one.rounds, f"{one.at / 60.0:.1f}", *cells, *times)
        before = one.rounds


def _median(values: Sequence[tuple[int, float]], before: int, now: int) -> str | None:
    """Milliseconds of what happened between two samples: the median and the largest."""
    found = sorted(1000.0 * seconds for number, seconds in values if before < number <= now)
    return f"{found[len(found) // 2]:.0f} / {found[-1]:.0f}" if found else None
