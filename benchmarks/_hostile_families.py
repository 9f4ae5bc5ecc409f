"""What a hostile server sends, family by family: floods and giants as bytes of the WebSocket, and as datagrams. PURE.

A `Family` says how the program under test is set up and gives the bytes; `_hostile_server` sends them. They are made
while they are sent: a flood has no end of its own.
"""

from __future__ import annotations

import itertools
import json
import random
import struct
import uuid
from collections.abc import Callable, Iterator

import attrs

from telnyx_agent.testing._wire_frames import WireFrame

__all__ = ["BY_NAME", "FAMILIES", "Family", "World", "message", "request"]

MOST = 5 * 2**20
"""Bytes that one message may have (`SignalingConnection`, `max_frame`)."""

CHUNK = 1 << 16
"""Bytes of a flood that are handed to the socket at once."""

PAUSE = 0.05
"""Seconds that the loop may stand still."""

GIANT_PAUSE = 0.25
"""Seconds, for one message of 5 MiB."""


@attrs.frozen
class World:
    """What there is to attack.

    Attributes:
        call_id: Of the call that is up, or of no call.
        offer: The client's, or one that was made up.
        answer: What an honest server would answer.
    """

    call_id: str
    offer: str
    answer: str


@attrs.frozen
class Family:
    """One way to attack a client.

    Attributes:
        name: In the table.
        send: Gives the bytes for the connection's socket. Ends, or goes on until the time is over.
        answer: Changes the answer of the call, which is placed when the attack begins.
        datagrams: Gives what is sent to the client's media ports.
        srtp: Gives RTP and RTCP packets that the agent itself sends, encrypted as they should be.
        login: `"anonymous"` or `"credentials"`; there is no call with the latter, and with `"late"`, which never comes.
        replies: What the client's pings are answered with: `"result"`, `"nothing"`, or `"login required"`, as is every
            other request but the login.
        cuts: Whether the server cuts each connection as soon as the login is answered, once the attack has begun.
        delegate: `"quick"`, `"slow"` (5 ms a callback), `"blocked"`, `"pump"` (that nobody pumps), `"stream"` (that
            nobody reads), `"answering"` (takes each call that comes in).
        busy: Threads of the program that compute.
        seconds: Between the attack's begin and the client's `disconnect()`.
        pause: Seconds that the loop may stand still.
        interval: Seconds between two pieces of `send`.
    """

    name: str
    send: Callable[[World], Iterator[bytes]] | None = None
    answer: Callable[[str], str] | None = None
    datagrams: Callable[[random.Random], Iterator[bytes]] | None = None
    srtp: Callable[[random.Random], Iterator[bytes]] | None = None
    login: str = "anonymous"
    replies: str = "result"
    cuts: bool = False
    delegate: str = "quick"
    busy: int = 0
    seconds: float = 6.0
    pause: float = PAUSE
    interval: float = 0.0

    @property
    def is_prompt(self) -> bool:
        """Whether every callback has run once the client is disconnected.

        Where callbacks wait, the last of them may come later than `disconnect()` waits for them.
        """
        return self.delegate not in ("slow", "blocked", "pump")


# -- the pieces --------------------------------------------------------------------------------------------------------


def message(text: str | bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    """A frame as a server sends it: 1 is text, 2 binary, 8 close, 9 ping, 10 pong."""
    return WireFrame(opcode, text.encode() if isinstance(text, str) else text, fin=fin).encode()


def request(method: str, request_id: object, **params: object) -> str:
    """A request as text."""
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def ai(number: int, kind: str, **params: object) -> str:
    """A frame of the conversation."""
    return request("ai_conversation", number, type=kind, **params)


def _once(make: Callable[[World], str]) -> Callable[[World], Iterator[bytes]]:
    """One message. It may be a giant, so it is made when it is sent."""
    return lambda world: iter([message(make(world))])


def _flood(make: Callable[[int, World], str]) -> Callable[[World], Iterator[bytes]]:
    """The `number`th message for ever, in chunks."""

    def chunks(world: World) -> Iterator[bytes]:
        chunk = bytearray()
        for number in itertools.count(1):
            chunk += message(make(number, world))
            if len(chunk) >= CHUNK:
                yield bytes(chunk)
                chunk.clear()

    return chunks


def _same(text: str | bytes, opcode: int = 1) -> Callable[[World], Iterator[bytes]]:
    chunk = message(text, opcode)
    chunk *= max(1, CHUNK // len(chunk))
    return lambda world: itertools.repeat(chunk)


def _after(
    first: Callable[[World], Iterator[bytes]], then: Callable[[World], Iterator[bytes]]
) -> Callable[[World], Iterator[bytes]]:
    return lambda world: itertools.chain(first(world), then(world))


def _uuid(number: int) -> str:
    return str(uuid.UUID(int=(0x4000 << 64) | (1 << 63) | number))


def _array(item: str, count: int) -> str:
    return "[" + ",".join([item] * count) + "]"


def _filled(item: str) -> str:
    """An array of as many as one message may hold."""
    return _array(item, (MOST - 2) // (len(item) + 1))


def _keys() -> str:
    """An object of as many keys as one message may hold."""
    return "{" + ",".join(f'"{number:07}":0' for number in range((MOST - 2) // 12)) + "}"


_PING = '{"id":1,"method":"telnyx_rtc.ping"}'


# -- the conversation --------------------------------------------------------------------------------------------------


def user_item(number: int, text: str = "yes") -> str:
    """A whole item of the user's."""
    item = {"id": f"item-{number}", "type": "message", "role": "user", "status": "completed"}
    return ai(
        number, "conversation.item.created", item={**item, "content": [{"type": "input_audio", "transcript": text}]}
    )


def _delta(number: int, world: World, item: str = "answer", text: str = "word ") -> str:
    return (
        f'{{"jsonrpc":"2.0","id":{1_000_000 + number},"method":"ai_conversation","params":{{'
        f'"type":"response.text.delta","delta":"{text}","item_id":"{item}","response_id":"{item}",'
        '"content_index":0,"output_index":0}}'
    )


def _items(count: int) -> Callable[[World], Iterator[bytes]]:
    return lambda world: (
        b"".join(message(user_item(number)) for number in range(begin, begin + 100)) for begin in range(0, count, 100)
    )


_deltas = _after(_items(4000), _flood(_delta))


def _tool(number: int, world: World) -> str:
    item = {"type": "function_call", "call_id": f"tool-{number}", "name": "lookup", "arguments": "{}"}
    return ai(number, "conversation.item.created", item=item)


def _turn(number: int, world: World) -> str:
    kind = ("response.created", "response.done")[number % 2]
    return ai(number, kind, response={"id": f"r{number // 2}", "output": [], "status": "in_progress"})


def _widget(number: int, world: World, size: int = 10) -> str:
    return ai(number, "widget_settings", widget_settings={"theme": f"t{number}", "start_call_text": "x" * size})


def _image(size: int) -> str:
    item = {"id": "item-image", "type": "message", "role": "user", "status": "completed"}
    url = "data:image/png;base64," + "A" * (size - 500)
    return ai(
        1, "conversation.item.created", item={**item, "content": [{"type": "image_url", "image_url": {"url": url}}]}
    )


def _giant_text(piece: str) -> str:
    text = user_item(1, "@")
    return text.replace("@", piece * ((MOST - len(text)) // len(piece.encode())))


# -- calls -------------------------------------------------------------------------------------------------------------


def _of_call(method: str, *, sdp: bool = False, known: bool = True) -> Callable[[int, World], str]:
    def make(number: int, world: World) -> str:
        more = {"sdp": world.answer} if sdp else {}
        return request(method, number, callID=world.call_id if known else _uuid(number), **more)

    return make


def _gateway(number: int, world: World) -> str:
    states = ("REGED", "UNREGED", "NOREG", "FAILED", "FAIL_WAIT", "EXPIRED", "TRYING", "REGISTER", "x")
    return request("telnyx_rtc.gatewayState", number, state=states[number % len(states)])


def _attach(call_id: str | None, sdp: str | None) -> Callable[[int, World], str]:
    def make(number: int, world: World) -> str:
        which = world.call_id if call_id is None else call_id or _uuid(number)
        return request("telnyx_rtc.attach", number, callID=which, sdp=world.offer if sdp is None else sdp)

    return make


def _invite(number: int, world: World) -> str:
    caller = {"caller_id_name": "x" * 20, "caller_id_number": str(number)}
    return request("telnyx_rtc.invite", number, callID=_uuid(number), sdp=world.offer, **caller)


def _bad_attaches(world: World) -> Iterator[bytes]:
    """A3 of faults.md."""
    attach = request("telnyx_rtc.attach", 7000, callID="not-a-uuid", sdp="v=0")
    yield message(_array(attach, 50)) + message(struct.pack("!H", 1011), 8)


def _headers(count: int) -> list[dict[str, str]]:
    return [{"name": f"X-Header-{number}", "value": "v" * 20} for number in range(count)]


def _with_headers(method: str, count: int) -> Callable[[int, World], str]:
    headers = _headers(count)
    return lambda number, world: request(
        method, number, callID=world.call_id, dialogParams={"custom_headers": headers}, custom_headers=headers
    )


# -- descriptions ------------------------------------------------------------------------------------------------------


def candidates(count: int) -> Callable[[str], str]:
    """An answer with so many candidates more."""

    def change(sdp: str) -> str:
        lines = [
            f"a=candidate:{n} 1 udp {2130706431 - n} 127.1.{n >> 8 & 255}.{n & 255} {20000 + n % 40000} typ host\r\n"
            for n in range(count)
        ]
        return sdp + "".join(lines)

    return change


def _sections(count: int) -> Callable[[str], str]:
    def change(sdp: str) -> str:
        section = sdp[sdp.index("m=") :]
        return sdp + "".join(section.replace("a=mid:0", f"a=mid:{n}") for n in range(1, count))

    return change


def _lines(line: str, count: int) -> Callable[[str], str]:
    return lambda sdp: sdp + "".join(f"{line % n}\r\n" for n in range(count))


def _codecs(count: int) -> Callable[[str], str]:
    def change(sdp: str) -> str:
        head, media = sdp.split("m=", 1)
        first, _, rest = media.partition("\r\n")
        numbers = " ".join(str(n) for n in range(count))
        maps = "".join(f"a=rtpmap:{n} opus/48000/2\r\n" for n in range(count))
        return f"{head}m={first} {numbers}\r\n{rest}{maps}"

    return change


def _repeated_answer(kind: str) -> Callable[[World], Iterator[bytes]]:
    """Descriptions that differ in each frame, so that none is known already."""

    def make(number: int, world: World) -> str:
        sdp = world.answer.replace("a=ice-ufrag:", f"a=ice-ufrag:{number % 10000:04}", 1)
        return request(f"telnyx_rtc.{kind}", number, callID=world.call_id, sdp=sdp)

    return _flood(make)


# -- datagrams ---------------------------------------------------------------------------------------------------------


def _stun(dice: random.Random) -> Iterator[bytes]:
    """Binding requests that look well and are not ours, and garbage behind the right cookie."""
    while True:
        body = dice.randbytes(dice.choice((0, 4, 8, 40, 400)))
        head = struct.pack("!HHI", dice.choice((0x0001, 0x0101, 0x0111, 0x0011)), len(body), 0x2112A442)
        yield head + dice.randbytes(12) + body


def _rtp(dice: random.Random) -> Iterator[bytes]:
    for number in itertools.count():
        head = struct.pack("!BBHII", 0x80, 111, number & 0xFFFF, number * 960 & 0xFFFFFFFF, dice.randrange(1 << 32))
        yield head + dice.randbytes(80)


def _rtcp(dice: random.Random) -> Iterator[bytes]:
    while True:
        yield struct.pack("!BBHI", 0x81, dice.choice((200, 201, 203, 205, 206)), 7, 1) + dice.randbytes(24)


def _dtls(dice: random.Random) -> Iterator[bytes]:
    while True:
        body = dice.randbytes(dice.choice((0, 13, 200, 1200)))
        yield (
            struct.pack("!BHHIHH", dice.choice((20, 21, 22, 23)), 0xFEFD, 0, 0, dice.randrange(1 << 16), len(body))
            + body
        )


def _packet(sequence: int, timestamp: int, ssrc: int, payload: bytes, payload_type: int = 111) -> bytes:
    head = struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    return head + payload


def _speech(dice: random.Random) -> Iterator[bytes]:
    """Packets of one stream, as fast as possible."""
    return (_packet(number, number * 960, 1, b"\xf8\xff\xfe") for number in itertools.count())


def _streams(dice: random.Random) -> Iterator[bytes]:
    """Each packet begins a stream of its own."""
    while True:
        payload = dice.randbytes(dice.choice((0, 1, 100, 1000)))
        yield _packet(dice.getrandbits(16), dice.getrandbits(32), dice.getrandbits(32), payload, dice.getrandbits(7))


def _reports(dice: random.Random) -> Iterator[bytes]:
    """RTCP of all kinds, with as many blocks as a packet may have."""
    while True:
        kind, count = dice.choice((200, 201, 202, 203, 205, 206)), dice.choice((0, 1, 31))
        body = dice.randbytes(dice.choice((4, 24, 24 * count + 4)))
        yield struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


# -- all ---------------------------------------------------------------------------------------------------------------


def _honest(world: World) -> Iterator[bytes]:
    """An answer of 150 deltas, sent by and by."""
    for number in range(150):
        yield message(_delta(number, world))


def _fragments(world: World) -> Iterator[bytes]:
    """One message of 5 MiB in pieces of one byte."""
    yield message(b"[", 1, fin=False)
    piece = message(b"1", 0, fin=False) * (CHUNK // 3)
    for _ in range(MOST // (CHUNK // 3)):
        yield piece
    yield message(b"]", 0)


def _empty_pieces(world: World) -> Iterator[bytes]:
    yield message(b"", 1, fin=False)
    yield from itertools.repeat(message(b"", 0, fin=False) * (CHUNK // 2))


def _too_long(world: World) -> Iterator[bytes]:
    text = message(user_item(1, "x" * (MOST + 2**20)))
    while True:
        yield text


FAMILIES: tuple[Family, ...] = (
    Family("honest use", _honest, interval=0.02),
    # pings
    Family(
        "pings, one by one, not answered",
        _flood(lambda n, w: request("telnyx_rtc.ping", n)),
        replies="nothing",
        seconds=14,
    ),
    Family(
        "20,000 pings in one array, not answered", _once(lambda w: _array(_PING, 20_000)), replies="nothing", seconds=14
    ),
    Family("140,000 pings in one array, answered", _once(lambda w: _array(_PING, 140_000)), seconds=14),
    Family("arrays of 100 pings, not answered", _same(_array(_PING, 100)), replies="nothing", seconds=14),
    # descriptions
    *(
        Family(f"an answer with {count:,} candidates", answer=candidates(count), seconds=10)
        for count in (2_000, 5_000, 10_000)
    ),
    Family(
        "an answer with 200 candidates by name",
        answer=_lines("a=candidate:%d 1 udp 2130706431 nowhere.local 9 typ host", 200),
        seconds=10,
    ),
    Family("an answer with 500 media sections", answer=_sections(500), seconds=8),
    Family("an answer with 20,000 lines", answer=_lines("a=x-line:%d", 20_000)),
    Family("an answer with 10,000 ssrc lines", answer=_lines("a=ssrc:%d cname:a", 10_000)),
    Family("an answer with a line of 4 MB", answer=lambda sdp: f"{sdp}a=fmtp:111 {'a=1;' * 1_000_000}\r\n"),
    Family("an answer with 20,000 codecs", answer=_codecs(20_000)),
    Family("answers, each another", _repeated_answer("answer")),
    Family("early media, each another", _repeated_answer("media")),
    # tiny messages
    Family("empty texts", _same(b"")),
    Family("empty texts, two busy threads", _same(b""), busy=2, seconds=10),
    Family("texts of one character", _same(b"1")),
    Family("empty binary messages", _same(b"", 2)),
    Family("empty objects", _same(b"{}")),
    Family("what is no JSON", _flood(lambda n, w: f"no JSON {n}")),
    # arrays and nesting
    Family("one array of empty objects, 5 MiB", _once(lambda w: _filled("{}")), pause=GIANT_PAUSE),
    Family("one array of numbers, 5 MiB", _once(lambda w: _filled("1")), pause=GIANT_PAUSE),
    Family("one array of texts, 5 MiB", _once(lambda w: _filled('"a"')), pause=GIANT_PAUSE),
    Family("one object of keys, 5 MiB", _once(lambda w: _keys()), pause=GIANT_PAUSE),
    Family("nested arrays, 5 MiB", _once(lambda w: "[" * MOST), pause=GIANT_PAUSE),
    Family("one number of 5 MiB", _once(lambda w: "9" * MOST), pause=GIANT_PAUSE),
    Family("arrays of empty objects, 5 MiB, again and again", lambda w: itertools.repeat(message(_filled("{}")))),
    Family("arrays of 30,000 numbers", _same(_array("1", 30_000))),
    # the conversation
    Family("deltas, quick delegate", _deltas),
    Family("deltas, delegate of 5 ms", _deltas, delegate="slow", seconds=15),
    Family("deltas, blocked delegate", _deltas, delegate="blocked", seconds=10),
    Family("deltas, callbacks that nobody pumps", _deltas, delegate="pump", seconds=10),
    Family("deltas, stream that nobody reads", _deltas, delegate="stream", seconds=10),
    Family(
        "deltas of 60 KB, blocked delegate", _flood(lambda n, w: _delta(n, w, text="x" * 60_000)), delegate="blocked"
    ),
    Family("deltas, each of another item", _flood(lambda n, w: _delta(n, w, f"item-{n}"))),
    Family("user items", _flood(lambda n, w: user_item(n))),
    Family("user items, blocked delegate", _flood(lambda n, w: user_item(n)), delegate="blocked"),
    Family("user items of 60 KB", _flood(lambda n, w: user_item(n, "x" * 60_000))),
    Family("tool calls", _flood(_tool)),
    Family("tool calls, blocked delegate", _flood(_tool), delegate="blocked"),
    Family("responses that begin and end", _flood(_turn)),
    Family("widget settings", _flood(_widget)),
    Family(
        "widget settings of 100 KB, blocked delegate", _flood(lambda n, w: _widget(n, w, 100_000)), delegate="blocked"
    ),
    Family("unknown types", _flood(lambda n, w: ai(n, f"unknown.{n}"))),
    Family("unknown methods", _flood(lambda n, w: request(f"telnyx_rtc.unknown{n}", n))),
    # calls
    Family("attaches of unknown calls", _flood(_attach("", None))),
    Family("attaches with bad ids", _flood(_attach("not-a-uuid", "v=0"))),
    Family("50 attaches with bad ids, then close 1011", _bad_attaches, seconds=10),
    Family("attaches of the call", _flood(_attach(None, None))),
    Family("invites", _flood(_invite), login="credentials"),
    Family("invites that are answered", _flood(_invite), login="credentials", delegate="answering"),
    Family("ringing, again and again", _flood(_of_call("telnyx_rtc.ringing"))),
    Family("media, again and again", _flood(_of_call("telnyx_rtc.media", sdp=True))),
    Family("answer, again and again", _flood(_of_call("telnyx_rtc.answer", sdp=True))),
    Family("byes of unknown calls", _flood(_of_call("telnyx_rtc.bye", known=False))),
    Family("bye, again and again", _flood(_of_call("telnyx_rtc.bye"))),
    Family("ringing with 200 headers", _flood(_with_headers("telnyx_rtc.ringing", 200))),
    Family(
        "one answer with 40,000 headers",
        _once(lambda w: _with_headers("telnyx_rtc.answer", 40_000)(1, w)),
        pause=GIANT_PAUSE,
    ),
    # the session
    Family("clientReady", _flood(lambda n, w: request("telnyx_rtc.clientReady", n, reattached_sessions=[_uuid(n)]))),
    Family("gatewayState", _flood(lambda n, w: request("telnyx_rtc.gatewayState", n, state="REGED"))),
    Family(
        "gatewayState with places",
        _flood(lambda n, w: request("telnyx_rtc.gatewayState", n, state="REGED", dc=f"d{n}", region=f"r{n}")),
    ),
    Family(
        "errors without id",
        _flood(lambda n, w: json.dumps({"id": None, "error": {"code": -32001 - n, "message": f"m{n}"}})),
    ),
    Family(
        "errors with unknown ids",
        _flood(lambda n, w: json.dumps({"id": _uuid(n), "error": {"code": -n, "message": "no"}})),
    ),
    Family(
        "results with unknown ids", _flood(lambda n, w: json.dumps({"id": _uuid(n), "result": {"sessid": f"s{n}"}}))
    ),
    Family("gatewayState, each another", _flood(_gateway)),
    Family(
        "pings, and the login is required for everything",
        _flood(lambda n, w: request("telnyx_rtc.ping", n)),
        replies="login required",
    ),
    Family(
        "connections that are cut after the login", lambda w: iter([message(struct.pack("!H", 1011), 8)]), cuts=True
    ),
    Family("punt", _once(lambda w: request("telnyx_rtc.punt", 1))),
    Family("pings before the login is answered", _flood(lambda n, w: request("telnyx_rtc.ping", n)), login="late"),
    Family("empty texts before the login is answered", _same(b""), login="late"),
    # frames of the WebSocket
    Family("control pings of 125 bytes", _same(b"x" * 125, 9)),
    Family("control pings, empty", _same(b"", 9)),
    Family("control pongs", _same(b"x" * 125, 10)),
    Family("one message in fragments of one byte", _fragments),
    Family("a message of empty fragments without end", _empty_pieces),
    Family("messages of 6 MiB", _too_long),
    Family(
        "a frame that claims 2^62 bytes",
        lambda w: itertools.chain([b"\x81\x7f" + struct.pack("!Q", 1 << 62)], itertools.repeat(b"x" * CHUNK)),
    ),
    # giants that are well-formed
    Family("one image of 5 MiB", _once(lambda w: _image(MOST)), pause=GIANT_PAUSE),
    Family("one text of 5 MiB", _once(lambda w: _giant_text("word ")), pause=GIANT_PAUSE),
    Family("one text of 5 MiB, escapes", _once(lambda w: _giant_text("\\u0041")), pause=GIANT_PAUSE),
    Family("one text of 5 MiB, not ASCII", _once(lambda w: _giant_text("\u00e4\U0001f642")), pause=GIANT_PAUSE),
    # datagrams
    Family("datagrams: STUN", datagrams=_stun),
    Family("datagrams: RTP", datagrams=_rtp),
    Family("datagrams: RTCP", datagrams=_rtcp),
    Family("datagrams: DTLS", datagrams=_dtls),
    Family("the agent's own RTP, one stream", srtp=_speech),
    Family("the agent's own RTP, a stream each", srtp=_streams),
    Family("the agent's own RTCP", srtp=_reports),
)

BY_NAME = {family.name: family for family in FAMILIES}
