"""Which ICE server serves: the first that answers, each asked after a head start of the one before."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from telnyx_agent import TxServerConfiguration
from telnyx_agent._media.rtc import ice_servers
from telnyx_agent._media.rtc.ice_servers import first_answer, resolve, turn_tls_context, usable_servers
from telnyx_agent.config import IceServer
from tests.media.harness import run
from tests.support.requirements import require, which


class Attempts:
    """Attempts that note when they begin and how they end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, head_start: float = 0.05) -> None:
        monkeypatch.setattr(ice_servers, "HEAD_START", head_start)
        self.begun: list[str] = []
        self.cancelled: list[str] = []

    def make(self, name: str, outcome: str | Exception | None, delay: float = 0.0) -> Callable[[], Any]:
        """One attempt; `delay` is infinite for one that never answers."""

        async def attempt() -> str | None:
            self.begun.append(name)
            try:
                await asyncio.sleep(delay)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return attempt


def first(*attempts: Callable[[], Coroutine[Any, Any, str | None]]) -> str | None:
    """What `first_answer` returns, after all tasks have had a chance to end."""

    async def main() -> str | None:
        answer = await first_answer(attempts)
        await asyncio.sleep(0)
        return answer

    return run(main)


def test_the_first_answers_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is asked."""
    attempts = Attempts(monkeypatch, head_start=10)
    assert first(attempts.make("one", "1", 0.01), attempts.make("two", "2")) == "1"
    assert attempts.begun == ["one"]


def test_a_failure_does_not_wait_for_the_head_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an exception nor an empty answer."""
    attempts = Attempts(monkeypatch, head_start=10)
    found = first(attempts.make("one", OSError("no")), attempts.make("two", None), attempts.make("three", "3"))
    assert found == "3"
    assert attempts.begun == ["one", "two", "three"]


def test_a_silent_one_is_cancelled_when_the_next_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on until then: the one that is asked later may be slower."""
    attempts = Attempts(monkeypatch)
    assert first(attempts.make("one", "1", 100), attempts.make("two", "2")) == "2"
    assert attempts.cancelled == ["one"]


def test_a_slow_one_may_still_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers first counts, not what was asked last."""
    attempts = Attempts(monkeypatch)
    assert first(attempts.make("one", "1", 0.2), attempts.make("two", "2", 100)) == "1"
    assert attempts.cancelled == ["two"]


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """None, and so it is without anybody to ask."""
    attempts = Attempts(monkeypatch)
    assert first(attempts.make("one", OSError("no")), attempts.make("two", None, 0.1)) is None
    assert first() is None


def test_all_are_cancelled_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hangs up while gathering leaves no query behind."""
    attempts = Attempts(monkeypatch)

    async def main() -> None:
        asked_last = asyncio.Event()

        async def last() -> None:
            asked_last.set()
            await attempts.make("last", None, 100)()

        asking = asyncio.ensure_future(first_answer([attempts.make("one", None, 100), last]))
        await asked_last.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(main)
    assert sorted(attempts.cancelled) == ["last", "one"]


def test_the_default_servers_can_all_be_used() -> None:
    """Telnyx's list has a way for each network, and TLS on port 443 is among them."""
    servers = usable_servers(TxServerConfiguration().ice_servers)
    assert len(servers) == 6
    assert [(one.transport, one.tls) for one in servers if one.is_turn][:3] == [
        ("udp", False),
        ("tcp", False),
        ("tcp", True),
    ]
    assert servers[-2].port == 443


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("stun:example.com", ("example.com", 3478, "udp", False)),
        ("turn:example.com", ("example.com", 3478, "udp", False)),
        ("turn:example.com:80?transport=tcp", ("example.com", 80, "tcp", False)),
        ("turns:example.com", ("example.com", 5349, "tcp", True)),
        ("turns:example.com:443?transport=tcp", ("example.com", 443, "tcp", True)),
        ("turn:[2001:db8::1]:3478", ("2001:db8::1", 3478, "udp", False)),
        ("turns:[2001:db8::1]", ("2001:db8::1", 5349, "tcp", True)),
    ],
)
def test_urls(url: str, expected: tuple[str, int, str, bool]) -> None:
    """RFC 7064 and 7065, and the `transport` that browsers know."""
    (server,) = usable_servers([IceServer(url, "user", "password")])
    assert (server.host, server.port, server.transport, server.tls) == expected
    assert (server.username, server.password) == ("user", "password")
    assert "password" not in repr(server)


@pytest.mark.parametrize("url", ["stuns:example.com", "turns:example.com?transport=udp"])
def test_urls_that_nobody_can_use(url: str) -> None:
    """They are left out; the others stay."""
    assert [one.url for one in usable_servers([IceServer([url, "stun:example.com"])])] == ["stun:example.com"]


def test_addresses_are_not_looked_up() -> None:
    """Neither IPv4 nor IPv6."""
    assert run(lambda: resolve("192.0.2.1")) == "192.0.2.1"
    assert run(lambda: resolve("2001:db8::1", ipv6=True)) == "2001:db8::1"


def test_an_address_without_a_way_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with both kinds of addresses on a machine that has IPv6 alone, and on one that has neither."""
    entries = [(2, 2, 17, "", ("192.0.2.1", 0)), (10, 2, 17, "", ("2001:db8::1", 0, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: entries)

    def towards(server: tuple[str, int]) -> str:
        if server[0] in unreachable:
            raise OSError("no way")
        return "own"

    monkeypatch.setattr(ice_servers, "address_towards", towards)
    unreachable: set[str] = set()
    assert run(lambda: resolve("example.com", ipv6=True)) == "192.0.2.1"
    unreachable.add("192.0.2.1")
    assert run(lambda: resolve("example.com", ipv6=True)) == "2001:db8::1"
    unreachable.add("2001:db8::1")
    with pytest.raises(OSError, match="no way"):
        run(lambda: resolve("example.com", ipv6=True))


def test_turn_over_tls_is_verified(tmp_path: Path) -> None:
    """By the system's CAs and the user's besides; TLS 1.2 at least."""
    require("openssl")
    certificate = tmp_path / "ca.pem"
    command = [which("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(tmp_path / "key.pem"), "-out", str(certificate), "-days", "2", "-subj", "/CN=own"]
    subprocess.run(command, capture_output=True, check=True)
    plain, extended = turn_tls_context(None), turn_tls_context(str(certificate))
    for context in (plain, extended):
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert extended.cert_store_stats()["x509"] == plain.cert_store_stats()["x509"] + 1
