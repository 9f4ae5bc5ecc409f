"""`Calls`: makes the calls of one client, and keeps them until they end."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ._call_media import MediaChoices, claims, make_media
from ._report_upload import upload_report
from ._runtime.futures import CommandFuture
from ._runtime.imports import uninterrupted
from ._session_handle import SessionHandle, not_connected
from .call import Call

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._call_record import CallRecord
    from ._drivers.call import CallMedia
    from ._login_state import Link
    from ._login_wishes import LoginWishes
    from ._media.call_audio import AudioBridge
    from ._protocol.wire.requests import CallOptions

__all__ = ["Calls"]


class Calls:
    """The calls of one client that have not ended. Methods are for any thread, unless they say otherwise.

    Args:
        enable_reports: Whether each call's report is uploaded, unless `TxConfig.enable_call_reports` says otherwise.
    """

    def __init__(self, *, enable_reports: bool) -> None:
        self._enable_reports = enable_reports
        self._by_id: dict[str, Call] = {}

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._by_id.values()))

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._by_id

    def ids(self) -> tuple[str, ...]:
        """The ids of the calls that have not ended."""
        return tuple(self._by_id)

    def get(self, call_id: str) -> Call | None:
        """The call with this id that has not ended."""
        return self._by_id.get(call_id)

    def all(self) -> Mapping[UUID, Call]:
        """The calls that have not ended, oldest first: an immutable snapshot."""
        return MappingProxyType({call.call_id: call for call in self})

    def place(
        self,
        options: CallOptions,
        handle: SessionHandle,
        wishes: LoginWishes,
        choices: MediaChoices,
        *,
        muted: bool,
        debug: bool,
    ) -> Call | None:
        """Begin a call; None if the login is over.

        Raises:
            ClientConfigurationError: The audio device serves another call.
            MediaError: The audio device says that it cannot be opened.
        """
        media = make_media(choices, wishes.configuration, options, handle)
        claims.take("audio", media.bridge, choices.device)
        media.bridge.muted = muted
        call = self._add(options, media.bridge, handle, wishes, debug)
        if not handle.post(lambda driver: driver.place_call, options, media):
            self.forget(options.call_id)
            media.bridge.end()
            return None
        return call

    # -- for the publisher -------------------------------------------------------------------------------------------

    def record_of(self, call_id: str) -> CallRecord | None:
        """The record of a call that has not ended; else None."""
        call = self._by_id.get(call_id)
        return None if call is None else call._record

    def records(self) -> list[CallRecord]:
        """The records of all calls that have not ended."""
        return [call._record for call in self]

    def comes_in(
        self, options: CallOptions, handle: SessionHandle, wishes: LoginWishes
    ) -> tuple[Call, CallRecord, CallMedia]:
        """Somebody calls. No device is opened before the answer, which may choose another one. Loop thread."""
        media = make_media(wishes.media, wishes.configuration, options, handle, incoming=True)
        call = self._add(options, media.bridge, handle, wishes, False)
        return call, call._record, media

    def is_over(self, record: CallRecord, link: Link, wishes: LoginWishes) -> None:
        """A call has ended, but the program does not know yet: upload its report, on another thread. Loop thread."""
        config = wishes.tx_config
        own = None if config is None else config.enable_call_reports
        if self._enable_reports if own is None else own:
            upload_report(record, link, wishes)

    def forget(self, call_id: str) -> None:
        """A call has ended, and the program knows."""
        self._by_id.pop(call_id, None)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _add(
        self, options: CallOptions, bridge: AudioBridge, handle: SessionHandle, wishes: LoginWishes, debug: bool
    ) -> Call:
        # Costs little here: it needs numpy, which the bridge has imported already.
        with uninterrupted():
            from ._call_record import CallRecord

        config, interval = wishes.tx_config, None
        if config is not None:
            debug = debug or config.debug
            interval = config.call_report_interval
        record = CallRecord(options, bridge, handle, debug=debug, report_interval=interval)
        call = self._by_id[options.call_id] = Call(record, bridge, handle, functools.partial(_answer, handle, wishes))
        return call


def _answer(
    handle: SessionHandle,
    wishes: LoginWishes,
    record: CallRecord,
    bridge: AudioBridge,
    options: CallOptions,
    headers: tuple[tuple[str, str], ...],
    muted: bool | None,
    debug: bool,
    own_choices: tuple[Any, ...],
) -> CommandFuture[None]:
    """Answer a call that came in; see `call.Answering`."""
    if not handle.is_open:
        return CommandFuture.settled(error=not_connected())
    choices = wishes.media.overridden_by(*own_choices)
    claims.take("audio", bridge, choices.device)
    media = make_media(choices, wishes.configuration, options, handle, bridge, incoming=True)
    handle.post(lambda driver: functools.partial(record.answered, debug=debug), options)
    future = handle.command(
        lambda driver: driver.answer_call, options.call_id, headers, media, muted, refusal=not_connected()
    )

    def settle_claim(done: Future[None]) -> None:
        if done.exception() is not None:
            claims.give_back(bridge, choices.device)

    future.add_done_callback(settle_claim)
    return future
