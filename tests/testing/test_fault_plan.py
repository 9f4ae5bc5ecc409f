"""The pure parts of the fault proxy: frames on the wire, dice for frames, dice for packets, candidates in SDP."""

from __future__ import annotations

import asyncio
import json
import random
import statistics

import pytest

from telnyx_agent.testing import Fault, FaultRates, GilbertElliott, UdpFaults
from telnyx_agent.testing._fault_plan import FaultPlan, damaged
from telnyx_agent.testing._udp_relay import UdpRelays
from telnyx_agent.testing._wire_frames import TEXT, FrameSplitter, WireFrame, without_extensions
from telnyx_agent.testing.udp_faults import UdpImpairment

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
SIZES = (0, 1, 125, 126, 65535, 65536, 200_000)


@pytest.mark.parametrize("mask", [None, b"\x01\x02\x03\x04", b"\0\0\0\0"], ids=["server", "client", "zeros"])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_frames_survive_taking_apart(mask: bytes | None, step: int) -> None:
    """Whatever the size and however the bytes arrive, what comes out encodes to what went in."""
    frames = [WireFrame(TEXT, bytes(range(256)) * (size // 256) + bytes(size % 256), mask=mask) for size in SIZES]
    if step < 100:
        frames = frames[:4]
    stream = HEAD + b"".join(frame.encode() for frame in frames)
    splitter = FrameSplitter()

    pieces = [piece for start in range(0, len(stream), step) for piece in splitter.feed(stream[start : start + step])]

    assert pieces == [HEAD, *frames]
    assert splitter.rest == b""


def test_flags_survive_taking_apart() -> None:
    """Fragments and reserved bits stay what they are."""
    splitter = FrameSplitter()
    frames = [
        WireFrame(TEXT, b"a", fin=False),
        WireFrame(0, b"b"),
        WireFrame(9, b""),
        WireFrame(TEXT, b"c", reserved=64),
    ]

    assert splitter.feed(HEAD + b"".join(frame.encode() for frame in frames))[1:] == frames
    assert [frame.text for frame in frames] == [None, None, None, "c"]
    assert [frame.is_data for frame in frames] == [True, True, False, True]


def test_the_offer_to_compress_is_taken_away() -> None:
    """Compressed frames could not be looked into."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-A: b\r\n\r\n"

    assert without_extensions(head) == b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n"


def fates(seed: int, rates: FaultRates, count: int = 1000) -> list[list[str]]:
    """What happens to that many frames."""
    plan = FaultPlan(seed, 1, "to_client")
    return [[fault.action for fault in plan.decide(WireFrame(TEXT, b"x"), rates, [])] for _ in range(count)]


def test_the_seed_decides() -> None:
    """The same seed, the same faults; another seed, others; one rate more leaves the fate by the others as it is."""
    rates = FaultRates(drop=0.1, duplicate=0.2)

    assert fates(1, rates) == fates(1, rates) != fates(2, rates)
    more = fates(1, FaultRates(drop=0.1, duplicate=0.2, corrupt=0.5))
    assert [[action for action in fate if action != "corrupt"] for fate in more] == fates(1, rates)
    assert 60 < sum("drop" in fate for fate in fates(1, rates)) < 140


def test_single_faults_hit_once() -> None:
    """The frame with that number, or with that text, of that connection."""
    plan = FaultPlan(0, 2, "to_client")
    waiting = [
        Fault("drop", frame=2),
        Fault("cut", contains="answer", connection=2),
        Fault("reset", contains="answer", connection=1),
        Fault("stall", "to_server"),
    ]
    texts = [b"answer", b"other", b"answer"]

    found = [[fault.action for fault in plan.decide(WireFrame(TEXT, text), FaultRates(), waiting)] for text in texts]

    assert found == [["cut"], ["drop"], []]
    assert [fault.action for fault in waiting] == ["reset", "stall"]


@pytest.mark.parametrize("arguments", [{"action": "nonsense"}, {"action": "drop", "direction": "up"}])
def test_faults_are_checked(arguments: dict[str, str]) -> None:
    """Misspelt faults would never happen, and nobody would notice."""
    with pytest.raises(ValueError, match="is not"):
        Fault(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="drop is a number from 0 to 1"):
        FaultRates(drop=1.5)
    with pytest.raises(ValueError, match="is a number of at least 0"):
        FaultRates(delay=-1)
    with pytest.raises(ValueError, match="loss is a number from 0 to 1"):
        UdpFaults(loss=-0.1)
    with pytest.raises(ValueError, match="is a number of at least 0"):
        UdpFaults(delay=-0.1)
    with pytest.raises(ValueError, match="to_bad is a number from 0 to 1"):
        GilbertElliott(to_bad=2)


def test_damage_is_repeatable() -> None:
    """Corrupt changes some characters and no length; truncate takes the second half."""
    frame = WireFrame(TEXT, b"0123456789" * 20, mask=b"abcd")

    assert damaged(frame, ["truncate"], random.Random(1)).payload == frame.payload[:100]
    corrupt = damaged(frame, ["corrupt"], random.Random(1))
    assert corrupt == damaged(frame, ["corrupt"], random.Random(1))
    assert corrupt != frame
    assert len(corrupt.payload) == len(frame.payload)
    assert damaged(WireFrame(TEXT, b""), ["corrupt", "truncate"], random.Random(1)).payload == b""


# -- packets -----------------------------------------------------------------------------------------------------------


def passed(faults: UdpFaults, count: int = 10_000, seed: str = "1") -> list[list[tuple[float, bytes]]]:
    """What comes out for that many packets."""
    impairment = UdpImpairment(seed)
    return [impairment.pass_on(number.to_bytes(4, "big"), faults) for number in range(count)]


def test_a_good_network_changes_nothing() -> None:
    """Every packet comes once, at once, as it was."""
    assert passed(UdpFaults(), 100) == [[(0.0, number.to_bytes(4, "big"))] for number in range(100)]


def test_packets_are_lost_as_often_as_asked_for() -> None:
    """Five in a hundred, the same ones with the same seed."""
    lost = [not out for out in passed(UdpFaults(loss=0.05))]

    assert 400 < sum(lost) < 600
    assert lost == [not out for out in passed(UdpFaults(loss=0.05))]
    assert lost != [not out for out in passed(UdpFaults(loss=0.05), seed="2")]
    # Another fault beside it does not change which.
    assert lost == [not out for out in passed(UdpFaults(loss=0.05, jitter=0.1, corrupt=0.5))]


def test_bursts_have_their_length() -> None:
    """With a chance of 1 in 4 to get out, bursts last four packets on average."""
    lost = [not out for out in passed(UdpFaults(burst=GilbertElliott(to_bad=0.02, to_good=0.25)), 50_000)]
    runs = [len(run) for run in "".join("x" if one else " " for one in lost).split()]

    assert 3.5 < statistics.mean(runs) < 4.5
    assert 0.05 < sum(lost) / len(lost) < 0.1  # 0.02 / (0.02 + 0.25)


def test_delay_jitter_reorder_duplicate_corrupt_blackout() -> None:
    """Each does what its name says."""
    delays = [out[0][0] for out in passed(UdpFaults(delay=0.1, jitter=0.05), 1000)]
    assert 0.1 <= min(delays) < 0.105 < 0.145 < max(delays) <= 0.15
    late = [out[0][0] for out in passed(UdpFaults(reorder=0.1, reorder_by=0.03), 1000)]
    assert set(late) == {0.0, 0.03}
    assert 60 < sum(one > 0 for one in late) < 140
    assert 60 < sum(len(out) == 2 for out in passed(UdpFaults(duplicate=0.1), 1000)) < 140
    changed = [
        out[0][1] != number.to_bytes(4, "big") for number, out in enumerate(passed(UdpFaults(corrupt=0.1), 1000))
    ]
    assert 60 < sum(changed) < 140
    assert not any(passed(UdpFaults(blackout=True), 100))


# -- candidates --------------------------------------------------------------------------------------------------------

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
