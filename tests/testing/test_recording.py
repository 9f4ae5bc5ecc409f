"""`RecordingDelegate`: every callback, and waiting for one."""

from __future__ import annotations

import threading

import pytest

from telnyx_agent.testing import RecordingDelegate


def test_every_callback_is_recorded() -> None:
    """Name, arguments, thread; whatever the callback is called, as long as it begins with `on_`."""
    delegate = RecordingDelegate()
    delegate.on_client_ready()
    thread = threading.Thread(target=lambda: delegate.on_anything(1, two=2), name="caller")
    thread.start()
    thread.join()
    assert delegate.names == ["on_client_ready", "on_anything"]
    event = delegate.events[1]
    assert (event.args, event.kwargs, event.thread) == ((1,), {"two": 2}, "caller")
    assert event.time >= delegate.events[0].time
    assert delegate.calls_of("on_anything") == [(1,)]
    assert delegate.on_anything is delegate.on_anything
    assert getattr(delegate, "something_else", None) is None


def test_waiting_for_a_callback() -> None:
    """It may have come or be yet to come; how many and which can be said."""
    delegate = RecordingDelegate()
    caller = threading.Timer(0.05, lambda: [delegate.on_number(n) for n in (1, 2, 3)])
    caller.start()
    assert delegate.wait_for("on_number", count=2) == (2,)
    assert delegate.wait_for("on_number", predicate=lambda n: n > 2) == (3,)
    assert delegate.wait_for("on_number", 0) == (1,)
    caller.join()


def test_waiting_in_vain() -> None:
    """The error says what was called."""
    delegate = RecordingDelegate()
    with pytest.raises(TimeoutError, match=r"(?s)on_x was called 0 time\(s\).*nothing"):
        delegate.wait_for("on_x", 0.01)
    delegate.on_y("here")
    with pytest.raises(TimeoutError, match=r"on_y.*'here'"):
        delegate.wait_for("on_x", 0.01)


def test_forgetting() -> None:
    """After `clear` only what comes counts, even for those who wait already."""
    delegate = RecordingDelegate()
    delegate.on_x(1)
    delegate.clear()
    assert delegate.events == ()
    delegate.on_x(2)
    assert delegate.wait_for("on_x", 1) == (2,)
