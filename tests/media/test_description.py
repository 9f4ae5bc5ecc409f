"""Remote SDP made usable or refused in words, and our own before it is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from telnyx_agent._media.description import (
    OpusWishes,
    only_host_candidates,
    opus_wishes,
    prepare_local,
    prepare_remote,
)
from telnyx_agent._media.settings import OpusSettings
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
    """Only the second component goes."""
    lines = answer(ANSWER)
    assert set(ANSWER.split("\r\n")) - set(lines) == {
        "a=candidate:1 2 udp 2130706430 192.0.2.9 16953 typ host generation 0",
        "",
    }


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
    assert "m=audio 16952 RTP/SAVPF 96 101" in lines
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
    assert OpusWishes(bitrate=1).applied_to(settings).bitrate == 6000
    assert OpusWishes().applied_to(OpusSettings(dtx=True)).dtx


def test_there_is_no_opus() -> None:
    """A narrow codec was chosen."""
    assert opus_wishes("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\n") == OpusWishes()
