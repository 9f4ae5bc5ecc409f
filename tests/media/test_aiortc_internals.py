"""The contract with aiortc's and aioice's private parts: it holds, and breaking it is said in words."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aioice
import aiortc
import pytest
from aiortc import RTCDtlsTransport, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.rtcicetransport import RTCIceGatherer
from aiortc.rtcrtpreceiver import StreamStatistics

from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.rtc import aiortc_internals, ice_servers
from telnyx_agent._media.rtc.peer import MediaPeer
from telnyx_agent.errors import MediaError
from tests.media.harness import run, until
from tests.media.test_description import candidate, with_lines


@pytest.fixture(autouse=True)
def _checked_anew() -> Iterator[None]:
    aiortc_internals.check.cache_clear()
    yield
    aiortc_internals.check.cache_clear()


def test_the_installed_versions_are_as_we_need_them(caplog: pytest.LogCaptureFixture) -> None:
    """No difference, and no word about it."""
    aiortc_internals.check()
    assert aiortc_internals._differences() == []
    assert not caplog.records


def _changed(*args: Any, **kwargs: Any) -> None:
    """What a method may look like after a rewrite."""


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        (RTCRtpReceiver, "__init__", "RTCRtpReceiver has no decoder thread"),
        (RTCRtpReceiver, "_handle_rtp_packet", "does not guard its decoder thread"),
        (RTCDtlsTransport, "__init__", "RTCDtlsTransport keeps its handshake otherwise"),
        (RTCDtlsTransport, "start", "RTCDtlsTransport checks certificates otherwise"),
        (RTCDtlsTransport, "_validate_peer_identity", "RTCDtlsTransport checks certificates otherwise"),
        (RTCDtlsTransport, "_recv_next", "RTCDtlsTransport does not handle RTCP by itself"),
        (RTCDtlsTransport, "_handle_rtcp_data", "RTCDtlsTransport routes RTCP otherwise"),
        (aioice.Connection, "__init__", "keeps other books about the other side"),
        (aioice.ice.StunProtocol, "datagram_received", "aioice has no parse_message"),
        (RTCIceGatherer, "__init__", "no _connection"),
        (aioice.Connection, "get_component_candidates", "get_component_candidates has changed"),
        (aioice.Connection, "gather_candidates", "does not call it"),
        (aioice.ice, "relayed_candidate", "relayed_candidate has changed"),
        (aioice.ice, "server_reflexive_candidate", "server_reflexive_candidate has changed"),
        (aioice.Connection, "build_request", "aioice.Connection has no build_request"),
        (aioice.Connection, "check_start_task", "aioice.Connection keeps other books about its checks"),
        (RTCPeerConnection, "_RTCPeerConnection__connect", "RTCPeerConnection starts its media otherwise"),
        (aioice.Connection, "connect", "aioice.Connection keeps consent otherwise"),
        (aioice.ice.StunProtocol, "request", "aioice's StunProtocol has no request"),
        (RTCRtpReceiver, "_handle_rtp_packet", "RTCRtpReceiver keeps other statistics"),
        (StreamStatistics, "add", "StreamStatistics takes other packets"),
        (RTCRtpSender, "send", "RTCRtpSender.send does not use _run_rtp"),
        (RTCRtpSender, "_run_rtp", "RTCRtpSender._run_rtp keeps other books.*has no header extensions"),
        (RTCRtpSender, "__init__", "RTCRtpSender has no _ssrc or _enabled"),
        (RTCRtpSender, "_handle_rtcp_packet", "RTCRtpSender does not handle RTCP"),
        (RTCDtlsTransport, "_send_rtp", "RTCDtlsTransport does not send by _tx_srtp"),
        (RTCDtlsTransport, "_recv_next", "RTCDtlsTransport does not receive by _rx_srtp"),
        (aioice.Connection, "sendto", "does not send to _nominated"),
        (aioice.ice.StunProtocol, "send_data", "does not send by transport.sendto"),
        (aioice.ice.StunProtocol, "datagram_received", "does not receive by datagram_received"),
    ],
)
def test_a_change_inside_is_named_with_the_versions(
    owner: object, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is different, what is installed, what was tested, what to do."""
    monkeypatch.setattr(owner, name, _changed)
    with pytest.raises(MediaError, match=words) as caught:
        aiortc_internals.check()
    text = caught.value.message
    assert f"aiortc {aiortc.__version__} with aioice {aioice.__version__}" in text
    assert "aiortc from 1.14 to before 1.17" in text
    assert "install one of these versions" in text


def test_something_that_is_gone_altogether(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not exist any more is a difference, too, not a crash."""
    monkeypatch.delattr(aioice.Connection, "gather_candidates")
    with pytest.raises(MediaError, match="gather_candidates"):
        aiortc_internals.check()


def test_an_untested_version_that_looks_the_same_is_used_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Better a call and a line in the log than no call."""
    monkeypatch.setattr(aiortc, "__version__", "1.17.0")
    aiortc_internals.check()
    assert "aiortc 1.17.0" in caplog.text
    assert "was not tested" in caplog.text


def test_importing_the_package_imports_nothing_heavy() -> None:
    """`_media` itself is for free; the bridge and the recorder need numpy and not aiortc."""
    program = (
        "import sys\n"
        "import telnyx_agent._media\n"
        "assert not {'aiortc', 'av'} & set(sys.modules)\n"
        "import telnyx_agent._media.call_audio, telnyx_agent._media.recorder, telnyx_agent._media.playout.playout\n"
        "import telnyx_agent._media.codecs.opus\n"
        "assert not {'aiortc', 'av'} & set(sys.modules)\n"
        "assert telnyx_agent._media.codecs.opus.library() is not None\n"
        "assert not {'aiortc', 'av'} & set(sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_checks_of_a_call_that_ends_are_stopped() -> None:
    """Those under way are cancelled, and none begins any more, also not by a packet of the other side's."""

    async def main() -> None:
        def nothing(state: str) -> None:
            """Nobody listens."""

        ours, theirs = (MediaPeer(ice_servers=[], bridge=AudioBridge(), on_state=nothing) for _ in range(2))
        answer = await theirs.create_answer(await ours.create_offer())
        await theirs.close()  # so that nobody answers our checks
        await ours.accept_answer(answer)
        ice: Any = ours._pc.getTransceivers()[0].receiver.transport.transport.iceGatherer._connection
        await until(lambda: any(pair.task is not None for pair in ice._check_list))
        running = [pair.task for pair in ice._check_list if pair.task is not None]
        await aiortc_internals.stop_checks(ours._pc)

        assert all(task.cancelled() for task in running)
        for pair in ice._check_list:
            pair.task = None
            ice.check_start_task(pair)
        assert not any(pair.state.name in ("FROZEN", "WAITING") for pair in ice._check_list)
        assert [pair.task for pair in ice._check_list] == [None] * len(ice._check_list)
        await ours.close()

    run(main)


def test_what_goes_wrong_in_aiortcs_task_is_heard(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call fails at once, not when its time is up, and nothing is left for the garbage collector to tell."""

    async def broken(*_: object) -> None:
        raise KeyError("PRIORITY")

    async def main() -> None:
        states: list[str] = []
        ours = MediaPeer(ice_servers=[], bridge=AudioBridge(), on_state=states.append)
        theirs = MediaPeer(ice_servers=[], bridge=AudioBridge(), on_state=lambda _: None)
        monkeypatch.setattr(ours._transceiver.receiver.transport.transport, "start", broken)
        await ours.accept_answer(await theirs.create_answer(await ours.create_offer()))
        await until(lambda: "failed" in states, 3.0)
        assert ours.failure == "path"
        await ours.close()
        await theirs.close()

    run(main)
    assert "the connection could not be made" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1], ids=["offering", "answering"])
@pytest.mark.parametrize("datagram", [1, 2, 3, 4, 5, 6])
def test_nothing_begins_after_the_close(monkeypatch: pytest.MonkeyPatch, datagram: int, victim: int) -> None:
    """Closed while ICE or the DTLS handshake is about to come to its end, at each of its first datagrams."""
    received = aioice.ice.StunProtocol.datagram_received

    async def main(turns: int) -> None:
        def nothing(state: str) -> None:
            """Nobody listens."""

        before = asyncio.all_tasks()
        peers = [MediaPeer(ice_servers=[], bridge=AudioBridge(), on_state=nothing) for _ in range(2)]
        ours: Any = peers[victim]._transceiver.receiver.transport.transport.iceGatherer._connection
        reached = asyncio.Event()
        count = 0

        def counted(protocol: Any, data: Any, address: Any) -> None:
            nonlocal count
            count += protocol.receiver is ours
            if count == datagram:
                reached.set()
            received(protocol, data, address)

        async def close_after(turns: int) -> None:
            await reached.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            await peers[victim].close()

        monkeypatch.setattr(aioice.ice.StunProtocol, "datagram_received", counted)
        closing = asyncio.ensure_future(close_after(turns))
        answer = await peers[1].create_answer(await peers[0].create_offer())
        with contextlib.suppress(MediaError):  # it may be closed already
            await peers[0].accept_answer(answer)
        await asyncio.wait({closing}, timeout=0.5)  # it may have been fewer datagrams
        closing.cancel()
        for peer in peers:
            await peer.close()
        await until(lambda: asyncio.all_tasks() == before, 3.0)

    for turns in range(4):
        run(functools.partial(main, turns))


@pytest.mark.parametrize("we_offer", [True, False])
def test_only_so_many_pairs_of_addresses_are_tried(we_offer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 60 addresses and an other side with 60 candidates; the system's own address is among them."""
    addresses = [f"127.2.0.{n}" for n in range(1, 60)]
    own = ice_servers.address_towards(("127.0.0.1", 9))
    monkeypatch.setattr(aiortc_internals, "address_towards", lambda _: own)
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: [*addresses, own])
    sdp = with_lines(*(candidate(n) for n in range(1, 61)))

    async def main() -> None:
        peer = MediaPeer(ice_servers=[], bridge=AudioBridge(), on_state=lambda _: None)
        if we_offer:
            description = await peer.create_offer()
            await peer.accept_answer(sdp)
        else:
            description = await peer.create_answer(sdp.replace("setup:active", "setup:actpass"))
        offered = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+)", description)
        assert own in offered
        assert len(offered) == (aiortc_internals.MOST_ADDRESSES if we_offer else 5)
        ice: Any = peer._transceiver.receiver.transport.transport.iceGatherer._connection
        await until(lambda: ice._early_checks_done)
        assert len(ice._check_list) == 100
        await peer.close()

    run(main)
