"""The candidates in a description lead through the relay."""

from __future__ import annotations

import asyncio
import json

import pytest

from telnyx_agent.testing import UdpFaults
from telnyx_agent.testing._udp_relay import UdpRelays

SDP = (
    "v=0\r\nm=audio 5000 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 127.0.0.1\r\n"
    "a=candidate:x 1 udp 100 0f0e.local 5000 typ host\r\na=candidate:a 1 udp 100 ::1 5002 typ host\r\n"
    "a=candidate:b 1 udp 99 127.0.0.1 5001 typ host\r\n"
    "a=candidate:c 1 udp 10 1.2.3.4 9 typ srflx raddr 0.0.0.0 rport 0\r\n"
    "a=end-of-candidates\r\na=ice-ufrag:{}\r\na=ice-pwd:p\r\n"
)


def candidates(text: str | None) -> list[str]:
    """The candidate lines in a frame."""
    assert text is not None
    return [line for line in json.loads(text)["params"]["sdp"].splitlines() if line.startswith("a=candidate")]


def invite(sdp: str) -> str:
    return json.dumps({"method": "telnyx_rtc.invite", "params": {"sdp": sdp, "dialogParams": {"callID": "1"}}})


def answer(sdp: str) -> str:
    return json.dumps({"method": "telnyx_rtc.answer", "params": {"sdp": sdp, "callID": "1"}})


def test_candidates_are_replaced() -> None:
    """Each side sees one candidate, the relay's; the same SDP again gives the same, and new ICE a new relay."""

    async def scenario() -> None:
        relays = UdpRelays(0, UdpFaults())
        try:
            (first,) = candidates(await relays.rewrite("client", invite(SDP.format("u1"))))
            (second,) = candidates(await relays.rewrite("agent", answer(SDP.format("v1"))))
            assert first != second
            assert " 127.0.0.1 " in first
            assert "5001" not in first
            assert candidates(await relays.rewrite("agent", answer(SDP.format("v1")))) == [second]
            assert candidates(await relays.rewrite("client", invite(SDP.format("u2")))) != [first]
        finally:
            relays.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", "5", '{"params":{"sdp":5}}', "[" * 100_000, answer("v=0")])
def test_other_frames_stay_as_they_are(text: str) -> None:
    """What has no SDP, or one without an address, is none of the relay's business."""
    assert asyncio.run(UdpRelays(0, UdpFaults()).rewrite("client", text)) in (
        text,
        json.dumps(json.loads(answer("v=0"))),
    )


def test_trickled_candidates_would_lead_around_the_relay() -> None:
    """So they are dropped."""
    frame = json.dumps({"method": "telnyx_rtc.candidate", "params": {"candidate": "..."}})
    assert asyncio.run(UdpRelays(0, UdpFaults()).rewrite("client", frame)) is None
