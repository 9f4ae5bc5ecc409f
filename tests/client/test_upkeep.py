"""A call's own listener of states, and its audio path and device made anew by the program."""

from __future__ import annotations

import threading

import pytest

from telnyx_agent import CallError, CallState, MediaError, TxClient
from telnyx_agent.audio import AudioStream, NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate


def test_a_call_tells_its_own_listener(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """Every state from then on, on the delegate's thread, `DONE` last; the state before is known."""
    seen: list[tuple[str, str]] = []
    over = threading.Event()

    def changed(state: CallState) -> None:
        seen.append((state.value, threading.current_thread().name))
        if state.is_terminal:
            over.set()

    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    call = client.new_call()
    assert call.previous_state is None or call.previous_state == CallState.NEW
    call.wait_until_active(10)
    call.on_state_changed = changed
    assert call.on_state_changed is changed
    call.hangup().result(10)
    assert over.wait(10)
    assert seen[-1][0] == "DONE"
    assert call.previous_state == CallState.ACTIVE
    assert {thread for _, thread in seen} == {"telnyx-agent-delegate"}
    assert [state.value for state, _ in delegate.calls_of("on_call_state_updated")][-len(seen) :] == [
        s for s, _ in seen
    ]


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


def test_the_audio_path_is_made_anew(client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """`ice_restart`: the same call on another connection, with its mute."""
    client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration).result(10)
    call = client.new_call(audio=NullAudio())
    call.wait_until_active(15)
    talking_agent.wait_for_call(lambda record: record.media_state == "connected", 10)
    while call.media_setup_time is None:
        call.stats().result(5)
    call.mute_audio()
    call.ice_restart().result(10)
    delegate.wait_for("on_reconnected", 15)
    delegate.wait_for("on_call_state_updated", 15, count=2, predicate=lambda state, _: state == CallState.ACTIVE)
    states = [state.value for state, _ in delegate.calls_of("on_call_state_updated")]
    assert states.count("ACTIVE") == 2
    assert call.is_muted
    call.hangup().result(10)
    assert [state.value for state, _ in delegate.calls_of("on_call_state_updated")].count("DONE") == 1
