"""UDP is blocked: the media go through a TURN server (coturn) over TCP, or over TLS where nothing else passes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.network.talk import Talk, talk
from tests.support.netns import SERVER, Internet
from tests.support.requirements import require, which

pytestmark = [pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(150)]

STUN = f"stun:{SERVER}:3478"
UDP, TCP = f"turn:{SERVER}:3478?transport=udp", f"turn:{SERVER}:3478?transport=tcp"
TLS = f"turns:{SERVER}:5349"
NO_UDP = "meta l4proto udp"


@attrs.frozen
class Relay:
    """A network with a TURN server in it.

    Attributes:
        internet: The network.
        certificate: A file with the server's certificate, which no CA has signed.
    """

    internet: Internet
    certificate: str


@pytest.fixture
def relay(internet: Internet, tmp_path: Path) -> Iterator[Relay]:
    """coturn beside the agent, with a throw-away certificate."""
    require("turnserver", "openssl")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    subprocess.run(
        [
            *(which("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=turn"),
            *("-addext", f"subjectAltName=IP:{SERVER}"),
        ],
        capture_output=True,
        check=True,
    )
    command = [
        *("turnserver", "-n", "--verbose", "--log-file", "stdout", "--simple-log", "--no-cli", "--no-dtls"),
        *("--lt-cred-mech", "--user", "tester:secret", "--realm", "test"),
        *("--listening-ip", SERVER, "--relay-ip", SERVER, "--min-port", "49300", "--max-port", "49400"),
        *("--cert", certificate, "--pkey", key, "--pidfile", str(tmp_path / "pid"), "--userdb", str(tmp_path / "db")),
    ]
    with internet.service(internet.server, command, "TLS/TCP listener opened"):
        yield Relay(internet, certificate)


def relayed(call: Talk) -> list[str]:
    """The relays' addresses that the caller has offered."""
    return [line for line in call.agent.ask("media") if " typ relay" in line]


@pytest.mark.parametrize("passes", ["TCP", "TLS"])
def test_udp_is_blocked(relay: Relay, passes: str) -> None:
    """The list begins with STUN and TURN over UDP, as the default one does; the first that answers serves."""
    relay.internet.block(NO_UDP)
    if passes == "TLS":
        relay.internet.block("tcp dport 3478")
    with talk(relay.internet, ice=[STUN, UDP, TCP, TLS], ca_file=relay.certificate) as call:
        begin = time.monotonic()
        call.begin()
        active = call.caller.wait_for("on_call_state_updated", 1, where=lambda event: event["args"][0] == "ACTIVE")
        heard = call.caller.wait_for("sound", 1)
        call.converse("typed first")
        call.speak()
        assert len(relayed(call)) == 1
        call.hang_up()
        print(f"{passes}: active {active['time'] - begin:.1f} heard {heard['time'] - begin:.1f}")


def test_udp_is_blocked_in_mid_call(relay: Relay) -> None:
    """From one network into another: the media stop, and come back through the relay."""
    with talk(relay.internet, ice=[STUN, UDP, TCP, TLS], ca_file=relay.certificate) as call:
        call.begin()
        call.converse("typed first")
        relay.internet.block(NO_UDP)
        blocked = time.monotonic()
        call.caller.wait_for(
            "on_call_state_updated", 20, after=blocked, where=lambda event: event["args"][0] == "ACTIVE"
        )
        heard = call.listen()
        call.converse("typed last")
        call.speak()
        call.hang_up()
        print(f"heard {heard - blocked:.1f}")


def test_an_unknown_certificate_is_refused(relay: Relay) -> None:
    """TLS to a server that nobody vouches for is no way out: the call ends by its contract, and says what to do."""
    relay.internet.block(NO_UDP)
    with talk(relay.internet, ice=[TLS]) as call:
        call.caller.ask("login")
        begin = time.monotonic()
        call.caller.ask("call")
        call.check_ended(timeout=40)
        print(f"ended {time.monotonic() - begin:.1f}")
        assert "no audio path" in call.states[-1]
        assert relayed(call) == []
        assert time.monotonic() - begin < 30
