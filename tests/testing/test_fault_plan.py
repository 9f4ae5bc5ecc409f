"""`_fault_plan`: dice for frames and for packets."""

from __future__ import annotations

import json
import random
import statistics

import pytest

from telnyx_agent.testing import Fault, FaultRates, GilbertElliott, UdpFaults
from telnyx_agent.testing._fault_plan import FaultPlan, damaged
from telnyx_agent.testing._wire_frames import TEXT, WireFrame
from telnyx_agent.testing.udp_faults import UdpImpairment


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


def answer(sdp: str) -> str:
    return json.dumps({"method": "telnyx_rtc.answer", "params": {"sdp": sdp, "callID": "1"}})
