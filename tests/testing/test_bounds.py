"""What a local agent keeps is bounded in bytes, whatever is sent to it and however often: `emulate` runs for days."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import socket
import threading
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from telnyx_agent.testing import LocalAgent, Scenario
from telnyx_agent.testing import _bounds as b
from telnyx_agent.testing._bounds import Kept, Recent
from telnyx_agent.testing._canned import canned_answer
from telnyx_agent.testing._frames import FrameLog
from telnyx_agent.testing._posts import PostReader
from telnyx_agent.testing._worker import Worker
from telnyx_agent.testing.call_reports import PostedReport, PostLog

OFFER = canned_answer("")


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Signalling only, at once."""
    scenario = Scenario(speed=1000, widget_settings=None)
    with LocalAgent(media=False, voice="silent", ears="deaf", scenario=scenario, greeting="") as agent:
        yield agent


def request(number: int, method: str, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": str(number), "method": method, "params": params})


def wait_for(client: ClientConnection, text: str) -> None:
    """Read until there is a frame with this in it."""
    while text not in str(client.recv(5)):
        pass


@contextlib.contextmanager
def logged_in(agent: LocalAgent, session: str = "s") -> Iterator[ClientConnection]:
    """A client that is registered."""
    with connect(agent.url, max_size=None, compression=None, close_timeout=1) as client:
        client.send(request(1, "anonymous_login", target_id="a", sessid=session))
        wait_for(client, "logged in")
        client.send(request(2, "telnyx_rtc.gatewayState"))
        wait_for(client, "REGED")
        yield client


def invite(client: ClientConnection, number: int) -> dict[str, Any]:
    """Place a call; the answer."""
    call_id = f"00000000-0000-4000-8000-{number:012}"
    client.send(request(100 + number, "telnyx_rtc.invite", sdp=OFFER, dialogParams={"callID": call_id}))
    while True:
        answer: dict[str, Any] = json.loads(client.recv(5))
        if answer.get("id") == str(100 + number):
            return answer


def message(number: int, content: Any) -> str:
    item = {"type": "message", "role": "user", "content": content}
    return request(number, "ai_conversation", type="conversation.item.create", item=item)


# -- what is counted ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3000), max_size=60), st.integers(1000, 8000))
def test_kept_is_the_newest_that_fits(sizes: list[int], limit: int) -> None:
    """As a list of which the oldest are taken away; the newest one always stays."""
    kept: Kept[int] = Kept(limit)
    for number, size in enumerate(sizes):
        kept.add(number, size)
        weights = [one + b.ITEM_OVERHEAD for one in sizes[: number + 1]]
        fits = [count for count in range(1, number + 2) if sum(weights[-count:]) <= limit]
        count = max(fits, default=1)
        assert list(kept) == list(range(number + 1 - count, number + 1))
        assert kept.size == sum(weights[-count:])
        assert kept.forgotten == number + 1 - count
        assert list(reversed(kept)) == list(kept)[::-1]


def test_what_is_replaced_counts_anew() -> None:
    """A line of the transcript that grows pushes out older ones; one that is forgotten stays so."""
    kept: Kept[str] = Kept(4000)
    for text in "abc":
        kept.add(text, 0)
    kept.replace(2, "long", 2900)
    assert list(kept) == ["b", "long"] or list(kept) == ["long"]
    kept.replace(0, "forgotten", 10)
    assert "forgotten" not in list(kept)
    assert kept.size <= 4000


def test_ids_are_forgotten_in_order() -> None:
    """Each connection and each login has one."""
    ids = Recent(3)
    for text in "abcd":
        ids.add(text)
    assert ["a" in ids, "b" in ids, "d" in ids, len(ids)] == [False, True, True, 3]


@pytest.mark.slow
def test_frames_are_kept_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of 0.9 MB, and many small frames: both cost `FRAME_BYTES` at most, as Python counts."""
    logger = logging.getLogger("telnyx_agent.testing.frames")
    monkeypatch.setattr(logger, "disabled", True)
    for size, count in ((900_000, 60), (20, 60_000)):
        tracemalloc.start()
        log = FrameLog()
        for number in range(count):
            log.add("received", 1, f"{number:09}" + "x" * size)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert b.FRAME_BYTES / 8 < held < b.FRAME_BYTES * 1.05
        assert log.snapshot()[-1].data[:9] == f"{count - 1:09}"


def test_a_wait_sees_frames_that_come_while_others_are_forgotten() -> None:
    """What it has seen is counted from the beginning, not from what is still there."""
    log = FrameLog()
    found: list[str | bytes] = []

    def wait() -> None:
        found.append(log.wait_for("wanted", 10, direction=None, count=1, predicate=None).data)

    waiter = threading.Thread(target=wait)
    waiter.start()
    for _ in range(5):
        log.add("received", 1, "x" * (b.FRAME_BYTES // 2))
    log.add("received", 1, '{"method": "wanted"}')
    waiter.join(10)
    assert found == ['{"method": "wanted"}']


def test_reports_are_kept_by_bytes() -> None:
    """1,000 of 2 MB were two gigabytes."""
    log = PostLog()
    for number in range(40):
        log.add(PostedReport(str(number), "r", "v", 200, b'{"stats": [%s]}' % (b"1," * 500_000 + b"1")))
    kept = log.snapshot()
    assert 1 <= len(kept) < 40
    assert sum(len(report.data) for report in kept) <= b.POST_BYTES
    assert kept[-1].body["stats"][0] == 1


def test_what_waits_for_the_brain_is_kept_by_bytes() -> None:
    """Too much is left out, with a line in the log; room comes back as the brain works."""
    worker, go_on = Worker("telnyx-agent-test"), threading.Event()
    try:
        worker.submit(functools.partial(go_on.wait, 10))  # type: ignore[arg-type]
        accepted = [worker.submit(lambda: None, size=b.WORK_BYTES // 4) for _ in range(6)]
        assert accepted == [True] * 4 + [False] * 2
        go_on.set()
        done = threading.Event()
        worker.submit(done.set)
        assert done.wait(5)
        assert worker.submit(lambda: None, size=b.WORK_BYTES)
    finally:
        go_on.set()
        worker.close(5)


# -- on the wire -------------------------------------------------------------------------------------------------------


def test_a_message_that_is_too_large_ends_its_connection(agent: LocalAgent) -> None:
    """With 1009; the others are not touched."""
    with logged_in(agent) as client, logged_in(agent, "other") as other:
        client.send(message(9, "x" * (b.MESSAGE_LIMIT + 10)))
        with pytest.raises(ConnectionClosed) as ended:
            for _ in client:
                pass
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1009
        assert "result" in invite(other, 1)


def test_an_invite_that_is_too_large_is_ignored(agent: LocalAgent) -> None:
    """Only a conversation has large messages."""
    with logged_in(agent) as client:
        client.send(request(9, "telnyx_rtc.invite", sdp=OFFER + "a=x\r\n" * b.CONTROL_LIMIT, dialogParams={}))
        assert "result" in invite(client, 1)
        assert len(agent.calls) == 1


def test_calls_at_once_are_bounded(agent: LocalAgent) -> None:
    """One more is refused, as a switch that is full does; after a hang-up there is room again."""
    with logged_in(agent) as client:
        answers = [invite(client, number) for number in range(b.CALLS_AT_ONCE + 1)]
        assert ["result" in answer for answer in answers] == [True] * b.CALLS_AT_ONCE + [False]
        assert answers[-1]["error"]["cause"] == "SWITCH_CONGESTION"
        call_id = "00000000-0000-4000-8000-000000000000"
        client.send(request(5000, "telnyx_rtc.bye", dialogParams={"callID": call_id}))
        assert "result" in invite(client, 900)


def test_connections_at_once_are_bounded(agent: LocalAgent) -> None:
    """What is too much is cut; when others have gone there is room again."""
    sockets = [socket.create_connection(("127.0.0.1", agent.port)) for _ in range(b.CONNECTIONS_AT_ONCE)]
    try:
        with socket.create_connection(("127.0.0.1", agent.port)) as one_more:
            one_more.settimeout(5)
            with contextlib.suppress(ConnectionResetError):
                assert one_more.recv(1) == b""
    finally:
        for one in sockets:
            one.close()
    for _ in range(100):
        try:
            with logged_in(agent):
                break
        except (OSError, EOFError, ConnectionClosed):
            threading.Event().wait(0.02)
    else:
        pytest.fail("there is no room")


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 21])
def test_a_length_with_digits_without_end_is_too_long(length: str) -> None:
    """Python converts 4,300 digits at most."""
    reader = PostReader()
    reader.feed(f"POST /call_report HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{{}}".encode())
    assert (reader.method, reader.body) == ("POST", None)


def test_posts_that_never_end_are_bounded(agent: LocalAgent) -> None:
    """Each may have 2 MB; together they have `POSTING_BYTES`."""
    sockets = []
    body = b"x" * 1_900_000
    try:
        for _ in range(b.POSTING_BYTES // len(body) + 3):
            one = socket.create_connection(("127.0.0.1", agent.port))
            sockets.append(one)
            head = b"POST /call_report HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n"
            try:
                one.sendall(head + body)
            except OSError:
                break
        ended = []
        for one in reversed(sockets):
            one.settimeout(1.0)
            try:
                ended.append(one.recv(1) == b"")
            except TimeoutError:
                ended.append(False)
            except OSError:
                ended.append(True)
            if ended[-1]:
                break
        assert any(ended)
    finally:
        for one in sockets:
            one.close()
    with pytest.raises(urllib.error.HTTPError) as refused:  # others can post as ever
        urllib.request.urlopen(f"http://127.0.0.1:{agent.port}/call_report", data=b"{}", timeout=5)
    with refused.value as answer:
        assert answer.code == 401


@pytest.mark.slow
def test_a_client_that_reads_nothing_is_cut_off(agent: LocalAgent) -> None:
    """What waits for it has a bound."""
    with logged_in(agent) as client:
        # Nothing is read here: the reader's thread of `websockets` stops when its queue is full.
        text = "x" * 1_000_000
        with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
            for number in itertools.count(10):
                client.send(message(number, text))
                assert number < 200


@pytest.mark.slow
def test_days_of_traffic_do_not_grow(agent: LocalAgent) -> None:
    """Pictures, typed lines, reports, calls, logins: after each round what is held is the same."""
    tracemalloc.start()
    held = []
    picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 900_000}}]
    try:
        for round_ in range(4):
            with logged_in(agent, f"s{round_}") as client:
                assert "result" in invite(client, round_)
                for number in range(500, 530):
                    client.send(message(number, picture))
                    wait_for(client, f'"id":"{number}"')
                for number in range(600, 900):
                    client.send(request(number, "telnyx_rtc.ping"))
                    wait_for(client, f'"id":"{number}"')
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(held) < 64 * 2**20, held
    assert held[-1] < held[1] * 1.3 + 2**21, held
