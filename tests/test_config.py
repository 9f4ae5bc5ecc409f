"""Server configuration: the URLs and ICE lists that come out, and clear refusals."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from telnyx_agent import ClientConfigurationError, Environment, IceServer, LogLevel, Region, TxServerConfiguration


@pytest.mark.parametrize(
    ("configuration", "url"),
    [
        (TxServerConfiguration(), "wss://rtc.telnyx.com"),
        (TxServerConfiguration.production(), "wss://rtc.telnyx.com"),
        (TxServerConfiguration.development(), "wss://rtcdev.telnyx.com"),
        (TxServerConfiguration(environment="development"), "wss://rtcdev.telnyx.com"),
        (TxServerConfiguration(region=Region.EU), "wss://eu.rtc.telnyx.com"),
        (TxServerConfiguration(region="south-asia"), "wss://south-asia.rtc.telnyx.com"),
        (TxServerConfiguration(region="auto"), "wss://rtc.telnyx.com"),
        (TxServerConfiguration(environment="development", region=Region.EU), "wss://eu.rtcdev.telnyx.com"),
        (TxServerConfiguration("wss://your-server.com"), "wss://your-server.com"),
        (TxServerConfiguration("ws://127.0.0.1:8080/path"), "ws://127.0.0.1:8080/path"),
        (TxServerConfiguration("wss://your-server.com", region=Region.EU), "wss://your-server.com"),
        (TxServerConfiguration(host="your-custom-host", port=443), "wss://your-custom-host:443/"),
        (TxServerConfiguration(host="your-custom-host"), "wss://your-custom-host:443/"),
    ],
)
def test_socket_url(configuration: TxServerConfiguration, url: str) -> None:
    """Every way to name a server gives the documented URL."""
    assert configuration.socket_url == url


@pytest.mark.parametrize("region", list(Region))
def test_every_region_is_a_host(region: Region) -> None:
    """As iOS has them; only a region has the host without one behind it, where that is wanted."""
    configuration = TxServerConfiguration(region=region)
    host = "rtc.telnyx.com" if region is Region.AUTO else f"{region.value}.rtc.telnyx.com"
    assert configuration.socket_url == f"wss://{host}"
    assert configuration.has_fallback == (region is not Region.AUTO)
    assert not TxServerConfiguration(region=region, fallback_on_region_failure=False).has_fallback
    assert not TxServerConfiguration("wss://eu.example.com", region=region).has_fallback
    url = configuration.url_with(voice_sdk_id="test_sdk_id_123")
    assert url == f"wss://{host}?voice_sdk_id=test_sdk_id_123"


def test_parameters_are_added_without_losing_port_path_or_query() -> None:
    """`voice_sdk_id` is appended properly; iOS drops port and path of a custom server here."""
    configuration = TxServerConfiguration("wss://host:8443/path?a=1")

    assert configuration.url_with(voice_sdk_id="V+1 x", other=None) == "wss://host:8443/path?a=1&voice_sdk_id=V%2B1+x"
    # Half of a surrogate pair, which JSON allows: what cannot be sent must not keep us from connecting again.
    assert configuration.url_with(voice_sdk_id="\ud83d") == "wss://host:8443/path?a=1&voice_sdk_id=%3F"


@pytest.mark.parametrize(
    "arguments",
    [
        {"signaling_server": "https://host"},
        {"signaling_server": "host"},
        {"signaling_server": "wss://host:notaport"},
        {"signaling_server": "wss://host:99999"},
        {"signaling_server": "wss://"},
        {"signaling_server": "wss://a", "host": "b"},
        {"port": 443},
        {"region": "../evil"},
        {"webrtc_ice_servers": ["http://x"]},
        {"webrtc_ice_servers": [42]},
        {"webrtc_ice_servers": [{"username": "u"}]},
        {"stun": "nonsense"},
    ],
)
def test_unusable_values_are_refused(arguments: dict[str, object]) -> None:
    """What cannot work is refused when the value is made, not when the call fails."""
    with pytest.raises(ClientConfigurationError):
        TxServerConfiguration(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environment", "suffix", "further"),
    [("production", "", ["turns:turn2.telnyx.com:443"]), ("development", "dev", [])],
)
def test_default_ice_servers_are_telnyx_own(environment: str, suffix: str, further: list[str]) -> None:
    """TurnServerConfigurationTests of iOS: two STUN, TURN by UDP before TCP, TURNS on 443 last, public credentials."""
    servers = TxServerConfiguration(environment=environment).ice_servers
    assert [url for server in servers for url in server.urls] == [
        f"stun:stun{suffix}.telnyx.com:3478",
        "stun:stun.l.google.com:19302",
        f"turn:turn{suffix}.telnyx.com:3478?transport=udp",
        f"turn:turn{suffix}.telnyx.com:3478?transport=tcp",
        f"turns:turn{suffix}.telnyx.com:443",
        *further,
    ]
    assert {(server.username, server.credential) for server in servers[2:]} == {("testuser", "testpassword")}


def test_custom_ice_servers_in_every_spelling() -> None:
    """IceServer values, dictionaries (W3C's and iOS's keys) and plain URLs are all taken."""
    own = IceServer("turn:turn.example.com:3478?transport=tcp", "user", "secret")
    configuration = TxServerConfiguration(
        webrtc_ice_servers=[
            own,
            {"urls": ["stun:a:1"]},
            {"urlStrings": ["stun:b:1"], "username": "u"},
            "stun:stun.example.com:3478",
        ]
    )

    assert [server.urls[0] for server in configuration.ice_servers] == [
        "turn:turn.example.com:3478?transport=tcp",
        "stun:a:1",
        "stun:b:1",
        "stun:stun.example.com:3478",
    ]
    assert TxServerConfiguration(webrtc_ice_servers=[]).ice_servers == ()


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ("turn:turn.example.com:3478?transport=tcp", ["udp", "tcp", "tls"]),
        ("turn:turn.example.com:3478", ["udp", "tcp", "tls"]),
        ("turn:turn.example.com:3478?transport=udp", ["udp", "tls"]),
        ("turns:turn.example.com:443?transport=tcp", ["tls"]),
    ],
)
def test_androids_turn_is_asked_in_every_way(turn: str, expected: list[str]) -> None:
    """IceServersTest of Android: by UDP, by TCP, and last by TLS on 443; with Telnyx's public user name."""
    ways = {
        "udp": "turn:turn.example.com:3478?transport=udp",
        "tcp": "turn:turn.example.com:3478?transport=tcp",
        "tls": "turns:turn.example.com:443?transport=tcp",
    }
    servers = TxServerConfiguration(turn=turn).ice_servers
    assert [server.urls[0] for server in servers[:2]] == ["stun:stun.telnyx.com:3478", "stun:stun.l.google.com:19302"]
    assert [server.urls[0] for server in servers[2:]] == [ways[way] for way in expected]
    assert {(server.username, server.credential) for server in servers[2:]} == {("testuser", "testpassword")}


def test_androids_stun_is_in_the_place_of_telnyxs() -> None:
    """Google's and the TURN servers stay."""
    usual = TxServerConfiguration().ice_servers
    servers = TxServerConfiguration(stun="stun:s:1").ice_servers
    assert servers[0].urls == ("stun:s:1",)
    assert servers[1:] == usual[1:]


def test_credentials_are_not_in_the_repr() -> None:
    """A configuration may be logged: it shows no credential."""
    server = IceServer("turn:t:1", "user-canary", "secret-canary")

    assert "canary" not in repr(server) + repr(TxServerConfiguration(webrtc_ice_servers=[server]))


def test_is_local() -> None:
    """Only servers on this machine count as local."""
    assert TxServerConfiguration("ws://127.0.0.1:1").is_local
    assert TxServerConfiguration("ws://[::1]:1").is_local
    assert not TxServerConfiguration().is_local


def test_log_levels_are_ordered() -> None:
    """Each level contains those before it."""
    assert LogLevel.NONE < LogLevel.ERROR < LogLevel.INFO < LogLevel.DEBUG < LogLevel.VERTO < LogLevel.ALL
    assert Environment("production") is Environment.PRODUCTION


@pytest.mark.parametrize(
    "url", ["ws://example.com", "ws://10.1.2.3:8080", "ws://127.0.0.1.example.com", "ws://localhost.example"]
)
def test_without_encryption_only_to_this_machine(url: str) -> None:
    """`ws://` elsewhere has to be asked for in so many words."""
    with pytest.raises(ClientConfigurationError, match="allow_insecure"):
        TxServerConfiguration(url)
    assert TxServerConfiguration(url, allow_insecure=True).socket_url == url
    for own in ("ws://localhost:1", "ws://127.1.2.3", "ws://[::1]:1"):
        assert TxServerConfiguration(own).is_local


def accept(certificate: bytes) -> bool:
    """A check of the program's."""
    return True


def test_tls_options_are_checked_when_made(tmp_path: Path) -> None:
    """What would weaken TLS is refused here, not when the connection is made."""
    careless = ssl.create_default_context()
    careless.check_hostname = False
    with pytest.raises(ClientConfigurationError, match="does not verify"):
        TxServerConfiguration(ssl_context=careless)
    with pytest.raises(ClientConfigurationError, match="either ca_file or ssl_context"):
        TxServerConfiguration(ssl_context=ssl.create_default_context(), ca_file=tmp_path / "ca.pem")
    configuration = TxServerConfiguration(ca_file=tmp_path / "ca.pem", check_certificate=accept)
    assert configuration.tls_options == {"ca_certs": str(tmp_path / "ca.pem"), "check_certificate": accept}
    assert TxServerConfiguration().tls_options == {}


def test_urls_are_shown_without_what_may_be_secret() -> None:
    """User, password and query are in no `repr` and no message; host and path are."""
    configuration = TxServerConfiguration(
        "wss://user:canary@host:8443/path?token=canary#canary", proxy="http://canary:canary@proxy:3128"
    )
    shown = repr(configuration)
    assert "canary" not in shown
    assert "host:8443/path" in shown
    assert "proxy:3128" in shown
    for url in ("ws://user:canary@host/?canary", "https://canary@host?canary", "wss://canary@host:x?canary"):
        with pytest.raises(ClientConfigurationError) as caught:
            TxServerConfiguration(url)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["stun:a:b:c", "stun:a:x", "turn://a:1", "stun:::1:3478", "stun:[::1", "stun:u@a:1", "stun:a:1?x=1", "stun:a:1\n"],
)
def test_ice_urls_that_nobody_can_read(url: str) -> None:
    """RFC 7064 and 7065: a host, or an IPv6 address in brackets, then a port."""
    with pytest.raises(ClientConfigurationError, match="is not an ICE server URL; expected 'stun:host:port'"):
        IceServer(url)
    IceServer(["stun:a", "stun:[::1]", "stun:[fd00::1]:3478", "turn:\u00fc.example:1?transport=tcp", "stun:1.2.3.4:5"])
