"""The pure parts of the voice benchmark: the network's patterns, and what is told from what was heard."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import numpy as np
import pytest

from benchmarks import _alignment, voice_quality
from benchmarks._network import CONDITIONS, Pattern, Shape
from benchmarks._relay import _is_rtp, _Link, address_of, through

RATE = 48000


@pytest.fixture(scope="module")
def said() -> Any:
    """Eight seconds like speech: syllables of noise of every loudness and pitch, with pauses between sentences."""
    random = np.random.default_rng(5)
    pieces = []
    for sentence in range(4):
        for _ in range(9):
            length = int(random.integers(5000, 11000))
            time = np.arange(length) / RATE
            pitch = random.uniform(90, 220)
            voice = sum(np.sin(2 * np.pi * pitch * k * time + random.uniform(0, 6)) / k for k in range(1, 12))
            breath = random.normal(0, 0.3, length)
            pieces.append((voice + breath) * np.hanning(length) * random.uniform(0.4, 1.0) * 4000)
        pieces.append(np.zeros(12000 + sentence * 500))
    return np.concatenate(pieces).astype(np.int16)


def seconds(samples: Any) -> float:
    return float(samples.size / RATE)


def delayed(samples: Any, delay: float) -> Any:
    return np.concatenate((np.zeros(round(delay * RATE), np.int16), samples))


class TestPattern:
    @pytest.mark.parametrize("name", CONDITIONS)
    def test_a_seed_always_gives_the_same(self, name: str) -> None:
        """The same seed loses and delays the same packets, another seed does not."""
        one, other, different = (Pattern(CONDITIONS[name], seed) for seed in (3, 3, 4))
        assert [one.fate(i) for i in range(5000)] == [other.fate(i) for i in range(5000)]
        assert name == "clean" or [one.fate(i) for i in range(5000)] != [different.fate(i) for i in range(5000)]

    @pytest.mark.parametrize(
        ("name", "loss"),
        [("clean", 0), ("loss 1 %", 0.01), ("loss 2.4 %", 0.024), ("loss 5 %", 0.05), ("bursts 4 %", 0.04)],
    )
    def test_as_much_is_lost_as_its_name_says(self, name: str, loss: float) -> None:
        """The share of lost packets fits the condition's name."""
        assert len(Pattern(CONDITIONS[name], 1).lost(16000)) / 16000 == pytest.approx(loss, rel=0.2)

    def test_bursts_are_longer_than_single_losses(self) -> None:
        """Losses in bursts come several at a time."""

        def mean_run(name: str) -> float:
            pattern = Pattern(CONDITIONS[name], 1)
            runs = [
                len(list(run)) for gone, run in itertools.groupby(pattern.fate(i) is None for i in range(16000)) if gone
            ]
            return float(np.mean(runs))

        assert mean_run("loss 5 %") < 1.15 < 1.5 < mean_run("bursts 4 %")

    def test_jitter_is_even_around_the_delay(self) -> None:
        """All delays of the range are as likely; their mean is the delay."""
        pattern = Pattern(CONDITIONS["50 +- 20 ms, loss 5 %"], 2)
        fates = [pattern.fate(i) for i in range(4000)]
        delays = [fate for fate in fates if fate is not None]
        assert 0.030 <= min(delays) < 0.031
        assert 0.069 < max(delays) <= 0.070
        assert np.mean(delays) == pytest.approx(0.05, abs=0.001)

    def test_order_is_kept_where_it_is_wanted(self) -> None:
        """With `keep_order`, no packet overtakes another."""
        shape = Shape(delay=0.05, jitter=0.05)
        free, kept = Pattern(shape, 1), Pattern(attrs.evolve(shape, keep_order=True), 1)
        arrivals = [0.02 * i + (free.fate(i) or 0.0) for i in range(200)]
        assert arrivals != sorted(arrivals)
        arrivals = [0.02 * i + (kept.fate(i) or 0.0) for i in range(200)]
        assert arrivals == sorted(arrivals)

    def test_a_spike_lets_everything_arrive_together(self) -> None:
        """Packets that are held up arrive at the spike's end."""
        pattern = Pattern(Shape(spike=5.0, spike_delay=0.15), 1)
        assert [pattern.fate(250 + i) for i in range(9)] == pytest.approx([max(0, 0.15 - 0.02 * i) for i in range(9)])


class TestLink:
    @staticmethod
    def packet(number: int, ssrc: int = 7) -> bytes:
        return (
            bytes([0x80, 111]) + (number & 0xFFFF).to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + b"speech"
        )

    def link(self, shape: Shape, *, at: float = 0.0) -> Any:
        link = _Link(None, None)  # type: ignore[arg-type]
        link.coming = (at, shape, Pattern(shape, 1))
        return link

    def test_the_first_packet_after_the_moment_has_number_zero_also_across_the_wrap(self) -> None:
        """The pattern begins at a given time; sequence numbers may wrap."""
        shape = CONDITIONS["loss 5 %"]
        link = self.link(shape, at=10.0)
        assert link.delay(self.packet(65000), 9.99, from_near=True) == 0.0
        pattern = Pattern(shape, 1)
        delays = [link.delay(self.packet(65500 + i), 10.0, from_near=True) for i in range(200)]
        assert delays == [pattern.fate(i) for i in range(200)]
        assert (link.count, link.lost) == (200, len(pattern.lost(200)))

    def test_what_is_not_rtp_is_delayed_and_never_lost(self) -> None:
        """STUN, DTLS and RTCP arrive, however much RTP is lost."""
        link = self.link(Shape(delay=0.05, loss=1.0))
        for data in (b"\x00\x01" + bytes(18), b"\x16\xfe\xfd" + bytes(40), b"\x80\xc8" + bytes(26)):
            assert not _is_rtp(data)
            assert link.delay(data, 0.0, from_near=True) == 0.05
        assert link.delay(self.packet(1), 0.0, from_near=True) is None
        assert link.delay(self.packet(1), 0.0, from_near=False) == 0.05


def test_a_description_leads_through_the_relay() -> None:
    """Its IPv4 candidate gets the relay's address."""
    sdp = "\r\n".join(
        [
            *("v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 96", "a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host"),
            "a=candidate:2 1 udp 2130706431 fd00::2 5001 typ host",
            *("a=candidate:3 1 UDP 2130706431 192.0.2.2 5002 typ host generation 0", "a=mid:0", ""),
        ]
    )
    assert address_of(sdp) == ("192.0.2.2", 5002)
    led = through(sdp, ("192.0.2.2", 4711))
    assert led.count("a=candidate") == 1
    assert address_of(led) == ("192.0.2.2", 4711)


class TestAlignment:
    @pytest.mark.slow_except(1)
    @pytest.mark.parametrize("delay", [0.0, 0.0625, 0.2, 0.7])
    def test_a_known_delay_is_found(self, said: Any, delay: float) -> None:
        """To half a millisecond, in noise."""
        random = np.random.default_rng(1)
        heard = delayed(said, delay) + random.normal(0, 60, said.size + round(delay * RATE)).astype(np.int16)
        windows = _alignment.delays(said, heard, begin=0.0, end=seconds(said))
        assert windows.share == 1.0
        assert np.abs(windows.delays - delay).max() < 0.0005

    def test_a_delay_that_grows_on_the_way(self, said: Any) -> None:
        """The delay is measured over time, not once."""
        half = said.size // 2
        heard = np.concatenate((delayed(said[:half], 0.1), np.zeros(round(0.08 * RATE), np.int16), said[half:]))
        windows = _alignment.delays(said, heard, begin=0.0, end=seconds(said))
        assert windows.delays[0] == pytest.approx(0.1, abs=0.001)
        assert windows.delays[-1] == pytest.approx(0.18, abs=0.001)

    def test_nothing_heard_has_no_delay(self, said: Any) -> None:
        """Silence has none, and no window counts."""
        windows = _alignment.delays(said, np.zeros_like(said), begin=0.0, end=seconds(said))
        assert windows.share == 0.0
        assert np.isnan(windows.delays).all()

    @pytest.mark.slow_except(1)
    @pytest.mark.parametrize("length", [0.0, 0.08, 0.15, 0.3])
    def test_a_gap_is_measured(self, said: Any, length: float) -> None:
        """The longest silence within speech, to 21 ms."""
        heard = delayed(said, 0.1)
        loud = np.convolve(np.abs(said.astype(float)), np.ones(4800), "same")  # in the middle of a syllable
        begin = round(0.1 * RATE) + int(np.argmax(loud)) - round(length * RATE / 2)
        heard[begin : begin + round(length * RATE)] = 0
        windows = _alignment.delays(said, heard, begin=0.0, end=seconds(said))
        gap = _alignment.longest_gap(said, heard, windows, begin=0.2, end=seconds(said) - 0.2)
        # Syllables begin and end quietly, so a long silence is not missed all the time.
        assert gap == pytest.approx(length, abs=0.021) if length < 0.2 else 0.1 <= gap <= length + 0.021

    def test_resampling_keeps_what_is_below_the_limit(self) -> None:
        """1 kHz stays, 10 kHz goes, at 16 kHz."""
        time = np.arange(RATE) / RATE
        tones = (8000 * np.sin(2 * np.pi * 1000 * time) + 8000 * np.sin(2 * np.pi * 10000 * time)).astype(np.int16)
        low = _alignment.resample(tones, 3)
        assert low.size == 16000
        assert np.abs(low - 8000 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).max() < 50


class TestSummary:
    @staticmethod
    def figure(contestant: str, delay: float, pesq: float, seed: int = 1) -> dict[str, Any]:
        figures = {"delay": delay, "p95": delay, "pesq": pesq, "gap": 0.0, "concealed": None, "buffer": 0.03}
        return {"mouth": "own", "condition": "clean", "seed": seed, "contestant": contestant, "faults": [], **figures}

    def test_seeds_are_averaged_and_compared_with_chromium(self) -> None:
        """A row has the means of all seeds and their distance from Chromium's."""
        figures = [self.figure("chromium", 0.1, 4.0), self.figure("ours", 0.06, 4.1), self.figure("ours", 0.08, 4.1, 2)]
        report = voice_quality.summarise(figures)
        ours = next(row for row in report.rows if row[2] == "ours")
        assert ours[3:6] == ["70", "70", "4.10"]
        assert ours[-2:] == ["0.70", "+0.10"]
        assert any("met in all 1 conditions." in note for note in report.notes)

    def test_what_is_missed_is_said(self) -> None:
        """A note names the condition, the figure and by how much."""
        report = voice_quality.summarise([self.figure("chromium", 0.1, 4.0), self.figure("ours", 0.09, 3.9)])
        assert any("missed in clean: delay 0.90; clean: PESQ -0.10" in note for note in report.notes)

    def test_what_is_met_narrowly_is_said(self) -> None:
        """A figure that is met by less than the measurement varies is named."""
        report = voice_quality.summarise([self.figure("chromium", 0.1, 4.0), self.figure("ours", 0.079, 4.0)])
        assert any(
            "met in all 1 conditions; narrowly, less than takes differ, in clean (0.79)" in n for n in report.notes
        )

    def test_it_can_be_drawn(self, tmp_path: Any) -> None:
        """The plot is an SVG file."""
        pytest.importorskip("matplotlib")
        report = voice_quality.summarise([self.figure("chromium", 0.1, 4.0), self.figure("ours", 0.06, 4.1)])
        assert report.plot is not None
        report.plot(tmp_path / "plot.svg")
        assert "<svg" in (tmp_path / "plot.svg").read_text()
