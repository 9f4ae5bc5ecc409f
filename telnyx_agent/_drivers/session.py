"""`SessionDriver`: one login on the loop thread - it feeds the pure `Session` and carries out what that decides.

`_step` does three things in one place: it sends what is pending, delivers what happened, and sets the timer again. Each
method that feeds the session calls it. One driver serves one login, from `start` to `finished`, over several sockets; a
new login makes a new driver. What an older socket still brings is ignored (R57).

If handling a frame or an event raises, the error is logged and the next one is handled. A login that is over ends
within `END_LIMIT`, even if something hangs.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from .. import _media, events
from .._net.connection import Closed, Received, SignalingConnection
from .._net.frames import TooLong
from .._net.route_watch import RouteWatch
from .._net.sockets import Sockets
from .._protocol import outcomes
from .._protocol.states import AgentState, CallStateKind
from .._protocol.warnings import TxWarning, WarningCode
from ..errors import CallError, LocalProtocolError, MediaError, RemoteProtocolError, TxError
from .call import CallDriver, CallMedia
from .futures import CommandFutures
from .incoming import IncomingCalls
from .listener import SessionListener

if TYPE_CHECKING:
    from .._media.stats import MediaStats
    from .._media.turn_latency import TurnLatency
    from .._protocol.session.inbox import Inbound
    from .._protocol.session.session import Session
    from .._protocol.wire.credentials import CredentialLogin
    from .._protocol.wire.requests import CallOptions
    from .._runtime.futures import CommandFuture
    from .._runtime.log import ClientLog
    from ..audio import AudioDeviceChange
    from .sound import CallSound

__all__ = ["END_LIMIT", "LONG_MESSAGE", "SessionDriver"]

LONG_MESSAGE = 65_536
"""A message of so many characters or more is decoded in a step of its own. 5 MB took 10 to 30 ms on the slowest machine
that was tried."""

END_LIMIT = 5.0
"""Seconds from the end of a session to `finished`. Sockets and media close within 2 s each. What takes longer hangs, in
a sound driver or in the program's code, and is not waited for."""

# The states of an agent that was interrupted while it spoke. After its last word, its state is `LISTENING`.
_INTERRUPTING = frozenset({AgentState.THINKING, AgentState.PROCESSING_IMAGE})


class SessionDriver:
    """Drives one `Session`. Loop thread only, but for the constructor.

    Args:
        session: Decides what is sent and what happens.
        url_of: Makes the URL of a connection.
        listener: Gets what happened.
        log: The client's log.
        loop: The loop that the driver runs on.
        connect: Makes a connection; see `Sockets`.
        is_local: Whether the server is on this machine.
    """

    def __init__(
        self,
        session: Session,
        url_of: Callable[[outcomes.OpenConnection], str],
        listener: SessionListener,
        log: ClientLog,
        loop: asyncio.AbstractEventLoop,
        connect: Callable[..., SignalingConnection],
        *,
        is_local: bool = True,
    ) -> None:
        self._session = session
        self._loop = loop
        self._sockets = Sockets(connect, self)
        # A server on this machine needs no network.
        self._routes = None if is_local else RouteWatch(self._network_changed)
        self._url_of = url_of
        self._listener = listener
        self._log = log
        self._calls: dict[str, CallDriver] = {}
        self._closing_media: set[asyncio.Future[None]] = set()
        self._agent_state = AgentState.IDLE
        self._socket_metrics = session.socket_health.metrics
        self._finished = False
        self._stepping = False
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._futures: CommandFutures = CommandFutures()
        self._incoming: IncomingCalls = IncomingCalls(
            listener,
            log,
            loop,
            run=self._run,
            await_end=self._await_end,
            refuse=self._refuse,
            go_on=self._go_on,
        )
        self._background: set[asyncio.Task[None]] = set()

    @property
    def session(self) -> Session:
        """The session, for reading on the loop."""
        return self._session

    # -- commands, each on the loop ----------------------------------------------------------------------------------

    def start(self, done: CommandFuture[None]) -> None:
        """Connect and log in. `done` settles with the login. Other threads' commands may have come before this one."""
        self._futures.login.append(done)
        if self._session.registration.is_over:
            self._futures.settle_login(_too_early())
            return
        self._on_open_connection(outcomes.OpenConnection())
        # A call will follow: import the media libraries while the server answers. Nothing waits for it.
        self._run(_media.preload())

    def place_call(self, options: CallOptions, media: CallMedia) -> None:
        """Create the call and begin to make its offer; the invite goes out when the session is ready."""
        try:
            self._session.calls.create(options, self._loop.time())
        except TxError as error:
            self._listener.publish(outcomes.CallStateChanged(options.call_id, outcomes.ended_by(error)))
            return
        if not self._finished:
            self._calls[options.call_id] = self._new_call_driver(options.call_id, media)
        self._step()

    def _new_call_driver(self, call_id: str, media: CallMedia, offer: str | None = None) -> CallDriver:
        return CallDriver(call_id, media, self, self._log, offer)

    def hangup(self, call_id: str, cause: str | None, cause_code: int | None, done: CommandFuture[None]) -> None:
        """End a call. `done` settles when its media are closed. If the call has ended already, there is no error."""
        self._session.calls.hang_up(call_id, self._loop.time(), cause=cause, cause_code=cause_code)
        driver = self._calls.get(call_id)
        self._step()
        self._settle_after(done, None if driver is None else driver.closed)

    def disconnect(self, done: CommandFuture[None]) -> None:
        """End all calls, close the socket. `done` settles when everything is closed. Idempotent."""
        if self._finished:
            done.settle_after_callbacks()
            return
        self._futures.end.append(done)
        self._limit_end()
        self._session.disconnect(self._loop.time())
        self._step()

    def answer_call(
        self,
        call_id: str,
        headers: tuple[tuple[str, str], ...],
        media: CallMedia,
        muted: bool | None,
        done: CommandFuture[None],
    ) -> None:
        """Answer an incoming call. `done` settles when the call is active, or with the error of its end.

        Raises:
            TxError: The call cannot be answered.
        """
        try:
            offer = self._session.calls.answer(call_id, headers, self._loop.time())
        except TxError:
            if call_id in self._calls:
                self.warn(WarningCode.ANSWER_WHILE_PEER_ACTIVE, call_id)
            raise
        if muted is not None:
            media.bridge.muted = muted
        self._futures.answers[call_id] = done
        self._incoming.taken(call_id)
        self._calls[call_id] = self._new_call_driver(call_id, media, offer)
        self._step()

    def update_credentials(self, login: CredentialLogin, done: CommandFuture[None]) -> None:
        """Log in with other credentials. `done` settles when the server has accepted or refused them.

        Raises:
            TxError: The session is anonymous, not ready, or exchanges its credentials already.
        """
        self._session.relogin.start(login, self._loop.time())
        self._futures.credentials.append(done)
        self._step()

    def perform(self, action: Callable[[Session, float], Any], done: CommandFuture[Any]) -> None:
        """Run a command of the core. `done` settles with its result.

        Raises:
            Exception: What the command raises.
        """
        result = action(self._session, self._loop.time())
        self._step()
        done.settle_after_callbacks(result)

    def request(self, action: Callable[[Session, float], str], done: CommandFuture[None]) -> None:
        """Run a command of the core that the server must confirm. `done` settles with the command's `CommandSettled`.

        Raises:
            Exception: What the command raises.
        """
        self._futures.tickets[action(self._session, self._loop.time())] = done
        self._step()

    def send_message(self, text: str, image_urls: Sequence[str], may_wait: bool, done: CommandFuture[str]) -> None:
        """Send typed text and images to the assistant.

        `done` settles with the item id when the frame is on its way. That may be later if the message may wait.

        Raises:
            TxError: The message was refused.
        """
        item_id = self._session.conversation.send_message(text, image_urls, self._loop.time(), may_wait=may_wait)
        if self._session.conversation.messages.is_waiting(item_id):
            self._futures.messages[item_id] = done
        else:
            self._step()
            done.settle_after_callbacks(item_id)

    def call_stats(self, call_id: str, done: CommandFuture[Any]) -> None:
        """`done` settles with the call's media statistics."""
        driver = self._calls.get(call_id)
        if driver is None:
            done.settle(error=CallError("the call has no media any more", call_id=call_id))
            return

        async def read() -> None:
            try:
                done.settle(await driver.stats())
            except Exception as exc:  # noqa: BLE001 - aiortc may raise anything while it closes; it goes to the future
                done.settle(error=CallError(f"no statistics could be read: {exc}", call_id=call_id))

        self._run(read())

    def with_sound(self, call_id: str, job: Callable[[CallSound], None], done: CommandFuture[None]) -> None:
        """Do something with a call's audio device, which may block. `done` settles with the outcome."""
        driver = self._calls.get(call_id)
        if driver is None:
            done.settle(error=CallError("the call has no audio device any more", call_id=call_id))
            return
        self._run(driver.with_sound(job, done))

    def watch_levels(self, call_id: str) -> None:
        """Report a call's audio levels from now on."""
        driver = self._calls.get(call_id)
        if driver is not None:
            driver.watch_levels()

    def warn(self, code: WarningCode, call_id: str) -> None:
        """Publish a warning about something that only a facade can see."""
        self._listener.publish(events.ClientWarning(TxWarning(code, call_id)))

    def publish(self, event: object) -> None:
        """Publish an event that did not come from the server."""
        self._listener.publish(event)

    def ask(self, call_id: str, text: str, barge_in: bool, done: CommandFuture[str]) -> None:
        """Ask the agent in a call. `done` settles with the answer.

        Raises:
            TxError: There is no call that can be asked.
        """
        self._futures.questions.add(done)
        try:
            self._session.conversation.questions.ask(
                done, text, self._loop.time(), call_id=UUID(call_id), barge_in=barge_in
            )
        except TxError:
            self._futures.questions.discard(done)
            raise
        self._step()

    def forget_question(self, question: CommandFuture[str]) -> None:
        """Nobody waits for this answer now."""
        if question in self._futures.questions:
            self._futures.questions.discard(question)
            self._session.conversation.questions.forget(question, self._loop.time())
            self._step()

    # -- reports of the sockets (SocketReports) ----------------------------------------------------------------------

    def socket_opened(self) -> None:
        self._listener.publish(events.SocketConnected())
        self._session.connection_opened(self._loop.time())
        self._step()

    def message_received(self, message: Received) -> Iterator[object] | None:
        if isinstance(message, TooLong):
            error = RemoteProtocolError(f"a message of more than {message.limit} bytes")
            self._session.message_skipped(error, self._loop.time())
            self._step()
            return None
        self._log.frame("<", message)
        session = self._session
        session.inbox.shows_frames = self._listener.wants_frames()
        if len(message) > LONG_MESSAGE:
            return self._receive_long(message)
        frames = session.frames_of(message, self._loop.time())
        if not isinstance(frames, tuple):
            return self._receive_each(frames)
        for frame in frames:
            self._receive(frame)
        self._step()
        return None

    def _receive_long(self, message: str | bytes) -> Iterator[None]:
        """Decode in a step of its own: megabytes take all the time that the loop may spend on one step."""
        yield
        frames = self._session.frames_of(message, self._loop.time())
        yield
        yield from self._receive_each(frames)

    def _receive_each(self, frames: Iterable[Inbound]) -> Iterator[None]:
        """Handle a batch with a step for each frame, so that the loop can do other work in between."""
        for frame in frames:
            self._receive(frame)
            self._step()
            yield
        self._step()

    def _receive(self, frame: Inbound) -> None:
        try:
            self._session.receive(frame, self._loop.time())
        except Exception as exc:  # noqa: BLE001 - a single frame must not end the login
            self._log.error("a frame from the server could not be handled", exc_info=exc)

    def socket_was_closed(self, closed: Closed, *, was_open: bool) -> None:
        self._session.connection_closed(closed.error, self._loop.time())
        is_over = self._session.registration.is_over
        if is_over:
            self._step()
        if was_open:
            self._listener.publish(events.SocketDisconnected())
        if is_over:
            self._limit_end()
            self._futures.settle_login(closed.error or _too_early())
        else:
            self._step()
        self._check_finished()

    def old_socket_was_closed(self) -> None:
        self._check_finished()

    # -- reports of the calls' media (CallReports) -------------------------------------------------------------------

    def local_description(self, call_id: str, sdp: str) -> None:
        self._session.calls.set_local_description(call_id, sdp, self._loop.time())
        self._step()

    def remote_description_applied(self, call_id: str) -> None:
        self._session.calls.remote_description_applied(call_id, self._loop.time())
        self._step()

    def media_connected(self, call_id: str) -> None:
        self._listener.media_connected(call_id)

    def media_answer(self, call_id: str, sdp: str) -> None:
        self._session.calls.set_answer(call_id, sdp, self._loop.time())
        self._step()

    def media_lost(self, call_id: str, error: TxError, was_up: bool) -> None:
        self._log.warning("call %s: %s", call_id, error)
        self._listener.media_lost(call_id, was_up=was_up)
        self._session.media_lost(call_id, error, self._loop.time(), was_up=was_up)
        self._step()

    def media_failed(self, call_id: str, error: TxError) -> None:
        self._session.calls.fail(call_id, error, self._loop.time())
        self._step()

    def device_failed(self, call_id: str, error: MediaError) -> None:
        self._listener.publish(events.ClientError(error))

    def call_quality(self, call_id: str, stats: MediaStats) -> None:
        received, lost, jitter = stats.packets_received, stats.packets_lost, 1000 * stats.jitter
        self._log.stats("call %s: %d received, %d lost, jitter %.1f ms", call_id, received, lost, jitter)
        self._listener.quality_sampled(call_id, stats, self._loop.time())

    def audio_level(self, call_id: str, inbound: float, outbound: float) -> bool:
        return self._listener.audio_level(call_id, inbound, outbound)

    def device_changed(self, call_id: str, change: AudioDeviceChange, told: Callable[[], None]) -> None:
        """A call's device uses other hardware now. `told` is called when the program knows."""
        self._listener.device_changed(call_id, change, told)

    def agent_voice(self, call_id: str, audible: bool, at: float) -> None:
        """The agent's voice has become audible, or silent; `at` is the time of that, on the loop's clock."""
        self._session.conversation.voice(audible, at, self._loop.time(), call_id)
        self._step()

    def turn_measured(self, call_id: str, turn: TurnLatency) -> None:
        """The agent has answered."""
        self._listener.publish(events.TurnLatencyMeasured(turn, UUID(call_id)))

    # -- a step ------------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """Send what is pending, deliver what happened, set the timer again. Handlers may feed the session again."""
        if self._stepping:
            return
        self._stepping = True
        session = self._session
        try:
            while True:
                for text in session.texts_to_send() if session.waiting_texts else ():
                    if self._sockets.send(text):
                        self._log.frame(">", text)
                event = None if self._incoming.is_pausing else session.next_event()
                if event is None:
                    break
                handler = self._HANDLERS.get(type(event))
                try:
                    if handler is None:
                        self._listener.publish(event)
                    else:
                        handler(self, event)
                except Exception as exc:  # noqa: BLE001 - the next events may be about other calls
                    self._log.error("%s could not be handled", type(event).__name__, exc_info=exc)
            if (metrics := session.socket_health.metrics) is not self._socket_metrics:
                self._socket_metrics = metrics
                self._listener.publish(events.SocketMetricsChanged(metrics))
        finally:
            self._stepping = False
            self._arm_timer()

    def _arm_timer(self) -> None:
        deadline = None if self._finished else self._session.get_timer()
        # Each frame moves the time at which the connection counts as dead. A timer that fires too early finds nothing
        # to do and is set again. This is cheaper than to set the timer again with each frame.
        if self._timer is not None and (deadline is None or deadline < self._timer.when()):
            self._timer.cancel()
            self._timer = None
        if deadline is not None and self._timer is None:
            self._timer = self._loop.call_at(deadline, self._timer_fired)
        if self._routes is not None:
            self._routes.run(self._session.recovery.is_planned and not self._finished)

    def _network_changed(self) -> None:
        self._session.recovery.hurry(self._loop.time())
        self._step()

    def _timer_fired(self) -> None:
        self._timer = None
        if self._sockets.are_held_back:
            self._session.liveness.confirmed(self._loop.time())
        try:
            self._session.handle_timer(self._loop.time())
        except Exception as exc:  # noqa: BLE001 - the next timer is for something else
            self._log.error("a timer could not be handled", exc_info=exc)
        self._step()

    # -- the session's events ----------------------------------------------------------------------------------------

    def _on_ready(self, event: events.ClientReady) -> None:
        self._log.info("ready: session %s", self._session.registration.session_id)
        self._publish_registered()
        self._listener.publish(event)
        self._futures.settle_login()

    def _on_login_failed(self, event: outcomes.LoginFailed) -> None:
        self._log.error("login failed: %s", event.error)
        self._listener.publish(event)
        self._futures.settle_login(event.error)

    def _on_client_failed(self, event: outcomes.ClientFailed) -> None:
        self._log.error("%s", event.error)
        self._listener.publish(event)

    def _on_reconnecting(self, event: events.Reconnecting) -> None:
        self._log.warning("reconnecting in %.1f s (attempt %d): %s", event.delay, event.attempt, event.error)
        self._listener.publish(event)

    def _on_reconnected(self, event: events.Reconnected) -> None:
        self._log.info("reconnected: session %s", self._session.registration.session_id)
        self._publish_registered()
        self._listener.publish(event)

    def _publish_registered(self) -> None:
        known = self._session.registration
        registered = outcomes.Registered(known.voice_sdk_id, known.report.call_report_id, known.target_id)
        self._listener.publish(registered)

    def _on_open_connection(self, event: outcomes.OpenConnection) -> None:
        self._sockets.open(functools.partial(self._url_of, event))

    def _on_drop_connection(self, event: outcomes.DropConnection) -> None:
        if self._sockets.drop():
            self._listener.publish(events.SocketDisconnected())

    def _on_close_connection(self, event: outcomes.CloseConnection) -> None:
        self._limit_end()
        if not self._sockets.close(event.code, event.reason):
            # There is no socket now whose end would come. In the loop's next turn, because events are still to come.
            self._loop.call_soon(self._end_without_socket)

    def _end_without_socket(self) -> None:
        self._session.connection_closed(None, self._loop.time())
        self._futures.settle_login(_too_early())
        self._check_finished()

    def _on_call_state(self, event: outcomes.CallStateChanged) -> None:
        self._log.info("call %s: %s", event.call_id, event.state)
        self._listener.publish(event)
        self._futures.settle_answer(event.call_id, event.state)
        if event.call_id in self._calls:
            self._calls[event.call_id].ring(event.state.kind is CallStateKind.RINGING)
        if event.state.is_terminal:
            self._incoming.over(event.call_id)
            self._close_media(event.call_id)

    def _on_remote_description(self, event: outcomes.RemoteDescription) -> None:
        driver = self._calls.get(event.call_id)
        if driver is not None:
            driver.apply_remote_description(event.sdp)

    def _on_media_offered(self, event: outcomes.MediaOffered) -> None:
        driver = self._calls.get(event.call_id)
        if driver is not None:
            driver.take_offer(event.sdp)

    def _on_agent_state(self, event: events.AgentStateChanged) -> None:
        if self._agent_state is AgentState.SPEAKING and event.agent_state in _INTERRUPTING:
            for driver in self._calls.values():
                driver.flush()
        self._agent_state = event.agent_state
        self._listener.publish(event)

    def _on_malformed(self, event: outcomes.Malformed) -> None:
        self._log.warning("ignored a frame from the server: %s", event.error)

    def _on_credentials_updated(self, event: outcomes.CredentialsUpdated) -> None:
        self._log.info("logged in with other credentials")
        self._futures.settle_credentials()

    def _on_credentials_refused(self, event: outcomes.CredentialsRefused) -> None:
        self._log.error("other credentials: %s", event.error)
        self._futures.settle_credentials(event.error)

    _HANDLERS: ClassVar[dict[type, Callable[[SessionDriver, Any], None]]] = {
        events.ClientReady: _on_ready,
        outcomes.LoginFailed: _on_login_failed,
        outcomes.ClientFailed: _on_client_failed,
        events.Reconnecting: _on_reconnecting,
        events.Reconnected: _on_reconnected,
        outcomes.OpenConnection: _on_open_connection,
        outcomes.DropConnection: _on_drop_connection,
        outcomes.CloseConnection: _on_close_connection,
        outcomes.IncomingCall: lambda driver, event: driver._incoming.rings(event),
        outcomes.CredentialsUpdated: _on_credentials_updated,
        outcomes.CredentialsRefused: _on_credentials_refused,
        outcomes.CallStateChanged: _on_call_state,
        outcomes.RemoteDescription: _on_remote_description,
        outcomes.MediaOffered: _on_media_offered,
        outcomes.MessageSent: lambda driver, event: driver._futures.settle_message(event.item_id),
        outcomes.MessageFailed: lambda driver, event: driver._futures.settle_message(event.item_id, event.error),
        outcomes.CommandSettled: lambda driver, event: driver._futures.settle_ticket(event.ticket, event.error),
        outcomes.QuestionSettled: lambda driver, event: driver._futures.settle_question(
            event.key, event.text, event.error
        ),
        events.AgentStateChanged: _on_agent_state,
        outcomes.Malformed: _on_malformed,
    }
    """Events for which the driver does something. All others go to the listener as they are."""

    # -- the end -----------------------------------------------------------------------------------------------------

    def _close_media(self, call_id: str) -> None:
        driver = self._calls.pop(call_id, None)
        if driver is None:
            return
        self._await_end(driver.closed)
        driver.close()

    def _refuse(self, call_id: str, error: MediaError) -> None:
        """End a call that came in and cannot be answered."""
        self._session.calls.fail(call_id, error, self._loop.time())
        self._listener.publish(events.ClientError(error))

    def _go_on(self) -> None:
        """Deliver what happened during `is_pausing`."""
        self._step()
        self._check_finished()

    def _await_end(self, closing: asyncio.Future[None]) -> None:
        """Finish not before `closing` is done."""
        self._closing_media.add(closing)
        closing.add_done_callback(self._media_closed)

    def _media_closed(self, closed: asyncio.Future[None]) -> None:
        self._closing_media.discard(closed)
        self._check_finished()

    def _check_finished(self) -> None:
        is_gone = self._session.registration.is_closed and self._sockets.are_gone
        if (
            not self._finished
            and is_gone
            and not self._closing_media
            and not self._calls
            and not self._incoming.is_pausing
        ):
            self._finish()

    def _limit_end(self) -> None:
        """The session is over, or about to be: limit the time until `finished`."""
        if self._ending is None:
            self._ending = self._loop.call_later(END_LIMIT, self._give_up)

    def _give_up(self) -> None:
        """The time for the end is over: do not wait for what has not closed."""
        if self._finished:
            return
        left = [f"{len(self._closing_media)} call(s)'s media"] if self._closing_media else []
        if self._sockets.abandon():
            left.append("a connection")
        self._log.error("%s did not end within %g s and was left behind", " and ".join(left) or "a call", END_LIMIT)
        if not self._session.registration.is_closed:
            self._session.connection_closed(None, self._loop.time())
            self._step()
        self._finish()

    def _finish(self) -> None:
        self._finished = True
        if self._ending is not None:
            self._ending.cancel()
        self._arm_timer()
        self._futures.settle_rest()
        self._listener.finished()
        self._futures.settle_end()
        self._listener.release()

    def _settle_after(self, done: CommandFuture[None], gone: asyncio.Future[None] | None) -> None:
        if gone is None or gone.done():
            done.settle_after_callbacks()
        else:
            gone.add_done_callback(lambda _: done.settle_after_callbacks())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task. asyncio has only weak references to tasks, and does not report their errors."""
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a background task failed", exc_info=error)


def _too_early() -> LocalProtocolError:
    return LocalProtocolError("disconnected before the login was complete")
