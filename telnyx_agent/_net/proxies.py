"""Proxies on the way to the server: which one is used, and how it is asked for a tunnel. HTTP CONNECT and SOCKS5.

Done here and not by websocket-client, whose sockets cannot be interrupted; the tunnel is asked for on the `Wire`, so
that `close()` and the connect time-out end that wait as well. Nothing of user name and password gets into a text.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

import attrs

from ..errors import ClientConfigurationError, NetworkError
from .http_head import NoHttpError, read_head

__all__ = ["Proxy", "Stream", "authority", "choose_proxy", "is_loopback", "open_tunnel", "parse_proxy"]

_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}
_OTHER_KINDS = frozenset({"https", "socks", "socks4", "socks4a", "ftp", "ws", "wss"})
"""What people write there that is not supported."""

_LOGIN = "; they go into the proxy's URL: http://user:password@host:port"

_SOCKS_ERRORS = {
    1: "it failed",
    2: "its rules forbid that",
    3: "it cannot reach the network",
    4: "it cannot reach the host",
    5: "the host refused the connection",
    6: "the connection took too long",
    7: "it does not know CONNECT",
    8: "it does not know this kind of address",
}


class Stream(Protocol):
    """What a tunnel is asked for on; `Wire`."""

    def send(self, data: bytes) -> int: ...
    def recv(self, size: int) -> bytes: ...
    def look_up(self, host: str) -> str: ...


@attrs.frozen
class Proxy:
    """A proxy.

    Attributes:
        kind: `"http"`, `"socks5"` (names are looked up here) or `"socks5h"` (by the proxy).
        host: Its name or address.
        port: Its port.
        username: None if it does not ask.
        password: None if it does not ask.
        variable: The environment variable that names it; empty if the program does.
    """

    kind: Literal["http", "socks5", "socks5h"]
    host: str
    port: int
    username: str | None = attrs.field(default=None, repr=False)
    password: str | None = attrs.field(default=None, repr=False)
    variable: str = ""

    @property
    def where(self) -> str:
        """For error messages."""
        source = f" (from the environment variable {self.variable})" if self.variable else ""
        return f"{self.host}:{self.port}{source}"

    @property
    def advice(self) -> str:
        """What to do where it cannot be used."""
        return _correct(self.variable) if self.variable else "; correct the proxy argument, or give '' for none"


def _correct(variable: str) -> str:
    return (
        f"; it comes from the environment variable {variable}: correct it, unset it, or name the server in no_proxy "
        "(in a program: TxServerConfiguration(proxy=...), with '' for none)"
    )


def parse_proxy(url: str, variable: str = "") -> Proxy:
    """The proxy that a URL names; `http://` may be left out.

    Args:
        url: The URL.
        variable: The environment variable that it comes from, if it does.

    Raises:
        ClientConfigurationError: It names none; the text does not quote it, since it may hold a password.
    """
    what = f"the environment variable {variable}" if variable else "that"
    mend = _correct(variable) if variable else ""
    scheme, host, port, why = "", None, None, ""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        scheme, host = parts.scheme, parts.hostname
        port = parts.port
    except ValueError:
        port = 0
    if not host:
        why = "it names no host"
    elif scheme not in _PORTS:
        # Only known words are repeated: what stands there may be part of a password.
        why = f"{scheme}:// is not supported" if scheme in _OTHER_KINDS else "its scheme is not supported"
    elif port == 0:
        why = "its port is not a number from 1 to 65535"
    if why or host is None:
        raise ClientConfigurationError(
            f"{what} is not the URL of a proxy that can be used ({why}); "
            f"expected 'http://[user:password@]host:port' or 'socks5h://...'{mend}"
        )
    kind: Literal["http", "socks5", "socks5h"] = scheme  # type: ignore[assignment]
    username = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    if kind != "http" and max(len((text or "").encode()) for text in (username, password)) > 255:
        raise ClientConfigurationError(f"user name and password of a SOCKS proxy may have 255 bytes each{mend}")
    return Proxy(kind, host, port or _PORTS[kind], username, password, variable)


def choose_proxy(
    explicit: str | None, host: str, port: int, *, secure: bool, environment: Mapping[str, str]
) -> Proxy | None:
    """The proxy for a server; None for a direct connection.

    Args:
        explicit: What the user said: a URL, `""` for no proxy, or None for what the environment says. The environment
            is not asked for servers on this machine.
        host: The server's.
        port: The server's.
        secure: Whether it is `wss://`: then `https_proxy` is looked at, else `http_proxy`; then `all_proxy`. Names in
            capital letters count, too, except `HTTP_PROXY`, which CGI programs let strangers set.
        environment: `os.environ`.

    Raises:
        ClientConfigurationError: What was found is no proxy's URL, or one of a kind that is not known.
    """
    if explicit is not None:
        return parse_proxy(explicit) if explicit else None
    if is_loopback(host):
        return None
    names = ("https_proxy", "HTTPS_PROXY") if secure else ("http_proxy",)
    found = ((name, environment.get(name, "").strip()) for name in (*names, "all_proxy", "ALL_PROXY"))
    variable, url = next((one for one in found if one[1]), ("", ""))
    exceptions = environment.get("no_proxy", environment.get("NO_PROXY", ""))
    if not url or _is_exception(host, port, exceptions):
        return None
    return parse_proxy(url, variable)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, as far as its name or address tells."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_exception(host: str, port: int, exceptions: str) -> bool:
    """Whether `no_proxy` names a host: by name, as one under a domain, by address, by network, or with its port."""
    host = host.lower().rstrip(".")
    for exception in filter(None, (part.strip().lower() for part in exceptions.split(","))):
        if exception == "*":
            return True
        name, colon, number = exception.rpartition(":")
        if colon and number.isdecimal() and len(number) <= 5 and ":" not in name.strip("[]"):
            if int(number) != port:
                continue
            exception = name
        exception = exception.strip("[]")
        if _is_in_network(host, exception):
            return True
        domain = exception.removeprefix("*").lstrip(".")
        if domain and (host == domain or host.endswith(f".{domain}")):
            return True
    return False


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


# -- the tunnel --------------------------------------------------------------------------------------------------------


def open_tunnel(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    """Ask a proxy, to which `stream` is connected, for a tunnel. Blocks.

    Raises:
        NetworkError: The proxy refused, or does not speak this protocol.
        OSError: The connection to the proxy failed.
    """
    if proxy.kind == "http":
        _connect_by_http(stream, proxy, host, port)
    else:
        _connect_by_socks(stream, proxy, host, port)


def authority(host: str, port: int) -> str:
    """Host and port as a URL has them (RFC 3986 3.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _connect_by_http(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    target = authority(host, port)
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if proxy.username is not None:
        credentials = base64.b64encode(f"{proxy.username}:{proxy.password or ''}".encode()).decode("ascii")
        head += f"Proxy-Authorization: Basic {credentials}\r\n"
    stream.send(f"{head}\r\n".encode("ascii"))
    try:
        status = read_head(stream).status
    except NoHttpError:
        raise NetworkError(f"the network proxy {proxy.where} did not answer as an HTTP proxy does") from None
    if status == 407:
        raise NetworkError(
            f"the network proxy {proxy.where} wants another user name and password (HTTP status 407){_LOGIN}"
        )
    if not 200 <= status < 300:
        raise NetworkError(f"the network proxy {proxy.where} refused the connection to {target} (HTTP status {status})")


def _connect_by_socks(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    """RFC 1928, with the user names of RFC 1929."""
    has_name = proxy.username is not None
    stream.send(b"\x05\x02\x00\x02" if has_name else b"\x05\x01\x00")
    version, method = _exactly(stream, 2, proxy)
    if version != 5 or method not in ((0, 2, 0xFF) if has_name else (0, 0xFF)):
        raise NetworkError(f"the network proxy {proxy.where} did not answer as a SOCKS5 proxy does")
    if method == 0xFF:
        raise NetworkError(f"the network proxy {proxy.where} wants another way to log in than we have")
    if method == 2:
        name, password = (proxy.username or "").encode(), (proxy.password or "").encode()
        stream.send(b"\x01" + bytes([len(name)]) + name + bytes([len(password)]) + password)
        if _exactly(stream, 2, proxy)[1] != 0:
            raise NetworkError(f"the network proxy {proxy.where} wants another user name and password{_LOGIN}")
    stream.send(b"\x05\x01\x00" + _socks_address(stream, proxy, host) + port.to_bytes(2, "big"))
    version, reply, _, kind = _exactly(stream, 4, proxy)
    if version != 5:
        raise NetworkError(f"the network proxy {proxy.where} did not answer as a SOCKS5 proxy does")
    if reply != 0:
        why = _SOCKS_ERRORS.get(reply, f"error {reply}")
        raise NetworkError(f"the network proxy {proxy.where} did not connect to {host}:{port}: {why}")
    size = {1: 4, 4: 16}.get(kind)
    _exactly(stream, (_exactly(stream, 1, proxy)[0] if size is None else size) + 2, proxy)


def _socks_address(stream: Stream, proxy: Proxy, host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if proxy.kind == "socks5h":
            try:
                name = host.encode("idna")
            except UnicodeError as exc:
                raise NetworkError(f"{host} is not a usable host name for a network proxy") from exc
            return b"\x03" + bytes([len(name)]) + name
        address = ipaddress.ip_address(stream.look_up(host))
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


def _exactly(stream: Stream, size: int, proxy: Proxy) -> bytes:
    data = b""
    while len(data) < size:
        chunk = stream.recv(size - len(data))
        if not chunk:
            raise NetworkError(f"the network proxy {proxy.where} closed the connection")
        data += chunk
    return data
