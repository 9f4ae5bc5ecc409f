"""Android's and Flutter's `CredentialConfig` and `TokenConfig`: who logs in. Milliseconds, as there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..config import LogLevel, Region, TxLogger, TxServerConfiguration
from ..tx_config import TxConfig

if TYPE_CHECKING:
    from ..audio.tones import RingSource

__all__ = ["CredentialConfig", "TokenConfig"]


@attrs.frozen(kw_only=True)
class _Config:
    sip_caller_id_name: str | None = None
    sip_caller_id_number: str | None = attrs.field(default=None, repr=False)
    ringtone: RingSource | None = None
    ring_back_tone: RingSource | None = None
    log_level: LogLevel = LogLevel.NONE
    auto_reconnect: bool = True
    reconnection_timeout: int = 60000
    """Milliseconds, as on Android and in Flutter; `TxConfig.reconnect_timeout` is in seconds."""
    debug: bool = False
    force_relay_candidate: bool = False
    custom_logger: TxLogger | None = attrs.field(default=None, repr=False)
    region: Region | str = Region.AUTO
    """Android: `region`. If it is given, it replaces `TxServerConfiguration.region`."""
    fallback_on_region_failure: bool = True
    ring_tone_path: RingSource | None = None
    """Flutter's name for `ringtone`."""
    ringback_path: RingSource | None = None
    """Flutter's name for `ring_back_tone`."""
    notification_token: str | None = attrs.field(default=None, repr=False)
    """Flutter: `notificationToken`. Without effect: there are no push notifications here."""

    def server_configuration(self, given: TxServerConfiguration | None) -> TxServerConfiguration | None:
        """The servers of a login with this configuration: those given, in this configuration's region."""
        if self.region == Region.AUTO:
            return given
        return attrs.evolve(
            TxServerConfiguration() if given is None else given,
            region=self.region,
            fallback_on_region_failure=self.fallback_on_region_failure,
        )

    def _tx_config(
        self, *, sip_user: str | None = None, password: str | None = None, token: str | None = None
    ) -> TxConfig:
        return TxConfig(
            caller_id_name=self.sip_caller_id_name,
            caller_id_number=self.sip_caller_id_number,
            ringtone=self.ring_tone_path if self.ringtone is None else self.ringtone,
            ring_back_tone=self.ringback_path if self.ring_back_tone is None else self.ring_back_tone,
            log_level=self.log_level,
            reconnect_client=self.auto_reconnect,
            reconnect_timeout=self.reconnection_timeout / 1000.0,
            debug=self.debug,
            force_relay_candidate=self.force_relay_candidate,
            custom_logger=self.custom_logger,
            sip_user=sip_user,
            password=password,
            token=token,
        )


@attrs.frozen(kw_only=True)
class CredentialConfig(_Config):
    """Android and Flutter: `CredentialConfig`. User and password of a SIP connection."""

    sip_user: str
    sip_password: str = attrs.field(repr=False)

    def tx_config(self) -> TxConfig:
        """The same for `TxClient.connect`."""
        return self._tx_config(sip_user=self.sip_user, password=self.sip_password)


@attrs.frozen(kw_only=True)
class TokenConfig(_Config):
    """Android and Flutter: `TokenConfig`. A telephony credential's token."""

    sip_token: str = attrs.field(repr=False)

    def tx_config(self) -> TxConfig:
        """The same for `TxClient.connect`."""
        return self._tx_config(token=self.sip_token)
