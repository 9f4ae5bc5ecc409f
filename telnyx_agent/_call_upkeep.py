"""`CallUpkeep`: the part of `Call` that follows its states, and makes its audio path or device anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ._call_base import CallBase
from ._callables import check_function
from ._protocol.states import CallState
from .errors import CallError

if TYPE_CHECKING:
    from ._runtime.futures import CommandFuture

__all__ = ["CallUpkeep"]


class CallUpkeep(CallBase):
    """See `Call`."""

    _on_state_changed: Callable[[CallState], object] | None = None

    @property
    def previous_state(self) -> CallState | None:
        """The state before the present one; None before the first change."""
        return self._previous_state

    @property
    def on_state_changed(self) -> Callable[[CallState], object] | None:
        """Your function `(state)`, called on the delegate's thread for each new state of this call, `DONE` last.

        It comes just after the delegate's `on_call_state_updated`. Flutter: `call.callHandler.onCallStateChanged`.

        Raises:
            ClientConfigurationError: When it is set: no plain function of one parameter.
        """
        return self._on_state_changed

    @on_state_changed.setter
    def on_state_changed(self, listener: Callable[[CallState], object] | None) -> None:
        if listener is not None:
            check_function("on_state_changed", listener, "(state)")
        self._on_state_changed = listener

    def reset_audio_device(self) -> CommandFuture[None]:
        """Close the call's audio device and open it again. iOS: `resetAudioDevice()`.

        For sound that has gone wrong in the driver. Mute, recording and transcript are kept.

        Returns:
            A future that is done when the device plays again. Its error is a `MediaError` when it cannot be opened, or
            a `CallError` when the call has no media now.
        """
        return self._port.with_sound(self._options.call_id, lambda sound: sound.reset())

    def ice_restart(self) -> CommandFuture[None]:
        """Make the audio path anew. iOS: `iceRestart(completion:)`; Flutter: `restartIce()`.

        Needed rarely: a lost path is noticed and repaired by itself. aiortc cannot restart ICE, so the connection is
        made anew and the server hands the call back, as after a lost network (R56): all calls of the client are
        `DROPPED` for a moment, and become what they were with everything that they had.

        Returns:
            A future that is done when that has begun; wait for `ACTIVE` with `wait_for_state`. Its error is a
            `CallError` when the call has no media that were up, or a `SocketConnectionError` when there is no
            connection.
        """
        call_id, was_up = self._options.call_id, self._media_after is not None
        if not was_up:
            raise CallError("the call has no audio path yet that could be made anew", call_id=call_id)
        error = CallError("the audio path is made anew, as the program has asked for", code=33001, call_id=call_id)
        return self._port.perform(lambda session, now: session.media_lost(call_id, error, now, was_up=True))
