"""One take of the voice benchmark: contestants, the network between them, sound cards without hardware, a recorder."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from benchmarks import _alignment
from benchmarks._child import Child
from benchmarks._chromium import ChromiumParty
from benchmarks._network import Shape
from benchmarks._recorder import Recorder, Track
from benchmarks._relay import Relay, address_of, hurry_all, through
from benchmarks._speech import RATE, Script
from tests.support.pulse import PulseServer

__all__ = ["CONTESTANTS", "Heard", "Mouth", "Studio", "Take"]

CONTESTANTS = ("aiortc", "chromium", "ours")

Mouth = Literal["tape with fec", "tape", "own"]
"""What speaks: packets encoded beforehand; or the program that listens, into whose microphone the script is played."""

_CONNECT_TIMEOUT = 20.0
_SETTLE = 0.8
_HELD = 0.03  # seconds; a machine that holds an ordinary thread up for longer runs something else
_TAIL = 1.5  # seconds that are still recorded after the script's end
# Chromium takes a sink's monitor for no microphone.
_MICROPHONES = {"mic.monitor": "microphone", "away.monitor": "deaf_microphone"}
_SINK = "module-null-sink sink_name={} rate=48000 channels=1 format=s16le norewinds=1"


@attrs.frozen(eq=False)
class Heard:
    """What arrived at one contestant's ear.

    Attributes:
        samples: At 48 kHz; sample n is of the moment at which sample n of the script was spoken.
        stats: What the receiver counted from the script's beginning to its end.
        late: Seconds by which the recorder, or the sink, fell behind.
    """

    samples: NDArray[np.int16]
    stats: Mapping[str, float]
    late: float


@attrs.frozen(eq=False)
class Take:
    """One condition, once.

    Attributes:
        heard: By contestant.
        relay: How the network behaved.
        faults: What makes the figures doubtful, in words; a take with faults is worth repeating.
    """

    heard: Mapping[str, Heard]
    relay: Mapping[str, Any]
    faults: Sequence[str]


def _own_address() -> str:
    """The machine's address, or loopback; traffic to it does not leave the machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


class _Canary:
    """An ordinary thread that wants to run every 5 ms: how long it had to wait is what everybody had to."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._held = 0.0
        self._thread = threading.Thread(target=self._sing, daemon=True)
        self._thread.start()

    def _sing(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(0.005):
            before, elapsed = (now := time.monotonic()), now - before
            self._held = max(self._held, elapsed - 0.005)

    def stop(self) -> float:
        """The longest wait in seconds."""
        self._ended.set()
        self._thread.join()
        return self._held


class Studio:
    """The sound server and the relay, for any number of takes.

    Args:
        pulse: A running server.
        folder: For files that are needed for a while.
    """

    def __init__(self, pulse: PulseServer, folder: Path) -> None:
        self._pulse = pulse
        self._folder = folder
        self._relay = Relay(_own_address())
        assert pulse._process is not None
        hurry_all(pulse._process.pid)  # it stands for hardware; sinks made from here on are like it
        for sink in (*(f"ear_{name}" for name in CONTESTANTS), "away"):
            pulse.control("load-module", *_SINK.format(sink).split())
        for monitor, name in _MICROPHONES.items():
            pulse.control("load-module", "module-remap-source", f"master={monitor}", f"source_name={name}")

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Studio]:
        """A studio until the block ends."""
        with PulseServer.running() as pulse, tempfile.TemporaryDirectory() as folder:
            studio = cls(pulse, Path(folder))
            try:
                yield studio
            finally:
                studio._relay.end()

    def take(
        self, script: Script, shape: Shape, *, seed: int, mouth: Mouth, names: Sequence[str] = CONTESTANTS
    ) -> Take:
        """Let the contestants, all at the same time, hear the script under one condition."""
        with contextlib.ExitStack() as stack:
            receivers = {name: self._party(stack, name, speaks=False) for name in names}
            if mouth == "own":
                senders = {name: self._party(stack, name, speaks=True) for name in names}
            else:
                file = self._folder / "script.npy"
                np.save(file, script.samples)
                kind = "fec" if mouth == "tape with fec" else "plain"
                tape = Child("benchmarks._contestants", "tape", kind, str(file))
                stack.callback(tape.end)
                senders = dict.fromkeys(names, tape)
            for name in names:
                self._connect(stack, name, senders[name], receivers[name])
            deadline = time.monotonic() + _CONNECT_TIMEOUT
            for party in (*receivers.values(), *senders.values()):
                while not party.ask("connected"):
                    if time.monotonic() > deadline:
                        raise TimeoutError("the contestants do not connect")
                    time.sleep(0.05)
            sources = {name: f"ear_{name}.monitor" for name in names}
            recorder = Recorder(self._folder, {**sources, "mouth": "mic.monitor"}, self._pulse.variables())
            time.sleep(_SETTLE)
            self._relay.report()
            canary = _Canary()
            if mouth == "own":
                before, after = self._speak(script, shape, seed, receivers)
                began = None
            else:
                began = senders[names[0]].ask("start")
                self._relay.shape(names, shape, seed, began - 0.01)
                began -= 0.02
                before = {name: party.ask("stats") for name, party in receivers.items()}
                time.sleep(max(0.0, began + script.samples.size / RATE + _TAIL - time.monotonic()))
                after = {name: party.ask("stats") for name, party in receivers.items()}
            held = canary.stop()
            tracks = recorder.stop()
            relay = self._relay.report()
            faults = _relay_faults(relay)
            if held > _HELD:
                faults.append(f"the machine was busy with something else for {1000 * held:.0f} ms")
            if began is None:
                began, doubt = _begin_of(script, tracks["mouth"])
                faults += doubt
            else:
                relay["tape"] = senders[names[0]].ask("stats")
                if relay["tape"]["late_max"] > 0.015:
                    faults.append(f"the tape was {1000 * relay['tape']['late_max']:.0f} ms late")
            for party in {id(party): party for party in (*receivers.values(), *senders.values())}.values():
                party.ask("close")
        heard = {name: _heard(tracks[name], began, before[name], after[name]) for name in names}
        faults += [f"ear of {name} {1000 * one.late:.0f} ms late" for name, one in heard.items() if one.late > 0.04]
        return Take(heard, relay, faults)

    def _party(self, stack: contextlib.ExitStack, name: str, *, speaks: bool) -> Any:
        places = {
            "PULSE_SINK": "away" if speaks else f"ear_{name}",
            "PULSE_SOURCE": "microphone" if speaks else "deaf_microphone",
        }
        environment = {**self._pulse.variables("pcm.default { type pulse }\n"), **places}
        party: Any
        if name == "chromium":
            # It asks the server for its defaults and opens these by name.
            self._pulse.control("set-default-sink", places["PULSE_SINK"])
            self._pulse.control("set-default-source", places["PULSE_SOURCE"])
            party = ChromiumParty(environment, speaks=speaks)
        else:
            party = Child("benchmarks._contestants", name, environment=environment)
        stack.callback(party.end)
        return party

    def _connect(self, stack: contextlib.ExitStack, name: str, sender: Any, receiver: Any) -> None:
        near, far = self._relay.open(name)
        stack.callback(self._relay.close, name)
        offer = receiver.ask("offer")
        answer = sender.ask("answer", through(offer, near))
        self._relay.join(name, address_of(answer), address_of(offer))
        receiver.ask("accept", through(answer, far))

    def _speak(self, script: Script, shape: Shape, seed: int, receivers: Mapping[str, Any]) -> tuple[Any, Any]:
        """Play the script into the microphone."""
        self._relay.shape(list(receivers), shape, seed, time.monotonic() + 0.1)
        before = {name: party.ask("stats") for name, party in receivers.items()}
        command = ["pacat", "--playback", "--device=mic", "--raw", f"--rate={RATE}", "--channels=1", "--format=s16le"]
        environment = {**os.environ, **self._pulse.variables()}
        subprocess.run(command, input=script.samples.tobytes(), env=environment, check=True, timeout=120)
        time.sleep(_TAIL)
        after = {name: party.ask("stats") for name, party in receivers.items()}
        return before, after


def _relay_faults(relay: Mapping[str, Any]) -> list[str]:
    if relay["late_p99"] > 0.002 or relay["late_max"] > 0.015:
        usual, most = 1000 * relay["late_p99"], 1000 * relay["late_max"]
        return [f"the relay was {usual:.1f} ms late (p99), {most:.0f} ms at most"]
    return []


def _begin_of(script: Script, mouth: Track) -> tuple[float, list[str]]:
    """When the script began to be played into the microphone."""
    windows = _alignment.delays(script.samples, mouth.samples, begin=0.0, end=script.samples.size / RATE, most=5.0)
    delay = float(np.median(windows.delays))
    spread = float(np.max(windows.delays) - np.min(windows.delays))
    return mouth.begin + delay, [f"the mouth stuttered ({1000 * spread:.0f} ms)"] if spread > 0.003 else []


def _heard(track: Track, began: float, before: Mapping[str, float], after: Mapping[str, float]) -> Heard:
    first = round((began - track.begin) * RATE)
    samples = track.samples[max(0, first) :]
    if first < 0:
        samples = np.concatenate((np.zeros(-first, np.int16), samples))
    counted = {
        name: after[name] - before.get(name, 0) if name[0].islower() and name.endswith(_COUNTED) else after[name]
        for name in after
    }
    return Heard(samples, counted, track.late)


_COUNTED = ("Samples", "SamplesReceived", "Delay", "Count", "Received", "Lost", "Events", "eleration")
"""Ends of the names of those statistics that grow; the others are states."""
