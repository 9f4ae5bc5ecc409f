"""`Wire`: connecting to one of several addresses, where what the system answers can be told beforehand."""

from __future__ import annotations

import errno
import math
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from telnyx_agent._net import socket as wire
from telnyx_agent._net.socket import Wire


class Addresses(Wire):
    """A wire to addresses whose sockets are given, in their order; an errno is an address that cannot be tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: socket.socket | int) -> None:
        super().__init__()
        self.waits: list[tuple[int, float]] = []
        left = list(found)

        def begin(address: Any, options: Any) -> socket.socket:
            if isinstance(one := left.pop(0), int):
                raise OSError(one, "")
            return one

        monkeypatch.setattr(self, "_resolve", lambda host, port: [("address", number) for number in range(len(found))])
        monkeypatch.setattr(wire, "_begin_connect", begin)

    def _wait(self, socks: Sequence[socket.socket], event: int, timeout: float = 3600.0) -> list[socket.socket]:
        self.waits.append((len(socks), timeout))
        if len(self.waits) > 4:
            raise TimeoutError
        # A socket that nobody answers is not ready, until the fourth look.
        return [sock for sock in socks if not isinstance(sock, _Silent) or len(self.waits) > 3]


class _Silent(socket.socket):
    """One that takes its time."""


class _Refused(socket.socket):
    def getsockopt(self, *_: Any) -> int:  # type: ignore[override]
        return errno.ECONNREFUSED


def test_a_name_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to wait for."""
    made = Addresses(monkeypatch)
    with pytest.raises(OSError, match="assign") as caught:
        made.connect("nowhere", 1, ())
    assert caught.value.errno == errno.EADDRNOTAVAIL
    made.release()


def test_the_error_is_the_last_addresss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it could not be tried or refused; all sockets are closed."""
    refused = _Refused()
    made = Addresses(monkeypatch, errno.ENETUNREACH, refused)
    with pytest.raises(ConnectionRefusedError) as caught:
        made.connect("somewhere", 1, ())
    assert caught.value.errno == errno.ECONNREFUSED
    assert refused.fileno() == -1
    made.release()


def test_an_address_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is tried a quarter of a second later; when that is refused, the first is waited for without end."""
    silent, refused = _Silent(), _Refused()
    made = Addresses(monkeypatch, silent, errno.ENETUNREACH, refused)
    made.connect("somewhere", 1, ())
    assert made.waits == [(1, 0.25), (1, 0.25), (2, math.inf), (1, math.inf)]
    assert silent.fileno() != -1
    assert refused.fileno() == -1
    made.release()
