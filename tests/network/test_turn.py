"""UDP is blocked: the media go through a TURN server (coturn) over TCP, or over TLS where nothing else passes."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.network.talk import Talk, talk
from tests.support.netns import SERVER, SERVER_6, Internet
from tests.support.requirements import require, which

pytestmark = [pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(150)]

STUN = f"stun:{SERVER}:3478"
UDP, TCP = f"turn:{SERVER}:3478?transport=udp", f"turn:{SERVER}:3478?transport=tcp"
TLS = f"turns:{SERVER}:5349"
NO_UDP = "meta l4proto udp"


@contextlib.contextmanager
def coturn(internet: Internet, folder: Path, listening: str) -> Iterator[str]:
    """A TURN server beside the agent; a file with its certificate, which no CA has signed."""
    require("turnserver", "openssl")
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    subprocess.run(
        [
            *(which("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=turn"),
            *("-addext", f"subjectAltName=IP:{listening}"),
        ],
        capture_output=True,
        check=True,
    )
    command = [
        *("turnserver", "-n", "--verbose", "--log-file", "stdout", "--simple-log", "--no-cli", "--no-dtls"),
        *("--lt-cred-mech", "--user", "tester:secret", "--realm", "test"),
        *("--listening-ip", listening, "--relay-ip", SERVER, "--min-port", "49300", "--max-port", "49400"),
        *("--cert", certificate, "--pkey", key, "--pidfile", str(folder / "pid"), "--userdb", str(folder / "db")),
    ]
    with internet.service(internet.server, command, "TLS/TCP listener opened"):
        yield certificate


@pytest.fixture
def certificate(internet: Internet, tmp_path: Path) -> Iterator[str]:
    """Of the TURN server in `internet`."""
    with coturn(internet, tmp_path, SERVER) as certificate:
        yield certificate


def relayed(call: Talk) -> list[str]:
    """The relays' addresses that the caller has offered."""
    return [line for line in call.agent.ask("media") if " typ relay" in line]


@pytest.mark.parametrize("passes", ["TCP", "TLS"])
def test_udp_is_blocked(internet: Internet, certificate: str, passes: str) -> None:
    """The list begins with STUN and TURN over UDP, as the default one does; the first that answers serves."""
    internet.block(NO_UDP)
    if passes == "TLS":
        internet.block("tcp dport 3478")
    with talk(internet, ice=[STUN, UDP, TCP, TLS], ca_file=certificate) as call:
        begin = time.monotonic()
        call.begin()
        active = call.caller.wait_for("on_call_state_updated", 1, where=lambda event: event["args"][0] == "ACTIVE")
        heard = call.caller.wait_for("sound", 1)
        call.converse("typed first")
        call.speak()
        assert len(relayed(call)) == 1
        call.hang_up()
        print(f"{passes}: active {active['time'] - begin:.1f} heard {heard['time'] - begin:.1f}")


def test_udp_is_blocked_in_mid_call(internet: Internet, certificate: str) -> None:
    """From one network into another: the media stop, and come back through the relay."""
    with talk(internet, ice=[STUN, UDP, TCP, TLS], ca_file=certificate) as call:
        call.begin()
        call.converse("typed first")
        internet.block(NO_UDP)
        blocked = time.monotonic()
        call.caller.wait_for(
            "on_call_state_updated", 20, after=blocked, where=lambda event: event["args"][0] == "ACTIVE"
        )
        heard = call.listen()
        call.converse("typed last")
        call.speak()
        call.hang_up()
        print(f"heard {heard - blocked:.1f}")


def test_an_unknown_certificate_is_refused(internet: Internet, certificate: str) -> None:
    """TLS to a server that nobody vouches for is no way out: the call ends by its contract, and says what to do."""
    internet.block(NO_UDP)
    with talk(internet, ice=[TLS]) as call:
        call.caller.ask("login")
        begin = time.monotonic()
        call.caller.ask("call")
        call.check_ended(timeout=40)
        print(f"ended {time.monotonic() - begin:.1f}")
        assert "no audio path" in call.states[-1]
        assert relayed(call) == []
        assert time.monotonic() - begin < 30


@pytest.mark.parametrize("kind", ["turn:[{}]:3478?transport=udp", "turns:[{}]:5349"])
def test_a_caller_with_ipv6_alone_and_a_server_with_ipv4(tmp_path: Path, kind: str) -> None:
    """The relay is reached by IPv6 and speaks to the agent by IPv4."""
    with Internet(ipv6=True) as internet, coturn(internet, tmp_path, SERVER_6) as certificate:
        internet.caller.run("ip", "-4", "address", "flush", "dev", "wan0")
        # The agent has an IPv6 address as well; only its TURN server can be reached there.
        internet.block(f"ip6 daddr {SERVER_6} udp dport != 3478")
        with talk(internet, host=SERVER_6, ice=[kind.format(SERVER_6)], ca_file=certificate) as call:
            begin = time.monotonic()
            call.begin()
            active = call.caller.wait_for("on_call_state_updated", 1, where=lambda event: event["args"][0] == "ACTIVE")
            call.converse("typed first")
            call.speak()
            (address,) = relayed(call)
            assert f" {SERVER} " in address
            call.hang_up()
            print(f"{kind}: active {active['time'] - begin:.1f}")
