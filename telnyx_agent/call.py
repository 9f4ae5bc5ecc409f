"""`Call`: one call, from any thread. Commands go to the loop and return at once; properties are snapshots.

iOS: `Call`. A call is made by `TxClient.new_call` and is kept up to date until it is `DONE`; after that it keeps its
last values, its transcript and its termination reason for as long as you hold it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ._arguments import checked_arguments
from ._call_asking import CallAsking
from ._call_base import CallPort, TxCallInfo
from ._call_control import CallControl
from ._call_incoming import CallAnswering
from ._call_quality import CallMonitoring
from ._call_recording import CallRecording
from ._call_upkeep import CallUpkeep
from ._callables import check_function
from ._calling import checked_device, claims
from ._protocol.warnings import WarningCode
from .audio.device import check_hardware
from .errors import CallError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ._drivers.sound import CallSound
    from ._media.peer import MediaStats
    from ._media.turns import TurnLatency
    from ._runtime.futures import CommandFuture
    from .audio import AudioDevice

__all__ = ["Call", "CallPort", "TxCallInfo"]


@checked_arguments
class Call(CallControl, CallRecording, CallAnswering, CallAsking, CallMonitoring, CallUpkeep):
    """One call, with the assistant or with anybody. Every method may be called from any thread and inside any callback.

    As a context manager it hangs up at the end of the block:

        with client.new_call() as call:
            call.wait_until_active(timeout=10)
    """

    def discard_playback(self) -> None:
        """Throw away what the agent has said and was not heard yet, at most some tenths of a second.

        It happens by itself when the assistant says that it was interrupted.
        """
        self._bridge.flush()

    # -- levels, devices ---------------------------------------------------------------------------------------------

    @property
    def input_level(self) -> float:
        """The level of what is sent now, 0.0 to 1.0."""
        return self._bridge.input_level

    @property
    def output_level(self) -> float:
        """The level of what is heard now, 0.0 to 1.0."""
        return self._bridge.output_level

    @property
    def on_audio_level(self) -> Callable[[float, float], object] | None:
        """Your function `(inbound, outbound)`, called on the delegate's thread 20 times a second while media is up.

        For a level meter of this call; the delegate's method of the same name gets those of all calls. Both levels are
        root mean squares, 0.0 to 1.0: of the agent's voice, and of what is sent.

        Raises:
            ClientConfigurationError: When it is set: no plain function of two parameters.
        """
        return self._on_audio_level

    @on_audio_level.setter
    def on_audio_level(self, listener: Callable[[float, float], object] | None) -> None:
        if listener is not None:
            check_function("on_audio_level", listener, "(inbound, outbound)")
        self._on_audio_level = listener
        if listener is not None:
            self._port.watch_levels(self._options.call_id)

    def set_audio_device(self, device: AudioDevice) -> CommandFuture[None]:
        """Go on with another audio device. Mute, recording and transcript are kept; the gap is what opening takes.

        Returns:
            A future that is done when the new device plays. Its error is a `MediaError` when it cannot be opened (the
            call goes on with the old one), or a `CallError` when the call has no media now.

        Raises:
            ClientConfigurationError: It is no audio device, or serves another call.
            MediaError: It certainly cannot be opened.
        """
        checked_device("device", device)
        before = tuple(self._bridge.devices)
        claims.take("device", self._bridge, device)
        future = self._port.with_sound(self._options.call_id, lambda sound: sound.exchange(device))

        def settle_claims(done: Future[None]) -> None:
            for unused in before if done.exception() is None else (device,):
                claims.give_back(self._bridge, unused)

        future.add_done_callback(settle_claims)
        return future

    def set_audio_in_device(self, device: int | str | None, muted: bool | None = None) -> CommandFuture[None]:
        """Choose another microphone.

        Args:
            device: An index of `list_devices()`, a part of a name, or None for the system's default.
            muted: Mute the call, or not, once the other microphone is in use; None leaves it as it is.

        Returns:
            A future, as that of `set_audio_device`; also in error when the call's device is not a sound card's. Where
            the call has no media, warning 33009 is raised too.
        """
        check_hardware("device", device)

        def switch(sound: CallSound) -> None:
            sound.switch({"input": device})
            if muted is not None:
                self._bridge.muted = bool(muted)

        future = self._port.with_sound(self._options.call_id, switch)
        future.add_done_callback(self._warn_of_skipped_change)
        return future

    def set_audio_out_device(self, device: int | str | None) -> CommandFuture[None]:
        """Choose another loudspeaker, as `set_audio_in_device`."""
        check_hardware("device", device)
        return self._port.with_sound(self._options.call_id, lambda sound: sound.switch({"output": device}))

    def _warn_of_skipped_change(self, done: Future[None]) -> None:
        if isinstance(done.exception(), CallError):
            self._port.warn(WarningCode.AUDIO_INPUT_DEVICE_CHANGE_SKIPPED, self._options.call_id)

    @property
    def turns(self) -> tuple[TurnLatency, ...]:
        """How long the user waited for each of the agent's answers so far."""
        return self._turns

    def stats(self) -> CommandFuture[MediaStats | None]:
        """Media statistics so far: packets, loss, jitter, round trip, concealment.

        Returns:
            A future with a `MediaStats`; None before there is a peer connection. Its error is a `CallError` after the
            call.
        """
        return self._port.stats(self._options.call_id)
