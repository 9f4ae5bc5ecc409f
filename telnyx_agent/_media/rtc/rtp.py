"""RTP without aiortc's queues: packets in and out, and from whom they are taken. LOOP THREAD ONLY.

It uses private names of aiortc; `aiortc_internals.check` makes sure that they are there.

aiortc takes each packet through a queue, three coroutines and two objects, and wakes the loop twice for it. That is
much of what a call costs, and in a busy process each wake-up waits for the GIL. Here a datagram is decrypted and handed
on in the callback that has read it, and a frame is encrypted and sent in the timer that has encoded it. Everything else
stays aiortc's: ICE, DTLS, the keys, RTCP. Its books are kept, because the reports are made from them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import aioice
import aiortc.rtcrtpreceiver
import attrs
import pylibsrtp
from aiortc import RTCDtlsTransport, RTCRtpReceiver, RTCRtpSender
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import HeaderExtensionsMap, RtcpPacket, RtcpRrPacket, RtcpSrPacket, RtpPacket

from ..playout.sequence import ReceivedPacket
from .srtp import make_protect, make_unprotect

__all__ = ["MOST_PAIRS", "LossReport", "attach_receiver", "attach_sender", "requirements"]

_log = logging.getLogger("telnyx_agent.media")

MOST_PAIRS = 100
"""Pairs of an own and a remote address that ICE checks (RFC 8445 section 6.1.2.5 gives that number)."""

MOST_STREAMS = 16
"""SSRCs of the other side that are remembered. A new one comes when a call is transferred or put on hold."""

MOST_QUEUED = 64
"""Datagrams that wait for aiortc. A DTLS handshake has 3 or 4 at a time, RTCP one a second."""

LARGEST_DATAGRAM = 1500
"""Bytes of STUN, DTLS or RTCP; Ethernet's MTU, and the size of aiortc's buffers for DTLS and RTCP."""

_COOKIE = bytes.fromhex("2112a442")
_REQUEST, _RESPONSES = b"\x00\x01", (b"\x01\x01", b"\x01\x11")  # of STUN's method "binding"
_NEEDED = {"USERNAME", "MESSAGE-INTEGRITY", "PRIORITY"}  # by RFC 8445 section 7.1; without the last aioice would fail
_STREAMS = "_RTCRtpReceiver__remote_streams"
_SENDER_REPORTS = ("_RTCRtpReceiver__lsr", "_RTCRtpReceiver__lsr_time")
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
            {"data_received", "transactions"} <= names(aioice.ice.StunProtocol.datagram_received),
        ),
        (
            "aioice.Connection keeps other books about the other side",
            {"_queue", "_early_checks", "_remote_candidates", "_check_list"} <= names(aioice.Connection.__init__),
        ),
        ("RTCDtlsTransport does not handle RTCP by itself", "_handle_rtcp_data" in names(RTCDtlsTransport._recv_next)),
        (
            "RTCDtlsTransport routes RTCP otherwise",
            {"_rtp_router", "route_rtcp"} <= names(RTCDtlsTransport._handle_rtcp_data),
        ),
    ]


# -- receiving ---------------------------------------------------------------------------------------------------------


def attach_receiver(
    receiver: RTCRtpReceiver,
    on_packet: Callable[[ReceivedPacket], None],
    clock_rates: Mapping[int, int],
    on_stream: Callable[[], object],
) -> Callable[[Any], None]:
    """Look at each datagram where it is read from the socket: give RTP to `on_packet`, drop what is not of this call.

    Args:
        receiver: Of the peer connection's only transceiver.
        on_packet: Called on the loop, in order of arrival. What it raises is logged. It also gets the packets of a
            stream that are no audio, such as comfort noise: they take numbers that are not lost.
        clock_rates: Of the payload types that are audio; looked at for each packet, so it may be filled later.
        on_stream: Called before the first packet of each stream.

    Returns:
        To be called with each of aioice's protocols as soon as it has its socket.
    """
    inbox = _Inbox(receiver, on_packet, clock_rates, on_stream)
    # aiortc ends the connection when anything but a `ValueError` comes out of this.
    receiver.transport._handle_rtcp_data = inbox.rtcp  # type: ignore[method-assign]
    return functools.partial(_divert, inbox)


def _divert(inbox: _Inbox, protocol: Any) -> None:
    original = protocol.datagram_received
    inbox.forget_queued()

    def datagram_received(data: bytes, address: tuple[Any, ...]) -> None:
        # RFC 7983: 128 to 191 is RTP or RTCP; RFC 5761: RTCP's second byte is 192 to 223.
        if len(data) >= 12 and 127 < data[0] < 192 and not 191 < data[1] < 224:
            inbox.rtp(data)
        elif inbox.takes(data, address, protocol):
            try:
                original(data, address)
            except Exception as exc:  # noqa: BLE001 - whoever can send to the socket decides what aioice has to read
                inbox.refuse(data, repr(exc))

    protocol.datagram_received = datagram_received


class _Inbox:
    """What comes to the sockets of one call. What costs least is looked at first, as anybody can send anything.

    Before the keys are there, aiortc gets no RTP: it would throw it away after it has queued it. What goes through its
    queue comes from an address that has shown by ICE's password that it is the other side's, and only so much of it.
    """

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        on_packet: Callable[[ReceivedPacket], None],
        clock_rates: Mapping[int, int],
        on_stream: Callable[[], object],
    ) -> None:
        self._receiver: Any = receiver
        self._transport: Any = receiver.transport
        self._connection: Any = receiver.transport.transport.iceGatherer._connection
        self._on_packet = on_packet
        self._clock_rates = clock_rates
        self._on_stream = on_stream
        self._unprotect: Callable[[bytes], bytes] | None = None
        # aiortc makes its reports from this one dictionary as long as the receiver lives.
        self._streams: dict[int, Any] = getattr(receiver, _STREAMS)
        self._heard: dict[int, float] = {}  # when the last authentic packet of each SSRC came
        self._addresses: set[tuple[str, int]] = set()
        self._candidates = 0  # so many of the other side's are in `_addresses`
        self._user = f"{self._connection.local_username}:".encode()
        self._refused = 0

    def forget_queued(self) -> None:
        """A socket is new, so nobody knows of it: what may have come to it already is nothing of this call."""
        if self._transport.state == "new":
            while not self._connection._queue.empty():
                self._connection._queue.get_nowait()

    def rtp(self, data: bytes) -> None:
        """One that looks like RTP."""
        arrival = time.monotonic()  # the loop's clock
        try:
            if self._unprotect is None:
                session = self._transport._rx_srtp
                if session is None:
                    return  # it may be early, or anything
                self._unprotect = make_unprotect(session)
            packet = _parse(self._unprotect(data), arrival)
        except ValueError as exc:
            self.refuse(data, exc)
            return
        if not self._receiver._enabled:
            return
        rate = self._clock_rates.get(packet.payload_type)
        stream = self._streams.get(packet.ssrc)
        if stream is None:
            self._hear(packet.ssrc, arrival)
            if rate is None:
                return  # nothing that a stream begins with
            stream = self._begin(packet.ssrc, rate)
        self._heard[packet.ssrc] = arrival
        stream.add(packet)
        try:
            self._on_packet(packet)
        except Exception:  # noqa: BLE001 - one packet is not worth the call
            _log.exception("a received packet could not be taken")

    def _begin(self, ssrc: int, rate: int) -> Any:
        """A stream that aiortc makes reports about, and whose sender's reports it takes."""
        stream = self._streams[ssrc] = aiortc.rtcrtpreceiver.StreamStatistics(rate)
        self._transport._rtp_router.ssrc_table[ssrc] = self._receiver
        self._on_stream()
        return stream

    def _hear(self, ssrc: int, now: float) -> None:
        """An authentic packet of that SSRC has come: of as many as we keep, the one that is silent longest goes.

        libsrtp keeps a state for each SSRC that it has seen, and looks them through one by one.
        """
        heard = self._heard
        heard[ssrc] = now
        if len(heard) <= MOST_STREAMS:
            return
        oldest = min(heard, key=heard.__getitem__)
        del heard[oldest]
        self._streams.pop(oldest, None)
        self._transport._rtp_router.ssrc_table.pop(oldest, None)
        for name in _SENDER_REPORTS:
            vars(self._receiver).get(name, {}).pop(oldest, None)
        try:
            self._transport._rx_srtp.remove_stream(oldest)
        except pylibsrtp.Error as exc:
            _log.debug("a stream is not known to libsrtp: %s", exc)

    async def rtcp(self, data: bytes) -> None:
        """A decrypted RTCP packet, which aiortc has taken from its queue."""
        try:
            packets = RtcpPacket.parse(data)
            self._hear(int.from_bytes(data[4:8], "big"), time.monotonic())
            for packet in packets:
                if isinstance(packet, (RtcpRrPacket, RtcpSrPacket)):
                    for recipient in self._transport._rtp_router.route_rtcp(packet):
                        await recipient._handle_rtcp_packet(packet)
        except Exception as exc:  # noqa: BLE001 - a report is not worth the call
            self.refuse(data, repr(exc))

    def takes(self, data: bytes, address: tuple[Any, ...], protocol: Any) -> bool:
        """Whether aioice and aiortc get a datagram that is not RTP (RFC 7983 section 7)."""
        first = data[0] if 0 < len(data) <= LARGEST_DATAGRAM else 255
        if first < 4:
            if self._is_stun(data, address, protocol):
                return True
        elif (19 < first < 64 or (127 < first < 192 and len(data) >= 8 and self._transport._rx_srtp is not None)) and (
            self._is_known(address) and self._connection._queue.qsize() < MOST_QUEUED
        ):
            return True
        self.refuse(data, "it is not of this call")
        return False

    def _is_stun(self, data: bytes, address: tuple[Any, ...], protocol: Any) -> bool:
        """A request with ICE's credentials, or an answer to one of ours. aioice checks who has sent it."""
        if len(data) < 20 or data[4:8] != _COOKIE or data[2:4] != (len(data) - 20).to_bytes(2, "big"):
            return False
        kind = data[:2]
        if kind in _RESPONSES:
            return data[8:20] in protocol.transactions
        if kind != _REQUEST or self._user not in data:
            return False
        connection = self._connection
        if not self._is_known(address) and len(connection._check_list) + len(connection._early_checks) >= MOST_PAIRS:
            return False  # each address that a request comes from makes a pair
        try:
            return aioice.stun.parse_message(data).attributes.keys() >= _NEEDED
        except (ValueError, struct.error):
            return False

    def _is_known(self, address: tuple[Any, ...]) -> bool:
        """Whether it is one of the other side's, by its description or its checks."""
        connection = self._connection
        remote = connection._remote_candidates
        if len(remote) != self._candidates:
            self._candidates = len(remote)
            self._addresses = {(getattr(one, "_network_host", one.host), one.port) for one in remote}
        sender = (address[0], address[1])
        return sender in self._addresses or any(sender == check[1] for check in connection._early_checks)

    def refuse(self, data: bytes, why: object) -> None:
        """Say it, but not for each one of a flood."""
        self._refused += 1
        if self._refused & (self._refused - 1) == 0:
            _log.debug("%d datagrams were dropped; the last has %d bytes: %s", self._refused, len(data), why)


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
