"""One side of a media benchmark in a process of its own, told what to do by lines of JSON; and the parent's end.

- party "far": what both contestants talk to. aiortc that replays packets which aiortc's encoder made beforehand, so
  that it costs little, and that notes when each packet arrives.
- party "aiortc": bare aiortc and two queues: a thread puts 20 ms of speech into one and takes 20 ms from the other.
- party "ours": a `MediaPeer` with a `PcmAudio` that says the speech and takes what is heard.

Run by `Side`, as `python -m benchmarks._media_process PARTY`.
"""

from __future__ import annotations

import asyncio
import fractions
import functools
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.codecs.opus import OpusEncoder
from aiortc.mediastreams import MediaStreamTrack
from numpy.typing import NDArray

from benchmarks._leaks import resident

FRAME, RATE = 960, 48000
TEXT = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It is easy to tell the "
    "depth of a well. These days a chicken leg is a rare dish. Rice is often served in round bowls."
)
Samples = NDArray[np.int16]


@functools.cache
def speech() -> Samples:
    """Some ten seconds of speech in whole frames, the same for everybody."""
    from telnyx_agent.testing.voice import EspeakVoice

    samples = EspeakVoice().speak(TEXT).samples
    return samples[: samples.size // FRAME * FRAME]


class Gaps:
    """When things happened, and how regular that was."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def note(self) -> None:
        """Now, once more."""
        self.times.append(time.perf_counter())

    def take(self) -> list[float]:
        """The distances between all that was noted since the last time, in seconds."""
        times, self.times = self.times, self.times[-1:]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


class FarTrack(MediaStreamTrack):
    """Replays what aiortc's encoder made of the speech, by the clock."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._payloads = far_payloads()
        self._count = 0
        self._begin = 0.0

    async def recv(self) -> Any:
        """The next packet, when it is due."""
        self._begin = self._begin or time.perf_counter()
        await asyncio.sleep(max(0.0, self._begin + self._count * 0.02 - time.perf_counter()))
        packet: Any = av.Packet(self._payloads[self._count % len(self._payloads)])
        packet.pts, packet.time_base = self._count * FRAME, fractions.Fraction(1, RATE)
        self._count += 1
        return packet


@functools.cache
def far_payloads() -> list[bytes]:
    """The speech as aiortc's encoder sends it: stereo, 96 kbit/s."""
    encoder = OpusEncoder()
    return [payload for frame in audio_frames() for payload in encoder.encode(frame)[0]]


def audio_frames() -> list[Any]:
    """The speech as aiortc wants it."""
    frames = []
    for number, samples in enumerate(speech().reshape(-1, FRAME)):
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, number * FRAME, fractions.Fraction(1, RATE)
        frames.append(frame)
    return frames


class _Arrivals:
    """Stands where aiortc's jitter buffer was; nothing is decoded."""

    capacity = 0

    def __init__(self, gaps: Gaps) -> None:
        self._gaps = gaps

    def add(self, packet: Any) -> tuple[bool, None]:
        """Note it."""
        self._gaps.note()
        return False, None


class QueueTrack(MediaStreamTrack):
    """Frames from a queue, as a program with a source of its own has it."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.frames: asyncio.Queue[Any] = asyncio.Queue()

    async def recv(self) -> Any:
        """The next frame, when there is one."""
        return await self.frames.get()


class BareDevice(threading.Thread):
    """What stands for the sound card with bare aiortc: every 20 ms a frame in, a frame out, by the clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, track: QueueTrack, heard: deque[Any], played: Gaps) -> None:
        super().__init__(name="bare-device", daemon=True)
        self._loop, self._track, self._heard, self._played = loop, track, heard, played
        self._ended = False

    def run(self) -> None:
        """Until `stop`."""
        count, begin = 0, time.perf_counter()
        while not self._ended:
            start = count * FRAME % speech().size
            frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
            frame.planes[0].update(speech()[start : start + FRAME].tobytes())
            frame.sample_rate, frame.pts, frame.time_base = RATE, count * FRAME, fractions.Fraction(1, RATE)
            self._loop.call_soon_threadsafe(self._track.frames.put_nowait, frame)
            if self._heard:
                channels = self._heard.popleft().to_ndarray().reshape(-1, 2)
                self.last = channels[:, 0]
                self._played.note()
            count += 1
            time.sleep(max(0.0, begin + count * 0.02 - time.perf_counter()))

    def stop(self) -> None:
        """End."""
        self._ended = True
        self.join()


class AiortcParty:
    """A plain peer connection; `far` makes it replay and not decode."""

    def __init__(self, *, far: bool) -> None:
        self.far = far
        self.sent, self.played = Gaps(), Gaps()
        self.heard: deque[Any] = deque(maxlen=50)
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._reader: asyncio.Task[None] | None = None
        self._pc.on("track", self._on_track)
        self._device: BareDevice | None = None
        if far:
            self._pc.addTrack(FarTrack())
        else:
            track = QueueTrack()
            self._pc.addTrack(track)
            self._device = BareDevice(asyncio.get_running_loop(), track, self.heard, self.played)

    def _on_track(self, track: MediaStreamTrack) -> None:
        receiver: RTCRtpReceiver = self._pc.getTransceivers()[0].receiver
        if self.far:
            receiver._RTCRtpReceiver__jitter_buffer = _Arrivals(self.sent)
        else:
            self._reader = asyncio.ensure_future(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        from aiortc.mediastreams import MediaStreamError

        try:
            while True:
                frame = await track.recv()
                self.heard.append(frame)
        except MediaStreamError:
            return

    async def offer(self) -> str:
        """The complete offer."""
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return str(self._pc.localDescription.sdp)

    async def answer(self, sdp: str) -> str:
        """The complete answer to an offer."""
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        return str(self._pc.localDescription.sdp)

    async def accept(self, sdp: str) -> None:
        """Apply an answer."""
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        if self._device is not None:
            self._device.start()

    @property
    def connected(self) -> bool:
        """Whether media flows."""
        return bool(self._pc.connectionState == "connected")

    def concealed(self) -> int:
        """aiortc conceals nothing."""
        return 0

    async def close(self) -> None:
        """Hang up."""
        if self._device is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._device.stop)
        await self._pc.close()


class OurParty:
    """Our media, from the device down."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from telnyx_agent._media.call_audio import AudioBridge
        from telnyx_agent._media.rtc.peer import MediaPeer
        from telnyx_agent.audio import PcmAudio
        from telnyx_agent.codecs import OpusSettings

        self.sent, self.played = Gaps(), Gaps()
        self.heard: deque[Samples] = deque(maxlen=100)
        self._position = 0
        self._bridge = AudioBridge()
        self._peer = MediaPeer(
            ice_servers=(), bridge=self._bridge, on_state=lambda state: None, opus=OpusSettings(**settings)
        )
        self._device = PcmAudio(self._say, self._hear)

    def _say(self, count: int) -> Samples:
        start = self._position % speech().size
        self._position += count
        return speech()[start : start + count]

    def _hear(self, samples: Samples) -> None:
        self.heard.append(samples)
        self.played.note()

    async def offer(self) -> str:
        """The complete offer."""
        return await self._peer.create_offer()

    async def accept(self, sdp: str) -> None:
        """Apply an answer."""
        await self._peer.accept_answer(sdp)
        self._device.start(self._bridge)

    @property
    def connected(self) -> bool:
        """Whether media flows."""
        return self._peer.state == "connected"

    def concealed(self) -> int:
        """Samples made up until now."""
        return self._bridge.playout.stats().concealed_samples

    async def close(self) -> None:
        """Hang up."""
        await asyncio.get_running_loop().run_in_executor(None, self._device.stop)
        await self._peer.close()


class Worker:
    """What runs in the child: a loop on a thread, as in the SDK; commands come on the main thread."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.parties: list[Any] = []
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._ended = threading.Event()
        self._turns: list[int] = []
        self._opus: dict[str, Any] = {}
        speech()
        if kind == "far":
            far_payloads()
        if kind == "ours":
            from telnyx_agent._media.rtc import peer

            peer.warm_up()

    def on_loop(self, work: Any) -> Any:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def _party(self) -> Any:
        return OurParty(self._opus) if self.kind == "ours" else AiortcParty(far=self.kind == "far")

    async def _make(self) -> Any:
        party = self._party()
        self.parties.append(party)
        return party

    def settings(self, **opus: Any) -> None:
        """How Opus is encoded from the next call on."""
        self._opus = opus

    def offer(self) -> str:
        """One more call."""
        return str(self.on_loop(self.on_loop(self._make()).offer()))

    def answer(self, sdp: str) -> str:
        """One more call, answered."""
        return str(self.on_loop(self.on_loop(self._make()).answer(sdp)))

    def accept(self, sdp: str) -> None:
        """The answer for the last offer."""
        self.on_loop(self.parties[-1].accept(sdp))

    def wait(self) -> None:
        """Until media flows in all calls."""
        deadline = time.monotonic() + 30
        while not all(party.connected for party in self.parties):
            if time.monotonic() > deadline:
                raise TimeoutError("not connected")
            time.sleep(0.02)

    def pin(self, core: int) -> None:
        """Run on this core only, where that can be asked for."""
        if hasattr(os, "sched_setaffinity"):
            for task in os.listdir("/proc/self/task"):
                os.sched_setaffinity(int(task), {core})

    def hold(self, seconds: float) -> None:
        """Lower the switch interval, as a call does."""
        from telnyx_agent._runtime import switch_interval

        switch_interval.hold(seconds)

    def busy(self, threads: int) -> None:
        """Compute in pure Python on so many threads more."""

        def work(number: int) -> None:
            value = 1
            while not self._ended.is_set():
                for _ in range(1000):
                    value = value * 1103515245 + 12345 & 0x7FFFFFFF
                self._turns[number] += 1

        for number in range(len(self._turns), len(self._turns) + threads):
            self._turns.append(0)
            threading.Thread(target=work, args=(number,), daemon=True).start()

    def collect(self) -> list[list[float]]:
        """The distances between what has happened since the last `measure` or `collect`: packets that arrived."""
        return [party.sent.take() for party in self.parties]

    def measure(self, seconds: float) -> dict[str, Any]:
        """What happens in so many seconds."""
        for party in self.parties:
            party.sent.take(), party.played.take()
        concealed = sum(party.concealed() for party in self.parties)
        turns, cpu, begin = sum(self._turns), time.process_time(), time.perf_counter()
        time.sleep(seconds)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - begin
        return {
            "cpu": cpu / wall,
            "turns": (sum(self._turns) - turns) / wall,
            "sent": [party.sent.take() for party in self.parties],
            "played": [party.played.take() for party in self.parties],
            "concealed": (sum(party.concealed() for party in self.parties) - concealed) / RATE / wall,
            "threads": len(os.listdir("/proc/self/task"))
            if os.path.isdir("/proc/self/task")
            else threading.active_count(),
            "rss": resident(),
        }

    def profile(self, seconds: float) -> list[str]:
        """Where the loop's thread spends its time: for people who look for something to cut."""
        import cProfile
        import io
        import pstats

        profiler = cProfile.Profile()
        self.loop.call_soon_threadsafe(profiler.enable)
        time.sleep(seconds)
        self.on_loop(_call(profiler.disable))
        out = io.StringIO()
        pstats.Stats(profiler, stream=out).sort_stats("ncalls").print_stats(60)
        return out.getvalue().splitlines()

    def end(self) -> None:
        """Hang up."""
        self._ended.set()
        for party in self.parties:
            self.on_loop(party.close())


async def _call(function: Any) -> None:
    function()


class Side:
    """The parent's end: methods of `Worker` by name."""

    def __init__(self, kind: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._media_process", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[1],
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def send(self, method: str, *arguments: Any, **options: Any) -> None:
        """Ask for something; `receive` has the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, arguments, options]) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """The answer to what was asked for."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a side of the benchmark has ended ({self._process.wait()})")
        return json.loads(line)

    def ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Ask and wait."""
        self.send(method, *arguments, **options)
        return self.receive()

    def call(self, far: Side) -> None:
        """One more call to the far side."""
        self.ask("accept", far.ask("answer", self.ask("offer")))

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.ask("end")
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(10)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()


def main() -> int:
    """Obey the lines on stdin until they end."""
    output, sys.stdout = sys.stdout, sys.stderr
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        method, arguments, options = json.loads(line)
        print(json.dumps(getattr(worker, method)(*arguments, **options)), file=output, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
