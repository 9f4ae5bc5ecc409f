"""`Controls`: what is done to a call while it lasts - hold and keys - as `Calls` sees it."""

from __future__ import annotations

from collections.abc import Callable

from . import events
from .channel import Channel, Pending, RequestKind
from .dialog import Dialog
from .hold import Holds
from .keys import Keys
from .outcomes import SessionEvent
from .registration import Registration
from .settings import SessionSettings
from .timers import Timers

__all__ = ["Controls"]


class Controls:
    """Tells holds and keys what happens to their calls; for the arguments see these."""

    def __init__(
        self,
        channel: Channel,
        timers: Timers,
        registration: Registration,
        settings: SessionSettings,
        report: Callable[[SessionEvent], None],
    ) -> None:
        self.holds = Holds(channel, registration, settings, report)
        self.keys = Keys(channel, timers, registration, settings, report)

    def answered(
        self, dialog: Dialog, pending: Pending, reply: events.Reply | events.Refusal | None, now: float
    ) -> None:
        """A reply to one of their requests; None: there was none in time."""
        if pending.kind is RequestKind.MODIFY:
            self.holds.answered(dialog, reply, now)
        else:
            self.keys.answered(dialog, reply, now)

    def connection_lost(self, call_id: str) -> None:
        """The call goes on over another connection, if at all."""
        self.holds.connection_lost(call_id)
        self.keys.end(call_id, "the connection was lost")

    def end(self, call_id: str) -> None:
        """The call is over."""
        self.holds.end(call_id)
        self.keys.end(call_id, "the call ended")
