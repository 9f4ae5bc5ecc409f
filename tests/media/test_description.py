"""Remote SDP made usable or refused in words, and our own before it is sent."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription

from telnyx_agent._media.rtc import description
from telnyx_agent._media.rtc.description import (
    OpusWishes,
    only_host_candidates,
    opus_wishes,
    payload_types,
    prepare_local,
    prepare_remote,
    with_rejected_sections,
)
from telnyx_agent.codecs import OpusSettings
from telnyx_agent.errors import MediaError

VECTORS = Path(__file__).resolve().parents[1] / "protocol" / "vectors.json"

ANSWER = "\r\n".join(
    [
        "v=0",
        "o=FreeSWITCH 1 2 IN IP4 192.0.2.9",
        "s=FreeSWITCH",
        "c=IN IP4 192.0.2.9",
        "t=0 0",
        "m=audio 16952 RTP/SAVPF 96 101",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=sendrecv",
        "a=mid:0",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:active",
        "a=rtcp-mux",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        "a=candidate:1 1 udp 2130706431 192.0.2.9 16952 typ host generation 0",
        "a=candidate:1 2 udp 2130706430 192.0.2.9 16953 typ host generation 0",
        "a=end-of-candidates",
        "",
    ]
)


def without(*beginnings: str) -> str:
    return "".join(line + "\r\n" for line in ANSWER.splitlines() if not line.startswith(beginnings))


def answer(sdp: str) -> list[str]:
    return prepare_remote(sdp, kind="answer", mid="0").splitlines()


def captured(name: str) -> str:
    """SDP of a frame in the protocol vectors."""
    frames: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))
    frame = next(frame["json"] for frame in frames if frame["name"] == name)
    return str(frame.get("params", frame.get("result"))["sdp"])


def test_a_good_answer_keeps_its_meaning() -> None:
    """All that a call needs, in lines of our own; the second component and what nobody needs go."""
    assert answer(ANSWER) == [
        *("v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0"),
        "m=audio 16952 RTP/SAVPF 96",
        "a=rtpmap:96 opus/48000/2",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:active",
        "a=rtcp-mux",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        "a=sendrecv",
        "a=mid:0",
        "a=candidate:1 1 udp 2130706431 192.0.2.9 16952 typ host",
        "a=end-of-candidates",
    ]


@pytest.mark.parametrize("name", ["media_early", "attach_from_server_captured", "modify_update_media_result"])
def test_captured_descriptions_of_the_real_server(name: str) -> None:
    """FreeSWITCH's SDP: RTP/SAVPF, one codec, no BUNDLE, two components."""
    lines = answer(captured(name))
    assert "m=audio 16952 RTP/SAVPF 9" in lines
    assert sum(line.startswith("a=candidate:") for line in lines) == 1
    assert sum(line.startswith("a=setup:") for line in lines) == 1
    assert "a=setup:actpass" not in lines


@pytest.mark.parametrize(
    ("removed", "added"),
    [
        ("a=mid:", "a=mid:0"),
        ("a=setup:", "a=setup:active"),
        ("a=sendrecv", "a=sendrecv"),
        ("a=end-of-candidates", "a=end-of-candidates"),
    ],
)
def test_what_is_missing_is_added(removed: str, added: str) -> None:
    """Lines that aiortc insists on and others do not write."""
    assert added in answer(without(removed))


def test_without_candidates_there_is_no_end_of_them() -> None:
    """Then the other side's checks are what we learn its address from."""
    assert "a=end-of-candidates" not in answer(without("a=candidate", "a=end-of"))


@pytest.mark.parametrize(("payload_type", "name"), [("0", "PCMU"), ("8", "PCMA"), ("9", "G722")])
def test_static_payload_types_need_no_rtpmap(payload_type: str, name: str) -> None:
    """RFC 3551 has their names."""
    sdp = without("a=rtpmap:96", "a=rtpmap:101", "a=fmtp").replace("SAVPF 96 101", f"SAVPF {payload_type} 13 101")
    lines = answer(sdp)
    assert f"m=audio 16952 RTP/SAVPF {payload_type}" in lines
    assert f"a=rtpmap:{payload_type} {name}/8000" in lines


def test_other_sections_and_groups_are_left_out() -> None:
    """Rejected video, a port range, another mid: only the audio counts."""
    sdp = ANSWER.replace("a=mid:0", "a=mid:audio").replace("t=0 0", "t=0 0\r\na=group:BUNDLE audio video")
    sdp = sdp.replace("m=audio 16952 ", "m=audio 16952/2 ") + "m=video 0 UDP/TLS/RTP/SAVPF 97\r\na=mid:video\r\n"
    lines = answer(sdp)
    assert "a=mid:0" in lines
    assert "m=audio 16952 RTP/SAVPF 96" in lines
    assert not any("video" in line or "BUNDLE" in line for line in lines)


def test_keys_may_stand_at_the_session() -> None:
    """Fingerprint, ICE credentials and role apply to all sections from there."""
    keys = [line for line in ANSWER.splitlines() if line.startswith(("a=fingerprint", "a=ice", "a=setup"))]
    sdp = without("a=fingerprint", "a=ice", "a=setup").replace("t=0 0", "\r\n".join(["t=0 0", *keys]))
    assert not any(line == "a=setup:actpass" for line in answer(sdp))


@pytest.mark.parametrize(
    ("sdp", "words"),
    [
        ("", "not SDP"),
        ("hello", "not SDP"),
        ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "no audio"),
        (ANSWER.replace("m=audio", "m=video"), "no audio"),
        ("v=0\r\nm=audio 9\r\n", "malformed"),
        (ANSWER.replace("audio 16952", "audio x"), "malformed"),
        (ANSWER.replace("audio 16952", "audio 0"), "rejects audio"),
        (ANSWER.replace("opus/48000/2", "VP8/90000"), "no codec that we speak .VP8, telephone-event; we have opus"),
        (ANSWER.replace("opus/48000/2", "opus/16000"), "no codec"),
        (without("a=fingerprint"), "no DTLS fingerprint"),
        (ANSWER.replace("sha-256", "sha-1"), "no DTLS fingerprint"),
        (without("a=ice-ufrag"), "ice-ufrag"),
        (without("a=ice-pwd"), "ice-pwd"),
        (without("a=rtcp-mux"), "RTCP"),
    ],
)
def test_unusable_descriptions_are_refused_in_words(sdp: str, words: str) -> None:
    """Each with its reason and the official code."""
    with pytest.raises(MediaError, match=words) as caught:
        answer(sdp)
    assert caught.value.code == 40004


@pytest.mark.parametrize("name", ["answer_with_sdp_and_ids", "answer_empty_control_id"])
def test_the_vectors_placeholder_answers_are_refused(name: str) -> None:
    """SDP without any media, as the SDKs' own unit tests use it."""
    with pytest.raises(MediaError, match="no audio"):
        answer(captured(name))


def test_an_offer_keeps_its_mid_and_its_role() -> None:
    """It is the other side that chose them."""
    sdp = ANSWER.replace("a=mid:0", "a=mid:aud").replace("setup:active", "setup:actpass")
    lines = prepare_remote(sdp, kind="offer", mid=None).splitlines()
    assert "a=mid:aud" in lines
    assert "a=setup:actpass" in lines
    assert "a=mid:0" in prepare_remote(without("a=mid"), kind="offer", mid=None).splitlines()


@pytest.mark.parametrize("bits", [256, 384, 512])
@pytest.mark.parametrize("size", [32, 33, 48, 63, 64])
def test_a_fingerprint_is_as_long_as_its_hash(bits: int, size: int) -> None:
    """Another one could never be that of a certificate, and is left out."""
    line = f"a=fingerprint:sha-{bits} " + ":".join(["CD"] * size)
    (right,) = [line for line in ANSWER.splitlines() if line.startswith("a=fingerprint")]
    found = [line for line in answer(ANSWER + line + "\r\n") if line.startswith("a=fingerprint")]
    assert found == ([right, line] if size == bits // 8 else [right])


def test_our_own_has_one_fingerprint_and_asks_for_fec() -> None:
    """sha-256 alone, and `useinbandfec=1` once."""
    sdp = ANSWER.replace("a=setup", "a=fingerprint:sha-384 AA\r\na=fingerprint:sha-512 BB\r\na=setup")
    lines = prepare_local(sdp).splitlines()
    assert [line for line in lines if "fingerprint" in line] == ["a=fingerprint:sha-256 " + ":".join(["AB"] * 32)]
    assert lines.count("a=fmtp:96 minptime=10;useinbandfec=1") == 1
    assert prepare_local(prepare_local(sdp)) == prepare_local(sdp)


def test_only_host_candidates() -> None:
    """What warning 33005 is about."""
    assert only_host_candidates(ANSWER)
    assert not only_host_candidates(ANSWER.replace("typ host", "typ srflx", 1))
    assert not only_host_candidates(without("a=candidate"))


def opus_answer(parameters: str) -> str:
    return f"m=audio 9 UDP/TLS/RTP/SAVPF 0 111\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:111 OPUS/48000/2\r\n{parameters}\r\n"


@pytest.mark.parametrize(
    ("parameters", "wishes"),
    [
        ("a=sendrecv", OpusWishes()),
        ("a=fmtp:111 minptime=10;useinbandfec=1", OpusWishes(fec=True)),
        (
            "a=fmtp:111 useinbandfec=1; usedtx=1; maxaveragebitrate=20000; maxplaybackrate=16000; stereo=1; cbr=1",
            OpusWishes(fec=True, dtx=True, bitrate=20000, playback_rate=16000, constant_bitrate=True),
        ),
        ("a=fmtp:111 useinbandfec=0;usedtx=yes;maxaveragebitrate=lots;maxplaybackrate=-1;;=", OpusWishes()),
        ("a=fmtp:111 maxaveragebitrate=0", OpusWishes()),  # RFC 7587 section 6.1: outside 6000 to 510000 it is ignored
        ("a=fmtp:111 maxaveragebitrate=5999", OpusWishes()),
        ("a=fmtp:111 maxaveragebitrate=6000", OpusWishes(bitrate=6000)),
        ("a=fmtp:111 maxaveragebitrate=510001", OpusWishes()),
        ("a=fmtp:0 useinbandfec=1", OpusWishes()),
        ("a=fmtp:11 useinbandfec=1", OpusWishes()),
    ],
)
def test_what_the_other_side_wants_of_opus(parameters: str, wishes: OpusWishes) -> None:
    """RFC 7587's parameters; what makes no sense counts as not said."""
    assert opus_wishes(opus_answer(parameters)) == wishes


def test_wishes_are_limits() -> None:
    """A lower bitrate is kept to, a higher one is no order; DTX on either side's wish; the rest is the program's."""
    settings = OpusSettings(bitrate=40000, complexity=3)
    assert OpusWishes(bitrate=20000, dtx=True).applied_to(settings) == OpusSettings(20000, complexity=3, dtx=True)
    assert OpusWishes(bitrate=510000).applied_to(settings) == settings
    assert OpusWishes().applied_to(OpusSettings(dtx=True)).dtx


def test_there_is_no_opus() -> None:
    """A narrow codec was chosen."""
    assert opus_wishes("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\n") == OpusWishes()


# -- bounds ------------------------------------------------------------------------------------------------------------


def candidate(number: int, host: str | None = None, **changes: Any) -> str:
    """One of many; `changes` are of its fields."""
    host = host or f"127.1.{number >> 8 & 255}.{number & 255}"
    fields = {"component": 1, "transport": "udp", "priority": number, "port": 20000, "kind": "host", **changes}
    return "a=candidate:{number} {component} {transport} {priority} {host} {port} typ {kind}".format(
        number=number, host=host, **fields
    )


def with_lines(*lines: str) -> str:
    return without("a=candidate", "a=end-of") + "".join(line + "\r\n" for line in lines)


def candidates(sdp: str, most: int = 20) -> list[str]:
    prepared = prepare_remote(sdp, kind="answer", mid="0", most_candidates=most)
    return [line for line in prepared.splitlines() if line.startswith("a=candidate:")]


@pytest.mark.parametrize(
    ("sdp", "words"),
    [
        (ANSWER + "a=x\r\n" * 2_000, "2,019 lines; at most 2,000"),
        (ANSWER + "x" * 65_536, "66,[0-9]+ characters; at most 65,536"),
        (ANSWER + "m=video 0 RTP/SAVPF 97\r\n" * 32, "33 media sections; at most 32"),
        (with_lines(*(candidate(n) for n in range(257))), "257 candidates; at most 256"),
        (ANSWER + "".join(f"a=fingerprint:sha-256 {n:02x}{':00' * 31}\r\n" for n in range(8)), "9 DTLS fingerprints"),
        (ANSWER.replace("a=mid:0", "a=mid:" + "m" * 65), ""),
    ],
)
def test_more_than_a_description_may_have_is_refused_in_words(sdp: str, words: str) -> None:
    """What there is too much of, how much it is, and how much is read; before anything is parsed."""
    with pytest.raises(MediaError, match=words or "a=mid is malformed") as caught:
        prepare_remote(sdp, kind="offer", mid=None)
    assert caught.value.code == 40004
    assert len(caught.value.message) < 200


def test_as_much_as_a_description_may_have_is_read() -> None:
    """The bounds themselves are inside."""
    assert len(candidates(with_lines(*(candidate(n) for n in range(256))))) == 20
    assert answer(ANSWER + "a=x\r\n" * (2_000 - 19))
    assert answer(ANSWER + "m=video 0 RTP/SAVPF 97\r\n" * 31)
    assert answer(ANSWER + "x" * (65_536 - len(ANSWER)))


def test_the_best_candidates_of_each_version_of_ip_are_kept() -> None:
    """By priority; many of one kind do not push out those of the other."""
    lines = [candidate(n) for n in range(1, 60)] + [candidate(n, f"2001:db8::{n}") for n in range(60, 90)]
    kept = [int(line.split()[3]) for line in candidates(with_lines(*lines), most=5)]
    assert kept == [89, 88, 87, 86, 85, 59, 58, 57, 56, 55]


@pytest.mark.parametrize(
    "line",
    [
        *(candidate(1, host) for host in ("example.com", "a3f2-1.local", "0.0.0.0", "::", "255.255.255.255")),
        *(
            candidate(1, host)
            for host in ("224.0.0.251", "ff02::fb", "fe80::1", "fe80::1%lo", "::ffff:10.0.0.1", "1.2")
        ),
        *(candidate(1, host) for host in ("250.0.0.1", "10.0.0.1000", "1" * 46, ":" * 45)),
        *(candidate(1, port=port) for port in (0, 65536, 99999, "x", "\u0663", -1)),
        *(candidate(1, priority=priority) for priority in (1 << 32, "1" * 11, "x", -1, "")),
        *(candidate(1, **{field: "2"}) for field in ("component", "transport", "kind")),
        candidate(1, transport="tcp") + " tcptype active",
        candidate(1, kind="prflx"),
        "a=candidate:",
        "a=candidate:1 1 udp 1 192.0.2.1",
    ],
)
def test_candidates_that_cannot_be_reached_are_left_out(line: str) -> None:
    """Names, addresses of many or of nobody, ports and priorities out of range, other components and transports."""
    assert candidates(with_lines(line)) == []
    good = candidate(7, "192.0.2.9")
    assert candidates(with_lines(line, good)) == [good]


def test_an_address_counts_once() -> None:
    """Also in another spelling; the higher priority is kept."""
    lines = [candidate(5, "2001:DB8:0::1"), candidate(9, "2001:db8::1"), candidate(3, "2001:db8::0:1")]
    assert candidates(with_lines(*lines)) == [candidate(9, "2001:db8::1")]


@pytest.mark.parametrize(
    "line",
    [
        "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on",  # RFC 6464 section 4
        "a=extmap:x urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:1",
        *("c=IN IP4 host.example/127", "c=IN IP9 x", "a=rtcp:x", "a=rtcp:1 IN IP4", "a=rtcp-fb:96", "a=rtcp-fb:*"),
        *("a=ssrc:x cname:y", "a=ssrc:1", "a=ssrc-group:FID x", "a=sctp-port:x", "a=max-message-size:x", "a=sctpmap:1"),
        *("a=rtpmap:96", "a=rtpmap:x opus/48000/2", "a=rtpmap:97 opus", "a=rtpmap:97 opus/x", "a=rtpmap:97 x/1/y"),
        *("a=fmtp:96", "a=fmtp:x y", "a=fmtp:111 minptime=10", "a=fmtp:96 minptime=x", "a=fmtp:96 stereo"),
        *("a=fingerprint:sha-256", "a=fingerprint:sha-256 AB:CD", "a=setup:holdconn", "a=setup", "a=candidate"),
        *("a=ice-ufrag", "a=ice-pwd", "a=mid", "a=msid", "a=group:BUNDLE", "a=sendrecv:x", "m", "=", "a=", "a", "v=x"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_line_that_is_not_understood_does_no_harm(line: str, first: bool) -> None:
    """Wherever it stands; the good line of the same kind counts."""
    sdp = ANSWER.replace("t=0 0", f"t=0 0\r\n{line}") if first else ANSWER + line + "\r\n"
    sdp = sdp.replace("a=rtpmap:96", f"{line}\r\na=rtpmap:96") if first else sdp
    assert answer(sdp) == answer(ANSWER)
    SessionDescription.parse("\r\n".join(answer(sdp)) + "\r\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda sdp: "\ufeff" + sdp,
        lambda sdp: sdp.replace("\r\n", "\r"),
        lambda sdp: sdp.replace("\r\n", "\r\r\n"),
        lambda sdp: sdp.replace("\r\n", "\n\r\n"),
        lambda sdp: sdp.replace("\r\n", "\0\r\n"),
        lambda sdp: sdp.replace("\r\n", " \t\r\n\t "),
        lambda sdp: sdp.replace(" ", "\t"),
        lambda sdp: sdp.replace(" ", "   "),
        lambda sdp: re.sub(r"a=([a-z-]+):", r"a=\1: ", sdp),
        lambda sdp: sdp.replace("a=rtcp-mux\r\n", "").replace("t=0 0", "t=0 0\r\na=rtcp-mux"),
        lambda sdp: sdp.replace("m=audio", "m=audio 0 RTP/SAVPF 96\r\na=inactive\r\nm=audio"),
        lambda sdp: sdp + "m=audio 9 RTP/SAVPF 0\r\n",
    ],
    ids=[
        *("byte order mark", "CR", "CR CR LF", "empty lines", "NUL", "spaces around", "tabs", "many spaces"),
        *("space after the name", "rtcp-mux of the session", "rejected audio first", "two of audio"),
    ],
)
def test_what_writers_of_descriptions_do(change: Callable[[str], str]) -> None:
    """Nothing of it changes what is meant."""
    assert answer(change(ANSWER)) == answer(ANSWER)


def test_other_sections_of_an_offer_are_rejected_one_by_one() -> None:
    """Our answer has as many as the offer, in its order (RFC 3264 section 6); nothing odd of the offer gets into it."""
    header, audio = ANSWER[: ANSWER.index("m=audio")], ANSWER[ANSWER.index("m=audio") :]
    video = "m=video 9 UDP/TLS/RTP/SAVPF 97 98\r\na=mid:v\r\na=setup:actpass\r\n"
    others = "m=\x07 9 x\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:\u0663\r\n" + audio
    ours = "v=0\r\ns=-\r\nm=audio 7 RTP/SAVPF 96\r\na=mid:0\r\n"
    rejected = "\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n"
    assert with_rejected_sections(ours, header + video + audio + others) == (
        f"v=0\r\ns=-\r\nm=video 0 UDP/TLS/RTP/SAVPF 97 98{rejected}a=mid:v\r\n"
        "m=audio 7 RTP/SAVPF 96\r\na=mid:0\r\n"
        f"m=audio 0 RTP/AVP 0{rejected}m=application 0 UDP/DTLS/SCTP webrtc-datachannel{rejected}"
        f"m=audio 0 RTP/SAVPF 96 101{rejected}a=mid:0\r\n"
    )
    assert with_rejected_sections(ours, ANSWER) == ours


def test_the_numbers_of_our_codecs() -> None:
    """Of a description with others, too."""
    names = {96: "opus/48000/2", 0: "pcmu/8000", 101: "telephone-event/8000", 97: "red/48000/2", 9: "G722/8000"}
    sdp = "\r\n".join(f"a=rtpmap:{number} {name}" for number, name in names.items())
    assert payload_types(sdp) == {96: "opus", 0: "PCMU", 9: "G722"}


def test_the_numbers_of_codecs() -> None:
    """The other side's own, static or not, each once; those that RTCP needs are none."""
    sdp = ANSWER.replace("SAVPF 96 101", "SAVPF 35 0 109 8 72 35 200")
    sdp = sdp.replace("a=rtpmap:96", "a=rtpmap:72 opus/48000/2\r\na=rtpmap:35 G722/8000/1\r\na=rtpmap:109")
    sdp += "a=rtpmap:8 PCMA/16000\r\n"
    assert payload_types("\r\n".join(answer(sdp))) == {35: "G722", 0: "PCMU", 109: "opus"}


_POOL = (
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "96",
        "x",
        "x y",
        "9" * 400,
        "\u0663",
        "\u017fha-256",
        "\u2028",
        "\x1c",
        "\x00",
        "\ud800",
    ),
    *(
        "96 opus/48000/2",
        "96 opus",
        "96 opus/48000/2/3",
        "0 PCMU/8000",
        "300 opus/48000/2",
        "96 opus/\u0664/2",
        "* nack",
    ),
    *("sha-256 " + ":".join(["AB"] * 32), "sha-512 " + ":".join(["ab"] * 64), "md5 00", "active", "passive", "actpass"),
    *("1 1 udp 1 192.0.2.1 9 typ host raddr", "1 1 udp 1 192.0.2.1 9 typ host rport x", "1 1 UDP 1 a.local 9 typ host"),
    *(
        "IN IP4 192.0.2.1",
        "1 urn:ietf:params:rtp-hdrext:sdes:mid",
        "1/sendrecv urn:ietf:params:rtp-hdrext:sdes:mid a b",
    ),
    *("BUNDLE 0 1", "FID 1 x", "1 cname:x", "96 minptime=10;useinbandfec=1", "96 a=b;;=", "96 minptime=\u0661"),
)
_ATTRIBUTES = (
    *("candidate", "end-of-candidates", "extmap", "fingerprint", "fmtp", "group", "ice-lite", "ice-options", "ice-pwd"),
    *("ice-ufrag", "inactive", "max-message-size", "mid", "msid", "msid-semantic", "rtcp", "rtcp-fb", "rtcp-mux"),
    *("rtpmap", "sctp-port", "sctpmap", "sendonly", "sendrecv", "setup", "ssrc", "ssrc-group", "x"),
)


def mutated(sdp: str, dice: random.Random) -> str:
    """Some lines changed, added, doubled or lost."""
    lines = sdp.splitlines()
    for _ in range(dice.choice((1, 1, 2, 3, 6))):
        at = dice.randrange(len(lines))
        action = dice.randrange(7)
        if action < 3:
            value = dice.choice(_POOL)
            lines.insert(at, f"a={dice.choice(_ATTRIBUTES)}{':' if value else ''}{value}")
        elif action == 3:
            words = lines[at].split(" ")
            words[dice.randrange(len(words))] = dice.choice(_POOL)
            lines[at] = " ".join(words)
        elif action == 4:
            cut = dice.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:cut] + dice.choice(("", dice.choice(_POOL), "=", ":", "/", "\r", "\n", "%"))
        elif action == 5:
            lines.insert(at, dice.choice(lines))
        elif len(lines) > 1:
            del lines[at]
    return dice.choice(("\r\n", "\r\n", "\n")).join(lines) + "\n"


def passed(sdp: str) -> list[tuple[str, str]]:
    """What is made of a description as an answer and as an offer; only our own error may come."""
    found = []
    for kind, mid in (("answer", "0"), ("offer", None)):
        try:
            prepared = prepare_remote(sdp, kind=kind, mid=mid)
        except MediaError as error:
            assert (error.code, len(error.message) < 400) == (40004, True)  # noqa: PT017 - it may be refused
            continue
        assert prepare_remote(prepared, kind=kind, mid=mid) == prepared
        assert all(32 <= ord(character) < 127 for character in prepared.replace("\r\n", ""))
        found.append((kind, prepared))
    return found


BASES = [ANSWER, *(captured(name) for name in ("media_early", "attach_from_server_captured"))]


def test_what_passes_makes_aiortc_never_raise() -> None:
    """Mutated descriptions: each is refused in our words, or aiortc's parser takes it."""
    dice = random.Random(12)
    count = 0
    for _ in range(1500):
        for _, prepared in passed(mutated(dice.choice(BASES), dice)):
            description_of = SessionDescription.parse(prepared)
            assert len(description_of.media) == 1
            assert payload_types(prepared)
            opus_wishes(prepared)
            count += 1
    assert count > 500  # most are still good


async def _apply(kind: str, prepared: str) -> None:
    # ICE may send a check before the connection is closed: to this machine only.
    prepared = re.sub(r"(a=candidate:\S+ 1 udp \d+) \S+", r"\1 127.0.0.1", prepared)
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        connection.addTransceiver("audio")
        if kind == "answer":
            await connection.setLocalDescription()
        await connection.setRemoteDescription(RTCSessionDescription(prepared, kind))
        if kind == "offer":
            await connection.setLocalDescription()
    finally:
        await connection.close()


@pytest.mark.slow
def test_what_passes_can_be_applied() -> None:
    """The same with a whole peer connection, down to aioice; nothing is raised anywhere."""
    dice = random.Random(13)

    async def main() -> int:
        problems: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        count = 0
        for _ in range(250):
            for kind, prepared in passed(mutated(dice.choice(BASES), dice)):
                await _apply(kind, prepared)
                count += 1
        assert not problems
        return count

    assert asyncio.run(main()) > 100


@pytest.mark.parametrize("line", ["a=fmtp:96 " + "a" * 980, "a=candidate:1 1 udp " + " " * 970, "a=mid:" + "m" * 990])
def test_no_description_takes_long(line: str) -> None:
    """The most lines of the greatest length that a pattern could be slow with."""
    sdp = ANSWER + (line + "\r\n") * ((description.LARGEST_DESCRIPTION - len(ANSWER)) // (len(line) + 2))
    begin = time.process_time()
    for _ in range(5):
        passed(sdp)
    assert (time.process_time() - begin) / 20 < 0.05
