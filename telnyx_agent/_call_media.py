"""The media of a call, made from the arguments of `TxClient` and `new_call`; and which call uses which device."""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ._callables import check_methods
from ._runtime.imports import uninterrupted
from .audio.processing import AudioConstraints, create_processor
from .codecs import OpusSettings
from .errors import ClientConfigurationError

if TYPE_CHECKING:
    from ._drivers.call import CallMedia
    from ._drivers.ring import Ring
    from ._media.call_audio import AudioBridge
    from ._media.turn_latency import TurnLatency
    from ._protocol.wire.requests import CallOptions
    from ._session_handle import SessionHandle
    from .audio import AudioDevice, AudioDeviceChange, AudioProcessor
    from .audio.tones import RingSource
    from .config import TxServerConfiguration
    from .errors import MediaError
    from .tx_config import TxConfig

__all__ = ["MOST_DEVICE_CHANGES", "MediaChoices", "checked_device", "claims", "make_media"]

MOST_DEVICE_CHANGES = 16
"""Changes of a call's devices that may wait for the program. Of further changes only the newest is reported."""

_DEVICE = {"start": ("(stream)",), "stop": ("()",), "check": ("()",)}
_PROCESSOR = {"process_render": ("(pcm)",), "process_capture": ("(pcm, delay)",), "close": ("()",)}


def checked_device(name: str, device: object) -> None:
    """Check that `device` is an `AudioDevice`, before anything is sent.

    Raises:
        ClientConfigurationError: It is none. The text has the argument's name, its value, and what it may be.
    """
    if isinstance(device, (str, int, float)):
        raise ClientConfigurationError(
            f"{name} must be an audio device, not {device!r}: SoundDeviceAudio(input=..., output=...), WaveAudio(...), "
            "PcmAudio(...), NullAudio() of telnyx_agent.audio, an object of your own, or None for the default"
        )
    check_methods(name, device, _DEVICE, required=("start", "stop"))


class _Claims:
    """Which call uses which device: one device serves one call at a time. Any thread.

    A call that is about to end counts as one without a device, because the next call opens the device only later, when
    its media is up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: weakref.WeakSet[AudioBridge] = weakref.WeakSet()

    def take(self, name: str, bridge: AudioBridge, device: AudioDevice | None) -> None:
        """Note that a call is going to use a device. Nothing is noted for None and for devices that serve many calls.

        Raises:
            ClientConfigurationError: Another call uses `device`.
            MediaError: `device` says that it cannot be opened.
        """
        if device is None:
            return
        from .audio._sharing import serves_any_number  # numpy comes with it

        is_shared = serves_any_number(device)
        with self._lock:
            for other in () if is_shared else self._holders:
                if other is not bridge and not other.is_ending and any(device is one for one in other.devices):
                    raise ClientConfigurationError(
                        f"{name}: {getattr(device, 'name', device)} already serves a call, and one device serves one "
                        "call at a time; give each call its own, such as new_call(audio=SoundDeviceAudio()) (only "
                        "NullAudio, and WaveAudio without an output, serve any number)"
                    )
        # Not under the lock: `check` may wait for PortAudio.
        if inspect.getattr_static(type(device), "check", None) is not None:  # a mock object has every attribute
            check = getattr(device, "check", None)
            if callable(check):
                check()
        if is_shared:
            return
        with self._lock:
            bridge.devices.append(device)
            self._holders.add(bridge)

    def give_back(self, bridge: AudioBridge, device: object) -> None:
        """The call does not use the device, or does not use it any more."""
        with self._lock:
            for index, one in enumerate(bridge.devices):
                if one is device:
                    del bridge.devices[index]
                    break


claims = _Claims()


@attrs.frozen
class MediaChoices:
    """Devices and sound settings of a client's calls. A call may have its own instead.

    Attributes:
        device: The audio device; None: the default device.
        constraints: What is done about echo, noise and level.
        processor: The program's own processor instead of the SDK's.
        opus: How Opus is encoded.
        switch_interval: Seconds; Python's thread switch interval during a call. None: it is not changed.
        relay_only: Whether only addresses of TURN servers are used.
        ringback: What is heard while the other side rings.
        ringtone: What is heard while somebody calls.
        ring_device: The device that plays these two; None: the default device.
        quality_interval: Seconds between two samples of the call's statistics.
    """

    device: AudioDevice | None = None
    constraints: AudioConstraints = attrs.field(factory=AudioConstraints)
    processor: AudioProcessor | None = None
    opus: OpusSettings = attrs.field(factory=OpusSettings)
    switch_interval: float | None = None
    relay_only: bool = False
    ringback: RingSource | None = None
    ringtone: RingSource | None = None
    ring_device: AudioDevice | None = None
    quality_interval: float = 1.0

    def __attrs_post_init__(self) -> None:
        # Typed as `object`, because these checks are for programs that no type checker has seen.
        for name, value, kind in (
            ("audio_constraints", self.constraints, AudioConstraints),
            ("opus", self.opus, OpusSettings),
        ):
            given: object = value
            if not isinstance(given, kind):
                raise ClientConfigurationError(f"{name} must be {kind.__name__}(...); got {type(given).__name__}")
        interval = self.switch_interval
        if interval is not None and not 1e-6 <= interval <= 1.0:
            raise ClientConfigurationError(f"switch_interval is in seconds, such as 0.0002, or None; got {interval!r}")

        if self.processor is not None:
            check_methods("audio_processor", self.processor, _PROCESSOR, required=tuple(_PROCESSOR))
        for name, device in (("audio", self.device), ("ring_device", self.ring_device)):
            if device is not None:
                checked_device(name, device)
        for name, source in (("ringback", self.ringback), ("ringtone", self.ringtone)):
            if source is not None:
                from ._drivers import ring  # noqa: F401 - imported now, because later the loop would have to wait for it
                from .audio.tones import check_ring_source  # numpy comes with it

                check_ring_source(name, source)

    def sampled_every(self, quality_interval: float) -> MediaChoices:
        """These choices with another `quality_interval`.

        Raises:
            ClientConfigurationError: It is out of range.
        """
        if not 0.1 <= quality_interval <= 60.0:
            raise ClientConfigurationError(f"quality_interval is from 0.1 to 60 seconds; got {quality_interval!r}")
        return attrs.evolve(self, quality_interval=quality_interval)

    def with_config(self, config: TxConfig) -> MediaChoices:
        """These choices, with those of a login with credentials in their place."""
        return attrs.evolve(
            self,
            ringtone=self.ringtone if config.ringtone is None else config.ringtone,
            ringback=self.ringback if config.ring_back_tone is None else config.ring_back_tone,
            relay_only=self.relay_only or config.force_relay_candidate,
        )

    def overridden_by(
        self,
        device: AudioDevice | None,
        constraints: AudioConstraints | None,
        processor: AudioProcessor | None,
        opus: OpusSettings | None,
    ) -> MediaChoices:
        """These choices, with those that were given for one call in their place."""
        return attrs.evolve(
            self,
            device=self.device if device is None else device,
            constraints=self.constraints if constraints is None else constraints,
            processor=self.processor if processor is None else processor,
            opus=self.opus if opus is None else opus,
        )


class _Changes:
    """Passes on the changes of a call's devices. Limits them, because the program's own device may report very many.

    Any thread.

    Args:
        tell: Gets a change, and a function that it must call when the program knows of the change.
    """

    def __init__(self, tell: Callable[[AudioDeviceChange, Callable[[], None]], None]) -> None:
        self._tell = tell
        # Re-entrant, because a finaliser may report a change while its thread is in here.
        self._lock = threading.RLock()
        self._under_way = 0
        self._newest: AudioDeviceChange | None = None

    def put(self, change: AudioDeviceChange) -> None:
        with self._lock:
            if self._under_way >= MOST_DEVICE_CHANGES:
                self._newest = change
                return
            self._under_way += 1
        self._tell(change, self._told)

    def _told(self) -> None:
        with self._lock:
            change, self._newest = self._newest, None
            if change is None:
                self._under_way -= 1
        if change is not None:
            self._tell(change, self._told)


def make_media(
    choices: MediaChoices,
    configuration: TxServerConfiguration,
    options: CallOptions,
    handle: SessionHandle,
    bridge: AudioBridge | None = None,
    *,
    incoming: bool = False,
) -> CallMedia:
    """Make one call's media; nothing is opened yet. Incoming calls ring with the ringtone, others with the ringback.

    Args:
        choices: Devices and sound settings.
        configuration: ICE servers, and whether the server is on this machine.
        options: The call's id and codecs.
        handle: The login; its driver gets what happens.
        bridge: The audio that a call which came in has already; None: make it.
        incoming: Whether the call came in.
    """
    call_id = options.call_id
    with uninterrupted():
        from ._drivers.call import CallMedia
        from ._drivers.sound import CallSound
        from ._media.call_audio import AudioBridge  # numpy is not needed by those who never call
        from ._media.turn_latency import TurnMeter

    def failed(error: MediaError) -> None:
        handle.post(lambda driver: driver.device_failed, call_id, error)

    def changed(change: AudioDeviceChange, told: Callable[[], None]) -> None:
        handle.post(lambda driver: driver.device_changed, call_id, change, told)

    def turned(turn: TurnLatency) -> None:
        handle.post(lambda driver: driver.turn_measured, call_id, turn)

    def voiced(audible: bool, at: float) -> None:
        handle.post(lambda driver: driver.agent_voice, call_id, audible, at)

    if bridge is None:
        bridge = AudioBridge(on_device_failed=failed, on_device_changed=_Changes(changed).put)
        bridge.turns = TurnMeter(turned, voiced)
    sound = CallSound(
        bridge, functools.partial(_open_device, choices.device), functools.partial(_make_processor, choices)
    )
    return CallMedia(
        bridge=bridge,
        sound=sound,
        ice_servers=configuration.ice_servers,
        loopback=configuration.is_local,
        opus=choices.opus,
        switch_interval=choices.switch_interval,
        ca_file=configuration.ca_file,
        preferred_codecs=options.preferred_codecs,
        relay_only=choices.relay_only,
        tone=_make_ring(choices, incoming, failed),
        quality_interval=choices.quality_interval,
    )


def _make_ring(choices: MediaChoices, incoming: bool, failed: Callable[[MediaError], None]) -> Ring | None:
    source = choices.ringtone if incoming else choices.ringback
    if source is None:
        return None
    from ._drivers.ring import Ring
    from .audio.tones import open_ring_source

    def open_device() -> AudioDevice:
        if choices.ring_device is not None:
            return choices.ring_device
        from .audio._speaker import default_speaker

        return default_speaker()

    return Ring(functools.partial(open_ring_source, source), open_device, failed)


def _open_device(device: AudioDevice | None) -> AudioDevice:
    from .audio._sharing import device_of_call

    if device is not None:
        return device_of_call(device)
    from .audio import default_audio

    return default_audio()


def _make_processor(choices: MediaChoices, device: AudioDevice) -> AudioProcessor | None:
    if choices.processor is not None:
        return choices.processor
    # A device without `has_loudspeaker` is taken for one that no microphone can hear.
    return create_processor(choices.constraints, loudspeaker=bool(getattr(device, "has_loudspeaker", False)))
