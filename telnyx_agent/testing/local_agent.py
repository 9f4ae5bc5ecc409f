"""`LocalAgent`: Telnyx's signalling and a speaking, listening voice agent, on this machine, for tests and demos."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .._net.proxies import is_loopback
from .._runtime.imports import uninterrupted
from ..config import TxServerConfiguration
from ..errors import ClientConfigurationError
from ._checks import check_port
from ._credentials import Credentials
from ._frames import FrameRecord
from ._server_handle import ServerHandle
from ._settings import Settings
from .brain import Brain, ScriptedBrain
from .call_reports import PostedReport
from .client_call import ClientCall
from .scenario import FunctionCall, HangUp, Scenario

if TYPE_CHECKING:
    from ._live_call import CallRecord
    from ._server import AgentServer
    from .ears import Ears
    from .voice import Voice

__all__ = ["LocalAgent"]

logger = logging.getLogger("telnyx_agent.testing")

_GOOD_CASE = Scenario()

GREETING = "Hello! This is the local agent. How can I help you today?"


def default_accept(target_id: str) -> bool:
    """Who is let in by default: every id that is not blank and does not start with "invalid"."""
    return bool(target_id.strip()) and not target_id.strip().lower().startswith("invalid")


def _never_raising(accept: Callable[[str], bool]) -> Callable[[str], bool]:
    """A program's `accept` for the server's thread: whom it fails on is not let in."""

    def is_welcome(target_id: str) -> bool:
        try:
            return bool(accept(target_id))
        except Exception:
            logger.exception("accept(%r) failed; the login is refused", target_id)
            return False

    return is_welcome


def _checked_scenarios(scenario: object) -> tuple[Scenario, ...]:
    several = scenario if isinstance(scenario, Sequence) and not isinstance(scenario, str) else [scenario]
    if not several or not all(isinstance(one, Scenario) for one in several):
        raise ClientConfigurationError(f"scenario is a Scenario, or a list of at least one; got {scenario!r}")
    return tuple(several)


class LocalAgent:
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
            from ._voice_and_ears import make_faculties

        check_port(port)
        if not isinstance(host, str):
            raise ClientConfigurationError(f"host is an address of this machine, such as '127.0.0.1'; got {host!r}")
        if brain is not None and not callable(brain):
            raise ClientConfigurationError(f"brain is a function of a text that returns one; got {brain!r}")
        scenarios = _checked_scenarios(scenario)
        thinks: Brain = ScriptedBrain() if brain is None else brain
        known = getattr(thinks, "phrases", None) if phrases is None else phrases
        speaks, hears = make_faculties(voice, ears, None if known is None else tuple(known))
        settings = Settings(
            host=host,
            port=port,
            scenarios=scenarios,
            greeting=greeting,
            media=media,
            accept=_never_raising(default_accept if accept is None else accept),
            credentials=Credentials(credentials, None if tokens is None else frozenset(tokens)),
        )
        self._host = host
        self._server = ServerHandle(settings, thinks, speaks, hears, barge_in=barge_in)

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> LocalAgent:
        """Listen. Returns when clients can connect; does nothing if it runs already.

        Raises:
            ClientConfigurationError: The address or the port cannot be used (then it is an OSError as well), or a
                package is not installed (then it is an ImportError as well); the message says what to do.
        """
        self._server.start()
        return self

    def stop(self) -> None:
        """Close every call and socket and end all threads, within 3 seconds. Frames and calls can still be read."""
        self._server.stop()

    def __enter__(self) -> LocalAgent:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    # -- where ---------------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on; that of the last start after `stop`."""
        return self._server.port

    @property
    def url(self) -> str:
        """The WebSocket URL for clients on this machine, such as `"ws://127.0.0.1:40123"`."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)
        return f"ws://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

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
        return self._server.frames.snapshot()

    @property
    def calls(self) -> tuple[CallRecord, ...]:
        """A snapshot of every call, oldest first."""
        return self._server.records()

    @property
    def connections(self) -> tuple[int, ...]:
        """Numbers of the connections that are open."""
        return self._server.connections()

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
        return self._server.frames.wait_for(method, timeout, direction=direction, count=count, predicate=predicate)

    def wait_for_call(self, predicate: Callable[[CallRecord], bool], timeout: float = 5.0) -> CallRecord:
        """Wait until a call looks as it should, for example `lambda call: call.state == "ended"`.

        Raises:
            TimeoutError: None did; the message shows the calls.
        """
        return self._server.wait_for_call(predicate, timeout)

    @property
    def call_reports(self) -> tuple[PostedReport, ...]:
        """Every call report that was posted to `/call_report`, oldest first, whether it was taken or not.

        Clients post them with `TxClient(enable_call_reports=True)`, to the host and port of the WebSocket.
        """
        return self._server.posts.snapshot()

    def wait_for_call_report(
        self, predicate: Callable[[PostedReport], bool] = lambda report: True, timeout: float = 5.0
    ) -> PostedReport:
        """Wait until a call report looks as it should; reports of the past count.

        Raises:
            TimeoutError: None did.
        """
        return self._server.posts.wait_for(predicate, timeout)

    # -- what to do now ------------------------------------------------------------------------------------------------

    def call_client(
        self,
        caller_name: str = "Local Agent",
        caller_number: str = "+15550100",
        *,
        sip_user: str | None = None,
        callee_name: str = "",
        callee_number: str | None = None,
        custom_headers: Mapping[str, str] | None = None,
        client_state: str | None = None,
        greeting: str | None = None,
        ring_timeout: float = 60.0,
    ) -> ClientCall:
        """Call a client that is logged in with credentials: it rings, and when it answers, the agent speaks.

        Args:
            caller_name: Who calls.
            caller_number: From which number.
            sip_user: Whom; the client that logged in last, unless named.
            callee_name: The client's name.
            callee_number: The number that was dialled; the SIP user unless given.
            custom_headers: SIP headers of the invite.
            client_state: Base64, as Telnyx sends it.
            greeting: The agent's first words; those of `LocalAgent` unless given.
            ring_timeout: Seconds; then the caller gives up with `NO_ANSWER`.

        Raises:
            LookupError: No such client is logged in with credentials and registered.
        """
        dialog: dict[str, Any] = {
            "caller_id_name": caller_name,
            "caller_id_number": caller_number,
            "remote_caller_id_name": callee_name,
            "destination_number": callee_number,
            "custom_headers": [{"name": name, "value": value} for name, value in (custom_headers or {}).items()],
            "clientState": client_state,
        }
        call_id = self._server.perform(lambda server: server.call_client(dialog, sip_user, greeting, ring_timeout))
        return ClientCall(self._server, call_id)

    def say(self, text: str, *, call_id: str | None = None) -> None:
        """Say something in a call (the latest, unless one is named), after what is being said.

        Raises:
            LookupError: There is no such call.
        """
        self._server.say(text, call_id)

    def hang_up(self, cause: str = "NORMAL_CLEARING", *, call_id: str | None = None) -> None:
        """Hang up a call (D).

        Raises:
            LookupError: There is no such call.
        """
        self._server.hang_up(HangUp(cause), call_id)

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

        return self._server.perform(do)

    def send(self, frame: Mapping[str, Any] | str | bytes, *, connection: int | None = None) -> None:
        """Send anything: a mapping as JSON, text as it is, bytes as a binary frame.

        Raises:
            LookupError: There is no such connection.
        """
        data = json.dumps(dict(frame)) if isinstance(frame, Mapping) else frame
        self._server.perform_on(connection, lambda core, now: core.send_raw(data))

    def ping(self, *, connection: int | None = None) -> None:
        """Send a ping now (F).

        Raises:
            LookupError: There is no such connection.
        """
        self._server.perform_on(connection, lambda core, now: core.ping(now))

    def punt(self, *, connection: int | None = None) -> None:
        """Evict a client (H).

        Raises:
            LookupError: There is no such connection.
        """
        self._server.perform_on(connection, lambda core, now: core.punt(now))

    def fall_silent(self, *, connection: int | None = None) -> None:
        """From now on neither read nor write on a connection, though it stays open (F).

        Raises:
            LookupError: There is no such connection.
        """
        self._server.perform_on(connection, lambda core, now: core.fall_silent())

    def drop_connection(self, *, connection: int | None = None) -> None:
        """Cut the TCP connection without a close frame (G). What the agent says until the client is back, waits for it.

        Raises:
            LookupError: There is no such connection.
        """
        self._server.perform(lambda server: server.close_connection(server.core(connection), None, ""))

    def close_connection(self, code: int = 1000, reason: str = "", *, connection: int | None = None) -> None:
        """Close a WebSocket in order, for example with 4014 (E).

        Raises:
            LookupError: There is no such connection.
        """
        self._server.perform(lambda server: server.close_connection(server.core(connection), code, reason))
