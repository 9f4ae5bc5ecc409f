"""The part of `compat`'s `TelnyxRTC` that is about devices, and checks before a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ..client import TxClient
from ..errors import ClientConfigurationError, MediaError
from ._javascript_call import audio_device_id

if TYPE_CHECKING:
    from ..audio import AudioDevice
    from ..diagnosis import MicrophoneReport, NetworkReport, PreCallDiagnosis

__all__ = ["MediaDeviceInfo", "RtcDevices"]

_SECONDS = 10.0


@attrs.frozen
class MediaDeviceInfo:
    """A sound device, as W3C's `MediaDeviceInfo`. `device_id` can be given wherever JavaScript takes a `deviceId`."""

    device_id: str
    kind: str
    label: str
    group_id: str = ""


class RtcDevices:
    """See `TelnyxRTC`."""

    def __init__(self, client: TxClient) -> None:
        self.client = client
        self.remote_element: object = None
        """Kept for pages that are ported; the sound goes to the audio device."""
        self.local_element: object = None
        """Likewise."""
        self.speaker: str | None = None
        """The loudspeaker of the calls to come: a `device_id`; None for the client's device."""
        self._microphone: str | None = None

    def get_audio_in_devices(self) -> list[MediaDeviceInfo]:
        """The microphones of this machine. JavaScript: `getAudioInDevices`.

        Raises:
            MediaError: PortAudio is not installed.
        """
        return [one for one in self.get_devices() if one.kind == "audioinput"]

    def get_audio_out_devices(self) -> list[MediaDeviceInfo]:
        """The loudspeakers. JavaScript: `getAudioOutDevices`."""
        return [one for one in self.get_devices() if one.kind == "audiooutput"]

    def get_devices(self) -> list[MediaDeviceInfo]:
        """Both; a card that is both is there twice. JavaScript: `getDevices`."""
        from ..audio import list_devices

        return [
            MediaDeviceInfo(str(device.index), kind, device.name, device.host_api)
            for device in list_devices()
            for kind, channels in (("audioinput", device.input_channels), ("audiooutput", device.output_channels))
            if channels
        ]

    def check_permissions(self, audio: bool = True, video: bool = False) -> bool:
        """Whether the microphone can be used: whether there is one. JavaScript: `checkPermissions`.

        Raises:
            ClientConfigurationError: `video` is wanted.
        """
        if video:
            raise ClientConfigurationError("video: there is none")
        try:
            return not audio or bool(self.get_audio_in_devices())
        except MediaError:
            return False

    def set_audio_settings(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Choose the microphone of the calls to come. JavaScript: `setAudioSettings`.

        Args:
            settings: `micId`, as `MediaDeviceInfo.device_id`. What is done about echo and noise is chosen with
                `TelnyxRTC(audio_constraints=AudioConstraints(...))`.

        Returns:
            The settings.

        Raises:
            ClientConfigurationError: There is another setting among them.
        """
        if unknown := sorted(set(settings) - {"micId", "micLabel"}):
            raise ClientConfigurationError(
                f"{', '.join(unknown)}: only micId can be set here; TelnyxRTC(audio_constraints=...) takes the others"
            )
        self._microphone = settings.get("micId")
        return dict(settings)

    def run_pre_call(self, options: Mapping[str, Any] | None = None) -> PreCallDiagnosis:
        """JavaScript: `runPreCall({destinationNumber, durationMs})`; see `TxClient.run_pre_call_diagnosis`. Blocks."""
        given = dict(options or {})
        seconds = given["durationMs"] / 1000.0 if given.get("durationMs") is not None else _SECONDS
        return self.client.run_pre_call_diagnosis(given.get("destinationNumber", ""), seconds)

    def run_network_check(self, timeout: float = 5.0) -> NetworkReport:
        """JavaScript: `runNetworkCheck`; see `TxClient.run_network_check`. Blocks."""
        return self.client.run_network_check(timeout)

    def run_microphone_check(self, options: Mapping[str, Any] | None = None) -> MicrophoneReport:
        """JavaScript: `runMicrophoneCheck({durationMs})`; see `TxClient.run_microphone_check`. Blocks."""
        given = dict(options or {})
        seconds = given["durationMs"] / 1000.0 if given.get("durationMs") is not None else 2.0
        return self.client.run_microphone_check(seconds)

    @staticmethod
    def web_rtc_info() -> dict[str, bool]:
        """JavaScript: `TelnyxRTC.webRTCInfo()`. Audio is always there, video never."""
        return {"supportWebRTC": True, "supportWebRTCAudio": True, "supportWebRTCVideo": False}

    def _device_for(self, microphone: str | None, speaker: str | None) -> AudioDevice | None:
        """The device of a call that wants hardware of its own; None for the client's."""
        given, out = microphone or self._microphone, speaker or self.speaker
        if given is None and out is None:
            return None
        from ..audio import SoundDeviceAudio

        return SoundDeviceAudio(audio_device_id(given), audio_device_id(out))
