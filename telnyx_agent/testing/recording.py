"""`RecordingDelegate`: a delegate that remembers every callback, for tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import attrs

__all__ = ["RecordedEvent", "RecordingDelegate"]


_QUALITY = ("on_call_quality_changed", "on_socket_metrics_changed", "on_call_report")


@attrs.frozen
class RecordedEvent:
    """One callback.

    Attributes:
        name: The method, such as `"on_client_ready"`.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        time: Seconds since the delegate was made.
        thread: Name of the thread it was called on.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    time: float
    thread: str


class RecordingDelegate:
    """Records every `on_...` method that is called on it, whatever its name, and lets a test wait for it.

    `delegate.wait_for("on_client_ready")`. Any number of threads may call and wait.

    Args:
        levels: Record `on_audio_level`, too, which is called 20 times a second.
        quality: Record `on_call_quality_changed`, `on_socket_metrics_changed` and `on_call_report`, too, which tell of
            nothing that happened.
        messages: Record `on_socket_message`, too, which is called for every frame.
    """

    def __init__(self, *, levels: bool = False, quality: bool = False, messages: bool = False) -> None:
        self._left_out = (
            *(() if levels else ("on_audio_level",)),
            *(() if quality else _QUALITY),
            *(() if messages else ("on_socket_message",)),
        )
        self._start = time.monotonic()
        self._events: list[RecordedEvent] = []
        self._forgotten = 0
        self._changed = threading.Condition()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("on_") or name in self._left_out:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def record(*args: Any, **kwargs: Any) -> None:
            event = RecordedEvent(name, args, kwargs, time.monotonic() - self._start, threading.current_thread().name)
            with self._changed:
                self._events.append(event)
                self._changed.notify_all()

        record.__name__ = record.__qualname__ = name
        # The same object on every access, as a real method would compare.
        self.__dict__[name] = record
        return record

    @property
    def events(self) -> tuple[RecordedEvent, ...]:
        """Everything so far, oldest first."""
        with self._changed:
            return tuple(self._events)

    @property
    def names(self) -> list[str]:
        """The names of `events`."""
        return [event.name for event in self.events]

    def calls_of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of every call of one method."""
        return [event.args for event in self.events if event.name == name]

    def clear(self) -> None:
        """Forget everything so far."""
        with self._changed:
            self._forgotten += len(self._events)
            self._events.clear()

    def wait_for(
        self,
        name: str,
        timeout: float = 5.0,
        *,
        count: int = 1,
        predicate: Callable[..., bool] | None = None,
    ) -> tuple[Any, ...]:
        """Wait until a method has been called; calls of the past count.

        Args:
            name: Which method.
            timeout: Seconds.
            count: How many such calls there must be.
            predicate: Called with a call's arguments; says whether it counts.

        Returns:
            The arguments of the `count`-th such call.

        Raises:
            TimeoutError: There were fewer; the message lists what was called.
        """
        deadline = time.monotonic() + timeout
        seen = found = 0
        with self._changed:
            while True:
                for event in self._events[max(0, seen - self._forgotten) :]:
                    if event.name == name and (predicate is None or predicate(*event.args, **event.kwargs)):
                        found += 1
                        if found == count:
                            return event.args
                seen = self._forgotten + len(self._events)
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                self._changed.wait(remaining)
        listed = "\n".join(f"  {event.time:7.3f} {event.name}{event.args!r}" for event in self.events) or "  nothing"
        raise TimeoutError(
            f"{name} was called {found} time(s) within {timeout} s, expected {count}; what was called:\n{listed}"
        )
