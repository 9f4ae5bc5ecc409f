"""`Keys`: the telephone keys that are pressed in a call (DTMF), in order, with pauses between them (R34).

Rules of this file:

1. Keys go out of band, as one `info` request for each run of keys, as all official SDKs send them. How long a tone is,
   the telephone network decides: no official SDK says so, and the frame has no place for it.
2. Pauses are kept here and not sent: what the server would make of them is not known. A pause begins when the tones
   before it are over, as far as that can be told.
3. The next run goes out when the server has confirmed the last one; a refusal ends the sequence, never the call.
4. Keys are pressed in an active call only. Those of a lost connection are not pressed later: by then they would mean
   something else.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

import attrs

from ...errors import CallError, ClientConfigurationError, TxError
from ..outcomes import CommandSettled, SessionEvent
from ..session.pending import Channel, Pending, RequestKind
from ..session.registration import Registration
from ..session.settings import SessionSettings
from ..states import CallStateKind
from ..timers import Timer, TimerKind, Timers
from ..wire import inbound, requests
from .dialog import Dialog

__all__ = ["PAUSES", "KeyRun", "Keys", "key_runs"]

PAUSES = {",": 2.0, "w": 0.5, "W": 1.0}
"""Seconds. The comma is the modems'; `w` and `W` are those of Telnyx's other interfaces."""

TONE_TIME = 0.35
"""Seconds that a key takes in the network: FreeSWITCH's tone of 250 ms and the gap after it."""

_KEYS = re.compile("[0-9A-Da-d*#]")
_RUNS = re.compile("([0-9A-D*#]*)([,wW]*)")


@attrs.frozen
class KeyRun:
    """Keys that go out together, and the seconds of silence after them."""

    keys: str = attrs.field(repr=False)
    pause: float = 0.0


def key_runs(digits: str, gap: float = 0.0) -> tuple[KeyRun, ...]:
    """What to press, and when.

    Args:
        digits: `0-9`, `A-D`, `*`, `#`, and the pauses `,`, `w` and `W`.
        gap: Seconds between two keys, in place of the network's; 0 leaves it to the network.

    Raises:
        ClientConfigurationError: It has something else in it, which is named by its place: keys may be secret.
    """
    given: object = digits
    if not isinstance(given, str):
        raise ClientConfigurationError(f"digits must be a text such as '12#', not {type(given).__name__}")
    if not digits:
        raise ClientConfigurationError("digits: there are no keys to press; give some, such as '12#'")
    for place, key in enumerate(digits, 1):
        if key not in PAUSES and not _KEYS.fullmatch(key):
            raise ClientConfigurationError(
                f"digits: character {place} of {len(digits)} is no telephone key; "
                "there are 0-9, A-D, * and #, and the pauses ',' (2 s), 'w' (0.5 s) and 'W' (1 s)"
            )
    if not 0.0 <= gap <= 10.0:
        raise ClientConfigurationError(f"gap must be 0 to 10 seconds, not {gap!r}")
    text = "".join(key if key in PAUSES else key.upper() for key in digits)
    runs: list[KeyRun] = []
    for match in _RUNS.finditer(text):
        keys, pauses = match.groups()
        if not keys and not pauses:
            continue
        pause = sum(PAUSES[one] for one in pauses)
        if gap and keys:
            runs += [KeyRun(key, gap) for key in keys[:-1]]
            keys = keys[-1]
        runs.append(KeyRun(keys, pause))
    return tuple(runs)


@attrs.define
class _Sequence:
    """What one command wants to be pressed."""

    ticket: str
    runs: deque[KeyRun]
    goes_on_at: float = 0.0


class Keys:
    """The keys of all calls.

    Args:
        channel: Where requests go.
        timers: Where pauses are kept.
        registration: Whether requests may go, and in which session.
        settings: How long to wait for the server.
        report: Is told what became of each command.
    """

    def __init__(
        self,
        channel: Channel,
        timers: Timers,
        registration: Registration,
        settings: SessionSettings,
        report: Callable[[SessionEvent], None],
    ) -> None:
        self._channel = channel
        self._timers = timers
        self._registration = registration
        self._settings = settings
        self._report = report
        self._sequences: dict[str, deque[_Sequence]] = {}

    def press(self, dialog: Dialog, runs: tuple[KeyRun, ...], now: float) -> str:
        """Press these after those that are being pressed.

        Returns:
            The ticket by which `CommandSettled` tells what became of it.

        Raises:
            CallError: The call is not active.
        """
        self._check(dialog)
        ticket = self._channel.new_id()
        queue = self._sequences.setdefault(dialog.call_id, deque())
        queue.append(_Sequence(ticket, deque(runs)))
        if len(queue) == 1:
            self._next(dialog, now)
        return ticket

    def answered(self, dialog: Dialog, reply: inbound.Reply | inbound.Refusal | None, now: float) -> None:
        """The server's result or error; None: it said nothing in time."""
        queue = self._sequences.get(dialog.call_id)
        if not queue:
            return
        sequence = queue[0]
        if isinstance(reply, inbound.Reply):
            if sequence.goes_on_at <= now:
                self.pause_over(dialog, now)
            else:
                self._timers.set(Timer(TimerKind.KEYS, dialog.call_id), sequence.goes_on_at)
            return
        why = "the server did not confirm them in time" if reply is None else f"the server refused them: {reply}"
        error = CallError(f"the keys were not pressed: {why}", call_id=dialog.call_id)
        if reply is not None:
            error.__cause__ = reply.for_call(dialog.call_id)
        self._settle(queue, error)
        self._next(dialog, now)

    def pause_over(self, dialog: Dialog, now: float) -> None:
        """A pause has ended, or there was none: go on with the next keys."""
        self._timers.cancel(Timer(TimerKind.KEYS, dialog.call_id))
        queue = self._sequences.get(dialog.call_id)
        if not queue:
            return
        queue[0].runs.popleft()
        if not queue[0].runs:
            self._settle(queue, None)
        self._next(dialog, now)

    def end(self, call_id: str, why: str) -> None:
        """No key can be pressed in this call any more, or not in time."""
        self._timers.cancel(Timer(TimerKind.KEYS, call_id))
        queue = self._sequences.pop(call_id, None)
        while queue:
            self._settle(queue, CallError(f"not all keys were pressed: {why}", call_id=call_id))

    def _next(self, dialog: Dialog, now: float) -> None:
        """Press the first keys that there are."""
        queue = self._sequences.get(dialog.call_id)
        while queue:
            sequence = queue[0]
            try:
                self._check(dialog)
            except CallError as error:
                self._settle(queue, error)
                continue
            run = sequence.runs[0]
            sequence.goes_on_at = now + run.pause + (len(run.keys) * TONE_TIME if run.pause else 0.0)
            if not run.keys:
                self._timers.set(Timer(TimerKind.KEYS, dialog.call_id), sequence.goes_on_at)
                return
            pending = Pending(RequestKind.INFO, dialog.call_id)
            request_id = self._channel.expect(pending, now + self._settings.request_timeout)
            session_id = self._registration.session_id
            self._channel.send(requests.dtmf(request_id, dialog.call_id, session_id, run.keys))
            return

    def _check(self, dialog: Dialog) -> None:
        if dialog.state.kind is not CallStateKind.ACTIVE or not self._registration.is_ready:
            raise CallError(
                f"the call is {dialog.state.value}; keys can be pressed in an active call only", call_id=dialog.call_id
            )

    def _settle(self, queue: deque[_Sequence], error: TxError | None) -> None:
        self._report(CommandSettled(queue.popleft().ticket, error))
