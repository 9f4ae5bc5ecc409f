"""`UdpFaults` on real calls: the media of client and agent meets what the proxy was told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telnyx_agent import Call, TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import FaultProxy, GilbertElliott, LocalAgent, Scenario, UdpFaults


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    with LocalAgent(voice="tones", ears="energy", scenario=Scenario.fast()) as agent:
        yield agent


@pytest.fixture
def proxy(agent: LocalAgent) -> Iterator[FaultProxy]:
    with FaultProxy(agent, udp=UdpFaults(), seed=3) as proxy:
        yield proxy


@pytest.fixture
def call(agent: LocalAgent, proxy: FaultProxy) -> Iterator[Call]:
    """A call with media, through the proxy."""
    with TxClient(audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=proxy.configuration)
        call = client.new_call()
        agent.wait_for_call(lambda call: call.media_state == "connected", 20)
        yield call
        client.disconnect().result(10)


def wait_until(condition: Callable[[], bool], timeout: float = 10.0) -> None:
    """Counters change without an event."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        threading.Event().wait(0.02)


def test_media_goes_through_the_proxy(proxy: FaultProxy, call: Call) -> None:
    """Both ways, and nothing is lost."""
    wait_until(lambda: min(proxy.udp_counts[side].sent for side in ("client", "agent")) > 50)
    counts = proxy.udp_counts
    assert all(counts[side].received == counts[side].sent for side in counts)


@pytest.mark.slow
def test_loss_and_duplicates(proxy: FaultProxy, call: Call) -> None:
    """Some packets go on never and some twice."""
    proxy.set_udp(UdpFaults(loss=0.2, burst=GilbertElliott(), delay=0.01, jitter=0.02, reorder=0.05))
    start = proxy.udp_counts["agent"].received
    wait_until(lambda: proxy.udp_counts["agent"].received > start + 100)
    counts = proxy.udp_counts["agent"]
    assert counts.sent < counts.received
    proxy.set_udp(UdpFaults(duplicate=1.0))
    sent, received = counts.sent, counts.received
    wait_until(lambda: counts.received > received + 50)
    wait_until(lambda: counts.sent - sent > 1.5 * (counts.received - received - 5))


def test_blackout(proxy: FaultProxy, call: Call) -> None:
    """Nothing comes through, though both still send; then everything does."""
    proxy.set_udp(UdpFaults(blackout=True))
    counts = proxy.udp_counts["client"]
    sent, received = counts.sent, counts.received
    wait_until(lambda: counts.received > received + 25)
    assert counts.sent == sent
    proxy.set_udp(UdpFaults())
    wait_until(lambda: counts.sent > sent + 25)


def test_a_new_port_is_found(proxy: FaultProxy, call: Call) -> None:
    """After a router has forgotten the connection, packets reach the agent from another port."""
    proxy.rebind_udp()
    sent = proxy.udp_counts["client"].sent
    wait_until(lambda: proxy.udp_counts["client"].sent > sent + 25)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors as Linux shows them")
def test_relays_of_calls_that_are_over_are_closed(agent: LocalAgent, proxy: FaultProxy) -> None:
    """Those that were left for another path, too: a proxy may serve thousands of calls."""

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    with TxClient(audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=proxy.configuration).result(10)
        before = descriptors()
        for _ in range(3):
            call = client.new_call()
            call.wait_until_active(20)
            call.hangup().result(10)
        wait_until(lambda: descriptors() <= before)

        call = client.new_call()
        agent.wait_for_call(lambda one: one.call_id == str(call.call_id) and one.media_state == "connected", 20)
        connected = descriptors()
        path = proxy.accepted
        proxy.reset()
        proxy.wait_for_connections(path + 1, 10)
        agent.wait_for_call(lambda one: one.state == "answered" and one.connection > path, 20)
        wait_until(lambda: descriptors() <= connected)
        call.hangup().result(10)
