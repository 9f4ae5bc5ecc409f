"""`CallControl`: the part of `Call` that holds it, presses keys, and switches its sound on and off."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ._call_base import CallBase
from ._call_timings import CallTimings, timings
from ._checks import checked_headers
from ._protocol.states import CallStateKind

if TYPE_CHECKING:
    from ._protocol.states import CallState
    from ._runtime.futures import CommandFuture

__all__ = ["CallControl"]


class CallControl(CallBase):
    """See `Call`."""

    # -- hold --------------------------------------------------------------------------------------------------------

    def hold(self) -> CommandFuture[None]:
        """Put the call on hold. The state becomes `HELD` when the server has confirmed it, and not before.

        While held, silence is sent and nothing is heard, though the connection stays up; mute is not touched. A held
        call is still held after a reconnection. Commands are served one after the other; one that is given while the
        connection is lost waits for it.

        Returns:
            A future that is done when the call is held. Its error is a `CallError` with code 44001 when the call was
            not answered yet, when the server refuses or does not answer within 10 s (the call goes on as it was), or
            when the call ends first.
        """
        return self._wish("HOLD")

    def unhold(self) -> CommandFuture[None]:
        """Go on with a held call, as `hold`."""
        return self._wish("UNHOLD")

    def toggle_hold(self) -> CommandFuture[None]:
        """`hold` an active call, `unhold` a held one: what it is when the commands before this one are done."""
        return self._wish("TOGGLE")

    @property
    def is_held(self) -> bool:
        """Whether the server has confirmed that the call is on hold."""
        return self._bridge.held

    def _wish(self, name: str) -> CommandFuture[None]:
        from ._protocol.hold import HoldWish

        wish = HoldWish[name]
        call_id = self._options.call_id
        return self._port.request(lambda session, now: session.calls.hold(call_id, wish, now))

    # -- keys --------------------------------------------------------------------------------------------------------

    def dtmf(self, digits: str, *, gap: float = 0.0) -> CommandFuture[None]:
        """Press telephone keys, after those that are still being pressed. Only in an `ACTIVE` call.

        They go to the network as keys, not as tones in the sound, and the network makes the tones. How long these are
        is its choice, as with all official SDKs.

        Args:
            digits: `0` to `9`, `A` to `D`, `*` and `#`; between them the pauses `,` (2 s), `w` (0.5 s) and `W` (1 s).
            gap: Seconds from one key to the next, 10 at most. 0 leaves it to the network.

        Returns:
            A future that is done when the server has confirmed the last key. Its error is a `CallError`: the call is
            not active (any more), the connection was lost, or the server refused; the call goes on.

        Raises:
            ClientConfigurationError: There are no keys, or something that is none.
        """
        from ._protocol.keys import key_runs

        runs = key_runs(digits, gap)
        call_id = self._options.call_id
        return self._port.request(lambda session, now: session.calls.press_keys(call_id, runs, now))

    # -- mute and deaf -----------------------------------------------------------------------------------------------

    def mute_audio(self) -> None:
        """Send silence from here on. Takes effect with the next 20 ms packet; nothing is signalled."""
        self._bridge.muted = True

    def unmute_audio(self) -> None:
        """Send the microphone again."""
        self._bridge.muted = False

    def toggle_mute(self) -> bool:
        """Mute a call that is not muted, and the other way round.

        Returns:
            Whether the call is muted now.
        """
        self._bridge.muted = not self._bridge.muted
        return self._bridge.muted

    def set_mute(self, muted: bool) -> None:
        """Mute, or not. Android and Flutter: `setMuteState`."""
        self._bridge.muted = bool(muted)

    @property
    def is_muted(self) -> bool:
        """Whether silence is sent in place of the microphone; what was asked for, also before the call is up."""
        return self._bridge.muted

    def deaf_audio(self) -> None:
        """Hear nothing from here on; what is said meanwhile is lost. Nothing is signalled."""
        self._bridge.deaf = True

    def undeaf_audio(self) -> None:
        """Hear again."""
        self._bridge.deaf = False

    def toggle_deaf(self) -> bool:
        """Deafen a call that is not deaf, and the other way round.

        Returns:
            Whether nothing is heard now.
        """
        self._bridge.deaf = not self._bridge.deaf
        return self._bridge.deaf

    @property
    def is_deaf(self) -> bool:
        """Whether silence is heard in place of the agent; what was asked for, also before the call is up."""
        return self._bridge.deaf

    mute = mute_audio
    unmute = unmute_audio
    # Telnyx's iOS page has these two, its source does not.
    mute_unmute = toggle_mute
    hold_unhold = toggle_hold

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def caller_name(self) -> str:
        """The caller's name, as it was given."""
        return self._options.caller_name

    @property
    def caller_number(self) -> str:
        """The caller's number, as it was given."""
        return self._options.caller_number

    @property
    def destination_number(self) -> str:
        """Who is called, as it was given."""
        return self._options.destination_number

    @property
    def client_state(self) -> str | None:
        """The client state, base64 as on the wire: the server's, if it has sent one; else that of `new_call`."""
        return self._details.client_state or self._options.client_state

    @property
    def datacenter(self) -> str | None:
        """The name of the media server that has the call, if it tells. Flutter: `resolvedDatacenter`."""
        return self._details.datacenter

    @property
    def bye_custom_headers(self) -> Mapping[str, str]:
        """The custom headers that came with the far end's hang-up."""
        return MappingProxyType(dict(self._details.bye_custom_headers))

    @property
    def timings(self) -> CallTimings:
        """How long each step of the set-up took, as far as the call has come."""
        return timings(self._marks.snapshot())

    # -- the end -----------------------------------------------------------------------------------------------------

    def hangup(
        self,
        cause: str | None = None,
        cause_code: int | None = None,
        custom_headers: Mapping[str, str] | None = None,
    ) -> CommandFuture[None]:
        """End the call. Returns at once; a call that is not out yet is cancelled, one that has ended is no error.

        Args:
            cause: The hang-up cause for the far end; by default `USER_BUSY` before the answer, `NORMAL_CLEARING`
                after it.
            cause_code: The number that goes with `cause`.
            custom_headers: SIP headers for the far end; names start with `X-`.

        Returns:
            A future that is done when the call's media and audio device are closed.

        Raises:
            ClientConfigurationError: A header is unusable.
        """
        headers = checked_headers(custom_headers)
        if headers:
            call_id = self._options.call_id
            self._port.perform(lambda session, now: session.calls.set_bye_headers(call_id, headers))
        return super().hangup(cause, cause_code)

    # -- fed by the hub, on the loop thread --------------------------------------------------------------------------

    def _apply_state(self, state: CallState) -> None:
        # In between the two, while the connection is lost, it stays as it was: nothing may be heard before its time.
        if state.kind is CallStateKind.HELD:
            self._bridge.held = True
        elif state.kind is CallStateKind.ACTIVE:
            self._bridge.held = False
        super()._apply_state(state)
