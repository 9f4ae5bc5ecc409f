"""A call's devices: checked before anything is sent, and whatever they do, neither the call nor the loop is harmed."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from telnyx_agent import CallError, CallState, ClientConfigurationError, MediaError, TxClient
from telnyx_agent._call_media import MOST_DEVICE_CHANGES, _Changes
from telnyx_agent._drivers import call as call_module
from telnyx_agent._media.call_audio import MOST_SAMPLES, AudioBridge
from telnyx_agent._media.player import PlaybackState
from telnyx_agent.audio import (
    AudioConstraints,
    AudioDeviceChange,
    AudioDeviceChangeReason,
    AudioStream,
    NullAudio,
    PcmAudio,
    WaveAudio,
)
from telnyx_agent.testing import LocalAgent, RecordingDelegate


@pytest.fixture
def connected(client: TxClient, talking_agent: LocalAgent) -> TxClient:
    client.anonymous_login("assistant-owners", server_configuration=talking_agent.configuration).result(10)
    return client


class OneParameter:
    name = "robot"

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Asynchronous:
    name = "robot"

    async def start(self, stream: object) -> None: ...

    def stop(self) -> None: ...


class NoStop:
    name = "robot"

    def start(self, stream: object) -> None: ...


NOT_DEVICES = ["default", 3, True, b"x", object(), NullAudio, OneParameter(), Asynchronous(), NoStop(), [NullAudio()]]


@pytest.mark.parametrize("wrong", NOT_DEVICES, ids=lambda wrong: getattr(wrong, "__name__", type(wrong).__name__))
def test_what_is_no_device_is_refused_before_anything_is_sent(wrong: Any, agent: LocalAgent) -> None:
    """By the client, by `new_call` and by `set_audio_device`, with the argument's name and what it may be."""
    for arguments in ({"audio": wrong}, {"ring_device": wrong}):
        with pytest.raises(ClientConfigurationError, match=next(iter(arguments))):
            TxClient(**arguments)
    with TxClient(audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        with pytest.raises(ClientConfigurationError, match="audio"):
            client.new_call(audio=wrong)
        assert not client.calls
        call = client.new_call()
        with pytest.raises(ClientConfigurationError, match="device"):
            call.set_audio_device(wrong)
    assert sum(frame.method == "telnyx_rtc.invite" for frame in agent.frames) <= 1


WRONG_CHOICES: list[dict[str, Any]] = [
    {"audio_processor": "aec"},
    {"audio_processor": OneParameter()},
    {"audio_constraints": True},
    {"audio_constraints": {"echo_cancellation": False}},
]


@pytest.mark.parametrize("wrong", WRONG_CHOICES, ids=range(len(WRONG_CHOICES)))
def test_a_wrong_processor_or_constraint_is_refused(client: TxClient, agent: LocalAgent, wrong: dict[str, Any]) -> None:
    """At `new_call`, with the argument's name."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    with pytest.raises(ClientConfigurationError, match=next(iter(wrong))):
        client.new_call(**wrong)


@pytest.mark.sound
def test_a_sound_card_that_is_not_there_is_refused_before_anything_is_sent(agent: LocalAgent) -> None:
    """`new_call` looks for what was chosen by name or number; the default is looked for when the call is up."""
    from telnyx_agent.audio import SoundDeviceAudio
    from tests.support.pulse import PulseServer

    with PulseServer.running() as pulse, pulse.environment(), TxClient() as client:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        for device in (SoundDeviceAudio(input="nosuch"), SoundDeviceAudio(output=99)):
            with pytest.raises(MediaError, match=r"no (input|output) device is ('nosuch'|99)"):
                client.new_call(audio=device)
        call = client.new_call(audio=SoundDeviceAudio(input="headset"))
        with pytest.raises(ClientConfigurationError, match="index or a part of its name"):
            call.set_audio_in_device(1.5)  # type: ignore[arg-type]
    assert sum(frame.method == "telnyx_rtc.invite" for frame in agent.frames) <= 1


def test_a_file_that_has_gone_is_refused_before_anything_is_sent(
    client: TxClient, agent: LocalAgent, tmp_path: Path
) -> None:
    """`new_call` raises when the output cannot be written."""
    device = WaveAudio(output=tmp_path / "out.wav")
    (tmp_path / "out.wav").mkdir()
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    with pytest.raises(MediaError, match=r"out\.wav"):
        client.new_call(audio=device)


def test_no_sound_serves_any_number_of_calls(connected: TxClient) -> None:
    """The client's one `NullAudio`, three calls, each with its own pace; one ends, the others go on."""
    calls = [connected.new_call() for _ in range(3)]
    for call in calls:
        call.wait_until_active(15)
    calls[0].hangup().result(10)
    playbacks = [call.play(b"\1\0" * 4800) for call in calls[1:]]
    for playback in playbacks:
        assert playback.wait(10)
        assert playback.state is PlaybackState.FINISHED


@pytest.mark.slow
def test_a_file_is_spoken_into_any_number_of_calls(connected: TxClient, tmp_path: Path) -> None:
    """Each call hears it from its beginning; one ends, the others go on; what is asked is about the last one."""
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(np.full(24_000, 1000, "<i2").tobytes())
    device = WaveAudio(tmp_path / "speech.wav", lead_in=0.1)
    calls = [connected.new_call(audio=device) for _ in range(2)]
    for call in calls:
        call.wait_until_active(15)
        assert call.play(b"\1\0" * 480).wait(10)  # its device runs
    assert device.wait_played(10)
    for call in calls:
        assert call.play(b"\1\0" * 24_000).wait(10)
        assert call._bridge.capture.pushed >= 24_000
    last = connected.new_call()
    last.wait_until_active(15)
    assert last.play(b"\1\0" * 480).wait(10)
    last.set_audio_device(device).result(10)
    assert not device.finished.is_set()
    calls[0].hangup().result(10)
    assert device.wait_played(10)
    assert "running" in repr(device)
    last.hangup().result(10)
    assert calls[1].play(b"\1\0" * 480).wait(10)
    (tmp_path / "speech.wav").unlink()
    with pytest.raises(MediaError, match=r"speech\.wav"):
        connected.new_call(audio=device)


@pytest.mark.parametrize("make", [PcmAudio, lambda: WaveAudio(output=os.devnull)], ids=["PcmAudio", "WaveAudio"])
def test_other_devices_serve_one_call_at_a_time(connected: TxClient, make: Callable[[], Any]) -> None:
    """Said by `new_call`; the first call is not disturbed, and the device is free when that ends."""
    device = make()
    first = connected.new_call(audio=device)
    with pytest.raises(ClientConfigurationError, match="one device serves one call at a time"):
        connected.new_call(audio=device)
    assert list(connected.calls) == [first.call_id]
    first.wait_until_active(15)
    second = connected.new_call()
    with pytest.raises(ClientConfigurationError, match="already serves a call"):
        second.set_audio_device(device)
    first.hangup()
    third = connected.new_call(audio=device)  # the first is about to end
    third.wait_until_active(15)
    assert third.play(b"\1\0" * 480).wait(10)  # its device runs
    third.set_audio_device(NullAudio()).result(10)
    connected.new_call(audio=device)  # and the third has another one now


@pytest.fixture
def bridge() -> Iterator[AudioBridge]:
    bridge = AudioBridge()
    yield bridge
    bridge.end()


@pytest.mark.parametrize("asked", [0, 1, -5, 10_000_000, np.int64(480), 1.5, "480", None])
def test_a_device_may_ask_for_any_number_of_samples(bridge: AudioBridge, asked: Any) -> None:
    """It gets as many, or none where that makes no sense; nothing is raised."""
    heard = bridge.pull_render(asked)
    expected = max(0, int(asked)) if isinstance(asked, (int, np.integer)) else 0
    assert heard.size == expected
    assert heard.dtype == np.int16


def test_a_device_may_push_anything(bridge: AudioBridge) -> None:
    """Ten million samples at once, none, no sound at all: what waits is bounded, nothing is raised."""
    for pcm in (np.zeros(10_000_000, np.int16), b"", np.zeros(0, np.int16), None, "text", 17, [1, 2]):
        bridge.push_capture(pcm)  # type: ignore[arg-type]
    assert bridge.capture.available <= MOST_SAMPLES
    assert sum(block.size for block in bridge._sent._new) <= 8 * MOST_SAMPLES


def test_several_threads_may_push_at_once(bridge: AudioBridge) -> None:
    """The counters of the queue agree afterwards, so that the delay does not drift."""
    block = np.ones(480, np.int16)

    def push() -> None:
        for _ in range(300):
            bridge.push_capture(block)

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bridge.capture.available == sum(part.size for part in bridge.capture._blocks)


class Stubborn:
    """A device that goes on after it was stopped."""

    name = "stubborn"

    def __init__(self) -> None:
        self.stream: Any = None
        self.started = threading.Event()

    def start(self, stream: Any) -> None:
        self.stream = stream
        self.started.set()

    def stop(self) -> None:
        """Not at all."""


def test_a_device_that_does_not_stop_disturbs_nobody(connected: TxClient) -> None:
    """Neither the device after it nor, after the call, the process."""
    device, after = Stubborn(), Stubborn()
    call = connected.new_call(audio=device)
    call.wait_until_active(15)
    assert device.started.wait(10)
    call.set_audio_device(after).result(10)
    before = call._bridge.capture.pushed
    device.stream.push_capture(b"\1\1" * 480)
    assert call._bridge.capture.pushed == before
    assert not device.stream.pull_render(480).any()
    after.stream.push_capture(b"\1\1" * 480)
    assert call._bridge.capture.pushed == before + 480
    call.hangup().result(10)
    after.stream.push_capture(b"\1\1" * 480)
    after.stream.device_failed(MediaError("late"))
    assert after.stream.pull_render(480).size == 480
    assert call._bridge.capture.pushed == before + 480


@pytest.mark.parametrize("when", ["start", "stop"])
@pytest.mark.parametrize("exception", [RuntimeError("broken"), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_a_device_that_raises_ends_its_call_with_words(
    connected: TxClient, delegate: RecordingDelegate, when: str, exception: BaseException
) -> None:
    """Whatever it raises, in whatever method: the call is over in time, and the next one works."""

    class Raising(Stubborn):
        def start(self, stream: Any) -> None:
            super().start(stream)
            if when == "start":
                raise exception

        def stop(self) -> None:
            if when == "stop":
                raise exception

    device = Raising()
    call = connected.new_call(audio=device)
    assert device.started.wait(15)
    if when == "stop":
        call.hangup().result(10)
    call.wait_until_ended(15)
    assert call.state.is_terminal
    connected.new_call().wait_until_active(15)


class Unprintable(BaseException):
    """As of a library in another language: no `Exception`, and its text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __repr__(self) -> str:
        return "Unprintable()"


def _raises(exception: BaseException) -> Callable[..., Any]:
    def method(*_: object, **__: object) -> Any:
        raise exception

    return method


@pytest.mark.parametrize("exception", [SystemExit(1), Unprintable()], ids=["SystemExit", "Unprintable"])
@pytest.mark.parametrize("attribute", ["name", "has_loudspeaker", "input_latency", "switch"])
def test_whatever_a_device_raises_the_loop_does_not_hear_it(
    connected: TxClient, attribute: str, exception: BaseException
) -> None:
    """A property that raises: the call ends with words, or goes on; each command settles."""
    members = {attribute: property(_raises(exception))}
    if attribute == "name":
        members["start"] = _raises(exception)  # type: ignore[assignment]
    if attribute == "input_latency":
        members["has_loudspeaker"] = True  # type: ignore[assignment]
    device = type("Mine", (Stubborn,), members)()
    call = connected.new_call(audio=device)
    if attribute in ("name", "has_loudspeaker"):
        call.wait_until_ended(15)
        return
    call.wait_until_active(15)
    assert device.started.wait(10)
    with contextlib.suppress(MediaError):
        call.set_audio_in_device(None).result(5)
    call.set_audio_device(NullAudio()).result(5)
    call.hangup().result(5)


def test_a_device_that_fails_to_stop_is_left_behind(connected: TxClient) -> None:
    """The call goes on with the next one, or with the same one anew, and is heard."""
    device = type("Mine", (Stubborn,), {"stop": _raises(SystemExit(1))})()
    call = connected.new_call(audio=device)
    call.wait_until_active(15)
    assert device.started.wait(10)
    first = device.stream
    call.reset_audio_device().result(5)
    assert device.stream is not first
    device.stream.push_capture(b"\1\1" * 480)
    call.set_audio_device(NullAudio()).result(5)
    assert call.play(b"\1\0" * 480).wait(10)


def test_a_device_may_say_anything_and_as_often_as_it_likes(
    connected: TxClient, delegate: RecordingDelegate, caplog: pytest.LogCaptureFixture
) -> None:
    """That it has failed is told once, in a `MediaError`; what is no change of devices is not told."""
    device = Stubborn()
    call = connected.new_call(audio=device)
    call.wait_until_active(15)
    assert device.started.wait(10)
    for junk in ("broken", None, Unprintable(), MediaError("late")) * 1000:
        device.stream.device_failed(junk)
        device.stream.device_changed(junk)
    (error,) = delegate.wait_for("on_client_error", 10)
    assert isinstance(error, MediaError)
    call.hangup().result(10)
    assert len(delegate.calls_of("on_client_error")) == 1
    assert not [record for record in caplog.records if record.exc_info]


def test_a_device_that_changes_all_the_time() -> None:
    """So many changes wait; then the newest one does, and is told when those before it have been."""
    changes = [AudioDeviceChange(AudioDeviceChangeReason.SWITCHED, str(number), None, None) for number in range(10_000)]
    under_way: list[tuple[AudioDeviceChange, Callable[[], None]]] = []
    sent = _Changes(lambda change, told: under_way.append((change, told)))
    for change in changes:
        sent.put(change)
    first = [change for change, _ in under_way]
    assert first == changes[:MOST_DEVICE_CHANGES]
    told = 0
    while under_way:
        last, done = under_way.pop(0)
        done()
        told += 1
    assert (told, last) == (MOST_DEVICE_CHANGES + 1, changes[-1])
    sent.put(changes[0])
    assert [change for change, _ in under_way] == changes[:1]


def test_changes_of_a_device_are_told_while_a_callback_blocks(connected: TxClient, delegate: RecordingDelegate) -> None:
    """The first ones and the newest one; the flood between them waits nowhere."""
    goes_on, numbers = threading.Event(), []
    last = threading.Event()

    def on_audio_device_changed(change: AudioDeviceChange, call_id: UUID) -> None:
        goes_on.wait(10)
        numbers.append(int(change.input or ""))
        if numbers[-1] == 1999:
            last.set()

    delegate.on_audio_device_changed = on_audio_device_changed  # type: ignore[attr-defined]
    device = Stubborn()
    call = connected.new_call(audio=device)
    call.wait_until_active(15)
    assert device.started.wait(10)
    for number in range(2000):
        device.stream.device_changed(AudioDeviceChange(AudioDeviceChangeReason.SWITCHED, str(number), None, None))
    goes_on.set()
    assert last.wait(10)
    assert numbers[:MOST_DEVICE_CHANGES] == list(range(MOST_DEVICE_CHANGES))
    assert len(numbers) <= MOST_DEVICE_CHANGES + 2
    call.hangup().result(10)


@pytest.mark.parametrize("check", [lambda self, other: None, property(_raises(RuntimeError())), classmethod(repr)])
def test_a_check_that_cannot_be_called_is_refused_or_not_called(connected: TxClient, check: Any) -> None:
    """Whatever a device has for a `check`, `new_call` returns or raises at once."""
    device = type("Mine", (Stubborn,), {"check": check})()
    with contextlib.suppress(ClientConfigurationError, RuntimeError):
        connected.new_call(audio=device).hangup().result(10)


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


def test_another_device_in_mid_call(connected: TxClient, talking_agent: LocalAgent) -> None:
    """Mute is kept, the old device is stopped, the new one hears the agent."""
    old, new = Humming(), Humming()
    call = connected.new_call(audio=old)
    assert old.heard.wait(15)
    call.mute_audio()
    call.set_audio_device(new).result(10)
    talking_agent.say("word " * 20)  # its greeting may be over
    assert new.heard.wait(15)
    assert call.is_muted
    assert (old.starts, old.stops) == (1, 1)
    assert new.stops == 0
    assert call.state == CallState.ACTIVE
    call.hangup().result(10)
    assert new.stops == 1


def test_a_device_that_cannot_be_opened_leaves_the_old_one_in_place(
    connected: TxClient, talking_agent: LocalAgent
) -> None:
    """The error says why; the call goes on."""
    old = Humming()
    call = connected.new_call(audio=old)
    assert old.heard.wait(15)
    with pytest.raises(MediaError, match="it is broken"):
        call.set_audio_device(Broken()).result(10)
    old.heard.clear()
    talking_agent.say("word " * 20)  # its greeting may be over
    assert old.heard.wait(15)
    assert call.state == CallState.ACTIVE


def test_choosing_hardware_of_a_device_that_has_none(connected: TxClient) -> None:
    """Says what to do instead, and does not mute either."""
    device = Humming()
    call = connected.new_call(audio=device)
    assert device.heard.wait(15)
    with pytest.raises(MediaError, match="set_audio_device"):
        call.set_audio_in_device("usb", muted=True).result(10)
    assert not call.is_muted
    with pytest.raises(MediaError, match="set_audio_device"):
        call.set_audio_out_device(3).result(10)


def test_no_device_can_be_exchanged_after_the_call(connected: TxClient) -> None:
    """A call that is over has none."""
    call = connected.new_call()
    call.wait_until_active(10)
    call.hangup().result(10)
    with pytest.raises(CallError, match="audio device"):
        call.set_audio_device(NullAudio()).result(10)


def test_the_agents_voice_goes_silent_when_it_is_discarded(connected: TxClient, talking_agent: LocalAgent) -> None:
    """What is in the buffer is not heard; what the agent says afterwards is."""
    device = Humming()
    call = connected.new_call(audio=device)
    assert device.heard.wait(15)
    call.discard_playback()
    device.heard.clear()
    talking_agent.say("word " * 20)  # its greeting may be over
    assert device.heard.wait(15)


def test_unusable_settings_are_refused_at_once() -> None:
    """Before anything is opened, with the argument's name."""
    with pytest.raises(ClientConfigurationError, match="switch_interval"):
        TxClient(switch_interval=0.0)
    with pytest.raises(ClientConfigurationError, match="audio_constraints"):
        TxClient(audio_constraints={"echo_cancellation": True})  # type: ignore[arg-type]
    TxClient(audio_constraints=AudioConstraints.disabled(), switch_interval=None)


def test_a_device_that_hangs_holds_up_neither_hang_up_nor_disconnect(
    connected: TxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both settle soon after the limit for closing, other calls work, and the device is stopped when it comes back."""
    monkeypatch.setattr(call_module, "DEVICE_CLOSE_LIMIT", 0.3)
    stuck = [Stuck(), Stuck()]
    calls = [connected.new_call(audio=device) for device in stuck]
    for device in stuck:
        assert device.reached.wait(15)
    other = connected.new_call(audio=NullAudio())
    other.wait_until_active(10)
    begin = time.monotonic()
    calls[0].hangup().result(10)
    assert calls[0].state == CallState.DONE
    connected.disconnect().result(10)
    assert time.monotonic() - begin < 5.0
    assert {one.state for one in (*calls, other)} == {CallState.DONE}
    for device in stuck:
        device.release.set()
        assert device.stopped.wait(10)


def test_a_device_that_never_opens_ends_the_call(
    connected: TxClient, delegate: RecordingDelegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the limit, with an error that says what hangs."""
    monkeypatch.setattr(call_module, "DEVICE_LIMIT", 0.3)
    monkeypatch.setattr(call_module, "DEVICE_CLOSE_LIMIT", 0.3)
    stuck = Stuck()
    call = connected.new_call(audio=stuck)
    call.wait_until_ended(15)
    reason = call.state.termination_reason
    assert reason is not None
    assert isinstance(reason.error, MediaError)
    assert reason.error.code == 42003
    assert "its driver hangs" in reason.error.message
    stuck.release.set()
    assert stuck.stopped.wait(10)


class Reopened(NullAudio):
    """Counts how often it was opened, and can refuse."""

    opened = 0
    refuses = False

    def start(self, stream: AudioStream) -> None:
        if self.refuses:
            raise MediaError("the sound card is gone")
        self.opened += 1
        super().start(stream)


def test_the_device_is_opened_again(client: TxClient, talking_agent: LocalAgent) -> None:
    """`reset_audio_device`: what it fails with, the future tells."""
    card = Reopened()
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(10)
    call = client.new_call(audio=card)
    with pytest.raises(CallError, match="no audio path yet"):
        call.ice_restart()
    call.wait_until_active(15)
    talking_agent.wait_for_call(lambda record: record.media_state == "connected", 10)
    while card.opened == 0:  # until the media is up, there is nothing to reset
        call.stats().result(5)
    call.reset_audio_device().result(10)
    assert card.opened == 2
    card.refuses = True
    with pytest.raises(MediaError, match="the sound card is gone"):
        call.reset_audio_device().result(10)
    card.refuses = False
    call.reset_audio_device().result(10)
    assert card.opened == 3
