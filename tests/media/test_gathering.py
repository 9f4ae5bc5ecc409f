"""How long an offer takes and what is in it, with servers that answer, never answer, do not exist or die."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.rtc.ice_servers import GRACE, HEAD_START
from telnyx_agent._media.rtc.peer import MediaPeer
from telnyx_agent.config import IceServer
from telnyx_agent.errors import MediaError
from tests.media.harness import own_address, patient, run
from tests.media.servers import PASSWORD, USER, StunServer, TurnServer, serve, silent_tcp, silent_udp
from tests.support.requirements import require, which

HOST = own_address()
IMPATIENT = 0.8
"""Gather timeout of most tests; the bound is the same code with 5 s."""

if sys.version_info < (3, 11):
    # aioice 0.10, the last for Python 3.10, leaves the socket of a cancelled TURN query to the garbage collector.
    pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def make_peer(*servers: IceServer, timeout: float = IMPATIENT, loopback: bool | None = None) -> MediaPeer:
    return MediaPeer(
        ice_servers=servers,
        bridge=AudioBridge(),
        on_state=lambda state: None,
        gather_timeout=timeout,
        # On a machine without a network the servers of these tests are on loopback, too.
        loopback=HOST == "127.0.0.1" if loopback is None else loopback,
    )


async def offer(*servers: IceServer, timeout: float = IMPATIENT) -> tuple[str, float]:
    peer = make_peer(*servers, timeout=timeout)
    try:
        begin = time.monotonic()
        sdp = await peer.create_offer()
        return sdp, time.monotonic() - begin
    finally:
        await peer.close()


def kinds(sdp: str) -> set[str]:
    return set(re.findall(r"^a=candidate:.* typ (\w+)", sdp, re.MULTILINE))


@patient
def test_without_servers_the_offer_comes_at_once() -> None:
    """Tens of milliseconds at most."""
    run(offer)
    sdp, seconds = run(offer)
    assert seconds < 0.1
    assert kinds(sdp) == {"host"}
    assert "a=end-of-candidates" in sdp


def test_the_offers_codecs_and_keys() -> None:
    """Opus first, then G722, PCMU, PCMA; one fingerprint; one sendrecv audio section; FEC asked for."""
    sdp, _ = run(offer)
    assert re.findall(r"^a=rtpmap:\d+ (\w+)/", sdp, re.MULTILINE) == ["opus", "G722", "PCMU", "PCMA"]
    assert re.search(r"^m=audio \d+ UDP/TLS/RTP/SAVPF 96 9 0 8\r$", sdp, re.MULTILINE)
    assert sdp.count("m=") == 1
    assert re.findall(r"^a=fingerprint:(\S+)", sdp, re.MULTILINE) == ["sha-256"]
    for line in ("a=sendrecv", "a=setup:actpass", "a=rtcp-mux", "a=fmtp:96 minptime=10;useinbandfec=1", "a=mid:0"):
        assert f"{line}\r\n" in sdp


def test_preferred_codecs_come_first() -> None:
    """In the order given; what we do not know is ignored, and nothing is lost."""

    async def main() -> str:
        peer = MediaPeer(
            ice_servers=[],
            bridge=AudioBridge(),
            on_state=lambda state: None,
            preferred_codecs=[{"mimeType": "audio/PCMA", "clockRate": 8000}, {"mimeType": "audio/x"}, {}],
        )
        try:
            return await peer.create_offer()
        finally:
            await peer.close()

    assert re.findall(r"^a=rtpmap:\d+ (\w+)/", run(main), re.MULTILINE) == ["PCMA", "opus", "G722", "PCMU"]


@patient
def test_a_stun_server_that_answers_costs_nothing() -> None:
    """One query, from the address that the system would use; the offer has its candidate."""

    async def main() -> None:
        server = StunServer()
        async with serve(server, HOST) as port:
            sdp, seconds = await offer(IceServer(f"stun:{HOST}:{port}"), timeout=5.0)
        assert kinds(sdp) == {"host", "srflx"}
        assert seconds < 0.3
        assert len({address for address, _ in server.asked}) == 1

    run(main)


@patient
def test_a_turn_server_that_answers_gives_a_relay() -> None:
    """Both requests, the refused and the signed one, then the candidate; the allocation is deleted on close."""

    async def main() -> None:
        server = TurnServer()
        async with serve(server, HOST) as port:
            sdp, seconds = await offer(IceServer(f"turn:{HOST}:{port}", USER, PASSWORD), timeout=5.0)
            assert kinds(sdp) == {"host", "relay"}
            assert seconds < 0.3
            assert [method.name for method in server.methods] == ["ALLOCATE", "REFRESH"]

    run(main)


@patient
def test_relay_only() -> None:
    """No address of this machine is offered, not even as the relay's related one; without a relay there is no offer."""

    async def main() -> None:
        async with serve(TurnServer(), HOST) as port:
            peer = MediaPeer(
                ice_servers=[IceServer(f"turn:{HOST}:{port}", USER, PASSWORD), IceServer(f"stun:{HOST}:{port}")],
                bridge=AudioBridge(),
                on_state=lambda state: None,
                loopback=True,
                relay_only=True,
            )
            try:
                sdp = await peer.create_offer()
            finally:
                await peer.close()
        assert kinds(sdp) == {"relay"}
        assert not re.search(r"^a=candidate:.* raddr (?!0\.0\.0\.0)", sdp, re.MULTILINE)
        alone = MediaPeer(ice_servers=[], bridge=AudioBridge(), on_state=lambda state: None, relay_only=True)
        try:
            with pytest.raises(MediaError, match="TURN") as caught:
                await alone.create_offer()
        finally:
            await alone.close()
        assert caught.value.code == 33003

    run(main)


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("what", ["stun", "turn", "turn-tcp", "turns", "all"])
@patient
def test_servers_that_never_answer_cost_the_timeout_and_no_more(what: str) -> None:
    """The offer is made of the host candidates when the time is up."""

    async def main() -> None:
        with silent_udp(HOST) as udp, silent_tcp(HOST) as tcp:
            port = udp.getsockname()[1]
            servers = {
                "stun": IceServer(f"stun:{HOST}:{port}"),
                "turn": IceServer(f"turn:{HOST}:{port}?transport=udp", USER, PASSWORD),
                "turn-tcp": IceServer(f"turn:{HOST}:{tcp.port}?transport=tcp", USER, PASSWORD),
                "turns": IceServer(f"turns:{HOST}:{tcp.port}?transport=tcp", USER, PASSWORD),
            }
            chosen = [servers["stun"], servers["turn-tcp"]] if what == "all" else [servers[what]]
            sdp, seconds = await offer(*chosen)
            assert kinds(sdp) == {"host"}
            assert IMPATIENT - 0.05 <= seconds < IMPATIENT + 0.5

    run(main)


@pytest.mark.slow
@patient
def test_the_default_bound_is_five_seconds() -> None:
    """As R23 has it: never more than 5.5 s from a silent server to the offer."""

    async def main() -> None:
        with silent_udp(HOST) as udp:
            peer = MediaPeer(
                ice_servers=[IceServer(f"stun:{HOST}:{udp.getsockname()[1]}")],
                bridge=AudioBridge(),
                on_state=lambda state: None,
                loopback=HOST == "127.0.0.1",
            )
            begin = time.monotonic()
            assert "a=candidate:" in await peer.create_offer()
            assert 4.9 < time.monotonic() - begin < 5.5
            assert peer.only_host_candidates
            assert (await peer.stats()).gathering_timed_out
            await peer.close()

    run(main)


@patient
def test_a_name_that_does_not_exist_costs_little() -> None:
    """The resolver says no, and the offer is made without the server."""

    async def main() -> None:
        sdp, seconds = await offer(
            IceServer("stun:stun.invalid:3478"), IceServer("turn:turn.invalid:3478?transport=tcp", USER, PASSWORD)
        )
        assert kinds(sdp) == {"host"}
        assert seconds < IMPATIENT + 0.5

    run(main)


@patient
def test_servers_that_refuse_cost_nothing() -> None:
    """Nobody listens there: no reason to wait for the timeout with TCP."""

    async def main() -> None:
        with silent_tcp(HOST) as closed:
            port = closed.port
        sdp, seconds = await offer(IceServer(f"turn:{HOST}:{port}?transport=tcp", USER, PASSWORD), timeout=5.0)
        assert kinds(sdp) == {"host"}
        assert seconds < 1.0

    run(main)


@patient
def test_a_second_server_is_not_asked_when_the_first_answers() -> None:
    """The order is the user's."""

    async def main() -> None:
        first, second = StunServer(), StunServer()
        relay, spare = TurnServer(), TurnServer()
        async with (
            serve(first, HOST) as one,
            serve(second, HOST) as two,
            serve(relay, HOST) as three,
            serve(spare, HOST) as four,
        ):
            turn = IceServer([f"turn:{HOST}:{three}", f"turn:{HOST}:{four}"], USER, PASSWORD)
            sdp, _ = await offer(IceServer([f"stun:{HOST}:{one}", f"stun:{HOST}:{two}"]), turn)
        assert kinds(sdp) == {"host", "srflx", "relay"}
        assert first.asked
        assert not second.asked
        assert relay.methods
        assert not spare.methods

    run(main)


@pytest.mark.parametrize("dead", ["silent", "refusing", "unknown"])
@patient
def test_the_next_server_takes_over(dead: str) -> None:
    """Of a silent one after its head start, of one that cannot be reached at once."""

    async def main() -> None:
        with silent_udp(HOST) as udp, silent_tcp(HOST) as closed:
            closed.close()
            port = udp.getsockname()[1]
            stun, turn = {
                "silent": (f"stun:{HOST}:{port}", f"turn:{HOST}:{port}"),
                "refusing": ("stun:stun.invalid", f"turn:{HOST}:{closed.port}?transport=tcp"),
                "unknown": ("stun:stun.invalid", "turn:turn.invalid?transport=tcp"),
            }[dead]
            server, relay = StunServer(), TurnServer()
            async with serve(server, HOST) as one, serve(relay, HOST) as two:
                sdp, seconds = await offer(
                    IceServer([stun, f"stun:{HOST}:{one}"]),
                    IceServer([turn, f"turn:{HOST}:{two}"], USER, PASSWORD),
                    timeout=5.0,
                )
        assert kinds(sdp) == {"host", "srflx", "relay"}
        if dead == "silent":
            assert HEAD_START - 0.05 < seconds < HEAD_START + 0.5
        else:
            assert seconds < 1.0

    run(main)


@patient
def test_with_a_relay_nobody_waits_long_for_stun() -> None:
    """Where UDP is blocked STUN is silent for ever, and the relay serves."""

    async def main() -> None:
        relay = TurnServer()
        with silent_udp(HOST) as udp:
            async with serve(relay, HOST) as port:
                silent = IceServer(f"stun:{HOST}:{udp.getsockname()[1]}")
                sdp, seconds = await offer(silent, IceServer(f"turn:{HOST}:{port}", USER, PASSWORD), timeout=5.0)
        assert kinds(sdp) == {"host", "relay"}
        assert GRACE - 0.05 < seconds < GRACE + 0.5

    run(main)


def test_servers_that_cannot_be_used_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """URLs that are valid and that aiortc cannot read, or kinds that it does not have: the next one serves."""

    async def main() -> None:
        server = StunServer()
        async with serve(server, HOST) as port:
            urls = ["stuns:stun.invalid", "stun:[::1]:3478", "stun:stun.invalid?transport=udp", f"stun:{HOST}:{port}"]
            sdp, _ = await offer(IceServer(urls), IceServer("turns:turn.invalid?transport=udp", USER, PASSWORD))
        assert kinds(sdp) == {"host", "srflx"}

    with caplog.at_level("DEBUG", "telnyx_agent.media"):
        run(main)
    assert sum("this kind is not supported" in record.message for record in caplog.records) == 4


@patient
def test_hanging_up_while_gathering_is_quick() -> None:
    """The offer is given up at once, whoever waits for it is told, nothing goes on in the background."""

    async def main() -> None:
        with silent_udp(HOST) as udp, silent_tcp(HOST) as tcp:
            peer = make_peer(
                IceServer(f"stun:{HOST}:{udp.getsockname()[1]}"),
                IceServer(f"turn:{HOST}:{tcp.port}?transport=tcp", USER, PASSWORD),
                timeout=30.0,
            )
            waiting = asyncio.ensure_future(peer.create_offer())
            await asyncio.sleep(0.2)
            begin = time.monotonic()
            await peer.close()
            assert time.monotonic() - begin < 0.5
            with pytest.raises(MediaError, match="ended"):
                await waiting
            assert peer.state == "closed"

    run(main)


def test_a_cancelled_offer_leaves_nothing_behind() -> None:
    """The waiting task is cancelled first, the peer closed afterwards."""

    async def main() -> None:
        with silent_udp(HOST) as udp:
            peer = make_peer(IceServer(f"stun:{HOST}:{udp.getsockname()[1]}"), timeout=30.0)
            waiting = asyncio.ensure_future(peer.create_offer())
            await asyncio.sleep(0.1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await peer.close()

    run(main)


@patient
def test_a_turn_server_that_dies_does_not_hold_up_the_end() -> None:
    """aioice asks it for half a minute to delete the allocation; we do not wait, and leave no task behind."""

    async def main() -> None:
        server = TurnServer()
        async with serve(server, HOST) as port:
            peer = make_peer(IceServer(f"turn:{HOST}:{port}", USER, PASSWORD))
            assert "relay" in kinds(await peer.create_offer())
            server.dead = True
            begin = time.monotonic()
            await peer.close()
            assert time.monotonic() - begin < 2.3

    run(main)


CALL = textwrap.dedent(
    """
    import asyncio, sys
    from telnyx_agent._media.call_audio import AudioBridge
    from telnyx_agent._media.rtc.peer import MediaPeer
    from telnyx_agent.errors import MediaError

    async def main():
        connected = [asyncio.Event(), asyncio.Event()]
        def note(n):
            return lambda state: connected[n].set() if state == "connected" else None
        one, two = (MediaPeer(ice_servers=[], bridge=AudioBridge(), on_state=note(n)) for n in (0, 1))
        try:
            offer = await one.create_offer()
            await one.accept_answer(await two.create_answer(offer))
            await asyncio.wait_for(asyncio.gather(*(event.wait() for event in connected)), 10)
            print("connected", sorted({line.split()[4] for line in offer.splitlines() if "typ host" in line}))
        except MediaError as exc:
            print("error", exc.code)
        await one.close()
        await two.close()

    asyncio.run(main())
    """
)


def in_a_new_network(commands: str) -> str:
    """Run the call above where there is no network but what `commands` set up."""
    require("netns")
    root = Path(__file__).resolve().parents[2]
    script = f"{commands} exec {sys.executable} -c '{CALL}'"
    done = subprocess.run(
        [which("unshare"), "--net", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=root,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.netns
def test_a_call_on_a_machine_without_any_network() -> None:
    """Only loopback is up: it is offered then, and the call connects."""
    ip = which("ip") if not require("netns") else ""
    assert in_a_new_network(f"{ip} link set lo up;") == "connected ['127.0.0.1']"


@pytest.mark.netns
def test_a_machine_without_any_address() -> None:
    """Not even loopback: the official code for no candidate, and no hang."""
    assert in_a_new_network("") == "error 33003"


def test_loopback_can_be_asked_for() -> None:
    """For a server on this machine, beside the other addresses."""

    async def main(loopback: bool) -> str:
        peer = make_peer(loopback=loopback)
        try:
            return await peer.create_offer()
        finally:
            await peer.close()

    assert " 127.0.0.1 " in run(lambda: main(True))
    if HOST != "127.0.0.1":
        assert " 127.0.0.1 " not in run(lambda: main(False))
