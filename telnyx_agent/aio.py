"""asyncio: the same client with awaitable commands. It adds no thread; the SDK's own threads do the work.

    async with AsyncTxClient() as client:
        await client.anonymous_login("assistant-...")
        async with client.new_call() as call:
            print(await call.ask("What are your opening hours?"))

Cancelling an `await` (also by `asyncio.timeout`) ends the wait and nothing else: a command that was given is carried
out, an event that was not taken is still there. Each object belongs to the event loop in which it is used first.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._arguments import checked_arguments
from ._event_stream import DEFAULT_SIZE, EventStream
from ._protocol.states import CallState, CallTerminationReason
from ._tools.runner import DEFAULT_TIMEOUT, inside_tool
from .errors import TxTimeoutError
from .events import Event

if TYPE_CHECKING:
    from ._images import ImageSource
    from ._protocol.conversation.transcription import TranscriptionItem
    from ._runtime.watch import Watch
    from .assistant import AIAssistantManager
    from .call import Call
    from .client import TxClient

__all__ = ["AsyncCall", "AsyncEventStream", "AsyncTxClient"]

T = TypeVar("T")
_F = TypeVar("_F", bound=Callable[..., Any])


class AsyncEventStream(AsyncIterator[Event]):
    """`TxClient.events()` for `async for`. As an asynchronous context manager it ends at the end of the block."""

    def __init__(self, stream: EventStream, timeout: float | None) -> None:
        self._stream = stream
        self._timeout = timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()

    async def __aenter__(self) -> AsyncEventStream:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncEventStream:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            StopAsyncIteration: The login is over, and all events were taken.
            TxTimeoutError: There was none in time; the stream goes on.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._stream.on_change(functools.partial(_wake, self._loop, self._woken))
        while True:
            self._woken.clear()
            # Before the look for an event: what was put before the end is taken before the end is seen.
            is_over = self._stream.is_over
            event = self._stream.take()
            if event is not None:
                return event
            if is_over:
                raise StopAsyncIteration
            await _within(self._timeout, self._woken.wait(), "there was no event; the stream goes on")

    async def aclose(self) -> None:
        """End the stream; what was not taken is thrown away."""
        self._stream.close()


@checked_arguments
class AsyncCall:
    """A `Call` for asyncio. What it does not have is in `sync`, the call itself, of which only the waiters block."""

    def __init__(self, call: Call) -> None:
        self.sync = call

    def __repr__(self) -> str:
        return f"<AsyncCall {self.sync.call_id} {self.sync.state}>"

    async def __aenter__(self) -> AsyncCall:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.hangup()

    @property
    def state(self) -> CallState:
        """See `Call.state`."""
        return self.sync.state

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """See `Call.transcript`."""
        return self.sync.transcript

    async def ask(self, text: str, timeout: float | None = 30.0, *, barge_in: bool = False) -> str:
        """See `Call.ask`. Raises the same; cancelling it stops the wait for the answer, the question stays asked."""
        question = self.sync._ask(text, barge_in)
        try:
            return await _within(timeout, _outcome(question), "the agent did not answer completely")
        finally:
            self.sync._forget_question(question)

    async def hangup(self, cause: str | None = None, cause_code: int | None = None) -> None:
        """See `Call.hangup`; returns when media and audio device are closed."""
        await _outcome(self.sync.hangup(cause, cause_code))

    async def wait_for_state(self, state: CallState | Iterable[CallState], timeout: float | None = None) -> CallState:
        """See `Call.wait_for_state`. Raises the same."""
        reached, settle = self.sync._reaches(state)
        found = await _watched(self.sync._record.watch, lambda now: reached(now.state), timeout)
        return settle(found.state)

    async def wait_until_active(self, timeout: float | None = None) -> None:
        """See `Call.wait_until_active`. Raises the same."""
        await self.wait_for_state(CallState.ACTIVE, timeout)

    async def wait_until_ended(self, timeout: float | None = None) -> CallTerminationReason:
        """See `Call.wait_until_ended`. Raises the same."""
        ended = await _watched(self.sync._record.watch, lambda now: now.state.is_terminal, timeout)
        return ended.state.termination_reason or CallTerminationReason()


@checked_arguments
class AsyncTxClient:
    """A `TxClient` for asyncio. What it does not have is in `sync`, the client itself.

    Args:
        delegate: As for `TxClient`: its callbacks run on the delegate's thread, not in the event loop.
        options: As for `TxClient`.

    Raises:
        ClientConfigurationError: An argument is unusable.
    """

    def __init__(self, delegate: object | None = None, **options: Any) -> None:
        from .client import TxClient

        self.sync: TxClient = TxClient(delegate, **options)

    @classmethod
    def of(cls, client: Any) -> AsyncTxClient:
        """The asyncio side of a client that there is."""
        made = cls.__new__(cls)
        made.sync = client
        return made

    def __repr__(self) -> str:
        return f"<AsyncTxClient of {self.sync!r}>"

    async def __aenter__(self) -> AsyncTxClient:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.disconnect()

    async def anonymous_login(self, target_id: str, *args: Any, **options: Any) -> None:
        """See `TxClient.anonymous_login`; returns when the client is ready. Flutter: `await anonymousLogin(...)`.

        Raises:
            TxError: What the login failed with.
        """
        await _outcome(self.sync.anonymous_login(target_id, *args, **options))

    async def disconnect(self) -> None:
        """See `TxClient.disconnect`; returns when everything is closed and the last callback was delivered."""
        # To be cancelled here must not leave a connection behind that nobody knows of: the command is given either way.
        await _outcome(self.sync.disconnect())

    def new_call(self, *args: Any, **options: Any) -> AsyncCall:
        """See `TxClient.new_call`. Does not wait; `async with client.new_call() as call` hangs up at the end."""
        return AsyncCall(self.sync.new_call(*args, **options))

    def events(
        self, timeout: float | None = None, *, maxsize: int = DEFAULT_SIZE, audio_levels: bool = False
    ) -> AsyncEventStream:
        """See `TxClient.events`, for `async for`. Events are counted from this call on."""
        return AsyncEventStream(self.sync.events(maxsize=maxsize, audio_levels=audio_levels), timeout)

    async def send_ai_assistant_message(
        self, message: str = "", images: Iterable[ImageSource] = (), *, wait: bool = False
    ) -> str:
        """See `AIAssistantManager.send_ai_assistant_message`; returns the id of the transcript item.

        Raises:
            TxError: The message was not sent.
        """
        return await _outcome(self.sync.send_ai_assistant_message(message, images, wait=wait))

    @property
    def transcript(self) -> tuple[TranscriptionItem, ...]:
        """See `TxClient.transcript`."""
        return self.sync.transcript

    @property
    def calls(self) -> Mapping[Any, AsyncCall]:
        """See `TxClient.calls`."""
        return {call_id: AsyncCall(call) for call_id, call in self.sync.calls.items()}

    @property
    def ai_assistant_manager(self) -> AIAssistantManager:
        """See `TxClient.ai_assistant_manager`."""
        return self.sync.ai_assistant_manager

    @overload
    def tool(self, function: _F, /) -> _F: ...

    @overload
    def tool(
        self, function: None = None, /, *, name: str | None = None, timeout: float | None = DEFAULT_TIMEOUT
    ) -> Callable[[_F], _F]: ...

    def tool(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> Any:
        """See `TxClient.tool`. A coroutine function runs in the event loop from which it was registered."""

        def register(decorated: _F) -> _F:
            run: Callable[..., Any] = decorated
            if inspect.iscoroutinefunction(decorated):
                run = _in_loop(asyncio.get_running_loop(), decorated, timeout)
            self.sync.add_tool(run, name=name, timeout=timeout)
            return decorated

        return register if function is None else register(function)


# -- between the two worlds --------------------------------------------------------------------------------------------


def _wake(loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> None:
    """Any thread. A loop that has ended has nobody to wake."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(woken.set)


async def _outcome(future: Future[T]) -> T:
    """The outcome of a command. To be cancelled ends the wait; the command goes on."""
    if future.done():
        return future.result(0)
    woken = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Not by `add_done_callback` of ours, which is served where the callbacks run: that may be nobody's turn.
    Future.add_done_callback(future, lambda _: _wake(loop, woken))
    await woken.wait()
    return future.result(0)


async def _watched(watch: Watch[T], predicate: Callable[[T], object], timeout: float | None) -> T:
    """The first value that satisfies `predicate`, from the present one on."""
    loop = asyncio.get_running_loop()
    # Without a limit: a call's snapshot changes a few times a second at most, and `find` takes each out at once.
    seen: asyncio.Queue[T] = asyncio.Queue()

    def changed(value: T) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(seen.put_nowait, value)

    async def find() -> T:
        while True:
            value = await seen.get()
            if predicate(value):
                return value

    with watch.following(changed):
        return await _within(timeout, find(), "what was waited for did not happen")


async def _within(timeout: float | None, work: Coroutine[Any, Any, T], what: str) -> T:
    try:
        return await asyncio.wait_for(work, timeout)
    except asyncio.TimeoutError as exc:
        if isinstance(exc, TxTimeoutError):
            raise
        raise TxTimeoutError(f"{what} within {timeout:g} s") from None


def _in_loop(
    loop: asyncio.AbstractEventLoop, function: Callable[..., Any], timeout: float | None
) -> Callable[..., Any]:
    """A function for a tool's thread that has a coroutine run in the user's event loop, and waits for it."""

    @functools.wraps(function)
    def run(**arguments: Any) -> Any:
        outcome: Future[Any] = Future()

        async def work() -> None:
            try:
                with inside_tool():
                    outcome.set_result(await function(**arguments))
            except BaseException as exc:  # noqa: BLE001 - it is the tool's, and ends there as an error for the agent
                outcome.set_exception(exc)

        def start() -> None:
            task = loop.create_task(work())
            running.add(task)
            task.add_done_callback(running.discard)

        loop.call_soon_threadsafe(start)
        return outcome.result(timeout)

    running: set[asyncio.Task[None]] = set()
    return run
