"""Every state of a client x everything that can happen to it: it recovers or ends by contract, and leaves nothing.

The contract: a login ends in exactly one of ready and error (in neither, if the user ended it before); every call has
one `DONE`, and nothing after it; every socket that was opened is told closed; no wait is longer than its time-out; no
thread and no descriptor stay (threads are counted by tests/conftest.py). Exits of the interpreter are in test_exits.py.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping

import attrs
import pytest

from telnyx_agent import Call, CallState, TxClient, TxError
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._runtime.futures import CommandFuture
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import FaultProxy, LocalAgent, RecordingDelegate, Scenario
from tests.matrices.stories import PATIENCE, check_contract

QUICK = functools.partial(
    SessionSettings,
    login_timeout=2.0,
    ready_timeout=3.0,
    invite_timeout=3.0,
    inbound_silence=0.6,
    outbound_silence=1.2,
    probe_timeout=0.4,
    attach_timeout=2.0,
)
"""The time-outs, so that a test sees their end."""

RECONNECT_TIMEOUT = 2.0
SETTLED_WITHIN = 10.0
"""Seconds in which the longest chain of time-outs above is through, on a busy machine."""

SESSION_END = 5.0
"""Seconds that a disconnection may take, whatever the network does."""


@attrs.define
class Rig:
    """A client, and what it talks to, through a network that can be broken."""

    agent: LocalAgent
    proxy: FaultProxy
    delegate: RecordingDelegate
    client: TxClient
    login: CommandFuture[None] | None = None
    call: Call | None = None

    def log_in(self) -> None:
        """Begin to."""
        self.login = self.client.anonymous_login("assistant-1", server_configuration=self.proxy.configuration)

    def log_in_and_wait(self) -> None:
        """Until it is ready."""
        self.log_in()
        self.client.wait_until_ready(PATIENCE)

    def talk(self) -> None:
        """Until a call is up."""
        self.log_in_and_wait()
        self.call = self.client.new_call()
        self.call.wait_until_active(PATIENCE)

    def lose(self) -> None:
        """Until the connection is lost, with no other to be had."""
        self.talk()
        self.proxy.accept("refuse")
        self.proxy.reset()
        self.delegate.wait_for("on_reconnecting", PATIENCE)


# -- the states --------------------------------------------------------------------------------------------------------


def not_connected(rig: Rig) -> None:
    """A client that never logged in."""


def connecting(rig: Rig) -> None:
    """The handshake is not answered."""
    rig.proxy.accept("silent")
    rig.log_in()
    rig.proxy.wait_for_connections(1, PATIENCE)


def connected(rig: Rig) -> None:
    """The login is not answered."""
    rig.log_in()
    rig.delegate.wait_for("on_socket_connected", PATIENCE)


def ready(rig: Rig) -> None:
    """No call."""
    rig.log_in_and_wait()


def call_connecting(rig: Rig) -> None:
    """The invite is not answered."""
    rig.log_in_and_wait()
    rig.call = rig.client.new_call()
    rig.agent.wait_for_frame("telnyx_rtc.invite", PATIENCE, direction="received")


def ringing(rig: Rig) -> None:
    """The call is not answered."""
    rig.log_in_and_wait()
    rig.call = rig.client.new_call()
    rig.call.wait_for_state(CallState.RINGING, PATIENCE)


def active(rig: Rig) -> None:
    """The call is up."""
    rig.talk()


def dropped(rig: Rig) -> None:
    """The connection is lost, and no other is there."""
    rig.lose()


def reconnecting(rig: Rig) -> None:
    """The connection is lost, another one is there, and its login is not answered."""
    rig.talk()
    rig.proxy.reset()
    rig.delegate.wait_for("on_socket_connected", PATIENCE, count=2)


def failed(rig: Rig) -> None:
    """The login was refused."""
    rig.log_in()
    rig.delegate.wait_for("on_client_error", PATIENCE)


def disconnected(rig: Rig) -> None:
    """After a call."""
    rig.talk()
    rig.client.disconnect().result(PATIENCE)


_NEVER_ANSWERED = Scenario(ringing_delay=0.0, media_delay=60.0, answer_delay=60.0)

STATES: Mapping[Callable[[Rig], None], Scenario | list[Scenario]] = {
    not_connected: Scenario.fast(),
    connecting: Scenario.fast(),
    connected: [Scenario.silent("login"), Scenario.fast()],
    ready: Scenario.fast(),
    call_connecting: Scenario.fast(invite="silent"),
    ringing: _NEVER_ANSWERED,
    active: Scenario.fast(),
    dropped: Scenario.fast(),
    reconnecting: [Scenario.fast(), Scenario.silent("login"), Scenario.fast()],
    failed: Scenario.fast(login="reject"),
    disconnected: Scenario.fast(),
}
"""How each state comes about, with which server."""


# -- what happens ------------------------------------------------------------------------------------------------------


def socket_dies(rig: Rig) -> None:
    """By an RST; the network is good afterwards."""
    rig.proxy.accept("forward")
    rig.proxy.reset()


def network_dies(rig: Rig) -> None:
    """By an RST, and nobody listens any more."""
    rig.proxy.accept("refuse")
    rig.proxy.reset()


def server_is_silent(rig: Rig) -> None:
    """The sockets stay open, new ones as well; nothing comes."""
    rig.proxy.accept("silent")
    rig.proxy.stall()


def server_says_error(rig: Rig) -> None:
    """Errors that belong to no request, and a gateway that fails."""
    rig.proxy.inject('{"jsonrpc":"2.0","id":"none","error":{"code":-32000,"message":"Server error"}}')
    rig.proxy.inject('{"jsonrpc":"2.0","id":7,"method":"telnyx_rtc.gatewayState","params":{"state":"FAILED"}}')


def server_closes(rig: Rig) -> None:
    """With a close frame."""
    rig.proxy.close(1011, "out of order")


def server_says_nonsense(rig: Rig) -> None:
    """Bytes that are no WebSocket."""
    rig.proxy.inject(b"\xff\xff\xff\xff" * 8)


def server_punts(rig: Rig) -> None:
    """It evicts the client."""
    rig.proxy.inject('{"jsonrpc":"2.0","id":8,"method":"telnyx_rtc.punt","params":{}}')


def user_disconnects(rig: Rig) -> None:
    """And waits for it."""
    rig.client.disconnect().result(SESSION_END)


def user_disconnects_twice_and_hangs_up(rig: Rig) -> None:
    """In a hurry, from a `with` block too."""
    futures = [rig.client.disconnect(), rig.client.disconnect()]
    if rig.call is not None:
        futures.append(rig.call.hangup())
    for future in futures:
        future.result(SESSION_END)


FAULTS = (
    socket_dies,
    network_dies,
    server_is_silent,
    server_says_error,
    server_closes,
    server_says_nonsense,
    server_punts,
    user_disconnects,
    user_disconnects_twice_and_hangs_up,
)
BY_USER = (user_disconnects, user_disconnects_twice_and_hangs_up)


# -- the contract ------------------------------------------------------------------------------------------------------


def descriptors() -> int:
    """How many this process has open; 0 where it cannot be asked."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@contextlib.contextmanager
def leaving_no_descriptor() -> Iterator[None]:
    """As many as before, soon afterwards."""
    gc.collect()
    before = descriptors()
    yield
    deadline = time.monotonic() + 5.0
    while (now := descriptors()) > before and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    assert now <= before, f"{now - before} descriptor(s) more than before"


@pytest.fixture
def rig(
    state: Callable[[Rig], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Rig]:
    """In the state."""
    # pytest keeps what is logged, with the media libraries' objects as arguments: they would hold the client.
    for name in ("aiortc", "aioice"):
        caplog.set_level(logging.WARNING, name)
    monkeypatch.setattr("telnyx_agent._drivers.making.SessionSettings", QUICK)
    with (
        leaving_no_descriptor(),
        LocalAgent(voice="silent", ears="deaf", media=False, scenario=STATES[state]) as agent,
        FaultProxy(agent) as proxy,
    ):
        delegate = RecordingDelegate()
        rig = Rig(agent, proxy, delegate, TxClient(delegate, audio=NullAudio(), reconnect_timeout=RECONNECT_TIMEOUT))
        client = weakref.ref(rig.client)
        try:
            state(rig)
            yield rig
        finally:
            if (left := client()) is not None:
                left.disconnect().wait(PATIENCE)


def is_settled(rig: Rig) -> bool:
    """Nothing is in flight: ready with calls that are up or over, or everything is over."""
    if rig.login is not None and not rig.login.done():
        return False
    calls_are = rig.call is None or rig.call.state in (CallState.ACTIVE, CallState.DONE)
    return calls_are and (rig.client.is_registered or not rig.client.is_connected())


def check(rig: Rig, *, by_user: bool) -> None:
    """The contract, after everything has ended."""
    problems = check_contract(rig.delegate)
    names = rig.delegate.names
    ready_count, errors = names.count("on_client_ready"), rig.delegate.calls_of("on_client_error")
    if rig.login is None:
        assert not names
    else:
        assert rig.login.done()
        error = rig.login.exception(0)  # noqa: LOG004 - a future, not a logger
        failed_to_log_in = error is not None
        if ready_count > 1 or (ready_count and failed_to_log_in):
            problems.append(f"{ready_count} x on_client_ready, and the login's future says {error!r}")
        if failed_to_log_in and not by_user and len(errors) != 1:
            problems.append(f"the login failed with {len(errors)} x on_client_error")
        if len(errors) > 1:
            problems.append(f"{len(errors)} x on_client_error: {errors}")
    if rig.call is not None:
        assert rig.call.state == CallState.DONE
        assert rig.call.termination_reason is not None
    assert not problems, "\n".join([*problems, *names])


def collected(reference: weakref.ref[TxClient]) -> bool:
    """Whether nothing holds the client any more, soon."""
    deadline = time.monotonic() + 5.0
    while reference() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    return reference() is None


# -- the matrix --------------------------------------------------------------------------------------------------------


every_state = pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)


@pytest.mark.slow_except(7)
@every_state
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_it_recovers_or_ends(rig: Rig, state: Callable[[Rig], None], fault: Callable[[Rig], None]) -> None:
    """The fault strikes; what is in flight settles by itself; then the user can end everything at once."""
    fault(rig)
    deadline = time.monotonic() + SETTLED_WITHIN
    if state is not ringing:  # that may last as long as people let it ring
        while not is_settled(rig):
            assert time.monotonic() < deadline, f"{rig.client} {rig.call} {rig.delegate.names}"
            time.sleep(0.01)
    rig.client.disconnect().result(SESSION_END)
    if rig.call is not None:
        rig.call.wait_until_ended(SESSION_END)
    check(rig, by_user=fault in BY_USER)
    # A new login finds nothing of the old one in its way.
    rig.proxy.accept("refuse")
    rig.delegate.clear()
    with pytest.raises(TxError):
        rig.client.anonymous_login("assistant-1", server_configuration=rig.proxy.configuration).result(PATIENCE)
    ends = [name for name in rig.delegate.names if name in ("on_client_ready", "on_client_error")]
    assert ends == ["on_client_error"]
    reference = weakref.ref(rig.client)
    rig.client.disconnect().result(SESSION_END)
    del rig.client, rig.call
    assert collected(reference), f"held by {[type(holder) for holder in gc.get_referrers(reference())]}"


@pytest.mark.slow_except(2)
@every_state
def test_the_user_forgets_the_client(rig: Rig, state: Callable[[Rig], None]) -> None:
    """A connection goes on without its client being held, as docs/threads-and-callbacks.md says, and ends as others do;
    after its end, and where there is none, nothing is left of the client.
    """
    reference = weakref.ref(rig.client)
    call, rig.call = rig.call, None
    was_alive = state not in (not_connected, failed, disconnected)
    done = None if call is None else call.call_id
    del rig.client, call
    gc.collect()
    gc.collect()
    if was_alive:
        client = reference()
        assert client is not None, "the connection has not held its client"
        if state is active:
            assert client.calls[done].state == CallState.ACTIVE  # type: ignore[index]
        client.disconnect().result(SESSION_END)
        del client
    assert collected(reference), f"held by {[type(holder) for holder in gc.get_referrers(reference())]}"
    assert not check_contract(rig.delegate)


def settled(most: tuple[int, int] | None) -> tuple[int, int]:
    """Threads and descriptors, once they are no more than `most`, or after five seconds.

    `disconnect()` is done when the session has ended; the loop, if it was its last user, ends by itself right after.
    """
    for thread in threading.enumerate():
        if thread.name == "telnyx-agent-loop":
            thread.join(5.0)
    deadline = time.monotonic() + 5.0
    while True:
        counts = threading.active_count(), descriptors()
        if most is None or (counts[0] <= most[0] and counts[1] <= most[1]) or time.monotonic() > deadline:
            return counts
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="counts descriptors")
def test_two_hundred_starts_and_stops() -> None:
    """Log in, call, disconnect, in one process: not one thread or descriptor more than after the tenth time."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.fast()) as agent:
        delegate = RecordingDelegate()
        counts: list[tuple[int, int]] = []
        for number in range(200):
            with TxClient(delegate, audio=NullAudio()) as client:
                client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(PATIENCE)
                client.new_call().wait_until_active(PATIENCE)
            if number % 10 == 9:
                counts.append(settled(counts[0] if counts else None))
        names = delegate.names
    assert names.count("on_client_ready") == 200
    states = [state for state, _ in delegate.calls_of("on_call_state_updated")]
    assert states.count(CallState.DONE) == 200
    assert not check_contract(delegate)
    threads, files = zip(*counts, strict=True)
    assert max(threads) == threads[0], counts
    assert max(files) == files[0], counts
