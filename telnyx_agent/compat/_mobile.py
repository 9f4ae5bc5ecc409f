"""Android's and Flutter's spellings for logins with credentials, for calls that come in, and for what buttons do.

Parts of `compat`'s `TelnyxClient` and `TelnyxCall`. Names are theirs in PEP 8, and so are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import attrs

from .._runtime.futures import CommandFuture
from ..call import Call
from ..client import TxClient
from ..config import LogLevel, Region, TxLogger, TxServerConfiguration
from ..errors import CallError, ClientConfigurationError, FailureReason
from ..tx_config import TxConfig

if TYPE_CHECKING:
    from ..audio.tones import RingSource
    from . import TelnyxCall

__all__ = ["CredentialConfig", "MobileCall", "MobileClient", "TokenConfig"]


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
    """Android: `region`; the same as `TxServerConfiguration.region`, in whose place it is where it is given."""
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


class MobileCall(Call):
    """What the buttons of the mobile apps do.

    Android's methods take the call's id first, Flutter's do not: it may be given, and is not looked at.
    """

    def end_call(self, call_id: UUID | str | None = None) -> CommandFuture[None]:
        """Android and Flutter: `endCall`; the same as `hangup`."""
        return self.hangup()

    def on_mute_unmute_pressed(self) -> None:
        """Android and Flutter: `onMuteUnmutePressed`; the same as `toggle_mute`."""
        self.toggle_mute()

    def set_mute_state(self, muted: bool) -> None:
        """Android and Flutter: `setMuteState`; the same as `set_mute`."""
        self.set_mute(muted)

    def get_is_mute_status(self) -> bool:
        """Android: `getIsMuteStatus`; the same as `is_muted`."""
        return self.is_muted

    def on_hold_unhold_pressed(self, call_id: UUID | str | None = None) -> CommandFuture[None]:
        """Android and Flutter: `onHoldUnholdPressed`; the same as `toggle_hold`."""
        return self.toggle_hold()

    def get_is_on_hold_status(self) -> bool:
        """Android: `getIsOnHoldStatus`; the same as `is_held`."""
        return self.is_held

    def dtmf(self, digits: UUID | str, tone: str | None = None, *, gap: float = 0.0) -> CommandFuture[None]:
        """`Call.dtmf`; also in Android's form `dtmf(call_id, tone)`."""
        return super().dtmf(str(digits) if tone is None else tone, gap=gap)

    def restart_ice(self) -> CommandFuture[None]:
        """Flutter: `restartIce`; the same as `ice_restart`."""
        return self.ice_restart()


class MobileClient(TxClient):
    """Logins and calls by Android's and Flutter's names. Any thread; what they do is said at what they stand for."""

    _provided: TxServerConfiguration | None = None

    def connect(
        self,
        tx_config: TxConfig | CredentialConfig | TokenConfig | TxServerConfiguration | None = None,
        server_configuration: TxServerConfiguration | CredentialConfig | TokenConfig | None = None,
        *,
        provided_server_config: TxServerConfiguration | None = None,
        credential_config: CredentialConfig | None = None,
        token_config: TokenConfig | None = None,
        auto_login: bool = True,
    ) -> CommandFuture[None]:
        """As `TxClient.connect`, which see; takes Android's and Flutter's configurations, and Android's arguments.

            client.connect(credential_config=CredentialConfig(sip_user="alice", sip_password=password))
            client.connect(provided_server_config=servers, token_config=TokenConfig(sip_token=token))

        Args:
            tx_config: Who logs in. In Android's order of arguments the servers come here, and who logs in second.
            server_configuration: Signalling and ICE servers.
            provided_server_config: Android's name for the same.
            credential_config: Who logs in, with user and password.
            token_config: Who logs in, with a token.
            auto_login: Android: False only says the servers for the `credential_login` or `token_login` that follows,
                as `connect()` without anybody who logs in does. Nothing is opened until then.
        """
        given = [tx_config, server_configuration, provided_server_config, credential_config, token_config]
        servers = [one for one in given if isinstance(one, TxServerConfiguration)]
        logins = [one for one in given if one is not None and not isinstance(one, TxServerConfiguration)]
        if len(servers) > 1 or len(logins) > 1:
            raise ClientConfigurationError("connect() takes one server configuration and one login configuration")
        server = servers[0] if servers else self._provided
        self._provided = None
        if not logins or not auto_login:
            self._provided = server
            return CommandFuture.settled()
        login = logins[0]
        if isinstance(login, (CredentialConfig, TokenConfig)):
            return super().connect(login.tx_config(), login.server_configuration(server))
        return super().connect(login, server)

    def connect_with_credential(self, config: CredentialConfig) -> CommandFuture[None]:
        """Flutter: `connectWithCredential`."""
        return self.connect(config)

    def connect_with_token(self, config: TokenConfig) -> CommandFuture[None]:
        """Flutter: `connectWithToken`."""
        return self.connect(config)

    def credential_login(self, config: CredentialConfig) -> CommandFuture[None]:
        """Android and Flutter: `credentialLogin`."""
        return self.connect(config)

    def token_login(self, config: TokenConfig) -> CommandFuture[None]:
        """Android and Flutter: `tokenLogin`."""
        return self.connect(config)

    def accept_call(
        self,
        call_id: UUID | str | Call,
        destination_number: str = "",
        custom_headers: Mapping[str, str] | None = None,
        debug: bool = False,
        *,
        use_trickle_ice: bool = False,
        muted_mic_on_start: bool = False,
        **options: Any,
    ) -> TelnyxCall:
        """Take a call that rings. Android: `acceptCall(callId, ...)`; Flutter: `acceptCall(invite, ...)`.

        Args:
            call_id: The call that `on_incoming_call` gave you, or its id.
            destination_number: Ignored: the call knows who calls.
            custom_headers: SIP headers for the caller; names start with `X-`.
            debug: As in `Call.answer`.
            use_trickle_ice: Ignored: the answer goes out with its candidates.
            muted_mic_on_start: Start muted.
            options: Further arguments of `Call.answer`.

        Raises:
            CallError: There is no such call.
        """
        call = self._known(call_id)
        call.answer(custom_headers, debug, muted=True if muted_mic_on_start else None, **options)
        return call

    def hold_current_and_accept_incoming(self, call_id: UUID | str | Call, **options: Any) -> TelnyxCall:
        """Hold the active call, if there is one, and take another. Flutter: `holdCurrentAndAcceptIncoming`."""
        call, current = self._known(call_id), self.active_call
        if current is not None and current is not call and not current.is_held:
            current.hold()
        return self.accept_call(call, **options)

    def end_current_and_accept_incoming(self, call_id: UUID | str | Call, **options: Any) -> TelnyxCall:
        """Hang up the active call, if there is one, and take another. Flutter: `endCurrentAndAcceptIncoming`."""
        call, current = self._known(call_id), self.active_call
        if current is not None and current is not call:
            current.hangup()
        return self.accept_call(call, **options)

    def reject_call(self, call_id: UUID | str | Call) -> CommandFuture[None]:
        """Refuse a call that rings. Flutter: `rejectCall`."""
        return self._known(call_id).reject()

    def end_call(self, call_id: UUID | str | Call) -> CommandFuture[None]:
        """Hang up. Android: `endCall(callId)`."""
        return self._known(call_id).hangup()

    def get_active_calls(self) -> Mapping[UUID, Call]:
        """Android: `getActiveCalls`; the same as `active_calls`."""
        return self.active_calls()

    def active_calls(self) -> dict[UUID, Call]:
        """Flutter: `activeCalls()`; the calls that are answered and up (`ACTIVE` or `HELD`), by id."""
        return {call_id: call for call_id, call in self.calls.items() if call.state.is_considered_active}

    @property
    def is_ready(self) -> bool:
        """Whether calls go through at once; the same as `is_registered`."""
        return self.is_registered

    def _known(self, call_id: UUID | str | Call) -> TelnyxCall:
        call = call_id if isinstance(call_id, Call) else self.get_call(call_id)
        if call is None:
            over = CallError("there is no call with this id, or it is over", call_id=str(call_id))
            raise over.because(FailureReason.CALL_NOT_FOUND)
        return cast("TelnyxCall", call)  # `compat`'s clients make no others
