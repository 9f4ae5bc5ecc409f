"""The servers of a login, as the three pages have them: Telnyx's, or one's own for signalling, ICE, or both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from telnyx_agent import IceServer, TxClient, TxError, TxServerConfiguration
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import LocalAgent
from tests.support.bad_servers import StunServer, TurnServer, answering_server, self_signed_server
from tests.support.pages import ASSISTANT, login

FIRST_LOOK_UP = """
import sys

def refuse(event, args):
    if event == "socket.getaddrinfo":
        print(args[0] if isinstance(args[0], str) else args[0].decode(), args[1], flush=True)
        raise OSError("no look-ups in this test")

sys.addaudithook(refuse)
from telnyx_agent import TxClient

with TxClient() as client:
    print(type(client.anonymous_login("assistant-1").exception(10)).__name__)
"""


def test_telnyxs_server_by_default() -> None:
    """In a process of its own, where the look-up that a login without configuration begins with is seen and refused."""
    done = subprocess.run([sys.executable, "-c", FIRST_LOOK_UP], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split("\n")[:2] == ["rtc.telnyx.com 443", "NetworkError"]


def test_a_signalling_server_of_ones_own(agent: LocalAgent, client: TxClient) -> None:
    """It is connected to, with its port, path and query."""
    with answering_server(b"HTTP/1.1 404 Not Found\r\n\r\n") as (port, requests):
        elsewhere = TxServerConfiguration(signaling_server=f"ws://127.0.0.1:{port}/deep/path?tenant=7")
        with pytest.raises(TxError):
            login(client, agent, server_configuration=elsewhere).result(10)
    head, *headers = requests[0].decode().split("\r\n")
    assert head.startswith("GET /deep/path?tenant=7")
    assert f"Host: 127.0.0.1:{port}" in headers
    login(client, agent, server_configuration=TxServerConfiguration(signaling_server=agent.url)).result(10)
    assert client.is_registered


def test_host_and_port(telnyx_client: TelnyxClient, tmp_path: Path) -> None:
    """Are where TLS goes: this server's certificate is what the client complains about."""
    with self_signed_server(tmp_path) as port:
        configuration = TxServerConfiguration(host="127.0.0.1", port=port)
        error = telnyx_client.connect_anonymously(configuration, ASSISTANT).exception(10)
    assert f"127.0.0.1:{port}" in str(error)
    assert "certificate" in str(error)


def test_ice_servers_of_ones_own(agent: LocalAgent, client: TxClient) -> None:
    """A call asks them, the TURN server over TCP with user and password; the login does not."""
    with StunServer.running() as stun, TurnServer.running("your-username", "your-password") as turn:
        servers = (IceServer(stun.url), IceServer(turn.url, "your-username", "your-password"))
        configuration = TxServerConfiguration(signaling_server=agent.url, webrtc_ice_servers=servers)
        assert (configuration.socket_url, configuration.ice_servers) == (agent.url, servers)
        login(client, agent, server_configuration=configuration).result(10)
        assert not stun.asked.is_set()
        with client.new_call() as call:
            call.wait_until_active(15)
        assert stun.asked.is_set()
        assert turn.seen[:1] == ["your-username"]  # noted only if the password was right, too


def test_signalling_and_ice_are_each_ones_own_choice(agent: LocalAgent) -> None:
    """Each alone, both, or neither: what is not given is Telnyx's."""
    default = TxServerConfiguration()
    for url in (None, agent.url):
        for ice in (None, [], [IceServer("stun:stun.example.com:3478")]):
            chosen = TxServerConfiguration(signaling_server=url, webrtc_ice_servers=ice)
            assert chosen.socket_url == (default.socket_url if url is None else url)
            assert chosen.ice_servers == (default.ice_servers if ice is None else tuple(ice))
