"""Whatever the program hands over to be called is checked when it is given, with the name of what is wrong."""

from __future__ import annotations

import functools
import inspect
import logging
import queue
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from telnyx_agent import (
    AIAssistantManagerDelegate,
    Call,
    ClientConfigurationError,
    TxClient,
    TxClientDelegate,
    TxConfig,
)
from telnyx_agent._call_record import CallRecord
from telnyx_agent._callables import check_function, check_methods, is_async
from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._protocol.wire.requests import CallOptions
from telnyx_agent._session_handle import NOT_CONNECTED
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.delegate import ASSISTANT_CALLBACKS, CALLBACK_NAMES


class Async:
    """A callable object whose call makes a coroutine, and a bound method that does."""

    async def __call__(self, *args: object) -> None: ...

    async def method(self, *args: object) -> None: ...


async def coroutine_function(*args: object) -> None: ...


def generator(*args: object) -> Any:
    yield None


async def asynchronous_generator(*args: object) -> Any:
    yield None


def takes_nine(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> None: ...


WRONG: dict[str, tuple[Any, str]] = {
    "async def": (coroutine_function, "async def"),
    "async generator": (asynchronous_generator, "async def"),
    "partial of one": (functools.partial(coroutine_function, 1), "async def"),
    "partial of a partial": (functools.partial(functools.partial(coroutine_function)), "async def"),
    "object with async __call__": (Async(), "async def"),
    "bound async method": (Async().method, "async def"),
    "AsyncMock": (mock.AsyncMock(), "async def"),
    "generator": (generator, "'yield'"),
    "partial of a generator": (functools.partial(generator), "'yield'"),
    "class": (SimpleNamespace, "the class SimpleNamespace"),
    "number of parameters": (takes_nine, r"takes \(a, b"),
    "text": ("print", "not str"),
    "number": (7, "not int"),
}
"""What cannot be called, and what its refusal says of it."""


def resting_call() -> Call:
    """A call that is not placed."""
    bridge = AudioBridge()
    record = CallRecord(CallOptions(str(uuid.uuid4()), "", "", ""), bridge, NOT_CONNECTED)
    return Call(record, bridge, NOT_CONNECTED, mock.Mock())


def _call(name: str) -> Callable[[Any], object]:
    return lambda value: setattr(resting_call(), name, value)


def _client(name: str) -> Callable[[Any], object]:
    return lambda value: setattr(TelnyxClient(), name, value)


GIVEN: dict[str, Callable[[Any], object]] = {
    "subscribe_to_transcript_updates": lambda fn: TxClient().ai_assistant_manager.subscribe_to_transcript_updates(fn),
    "subscribe_to_transcript_item_updates": lambda fn: (
        TxClient().ai_assistant_manager.subscribe_to_transcript_item_updates(fn)
    ),
    "subscribe_to_transcript_deltas": lambda fn: TxClient().ai_assistant_manager.subscribe_to_transcript_deltas(fn),
    "Call.on_audio_level": _call("on_audio_level"),
    "Call.on_state_changed": _call("on_state_changed"),
    "Call.on_call_quality_change": _call("on_call_quality_change"),
    "logger": lambda fn: TxClient(logger=SimpleNamespace(log=fn)),
    "custom_logger": lambda fn: TxConfig(custom_logger=SimpleNamespace(log=fn)),
    "callbacks": lambda fn: TxClient(callbacks=SimpleNamespace(submit=fn)),  # type: ignore[arg-type]
    "on_transcript_update": _client("on_transcript_update"),
    "on_connection_metrics_update": _client("on_connection_metrics_update"),
    "on_connection_state_changed": _client("on_connection_state_changed"),
    "on_socket_error_received": _client("on_socket_error_received"),
    "on_socket_message_received": _client("on_socket_message_received"),
    "on_telnyx_error": _client("on_telnyx_error"),
    "on_telnyx_warning": _client("on_telnyx_warning"),
    "disconnect_with_call_back": lambda fn: TelnyxClient().disconnect_with_call_back(fn),
    "transcript_update_flow": lambda fn: TelnyxClient().transcript_update_flow.collect(fn),
    "socket_response_flow": lambda fn: TelnyxClient().socket_response_flow.collect(fn),
}
"""Everything that takes a function, but for delegates and tools."""


@pytest.mark.parametrize("place", GIVEN)
def test_what_cannot_be_called_is_refused_when_it_is_given(place: str) -> None:
    """The text names the argument, what came, and what to do."""
    for value, says in WRONG.values():
        with pytest.raises(ClientConfigurationError, match=says) as caught:
            GIVEN[place](value)
        assert re.search(r"must be a (plain )?function \(|is called with \(|has a 'yield'", str(caught.value))


@pytest.mark.parametrize("place", GIVEN)
def test_what_can_be_called_is_taken(place: str) -> None:
    """Functions with further parameters that have defaults, partials, mocks, builtins, objects with `__call__`."""

    class WithCall:
        def __call__(self, *args: object) -> None: ...

    for good in (print, lambda *args: None, functools.partial(print, end=""), mock.Mock(), WithCall()):
        GIVEN[place](good)


@pytest.mark.parametrize("name", CALLBACK_NAMES)
def test_every_callback_of_a_delegate_is_checked(name: str) -> None:
    """In the constructor, when it is replaced, and as the assistant's delegate; by the name of the callback."""
    client = TxClient()
    for value, says in WRONG.values():
        delegate = SimpleNamespace(**{name: value})
        with pytest.raises(ClientConfigurationError, match=says) as caught:
            TxClient(delegate)
        assert str(caught.value).startswith(f"delegate.{name} ")
        with pytest.raises(ClientConfigurationError, match=name):
            client.delegate = delegate
        if name in ASSISTANT_CALLBACKS:
            with pytest.raises(ClientConfigurationError, match=name):
                client.ai_assistant_manager.delegate = delegate
    assert client.delegate is client.ai_assistant_manager.delegate is None


def test_a_delegate_that_is_no_object_is_refused() -> None:
    """Classes, plain values and functions; what they are is said."""
    for wrong, says in (
        (TxClientDelegate, r"not the class TxClientDelegate; write TxClientDelegate\(...\)"),
        ("delegate", "not str"),
        (7, "not int"),
        ([], "not list"),
        (b"", "not bytes"),
        (TxConfig(), "not TxConfig"),
        (print, "the function print"),
        (lambda: None, "the function"),
    ):
        with pytest.raises(ClientConfigurationError, match=says):
            TxClient(wrong)
        with pytest.raises(ClientConfigurationError, match=says):
            TxClient().ai_assistant_manager.delegate = wrong


def test_delegates_of_any_class_are_taken() -> None:
    """Subclasses, duck types, slots, `__getattr__`, mocks, iOS's one-argument form, methods that are None."""

    class Subclass(TxClientDelegate):
        def on_client_ready(self) -> None: ...

        def on_remote_call_ended(self, call_id: Any) -> None:  # type: ignore[override]
            ...

    class Duck:
        on_agent_state_changed = None

        def on_client_error(self, error: object, more: int = 1) -> None: ...

        @staticmethod
        def on_client_ready() -> None: ...

        @classmethod
        def on_incoming_call(cls, call: object) -> None: ...

        @property
        def on_session_updated(self) -> Any:
            raise AssertionError("the program's code does not run when a delegate is checked")

    class Slots:
        __slots__ = ("on_client_ready", "on_transcription_updated")

    class Proxy:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError("nor does this")

    class Later:
        pass

    for delegate in (Subclass(), Duck(), Slots(), Proxy(), Later(), mock.Mock(), mock.Mock(spec=TxClientDelegate)):
        TxClient(delegate)
        TxClient().ai_assistant_manager.delegate = delegate
    TxClient(mock.create_autospec(TxClientDelegate, instance=True))
    TxClient(AIAssistantManagerDelegate())
    TxClient(object())


def test_other_objects_may_not_be_classes() -> None:
    """An executor's class has `submit` too, a logger's class `log`."""
    with pytest.raises(ClientConfigurationError, match=r"callbacks .* class ThreadPoolExecutor"):
        TxClient(callbacks=ThreadPoolExecutor)  # type: ignore[arg-type]
    with pytest.raises(ClientConfigurationError, match=r"logger .* class Logger"):
        TxClient(logger=logging.Logger)  # type: ignore[arg-type]
    with pytest.raises(ClientConfigurationError, match="must have a method log"):
        TxClient(logger=SimpleNamespace())
    TxClient(logger=logging.getLogger("somebody"))
    with pytest.raises(ClientConfigurationError, match="class SimpleNamespace"):
        TxClient().add_tool(SimpleNamespace, name="tool")


def test_a_coroutine_that_could_not_be_known_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A plain function that returns one: named in the log, at the event; the next callback comes."""
    from telnyx_agent._flight import FlightSlot
    from telnyx_agent._listeners import Listeners
    from telnyx_agent._runtime.dispatch import PumpDispatcher
    from telnyx_agent.events import ClientReady

    class Sneaky:
        def on_client_ready(self) -> Any:
            return coroutine_function()

    listeners = Listeners(Sneaky(), FlightSlot())
    dispatcher = PumpDispatcher()
    with caplog.at_level(logging.ERROR, "telnyx_agent.delegate"):
        listeners.send(dispatcher, ClientReady())
        dispatcher.process_events()
    assert "on_client_ready raised ClientConfigurationError" in caplog.text
    assert "returned a coroutine" in caplog.text


def test_check_function_with_several_forms() -> None:
    """One of them is enough."""
    check_function("f", lambda a, b, c, d: None, "(a, b)", "(a, b, c, d)")
    check_function("f", queue.SimpleQueue().put, "(a)")
    with pytest.raises(ClientConfigurationError, match=r"f is called with \(a, b\) or \(a\), but .* takes \(\)"):
        check_function("f", lambda: None, "(a, b)", "(a)")
    assert not is_async(inspect.signature)


def test_required_methods_of_an_object() -> None:
    """For devices and the like."""
    check_methods("audio", SimpleNamespace(start=print), {"start": ("(stream)",)}, required=("start",))
    with pytest.raises(ClientConfigurationError, match=r"audio must have a method start\(stream\)"):
        check_methods("audio", SimpleNamespace(), {"start": ("(stream)",)}, required=("start",))
