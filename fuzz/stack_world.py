"""The whole stack among hostile frames: client, hub, dispatcher, driver, session, connection, media descriptions.

The server side is the fuzzer: bytes go into the frame decoder of a connection in memory, and what the client sends
comes back. Commands, callbacks, time, lost connections and datagrams happen by chance. What must hold is looked at
after every step (`check`) and at the end of every login (`_check_end`).
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import random
import re
import resource
import socket
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from telnyx_agent import (
    Call,
    CallState,
    TranscriptionItem,
    TxClient,
    TxClientDelegate,
    TxConfig,
    TxServerConfiguration,
    _media,
)
from telnyx_agent._drivers import making, ring, sound
from telnyx_agent._media.rtc import peer as media_peer
from telnyx_agent._net.connection import Closed
from telnyx_agent.errors import NetworkError, TxError
from telnyx_agent.testing._canned import canned_answer
from telnyx_agent.testing._wire_frames import BINARY, CONTINUATION, TEXT, WireFrame

from .mutate import mutated_bytes, mutated_frame
from .server_side import HonestServer
from .stack_parts import LightPeer, MemoryConnection, SameThread, SilentDevice, StackLoop, described
from .targets import corpus

__all__ = ["StackWorld"]

LONGEST = 0.25
"""Seconds of processor time for one turn of the loop. What is wanted is 0.05; on a busy machine this clock, too, runs
faster than the work is done."""

SETTLES = 10.0
"""Seconds, by the loop's clock, in which every command has to settle once its login is over."""

MOST_CALLS = 4

MOST_MEMORY = 200 * 2**20
"""Bytes by which the process may grow, the fuzzer's own among them."""

_CONFIGURATION = TxServerConfiguration("ws://127.0.0.1:1", webrtc_ice_servers=())
_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) ", re.MULTILINE | re.IGNORECASE)


def resident() -> int:
    """Bytes of memory that this process takes now; 0 where that is not known."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else 0


class _Errors(logging.Handler):
    """Every record with a traceback, and all that asyncio complains about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if (record.exc_info and record.exc_info[1] is not None) or record.name == "asyncio":
            error = record.exc_info[1] if record.exc_info else None
            self.found.append(f"{record.getMessage()}: {described(error)}")


class _Delegate(TxClientDelegate):
    """Counts what must come once, and keeps calls that come in. Items of the transcript become `known`."""

    def __init__(self, known: dict[str, list[Any]]) -> None:
        self._known = known
        self.logins: list[str] = []
        self.ends: Counter[uuid.UUID] = Counter()
        self.calls: dict[uuid.UUID, Call] = {}

    def on_client_ready(self) -> None:
        self.logins.append("ready")

    def on_incoming_call(self, call: Call) -> None:
        assert call.call_id not in self.calls, "it rings twice"
        self.calls[call.call_id] = call

    def on_call_state_updated(self, call_state: CallState, call_id: uuid.UUID) -> None:
        assert self.ends[call_id] == 0, "something about a call after its end"
        if call_state.is_terminal:
            self.ends[call_id] += 1

    def on_transcript_item_updated(self, item: TranscriptionItem) -> None:
        self._known["item"] = [*self._known["item"][-6:], item.id, item.response_id or ""]

    def _hear(self, *event: Any, **more: Any) -> None:
        """Listened to, so that it is delivered."""

    on_transcription_updated = on_agent_state_changed = _hear
    on_socket_message = on_ai_conversation_message = on_ai_conversation_event = on_function_call = _hear
    on_widget_settings_updated = on_client_warning = on_client_error = on_call_report = _hear
    on_socket_metrics_changed = on_ringing_ack_received = on_session_updated = _hear


class StackWorld:
    """One login after the other. Use as a context: it takes the process' loop, its stderr, and its ids.

    Args:
        dice: Decides.
        media: Fraction of logins whose calls have real media, by the real clock.

    Attributes:
        known: For `mutated_frame`.
        sessions: How many logins there were.
        events: How many callbacks ran.
    """

    def __init__(self, dice: random.Random, *, media: float = 0.0) -> None:
        self._dice = dice
        self._media_share = media
        self._examples = [json.loads(data) for data in corpus("frames")]
        self._rtp = corpus("rtp")
        self._sdp = [data.decode("utf-8", "replace") for data in corpus("sdp")]
        self._stack = ExitStack()
        self._connections: list[MemoryConnection] = []
        self.client: TxClient
        self._errors = _Errors()
        self.loop = StackLoop()
        self._memory = 0
        self.sessions = 0
        self.events = 0
        self.known: dict[str, list[Any]] = {}

    # -- the process ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> StackWorld:
        asyncio.run(_media.load())  # by a thread, which would be there in the first run of a process only
        self._stack.enter_context(self._installed())
        self.begin()
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        try:
            if kind is None:
                self._check_end()
        finally:
            self._stack.close()

    @contextmanager
    def _installed(self) -> Iterator[None]:
        loggers = [logging.getLogger(name) for name in ("telnyx_agent", "asyncio", "aiortc", "aioice")]
        self._real_peer = media_peer.MediaPeer
        self._stderr = io.StringIO()
        state = random.getstate()
        patches = (
            (making, "SignalingConnection", MemoryConnection),
            (MemoryConnection, "made", self._connections.append),
            (MemoryConnection, "said", self._sent),
            (media_peer, "MediaPeer", self._new_peer),
            (uuid, "uuid4", lambda: uuid.UUID(int=self._dice.getrandbits(128), version=4)),
            (sys, "stderr", self._stderr),
            (time, "monotonic", self.loop.monotonic),
            (ring, "DaemonPool", SameThread),
            (sound, "DaemonPool", SameThread),
        )
        self.loop.install()
        for logger in loggers:
            logger.addHandler(self._errors)
        try:
            with ExitStack() as stack:
                for owner, name, value in patches:
                    stack.enter_context(mock.patch.object(owner, name, value))
                random.seed(self._dice.getrandbits(64))
                yield
        finally:
            random.setstate(state)
            for logger in loggers:
                logger.removeHandler(self._errors)
            self.loop.uninstall()

    def _new_peer(self, **choices: Any) -> Any:
        return self._real_peer(**choices) if self._has_media else LightPeer(**choices)

    # -- one login -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A new login; the old one is over."""
        self.sessions += 1
        self._has_media = self._dice.random() < self._media_share
        self._server = HonestServer(canned_answer(canned_answer("")))
        self.known = self._server.known
        self._connections.clear()
        self._offers: dict[str, str] = {}
        self._places: list[tuple[str, str]] = []
        self._agents: list[Any] = []
        self._futures: list[tuple[str, Any]] = []
        self.delegate = _Delegate(self.known)
        if self.sessions > 1 and self._dice.random() < 0.3:
            self.client.delegate = self.delegate  # one client may log in again
        else:
            self.client = TxClient(self.delegate, audio=SilentDevice(), callbacks="pump")
        # Streams that nobody reads.
        self._streams = [self.client.events(maxsize=100) for _ in range(self._dice.choice((0, 0, 1)))]
        if self._dice.random() < 0.4:
            config = TxConfig(sip_user="alice", password="secret")
            login = self.client.connect(config, server_configuration=_CONFIGURATION)
        else:
            login = self.client.anonymous_login("assistant-1", server_configuration=_CONFIGURATION)
        self._login = login
        self._driver: Any = self.client._logins.handle.driver
        self.loop.loop.settle()
        if self._dice.random() < 0.9:
            # Most logins are answered, or there would be nothing behind them.
            self._answer_honestly()

    def step(self, text: str | bytes) -> None:
        """A hostile message, after something by chance: an honest answer, a command, time, datagrams."""
        chance = self._dice.random()
        if chance < 0.3:
            self._answer_honestly()
        elif chance < 0.4:
            self._command()
        elif chance < 0.45:
            self.loop.loop.advance(self._dice.choice((0.1, 1.0, 5.0, 40.0)))
        elif chance < 0.453:
            self.lose_connection()
        elif chance < 0.50:
            self._pump()
        elif chance < 0.52 and self._has_media:
            self._datagrams()
        self.receive(text)
        if self._has_media and chance < 0.1:
            self.loop.loop.run_for(0.02)
        self.loop.loop.now += 0.001
        self.check()
        if self._driver._finished or self._dice.random() < 0.002:
            self._check_end()
            self.begin()

    def receive(self, text: str | bytes) -> None:
        """A message comes, in whatever pieces of the stream."""
        connection = self._connections[-1] if self._connections else None
        if connection is None:
            return
        opcode = BINARY if isinstance(text, bytes) else TEXT
        payload = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        is_whole = self._dice.random() < 0.97
        data = WireFrame(opcode, payload).encode() if is_whole else self._in_pieces(opcode, payload)
        if self._dice.random() < 0.0005:
            data = mutated_bytes(data[:2000], [data[:50]], self._dice)
        at = self._dice.randrange(len(data)) if self._dice.random() < 0.05 else 0
        for piece in (data[:at], data[at:]):
            if piece:
                self._make_room(connection)
                connection.feed(piece)
                self.loop.loop.settle()

    def _in_pieces(self, opcode: int, payload: bytes) -> bytes:
        """The message in two fragments, with a control frame between them."""
        cut = self._dice.randrange(len(payload) + 1)
        first, second = WireFrame(opcode, payload[:cut], fin=False), WireFrame(CONTINUATION, payload[cut:])
        return first.encode() + WireFrame(9, b"hi").encode() + second.encode()

    def _make_room(self, connection: MemoryConnection) -> None:
        """Where the reader's thread would wait for the program, the program has to go on first: this is one thread."""
        if connection.is_held_back:
            self._pump()

    # -- what happens by chance ----------------------------------------------------------------------------------------

    def _sent(self, text: str) -> None:
        """The client sends. On the loop."""
        frame = json.loads(text)
        self._server.sent(frame)
        params = frame.get("params")
        if frame.get("method") == "telnyx_rtc.invite" and self._has_media:
            self._offers[params["dialogParams"]["callID"]] = params["sdp"]

    def _answer_honestly(self) -> None:
        sdp = None
        if self._offers:
            sdp = self._real_answer(self._offers.popitem()[1])
        for frame in self._server.answers(sdp):
            self.receive(json.dumps({"jsonrpc": "2.0", **frame}))

    def _real_answer(self, offer: str) -> str:
        """From a peer of the server's, on the same loop."""
        from telnyx_agent.testing._peer import AgentPeer

        async def negotiate() -> str:
            agent = AgentPeer(lambda samples: None)
            self._agents.append(agent)
            self._places = _CANDIDATE.findall(offer)
            return await agent.answer(offer, trickle=False)

        task = self.loop.loop.create_task(negotiate())
        assert self.loop.loop.run_for(5.0, task.done), "the server's peer does not answer"
        return task.result()

    def _datagrams(self) -> None:
        """Anybody sends STUN, RTP and garbage to the client's ports; the peer, which is allowed to, sends RTP."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            for host, port in self._places:
                for _ in range(20):
                    sock.sendto(self._datagram(), (host, int(port)))
        for agent in self._agents:
            if agent.state == "connected":
                transport = agent._pc.getSenders()[0].transport
                for _ in range(10):
                    sending = self.loop.loop.create_task(transport._send_rtp(self._dice.choice(self._rtp)[2:1200]))
                    assert self.loop.loop.run_for(1.0, sending.done), "the server's peer does not send"
                    sending.exception()  # it may be lost by now
        self.loop.loop.run_for(0.05)

    def _datagram(self) -> bytes:
        kind = self._dice.randrange(3)
        if kind == 0:
            head = self._dice.choice((b"\x00\x01", b"\x01\x01", b"\x01\x11")) + b"\x00\x08\x21\x12\xa4\x42"
            return head + self._dice.randbytes(20)
        if kind == 1:
            return self._dice.randbytes(self._dice.randrange(1, 200))
        return mutated_bytes(self._dice.choice(self._rtp)[2:200] or b"\x80", self._rtp, self._dice)[:1400] or b"\x80"

    def lose_connection(self) -> None:
        """The connection is gone, in one of the ways in which that happens."""
        if self._connections:
            codes = ((1006, NetworkError("lost")), (1000, None), (1011, NetworkError("closed with code 1011")))
            code, error = self._dice.choice(codes)
            self._connections[-1].end(Closed(code, "", error))
            self.loop.loop.settle()

    def _pump(self) -> None:
        self.events += self.client.process_events()

    def _command(self) -> None:
        name, give = self._dice.choice(self._COMMANDS)
        try:
            future = give(self)
        except TxError:  # refused in words: that is what commands may do
            future = None
        if future is not None:
            self._futures.append((name, future))
        self.loop.loop.settle()

    def _call(self) -> Call | None:
        calls = list(self.delegate.calls.values())
        return self._dice.choice(calls) if calls else None

    def _new_call(self) -> None:
        if sum(not call.state.is_terminal for call in self.delegate.calls.values()) < MOST_CALLS:
            call = self.client.new_call(destination_number="1")
            self.delegate.calls[call.call_id] = call
            self.known["callID"].append(str(call.call_id))

    def _of_call(self, give: Callable[[Call], Any], rarely: float = 1.0) -> Any:
        call = self._call()
        return None if call is None or self._dice.random() > rarely else give(call)

    _COMMANDS: tuple[tuple[str, Callable[[StackWorld], Any]], ...] = (
        ("new_call", lambda world: world._new_call()),
        ("new_call", lambda world: world._new_call()),
        ("hangup", lambda world: world._of_call(lambda call: call.hangup(), 0.2)),
        ("hold", lambda world: world._of_call(lambda call: call.hold())),
        ("unhold", lambda world: world._of_call(lambda call: call.unhold())),
        ("dtmf", lambda world: world._of_call(lambda call: call.dtmf("12#"))),
        ("ask", lambda world: world._of_call(lambda call: call._ask("why?"))),
        ("stats", lambda world: world._of_call(lambda call: call.stats())),
        ("ice_restart", lambda world: world._of_call(lambda call: call.ice_restart(), 0.2)),
        ("answer", lambda world: world._of_call(lambda call: call.answer())),
        ("reject", lambda world: world._of_call(lambda call: call.reject(), 0.3)),
        ("message", lambda world: world.client.send_ai_assistant_message("hello")),
        ("credentials", lambda world: world.client.update_credentials(token="another")),
        ("tool output", lambda world: world.client.ai_assistant_manager.send_function_call_output("tool-1", "done")),
        ("disconnect", lambda world: world.client.disconnect() if world._dice.random() < 0.03 else None),
    )

    # -- what must hold ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """After every step."""
        loop = self.loop.loop
        assert loop.longest <= LONGEST, f"the loop stood still for {loop.longest:.2f} s of processor time"
        self._check_quiet()
        driver = self._driver
        wanted = None if driver._finished else driver._session.get_timer()
        if wanted is not None:
            timer = driver._timer
            assert timer is not None, "the session wants a timer, and there is none"
            assert not timer.cancelled(), "the timer was cancelled"
            assert timer.when() <= wanted + 1e-6, f"the timer comes {timer.when() - wanted:.3f} s late"

    def _check_quiet(self) -> None:
        assert not self.loop.errors, f"an error on the loop: {self.loop.errors[0]}"
        assert not self._errors.found, f"in the log: {self._errors.found[0]}"
        assert not self._stderr.getvalue(), f"on stderr: {self._stderr.getvalue()[:500]}"

    def _check_end(self) -> None:
        """However it ended: each call has its end, each command its outcome."""
        left = self.client.disconnect()
        loop = self.loop.loop
        if self._has_media:
            assert loop.run_for(SETTLES, left.done), "disconnect() does not settle"
            for agent in self._agents:
                closing = loop.create_task(agent.close())
                assert loop.run_for(SETTLES, closing.done), "the server's peer does not close"
        loop.advance(SETTLES)
        self._pump()
        loop.settle()
        self._pump()
        assert left.done(), "disconnect() does not settle"
        assert self._login.done(), "the login has no outcome"
        assert len(self.delegate.logins) <= 1, "ready twice"
        for name, future in self._futures:
            assert future.done(), f"{name} does not settle"
        for call in self.delegate.calls.values():
            assert call.state.is_terminal, f"a call without an end: {call.state}"
            assert self.delegate.ends[call.call_id] == 1, f"a call with {self.delegate.ends[call.call_id]} ends"
        self._check_quiet()

    @property
    def slowest(self) -> float:
        """Seconds of processor time of the loop's longest turn."""
        return self.loop.loop.longest

    def check_memory(self) -> None:
        """Now and then: what is held does not grow with what was said."""
        held = resident()
        self._memory = self._memory or held
        assert held - self._memory < MOST_MEMORY, f"{(held - self._memory) >> 20} MiB more than in the beginning"

    def mutated(self) -> str | bytes:
        """The next hostile message."""
        dice = self._dice
        chance = dice.random()
        if chance < 0.003:
            return self._giant()
        text = mutated_frame(dice.choice(self._examples), self._examples, self.known, dice)
        if chance < 0.02 and self.known["callID"]:
            # Descriptions, good and bad, go all the way into aiortc's parser.
            sdp = mutated_bytes(dice.choice(self._sdp).encode(), [b"a=candidate:1"], dice).decode("utf-8", "replace")
            method = dice.choice(("answer", "media", "attach", "invite"))
            params = {"callID": dice.choice(self.known["callID"]), "sdp": sdp}
            text = json.dumps({"id": dice.randrange(9999), "method": f"telnyx_rtc.{method}", "params": params})
        return text.encode("utf-8", "replace") if chance > 0.995 else text

    def _giant(self) -> str:
        """Something short, very often."""
        dice = self._dice
        item = dice.choice(
            ("{}", "1", '""', "[]", '{"id":1,"method":"telnyx_rtc.ping"}', json.dumps(dice.choice(self._examples)))
        )
        count = dice.choice((90, 200, 5_000, 50_000))
        return "[" + ",".join([item] * min(count, 2**20 // len(item))) + "]"
