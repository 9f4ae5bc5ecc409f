"""The whole stack, from the bytes of the socket to the callbacks, among mutated frames; `python -m fuzz stack` is the
long run.
"""

from __future__ import annotations

import json
import random

import pytest

from fuzz import stack_world
from fuzz.runner import Finding, run_stack
from fuzz.stack_world import StackWorld
from telnyx_agent._drivers.session import SessionDriver
from telnyx_agent._listeners import Listeners
from telnyx_agent._protocol import outcomes
from telnyx_agent._runtime.loop import LoopThread

MOST_MEMORY = 200 * 2**20


def test_mutated_frames_through_the_whole_stack() -> None:
    """Nothing raises, nothing is written, timers are armed, calls and logins have one end, `disconnect()` settles."""
    report = run_stack(1000, 1, media=0.0)

    assert report.sessions > 3
    assert report.events > 200, "it has not come far enough into a session to prove anything"
    assert LoopThread._shared is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_mutated_frames_through_the_whole_stack(seed: int) -> None:
    """With other seeds, and with real media in some of the logins: ICE, DTLS and RTP, by the real clock."""
    report = run_stack(10_000, seed, media=0.01)

    assert report.peak_growth < MOST_MEMORY


def test_the_same_seed_is_the_same_run() -> None:
    """Or nothing that was found could be looked at again."""
    first, second, other = (run_stack(300, seed, media=0.0) for seed in (5, 5, 6))

    assert (first.sessions, first.events) == (second.sessions, second.events)
    assert (first.sessions, first.events) != (other.sessions, other.events)


def test_calls_with_bad_ids_change_nothing() -> None:
    """A3 of the faults that were found: 50 attaches in one message, then the connection is lost."""
    attach = json.dumps({"id": 7000, "method": "telnyx_rtc.attach", "params": {"callID": "not-a-uuid", "sdp": "v=0"}})
    with StackWorld(random.Random(1)) as world:
        world.receive("[" + ",".join([attach] * 50) + "]")
        world.lose_connection()
        world.check()


def _raise(*args: object, **named: object) -> None:
    raise ValueError("broken")


@pytest.mark.parametrize(
    ("owner", "name", "replacement", "text"),
    [
        (Listeners, "send_transcript", _raise, "in the log: .*broken"),
        (SessionDriver, "_arm_timer", lambda driver: None, "there is none"),
        (SessionDriver, "_on_call_state", lambda driver, event: None, "does not settle|without an end"),
        (stack_world, "LONGEST", 0.0, "the loop stood still"),
        (stack_world, "MOST_MEMORY", -1, "more than in the beginning"),
    ],
    ids=["an event raises", "no timer", "no end", "slow", "memory"],
)
def test_what_is_broken_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, replacement: object, text: str
) -> None:
    """The net has no holes."""
    if name == "_on_call_state":
        handlers = {kind: handler for kind, handler in SessionDriver._HANDLERS.items() if handler.__name__ != name}
        handlers[outcomes.CallStateChanged] = replacement  # type: ignore[assignment]
        monkeypatch.setattr(SessionDriver, "_HANDLERS", handlers)
    else:
        monkeypatch.setattr(owner, name, replacement)
    with pytest.raises(Finding, match=text):
        run_stack(2000, 1, media=0.0)
