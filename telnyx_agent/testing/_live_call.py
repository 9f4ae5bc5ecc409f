"""One call of the local agent: its peer, its mouth and its conversation, tied to the server core. Loop thread only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import attrs

from ..audio.tones import Tone
from ._bounds import ITEM_OVERHEAD, size_of
from ._canned import canned_answer
from ._dialogue import Dialogue, Faculties, Line
from ._endpoint import level_db
from ._server_protocol import ServerConnection
from ._speech_output import Mouth
from .scenario import FunctionCall, HangUp
from .voice import Samples

__all__ = ["CallRecord", "LiveCall"]

logger = logging.getLogger("telnyx_agent.testing")

# A real agent speaks whether or not somebody can hear it; ours waits a moment for the media, so that no word is lost.
MEDIA_PATIENCE = 2.0
_HEARD_LEVEL = -60.0


@attrs.frozen
class CallRecord:
    """A snapshot of one call of the local agent.

    Attributes:
        call_id: The id that the client gave it.
        session_id: The session it belongs to.
        target_id: The assistant that was called.
        connection: Number of the connection it was last on.
        state: `"ringing"`, `"answered"`, `"detached"` or `"ended"`.
        cause: Why it ended.
        ended_by_client: Who ended it; None while it lasts.
        caller_name: What the client gave.
        caller_number: What the client gave.
        destination_number: What the client gave.
        client_state: What the client gave, base64 as on the wire.
        custom_headers: `(name, value)` pairs.
        is_held: Whether the client put it on hold.
        media_state: State of the peer connection, `"new"` to `"closed"`.
        seconds_received: Sound that arrived.
        seconds_heard: How much of that was not silence.
        digits: DTMF by `info`.
        transcript: What was said, as `(role, text)` lines.
        to_client: Whether the agent called the client (`LocalAgent.call_client`), and not the other way round.
        answer_custom_headers: `(name, value)` pairs with which the client answered such a call.
    """

    call_id: str
    session_id: str
    target_id: str
    connection: int
    state: str
    cause: str | None
    ended_by_client: bool | None
    caller_name: str
    caller_number: str
    destination_number: str
    client_state: str | None
    custom_headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    is_held: bool
    media_state: str
    seconds_received: float
    seconds_heard: float
    digits: str
    transcript: tuple[Line, ...]
    to_client: bool = False
    answer_custom_headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)

    @property
    def size(self) -> int:
        """Bytes, about, of all that somebody else has put in."""
        texts = [self.caller_name, self.caller_number, self.destination_number, self.client_state or "", self.digits]
        pairs = (*self.custom_headers, *self.answer_custom_headers)
        said = sum(size_of(line.text) + ITEM_OVERHEAD for line in self.transcript)
        return sum(map(size_of, texts)) + sum(size_of(name) + size_of(value) + 64 for name, value in pairs) + said


class LiveCall:
    """A call from its invite to its end.

    Args:
        call_id: Its id.
        core: The connection it is on.
        dialog: The invite's `dialogParams`.
        faculties: Ears, brain and voice.
        make_peer: Makes a peer connection; None for calls without media.
        flush: Sends what the core has to send.
        new_id: Makes a UUID as text.
    """

    def __init__(
        self,
        call_id: str,
        core: ServerConnection,
        dialog: dict[str, Any],
        faculties: Faculties,
        make_peer: Callable[[Callable[[Samples], None]], Any] | None,
        flush: Callable[[ServerConnection], None],
        new_id: Callable[[], str],
    ) -> None:
        self.call_id = call_id
        self.core = core
        self.state = "ringing"
        self.digits = ""
        self.to_client = False
        self.greeting: str | None = None
        self.answer_custom_headers: tuple[tuple[str, str], ...] = ()
        self._dialog = dialog
        self._make_peer = make_peer
        self._flush = flush
        self.new_id = new_id
        self._peer: Any = None
        self._mouth = Mouth(lambda samples: None)
        scenario = core.scenario
        self._dialogue = Dialogue(faculties, self._mouth, self, reply_delay=scenario.scaled(scenario.reply_delay))
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = False
        self._cause: str | None = None
        self._by_client: bool | None = None
        self._samples_received = 0
        self._samples_heard = 0
        self._ringing: asyncio.Task[None] | None = None
        self._speaking = self._run(self._mouth.run())

    # -- media ---------------------------------------------------------------------------------------------------------

    def answer_offer(self, sdp: str, *, trickle: bool) -> None:
        """Make a peer for the client's offer and hand its answer to the core."""

        async def negotiate(peer: Any) -> str:
            return str(await peer.answer(sdp, trickle=trickle))

        self._negotiate(negotiate, self._offer_settled, offer=sdp)

    def make_offer(self) -> None:
        """Make a new peer for a client that came back or is called, and hand its offer to the core."""

        async def negotiate(peer: Any) -> str:
            return str(await peer.offer())

        self._negotiate(negotiate, self._offer_settled)

    def update_media(self, sdp: str) -> None:
        """`updateMedia`: aiortc cannot restart ICE, so a new peer takes over."""

        async def negotiate(peer: Any) -> str:
            return str(await peer.answer(sdp, trickle=False))

        def settled(answer: str | None) -> None:
            self.core.answer_media_update(self.call_id, answer)

        self._negotiate(negotiate, settled, offer=sdp)

    def _offer_settled(self, sdp: str | None) -> None:
        now = asyncio.get_running_loop().time()
        if sdp is None:
            self.core.refuse_media(self.call_id, now)
        else:
            self.core.set_local_description(self.call_id, sdp, now)

    def _negotiate(
        self, negotiate: Callable[[Any], Awaitable[str]], settled: Callable[[str | None], None], *, offer: str = ""
    ) -> None:
        old = self._peer
        if self._make_peer is None:
            settled(canned_answer(offer))
            self._flush(self.core)
            return
        peer = self._peer = self._make_peer(self._hear)
        self._mouth.play = peer.play

        async def run() -> None:
            if old is not None:
                await old.close()
            sdp: str | None = None
            try:
                sdp = await negotiate(peer)
            except Exception as exc:  # noqa: BLE001
                if peer.state == "closed":
                    return  # the client is gone again; when it comes back there will be another peer
                # Whatever aiortc thinks of the client's SDP: the call ends, the server does not.
                logger.warning("call %s: the SDP cannot be used: %r", self.call_id, exc)
            if self.state != "ended":
                settled(sdp)
                self._flush(self.core)

        self._run(run())

    def accept_answer(self, sdp: str) -> None:
        """The client's answer to `make_offer`: the call goes on."""
        peer = self._peer

        async def run() -> None:
            try:
                if peer is not None:
                    await peer.accept(sdp)
            except Exception as exc:  # noqa: BLE001 - the same
                logger.warning("call %s: the attach answer cannot be used: %r", self.call_id, exc)
                self._hang_up(HangUp("BEARERCAPABILITY_NOTAVAIL", 58))
                return
            self.state = "answered"
            self._mouth.paused = self._held
            self._dialogue.is_listening = not self._held

        self._run(run())

    def add_candidate(self, candidate: str | None, mid: str | None, index: int | None) -> None:
        """A trickled candidate."""
        if self._peer is not None:
            self._run(self._peer.add_candidate(candidate, mid, index))

    def _hear(self, samples: Samples) -> None:
        self._samples_received += len(samples)
        if level_db(samples) > _HEARD_LEVEL:
            self._samples_heard += len(samples)
        self._dialogue.hear(samples)

    # -- the course of the call ----------------------------------------------------------------------------------------

    def begin(self, greet_at: float, greeting: str) -> None:
        """The call is answered: greet when the time has come and the media is there."""
        self.state = "answered"
        self._stop_ringing()

        async def run() -> None:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, greet_at - loop.time()))
            if self._peer is not None:
                try:
                    await asyncio.wait_for(self._peer.connected.wait(), MEDIA_PATIENCE)
                except asyncio.TimeoutError:
                    logger.info("call %s: no media yet", self.call_id)
            self._dialogue.is_listening = True
            if greeting or self.core.scenario.function_calls:
                self._dialogue.say(greeting, function_calls=self.core.scenario.function_calls)

        self._run(run())

    def ring(self) -> None:
        """The caller hears a ringback tone until the call is answered: the network's, one second of sound in four."""
        samples = Tone((425.0,), (1.0, 3.0)).samples()

        async def run() -> None:
            if self._peer is not None:
                await self._peer.connected.wait()
            self._mouth.ringback = samples

        self._ringing = self._run(run())

    def _stop_ringing(self) -> None:
        if self._ringing is not None:
            self._ringing.cancel()
        self._mouth.ringback = None

    def hold(self, held: bool) -> None:
        """The client put the call on hold, or took it back."""
        self._held = held
        self._mouth.paused = held
        self._dialogue.is_listening = not held

    def typed(self, text: str, images: tuple[str, ...]) -> None:
        """The client sent a message."""
        self._dialogue.typed(text, images)

    def function_output(self, name: str | None, output: str) -> None:
        """A client-side tool answered."""
        self._dialogue.function_output(name, output)

    def say(self, text: str) -> None:
        """Say something of one's own accord."""
        self._dialogue.say(text)

    def detach(self) -> None:
        """The socket is gone: no media until the client is back. What is being said goes on then."""
        if self.state == "ended":
            return
        self.state = "detached"
        self._mouth.paused = True
        self._dialogue.is_listening = False
        self._close_peer()

    def end(self, cause: str, *, by_client: bool) -> None:
        """The call is over."""
        if self.state == "ended":
            return
        self.state, self._cause, self._by_client = "ended", cause, by_client
        self._dialogue.end()
        self._stop_ringing()
        self._speaking.cancel()
        self._close_peer()

    def _close_peer(self) -> None:
        self._mouth.play = lambda samples: None
        if self._peer is not None:
            self._run(self._peer.close())

    async def close(self) -> None:
        """End everything; nothing of it runs afterwards."""
        self.end("SHUTDOWN", by_client=False)
        me = asyncio.current_task()
        closing = [task for task in self._tasks if task is not me]
        if self._peer is not None:
            await self._peer.close()
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("call %s: %r", self.call_id, task.exception(), exc_info=task.exception())

    # -- what the dialogue sends (Wire) --------------------------------------------------------------------------------

    def user_item(self, item_id: str, text: str, *, completed: bool) -> None:
        """What the ears heard."""
        self.core.user_item(item_id, text, completed=completed)
        self._flush(self.core)

    def response_created(self, response_id: str) -> None:
        """The agent begins to speak."""
        self.core.response_created(response_id, asyncio.get_running_loop().time())
        self._flush(self.core)

    def response_delta(self, response_id: str, delta: str) -> None:
        """The agent spoke these words."""
        self.core.response_delta(response_id, delta)
        self._flush(self.core)

    def response_done(self, response_id: str, text: str) -> None:
        """The agent finished."""
        self.core.response_done(response_id, text)
        self._flush(self.core)

    def function_call(self, call: FunctionCall) -> None:
        """The agent asks for a client-side tool."""
        self.core.function_call(call)
        self._flush(self.core)

    def hang_up(self) -> None:
        """The agent says goodbye."""
        self._hang_up(HangUp())

    def _hang_up(self, reason: HangUp) -> None:
        self.core.hang_up(self.call_id, reason, asyncio.get_running_loop().time())
        self._flush(self.core)

    # -- a look at it --------------------------------------------------------------------------------------------------

    def record(self) -> CallRecord:
        """A snapshot."""
        session = self.core.session
        headers = self._dialog.get("custom_headers")
        pairs = [h for h in headers if isinstance(h, dict)] if isinstance(headers, list) else []
        client_state = self._dialog.get("clientState")
        return CallRecord(
            call_id=self.call_id,
            session_id=self.core.session_id,
            target_id="" if session is None else session.target_id,
            connection=self.core.number,
            state=self.state,
            cause=self._cause,
            ended_by_client=self._by_client,
            caller_name=str(self._dialog.get("caller_id_name") or ""),
            caller_number=str(self._dialog.get("caller_id_number") or ""),
            destination_number=str(self._dialog.get("destination_number") or ""),
            client_state=client_state if isinstance(client_state, str) else None,
            custom_headers=tuple((str(pair.get("name")), str(pair.get("value"))) for pair in pairs),
            is_held=self._held,
            media_state="none" if self._peer is None else self._peer.state,
            seconds_received=self._samples_received / 16000,
            seconds_heard=self._samples_heard / 16000,
            digits=self.digits,
            transcript=tuple(self._dialogue.lines),
            to_client=self.to_client,
            answer_custom_headers=self.answer_custom_headers,
        )
