"""`LocalAgent`: Telnyx's signalling and a speaking, listening voice agent, on this machine, for tests and demos."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from .._runtime.imports import uninterrupted
from .._runtime.proxies import is_loopback
from .._runtime.third_party_logs import hide_secrets
from ..config import TxServerConfiguration
from ..errors import ClientConfigurationError
from ._checks import cannot_listen, check_port, missing_package
from ._credentials import Credentials
from ._frames import FrameLog, FrameRecord
from ._server_thread import ServerThread
from ._worker import Worker
from .brain import Brain, ScriptedBrain
from .call_reports import TakesReports
from .client_call import CallsClients
from .scenario import FunctionCall, HangUp, Scenario

if TYPE_CHECKING:
    from ._live_call import CallRecord
    from ._server import AgentServer
    from .ears import Ears
    from .voice import Voice

__all__ = ["LocalAgent"]

logger = logging.getLogger("telnyx_agent.testing")

T = TypeVar("T")

_GOOD_CASE = Scenario()

START_TIMEOUT = 10.0
STOP_TIMEOUT = 3.0
COMMAND_TIMEOUT = 5.0
GREETING = "Hello! This is the local agent. How can I help you today?"


def _nothing() -> None:
    """What voices and ears without `open` and `close` do."""


def default_accept(target_id: str) -> bool:
    """Who is let in by default: every id that is not blank and does not start with "invalid"."""
    return bool(target_id.strip()) and not target_id.strip().lower().startswith("invalid")


def _checked_scenarios(scenario: object) -> tuple[Scenario, ...]:
    several = scenario if isinstance(scenario, Sequence) and not isinstance(scenario, str) else [scenario]
    if not several or not all(isinstance(one, Scenario) for one in several):
        raise ClientConfigurationError(f"scenario is a Scenario, or a list of at least one; got {scenario!r}")
    return tuple(several)


class LocalAgent(CallsClients, TakesReports):
    """A server that speaks Telnyx's protocol on a real WebSocket, and a voice agent over real WebRTC.

        with LocalAgent() as agent, TxClient() as client:
            client.anonymous_login("assistant-1", server_configuration=agent.configuration)
            call = client.new_call()

    It needs `websockets` and `aiortc`; with the extra `demo` the agent speaks with espeak-ng and understands with
    pocketsphinx, without it plays a note for each word and only notices that somebody spoke. Several clients and calls
    at once are fine. All methods may be called from any thread; an agent can be started again after `stop`.

    Args:
        brain: What the agent answers, `callable(text) -> text` (see `Brain`). Default: `ScriptedBrain`.
        host: Where to listen.
        port: Where to listen, 1 to 65535; 0 for any free port.
        scenario: How the server behaves, or one scenario for each connection, the last for all further ones.
        greeting: The agent's first words; empty to wait for the caller.
        voice: `"auto"` or None (espeak-ng if installed, else tones), `"tones"`, `"silent"` (text only, at once), the
            name of an espeak-ng voice, or anything with `speak`.
        ears: `"auto"` or None (pocketsphinx if installed, else energy), `"energy"`, `"deaf"`, or anything with `hear`.
        phrases: What callers are expected to say, for the ears; default: the brain's `phrases`, if it has any.
        accept: Says whether a target id (or SIP user) is welcome; must return at once. Default: neither blank nor
            "invalid...".
        credentials: Passwords by SIP user, of those who may log in with credentials. Default: everybody may.
        tokens: The tokens that are taken; where they or `credentials` are given, no others are.
        barge_in: Whether a caller who speaks interrupts the agent.
        media: False for signalling only: calls get an SDP that leads nowhere, and aiortc is not needed.

    Raises:
        ClientConfigurationError: An argument is wrong, or a package of an extra that was asked for by name is not
            installed (then it is an ImportError as well).
    """

    def __init__(
        self,
        brain: Brain | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        scenario: Scenario | Sequence[Scenario] = _GOOD_CASE,
        greeting: str = GREETING,
        voice: Voice | str | None = None,
        ears: Ears | str | None = None,
        phrases: Iterable[str] | None = None,
        accept: Callable[[str], bool] | None = None,
        credentials: Mapping[str, str] | None = None,
        tokens: Iterable[str] | None = None,
        barge_in: bool = True,
        media: bool = True,
    ) -> None:
        with uninterrupted():
            from ._faculties import make_faculties

        check_port(port)
        if not isinstance(host, str):
            raise ClientConfigurationError(f"host is an address of this machine, such as '127.0.0.1'; got {host!r}")
        if brain is not None and not callable(brain):
            raise ClientConfigurationError(f"brain is a function of a text that returns one; got {brain!r}")
        super().__init__()
        self._scenarios = _checked_scenarios(scenario)
        self._host = host
        self._wanted_port = port
        self._greeting = greeting
        self._media = media
        self._barge_in = barge_in
        self._accept = default_accept if accept is None else accept
        self._credentials = Credentials(credentials, None if tokens is None else frozenset(tokens))
        self._brain: Brain = ScriptedBrain() if brain is None else brain
        known = getattr(self._brain, "phrases", None) if phrases is None else phrases
        self._voice, self._ears = make_faculties(voice, ears, None if known is None else tuple(known))
        self._frames = FrameLog()
        self._lock = threading.RLock()
        self._thread: ServerThread | None = None
        self._server: AgentServer | None = None
        self._port = 0
        self._last_calls: tuple[CallRecord, ...] = ()

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> LocalAgent:
        """Listen. Returns when clients can connect; does nothing if it runs already.

        Raises:
            ClientConfigurationError: The address or the port cannot be used (then it is an OSError as well), or a
                package is not installed (then it is an ImportError as well); the message says what to do.
        """
        with self._lock:
            if self._thread is None:
                self._thread = ServerThread("telnyx-agent-local-agent", self._serve)
                try:
                    self._thread.start(START_TIMEOUT)
                except BaseException:
                    self._thread = None
                    raise
        return self

    def stop(self) -> None:
        """Close every call and socket and end all threads, within 3 seconds. Frames and calls can still be read."""
        with self._lock:
            thread = self._thread
            if thread is None:
                return
            if not thread.stop(STOP_TIMEOUT):
                logger.warning("the local agent did not stop within %s s", STOP_TIMEOUT)
            self._thread = self._server = None

    def __enter__(self) -> LocalAgent:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    async def _serve(self, tell_started: Callable[[], None], stopping: asyncio.Event) -> None:
        """The agent's thread."""
        from ._dialogue import Faculties

        hide_secrets()  # the agent's side of a call logs as the client's does, also without a client in this process
        try:
            from ._server import AgentServer, Settings
        except ImportError as exc:
            raise missing_package("the local agent", (exc.name or "websockets").partition(".")[0], exc) from exc
        settings = Settings(
            host=self._host,
            port=self._wanted_port,
            scenarios=self._scenarios,
            greeting=self._greeting,
            media=self._media,
            accept=self._is_welcome,
            credentials=self._credentials,
        )
        mind, hearing = Worker("telnyx-agent-local-brain"), Worker("telnyx-agent-local-ears")
        faculties = Faculties(self._brain, self._voice, self._ears, mind, hearing, self._barge_in)
        server = AgentServer(settings, faculties, self._frames, self._posts)
        try:
            try:
                self._port = await server.start()
            except OSError as exc:
                raise cannot_listen(self._host, self._wanted_port, exc) from exc
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

    def _is_welcome(self, target_id: str) -> bool:
        try:
            return bool(self._accept(target_id))
        except Exception:
            logger.exception("accept(%r) failed; the login is refused", target_id)
            return False

    # -- where ---------------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on; that of the last start after `stop`."""
        return self._port

    @property
    def url(self) -> str:
        """The WebSocket URL for clients on this machine, such as `"ws://127.0.0.1:40123"`."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)
        return f"ws://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self._port}"

    @property
    def configuration(self) -> TxServerConfiguration:
        """What to give to `TxClient.anonymous_login(server_configuration=...)` or `connect`: this server, no STUN or
        TURN.
        """
        # Whoever has an agent listen to other machines means it.
        is_elsewhere = not is_loopback(urlsplit(self.url).hostname or "")
        return TxServerConfiguration(signaling_server=self.url, webrtc_ice_servers=(), allow_insecure=is_elsewhere)

    # -- what happened -------------------------------------------------------------------------------------------------

    @property
    def frames(self) -> tuple[FrameRecord, ...]:
        """Every frame that was received or sent, oldest first."""
        return self._frames.snapshot()

    @property
    def calls(self) -> tuple[CallRecord, ...]:
        """A snapshot of every call, oldest first."""
        server = self._server
        return self._last_calls if server is None else self._on_loop(server.records)

    @property
    def connections(self) -> tuple[int, ...]:
        """Numbers of the connections that are open."""
        server = self._server
        return () if server is None else self._on_loop(server.connections)

    def wait_for_frame(
        self,
        method: str,
        timeout: float = 5.0,
        *,
        direction: str | None = None,
        count: int = 1,
        predicate: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> FrameRecord:
        """Wait until a frame has been seen; frames of the past count.

        Args:
            method: Such as `"telnyx_rtc.bye"`; or `"(result)"`, `"(error)"`, `"(other)"`.
            timeout: Seconds.
            direction: `"received"` (from the client) or `"sent"`; None for either.
            count: Which of them, from 1.
            predicate: Says of a decoded frame whether it counts.

        Raises:
            TimeoutError: There was none in time; the message lists the frames that there were.
        """
        return self._frames.wait_for(method, timeout, direction=direction, count=count, predicate=predicate)

    def wait_for_call(self, predicate: Callable[[CallRecord], bool], timeout: float = 5.0) -> CallRecord:
        """Wait until a call looks as it should, for example `lambda call: call.state == "ended"`.

        Raises:
            TimeoutError: None did; the message shows the calls.
        """
        deadline = time.monotonic() + timeout
        while True:
            calls = self.calls
            for call in calls:
                if predicate(call):
                    return call
            if time.monotonic() >= deadline:
                raise TimeoutError(f"no call looked like that within {timeout} s: {calls!r}")
            # Audio counters change without an event; a look at them 50 times a second is cheap.
            time.sleep(0.02)

    # -- what to do now ------------------------------------------------------------------------------------------------

    def say(self, text: str, *, call_id: str | None = None) -> None:
        """Say something in a call (the latest, unless one is named), after what is being said.

        Raises:
            LookupError: There is no such call.
        """
        self._with_server(lambda server: server.call(call_id).say(text))

    def hang_up(self, cause: str = "NORMAL_CLEARING", *, call_id: str | None = None) -> None:
        """Hang up a call (D).

        Raises:
            LookupError: There is no such call.
        """
        self._hang_up(HangUp(cause), call_id)

    def call_function(self, name: str, arguments: Mapping[str, Any] | None = None) -> str:
        """Ask the client for a tool's result (A18); returns the id of the request.

        Raises:
            LookupError: There is no call.
        """

        def do(server: AgentServer) -> str:
            core = server.call(None).core
            request_id = core.function_call(FunctionCall(name, json.dumps(dict(arguments or {}))))
            server.pump(core)
            return request_id

        return self._with_server(do)

    def send(self, frame: Mapping[str, Any] | str | bytes, *, connection: int | None = None) -> None:
        """Send anything: a mapping as JSON, text as it is, bytes as a binary frame.

        Raises:
            LookupError: There is no such connection.
        """
        data = json.dumps(dict(frame)) if isinstance(frame, Mapping) else frame
        self._with_core(connection, lambda core, now: core.send_raw(data))

    def ping(self, *, connection: int | None = None) -> None:
        """Send a ping now (F).

        Raises:
            LookupError: There is no such connection.
        """
        self._with_core(connection, lambda core, now: core.ping(now))

    def punt(self, *, connection: int | None = None) -> None:
        """Evict a client (H).

        Raises:
            LookupError: There is no such connection.
        """
        self._with_core(connection, lambda core, now: core.punt(now))

    def fall_silent(self, *, connection: int | None = None) -> None:
        """From now on neither read nor write on a connection, though it stays open (F).

        Raises:
            LookupError: There is no such connection.
        """
        self._with_core(connection, lambda core, now: core.fall_silent())

    def drop_connection(self, *, connection: int | None = None) -> None:
        """Cut the TCP connection without a close frame (G). What the agent says until the client is back, waits for it.

        Raises:
            LookupError: There is no such connection.
        """
        self._with_server(lambda server: server.close_connection(server.core(connection), None, ""))

    def close_connection(self, code: int = 1000, reason: str = "", *, connection: int | None = None) -> None:
        """Close a WebSocket in order, for example with 4014 (E).

        Raises:
            LookupError: There is no such connection.
        """
        self._with_server(lambda server: server.close_connection(server.core(connection), code, reason))

    # -- to the loop and back ------------------------------------------------------------------------------------------

    def _with_core(self, connection: int | None, action: Callable[[Any, float], None]) -> None:
        def do(server: AgentServer) -> None:
            core = server.core(connection)
            action(core, asyncio.get_running_loop().time())
            server.pump(core)

        self._with_server(do)

    def _with_server(self, action: Callable[[AgentServer], T]) -> T:
        server = self._server
        if server is None:
            raise LookupError("the local agent is not running")
        return self._on_loop(lambda: action(server))

    def _on_loop(self, action: Callable[[], T]) -> T:
        """Do something on the agent's thread and return the result."""
        thread = self._thread
        loop = None if thread is None else thread.loop
        if thread is None or loop is None or loop.is_closed():
            raise LookupError("the local agent is not running")

        async def run() -> T:
            return action()

        if thread.is_current:
            return action()
        return asyncio.run_coroutine_threadsafe(run(), loop).result(COMMAND_TIMEOUT)
