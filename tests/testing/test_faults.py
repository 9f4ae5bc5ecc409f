"""`FaultProxy` between a real client and a real local agent: each fault is one that the client sees."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import websocket

from telnyx_agent import NetworkError, TxClient, TxError
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent.audio import NullAudio
from telnyx_agent.errors import RemoteProtocolError
from telnyx_agent.testing import Fault, FaultProxy, FaultRates, LocalAgent, RecordingDelegate, Scenario, UdpFaults
from tests.net.sockets import Client


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    with LocalAgent(voice="silent", ears="deaf", scenario=Scenario.fast(), media=False) as agent:
        yield agent


@pytest.fixture
def proxy(agent: LocalAgent) -> Iterator[FaultProxy]:
    with FaultProxy(agent, seed=7) as proxy:
        yield proxy


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread.acquire()
    yield thread
    thread.release()


def connected(proxy: FaultProxy, loop: LoopThread) -> Client:
    """The SDK's own WebSocket, through the proxy."""
    return Client.to(proxy.url, loop).wait_open()


def say(agent: LocalAgent, text: str) -> None:
    """A text from the server to the only client there is."""
    agent.send(text, connection=agent.connections[-1])


def finish(client: Client) -> None:
    client.connection.close()
    client.closed(3.0)


# -- the good case -----------------------------------------------------------------------------------------------------


def test_without_faults_nothing_changes(agent: LocalAgent, proxy: FaultProxy) -> None:
    """Login, call, hang-up: as without a proxy, and no fault is on record."""
    delegate = RecordingDelegate()
    with TxClient(delegate, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=proxy.configuration).result(10)
        assert proxy.connections == (1,)
        client.disconnect().result(5)
    assert delegate.calls_of("on_client_error") == []
    assert proxy.records == ()
    assert proxy.accepted == 1


def test_texts_go_both_ways(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """As they are, short and long, in order."""
    client = connected(proxy, loop)
    agent_sees = [f"text {number} äöü" + "x" * number * 100 for number in range(30)]
    for text in agent_sees:
        client.connection.send(text)
        say(agent, text)
    assert [client.text() for _ in agent_sees] == agent_sees
    assert agent.wait_for_frame("(other)", direction="received", count=30).data == agent_sees[-1]
    finish(client)


# -- ends of connections -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_connections_end_without_a_word(proxy: FaultProxy, loop: LoopThread, agent: LocalAgent, how: str) -> None:
    """FIN or RST: a network error, at once, and the agent has lost the client too."""
    client = connected(proxy, loop)
    getattr(proxy, how)()
    closed = client.closed(3.0)
    assert closed.code == 1006
    assert isinstance(closed.error, NetworkError)
    assert isinstance(closed.error.__cause__, ConnectionResetError) == (how == "reset")
    assert [record.action for record in proxy.records] == [how]
    deadline = time.monotonic() + 5
    while agent.connections and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert agent.connections == ()


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4014])
def test_close_codes(proxy: FaultProxy, loop: LoopThread, code: int) -> None:
    """The client sees a close frame that the server never sent."""
    client = connected(proxy, loop)
    proxy.close(code, "because")
    closed = client.closed(3.0)
    assert (closed.code, closed.reason) == (code, "because")
    assert (closed.error is None) == (code in (1000, 1001))


@pytest.mark.parametrize(
    ("action", "error"), [("tear", NetworkError), ("garble", RemoteProtocolError), ("cut", NetworkError)]
)
def test_a_frame_that_ends_the_connection(
    agent: LocalAgent, proxy: FaultProxy, loop: LoopThread, action: str, error: type[TxError]
) -> None:
    """Torn in the middle, no WebSocket at all, or dead instead: what came before is there, and nothing after."""
    proxy.add(Fault(action, contains="second"))  # type: ignore[arg-type]
    client = connected(proxy, loop)
    say(agent, "first")
    say(agent, "second")
    assert client.text() == "first"
    closed = client.closed(3.0)
    assert isinstance(closed.error, error)
    assert [(record.frame, record.action) for record in proxy.records] == [(2, action)]


def test_the_frame_may_come_through_before_the_end(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """With `after`, the last words are heard."""
    proxy.add(Fault("reset", contains="last", after=True))
    client = connected(proxy, loop)
    say(agent, "last words")
    assert client.text() == "last words"
    assert isinstance(client.closed(3.0).error, NetworkError)


def test_a_single_close(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """A close frame in the place of a frame."""
    proxy.add(Fault("close", contains="x", code=1012, reason="restart"))
    client = connected(proxy, loop)
    say(agent, "x")
    assert client.closed(3.0).code == 1012


# -- half-open ---------------------------------------------------------------------------------------------------------


def test_half_open_towards_the_client(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """The server hears and is not heard; then everything that has waited comes, in order."""
    client = connected(proxy, loop)
    proxy.stall("to_client")
    for number in range(5):
        say(agent, f"held {number}")
    client.connection.send("heard")
    agent.wait_for_frame("(other)", direction="received")
    assert client.events[-1][0] == "open"
    proxy.resume()
    assert [client.text() for _ in range(5)] == [f"held {number}" for number in range(5)]
    finish(client)


def test_half_open_towards_the_server(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """The client hears and is not heard."""
    client = connected(proxy, loop)
    proxy.stall("to_server")
    client.connection.send("lost in the wires")
    say(agent, "heard")
    assert client.text() == "heard"
    assert not [frame for frame in agent.frames if frame.direction == "received"]
    proxy.resume()
    assert agent.wait_for_frame("(other)", direction="received").data == "lost in the wires"
    finish(client)


def test_a_frame_that_stalls_the_connection(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """It waits, and comes first when the connection goes on."""
    proxy.add(Fault("stall", contains="first"))
    client = connected(proxy, loop)
    say(agent, "first")
    proxy.wait_for("stall")
    say(agent, "second")
    proxy.resume()
    assert [client.text(), client.text()] == ["first", "second"]
    finish(client)


@pytest.mark.slow
def test_a_connection_on_which_nobody_speaks(proxy: FaultProxy) -> None:
    """Accepted and silent: the login ends with a network error when the time-out for connections is up."""
    proxy.accept("silent")
    delegate = RecordingDelegate()
    with TxClient(delegate, audio=NullAudio()) as client:
        error = client.anonymous_login("assistant-1", server_configuration=proxy.configuration).exception(15)
    assert isinstance(error, NetworkError)
    assert delegate.calls_of("on_client_error") == [(error,)]


def test_new_connections_are_reset_or_refused(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """An RST at once; or nobody listens; and then everything is well again, on the same port."""
    port = proxy.port
    proxy.accept("reset")
    closed = Client.to(proxy.url, loop).closed(5.0)
    assert closed.code is None
    assert isinstance(closed.error, NetworkError)
    proxy.accept("refuse")
    assert isinstance(Client.to(proxy.url, loop).closed(5.0).error, NetworkError)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)
    proxy.accept("forward")
    finish(connected(proxy, loop))
    assert proxy.port == port
    with pytest.raises(ValueError, match="'silent'"):
        proxy.accept("nonsense")  # type: ignore[arg-type]


def test_open_connections_stay_when_new_ones_are_refused(
    agent: LocalAgent, proxy: FaultProxy, loop: LoopThread
) -> None:
    """Only the door is shut."""
    client = connected(proxy, loop)
    proxy.accept("refuse")
    say(agent, "still here")
    assert client.text() == "still here"
    finish(client)


# -- frames ------------------------------------------------------------------------------------------------------------


def test_drop_duplicate_reorder_delay(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """One of each, at the frames with these numbers."""
    proxy.add(Fault("drop", frame=1), Fault("duplicate", frame=2), Fault("reorder", frame=3))
    proxy.add(Fault("delay", frame=5, seconds=0.3))
    client = connected(proxy, loop)
    for number in range(1, 5):
        say(agent, str(number))
    assert [client.text() for _ in range(4)] == ["2", "2", "4", "3"]
    begin = time.monotonic()
    say(agent, "5")
    assert client.text() == "5"
    assert time.monotonic() - begin >= 0.3
    assert [record.action for record in proxy.records] == ["drop", "duplicate", "reorder", "delay"]
    finish(client)


def test_truncated_and_corrupted_frames(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """Good frames with bad contents: they arrive, and are not what was sent."""
    proxy.add(Fault("truncate", frame=1), Fault("corrupt", frame=2))
    client = connected(proxy, loop)
    say(agent, "0123456789")
    say(agent, "abcdefghijklmnopqrst")
    assert client.text() == "01234"
    corrupted = client.text()
    assert len(corrupted) == 20
    assert corrupted != "abcdefghijklmnopqrst"
    finish(client)


def test_faults_towards_the_server(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """Masked frames are damaged as well, and masked again."""
    proxy.add(Fault("truncate", "to_server", frame=1), Fault("duplicate", "to_server", frame=2))
    client = connected(proxy, loop)
    client.connection.send("0123456789")
    client.connection.send("again")
    seen = [agent.wait_for_frame("(other)", direction="received", count=count).data for count in (1, 2, 3)]
    assert seen == ["01234", "again", "again"]
    finish(client)


def test_slow_loris(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """A byte at a time, and whole all the same."""
    proxy.rates["to_client"] = FaultRates(pace=0.001)
    client = connected(proxy, loop)
    begin = time.monotonic()
    say(agent, "s" * 100)
    assert client.text() == "s" * 100
    assert time.monotonic() - begin >= 0.1
    finish(client)


def test_slow_loris_from_the_beginning(proxy: FaultProxy, loop: LoopThread) -> None:
    """An answer to the upgrade that never ends is no answer: the connect time-out holds."""
    proxy.rates["to_client"] = FaultRates(pace=0.05)
    closed = Client.to(proxy.url, loop, connect_timeout=0.5).closed(3.0)
    assert isinstance(closed.error, NetworkError)


def test_delay_keeps_the_order(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """Jitter on a stream of bytes is only time."""
    proxy.rates["to_client"] = FaultRates(delay=0.01, jitter=0.05)
    client = connected(proxy, loop)
    texts = [str(number) for number in range(20)]
    for text in texts:
        say(agent, text)
    assert [client.text() for _ in texts] == texts
    finish(client)


def test_the_same_seed_the_same_faults(agent: LocalAgent, loop: LoopThread) -> None:
    """What 50 frames meet, twice, and with another seed."""
    rates = FaultRates(drop=0.1, duplicate=0.1, reorder=0.1, corrupt=0.1, truncate=0.1)

    def run(seed: int) -> tuple[object, list[str | bytes]]:
        with FaultProxy(agent, seed=seed, to_client=rates) as proxy:
            client = connected(proxy, loop)
            for number in range(50):
                say(agent, f"frame number {number}")
            proxy.wait_for_frames(50)
            proxy.rates["to_client"] = FaultRates()
            say(agent, "end")
            texts = []
            while (text := client.text()) != "end":
                texts.append(text)
            finish(client)
            return proxy.records, texts

    first, again, other = run(1), run(1), run(2)
    assert first == again
    assert first[0] != other[0]


def test_inject(agent: LocalAgent, proxy: FaultProxy, loop: LoopThread) -> None:
    """Texts and bytes that nobody has sent, to either side."""
    client = connected(proxy, loop)
    proxy.inject("from nowhere")
    assert client.text() == "from nowhere"
    proxy.inject("to the server", "to_server")
    assert agent.wait_for_frame("(other)", direction="received").data == "to the server"
    proxy.inject(b"\xff\x01\x02\x03")
    assert isinstance(client.closed(3.0).error, RemoteProtocolError)


# -- the proxy itself --------------------------------------------------------------------------------------------------


def test_a_dead_server_behind_the_proxy(loop: LoopThread) -> None:
    """The client's connection is reset."""
    with LocalAgent(media=False, voice="silent", ears="deaf") as agent:
        url = agent.url
    with FaultProxy(url) as proxy:
        assert isinstance(Client.to(proxy.url, loop).closed(5.0).error, NetworkError)


def test_what_is_no_websocket_passes_unchanged(agent: LocalAgent, proxy: FaultProxy) -> None:
    """A plain HTTP request gets the agent's own answer."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while chunk := sock.recv(4096):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 426")


def test_compression_is_not_negotiated(agent: LocalAgent, proxy: FaultProxy) -> None:
    """The offer of the client does not reach the server."""
    ws = websocket.create_connection(
        proxy.url, timeout=5, header=["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]
    )
    headers = ws.getheaders()
    assert headers is not None
    assert "sec-websocket-extensions" not in headers
    ws.close()


def test_waiting_in_vain(proxy: FaultProxy) -> None:
    """The errors say what there was."""
    with pytest.raises(TimeoutError, match="drop"):
        proxy.wait_for("drop", 0.01)
    with pytest.raises(TimeoutError, match="0 connections, not 1"):
        proxy.wait_for_connections(1, 0.01)
    with pytest.raises(TimeoutError, match="0 frames to_server, not 1"):
        proxy.wait_for_frames(1, "to_server", 0.01)
    with pytest.raises(LookupError, match="udp"):
        proxy.set_udp(UdpFaults())
    with pytest.raises(ValueError, match="without TLS"):
        FaultProxy("wss://127.0.0.1")


def test_start_and_stop(agent: LocalAgent) -> None:
    """Twice is as good as once; commands after the end say so."""
    proxy = FaultProxy(agent).start()
    assert proxy.start() is proxy
    proxy.stop()
    proxy.stop()
    with pytest.raises(LookupError, match="not running"):
        proxy.accept("silent")
