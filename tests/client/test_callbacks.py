"""The callback contract: one at a time, in order, whatever user code does; pumped and on executors too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from telnyx_agent import (
    CallState,
    ClientConfigurationError,
    SocketConnectionError,
    TranscriptionItem,
    TxClient,
    TxClientDelegate,
    _listeners,
)
from telnyx_agent.audio import NullAudio
from telnyx_agent.delegate import CALLBACK_NAMES
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

HAPPEN = (
    "on_connection_state_changed",
    "on_socket_connected",
    "on_session_updated",
    "on_client_ready",
    "on_ai_assistant_connection_state_changed",
    "on_widget_settings_updated",
    "on_call_state_updated",
    "on_ringing_ack_received",
    "on_transcription_updated",
    "on_transcript_item_updated",
    "on_agent_state_changed",
    "on_ai_conversation_message",
    "on_ai_conversation_event",
    "on_remote_call_ended",
    "on_socket_disconnected",
)
"""The callbacks that happen in `conversation`."""

OF_THE_VOICE = {"on_audio_device_changed", "on_audio_level", "on_turn_latency"}
"""They need a device that makes sound: tests/client/test_levels.py and test_timings.py."""

OF_QUALITY = {"on_call_quality_changed", "on_call_report", "on_client_warning", "on_socket_metrics_changed"}
"""They tell of no event: tests/client/test_quality.py."""


def conversation(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """A login, a call with a greeting, a remote hang-up, a disconnection."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration)
    call = client.new_call()
    call.wait_for_state([CallState.RINGING, CallState.ACTIVE], 15)
    delegate.wait_for("on_transcript_item_updated", 15, predicate=lambda item: item.is_final)
    agent.hang_up()
    call.wait_until_ended(10)
    client.disconnect().result(10)


class Bomb(RecordingDelegate):
    """Records, then does something in one of the callbacks."""

    def __init__(self, name: str, action: Callable[[], object]) -> None:
        super().__init__()
        record = getattr(self, name)

        def explode(*args: object) -> None:
            record(*args)
            action()

        self.__dict__[name] = explode


@pytest.mark.slow_except(2)
@pytest.mark.parametrize("name", HAPPEN)
def test_a_raising_callback_costs_nothing_but_itself(
    name: str, talking_agent: LocalAgent, caplog: pytest.LogCaptureFixture
) -> None:
    """The traceback is logged with the callback's name, and everything else happens as without it."""

    def fail() -> None:
        raise RuntimeError("user's bug")

    delegate = Bomb(name, fail)
    with caplog.at_level(logging.ERROR, "telnyx_agent.delegate"), TxClient(delegate, audio=NullAudio()) as client:
        conversation(client, talking_agent, delegate)

    assert set(HAPPEN) <= set(delegate.names)
    reports = [record for record in caplog.records if record.name == "telnyx_agent.delegate"]
    assert reports
    assert all(name in record.getMessage() for record in reports)
    assert "user's bug" in caplog.text


@pytest.mark.slow_except(4)
@pytest.mark.parametrize("name", HAPPEN)
def test_disconnect_inside_every_callback(name: str, talking_agent: LocalAgent) -> None:
    """Waiting for one's own disconnection inside a callback does not deadlock, whichever callback it is."""
    outcome: list[object] = []
    delegate = Bomb(name, lambda: outcome.append(client.disconnect().exception(5)))
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration)
        # The first callbacks may have disconnected before we come to call.
        with contextlib.suppress(SocketConnectionError):
            call = client.new_call()
            call.wait_for_state([CallState.ACTIVE, CallState.DONE], 15)
            if name == "on_remote_call_ended":
                talking_agent.hang_up()
            elif name == "on_socket_disconnected":
                client.disconnect()
            call.wait_until_ended(15)
        client.disconnect().result(5)

    assert outcome
    assert not any(outcome)
    # Neither, if the disconnection was faster than the connection.
    assert delegate.names.count("on_socket_disconnected") == delegate.names.count("on_socket_connected") <= 1


def test_every_method_inside_a_callback(talking_agent: LocalAgent) -> None:
    """Commands, waiters and futures are all legal inside a callback."""

    class Caller(TxClientDelegate):
        def __init__(self) -> None:
            self.done = threading.Event()

        def on_client_ready(self) -> None:
            client.wait_until_ready(1)
            call = client.new_call()
            call.wait_until_active(15)
            call.mute_audio()
            call.unmute_audio()
            call.stats().result(5)
            client.send_ai_assistant_message("hello").result(5)
            client.ai_assistant_manager.clear_transcriptions().result(5)
            call.hangup().result(5)
            assert call.state == CallState.DONE
            self.done.set()

    delegate = Caller()
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration)
        assert delegate.done.wait(20)


def test_a_blocking_callback_does_not_hold_up_the_call(talking_agent: LocalAgent) -> None:
    """Signalling and media go on while a callback blocks; what happened meanwhile is told afterwards, in order."""
    release = threading.Event()
    delegate = Bomb("on_client_ready", lambda: release.wait(20))
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=talking_agent.configuration)
        call = client.new_call()
        call.wait_until_active(15)
        talking_agent.wait_for_call(lambda record: record.media_state == "connected", 10)
        told = [state for state, _ in delegate.calls_of("on_call_state_updated")]
        assert CallState.ACTIVE not in told

        release.set()
        delegate.wait_for("on_call_state_updated", predicate=lambda state, _: state == CallState.ACTIVE)

    states = [state.value for state, _ in delegate.calls_of("on_call_state_updated")]
    assert states == ["NEW", "CONNECTING", "RINGING", "ACTIVE", "DONE"]


def test_a_delegate_with_code_of_its_own_in_its_attributes(agent: LocalAgent) -> None:
    """It runs where callbacks run and never on the loop; a weak proxy (iOS: `weak var delegate`) has the callbacks of
    what it stands for, and one whose object is gone ends nothing.
    """
    threads = set()

    class Computed:
        def __getattribute__(self, name: str) -> object:
            threads.add(threading.current_thread().name)
            return object.__getattribute__(self, name)

        def on_client_ready(self) -> None:
            told.append("ready")

    told: list[str] = []
    computed, gone = Computed(), Computed()
    dead = weakref.proxy(gone)
    for number, delegate in enumerate((computed, weakref.proxy(computed), dead)):
        with TxClient(delegate, audio=NullAudio()) as client:
            if delegate is dead:
                del gone
            threads.clear()
            client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        assert len(told) == min(number + 1, 2)
        assert threads <= {"telnyx-agent-delegate"}


def test_the_delegate_may_be_replaced(client: TxClient, agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """From then on callbacks go to the new one."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    client.delegate = other = RecordingDelegate()
    client.disconnect().result(5)

    assert "on_socket_disconnected" in other.names
    assert "on_socket_disconnected" not in delegate.names


def test_futures_settle_after_the_callbacks_that_they_caused(agent: LocalAgent) -> None:
    """When disconnect() is done, on_socket_disconnected has run."""
    delegate = Bomb("on_socket_disconnected", lambda: time.sleep(0.05))
    for _ in range(5):
        with TxClient(delegate) as client:
            client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
            assert "on_client_ready" in delegate.names
            client.disconnect().result(5)
            assert "on_socket_disconnected" in delegate.names
            delegate.clear()


def test_done_callbacks_of_futures_run_where_callbacks_run(client: TxClient, agent: LocalAgent) -> None:
    """User code is never on the loop, not even through a future."""
    thread: list[str] = []
    called = threading.Event()

    def note(_: object) -> None:
        thread.append(threading.current_thread().name)
        called.set()

    client.anonymous_login("assistant-1", server_configuration=agent.configuration).add_done_callback(note)

    assert called.wait(10)
    assert thread == ["telnyx-agent-delegate"]


def test_a_function_among_the_callbacks(client: TxClient, agent: LocalAgent) -> None:
    """`call_soon`: behind those that are due, where they run; at once where there is no such place yet."""
    told: list[str] = []
    busy, go_on, done = (threading.Event() for _ in range(3))

    def hold_up() -> None:
        busy.set()
        go_on.wait(20.0)
        told.append("first")

    client.call_soon(lambda: told.append(threading.current_thread().name))
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(20.0)
    client.call_soon(hold_up)
    assert busy.wait(20.0)
    client.call_soon(lambda: told.append(threading.current_thread().name))
    client.call_soon(done.set)
    assert len(told) == 1
    go_on.set()
    assert done.wait(20.0)
    assert told == [threading.current_thread().name, "first", "telnyx-agent-delegate"]
    with pytest.raises(ClientConfigurationError, match="function"):
        client.call_soon("no function")  # type: ignore[arg-type]


def test_a_future_is_awaitable(client: TxClient, agent: LocalAgent) -> None:
    """`asyncio.wrap_future` makes a command awaitable in the user's own loop."""

    async def main() -> bool:
        await asyncio.wait_for(
            asyncio.wrap_future(client.anonymous_login("assistant-1", server_configuration=agent.configuration)), 10
        )
        return client.is_registered

    assert asyncio.run(main())


def test_pumped_callbacks_run_on_the_pumping_thread(agent: LocalAgent) -> None:
    """With callbacks="pump" nothing is called but by process_events; commands and waiters work all the same."""
    delegate = RecordingDelegate()
    with TxClient(delegate, callbacks="pump") as client:
        for _ in range(2):
            client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
            assert not delegate.events

            deadline = time.monotonic() + 10
            while "on_client_ready" not in delegate.names and time.monotonic() < deadline:
                client.process_events(0.5)
            assert {event.thread for event in delegate.events} == {threading.current_thread().name}

            client.disconnect().result(5)
            while client.process_events():
                pass
            assert delegate.names[-1] == "on_ai_assistant_connection_state_changed"
            assert "on_socket_disconnected" in delegate.names
            delegate.clear()


def test_callbacks_on_an_executor_stay_in_order(agent: LocalAgent) -> None:
    """Many workers, but one callback at a time."""
    running = threading.Semaphore(1)

    class Checking(RecordingDelegate):
        def __getattr__(self, name: str) -> Callable[..., None]:
            record = super().__getattr__(name)

            def checked(*args: object) -> None:
                assert running.acquire(blocking=False)
                record(*args)
                running.release()

            return checked

    delegate = Checking()
    with (
        ThreadPoolExecutor(4, thread_name_prefix="user") as pool,
        TxClient(delegate, audio=NullAudio(), callbacks=pool) as client,
    ):
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        client.disconnect().result(5)
        delegate.wait_for("on_socket_disconnected")

    assert all(event.thread.startswith("user") for event in delegate.events)
    names = [name for name in delegate.names if name in ("on_socket_connected", "on_client_ready")]
    assert names == ["on_socket_connected", "on_client_ready"]


def test_the_list_of_callbacks_is_complete() -> None:
    """`HAPPEN` has all callbacks but those that need sound, an error, a lost connection, an incoming call or a push."""
    never = {"on_client_error", "on_incoming_call", "on_push_call", "on_push_disabled"}
    never |= {"on_function_call"}  # tests/client/test_tools.py
    lost = {"on_reconnecting", "on_reconnected"}  # tests/client/test_reconnect.py
    never |= {"on_socket_message"}  # test_every_frame_for_those_who_ask
    assert set(CALLBACK_NAMES) - never - lost - OF_THE_VOICE - OF_QUALITY == set(HAPPEN)


class Slow(TxClientDelegate):
    """Waits in its first callback about the transcript; then keeps what it is given."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.items: list[str] = []
        self.updates: list[int] = []

    def on_transcript_item_updated(self, item: TranscriptionItem) -> None:
        self.free.wait(30)
        self.items.append(item.content)

    def on_transcription_updated(self, transcriptions: Sequence[TranscriptionItem]) -> None:
        self.updates.append(len(transcriptions))


def _items(numbers: Iterable[int]) -> str:
    """A batch of short items of the user's."""
    frames = [
        {
            "id": f"f{number}",
            "method": "ai_conversation",
            "params": {
                "type": "conversation.item.created",
                "item": {"id": f"i{number}", "type": "message", "role": "user", "content": str(number)},
            },
        }
        for number in numbers
    ]
    return json.dumps(frames)


def test_long_transcripts_for_a_slow_delegate_come_together(agent: LocalAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every item comes; of the whole transcripts as many as fit into the bound, in order, and the newest at last."""
    monkeypatch.setattr(_listeners, "MOST_SNAPSHOT_ITEMS", 3_000)
    delegate, observed, count = Slow(), list[int](), 300
    with TxClient(delegate, audio=NullAudio()) as client:
        client.ai_assistant_manager.subscribe_to_transcript_updates(lambda items: observed.append(len(items)))
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        client.new_call().wait_until_active(10)
        for begin in range(0, count, 50):
            agent.send(_items(range(begin, begin + 50)))
        end = time.monotonic() + 10
        while len(client.transcript) < count:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert not delegate.updates
        delegate.free.set()
        client.disconnect().result(10)
    spoken = [text for text in delegate.items if text.isdigit()]
    assert spoken == [str(number) for number in range(count)]
    assert delegate.updates == sorted(delegate.updates)
    assert delegate.updates[-1] == len(client.transcript)
    assert len(delegate.updates) < count // 2
    assert observed == delegate.updates


def test_a_callback_that_blocks_holds_the_server_back(agent: LocalAgent) -> None:
    """What waits for the program is bounded; call and connection live, and everything can be ended."""
    delegate = Slow()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(TxClient(delegate, audio=NullAudio()))
        stack.callback(delegate.free.set)
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        call = client.new_call()
        call.wait_until_active(10)
        link = client._logins.handle
        assert link.dispatcher is not None
        pressure = link.dispatcher.pressure
        pressure._limit = 200_000
        for begin in range(0, 4000, 50):
            agent.send(_items(range(begin, begin + 50)))
        end = time.monotonic() + 10
        while not pressure.is_full:
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.2)  # time enough for much more
        assert pressure.waiting < 400_000
        assert call.state == CallState.ACTIVE
        call.hangup().result(5)
        client.disconnect().result(5)
        assert pressure._messages == 0


def test_what_a_callback_held_back_comes_when_it_returns(agent: LocalAgent) -> None:
    """The messages that waited behind the bound are all handled then, in order."""
    delegate = Slow()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(TxClient(delegate, audio=NullAudio()))
        stack.callback(delegate.free.set)
        client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
        client.new_call().wait_until_active(10)
        link = client._logins.handle
        assert link.dispatcher is not None
        link.dispatcher.pressure._limit = 100_000
        for begin in range(0, 2000, 50):
            agent.send(_items(range(begin, begin + 50)))
        end = time.monotonic() + 10
        while not link.dispatcher.pressure.has_too_many_callbacks:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert len(client.transcript) < 2000
        delegate.free.set()
        while "1999" not in delegate.items[-1:]:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert [text for text in delegate.items if text.isdigit()] == [str(number) for number in range(2000)]


def test_every_frame_for_those_who_ask() -> None:
    """As the server sent it, in order; a delegate without the method costs nothing and gets nothing."""
    delegate = RecordingDelegate(messages=True)
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as agent:
        with TxClient(delegate) as client:
            client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
            agent.send({"jsonrpc": "2.0", "id": 7, "method": "telnyx_rtc.unheard_of", "params": {"a": 1}})
            delegate.wait_for("on_socket_message", 5, predicate=lambda frame: frame.get("id") == 7)
        sent = [frame.message for frame in agent.frames if frame.direction == "sent"]
    got = [frame for (frame,) in delegate.calls_of("on_socket_message")]
    assert got == sent[: len(got)]
    assert len(got) >= 4
