"""What a user does with a call's sound while it is up: levels, other devices, interruptions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from telnyx_agent import CallError, CallState, ClientConfigurationError, MediaError, TxClient, TxClientDelegate
from telnyx_agent._drivers import call as call_module
from telnyx_agent.audio import AudioConstraints, AudioStream, NullAudio, PcmAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate

TONE = (8000 * np.sin(2 * np.pi * 440 * np.arange(480) / 48000)).astype(np.int16)


class Humming:
    """A device that hums, and keeps what it hears."""

    name = "humming"

    def __init__(self) -> None:
        self.heard = threading.Event()
        self.starts = self.stops = 0
        self._inner = PcmAudio(source=self._hum, sink=self._hear)

    def _hum(self, samples: int) -> bytes:
        return np.resize(TONE, samples).tobytes()

    def _hear(self, pcm: NDArray[np.int16]) -> None:
        if np.abs(pcm).max(initial=0) > 1000:
            self.heard.set()

    def start(self, stream: AudioStream) -> None:
        self.starts += 1
        self._inner.start(stream)

    def stop(self) -> None:
        self.stops += 1
        self._inner.stop()


class Broken:
    """A device that cannot be opened."""

    name = "broken"

    def start(self, stream: AudioStream) -> None:
        raise MediaError("it is broken")

    def stop(self) -> None:
        """Nothing to stop."""


class Stuck:
    """A device whose driver does not return before it is let go."""

    name = "stuck"

    def __init__(self) -> None:
        self.reached, self.release, self.stopped = threading.Event(), threading.Event(), threading.Event()

    def start(self, stream: AudioStream) -> None:
        self.reached.set()
        assert self.release.wait(30)

    def stop(self) -> None:
        self.stopped.set()


@pytest.fixture
def delegate() -> RecordingDelegate:
    """Hears the levels, too."""
    return RecordingDelegate(levels=True)


@pytest.fixture
def client(delegate: RecordingDelegate, talking_agent: LocalAgent) -> Iterator[TxClient]:
    """Logged in."""
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-sound", server_configuration=talking_agent.configuration).result(10)
        yield client


def test_the_delegate_hears_how_loud_both_sides_are(client: TxClient, delegate: RecordingDelegate) -> None:
    """Agent's voice and microphone, each with the call's id, on the delegate's thread."""
    call = client.new_call(audio=Humming())
    inbound, _, call_id = delegate.wait_for("on_audio_level", 15, predicate=lambda inbound, *_: inbound > 0.01)
    assert call_id == call.call_id
    assert 0.01 < inbound <= 1.0
    _, outbound, _ = delegate.wait_for("on_audio_level", 15, predicate=lambda _, outbound, __: outbound > 0.0)
    assert outbound == pytest.approx(8000 / 32768 / 2**0.5, rel=0.05)
    call.mute_audio()
    delegate.clear()
    delegate.wait_for("on_audio_level", 15, predicate=lambda _, outbound, __: outbound == 0.0)


def test_a_call_has_a_level_listener_of_its_own(client: TxClient) -> None:
    """Set in mid-call; replaced by None it is not called any more."""
    client.delegate = None
    call = client.new_call(audio=Humming())
    call.wait_until_active(10)
    seen = threading.Event()
    threads: list[str] = []

    def listen(inbound: float, outbound: float) -> None:
        threads.append(threading.current_thread().name)
        if inbound > 0.01 and outbound > 0.01:
            seen.set()

    call.on_audio_level = listen
    assert call.on_audio_level is listen
    assert seen.wait(15)
    assert set(threads) == {"telnyx-agent-delegate"}


def test_a_listener_that_raises_costs_nothing_but_itself(client: TxClient, caplog: pytest.LogCaptureFixture) -> None:
    """The delegate's method and the call's listener, one after the other; the levels go on."""
    raised = threading.Event()
    heard = threading.Event()

    class Raising(TxClientDelegate):
        def on_audio_level(self, inbound: float, outbound: float, call_id: object) -> None:
            if raised.is_set():
                heard.set()
            raised.set()
            raise RuntimeError("user's bug")

    client.delegate = Raising()
    with caplog.at_level(logging.CRITICAL, "telnyx_agent.delegate"):
        call = client.new_call(audio=Humming())
        assert heard.wait(15)
        client.delegate = None
        own = threading.Event()
        call.on_audio_level = lambda inbound, outbound: own.set()
        assert own.wait(10)
        assert call.state == CallState.ACTIVE


def test_disconnect_inside_a_level(client: TxClient, delegate: RecordingDelegate) -> None:
    """It does not deadlock, and no level comes after the end of the call."""
    outcome: list[object] = []

    class Leaving(TxClientDelegate):
        def on_audio_level(self, inbound: float, outbound: float, call_id: object) -> None:
            outcome.append(client.disconnect().exception(5))

    client.delegate = Leaving()
    call = client.new_call(audio=Humming())
    call.wait_until_ended(15)
    client.disconnect().result(10)
    assert outcome
    assert not any(outcome)


def test_levels_do_not_queue_up_behind_a_callback_that_blocks(client: TxClient) -> None:
    """At most one is on its way, so what comes after a pause is up to date."""
    client.delegate = None
    call = client.new_call(audio=Humming())
    blocked, release, after = threading.Event(), threading.Event(), threading.Event()
    count = 0

    def listen(inbound: float, outbound: float) -> None:
        nonlocal count
        count += 1
        if not blocked.is_set():
            blocked.set()
            release.wait(10)
        elif not after.is_set():
            after.set()

    call.on_audio_level = listen
    assert blocked.wait(15)
    call.wait_until_active(10)
    before = call.stats().result(5)
    assert before is not None
    # A second of the call, by its own clock, in which twenty levels would have queued up.
    while (now := call.stats().result(5)) is not None and now.packets_sent < before.packets_sent + 50:
        pass
    assert count == 1
    release.set()
    assert after.wait(10)


def test_another_device_in_mid_call(client: TxClient) -> None:
    """Mute is kept, the old device is stopped, the new one hears the agent."""
    old, new = Humming(), Humming()
    call = client.new_call(audio=old)
    assert old.heard.wait(15)
    call.mute_audio()
    call.set_audio_device(new).result(10)
    assert new.heard.wait(15)
    assert call.is_muted
    assert (old.starts, old.stops) == (1, 1)
    assert new.stops == 0
    assert call.state == CallState.ACTIVE
    call.hangup().result(10)
    assert new.stops == 1


def test_a_device_that_cannot_be_opened_leaves_the_old_one_in_place(client: TxClient) -> None:
    """The error says why; the call goes on."""
    old = Humming()
    call = client.new_call(audio=old)
    assert old.heard.wait(15)
    with pytest.raises(MediaError, match="it is broken"):
        call.set_audio_device(Broken()).result(10)
    old.heard.clear()
    assert old.heard.wait(15)
    assert call.state == CallState.ACTIVE


def test_choosing_hardware_of_a_device_that_has_none(client: TxClient) -> None:
    """Says what to do instead, and does not mute either."""
    device = Humming()
    call = client.new_call(audio=device)
    assert device.heard.wait(15)
    with pytest.raises(MediaError, match="set_audio_device"):
        call.set_audio_in_device("usb", muted=True).result(10)
    assert not call.is_muted
    with pytest.raises(MediaError, match="set_audio_device"):
        call.set_audio_out_device(3).result(10)


def test_no_device_can_be_exchanged_after_the_call(client: TxClient) -> None:
    """A call that is over has none."""
    call = client.new_call()
    call.wait_until_active(10)
    call.hangup().result(10)
    with pytest.raises(CallError, match="audio device"):
        call.set_audio_device(NullAudio()).result(10)


def test_the_agents_voice_goes_silent_when_it_is_discarded(client: TxClient) -> None:
    """What is in the buffer is not heard; what the agent says afterwards is."""
    device = Humming()
    call = client.new_call(audio=device)
    assert device.heard.wait(15)
    call.discard_playback()
    device.heard.clear()
    assert device.heard.wait(15)


def test_unusable_settings_are_refused_at_once() -> None:
    """Before anything is opened, with the argument's name."""
    with pytest.raises(ClientConfigurationError, match="switch_interval"):
        TxClient(switch_interval=0.0)
    with pytest.raises(ClientConfigurationError, match="audio_constraints"):
        TxClient(audio_constraints={"echo_cancellation": True})  # type: ignore[arg-type]
    TxClient(audio_constraints=AudioConstraints.disabled(), switch_interval=None)


def test_a_device_that_hangs_holds_up_neither_hang_up_nor_disconnect(
    client: TxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both settle soon after the limit for closing, other calls work, and the device is stopped when it comes back."""
    monkeypatch.setattr(call_module, "DEVICE_CLOSE_LIMIT", 0.3)
    stuck = [Stuck(), Stuck()]
    calls = [client.new_call(audio=device) for device in stuck]
    for device in stuck:
        assert device.reached.wait(15)
    other = client.new_call(audio=NullAudio())
    other.wait_until_active(10)
    begin = time.monotonic()
    calls[0].hangup().result(10)
    assert calls[0].state == CallState.DONE
    client.disconnect().result(10)
    assert time.monotonic() - begin < 5.0
    assert {one.state for one in (*calls, other)} == {CallState.DONE}
    for device in stuck:
        device.release.set()
        assert device.stopped.wait(10)


def test_a_device_that_never_opens_ends_the_call(
    client: TxClient, delegate: RecordingDelegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the limit, with an error that says what hangs."""
    monkeypatch.setattr(call_module, "DEVICE_LIMIT", 0.3)
    monkeypatch.setattr(call_module, "DEVICE_CLOSE_LIMIT", 0.3)
    stuck = Stuck()
    call = client.new_call(audio=stuck)
    call.wait_until_ended(15)
    reason = call.state.termination_reason
    assert reason is not None
    assert isinstance(reason.error, MediaError)
    assert reason.error.code == 42003
    assert "its driver hangs" in reason.error.message
    stuck.release.set()
    assert stuck.stopped.wait(10)
