"""What is fuzzed: functions of bytes, which raise when something does not hold that must hold for all bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

from telnyx_agent._net.frames import BadFrameError, ControlFrame, FrameDecoder, TooLong
from telnyx_agent._protocol.wire import inbound, jsonrpc
from telnyx_agent._protocol.wire.redact import redacted_text
from telnyx_agent.errors import MediaError, RemoteProtocolError

from .session_world import SessionWorld

__all__ = ["CORPUS", "TARGETS", "corpus"]

CORPUS = Path(__file__).parent / "corpus"


def corpus(name: str) -> list[bytes]:
    """The hand-kept examples of a kind: `websocket`, `frames`, `sdp` or `rtp`."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir()) if path.is_file()]


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def fuzz_websocket(data: bytes) -> None:
    """A stream of WebSocket frames: the same messages and the same end however it is cut; little is ever held."""
    limit = 1000

    def outcome(size: int) -> tuple[list[str | bytes | ControlFrame | TooLong], int | None]:
        decoder, items = FrameDecoder(limit), []
        try:
            for begin in range(0, len(data), size):
                items += list(decoder.feed(data[begin : begin + size]))
                _check(decoder.held <= 2 * limit + 20, "more is held than a message and a frame")
        except BadFrameError as error:
            return items, error.code
        return items, None

    whole, singly, by_seven = (outcome(size) for size in (max(1, len(data)), 1, 7))
    _check(all(len(item) <= limit for item in whole[0] if isinstance(item, (str, bytes))), "a message too long")
    _check(singly[1] == by_seven[1] == whole[1], "cut otherwise it ends otherwise")
    if whole[1] is None:
        _check(singly == by_seven == whole, "cut otherwise it says something else")


def fuzz_codec(data: bytes) -> None:
    """Envelope, events and the log's view of a frame: a message or a `RemoteProtocolError`, and nothing else."""
    # A binary frame, as one in many that a server may send.
    text: str | bytes = data if data[:1] == b"\xff" else data.decode("utf-8", "replace")
    redacted_text(text)
    try:
        frames = jsonrpc.decode_frames(text)
    except RemoteProtocolError as error:
        _check(len(error.message) < 200, "an error that quotes the frame")
        return
    for frame in frames:
        try:
            message = jsonrpc.classify(frame)
            if isinstance(message, jsonrpc.Request):
                repr(inbound.parse(message))
            elif isinstance(message, jsonrpc.Result):
                repr(inbound.parse_result(message))
            else:
                repr(inbound.parse_error(message))
        except RemoteProtocolError:
            continue
        json.loads(jsonrpc.encode(dict(frame)))


def fuzz_session(data: bytes) -> None:
    """Frames, one a line, for a session and its calls; the first byte decides what else happens."""
    world = SessionWorld(random.Random(data[:1]))
    for line in data[1:].split(b"\n")[:64]:
        world.frame(line.decode("utf-8", "replace"))


def fuzz_sdp(data: bytes) -> None:
    """Descriptions of the other side: made such as aiortc takes them, or a `MediaError`; and made for good."""
    from telnyx_agent._media.rtc.description import only_host_candidates, prepare_local, prepare_remote

    sdp = data.decode("utf-8", "replace")
    prepare_local(sdp)
    only_host_candidates(sdp)
    for kind, mid in (("answer", "0"), ("offer", None)):
        try:
            prepared = prepare_remote(sdp, kind=kind, mid=mid)
        except MediaError as error:
            _check(error.code == 40004, "another code")
            continue
        assert prepared.count("\r\nm=") == 1
        assert prepare_remote(prepared, kind=kind, mid=mid) == prepared, "repairing it twice makes something else"


def fuzz_rtp(data: bytes) -> None:
    """Datagrams, each with its length before it, as aiortc parses them, to real decoders and the playout."""
    from aiortc.rtp import RtpPacket

    from telnyx_agent._media.codecs.table import create_decoder
    from telnyx_agent._media.playout.playout import Playout
    from telnyx_agent._media.playout.sequence import ReceivedPacket

    playout = Playout()
    playout.set_decoders(
        {0: create_decoder("PCMU"), 8: create_decoder("PCMA"), 9: create_decoder("G722"), 111: create_decoder("opus")}
    )
    put = 0
    while len(data) >= 2 and put < 200:
        size = int.from_bytes(data[:2], "big") % 2000
        datagram, data = data[2 : 2 + size], data[2 + size :]
        try:
            packet = RtpPacket.parse(datagram)
        except ValueError:  # not RTP; aiortc drops it
            continue
        put += 1
        number, payload = packet.sequence_number, bytes(packet.payload)
        playout.put(ReceivedPacket(number, packet.timestamp, payload, put * 0.02, packet.ssrc, packet.payload_type))
        assert playout.get(960).shape == (960,)
    playout.flush()
    assert playout.get(480).shape == (480,)
    stats = playout.stats()
    assert stats.packets_received == put
    assert 0.0 <= stats.delay < 10.0, stats.delay


TARGETS: Mapping[str, tuple[Callable[[bytes], None], str]] = {
    "websocket": (fuzz_websocket, "websocket"),
    "codec": (fuzz_codec, "frames"),
    "session": (fuzz_session, "frames"),
    "sdp": (fuzz_sdp, "sdp"),
    "rtp": (fuzz_rtp, "rtp"),
}
"""By name: the function, and the folder of its corpus."""
