"""RTP past aiortc's machinery for each packet: two grafts that `graft.check` vouches for. LOOP THREAD ONLY.

aiortc takes each packet through a queue, three coroutines and two objects, and wakes the loop twice for it. That is
much of what a call costs, and in a busy process each wake-up waits for the GIL. Here a datagram is decrypted and handed
on in the callback that has read it, and a frame is encrypted and sent in the timer that has encoded it. Everything else
stays aiortc's: ICE, DTLS, the keys, RTCP. Its books are kept, because the reports are made from them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

import aioice
import aiortc.rtcrtpreceiver
import attrs
from aiortc import RTCDtlsTransport, RTCRtpReceiver, RTCRtpSender
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import HeaderExtensionsMap, RtcpRrPacket, RtcpSrPacket, RtpPacket

from .ordering import ReceivedPacket
from .srtp import make_protect, make_unprotect

__all__ = ["LossReport", "attach_receiver", "attach_sender", "requirements"]

_log = logging.getLogger("telnyx_agent.media")

_STREAMS = "_RTCRtpReceiver__remote_streams"
_SENDER = "_RTCRtpSender__"
_BOOKS = tuple(_SENDER + name for name in ("ntp_timestamp", "rtp_timestamp", "octet_count", "packet_count"))
_NTP_TIMESTAMP, _RTP_TIMESTAMP, _OCTET_COUNT, _PACKET_COUNT = _BOOKS
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_HEADER = struct.Struct("!BBHLL")


def requirements(names: Callable[[Any], set[str]]) -> list[tuple[str, bool]]:
    """What of aiortc and aioice is used here: in words, and whether it is there.

    Args:
        names: Gives all names that a function's code mentions.
    """
    statistics = aiortc.rtcrtpreceiver.StreamStatistics
    run = names(RTCRtpSender._run_rtp)
    packet = names(RTCRtpReceiver._handle_rtp_packet)
    return [
        ("RTCRtpSender.send does not use _run_rtp", "_run_rtp" in names(RTCRtpSender.send)),
        (
            "RTCRtpSender._run_rtp keeps other books",
            {_SENDER + "rtp_started", _SENDER + "rtp_exited", *_BOOKS} <= run,
        ),
        ("RTCRtpSender has no header extensions", {_SENDER + "mid", _SENDER + "rtp_header_extensions_map"} <= run),
        ("RTCRtpSender has no _ssrc or _enabled", {"_ssrc", "_enabled"} <= names(RTCRtpSender.__init__)),
        ("RTCRtpSender does not handle RTCP", "reports" in names(RTCRtpSender._handle_rtcp_packet)),
        ("RTCRtpReceiver keeps other statistics", {_STREAMS, "StreamStatistics", "add", "_enabled"} <= packet),
        (
            "StreamStatistics takes other packets",
            names(statistics.add) & {"ssrc", "payload", "payload_type", "payload_size"} == set()
            and {"sequence_number", "timestamp"} <= names(statistics.add),
        ),
        (
            "RTCDtlsTransport does not send by _tx_srtp",
            {"_tx_srtp", "protect", "_state", "CONNECTED"} <= names(RTCDtlsTransport._send_rtp),
        ),
        (
            "RTCDtlsTransport does not receive by _rx_srtp",
            {"_rx_srtp", "unprotect"} <= names(RTCDtlsTransport._recv_next),
        ),
        ("aioice.Connection does not send to _nominated", "_nominated" in names(aioice.Connection.sendto)),
        (
            "aioice's StunProtocol does not send by transport.sendto",
            {"transport", "sendto"} <= names(aioice.ice.StunProtocol.send_data),
        ),
        (
            "aioice's StunProtocol does not receive by datagram_received",
            "data_received" in names(aioice.ice.StunProtocol.datagram_received),
        ),
    ]


# -- receiving ---------------------------------------------------------------------------------------------------------


def attach_receiver(
    receiver: RTCRtpReceiver, on_packet: Callable[[ReceivedPacket], None], payload_types: Collection[int]
) -> None:
    """Give RTP packets of known streams to `on_packet` right where they are read from the socket.

    The first packet of each stream, and all that is not RTP, goes aiortc's way: it notes the stream, and RTCP finds it.

    Args:
        receiver: Of the peer connection's only transceiver, after gathering. aiortc's way must end at `on_packet`, too.
        on_packet: Called on the loop, in order of arrival. What it raises is logged.
        payload_types: The negotiated ones; looked at for each packet, so it may be filled later.
    """
    for protocol in receiver.transport.transport.iceGatherer._connection._protocols:
        _divert(protocol, receiver, on_packet, payload_types)


def _divert(
    protocol: Any,
    receiver: RTCRtpReceiver,
    on_packet: Callable[[ReceivedPacket], None],
    payload_types: Collection[int],
) -> None:
    original = protocol.datagram_received
    clock = time.monotonic  # the loop's clock
    # aiortc fills this one dictionary as long as the receiver lives.
    streams: dict[int, Any] = getattr(receiver, _STREAMS)
    unprotect: Callable[[bytes], bytes] | None = None

    def datagram_received(data: bytes, address: tuple[Any, ...]) -> None:
        # RFC 7983: 128 to 191 is RTP or RTCP; RFC 5761: RTCP's second byte is 192 to 223.
        if len(data) < 12 or not 127 < data[0] < 192 or 191 < data[1] < 224:
            if data:  # an empty datagram, from whomever, would end aiortc's connection
                original(data, address)
            return
        nonlocal unprotect
        arrival = clock()
        stream = streams.get(int.from_bytes(data[8:12], "big"))
        if stream is None or data[1] & 0x7F not in payload_types:
            original(data, address)
            return
        try:
            if unprotect is None:
                unprotect = make_unprotect(receiver.transport._rx_srtp)  # a stream is known, so there are keys
            packet = _parse(unprotect(data), arrival)
        except ValueError as exc:
            _log.debug("a datagram of %d bytes is not a packet of this call: %s", len(data), exc)
            return
        if not receiver._enabled:
            return
        stream.add(packet)
        try:
            on_packet(packet)
        except Exception:  # noqa: BLE001 - one packet is not worth the call
            _log.exception("a received packet could not be taken")

    protocol.datagram_received = datagram_received


def _parse(data: bytes, arrival: float) -> ReceivedPacket:
    """A decrypted packet (RFC 3550 5.1). Raises `ValueError`."""
    first, second, sequence_number, timestamp, ssrc = _HEADER.unpack_from(data)
    begin, end = 12 + 4 * (first & 0x0F), len(data)
    if first & 0x10:
        if begin + 4 > end:
            raise ValueError("its header extension is cut off")
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
    if first & 0x20:
        end -= data[-1]
        if not data[-1]:
            raise ValueError("its padding has no length")
    if begin > end:
        raise ValueError("it is shorter than its header says")
    return ReceivedPacket(sequence_number, timestamp, data[begin:end], arrival, ssrc, second & 0x7F)


# -- sending -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class LossReport:
    """What an RTCP report says about what we send."""

    fraction_lost: float
    """Of the packets since the report before, 0..1."""
    packets_lost: int
    """Since the beginning."""


class FrameSource(Protocol):
    """What is sent: `FrameSender`."""

    def start(self, on_frame: Callable[[int, bytes], None]) -> None:
        """Begin to call with timestamps from 0 and payloads."""
        ...

    def stop(self) -> None:
        """End."""
        ...


def attach_sender(sender: RTCRtpSender, source: FrameSource, on_report: Callable[[LossReport], None]) -> None:
    """Send what `source` delivers, in place of the sender's track, and pass on what the other side reports about it.

    Args:
        sender: Not sending yet.
        source: Started when the connection is up and stopped when the sender is.
        on_report: Called on the loop for each report about our stream. What it raises is logged.
    """

    async def run_rtp(codec: RTCRtpCodecParameters) -> None:
        getattr(sender, _SENDER + "rtp_started").set()
        try:
            source.start(_Stream(sender, codec.payloadType or 0).send)
            await asyncio.get_running_loop().create_future()  # until it is cancelled
        except asyncio.CancelledError:
            pass  # as aiortc's own does: RTCRtpSender.stop waits for the event
        finally:
            source.stop()
            getattr(sender, _SENDER + "rtp_exited").set()

    handle = sender._handle_rtcp_packet

    async def handle_rtcp_packet(packet: Any) -> None:
        await handle(packet)
        if isinstance(packet, (RtcpRrPacket, RtcpSrPacket)):
            for report in packet.reports:
                if report.ssrc == sender._ssrc:
                    try:
                        on_report(LossReport(report.fraction_lost / 256, report.packets_lost))
                    except Exception:  # noqa: BLE001 - aiortc would take it for a broken connection
                        _log.exception("a report of the other side could not be used")

    sender._run_rtp = run_rtp  # type: ignore[method-assign]
    sender._handle_rtcp_packet = handle_rtcp_packet  # type: ignore[method-assign]


class _Stream:
    """One stream of packets that we send."""

    def __init__(self, sender: RTCRtpSender, payload_type: int) -> None:
        self._sender = sender
        self._transport = sender.transport
        self._connection = sender.transport.transport.iceGatherer._connection
        # In the lower half: SRTP cannot see a wrap-around before the first packet has arrived.
        self._sequence_number = int.from_bytes(os.urandom(2), "big") >> 1
        self._origin = int.from_bytes(os.urandom(4), "big")
        self._octets = self._packets = 0
        # The header extensions are the same in every packet.
        extensions: HeaderExtensionsMap = getattr(sender, _SENDER + "rtp_header_extensions_map")
        sample = RtpPacket(payload_type, sequence_number=1)
        sample.extensions.mid = getattr(sender, _SENDER + "mid")
        model = sample.serialize(extensions)
        self._first, self._extensions = model[0], model[12:]
        self._payload_type = payload_type
        self._talking = False
        self._protect: Callable[[bytes], bytes] | None = None
        self._books: dict[str, Any] = vars(sender)

    def send(self, timestamp: int, payload: bytes) -> None:
        """One frame; with an empty payload, only note how far time is."""
        sender = self._sender
        stamp = self._origin + timestamp & 0xFFFFFFFF
        # A sender report must relate the two clocks also when silence is not sent.
        books = self._books
        books[_RTP_TIMESTAMP] = stamp
        books[_NTP_TIMESTAMP] = (time.time_ns() << 32) // 1_000_000_000 + (_NTP_EPOCH << 32)
        if not payload or not sender._enabled:
            self._talking = False
            return
        pair = self._connection._nominated.get(1)
        if self._transport._state is not State.CONNECTED or pair is None:
            return  # the connection is lost, which aiortc tells elsewhere
        number = self._sequence_number
        self._sequence_number = number + 1 & 0xFFFF
        # The marker says that a talk spurt begins (RFC 7587 4.2, RFC 3551 4.1).
        kind = self._payload_type if self._talking else self._payload_type | 0x80
        self._talking = True
        header = _HEADER.pack(self._first, kind, number, stamp, sender._ssrc)
        if self._protect is None:
            self._protect = make_protect(self._transport._tx_srtp)
        packet = self._protect(header + self._extensions + payload)
        pair.protocol.transport.sendto(packet, pair.remote_addr)
        self._octets += len(payload)
        self._packets += 1
        books[_OCTET_COUNT] = self._octets
        books[_PACKET_COUNT] = self._packets
