"""Floods and giants over real sockets, family by family, shortly: what is held has a bound, the loop comes round,
everything ends. That the loop works for no longer than 250 ms at a stretch is looked at around every test
(`tests/conftest.py`); what it comes to by the clock is measured by `python -m benchmarks hostile`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from benchmarks._hostile_families import FAMILIES, Family
from benchmarks._hostile_server import HostileServer
from benchmarks._hostile_victim import Errors, Listener, own_ends
from telnyx_agent import Call, TxClient, TxConfig, TxServerConfiguration
from telnyx_agent._net.backpressure import MOST_WAITING
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.audio import NullAudio

MOST_HELD = MOST_WAITING + 2 * 5 * 2**20
"""Bytes: above the limit come the message that was being received, and the one that the loop works on."""

FLOOD = 0.3
EXPIRY = 12.0
"""Seconds. In the latter our requests that nobody answers expire."""

FAST = frozenset(
    {
        "empty texts",
        "one array of empty objects, 5 MiB",
        "arrays of 100 pings, not answered",
        "deltas, blocked delegate",
        "50 attaches with bad ids, then close 1011",
        "an answer with 10,000 candidates",
        "control pings of 125 bytes",
        "one text of 5 MiB, not ASCII",
    }
)
"""One of each kind; the others are slow together."""


@pytest.fixture(scope="module")
def signalling() -> Iterator[HostileServer]:
    """Calls are active, and have no sound."""
    with HostileServer(media=False) as server:
        yield server


@pytest.fixture(scope="module")
def speaking() -> Iterator[HostileServer]:
    """Calls have real media."""
    with HostileServer() as server:
        yield server


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What is logged with a traceback."""
    handler = Errors()
    logging.getLogger("telnyx_agent").addHandler(handler)
    yield handler.lines
    logging.getLogger("telnyx_agent").removeHandler(handler)


def _families(*, media: bool) -> list[object]:
    chosen = [one for one in FAMILIES if (one.datagrams is not None or one.srtp is not None) is media]
    return [
        pytest.param(one, id=one.name, marks=() if one.name in FAST else (pytest.mark.slow,))
        for one in chosen
        if one is not FAMILIES[0]
    ]


def _log_in(client: TxClient, server: HostileServer, family: Family) -> list[Call]:
    """The client is logged in, and has a call where the family wants one."""
    configuration = TxServerConfiguration(server.url, webrtc_ice_servers=())
    if family.login == "credentials":
        config = TxConfig(sip_user="alice", password="secret")
        client.connect(config, server_configuration=configuration).result(10)
        return []
    login = client.anonymous_login("assistant-1", server_configuration=configuration)
    if family.login == "late":
        return []
    login.result(10)
    call = client.new_call()
    if family.answer is None:
        call.wait_until_active(15)
    return [call]


def _attack(server: HostileServer, family: Family, errors: list[str]) -> None:
    server.arm(family)
    listener = Listener(family.delegate)
    loop = LoopThread.acquire()
    client = TxClient(listener, audio=NullAudio(), callbacks="pump" if family.delegate == "pump" else "thread")
    try:
        calls = _log_in(client, server, family)
        link = client._logins.handle
        assert link.dispatcher is not None
        server.attack()
        server.wait(FLOOD if family.replies != "nothing" or family.name in FAST else EXPIRY)
        assert link.dispatcher.pressure.waiting <= MOST_HELD
        client.disconnect().result(10)
        server.stop()
        came_round = threading.Event()
        loop.post(came_round.set)
        assert came_round.wait(10), "the loop does not come round"
        assert link.dispatcher.pressure.waiting <= MOST_HELD
        assert own_ends(calls, listener.ends, counted=family.is_prompt) == ""
        assert listener.logins["ready"] <= 1
        assert errors == []
    finally:
        listener.release()
        server.stop()
        client.disconnect().result(10)
        loop.release()


@pytest.mark.parametrize("family", _families(media=False))
def test_what_a_server_says(signalling: HostileServer, family: Family, errors: list[str]) -> None:
    """In bytes of the WebSocket."""
    _attack(signalling, family, errors)


@pytest.mark.parametrize("family", _families(media=True))
def test_what_comes_to_the_media_ports(speaking: HostileServer, family: Family, errors: list[str]) -> None:
    """In datagrams, from anybody, or from the peer."""
    _attack(speaking, family, errors)
