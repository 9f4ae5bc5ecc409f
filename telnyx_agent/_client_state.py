"""`ClientState`: what one can see of a client's connection and calls at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

from ._client_base import ClientBase
from ._connection_status import ConnectionStatus, shown

if TYPE_CHECKING:
    from .call import Call

__all__ = ["ClientState"]


class ClientState(ClientBase):
    """Snapshots. Any thread."""

    @property
    def connection_status(self) -> ConnectionStatus:
        """How far the connection is. Android: `connectionStatusFlow`; Flutter: `getConnectionStatus()`."""
        return shown(self._watch.get().status.value)

    def active_calls(self) -> dict[UUID, Call]:
        """The calls that are answered and up (`ACTIVE` or `HELD`), by id. Flutter: `activeCalls()`."""
        return {call_id: call for call_id, call in dict(self._calls).items() if call.state.is_considered_active}

    @property
    def active_call(self) -> Call | None:
        """The one that was placed, or came in, last; None if there is none."""
        return next(reversed(self.active_calls().values()), None)

    def has_active_call(self) -> bool:
        """Whether there is one."""
        return self.active_call is not None

    @property
    def voice_sdk_id(self) -> str | None:
        """The token with which a reconnection finds the same server; None before the login. Flutter: `voiceSdkId`.

        It is sent along by itself; treat it as a secret.
        """
        return self._watch.get().voice_sdk_id

    @property
    def call_report_id(self) -> str | None:
        """The id under which Telnyx takes this session's call reports; None before. Flutter: `callReportId`."""
        return self._watch.get().call_report_id

    @property
    def registration_latency(self) -> float | None:
        """Seconds from `anonymous_login` or `connect` until this session was ready; None before.

        Android and Flutter: `LatencyMetrics.registrationLatencyMs`.
        """
        return self._watch.get().ready_after

    @property
    def socket_host(self) -> str:
        """The host of the signalling server of the latest login, or of Telnyx's. Flutter: `socketHost`."""
        return urlsplit(self._configuration.socket_url).hostname or ""
