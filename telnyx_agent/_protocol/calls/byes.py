"""`Byes`: the hang-ups that the server has to know of, until it does."""

from __future__ import annotations

import attrs

from ..session.pending import Channel, Pending, RequestKind
from ..session.registration import Registration
from ..session.settings import SessionSettings
from ..wire import requests

__all__ = ["Byes"]

_MOST = 100
"""For how many calls a bye is repeated; a server that never confirms one must not cost memory."""


@attrs.frozen
class _Bye:
    cause: str | None
    cause_code: int | None
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)


class Byes:
    """Calls that ended on our side. A bye that could not be sent, or may have been lost, is sent after the next login.

    Args:
        channel: Where they go.
        registration: Whether they may go, and in which session.
        settings: How long to wait for the server.
    """

    def __init__(self, channel: Channel, registration: Registration, settings: SessionSettings) -> None:
        self._channel = channel
        self._registration = registration
        self._settings = settings
        self._unconfirmed: dict[str, _Bye] = {}

    def say(
        self,
        call_id: str,
        cause: str | None,
        cause_code: int | None,
        headers: tuple[tuple[str, str], ...],
        now: float,
    ) -> None:
        """A call has ended."""
        bye = self._unconfirmed[call_id] = _Bye(cause, cause_code, headers)
        if len(self._unconfirmed) > _MOST:
            del self._unconfirmed[next(iter(self._unconfirmed))]
        if self._registration.is_logged_in:
            self._send(call_id, bye, now)

    def logged_in(self, now: float) -> None:
        """The server takes requests again."""
        for call_id, bye in self._unconfirmed.items():
            self._send(call_id, bye, now)

    def answered(self, call_id: str) -> None:
        """The server knows that the call is over."""
        self._unconfirmed.pop(call_id, None)

    def session_renewed(self) -> None:
        """The next login begins another session, which has none of these calls."""
        self._unconfirmed.clear()

    def _send(self, call_id: str, bye: _Bye, now: float) -> None:
        request_id = self._channel.expect(Pending(RequestKind.BYE, call_id), now + self._settings.request_timeout)
        session_id = self._registration.session_id
        self._channel.send(requests.bye(request_id, call_id, session_id, bye.cause, bye.cause_code, bye.headers))
