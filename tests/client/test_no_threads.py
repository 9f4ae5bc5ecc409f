"""Threads that cannot be started, each in turn, once and for ever.

Everything settles, nothing stays CONNECTING, and the next session works when there are threads again.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest

from telnyx_agent import CallState, MediaError, TxClient, TxError, _media
from telnyx_agent._runtime import threads
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate

ACTIVE_OR_DONE = (CallState.ACTIVE, CallState.DONE)

LIMIT = 10.0
"""Seconds; nothing of this takes one on a free machine."""


@dataclasses.dataclass
class Famine:
    """Lets the start of threads with one name fail."""

    name: str = ""
    times: float = 0
    failed: int = 0


@pytest.fixture
def famine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Famine]:
    famine = Famine()
    start = threading.Thread.start

    def failing(thread: threading.Thread) -> None:
        if thread.name == famine.name and famine.failed < famine.times:
            famine.failed += 1
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", failing)
    yield famine
    famine.times = 0


def session(agent: LocalAgent, meanwhile: Callable[[TxClient], object] = lambda client: None) -> tuple[bool, str]:
    """Log in, call, hang up, disconnect. Whether the login succeeded, and how far the call came; all of it settles."""
    client = TxClient(RecordingDelegate(), audio=NullAudio())
    url = agent.configuration.socket_url.replace("127.0.0.1", "localhost")  # a name, which is looked up
    configuration = attrs.evolve(agent.configuration, signaling_server=url)
    try:
        future = client.anonymous_login("assistant-1", server_configuration=configuration)
    except TxError:
        return False, ""
    refusal = future.exception(LIMIT)
    reached = ""
    if refusal is None:
        call = client.new_call()
        reached = call.wait_for_state(ACTIVE_OR_DONE, LIMIT).kind.name
        meanwhile(client)
        assert call.hangup().wait(LIMIT)
        assert call.state.is_terminal
    else:
        assert isinstance(refusal, TxError)
    assert client.disconnect().wait(LIMIT)
    return refusal is None, reached


EXPECTED = {
    "telnyx-agent-worker": ((False, ""), (False, "")),
    "telnyx-agent-loop": ((False, ""), (False, "")),
    "telnyx-agent-reader": ((False, ""), (False, "")),
    "telnyx-agent-writer": ((False, ""), (False, "")),
    "telnyx-agent-resolver": ((False, ""), (False, "")),
    "telnyx-agent-delegate": ((True, "ACTIVE"), (True, "ACTIVE")),
    # The first is tried while the login is under way, the second for the call.
    "telnyx-agent-import": ((True, "ACTIVE"), (True, "DONE")),
}
"""What comes of a session when the thread cannot be started once, and never."""


@pytest.mark.slow_except(5)
@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("times", [1, float("inf")], ids=["once", "for_ever"])
def test_everything_settles_without_a_thread(
    name: str, times: float, agent: LocalAgent, famine: Famine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error in words, or without the thread; and when there are threads again, all is well."""
    monkeypatch.setattr(_media, "_loaded", threading.Event())
    famine.name, famine.times = name, times
    assert session(agent) == EXPECTED[name][times > 1]
    assert famine.failed
    famine.times = 0
    assert session(agent) == (True, "ACTIVE")


def test_callbacks_come_late_but_they_come(agent: LocalAgent, famine: Famine) -> None:
    """Also when nothing happens any more that would try again to start their thread."""
    delegate = RecordingDelegate()
    famine.name, famine.times = "telnyx-agent-delegate", float("inf")
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(LIMIT)
        assert not delegate.events
        famine.times = 0
        delegate.wait_for("on_client_ready", timeout=LIMIT)


def test_recordings_and_playbacks_are_refused(agent: LocalAgent, famine: Famine, tmp_path: Path) -> None:
    """With a `MediaError`, and the file is closed again."""

    def meanwhile(client: TxClient) -> None:
        (call,) = client.calls.values()
        famine.times = float("inf")
        famine.name = "telnyx-agent-recorder"
        with pytest.raises(MediaError, match="telnyx-agent-recorder could not be started"):
            call.record(tmp_path / "call.wav")
        famine.name = "telnyx-agent-playback"
        with pytest.raises(MediaError, match="telnyx-agent-playback could not be started"):
            call.play(np.zeros(480, np.int16))

    assert session(agent, meanwhile) == (True, "ACTIVE")
    assert famine.failed == 2


@pytest.mark.parametrize("name", ["telnyx-agent-audio", "telnyx-agent-device"])
def test_a_call_with_sound_ends_without_a_thread(name: str, talking_agent: LocalAgent, famine: Famine) -> None:
    """The device's thread cannot be started: the call ends with that error. Nothing is left open."""
    client = TxClient(audio=NullAudio())
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(LIMIT)
    famine.name, famine.times = name, float("inf")
    call = client.new_call()
    call.wait_for_state(ACTIVE_OR_DONE, LIMIT)
    reason = call.wait_until_ended(LIMIT)
    assert f"{name} could not be started" in str(reason.error)
    assert call.hangup().wait(LIMIT)
    assert client.disconnect().wait(LIMIT)


def test_an_import_that_hangs_has_a_limit(agent: LocalAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call ends with an error in words, and the next one works when the import is through."""
    gate = threading.Event()
    monkeypatch.setattr(_media, "_loaded", threading.Event())
    monkeypatch.setattr(_media, "LOAD_LIMIT", 0.2)
    work = _media._work
    monkeypatch.setattr(_media, "_work", lambda: (gate.wait(LIMIT), work()))
    client = TxClient(audio=NullAudio())
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(LIMIT)
    reason = client.new_call().wait_until_ended(LIMIT)
    assert "were not imported within 0.2 s" in str(reason.error)
    monkeypatch.setattr(_media, "LOAD_LIMIT", LIMIT)
    call = client.new_call()
    gate.set()
    call.wait_until_active(LIMIT)
    client.disconnect().result(LIMIT)


def test_threads_are_marked() -> None:
    """What runs the SDK's work is internal, what runs the program's is not."""
    seen: list[bool] = []
    for runs_program in (False, True):
        thread = threads.SdkThread(
            lambda: seen.append(threads.is_internal()), "telnyx-agent-test", runs_program=runs_program
        )
        thread.start()
        thread.join(LIMIT)
    assert seen == [True, False]
    assert not threads.is_internal()
