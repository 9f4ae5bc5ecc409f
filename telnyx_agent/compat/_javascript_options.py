"""JavaScript's options of client and call, and what they are here. Part of `compat`'s `TelnyxRTC`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config import Environment, TxServerConfiguration
from ..errors import ClientConfigurationError
from ..tx_config import TxConfig
from ._javascript_call import headers_of, refuse_unknown

__all__ = [
    "NO_EFFECT",
    "LoginChoice",
    "call_arguments",
    "chosen_configuration",
    "chosen_login",
    "client_settings",
    "credentials_of",
]

LoginChoice = tuple[dict[str, Any] | None, TxConfig | None]
"""Arguments of `anonymous_login`, or a configuration for `connect`."""

NO_EFFECT = frozenset(
    {
        *("callReportFlushInterval", "callReportInterval", "earlySdpAnswer", "hangupOnBeforeUnload"),
        *(
            "keepConnectionAliveOnSocketClose",
            "maxReconnectAttempts",
            "mediaPermissionsRecovery",
            "prefetchIceCandidates",
        ),
        *("pushWhenActive", "skipLastVoiceSdkId", "skipTrailing", "trickleIce", "useCanaryRtcServer", "useStereo"),
    }
)
"""Options that ported code may keep: what they are about is as it is here whatever they say (docs/porting.md)."""

_CLIENT_OPTIONS = frozenset(
    {
        *(
            "anonymous_login",
            "autoReconnect",
            "debug",
            "debugOutput",
            "enableCallReports",
            "env",
            "forceRelayCandidate",
        ),
        *("iceServers", "login", "login_token", "mutedMicOnStart", "password", "region", "ringbackFile"),
        *("ringtoneFile", "rtcIp", "rtcPort", "userVariables"),
    }
)
_LOGIN_OPTIONS = frozenset({"target_id", "target_params", "target_type", "target_version_id"})
_CALL_OPTIONS = {
    "callerName": "caller_name",
    "callerNumber": "caller_number",
    "clientState": "client_state",
    "debug": "debug",
    "destinationNumber": "destination_number",
    "forceRelayCandidate": "force_relay_candidate",
    "id": "call_id",
    "mutedMicOnStart": "muted",
    "preferred_codecs": "preferred_codecs",
}
"""JavaScript's names of the call's options, and ours."""

_OWN_CALL_OPTIONS = frozenset({"customHeaders", "debugOutput", "micId", "onNotification", "speakerId", "userVariables"})
_OF_A_PAGE = frozenset(
    {
        *("audio", "camId", "keepConnectionAliveOnSocketClose", "localElement", "localStream", "mediaSettings"),
        *("prefetchIceCandidates", "remoteElement", "remoteStream", "telnyxCallControlId", "telnyxLegId"),
        *("telnyxSessionId", "trickleIce", "useStereo", "video"),
    }
)


def client_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `TxClient`.

    Raises:
        ClientConfigurationError: An option is unknown or unusable.
    """
    for name in ("enableCallRecording", "video"):
        if options.get(name):
            instead = (
                "there is none" if name == "video" else "use call.call.record(...), which keeps it on this machine"
            )
            raise ClientConfigurationError(f"{name}: {instead}")
    refuse_unknown("option", options, _CLIENT_OPTIONS | NO_EFFECT | {"enableCallRecording", "video"})
    settings: dict[str, Any] = {}
    if options.get("enableCallReports") is not None:
        settings["enable_call_reports"] = bool(options["enableCallReports"])
    if options.get("ringtoneFile") is not None:
        settings["ringtone"] = options["ringtoneFile"]
    if options.get("ringbackFile") is not None:
        settings["ringback"] = options["ringbackFile"]
    if options.get("forceRelayCandidate"):
        settings["force_relay_candidate"] = True
    if options.get("autoReconnect") is False:
        settings["reconnect_timeout"] = 0.0
    return settings


def chosen_login(options: Mapping[str, Any]) -> LoginChoice:
    """Who logs in. As in JavaScript: an assistant comes before credentials, user and password before a token.

    Raises:
        ClientConfigurationError: Nobody, or something of it is unusable.
    """
    login = options.get("anonymous_login")
    if login is not None and not isinstance(login, Mapping):
        raise ClientConfigurationError("anonymous_login must be a dict with target_type and target_id")
    if login:
        refuse_unknown("member of anonymous_login", login, _LOGIN_OPTIONS)
        target_params = login.get("target_params") or {}
        refuse_unknown("member of target_params", target_params, ("conversation_id",))
        arguments = {
            "target_id": login.get("target_id", ""),
            "target_type": login.get("target_type", "ai_assistant"),
            "target_version_id": login.get("target_version_id"),
            "conversation_id": target_params.get("conversation_id"),
            "user_variables": options.get("userVariables"),
        }
        return arguments, None
    return None, credentials_of(options, options.get("autoReconnect") is not False)


def credentials_of(options: Mapping[str, Any], reconnects: bool = True) -> TxConfig:
    """JavaScript's `login` and `password`, or `login_token`.

    Raises:
        ClientConfigurationError: There are none.
    """
    user, password, token = options.get("login"), options.get("password"), options.get("login_token")
    if not token and not user and not password:
        raise ClientConfigurationError("TelnyxRTC needs login_token, login and password, or anonymous_login")
    has_both = bool(user and password)
    config = TxConfig(
        sip_user=user if has_both or not token else None,
        password=password if has_both or not token else None,
        token=None if has_both else token or None,
        reconnect_client=reconnects,
    )
    config.validate_params()
    return config


def chosen_configuration(options: Mapping[str, Any]) -> TxServerConfiguration:
    """Where to connect to, and with which ICE servers.

    Raises:
        ClientConfigurationError: It is unusable.
    """
    chosen: dict[str, Any] = {}
    if options.get("env") is not None:
        if options["env"] not in [one.value for one in Environment]:
            raise ClientConfigurationError(f"env: there is no {options['env']!r}")
        chosen["environment"] = Environment(options["env"])
    if options.get("region") is not None:
        chosen["region"] = options["region"]
    if options.get("iceServers") is not None:
        chosen["webrtc_ice_servers"] = options["iceServers"]
    if options.get("rtcIp") is not None:
        chosen["host"] = options["rtcIp"]
        chosen["port"] = options.get("rtcPort") or 443
    return TxServerConfiguration(**chosen)


def call_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `TxClient.new_call`.

    Raises:
        ClientConfigurationError: An option is unknown or unusable.
    """
    refuse_unknown(
        "option of newCall", options, _OF_A_PAGE | _OWN_CALL_OPTIONS | frozenset(_CALL_OPTIONS) | {"iceServers"}
    )
    if options.get("video"):
        raise ClientConfigurationError("video: there is none")
    if options.get("iceServers") is not None:
        raise ClientConfigurationError("iceServers: give them to TelnyxRTC, for all calls")
    arguments = {ours: options[name] for name, ours in _CALL_OPTIONS.items() if options.get(name) is not None}
    if options.get("customHeaders"):
        arguments["custom_headers"] = headers_of(options["customHeaders"])
    return arguments
