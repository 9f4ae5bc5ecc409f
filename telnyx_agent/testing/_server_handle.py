"""`ServerHandle`: the local agent's server as any thread sees it, before, while and after it runs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from .._runtime.third_party_logs import hide_secrets
from ._checks import cannot_listen, missing_package
from ._frames import FrameLog
from ._server_thread import ServerThread
from ._worker import Worker
from .brain import Brain
from .call_reports import PostLog
from .scenario import HangUp

if TYPE_CHECKING:
    from ._live_call import CallRecord
    from ._server import AgentServer
    from ._server_protocol import ServerConnection
    from ._settings import Settings
    from .ears import Ears
    from .voice import Voice

__all__ = ["ServerHandle"]

logger = logging.getLogger("telnyx_agent.testing")

T = TypeVar("T")

START_TIMEOUT = 10.0
STOP_TIMEOUT = 3.0
COMMAND_TIMEOUT = 5.0


class ServerHandle:
    """Starts and stops the server on a thread of its own, and does things on that thread. Any thread.

    Args:
        settings: How the server behaves.
        brain: What the agent answers.
        voice: What it speaks with.
        ears: What it hears with.
        barge_in: Whether a caller who speaks interrupts it.
    """

    def __init__(self, settings: Settings, brain: Brain, voice: Voice, ears: Ears, *, barge_in: bool) -> None:
        self._settings = settings
        self._brain = brain
        self._voice = voice
        self._ears = ears
        self._barge_in = barge_in
        self._lock = threading.RLock()
        self._thread: ServerThread | None = None
        self._server: AgentServer | None = None
        self._last_calls: tuple[CallRecord, ...] = ()
        self.frames = FrameLog()
        """Every frame; those of earlier starts as well."""
        self.posts = PostLog()
        """Every call report that was posted; those of earlier starts as well."""
        self.port = 0
        """The port it listens on, or did last."""

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Return when clients can connect; see `LocalAgent.start`."""
        with self._lock:
            if self._thread is None:
                self._thread = ServerThread("telnyx-agent-local-agent", self._serve)
                try:
                    self._thread.start(START_TIMEOUT)
                except BaseException:
                    self._thread = None
                    raise

    def stop(self) -> None:
        """Return when all has ended, or after `STOP_TIMEOUT` seconds."""
        with self._lock:
            thread = self._thread
            if thread is None:
                return
            if not thread.stop(STOP_TIMEOUT):
                logger.warning("the local agent did not stop within %s s", STOP_TIMEOUT)
            self._thread = self._server = None

    async def _serve(self, tell_started: Callable[[], None], stopping: asyncio.Event) -> None:
        """The server's thread."""
        from ._dialogue import Faculties

        hide_secrets()  # the agent's side of a call logs as the client's does, also without a client in this process
        try:
            from ._server import AgentServer
        except ImportError as exc:
            raise missing_package("the local agent", (exc.name or "websockets").partition(".")[0], exc) from exc
        mind, hearing = Worker("telnyx-agent-local-brain"), Worker("telnyx-agent-local-ears")
        faculties = Faculties(self._brain, self._voice, self._ears, mind, hearing, self._barge_in)
        server = AgentServer(self._settings, faculties, self.frames, self.posts)
        try:
            try:
                self.port = await server.start()
            except OSError as exc:
                raise cannot_listen(self._settings.host, self._settings.port, exc) from exc
            hearing.submit(getattr(self._ears, "open", _nothing))
            self._server = server
            tell_started()
            await stopping.wait()
        finally:
            mind.abandon()
            hearing.abandon()
            await server.close()
            self._last_calls = server.records()
            await asyncio.to_thread(self._close_faculties, mind, hearing)

    def _close_faculties(self, mind: Worker, hearing: Worker) -> None:
        """End the agent's own threads and the ears' process."""
        close_ears: Callable[[], None] = getattr(self._ears, "close", _nothing)
        close_ears()  # ends a recognition that is going on
        deadline = time.monotonic() + 1.0
        for worker in (mind, hearing):
            if not worker.close(max(0.0, deadline - time.monotonic())):
                logger.warning("a brain or voice is still busy; its thread ends when it is done")
        close_ears()  # a recognition that had just begun may have started them again

    # -- what there is -------------------------------------------------------------------------------------------------

    def records(self) -> tuple[CallRecord, ...]:
        """A snapshot of every call, oldest first; those of the last start after its end."""
        return self._last_calls if self._server is None else self.perform(lambda server: server.records())

    def connections(self) -> tuple[int, ...]:
        """Numbers of the connections that are open."""
        return () if self._server is None else self.perform(lambda server: server.connections())

    def wait_for_call(self, predicate: Callable[[CallRecord], bool], timeout: float) -> CallRecord:
        """The first call that looks as it should, as soon as there is one.

        Raises:
            TimeoutError: None did; the message shows the calls.
        """
        deadline = time.monotonic() + timeout
        while True:
            calls = self.records()
            for call in calls:
                if predicate(call):
                    return call
            if time.monotonic() >= deadline:
                raise TimeoutError(f"no call looked like that within {timeout} s: {calls!r}")
            # Audio counters change without an event; a look at them 50 times a second is cheap.
            time.sleep(0.02)

    # -- what to do now ------------------------------------------------------------------------------------------------

    def perform(self, action: Callable[[AgentServer], T]) -> T:
        """Do something with the server on its thread, and return what comes of it.

        Raises:
            LookupError: It is not running.
        """
        thread, server = self._thread, self._server
        loop = None if thread is None else thread.loop
        if thread is None or server is None or loop is None or loop.is_closed():
            raise LookupError("the local agent is not running")

        async def run() -> T:
            return action(server)

        if thread.is_current:
            return action(server)
        return asyncio.run_coroutine_threadsafe(run(), loop).result(COMMAND_TIMEOUT)

    def perform_on(self, connection: int | None, action: Callable[[ServerConnection, float], None]) -> None:
        """Do something with a connection (the latest, unless one is numbered), and send what comes of it.

        Raises:
            LookupError: There is no such connection.
        """

        def do(server: AgentServer) -> None:
            core = server.core(connection)
            action(core, asyncio.get_running_loop().time())
            server.pump(core)

        self.perform(do)

    def say(self, text: str, call_id: str | None) -> None:
        """Say something in a call (the latest, unless one is named), after what is being said.

        Raises:
            LookupError: There is no such call.
        """
        self.perform(lambda server: server.call(call_id).say(text))

    def hang_up(self, reason: HangUp, call_id: str | None) -> None:
        """Hang up a call, or give it up while it rings.

        Raises:
            LookupError: There is no such call.
        """

        def do(server: AgentServer) -> None:
            call = server.call(call_id)
            call.core.hang_up(call.call_id, reason, asyncio.get_running_loop().time())
            server.pump(call.core)

        self.perform(do)


def _nothing() -> None:
    """What voices and ears without `open` and `close` do."""
