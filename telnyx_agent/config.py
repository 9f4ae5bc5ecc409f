"""Where to connect and how: server configuration, ICE servers, regions, log levels. Frozen values, checked when made.

Names and defaults follow the iOS SDK (`TxServerConfiguration`, `RTCIceServer`, `Region`, `LogLevel`); the additional
`host`, `port`, `turn` and `stun` are the Android SDK's.
"""

from __future__ import annotations

import enum
import os
import re
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs

from ._arguments import check_argument, plain, plain_fields
from ._net.proxies import is_loopback, parse_proxy
from ._net.tls import check_tls_options
from .errors import ClientConfigurationError

__all__ = ["Environment", "IceServer", "LogLevel", "Region", "TxLogger", "TxServerConfiguration"]


class LogLevel(enum.IntEnum):
    """How much one client logs. Each level contains those before it; `NONE` is really silent.

    `DEBUG` is Flutter's, `SUCCESS` iOS's; `VERTO` adds every frame on the wire (redacted), `STATS` the media
    statistics.
    """

    NONE = 0
    ERROR = 1
    WARNING = 2
    SUCCESS = 3
    INFO = 4
    DEBUG = 5
    VERTO = 6
    STATS = 7
    ALL = 8


class TxLogger(Protocol):
    """An object that takes a client's log. iOS and Flutter: `log(level, message)`.

    Android's form `log(level, tag, message, throwable)` will do as well. It is called where the callbacks run, one
    message at a time, with those levels that `log_level` of the login, or `TxClient.set_log_level`, asks for; the
    standard `logging` gets its records as ever. Frames come at `LogLevel.VERTO`, as `"> {...}"` for sent and
    `"< {...}"` for received, without what is secret or was said. An exception that it raises is logged to
    `telnyx_agent.delegate`.
    """

    def log(self, level: LogLevel, message: str, /) -> object:
        """One message."""


class Environment(enum.Enum):
    """Which of Telnyx's deployments to use when no signalling server is given."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class Region(str, enum.Enum):
    """A part of the world whose servers are preferred; becomes the first label of the host name."""

    AUTO = "auto"
    EU = "eu"
    US_CENTRAL = "us-central"
    US_EAST = "us-east"
    US_WEST = "us-west"
    CA_CENTRAL = "ca-central"
    APAC = "apac"
    SOUTH_ASIA = "south-asia"

    @property
    def display_name(self) -> str:
        """For a list to choose from, such as `"US-EAST"`. iOS: `displayName`."""
        return self.value.upper()

    @classmethod
    def from_display_name(cls, display_name: str) -> Region | None:
        """The region of a display name, in any case; None for others. iOS: `fromDisplayName`."""
        return cls.from_value(display_name.lower())

    @classmethod
    def from_value(cls, value: str) -> Region | None:
        """The region of a value such as `"us-east"`; None for others. iOS: `fromValue`."""
        return next((region for region in cls if region.value == value), None)


_ICE_URL = re.compile(r"(stuns?|turns?):([^\s?:/@\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?(\?transport=(udp|tcp))?")


def _to_urls(value: str | Iterable[str]) -> tuple[str, ...]:
    urls = check_argument("urls", value, "str | Iterable[str]")
    return (urls,) if isinstance(urls, str) else tuple(check_argument("urls", url, "str") for url in urls)


@attrs.frozen(field_transformer=plain_fields)
class IceServer:
    """One STUN or TURN server, as `RTCIceServer` of the iOS SDK.

    Args:
        urls: One URL or several, such as `"stun:stun.example.com:3478"` or
            `"turn:turn.example.com:3478?transport=tcp"`.
        username: For TURN.
        credential: For TURN; never shown by `repr`.

    Raises:
        ClientConfigurationError: A URL is not a `stun:`, `stuns:`, `turn:` or `turns:` URL.
    """

    urls: tuple[str, ...] = attrs.field(converter=_to_urls)
    username: str | None = attrs.field(default=None, repr=False)
    credential: str | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        check_argument("username", self.username, "str | None")
        check_argument("credential", self.credential, "str | None")

    @urls.validator
    def _check_urls(self, attribute: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
        if not value:
            raise ClientConfigurationError(
                "urls: an ICE server needs at least one URL, such as 'stun:stun.example.com:3478'"
            )
        for url in value:
            if not _ICE_URL.fullmatch(url):
                raise ClientConfigurationError(
                    f"urls: {url!r} is not an ICE server URL; "
                    "expected 'stun:host:port' or 'turn:host:port?transport=udp|tcp'"
                )
            port = url.partition("?")[0].rpartition(":")[2]
            if port.isdecimal() and not 0 < int(port[:9]) <= 65535:
                raise ClientConfigurationError(f"urls: {url!r} has no usable port; ports are from 1 to 65535")


def _to_ice_servers(
    value: Sequence[IceServer | Mapping[str, Any] | str] | None,
) -> tuple[IceServer, ...] | None:
    if value is None:
        return None
    check_argument("webrtc_ice_servers", value, "Sequence[IceServer] | None")
    servers: list[IceServer] = []
    for item in value:
        if isinstance(item, IceServer):
            servers.append(item)
        elif isinstance(item, str):
            servers.append(IceServer(item))
        elif isinstance(item, Mapping):
            # W3C's and iOS's spellings of the same dictionary.
            urls = item.get("urls") or item.get("url_strings") or item.get("urlStrings") or ()
            servers.append(IceServer(urls, item.get("username"), item.get("credential")))
        else:
            raise ClientConfigurationError(
                f"webrtc_ice_servers: {type(item).__name__} is not an ICE server; give an IceServer or a URL"
            )
    return tuple(servers)


_HOSTS = {Environment.PRODUCTION: "rtc.telnyx.com", Environment.DEVELOPMENT: "rtcdev.telnyx.com"}

# Public defaults in all four official SDKs (`IOS:InternalConfig.swift`, protocol.md 4.2). A call uses the first
# STUN and the first TURN server that answer, asked in this order.
_TURN_USER = "testuser"
_TURN_CREDENTIAL = "testpassword"
_DEFAULT_ICE = {
    Environment.PRODUCTION: (
        IceServer("stun:stun.telnyx.com:3478"),
        IceServer("stun:stun.l.google.com:19302"),
        IceServer("turn:turn.telnyx.com:3478?transport=udp", _TURN_USER, _TURN_CREDENTIAL),
        IceServer("turn:turn.telnyx.com:3478?transport=tcp", _TURN_USER, _TURN_CREDENTIAL),
        IceServer("turns:turn.telnyx.com:443", _TURN_USER, _TURN_CREDENTIAL),
        IceServer("turns:turn2.telnyx.com:443", _TURN_USER, _TURN_CREDENTIAL),
    ),
    Environment.DEVELOPMENT: (
        IceServer("stun:stundev.telnyx.com:3478"),
        IceServer("stun:stun.l.google.com:19302"),
        IceServer("turn:turndev.telnyx.com:3478?transport=udp", _TURN_USER, _TURN_CREDENTIAL),
        IceServer("turn:turndev.telnyx.com:3478?transport=tcp", _TURN_USER, _TURN_CREDENTIAL),
        IceServer("turns:turndev.telnyx.com:443", _TURN_USER, _TURN_CREDENTIAL),
    ),
}


def _mobile_ice(stun: str | None, turn: str | None, defaults: tuple[IceServer, ...]) -> tuple[IceServer, ...]:
    """The servers of Android and Flutter: a STUN and a TURN URL of one's own, and what is made of the latter there: the
    same server by UDP, by TCP, and by TLS on port 443, which goes through nearly every firewall.
    """
    stuns = defaults[:2] if stun is None else (IceServer(stun), defaults[1])
    if turn is None:
        return (*stuns, *defaults[2:])
    if turn.startswith("turns:"):
        return (*stuns, IceServer(turn, _TURN_USER, _TURN_CREDENTIAL))
    server, _, transport = turn.partition("?transport=")
    host = re.sub(r":\d+$", "", server.partition(":")[2])
    urls = (
        f"{server}?transport=udp",
        f"{server}?transport={'udp' if transport == 'udp' else 'tcp'}",
        f"turns:{host}:443?transport=tcp",
    )
    return (*stuns, *(IceServer(url, _TURN_USER, _TURN_CREDENTIAL) for url in dict.fromkeys(urls)))


def _to_environment(value: Environment | str) -> Environment:
    try:
        return Environment(value)
    except ValueError as exc:
        raise ClientConfigurationError(
            f"environment must be Environment.PRODUCTION or Environment.DEVELOPMENT, not {value!r}"
        ) from exc


def _to_region(value: Region | str) -> str:
    return value.value if isinstance(value, Region) else plain(str(value))


def _to_path(value: str | os.PathLike[str] | None) -> str | None:
    check_argument("ca_file", value, "str | os.PathLike[str] | None")
    return None if value is None else os.fsdecode(value)


def _shown(url: str | None) -> str:
    """A URL as messages and `repr` show it: without user, password and query, which may hold credentials."""
    if url is None:
        return "None"
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return repr(urlunsplit((parts.scheme, host, parts.path, "..." if parts.query else "", "")))
    except ValueError:
        return "'...'"


@attrs.frozen(field_transformer=plain_fields)
class TxServerConfiguration:
    """Signalling server and ICE servers. Without arguments: Telnyx's production servers.

    Args:
        signaling_server: A WebSocket URL such as `"wss://your-server.com"`. Port and path are kept. `ws://` is for
            servers on this machine, such as `telnyx_agent.testing.LocalAgent`, unless `allow_insecure` is set.
        webrtc_ice_servers: STUN and TURN servers in place of Telnyx's; an empty list means none. A call uses the first
            of each kind that answers: each is asked half a second after the one before it, if that is silent.
        environment: Which of Telnyx's deployments, when no signalling server is given.
        region: Preferred part of the world; ignored with a signalling server of your own, as on iOS.
        host: Android's way to name a signalling server, with `port`.
        port: The port that belongs to `host`; 443 unless given.
        turn: Android: one TURN server in place of Telnyx's (with Telnyx's public user name). It is asked by UDP, by TCP
            and by TLS on port 443, as on Android.
        stun: Android: one STUN URL in place of Telnyx's.
        ca_file: A file of CA certificates (PEM) that are trusted in place of the system's. TURN servers with TLS may be
            verified with either.
        ssl_context: An `ssl.SSLContext` of your own, in place of `ca_file`. It has to verify and to insist on TLS 1.2.
        check_certificate: Pinning: is given the server's certificate (DER), once it is verified, on a thread of the
            SDK's for each connection, and refuses it by returning False or raising.
        proxy: URL of the proxy for the WebSocket: `"http://[user:password@]host:port"`, `"socks5://..."`, or
            `"socks5h://..."` (the proxy looks up names); `""` for none. None: what the environment says (`https_proxy`,
            `all_proxy`, `no_proxy`). Media does not go through it: UDP needs TURN.
        allow_insecure: Whether `ws://` may leave this machine. Then anybody on the network's path can read and change
            everything, also the keys of the media.
        fallback_on_region_failure: Whether the host without the region is tried when the region's cannot be reached.

    Raises:
        ClientConfigurationError: A value is not usable; the message says which and why.
    """

    signaling_server: str | None = attrs.field(default=None, repr=_shown)
    webrtc_ice_servers: tuple[IceServer, ...] | None = attrs.field(default=None, converter=_to_ice_servers)
    environment: Environment = attrs.field(default=Environment.PRODUCTION, converter=_to_environment)
    region: str = attrs.field(default=Region.AUTO.value, converter=_to_region)
    host: str | None = attrs.field(default=None, kw_only=True)
    port: int | None = attrs.field(default=None, kw_only=True)
    turn: str | None = attrs.field(default=None, kw_only=True)
    stun: str | None = attrs.field(default=None, kw_only=True)
    ca_file: str | None = attrs.field(default=None, kw_only=True, converter=_to_path)
    ssl_context: ssl.SSLContext | None = attrs.field(default=None, kw_only=True)
    check_certificate: Callable[[bytes], bool] | None = attrs.field(default=None, kw_only=True)
    proxy: str | None = attrs.field(default=None, kw_only=True, repr=_shown)
    allow_insecure: bool = attrs.field(default=False, kw_only=True)
    fallback_on_region_failure: bool = attrs.field(default=True, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for name in ("signaling_server", "host", "turn", "stun", "proxy"):
            check_argument(name, getattr(self, name), "str | None")
        check_argument("port", self.port, "int | None")
        check_argument("ssl_context", self.ssl_context, "ssl.SSLContext | None")
        # Only a real bool, because with True the passwords may go over the network unencrypted.
        check_argument("allow_insecure", self.allow_insecure, "bool")
        if self.signaling_server is not None and self.host is not None:
            raise ClientConfigurationError("give either signaling_server or host and port, not both")
        if self.port is not None and self.host is None:
            raise ClientConfigurationError("port goes with host; with signaling_server write the port into the URL")
        if not re.fullmatch(r"[a-z0-9-]+", self.region):
            raise ClientConfigurationError(f"region: {self.region!r} is not a region; use one of telnyx_agent.Region")
        name = "signaling_server" if self.host is None else "host"
        try:
            parts = urlsplit(self.socket_url)
        except ValueError as exc:  # brackets that do not match
            raise ClientConfigurationError(f"{name}: {_shown(self.socket_url)} is not a WebSocket URL: {exc}") from exc
        if parts.scheme not in ("wss", "ws") or not parts.hostname:
            raise ClientConfigurationError(
                f"{name}: {_shown(self.socket_url)} is not a WebSocket URL; expected 'wss://host[:port][/path]'"
            )
        try:
            _ = parts.port
        except ValueError as exc:
            raise ClientConfigurationError(f"{name}: {_shown(self.socket_url)} has no usable port: {exc}") from exc
        self._check_security(parts.scheme)
        for url in filter(None, (self.turn, self.stun)):
            IceServer(url)

    def _check_security(self, scheme: str) -> None:
        if scheme == "ws" and not self.is_local and not self.allow_insecure:
            raise ClientConfigurationError(
                f"signaling_server: {_shown(self.socket_url)} is not encrypted; use wss://, or allow_insecure=True if "
                "you really want that"
            )
        if self.ca_file is not None and self.ssl_context is not None:
            raise ClientConfigurationError("give either ca_file or ssl_context; a context has certificates of its own")
        check_tls_options(self.tls_options)
        if self.proxy:
            parse_proxy(self.proxy)

    @classmethod
    def production(cls) -> TxServerConfiguration:
        """Telnyx's production servers; the same as no arguments."""
        return cls()

    @classmethod
    def development(cls) -> TxServerConfiguration:
        """Telnyx's development servers."""
        return cls(environment=Environment.DEVELOPMENT)

    def copy_with(self, **changes: Any) -> TxServerConfiguration:
        """The same but for what is given, by the names of the arguments above. Flutter: `copyWith`."""
        return attrs.evolve(self, **changes)

    @property
    def socket_url(self) -> str:
        """The WebSocket URL of the first connection, such as `"wss://eu.rtc.telnyx.com"`."""
        if self.signaling_server is not None:
            return self.signaling_server
        if self.host is not None:
            return f"wss://{self.host}:{443 if self.port is None else self.port}/"
        prefix = "" if self.region == Region.AUTO.value else f"{self.region}."
        return f"wss://{prefix}{_HOSTS[self.environment]}"

    @property
    def has_fallback(self) -> bool:
        """Whether there is a second host to try, the one without the region."""
        is_regional = self.signaling_server is None and self.host is None and self.region != Region.AUTO.value
        return is_regional and self.fallback_on_region_failure

    def connection_url(
        self, *, voice_sdk_id: str | None = None, elsewhere: bool = False, without_region: bool = False
    ) -> str:
        """The URL of one connection; the first needs no arguments (protocol.md 1.3).

        Args:
            voice_sdk_id: Leads back to the server that gave this token.
            elsewhere: Ask for another server than that one.
            without_region: Take the host without the region.
        """
        configuration = attrs.evolve(self, region=Region.AUTO) if without_region else self
        if voice_sdk_id is None:
            return configuration.socket_url
        return configuration.url_with(voice_sdk_id=voice_sdk_id, skip_last_voice_sdk_id="true" if elsewhere else None)

    @property
    def is_local(self) -> bool:
        """Whether the signalling server is on this machine."""
        return is_loopback(urlsplit(self.socket_url).hostname or "")

    @property
    def tls_options(self) -> Mapping[str, Any]:
        """What of it `SignalingConnection` wants as `sslopt`."""
        options = {"context": self.ssl_context, "ca_certs": self.ca_file, "check_certificate": self.check_certificate}
        return {name: value for name, value in options.items() if value is not None}

    @property
    def ice_servers(self) -> tuple[IceServer, ...]:
        """The STUN and TURN servers that a call uses."""
        if self.webrtc_ice_servers is not None:
            return self.webrtc_ice_servers
        if self.turn is None and self.stun is None:
            return _DEFAULT_ICE[self.environment]
        return _mobile_ice(self.stun, self.turn, _DEFAULT_ICE[self.environment])

    def url_with(self, **parameters: str | None) -> str:
        """`socket_url` with query parameters such as `voice_sdk_id` added; port, path and earlier parameters stay."""
        parts = urlsplit(self.socket_url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        query += [(name, value) for name, value in parameters.items() if value is not None]
        # The server's ids may hold half of a surrogate pair, which JSON allows and UTF-8 does not.
        return urlunsplit(parts._replace(query=urlencode(query, errors="replace")))
