"""`ClientLogin`: what logging in takes, whoever logs in - threads, hub and driver - and calls that come in."""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING, Any

import attrs

from . import _exit
from ._calling import MediaChoices, claims, make_media
from ._client_base import ClientBase, LoginLink, not_connected
from ._client_logging import checked_logger, sink_of
from ._hub import Hub
from ._login_state import Link, LinkStatus
from ._runtime.futures import CommandFuture
from ._runtime.imports import uninterrupted
from ._runtime.log import ClientLog
from ._runtime.loop import LoopThread
from ._runtime.threads import check_may_wait
from .config import LogLevel, TxServerConfiguration
from .errors import LocalProtocolError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._call_base import CallPort
    from ._drivers.call import CallMedia
    from ._media.bridge import AudioBridge
    from ._protocol.credentials import Login
    from ._protocol.requests import CallOptions
    from ._runtime.dispatch import Dispatcher
    from .call import Call
    from .tx_config import TxConfig

__all__ = ["ClientLogin"]

_CLOSING_PATIENCE = 2.0
"""Seconds; a server that lives answers a close frame in milliseconds."""


class ClientLogin(ClientBase):
    """Logging in. Any thread, unless it says otherwise."""

    if TYPE_CHECKING:

        def _call_is_over(self, call: Call) -> None: ...
        def _set_up_reports(self, call: Call, debug: bool = False) -> None: ...
        def _make_call(self, options: CallOptions, bridge: AudioBridge, port: CallPort) -> Call: ...

    _login: Login | None = None
    _tx_config: TxConfig | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_free = threading.Event()
        self._session_media = self._media

    def _log_in(
        self,
        login: Login,
        configuration: TxServerConfiguration | None,
        level: LogLevel,
        reconnect_timeout: float,
        tx_config: TxConfig | None = None,
    ) -> CommandFuture[None]:
        """Connect and log in. The future is done when the client is ready.

        Raises:
            LocalProtocolError: The client is logged in already.
        """
        configuration = TxServerConfiguration() if configuration is None else configuration
        choices = self._choices_for(tx_config)
        logger = self._logger if tx_config is None else checked_logger(tx_config.custom_logger) or self._logger
        # Half of the SDK, which nobody needs who only imports it. Here, not under the lock.
        with uninterrupted():
            from ._drivers import making  # noqa: F401

        self._let_failed_login_go()
        with self._lock:
            if self._link is not None:
                raise LocalProtocolError(f"this client is logged in {self._whereto()}already; call disconnect() first")
            loop = LoopThread.acquire()
            try:
                self._session_media, self._tx_config = choices, tx_config
                link = self._new_link(login, configuration, level, reconnect_timeout, loop, logger)
                self._is_free.clear()
                _exit.LIVE.add(self)
                # From here on `disconnect` puts an end to it, also if it is interrupted before its start.
                self._link = link
            except BaseException:  # Ctrl-C, or a signal's handler of the program's that raises
                if self._link is None:
                    self._watch.set(Link())
                    _exit.LIVE.discard(self)
                    if self._last_dispatcher is not None:
                        self._last_dispatcher.close()
                    loop.release()
                raise
        self._audience.tell_taps(link.dispatcher, "connecting")
        future: CommandFuture[None] = CommandFuture(link.dispatcher, loop)
        try:
            loop.post(link.driver.start, future)
        except RuntimeError:  # another thread has disconnected since, and that was the end of the loop
            future.settle(error=LocalProtocolError("disconnected before the login was complete"))
        return future

    def _new_link(
        self,
        login: Login,
        configuration: TxServerConfiguration,
        level: LogLevel,
        reconnect_timeout: float,
        loop: LoopThread,
        logger: object | None,
    ) -> LoginLink:
        """What a login takes; nothing of it has begun. Under the lock."""
        from ._drivers.making import make_driver
        from ._protocol.credentials import conversation_of

        dispatcher = self._make_dispatcher()
        if self._last_dispatcher is not None and self._last_dispatcher is not dispatcher:
            # What the last login still has to tell comes first.
            dispatcher.submit(self._last_dispatcher.join, name="the last login's callbacks")
        self._last_dispatcher = dispatcher
        log = self._log = ClientLog(level, self._number, self._flight, sink_of(logger, dispatcher))
        self._configuration, self._login = configuration, login
        self._watch.set(Link(status=LinkStatus.CONNECTING, began_at=time.monotonic()))
        self._assistant._begin_login(conversation_of(login))
        hub = Hub(
            self._audience,
            dispatcher,
            self._watch,
            self._calls,
            self._assistant,
            self._make_incoming,
            on_finished=self._finished,
            on_call_over=self._call_is_over,
            on_release=functools.partial(_release, dispatcher, loop, log),
        )
        driver = make_driver(login, configuration, reconnect_timeout, hub, log, loop, dispatcher.pressure)
        return LoginLink(driver, dispatcher, loop)

    def _let_failed_login_go(self) -> None:
        """A login that has failed only closes its socket: whoever tries other credentials need not wait for that."""
        if self._link is not None and self._watch.get().status is LinkStatus.FAILED:
            check_may_wait("a login")
            self._is_free.wait(_CLOSING_PATIENCE)

    def _finished(self) -> None:
        """Loop thread."""
        super()._finished()
        self._is_free.set()

    def _whereto(self) -> str:
        """For a message: with a space behind, or empty."""
        from ._protocol.credentials import is_anonymous

        if self._login is None or not is_anonymous(self._login):
            return ""
        return f"to {self._watch.get().target_id or 'an assistant'} "

    def _connection_info(self) -> dict[str, Any]:
        target, login = self._watch.get().target_id, self._login
        info = {"isConnected": target is not None, "targetId": target, "targetType": None, "targetVersionId": None}
        if target is not None:
            info["targetType"] = getattr(login, "target_type", None)
            info["targetVersionId"] = getattr(login, "target_version_id", None)
        return info

    def _choices_for(self, config: TxConfig | None) -> MediaChoices:
        """How a session's calls sound, unless they are given their own: the client's choices, and the config's.

        Looks into files: for the thread that logs in.

        Raises:
            ClientConfigurationError, MediaError: Something in the config cannot be used.
        """
        if config is None:
            return self._media
        return attrs.evolve(
            self._media,
            ringtone=self._media.ringtone if config.ringtone is None else config.ringtone,
            ringback=self._media.ringback if config.ring_back_tone is None else config.ring_back_tone,
            relay_only=self._media.relay_only or config.force_relay_candidate,
        )

    # -- calls that come in ------------------------------------------------------------------------------------------

    def _make_incoming(self, options: CallOptions) -> tuple[Call, CallMedia]:
        """The call that the delegate is given; its device is opened when it is answered, and may be another one then.

        Loop thread.
        """
        link = self._link
        assert link is not None  # it is the one that reports the call
        media = make_media(self._session_media, self._configuration, options, link.driver, link.loop, incoming=True)
        call = self._make_call(options, media.bridge, self._call_port())
        self._set_up_reports(call)
        return call, media

    def _answer(
        self, call: Call, headers: tuple[tuple[str, str], ...], muted: bool | None, own_choices: tuple[Any, ...]
    ) -> CommandFuture[None]:
        link = self._link
        if link is None:
            return CommandFuture.settled(error=not_connected())
        choices = self._session_media.but(*own_choices)
        claims.take("audio", call._bridge, choices.device)
        media = make_media(
            choices, self._configuration, call._options, link.driver, link.loop, call._bridge, incoming=True
        )
        future = self._command(
            not_connected(), lambda driver: driver.answer_call, str(call.call_id), headers, media, muted
        )

        def settle_claim(done: Future[None]) -> None:
            if done.exception() is not None:
                claims.give_back(call._bridge, choices.device)

        future.add_done_callback(settle_claim)
        return future


def _release(dispatcher: Dispatcher, loop: LoopThread, log: ClientLog) -> None:
    """Let a login's threads end once they are through with what is queued."""
    dispatcher.submit(log.close)
    dispatcher.close()
    loop.release()
