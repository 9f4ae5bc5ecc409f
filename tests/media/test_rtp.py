"""RTP past aiortc's machinery: headers, ciphers, whom a packet belongs to, and reports that are still right."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import struct
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pylibsrtp
import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from telnyx_agent._media import srtp
from telnyx_agent._media.bridge import AudioBridge
from telnyx_agent._media.loss import Protection
from telnyx_agent._media.peer import MediaPeer
from telnyx_agent._media.rtp import _parse
from telnyx_agent._media.settings import OpusSettings
from tests.media.harness import Device, patient, run, until
from tests.media.test_codecs import speechlike


def extensions_map() -> HeaderExtensionsMap:
    found = HeaderExtensionsMap()
    extension = RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid")
    found.configure(RTCRtpParameters(headerExtensions=[extension]))
    return found


@pytest.mark.parametrize(
    ("sources", "mid", "padding"), [*itertools.product(([], [7], [1, 2, 3]), (None, "0", "audio"), (0, 1, 5))]
)
def test_headers_are_read_as_aiortc_reads_them(sources: list[int], mid: str | None, padding: int) -> None:
    """Contributing sources, header extensions and padding in any combination."""
    packet = RtpPacket(111, 1, 65535, 0xFFFFFFFF, 0xDEADBEEF, b"payload")
    packet.csrc, packet.extensions.mid, packet.padding_size = sources, mid, padding
    data = packet.serialize(extensions_map())
    ours, theirs = _parse(data, 3.5), RtpPacket.parse(data, extensions_map())
    assert (ours.sequence_number, ours.timestamp, ours.ssrc) == (65535, 0xFFFFFFFF, 0xDEADBEEF)
    assert (ours.payload, ours.payload_type, ours.arrival) == (b"payload", 111, 3.5)
    assert (theirs.payload, theirs.payload_type) == (ours.payload, ours.payload_type)


@pytest.mark.parametrize(
    "data",
    [
        bytes([0x81]) + bytes(11),  # a contributing source is missing
        bytes([0x90]) + bytes(11),  # the header extension is missing
        bytes([0x90]) + bytes(11) + b"\xbe\xde\x00\x09" + bytes(4),  # it is longer than the packet
        bytes([0xA0]) + bytes(11) + b"x\x00",  # no length of padding
        bytes([0xA0]) + bytes(11) + b"x\x20",  # more padding than packet
    ],
)
def test_broken_headers(data: bytes) -> None:
    """Named, not guessed."""
    with pytest.raises(ValueError, match=r"\bits?\b"):
        _parse(data, 0.0)


def test_any_bytes_are_a_packet_or_a_value_error() -> None:
    """Whoever has the keys may still send nonsense."""
    dice = np.random.default_rng(3)
    for _ in range(3000):
        data = dice.bytes(int(dice.integers(12, 60)))
        try:
            assert len(_parse(data, 0.0).payload) <= len(data) - 12
        except ValueError:
            continue


REFUSED = "refused|fail|replay|long|process|parsing"
"""Our words and pylibsrtp's."""


def sessions() -> tuple[pylibsrtp.Session, pylibsrtp.Session]:
    key = os.urandom(30)
    return (
        pylibsrtp.Session(pylibsrtp.Policy(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)),
        pylibsrtp.Session(pylibsrtp.Policy(key, pylibsrtp.Policy.SSRC_ANY_INBOUND)),
    )


def packet(number: int, size: int = 100) -> bytes:
    return struct.pack("!BBHLL", 0x80, 96, number, number * 960, 1234) + bytes(size)


def test_the_direct_way_is_there() -> None:
    """With the pylibsrtp that is installed; without it calls work, and a busy process suffers."""
    assert srtp.direct_functions() is not None


@pytest.mark.parametrize("direct", [True, False])
def test_ciphers_agree_with_pylibsrtp(direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours to theirs and theirs to ours; forged, repeated and endless packets are refused, and the next one is fine."""
    if not direct:
        monkeypatch.setattr(srtp, "direct_functions", lambda: None)
    out, into = sessions()
    protect = srtp.make_protect(out)
    for number in range(3):
        assert into.unprotect(protect(packet(number))) == packet(number)
    out, into = sessions()
    unprotect = srtp.make_unprotect(into)
    sealed = out.protect(packet(1, 1000))
    assert unprotect(sealed) == packet(1, 1000)
    with pytest.raises(ValueError, match=REFUSED):
        unprotect(sealed)
    with pytest.raises(ValueError, match=REFUSED):
        unprotect(out.protect(packet(2))[:-1] + b"\0")
    with pytest.raises(ValueError, match=REFUSED):
        unprotect(bytes(20))
    with pytest.raises(ValueError, match=REFUSED):
        protect(packet(9, 3000))
    assert unprotect(out.protect(packet(3))) == packet(3)


@pytest.mark.parametrize("missing", ["ffi", "lib"])
def test_another_pylibsrtp_is_used_by_its_methods(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its inside is a convenience, not a condition."""
    srtp.direct_functions.cache_clear()
    monkeypatch.delattr(pylibsrtp, missing)
    assert srtp.direct_functions() is None
    monkeypatch.undo()
    srtp.direct_functions.cache_clear()


class Party:
    """One end of a call, and a hole in its network."""

    def __init__(self, **options: Any) -> None:
        self.bridge = AudioBridge()
        self.states: list[str] = []
        self.peer = MediaPeer(ice_servers=(), bridge=self.bridge, on_state=self.states.append, **options)
        self.count = 0

    def lose(self, every: int) -> None:
        """From now on every so-manieth RTP packet does not arrive here."""
        for protocol in self.peer._transceiver.receiver.transport.transport.iceGatherer._connection._protocols:
            self._lose(protocol, every)

    def _lose(self, protocol: Any, every: int) -> None:
        receive = protocol.datagram_received

        def datagram_received(data: bytes, address: Any) -> None:
            if 127 < data[0] < 192 and not 191 < data[1] < 224:
                self.count += 1
                if self.count % every == 0:
                    return
            receive(data, address)

        protocol.datagram_received = datagram_received


@contextlib.asynccontextmanager
async def call(caller: Party, agent: Party) -> AsyncIterator[None]:
    """Both talk; hung up whatever happens."""
    try:
        await caller.peer.accept_answer(await agent.peer.create_answer(await caller.peer.create_offer()))
        await until(lambda: "connected" in caller.states and "connected" in agent.states)
        voice = speechlike(5.0)
        with Device(caller.bridge, voice), Device(agent.bridge, voice):
            await until(lambda: min(p.bridge.playout.stats().packets_received for p in (caller, agent)) > 10)
            yield
    finally:
        await asyncio.gather(caller.peer.close(), agent.peer.close())


@patient
def test_reported_loss_turns_error_correction_on() -> None:
    """The whole circle: packets are lost, aiortc reports how many, our encoder sends FEC, the other end uses it."""

    async def main() -> None:
        caller, agent = Party(), Party()
        async with call(caller, agent):
            assert caller.peer._protection == Protection(fec=False, expected_loss=0)
            agent.lose(8)
            await until(lambda: agent.bridge.playout.stats().fec_packets_recovered > 3)
            stats = await caller.peer.stats()
            while stats.rtt is None:
                await asyncio.sleep(0.1)
                stats = await caller.peer.stats()
            other = await agent.peer.stats()
            protection = caller.peer._protection
        assert protection is not None
        assert protection.fec
        assert 10 <= protection.expected_loss <= 30
        assert stats.remote_fraction_lost is not None
        assert 0.0 < stats.remote_fraction_lost < 0.3
        assert stats.remote_packets_lost is not None
        assert stats.remote_packets_lost >= 3
        assert 0.0 <= stats.rtt < 0.2
        assert stats.remote_jitter is not None
        assert stats.remote_jitter < 0.05
        assert stats.packets_lost == 0
        assert not other.remote_packets_lost

    run(main)


@patient
def test_with_fec_forbidden_loss_changes_nothing() -> None:
    """The program's word counts on the wire, too."""

    async def main() -> None:
        caller, agent = Party(opus=OpusSettings(fec=False, bitrate=32000)), Party()
        async with call(caller, agent):
            agent.lose(5)
            await until(lambda: caller.peer._protection != Protection(fec=False, expected_loss=0))
            await asyncio.sleep(0.5)
            assert caller.peer._protection is not None
            assert not caller.peer._protection.fec
        assert agent.bridge.playout.stats().fec_packets_recovered == 0

    run(main)


@patient
def test_datagrams_that_are_not_of_this_call_do_nothing() -> None:
    """Noise at the socket, forged packets of a known stream, truncated ones: the call goes on."""

    async def main() -> None:
        caller, agent = Party(), Party()
        async with call(caller, agent):
            receiver = caller.peer._transceiver.receiver
            (ssrc,) = vars(receiver)["_RTCRtpReceiver__remote_streams"]
            known = struct.pack("!BBHLL", 0x80, 96, 1, 1, ssrc)
            connection = receiver.transport.transport.iceGatherer._connection
            for protocol in connection._protocols:
                for data in (b"", b"\x80", known, known + bytes(50), bytes([0x80, 200]) + bytes(30), os.urandom(60)):
                    protocol.datagram_received(data, ("127.0.0.1", 9))
            before = caller.bridge.playout.stats().packets_received
            await until(lambda: caller.bridge.playout.stats().packets_received > before + 20)
            stats = await caller.peer.stats()
        assert stats.state == "connected"

    run(main)
