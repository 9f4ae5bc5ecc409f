"""`IncomingDriver`: what a session driver does for logins with credentials - calls that come in, other credentials.

Part of `SessionDriver`. Loop thread only.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .. import _media
from .._protocol import outcomes
from .._protocol.states import CallState, CallTerminationReason
from .._protocol.warnings import WarningCode
from ..errors import CallError, MediaError, TxError
from .call import DEVICE_CLOSE_LIMIT

if TYPE_CHECKING:
    from .._protocol.credentials import CredentialLogin
    from .._protocol.session import Session
    from .._runtime.futures import CommandFuture
    from .._runtime.log import ClientLog
    from .call import CallDriver, CallMedia
    from .listener import SessionListener

__all__ = ["IncomingDriver"]


class IncomingDriver:
    """The attributes are those of `SessionDriver`."""

    if TYPE_CHECKING:
        _session: Session
        _listener: SessionListener
        _log: ClientLog
        _loop: asyncio.AbstractEventLoop
        _calls: dict[str, CallDriver]

        def _step(self) -> None: ...
        def _check_finished(self) -> None: ...
        def _await_end(self, closing: asyncio.Future[None]) -> None: ...
        def _keep(self, task: asyncio.Task[None]) -> None: ...
        def _new_call_driver(self, call_id: str, media: CallMedia, offer: str | None = None) -> CallDriver: ...

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[str, CommandFuture[None]] = {}
        # What their users may have begun to record or to play on calls that were not answered yet.
        self._ringing: dict[str, CallMedia] = {}
        self._credentials_futures: list[CommandFuture[None]] = []
        # While the media libraries are imported for the first call that comes in, what happened waits to be told.
        self._is_pausing = False

    # -- commands ------------------------------------------------------------------------------------------------------

    def answer_call(
        self,
        call_id: str,
        headers: tuple[tuple[str, str], ...],
        media: CallMedia,
        muted: bool | None,
        done: CommandFuture[None],
    ) -> None:
        """Take an incoming call. `done` settles when it is active, or with what it ended with. Raises `TxError`."""
        try:
            offer = self._session.calls.answer(call_id, headers, self._loop.time())
        except TxError:
            if call_id in self._calls:
                self._listener.warned(WarningCode.ANSWER_WHILE_PEER_ACTIVE, call_id)
            raise
        if muted is not None:
            media.bridge.muted = muted
        self._answers[call_id] = done
        self._end_tone(self._ringing.pop(call_id, None))
        self._calls[call_id] = self._new_call_driver(call_id, media, offer)
        self._step()

    def update_credentials(self, login: CredentialLogin, done: CommandFuture[None]) -> None:
        """Log in with other credentials. `done` settles when the server has accepted or refused them.

        Raises:
            TxError: They cannot be exchanged now.
        """
        self._session.relogin.start(login, self._loop.time())
        self._credentials_futures.append(done)
        self._step()

    # -- the session's events ------------------------------------------------------------------------------------------

    def _on_incoming_call(self, event: outcomes.IncomingCall) -> None:
        self._log.info("call %s: comes in", event.options.call_id)
        if _media.is_loaded():
            self._announce(event)
        else:
            # Importing would block the loop; a call can only come so early in a process' first second.
            self._is_pausing = True
            self._keep(self._loop.create_task(self._load_and_go_on(event)))

    def _announce(self, event: outcomes.IncomingCall) -> None:
        media = self._listener.incoming_call(event.options, event.details)
        self._ringing[event.options.call_id] = media
        if media.tone is not None:
            media.tone.start_ringing()

    def _end_tone(self, media: CallMedia | None) -> None:
        """Silence is immediate."""
        if media is not None and media.tone is not None:
            # The session is not over before it is closed, unless its driver hangs.
            silent = asyncio.wrap_future(media.tone.stop_ringing(), loop=self._loop)
            self._await_end(asyncio.ensure_future(_wait_for(silent)))

    async def _load_and_go_on(self, event: outcomes.IncomingCall) -> None:
        try:
            await _media.load()
            self._announce(event)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the caller must not wait for it
            call_id = event.options.call_id
            error = MediaError(f"the call cannot be taken: {exc}", call_id=call_id)
            self._log.error("call %s: %s", call_id, error)
            self._session.calls.fail(call_id, error, self._loop.time())
            self._listener.client_error(error)
        finally:
            self._is_pausing = False
            self._step()
            self._check_finished()

    def _answer_settled(self, call_id: str, state: CallState) -> None:
        """A call is in a new state: tell whoever has answered it."""
        if state == CallState.ACTIVE or state.is_terminal:
            done = self._answers.pop(call_id, None)
            if done is not None and state.is_terminal:
                done.settle(error=_not_answered(call_id, state.termination_reason))
            elif done is not None:
                done.settle_after_callbacks()

    def _put_away(self, call_id: str) -> None:
        """A call is over; if it never was answered, nobody else closes what was made for it."""
        media = self._ringing.pop(call_id, None)
        self._end_tone(media)
        if media is not None:
            self._await_end(asyncio.ensure_future(self._loop.run_in_executor(None, media.sound.stop)))

    def _on_credentials_updated(self, event: outcomes.CredentialsUpdated) -> None:
        self._log.info("logged in with other credentials")
        self._settle_credentials(None)

    def _on_credentials_refused(self, event: outcomes.CredentialsRefused) -> None:
        self._log.error("other credentials: %s", event.error)
        self._settle_credentials(event.error)

    def _settle_commands(self, error: TxError) -> None:
        """The login is over; see `Commands`."""
        super()._settle_commands(error)  # type: ignore[misc]
        for future in self._answers.values():
            future.settle(error=error)
        self._answers.clear()
        self._settle_credentials(error)

    def _settle_credentials(self, error: TxError | None) -> None:
        for future in self._credentials_futures:
            future.settle_after_callbacks(error=error)
        self._credentials_futures.clear()


async def _wait_for(closing: asyncio.Future[None]) -> None:
    await asyncio.wait([closing], timeout=DEVICE_CLOSE_LIMIT)


def _not_answered(call_id: str, reason: CallTerminationReason | None) -> TxError:
    if reason is not None and reason.error is not None:
        return reason.error
    why: Any = "no reason was given" if reason is None else reason
    return CallError(f"the call ended before it was answered: {why}", call_id=call_id)
