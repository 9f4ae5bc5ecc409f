"""`ClientState`: what one can see of a client's connection and calls at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._client_base import ClientBase
from ._connection_status import ConnectionStatus, shown

if TYPE_CHECKING:
    from .call import Call
    from .config import TxServerConfiguration

__all__ = ["ClientState"]


class ClientState(ClientBase):
    """Snapshots. Any thread."""

    @property
    def connection_status(self) -> ConnectionStatus:
        """How far the connection is. Android: `connectionStatusFlow`; Flutter: `getConnectionStatus()`."""
        return shown(self._watch.get().status.value)

    @property
    def active_call(self) -> Call | None:
        """Of the calls that are answered and up (`ACTIVE` or `HELD`), the one that was placed, or came in, last.

        None if there is none.
        """
        calls = reversed(dict(self._calls).values())
        return next((call for call in calls if call.state.is_considered_active), None)

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
    def server_configuration(self) -> TxServerConfiguration:
        """The servers of the latest login; Telnyx's production servers before the first."""
        return self._configuration
