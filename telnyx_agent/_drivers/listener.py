"""`SessionListener`: gets what happens in a login from its `SessionDriver`. `Publisher` is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._media.stats import MediaStats
    from .._protocol import outcomes
    from .._protocol.wire.requests import CallOptions
    from ..audio import AudioDeviceChange
    from .call import CallMedia

__all__ = ["SessionListener"]


class SessionListener(Protocol):
    """Gets what happens in a login. All methods are called on the loop thread, in the order of what happened."""

    def publish(self, event: object) -> None:
        """Something happened: one of the classes of `telnyx_agent.events`, or an event of the core's."""

    def wants_frames(self) -> bool:
        """Whether anybody wants `outcomes.MessageReceived`."""

    def incoming_call(self, options: CallOptions, details: outcomes.CallDetails) -> CallMedia:
        """Somebody calls. Returns the call's media until it is answered."""

    def media_connected(self, call_id: str) -> None:
        """A call's audio can flow."""

    def media_lost(self, call_id: str, *, was_up: bool) -> None:
        """A call has no path for its audio (any more)."""

    def quality_sampled(self, call_id: str, stats: MediaStats, now: float) -> None:
        """A call's media statistics, at its interval."""

    def device_changed(self, call_id: str, change: AudioDeviceChange, told: Callable[[], None]) -> None:
        """A call's device uses other hardware now. Call `told` when the program knows."""

    def audio_level(self, call_id: str, inbound: float, outbound: float) -> bool:
        """The audio levels of a call. Returns whether anybody wants more of them."""

    def finished(self) -> None:
        """Everything of this login is closed: socket, calls, media. No event follows."""

    def release(self) -> None:
        """The last futures are settled: threads may end. No other method is called after this one."""
