"""RTP past aiortc's machinery: headers, ciphers, whom a packet belongs to, and reports that are still right."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import random
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aioice
import numpy as np
import pylibsrtp
import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.fec_advisor import Protection
from telnyx_agent._media.rtc import aiortc_internals, srtp
from telnyx_agent._media.rtc.peer import MediaPeer
from telnyx_agent._media.rtc.rtp import MOST_PAIRS, MOST_QUEUED, MOST_STREAMS, _parse
from telnyx_agent.codecs import OpusSettings
from tests.media.harness import Device, patient, run, speechlike, until


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


@pytest.mark.slow
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
            while stats.rtt is None or (stats.remote_packets_lost or 0) < 3:
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


STRANGER = ("127.0.0.9", 4444)


def stun(kind: int, attributes: bytes, transaction: bytes = bytes(12)) -> bytes:
    return struct.pack("!HHI", kind, len(attributes), 0x2112A442) + transaction + attributes


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def garbage(user: str) -> list[bytes]:
    """Datagrams of every kind and shape, from the empty one to the largest."""
    dice = random.Random(5)
    found = [b"", bytes(65507), b"\x80" * 65507, b"\x16" * 65507]
    for first in (0, 1, 2, 3, 4, 19, 20, 22, 25, 63, 64, 79, 80, 127, 128, 144, 160, 176, 191, 192, 255):
        for size in (1, 2, 7, 8, 11, 12, 13, 19, 20, 21, 60, 1499, 1501):
            for second in (0, 13, 96, 200, 203, 208, 215, 223):
                found.append((bytes([first, second]) + dice.randbytes(size))[:size])
    name = attribute(6, f"{user}:x".encode())
    for kind in (0x0001, 0x0101, 0x0111, 0x0011, 0x0003, 0x3FFF):
        found += [stun(kind, b""), stun(kind, name), stun(kind, b"")[:-1], stun(kind, b"") + b"x"]
        for number in aioice.stun.ATTRIBUTES_BY_TYPE:
            for size in (0, 1, 3, 4, 5, 8, 20):
                found.append(stun(kind, name + attribute(number, dice.randbytes(size))))
                found.append(stun(kind, name + struct.pack("!HH", number, 65535) + bytes(size)))
        found.append(stun(kind, name + attribute(0x24, b"") * 300))
        found.append(stun(kind, name + attribute(0x8028, bytes(4))))
    return found


class Trouble:
    """What nobody may cause: log records from WARNING on, tracebacks, and errors that only the loop hears of."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        self._caplog = caplog
        self.unheard: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.unheard.append(context))

    def check(self, most_lines: int = 50) -> None:
        gc.collect()
        assert not self.unheard
        ours = [r for r in self._caplog.records if r.name.startswith(("telnyx_agent", "aioice", "aiortc", "asyncio"))]
        assert [r.getMessage() for r in ours if r.levelno >= logging.WARNING or r.exc_info] == []
        assert sum("dropped" in r.getMessage() for r in ours) <= most_lines


def sockets(party: Party) -> list[Any]:
    connection = party.peer._transceiver.receiver.transport.transport.iceGatherer._connection
    return list(connection._protocols)


def known_address(party: Party) -> tuple[str, int]:
    """Where the other side is, as this one knows it."""
    connection: Any = party.peer._transceiver.receiver.transport.transport.iceGatherer._connection
    address: tuple[str, int] = next(iter(connection._nominated.values())).remote_addr
    return address


def test_garbage_while_candidates_are_gathered(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets are open for up to 5 s before there is an offer: nothing of what comes is kept, and the call is made."""

    async def main() -> None:
        trouble = Trouble(caplog)
        asked = asyncio.Event()
        go_on = asyncio.Event()

        async def slow(stun: Any, turn: Any, *_: object) -> list[Any]:
            stun.close()
            turn.close()
            asked.set()
            await go_on.wait()
            return []

        with monkeypatch.context() as patch:
            patch.setattr(aiortc_internals, "_answers", slow)
            caller, agent = Party(), Party()
            offering = asyncio.ensure_future(caller.peer.create_offer())
            await asked.wait()
            connection = sockets(caller)[0].receiver
            for protocol in sockets(caller):
                for data in garbage(connection.local_username):
                    protocol.datagram_received(data, STRANGER)
            assert connection._queue.qsize() == 0
            go_on.set()
            await caller.peer.accept_answer(await agent.peer.create_answer(await offering))
        await until(lambda: "connected" in caller.states)
        await asyncio.gather(caller.peer.close(), agent.peer.close())
        trouble.check()

    run(main)


@patient
def test_garbage_at_the_sockets_at_any_time(caplog: pytest.LogCaptureFixture) -> None:
    """Before the answer, during the set-up and in the call, from anybody and from the other side's address."""

    async def main() -> None:
        trouble = Trouble(caplog)
        caller, agent = Party(), Party()
        offer = await caller.peer.create_offer()
        user: str = sockets(caller)[0].receiver.local_username

        def throw(*addresses: tuple[str, int]) -> None:
            for protocol in sockets(caller):
                for data in garbage(user):
                    for address in addresses:
                        protocol.datagram_received(data, address)

        throw(STRANGER)
        assert sockets(caller)[0].receiver._queue.qsize() == 0
        await caller.peer.accept_answer(await agent.peer.create_answer(offer))
        throw(STRANGER, ("127.0.0.1", 1))
        try:
            await until(lambda: "connected" in caller.states and "connected" in agent.states)
            with Device(caller.bridge, speechlike(2.0)), Device(agent.bridge, speechlike(2.0)):
                await until(lambda: caller.bridge.playout.stats().packets_received > 10)
                throw(STRANGER, known_address(caller))
                assert sockets(caller)[0].receiver._queue.qsize() <= MOST_QUEUED
                before = caller.bridge.playout.stats()
                await until(lambda: caller.bridge.playout.stats().packets_received > before.packets_received + 20)
            stats = await caller.peer.stats()
        finally:
            await asyncio.gather(caller.peer.close(), agent.peer.close())
        assert stats.state == "connected"
        assert stats.packets_lost == 0
        trouble.check()

    run(main)


def odd_extensions() -> Iterator[bytes]:
    """Of one-byte and two-byte form with all numbers and sizes, cut off, of other forms, and not text."""
    for number in range(16):
        for size in range(16):
            yield struct.pack("!HHB", 0xBEDE, 1, number << 4 | size) + bytes(3)
        for size in (0, 1, 2, 3, 255):
            yield struct.pack("!HHBB", 0x1000, 1, number, size) + bytes(2)
    for profile in (0, 0xBEDE, 0x1000, 0x100F, 0xFFFF):
        for length in (0, 1, 65535):
            yield struct.pack("!HH", profile, length)
    yield struct.pack("!HH", 0xBEDE, 1) + b"\x10\xff\0\0"


def odd_reports(dice: random.Random, ssrc: int) -> Iterator[bytes]:
    """Each type with counts that do not fit; estimates, requests and reports with extreme numbers; random ones."""
    for kind in range(192, 209):
        for count in (0, 1, 31):
            yield struct.pack("!BBHL", 0x80 | count, kind, 1, dice.getrandbits(32))
    for count in (0, 1, 255):
        yield struct.pack("!BBHLL4sBBH", 0x8F, 206, 4, 1, 0, b"REMB", count, 255, 65535)
    yield struct.pack("!BBHLLHH", 0x81, 205, 3, 1, ssrc, 65535, 65535)
    for n in range(40):
        yield struct.pack("!BBHLQLLL", 0x80, 200, 6, n, 2**64 - 1, n, 2**32 - 1, 2**32 - 1)
    yield struct.pack("!BBHLLLLLLL", 0x81, 201, 7, 1, ssrc, *[2**32 - 1] * 5)
    for _ in range(300):
        beginning = bytes([0x80 | dice.randrange(64), dice.randrange(192, 209)])
        yield beginning + dice.randbytes(4 * dice.randrange(1, 30) + 2)


@patient
def test_whatever_the_other_side_sends_with_its_keys(caplog: pytest.LogCaptureFixture) -> None:
    """Header extensions, sources and padding of any length in the first packet of a stream and later; odd reports."""

    async def main() -> None:
        trouble = Trouble(caplog)
        caller, agent = Party(), Party()
        dice = random.Random(6)
        async with call(caller, agent):
            address = known_address(caller)
            protocol = sockets(caller)[0]
            keys = agent.peer._transceiver.sender.transport._tx_srtp
            for number, extension in enumerate(odd_extensions()):
                for first in (0x90, 0xB0, 0x9F):
                    header = struct.pack("!BBHLL", first, 96, number, number * 960, dice.getrandbits(32))
                    try:
                        sealed = keys.protect(header + extension + bytes(first & 1 and 60) + b"\xf8\xff\xfe")
                    except pylibsrtp.Error:
                        continue  # libsrtp cannot even send that
                    protocol.datagram_received(sealed, address)
            for report in odd_reports(dice, caller.peer._transceiver.sender._ssrc):
                protocol.datagram_received(keys.protect_rtcp(report), address)
                await asyncio.sleep(0)
            receiver: Any = caller.peer._transceiver.receiver
            assert len(vars(receiver)["_RTCRtpReceiver__remote_streams"]) <= MOST_STREAMS
            assert len(receiver.transport._rtp_router.ssrc_table) <= MOST_STREAMS
            assert len(vars(receiver)["_RTCRtpReceiver__lsr"]) <= MOST_STREAMS
            before = caller.bridge.playout.stats().packets_received
            await until(lambda: caller.bridge.playout.stats().packets_received > before + 30)
            stats = await caller.peer.stats()
            assert stats.state == "connected"
            assert stats.rtt is None or stats.rtt >= 0.0
        trouble.check()

    run(main)


@patient
def test_checks_from_many_addresses_make_only_so_many_pairs(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever has ICE's password could send them from thousands of ports; and without a priority."""

    async def main() -> None:
        trouble = Trouble(caplog)
        caller, agent = Party(), Party()
        await caller.peer.create_offer()
        protocol = sockets(caller)[0]
        connection = protocol.receiver

        def throw(ports: range) -> None:
            for port in ports:
                request = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
                request.attributes["USERNAME"] = f"{connection.local_username}:{connection.remote_username or 'x'}"
                if port % 10:
                    request.attributes["PRIORITY"] = port
                request.attributes["ICE-CONTROLLED"] = 1
                request.add_message_integrity(connection.local_password.encode())
                protocol.datagram_received(bytes(request), ("127.0.0.1", port))

        throw(range(10000, 10300))
        assert len(connection._early_checks) <= MOST_PAIRS
        await caller.peer.accept_answer(await agent.peer.create_answer(caller.peer._pc.localDescription.sdp))
        await until(lambda: "connected" in caller.states)
        throw(range(20000, 20500))
        assert len(connection._check_list) <= MOST_PAIRS + 20
        await asyncio.gather(caller.peer.close(), agent.peer.close())
        trouble.check()

    run(main)
