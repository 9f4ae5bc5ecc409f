"""The emulated server on real sockets: drives the pure core, and the calls that it announces. Loop thread only."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
from websockets.asyncio.server import Server, serve
from websockets.asyncio.server import ServerConnection as Socket
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from . import _events as ev
from . import _ice
from ._bounds import ITEM_OVERHEAD, MESSAGE_LIMIT, OUTGOING_BYTES, RECORD_BYTES, Kept, size_of
from ._dialogue import Faculties
from ._frames import FrameLog
from ._live_call import CallRecord, LiveCall
from ._posts import answer_post
from ._registry import Registry
from ._server_protocol import ServerConnection
from ._settings import Settings
from ._sockets import CountedConnection, Sockets
from .call_reports import PostLog

__all__ = ["AgentServer"]

logger = logging.getLogger("telnyx_agent.testing")

# At DEBUG level `websockets` logs what is in the frames; whoever wants that sets this logger's level.
_sockets_logger = logging.getLogger("telnyx_agent.testing.websockets")
_sockets_logger.setLevel(logging.WARNING)

CLOSE_TIMEOUT = 1.0
DIGITS_KEPT = 10_000
"""Of one call; the newest."""


@attrs.frozen
class Probe:
    """A WebSocket ping is to be sent; its pong proves that everything before it arrived. See `Deliveries`."""

    number: int


@attrs.define(eq=False)
class Link:
    """A socket and its core."""

    socket: Socket
    core: ServerConnection
    outgoing: asyncio.Queue[str | bytes | ev.CloseSocket | Probe]
    timer: asyncio.TimerHandle | None = None
    waiting: int = 0
    """Bytes in `outgoing`."""


class AgentServer:
    """Listens, and answers calls.

    Args:
        settings: How.
        faculties: Ears, brain and voice of all calls.
        frames: Where every frame is recorded.
        posts: Where every call report is.
    """

    def __init__(self, settings: Settings, faculties: Faculties, frames: FrameLog, posts: PostLog) -> None:
        self._settings = settings
        self._faculties = faculties
        self._frames = frames
        self._posts = posts
        self._random = random.SystemRandom()
        self._registry = Registry(first_request_id=self._random.randrange(10_000, 100_000))
        self._links: dict[int, Link] = {}
        self._calls: dict[str, LiveCall] = {}
        self._records: Kept[CallRecord] = Kept(RECORD_BYTES)
        self._accepted = 0
        self._sockets = Sockets()
        self._server: Server | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._epoch = time.time() - self._loop.time()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; returns the port."""
        self._server = await serve(
            self._serve,
            self._settings.host,
            self._settings.port,
            max_size=MESSAGE_LIMIT,
            max_queue=2,  # messages that wait to be read, for each connection
            ping_interval=None,
            compression=None,
            close_timeout=CLOSE_TIMEOUT,
            logger=_sockets_logger,
            create_connection=self._sockets.connection_class,
            process_request=self._process_request,
        )
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def close(self) -> None:
        """Stop listening, close every socket and every call."""
        if self._expiry is not None:
            self._expiry.cancel()
        for link in self._links.values():
            self._cancel_timer(link)
        if self._server is not None:
            await self._sockets.stop_accepting(self._server)
            self._server.close()  # says 1001 to every client
        await asyncio.gather(*(call.close() for call in self._calls.values()), return_exceptions=True)
        await self._sockets.close(CLOSE_TIMEOUT)
        if self._server is not None:
            await self._server.wait_closed()
        for call in self._calls.values():
            self._keep(call)
        self._calls.clear()

    # -- sockets -------------------------------------------------------------------------------------------------------

    def _process_request(self, socket: Socket, request: Request) -> Response | None:
        assert isinstance(socket, CountedConnection)
        return answer_post(socket, request, socket.post, self._registry.report_ids, self._posts)

    async def _serve(self, socket: Socket) -> None:
        """One connection from its upgrade to its end."""
        self._accepted += 1
        number = self._accepted
        path = socket.request.path if socket.request is not None else "/"
        scenarios = self._settings.scenarios
        core = ServerConnection(
            number,
            self._registry,
            scenarios[min(number, len(scenarios)) - 1],
            new_id=new_id,
            accept=self._settings.accept,
            now=self._loop.time(),
            query=dict(parse_qsl(urlsplit(path).query)),
            epoch=self._epoch,
            credentials=self._settings.credentials,
        )
        link = self._links[number] = Link(socket, core, asyncio.Queue())
        sender = asyncio.create_task(self._send(link))
        self.pump(core)
        try:
            async for message in socket:
                self._frames.add("received", number, message)
                core.receive_text(message, self._loop.time())
                self.pump(core)
        except ConnectionClosed as exc:
            logger.debug("connection %d: %s", number, exc)
        finally:
            core.connection_lost(self._loop.time())
            self.pump(core)
            self._cancel_timer(link)
            del self._links[number]
            sender.cancel()
            self._watch_registry()

    async def _send(self, link: Link) -> None:
        """Send what is queued, in order."""
        try:
            while True:
                item = await link.outgoing.get()
                if isinstance(item, Probe):
                    pong = await link.socket.ping()
                    asyncio.ensure_future(pong).add_done_callback(functools.partial(self._arrived, link, item))
                elif not isinstance(item, ev.CloseSocket):
                    link.waiting -= size_of(item) + ITEM_OVERHEAD
                    self._frames.add("sent", link.core.number, item)
                    await link.socket.send(item)
                elif item.code is None:
                    link.socket.transport.abort()
                else:
                    await link.socket.close(item.code, item.reason)
        except ConnectionClosed:
            logger.debug("connection %d closed while sending", link.core.number)

    def _arrived(self, link: Link, probe: Probe, pong: asyncio.Future[float]) -> None:
        """A pong came, or the connection ended without it."""
        if not pong.cancelled() and pong.exception() is None:
            link.core.probe_answered(probe.number)
            self.pump(link.core)

    def pump(self, core: ServerConnection) -> None:
        """Send what the core has to send, do what it announces, set its timer."""
        link = self._links.get(core.number)
        while (event := core.next_event()) is not None:
            self._hand_over(core, link)
            self._handle(core, link, event)
        self._hand_over(core, link)
        if link is None:
            return
        self._cancel_timer(link)
        due = core.get_timer()
        if due is not None:
            link.timer = self._loop.call_at(due, self._timer_due, link)

    def _hand_over(self, core: ServerConnection, link: Link | None) -> None:
        for text in core.texts_to_send():
            if link is None:
                continue
            link.waiting += size_of(text) + ITEM_OVERHEAD
            if link.waiting > OUTGOING_BYTES:  # the client reads nothing
                link.socket.transport.abort()
                return
            link.outgoing.put_nowait(text)
        if link is not None and (number := core.probe_wanted()) is not None:
            link.outgoing.put_nowait(Probe(number))

    def _timer_due(self, link: Link) -> None:
        link.timer = None
        # The loop may wake up a clock tick early.
        due = link.core.get_timer()
        link.core.handle_timer(max(self._loop.time(), due or 0.0))
        self.pump(link.core)

    def _cancel_timer(self, link: Link) -> None:
        if link.timer is not None:
            link.timer.cancel()
            link.timer = None

    def _watch_registry(self) -> None:
        """Wake up when the next detached session has waited long enough."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        due = self._registry.get_timer()
        if due is not None:
            self._expiry = self._loop.call_at(due, self._sessions_expired, due)

    def _sessions_expired(self, due: float) -> None:
        self._registry.handle_timer(max(self._loop.time(), due))
        self._end_forgotten()
        self._watch_registry()

    def _end_forgotten(self) -> None:
        while (ended := self._registry.next_event()) is not None:
            self._call_ended(ended)

    # -- what the core announces ---------------------------------------------------------------------------------------

    def _handle(self, core: ServerConnection, link: Link | None, event: ev.ServerEvent) -> None:
        if isinstance(event, ev.CloseSocket):
            if link is not None:
                link.outgoing.put_nowait(event)
        elif isinstance(event, ev.Superseded):
            other = self._links.get(event.connection)
            if other is not None:
                self.pump(other.core)
        elif isinstance(event, ev.CallOffered):
            self._offered(core, event)
        elif isinstance(event, ev.OfferWanted):
            self._live_call(core, event.call_id)
        elif isinstance(event, ev.CallEnded):
            self._call_ended(event)
        elif isinstance(event, ev.LoggedIn):
            self._end_forgotten()  # there may have been too many sessions
        elif isinstance(event, (ev.Registered, ev.Malformed)):
            logger.debug("connection %d: %s", core.number, type(event).__name__)
        else:
            self._handle_in_call(core, event)

    def _handle_in_call(self, core: ServerConnection, event: Any) -> None:
        """Events about a call that exists."""
        call = self._calls.get((event.call_id or "").lower())
        if call is None:
            return
        if isinstance(event, ev.CallAnswered):
            call.begin(event.greet_at, self._settings.greeting)
        elif isinstance(event, ev.ClientAnswered):
            call.answer_custom_headers = event.custom_headers
            call.accept_answer(event.sdp)
            call.begin(self._loop.time(), self._settings.greeting if call.greeting is None else call.greeting)
        elif isinstance(event, ev.CallDetached):
            call.detach()
        elif isinstance(event, ev.AttachWanted):
            call.core = core
            core.catch_up()
            call.make_offer()
        elif isinstance(event, ev.AttachAnswered):
            call.accept_answer(event.sdp)
        elif isinstance(event, ev.MediaUpdateOffered):
            call.update_media(event.sdp)
        elif isinstance(event, ev.HoldChanged):
            call.hold(event.held)
        elif isinstance(event, ev.CandidateReceived):
            call.add_candidate(event.candidate, event.sdp_mid, event.sdp_mline_index)
        elif isinstance(event, ev.EarlyMediaBegun):
            call.ring()
        elif isinstance(event, ev.DigitsReceived):
            call.digits = (call.digits + event.digits)[-DIGITS_KEPT:]
        elif isinstance(event, ev.MessageTyped):
            call.typed(event.text, event.image_urls)
        elif isinstance(event, ev.FunctionOutput):
            call.function_output(event.name, event.output)

    def _offered(self, core: ServerConnection, event: ev.CallOffered) -> None:
        call = self._live_call(core, event.call_id)
        if call is not None:
            call.answer_offer(event.sdp, trickle=event.trickle)

    def _live_call(self, core: ServerConnection, call_id: str) -> LiveCall | None:
        session = core.session
        server_call = None if session is None else session.find_call(call_id)
        if server_call is None:
            return None
        make_peer = self._peer_maker(core) if self._settings.media else None
        call = LiveCall(call_id, core, server_call.dialog, self._faculties, make_peer, self.pump, new_id)
        call.to_client = server_call.to_client
        self._calls[server_call.key] = call
        return call

    def call_client(self, dialog: dict[str, Any], user: str | None, greeting: str | None, ring: float) -> str:
        """Call a client that is logged in with credentials; returns the call's id.

        Raises:
            LookupError: There is none.
        """
        cores = [link.core for link in self._links.values() if link.core.can_be_called]
        found = [c for c in cores if user is None or (c.session is not None and c.session.target_id == user)]
        if not found:
            whom = "no client" if user is None else f"no client of user {user!r}"
            raise LookupError(f"{whom} is logged in with credentials and registered")
        core, call_id = found[-1], new_id()
        if dialog.get("destination_number") is None and core.session is not None:
            dialog["destination_number"] = core.session.target_id
        core.call_client(call_id, dialog, ring, self._loop.time())
        self.pump(core)
        call = self._calls[call_id]
        call.greeting = greeting
        call.make_offer()
        return call_id

    def _peer_maker(self, core: ServerConnection) -> Callable[[Callable[[Any], None]], Any]:
        from ._peer import AgentPeer

        link = self._links.get(core.number)
        remote = link.socket.remote_address[0] if link is not None and link.socket.remote_address else ""
        same_machine = remote in (*_ice.own_addresses(), "::1")
        codecs = core.scenario.codecs
        return lambda hear: AgentPeer(hear, codecs=codecs, same_machine=same_machine)

    def _call_ended(self, event: ev.CallEnded) -> None:
        call = self._calls.get(event.call_id.lower())
        if call is None:
            return
        call.end(event.cause, by_client=event.by_client)

        async def retire(key: str, call: LiveCall) -> None:
            await call.close()
            if self._calls.pop(key, None) is not None:
                self._keep(call)

        task = asyncio.create_task(retire(event.call_id.lower(), call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _keep(self, call: LiveCall) -> None:
        record = call.record()
        self._records.add(record, record.size)

    # -- for the facade ------------------------------------------------------------------------------------------------

    def records(self) -> tuple[CallRecord, ...]:
        """Every call, oldest first."""
        return (*self._records, *(call.record() for call in self._calls.values()))

    def connections(self) -> tuple[int, ...]:
        """Numbers of the open connections."""
        return tuple(self._links)

    def core(self, number: int | None) -> ServerConnection:
        """An open connection; the latest if no number is given.

        Raises:
            LookupError: There is none.
        """
        if number is None and self._links:
            number = max(self._links)
        link = self._links.get(number) if number is not None else None
        if link is None:
            raise LookupError("no client is connected" if number is None else f"connection {number} is not open")
        return link.core

    def call(self, call_id: str | None) -> LiveCall:
        """A live call; the latest if no id is given.

        Raises:
            LookupError: There is none.
        """
        if call_id is not None:
            call = self._calls.get(call_id.lower())
        else:
            live = [call for call in self._calls.values() if call.state != "ended"]
            call = live[-1] if live else None
        if call is None or call.state == "ended":
            raise LookupError("there is no call" if call_id is None else f"there is no call {call_id}")
        return call

    def close_connection(self, core: ServerConnection, code: int | None, reason: str) -> None:
        """Close a connection after what is queued; at once and without a close frame if there is no code."""
        link = self._links.get(core.number)
        if link is None:
            return
        if code is None:
            link.socket.transport.abort()
        else:
            link.outgoing.put_nowait(ev.CloseSocket(code, reason))


def new_id() -> str:
    """A UUID as text."""
    return str(uuid.uuid4())
