"""`Holds`: putting calls on hold and taking them back. One request at a time, and the server has the last word (R33).

Rules of this file:

1. Nothing is held before the server says so. A refusal or its silence leaves the call as it is: error 44001.
2. Wishes of one call are served in order. What "toggle" means is decided when its turn has come, so that two of them
   cancel each other out; on the wire it is `hold` or `unhold`, as iOS has it, which may be said twice without harm.
3. A wish outlives the connection: it is said (again) once the call has been taken up.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable

import attrs

from ...errors import CallError
from ..outcomes import CommandSettled, SessionEvent
from ..session.pending import Channel, Pending, RequestKind
from ..session.registration import Registration
from ..session.settings import SessionSettings
from ..states import CallStateKind
from ..wire import inbound, requests
from .dialog import Dialog

__all__ = ["HOLD_FAILED", "HoldWish", "Holds"]

HOLD_FAILED = 44001
"""Official error code."""

_MAY_WISH = frozenset({CallStateKind.ACTIVE, CallStateKind.HELD, CallStateKind.DROPPED, CallStateKind.RECONNECTING})
_HELD_WORDS = {"held": True, "active": False, "unheld": False}


class HoldWish(enum.Enum):
    """What is wanted."""

    HOLD = "hold"
    UNHOLD = "unhold"
    TOGGLE = "toggleHold"


@attrs.define
class _Queue:
    """The wishes of one call; `asked` is what the server is being asked for now, for the first of them."""

    wishes: deque[tuple[str, HoldWish]] = attrs.field(factory=deque)
    asked: bool | None = None


class Holds:
    """The wishes of all calls.

    Args:
        channel: Where requests go.
        registration: Whether they may go, and in which session.
        settings: How long to wait for the server.
        report: Is told what became of each wish.
    """

    def __init__(
        self,
        channel: Channel,
        registration: Registration,
        settings: SessionSettings,
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._channel = channel
        self._registration = registration
        self._settings = settings
        self._report = report
        self._queues: dict[str, _Queue] = {}

    def want(self, dialog: Dialog, wish: HoldWish, now: float) -> str:
        """Somebody wants it.

        Returns:
            The ticket by which `CommandSettled` tells what became of it.

        Raises:
            CallError: The call was not answered yet.
        """
        if dialog.state.kind not in _MAY_WISH:
            raise CallError(
                f"the call is {dialog.state.value}; only a call that was answered can be put on hold",
                code=HOLD_FAILED,
                call_id=dialog.call_id,
            )
        ticket = self._channel.new_id()
        self._queues.setdefault(dialog.call_id, _Queue()).wishes.append((ticket, wish))
        self.go_on(dialog, now)
        return ticket

    def go_on(self, dialog: Dialog, now: float) -> None:
        """Ask for the first wish, if nothing is being asked and the server can be asked."""
        queue = self._queues.get(dialog.call_id)
        if queue is None or not queue.wishes or queue.asked is not None:
            return
        if not (self._registration.is_ready and dialog.state.is_considered_active):
            return
        wish = queue.wishes[0][1]
        is_held = dialog.state.kind is CallStateKind.HELD
        queue.asked = not is_held if wish is HoldWish.TOGGLE else wish is HoldWish.HOLD
        action = HoldWish.HOLD if queue.asked else HoldWish.UNHOLD
        pending = Pending(RequestKind.MODIFY, dialog.call_id)
        request_id = self._channel.expect(pending, now + self._settings.request_timeout)
        self._channel.send(requests.modify(request_id, dialog.call_id, self._registration.session_id, action.value))

    def answered(self, dialog: Dialog, reply: inbound.Reply | inbound.Refusal | None, now: float) -> None:
        """The server's result or error; None: it said nothing in time."""
        queue = self._queues.get(dialog.call_id)
        if queue is None or queue.asked is None:
            return
        asked, queue.asked = queue.asked, None
        ticket = queue.wishes.popleft()[0]
        error: CallError | None = None
        if isinstance(reply, inbound.Reply):
            # A result without the state means that it was done.
            is_held = asked if reply.hold_state is None else _HELD_WORDS.get(reply.hold_state.lower(), asked)
            dialog.hold_confirmed(is_held)
            if is_held is not asked:
                error = _failed(dialog.call_id, asked, f"it says that the call is {reply.hold_state}")
        elif reply is None:
            error = _failed(dialog.call_id, asked, "it did not answer in time")
        else:
            error = _failed(dialog.call_id, asked, f"it refused: {reply}")
            error.__cause__ = reply.for_call(dialog.call_id)
        self._report(CommandSettled(ticket, error))
        self.go_on(dialog, now)

    def connection_lost(self, call_id: str) -> None:
        """Whether the server still got it is unknown; it is asked again once the call is back."""
        queue = self._queues.get(call_id)
        if queue is not None:
            queue.asked = None

    def end(self, call_id: str) -> None:
        """The call is over."""
        queue = self._queues.pop(call_id, None)
        for ticket, _ in () if queue is None else queue.wishes:
            error = CallError("the call ended before its hold was changed", code=HOLD_FAILED, call_id=call_id)
            self._report(CommandSettled(ticket, error))


def _failed(call_id: str, asked: bool, why: str) -> CallError:
    what = "put the call on hold" if asked else "take the call off hold"
    return CallError(f"the server did not {what}: {why}", code=HOLD_FAILED, call_id=call_id)
