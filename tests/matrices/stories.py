"""How each callback comes about: short stories with a real client, a real local agent and real sockets.

A new callback needs a line in `MOMENTS`, or in `NEVER` with the reason; `test_every_callback_has_a_story` says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from telnyx_agent import Call, CallState, TxClient, TxError
from telnyx_agent.audio import AudioDeviceChange, AudioDeviceChangeReason, AudioStream, PcmAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.matrices.surface import CREDENTIALS

__all__ = ["MOMENTS", "NEVER", "EndedError", "Moment", "Stage", "check_contract"]

PATIENCE = 20.0
"""Seconds for anything that should happen soon; the machine may be busy."""


class EndedError(Exception):
    """What a story waits for will not come: the callback under test has ended the call or the session."""


@attrs.define
class Stage:
    """Where a story plays."""

    agent: LocalAgent
    client: TxClient
    delegate: RecordingDelegate
    may_end: bool
    call: Call | None = None
    placed: threading.Event = attrs.field(factory=threading.Event)

    def begin(self) -> Call:
        """Log in and call at once; the call waits for the login."""
        self.client.anonymous_login("assistant-1", server_configuration=self.agent.configuration)
        self.call = self.client.new_call()
        self.placed.set()
        return self.call

    def wait_for(self, name: str, predicate: Callable[..., bool] | None = None) -> None:
        """Until a callback has come."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.delegate.wait_for(name, 0.1, predicate=predicate)
            except TimeoutError:
                over = self.call is not None and self.call.state.is_terminal
                if self.may_end and over:
                    raise EndedError from None
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def wait_until_active(self) -> None:
        """Until the agent has answered."""
        assert self.call is not None
        try:
            self.call.wait_until_active(PATIENCE)
        except TxError:
            if self.may_end and self.call.state.is_terminal:
                raise EndedError from None
            raise


Story = Callable[[Stage], None]


def conversation(stage: Stage) -> None:
    """A login, a call with a greeting, a remote hang-up, a disconnection."""
    call = stage.begin()
    stage.wait_until_active()
    stage.wait_for("on_transcript_item_updated", lambda item: item.is_final)
    # By its id: the methods under test have placed further calls.
    try:
        stage.agent.hang_up(call_id=str(call.call_id))
    except LookupError:
        if stage.may_end:
            raise EndedError from None
        raise
    stage.wait_for("on_call_state_updated", lambda state, _: state == CallState.DONE)


def recovery(stage: Stage) -> None:
    """The connection is lost in a call, and made again."""
    stage.begin()
    stage.wait_until_active()
    stage.wait_for("on_call_state_updated", lambda state, _: state == CallState.ACTIVE)
    stage.agent.drop_connection()
    stage.wait_for("on_reconnected")
    stage.wait_until_active()


def tools(stage: Stage) -> None:
    """The agent asks for a tool that the program does not have."""
    call = stage.begin()
    stage.wait_until_active()
    try:
        stage.agent.call_function("lookup_order", {"order": 17})
    except LookupError:
        if stage.may_end and call.state.is_terminal:
            raise EndedError from None
        raise
    stage.wait_for("on_function_call")


def incoming(stage: Stage) -> None:
    """Somebody calls a client with credentials, which answers."""
    stage.client.connect(CREDENTIALS, stage.agent.configuration).result(PATIENCE)
    stage.agent.call_client()
    stage.wait_for("on_incoming_call")
    assert stage.placed.wait(PATIENCE)
    assert stage.call is not None
    stage.call.answer().exception(PATIENCE)
    stage.wait_until_active()


def pings(stage: Stage) -> None:
    """The server asks whether the client is there."""
    stage.begin()
    stage.wait_until_active()
    stage.wait_for("on_socket_metrics_changed")


def quality(stage: Stage) -> None:
    """A call with media."""
    stage.begin()
    stage.wait_until_active()
    stage.wait_for("on_call_quality_changed")


def refusal(stage: Stage) -> None:
    """The login is refused."""
    stage.begin()
    stage.wait_for("on_client_error")


def sound(stage: Stage) -> None:
    """A call with a microphone and a loudspeaker that are exchanged, in which the user speaks and is answered."""
    call = stage.begin()
    stage.wait_until_active()
    deadline = time.monotonic() + PATIENCE
    while not stage.delegate.calls_of("on_turn_latency"):
        if stage.may_end and call.state.is_terminal:
            raise EndedError
        assert time.monotonic() < deadline, "no turn was measured"
        time.sleep(0.02)
    stage.wait_for("on_audio_device_changed")


class Speaker:
    """A device that says something, is exchanged for other hardware, and is silent for a while."""

    name = "speaker"

    def __init__(self) -> None:
        self._samples = 0
        self._inner = PcmAudio(source=self._say, sink=lambda pcm: None)
        self._stream: AudioStream | None = None

    def _say(self, samples: int) -> bytes:
        t = (self._samples + np.arange(samples)) / 48000
        before, self._samples = self._samples, self._samples + samples
        if before < 24000 <= self._samples and self._stream is not None:
            change = AudioDeviceChange(AudioDeviceChangeReason.SWITCHED, "another microphone", "headphones", None)
            changed: Callable[[AudioDeviceChange], None] | None = getattr(self._stream, "device_changed", None)
            assert changed is not None
            changed(change)
        # Words, then a pause that is longer than the answer.
        swell = np.abs(np.sin(2.5 * 2 * np.pi * t)) * ((t % 2.5) < 0.8)
        return (9000 * swell * np.sin(2 * np.pi * 220 * t)).astype(np.int16).tobytes()

    def start(self, stream: AudioStream) -> None:
        self._stream = stream
        self._inner.start(stream)

    def stop(self) -> None:
        self._inner.stop()


@attrs.frozen
class Moment:
    """An occasion at which a callback comes.

    Attributes:
        callback: Its name.
        story: What brings it about.
        when: Which of its calls is meant, by its arguments; the first if None.
        label: Tells two moments of one callback apart.
    """

    callback: str
    story: Story
    when: Callable[..., bool] | None = None
    label: str = ""

    @property
    def id(self) -> str:
        """For pytest."""
        return f"{self.callback}[{self.label}]" if self.label else self.callback

    def make_agent(self) -> LocalAgent:
        """What it happens with."""
        if self.story in (sound, quality):
            return LocalAgent(
                lambda text: "one two", voice="tones", ears="energy", greeting="", scenario=Scenario.fast()
            )
        if self.story is refusal:
            # Slow enough for the call to be there when the error comes.
            scenario = Scenario(login="reject", login_delay=0.2)
        else:
            scenario = Scenario.fast(ping_interval=0.2) if self.story is pings else Scenario.fast()
        return LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario)


def _state(kind: CallState) -> Callable[..., bool]:
    return lambda state, call_id: state == kind


MOMENTS: tuple[Moment, ...] = (
    Moment("on_socket_connected", conversation),
    Moment("on_connection_state_changed", conversation),
    Moment("on_session_updated", conversation),
    Moment("on_client_ready", conversation),
    Moment("on_ai_assistant_connection_state_changed", conversation, lambda up, target: up, "locked"),
    Moment("on_ai_assistant_connection_state_changed", conversation, lambda up, target: not up, "released"),
    Moment("on_widget_settings_updated", conversation),
    Moment("on_call_state_updated", conversation, _state(CallState.NEW), "NEW"),
    Moment("on_call_state_updated", conversation, _state(CallState.CONNECTING), "CONNECTING"),
    Moment("on_call_state_updated", conversation, _state(CallState.RINGING), "RINGING"),
    Moment("on_call_state_updated", conversation, _state(CallState.ACTIVE), "ACTIVE"),
    Moment("on_call_state_updated", conversation, _state(CallState.DONE), "DONE"),
    Moment("on_call_state_updated", recovery, lambda state, _: state.kind.name == "DROPPED", "DROPPED"),
    Moment("on_call_state_updated", recovery, lambda state, _: state.kind.name == "RECONNECTING", "RECONNECTING"),
    Moment("on_ringing_ack_received", conversation),
    Moment("on_transcription_updated", conversation),
    Moment("on_transcript_item_updated", conversation),
    Moment("on_agent_state_changed", conversation),
    Moment("on_ai_conversation_message", conversation),
    Moment("on_ai_conversation_event", conversation),
    Moment("on_function_call", tools),
    Moment("on_incoming_call", incoming),
    Moment("on_remote_call_ended", conversation),
    Moment("on_socket_disconnected", conversation),
    Moment("on_socket_disconnected", recovery, None, "lost"),
    Moment("on_reconnecting", recovery),
    Moment("on_reconnected", recovery),
    Moment("on_client_warning", recovery),
    Moment("on_socket_metrics_changed", pings),
    Moment("on_call_quality_changed", quality),
    Moment("on_call_report", conversation),
    Moment("on_client_error", refusal),
    Moment("on_audio_level", sound),
    Moment("on_audio_device_changed", sound),
    Moment("on_turn_latency", sound),
)

NEVER: Mapping[str, str] = {
    "on_push_call": "there are no push notifications on a desktop",
    "on_push_disabled": "there are no push notifications on a desktop",
    "on_socket_message": "comes for every frame, and only to who asks: tests/client/test_callbacks.py",
}
"""Callbacks that no story brings about, and why."""


def check_contract(delegate: RecordingDelegate) -> list[str]:
    """What holds for every session, whatever callbacks did; what does not hold, in words."""
    problems = []
    events = delegate.events
    names = [event.name for event in events]
    ends: dict[Any, int] = {}
    for event in events:
        if event.name != "on_call_state_updated":
            continue
        state, call_id = event.args
        if call_id in ends:
            problems.append(f"a call became {state} after it was DONE")
        elif state == CallState.DONE:
            ends[call_id] = 1
    open_calls = {event.args[1] for event in events if event.name == "on_call_state_updated"} - ends.keys()
    if open_calls:
        problems.append(f"{len(open_calls)} call(s) have no DONE")
    ups, downs = names.count("on_socket_connected"), names.count("on_socket_disconnected")
    if ups != downs:
        problems.append(f"{ups} x on_socket_connected, but {downs} x on_socket_disconnected")
    return problems
