"""`ClientState`: what one can see of a client's connection and calls at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING
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
        """Whether there is one. JavaScript: `hasActiveCall()`."""
        return self.active_call is not None
