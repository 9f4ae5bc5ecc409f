"""Android's and Flutter's `latencyTracker`: the times of `Call.timings` and of the login, in milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import attrs

from .._protocol.states import CallDirection

if TYPE_CHECKING:
    from ..client import TxClient

__all__ = ["LatencyMetrics", "LatencyTracker"]


@attrs.frozen
class LatencyMetrics:
    """The times of a call's set-up in whole milliseconds; None for steps that are not done. Android: `LatencyMetrics`.

    Attributes:
        call_id: Which call.
        is_outbound: Whether we placed it.
        registration_latency_ms: From the login to the ready client.
        call_setup_latency_ms: From `new_invite` or `accept_call` to `ACTIVE`.
        time_to_first_rtp_ms: From the same moment to the first packet.
        ice_gathering_latency_ms: To gather the candidates of the local description.
        signaling_latency_ms: From the invite to the answer.
        media_establishment_latency_ms: From the remote description to ICE and DTLS being up.
        milestones: Every step with its time since that moment.
    """

    call_id: UUID
    is_outbound: bool
    registration_latency_ms: int | None = None
    call_setup_latency_ms: int | None = None
    time_to_first_rtp_ms: int | None = None
    ice_gathering_latency_ms: int | None = None
    signaling_latency_ms: int | None = None
    media_establishment_latency_ms: int | None = None
    milestones: tuple[tuple[str, int], ...] = ()

    def to_formatted_string(self) -> str:
        """Lines for people. Android: `toFormattedString()`."""
        named = attrs.asdict(self, filter=lambda field, value: field.name.endswith("_ms") and value is not None)
        lines = [f"{name.removesuffix('_ms').replace('_', ' ')}: {value} ms" for name, value in named.items()]
        return "\n".join([f"call {self.call_id}", *lines, *(f"  {label}: {ms} ms" for label, ms in self.milestones)])


class LatencyTracker:
    """Android and Flutter: `latencyTracker`. Any thread."""

    def __init__(self, client: TxClient) -> None:
        """Made by `TelnyxClient.latency_tracker`."""
        self._client = client

    def get_current_call_metrics(self) -> LatencyMetrics | None:
        """The times of the latest call; None if there is no call. Android: `getCurrentCallMetrics()`.

        For any other call, see `Call.timings`.
        """
        call = next(reversed(list(self._client.calls.values())), None)
        if call is None:
            return None
        found = call.timings
        return LatencyMetrics(
            call.call_id,
            call.direction is CallDirection.OUTBOUND,
            _ms(self._client.registration_latency),
            _ms(found.call_setup),
            _ms(found.time_to_first_rtp),
            _ms(found.ice_gathering),
            _ms(found.signaling),
            _ms(found.media_establishment),
            tuple((step.label, round(1000 * step.from_start)) for step in found.steps),
        )


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(1000 * seconds)
