"""`Invites`: which of the server's invites make a call ring.

Rules of this file:

1. An invite makes the call ring, once: a repetition, also one that comes after the call's end, changes nothing.
2. Sessions with an assistant are never called; what looks like it is acknowledged and ignored.
3. An invite that nobody could answer is refused and makes no call: without an offer, with an id that is none, or when
   too many calls ring already, or have begun to in the last seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ...errors import RemoteProtocolError
from ..outcomes import Malformed, SessionEvent
from ..session.pending import Channel
from ..session.registration import Registration
from ..wire import inbound, requests
from ..wire.credentials import is_anonymous
from ..wire.jsonrpc import MOST_ID_CHARACTERS
from .dialog import CAUSE_CODES, Dialogs

__all__ = ["MOST_RINGING", "RINGING_PERIOD", "Invites"]

_REMEMBERED = 1000
"""Of how many calls an invite with their id is recognised as a repetition, so that none comes back after its end."""

MOST_RINGING = 20
"""Calls that may ring at the same time; further ones get a busy tone. A server must not be able to fill the memory."""

RINGING_PERIOD = 10.0
"""Seconds in which at most `MOST_RINGING` calls may begin to ring, also if they end at once: each one is made with its
audio path, and is kept until its callback has run."""

_UNUSABLE, _BUSY = "MANDATORY_IE_MISSING", "USER_BUSY"


class Invites:
    """The invites of one session.

    Args:
        channel: Where refusals go.
        registration: Whose session it is.
        dialogs: The calls that there are.
        report: Is told of invites that make no sense.
    """

    def __init__(
        self, channel: Channel, registration: Registration, dialogs: Dialogs, report: Callable[[SessionEvent], None]
    ) -> None:
        self._channel = channel
        self._registration = registration
        self._dialogs = dialogs
        self._report = report
        self._known: dict[str, None] = {}
        # When the last calls began to ring.
        self._rang: deque[float] = deque(maxlen=MOST_RINGING)

    def admit(self, event: inbound.Invite, now: float) -> bool:
        """Whether the call is to ring. If not, all that is to be done is done."""
        if is_anonymous(self._registration.login) or not self._registration.is_logged_in:
            return False
        if event.call_id in self._dialogs or event.call_id in self._known:
            return False
        if not inbound.is_call_id(event.call_id):
            # Not remembered: it may have thousands of characters.
            self._report(Malformed(RemoteProtocolError("telnyx_rtc.invite with a callID that is not a UUID")))
            # Nor repeated: a server that takes nothing would fill what waits to be sent with them. It gets its result.
            if len(event.call_id) <= MOST_ID_CHARACTERS:
                self._refuse(event.call_id, _UNUSABLE)
            return False
        self.remember(event.call_id)
        if event.sdp is None:
            self._report(Malformed(RemoteProtocolError("telnyx_rtc.invite without a description of its audio (SDP)")))
            self._refuse(event.call_id, _UNUSABLE)
            return False
        are_too_many = len(self._rang) == MOST_RINGING and now - self._rang[0] < RINGING_PERIOD
        if are_too_many or sum(dialog.is_offered for dialog in self._dialogs.values()) >= MOST_RINGING:
            self._refuse(event.call_id, _BUSY)
            return False
        self._rang.append(now)
        return True

    def remember(self, call_id: str) -> None:
        """There is, or was, a call with this id."""
        self._known[call_id] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]

    def _refuse(self, call_id: str, cause: str) -> None:
        """Nobody waits for the answer to this bye."""
        session_id = self._registration.session_id
        self._channel.send(requests.bye(self._channel.new_id(), call_id, session_id, cause, CAUSE_CODES[cause]))
