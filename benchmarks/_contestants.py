"""Who is compared: ours, bare aiortc with a queue, and the tape recorder that all of them may listen to.

Each runs in a process of its own (`python -m benchmarks._contestants PARTY`), which plays to PulseAudio's default sink
and listens to its default source, as `PULSE_SINK` and `PULSE_SOURCE` say:

    "ours":   a `MediaPeer` with a `SoundDeviceAudio`
    "aiortc": as aiortc's examples have it: a track from the microphone; received frames go to a queue, from which the
              sound card takes them
    "tape":   aiortc that sends packets which were encoded beforehand, the same to each of its peers at the same time

All have `offer`, `answer`, `accept`, `connected` and `stats`; `_chromium.py` has the same for a page.
"""

from __future__ import annotations

import asyncio
import fractions
import sys
import threading
import time
from collections import deque
from typing import Any

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from benchmarks._child import serve

__all__ = ["Bare", "Ours", "Tape"]

FRAME, RATE = 960, 48000
_TICK = FRAME / RATE
_BASE = fractions.Fraction(1, RATE)


class _Loop:
    """An event loop on a thread, as in the SDK."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, work: Any) -> Any:
        """Run a coroutine on the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


class Ours(_Loop):
    """Our media, with the sound card."""

    def __init__(self) -> None:
        super().__init__()
        from telnyx_agent._media.rtc import peer

        peer.warm_up()
        self.run(self._open())

    async def _open(self) -> None:
        from telnyx_agent._media.call_audio import AudioBridge
        from telnyx_agent._media.rtc.peer import MediaPeer
        from telnyx_agent.audio import SoundDeviceAudio

        self._bridge = AudioBridge()
        self._device = SoundDeviceAudio()
        self._peer = MediaPeer(ice_servers=(), bridge=self._bridge, on_state=lambda state: None)

    def offer(self) -> str:
        """The complete offer."""
        return str(self.run(self._peer.create_offer()))

    def answer(self, sdp: str) -> str:
        """The complete answer."""
        text = str(self.run(self._peer.create_answer(sdp)))
        self._device.start(self._bridge)
        return text

    def accept(self, sdp: str) -> None:
        """Apply an answer."""
        self.run(self._peer.accept_answer(sdp))
        self._device.start(self._bridge)

    def connected(self) -> bool:
        """Whether there is a connection."""
        return bool(self._peer.state == "connected")

    def stats(self) -> dict[str, float]:
        """Counters in the words of W3C's `getStats`, samples and seconds."""
        playout = self._bridge.playout.stats()
        return {
            "concealedSamples": playout.concealed_samples,
            "removedSamplesForAcceleration": playout.removed_samples,
            "insertedSamplesForDeceleration": playout.inserted_samples,
            "totalSamplesReceived": playout.total_samples,
            "jitterBufferDelay": playout.jitter_buffer_delay,
            "jitterBufferEmittedCount": playout.jitter_buffer_emitted_count,
            "fecPacketsReceived": playout.fec_packets_recovered,
            "packetsLost": playout.packets_lost,
            "packetsReceived": playout.packets_received,
            "captureBacklog": self._bridge.capture.available / RATE,
            "inputLatency": self._device.input_latency,
            "outputLatency": self._device.output_latency,
        }

    def close(self) -> None:
        """Hang up."""
        self._device.stop()
        self.run(self._peer.close())


class _Microphone(MediaStreamTrack):
    """What the sound card hears, 20 ms to a frame."""

    kind = "audio"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._home = loop
        self._blocks: asyncio.Queue[bytes] = asyncio.Queue()
        self._count = 0

    def push(self, block: Any, *_: Any) -> None:
        """The sound card's thread."""
        self._home.call_soon_threadsafe(self._blocks.put_nowait, bytes(block))

    async def recv(self) -> Any:
        """The next frame."""
        while not self._count and not self._blocks.empty():
            self._blocks.get_nowait()  # what was said before there was a connection would delay all that follows
        data = await self._blocks.get() + await self._blocks.get()
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(data)
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._count * FRAME, _BASE
        self._count += 1
        return frame


class Bare(_Loop):
    """aiortc and a queue."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[bytes] = deque()
        self._rest = b""
        self._streams: list[Any] = []
        self.run(self._open())

    async def _open(self) -> None:
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._microphone = _Microphone(asyncio.get_running_loop())
        self._pc.addTrack(self._microphone)
        self._pc.on("track", self._on_track)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._reader = asyncio.ensure_future(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame: Any = await track.recv()
                stereo = frame.to_ndarray().reshape(-1, 2)
                self._queue.append(stereo[:, 0].tobytes())
        except MediaStreamError:
            return

    def _play(self, out: Any, *_: Any) -> None:
        while len(self._rest) < len(out) and self._queue:
            self._rest += self._queue.popleft()
        piece, self._rest = self._rest[: len(out)], self._rest[len(out) :]
        out[:] = piece + bytes(len(out) - len(piece))

    def _start(self) -> None:
        import sounddevice

        options = {"samplerate": RATE, "blocksize": FRAME // 2, "channels": 1, "dtype": "int16", "latency": "low"}
        self._streams = [
            sounddevice.RawInputStream(callback=self._microphone.push, **options),
            sounddevice.RawOutputStream(callback=self._play, **options),
        ]
        for stream in self._streams:
            stream.start()

    async def _describe(self) -> str:
        return str(self._pc.localDescription.sdp)

    async def _offer(self) -> str:
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return str(self._pc.localDescription.sdp)

    async def _answer(self, sdp: str) -> str:
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        return str(self._pc.localDescription.sdp)

    def offer(self) -> str:
        """The complete offer."""
        return str(self.run(self._offer()))

    def answer(self, sdp: str) -> str:
        """The complete answer."""
        text = str(self.run(self._answer(sdp)))
        self._start()
        return text

    def accept(self, sdp: str) -> None:
        """Apply an answer."""
        self.run(self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer")))
        self._start()

    def connected(self) -> bool:
        """Whether there is a connection."""
        return bool(self._pc.connectionState == "connected")

    def stats(self) -> dict[str, float]:
        """aiortc conceals nothing and counts no delay."""
        return {"queue": len(self._queue) * _TICK, "outputLatency": self._streams[1].latency}

    def close(self) -> None:
        """Hang up."""
        for stream in self._streams:
            stream.abort()
            stream.close()
        self.run(self._pc.close())


class _Nothing:
    """Stands where aiortc's jitter buffer was: what the listeners say is not decoded."""

    capacity = 0

    def add(self, packet: Any) -> tuple[bool, None]:
        """Nothing."""
        return False, None


class _Head(MediaStreamTrack):
    """One of the tape's outputs."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.packets: asyncio.Queue[Any] = asyncio.Queue()

    async def recv(self) -> Any:
        """The next packet, when it is due."""
        return await self.packets.get()


class Tape(_Loop):
    """Sends the script, Opus 32 kbit/s mono, to all who listen, and silence before and after it.

    Args:
        fec: Whether the packets carry forward error correction.
        samples: The script. Some of its voices breathe otherwise in each process, so it cannot be made again here.
    """

    def __init__(self, fec: bool, samples: NDArray[np.int16]) -> None:
        super().__init__()
        from telnyx_agent._media.codecs.opus import OpusEncoder, library
        from telnyx_agent.codecs import OpusSettings

        lib = library()
        if lib is None:
            raise RuntimeError("the tape is encoded by libopus, which is not here")
        # As Chromium's encoder is set; of the loss, which it would be told, all conditions get the same.
        settings = OpusSettings(bitrate=32000, complexity=10, fec=fec, expected_loss=10 if fec else 0)
        encoder = OpusEncoder(lib, settings)
        whole = np.concatenate((np.zeros(FRAME * 4, np.int16), samples, np.zeros(-samples.size % FRAME, np.int16)))
        payloads = [encoder.encode(frame) for frame in whole.reshape(-1, FRAME)]
        self._silence, self._payloads = payloads[2], payloads[4:]
        self._connections: list[RTCPeerConnection] = []
        self._heads: list[_Head] = []
        self._origin = time.monotonic()
        self._first = 1 << 62  # tick with which the script begins
        self._late: list[float] = []
        self._loop.call_soon_threadsafe(self._tick, 0)

    def _tick(self, number: int) -> None:
        due = self._origin + number * _TICK
        position = number - self._first
        payload = self._payloads[position] if 0 <= position < len(self._payloads) else self._silence
        for head in self._heads:
            packet: Any = av.Packet(payload)
            packet.pts, packet.time_base = number * FRAME, _BASE
            head.packets.put_nowait(packet)
        self._late.append(time.monotonic() - due)
        self._loop.call_at(due + _TICK, self._tick, number + 1)

    async def _answer(self, sdp: str) -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        head = _Head()
        connection.addTrack(head)
        await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        receiver: Any = connection.getTransceivers()[0].receiver
        receiver._RTCRtpReceiver__jitter_buffer = _Nothing()
        await connection.setLocalDescription(await connection.createAnswer())
        self._connections.append(connection)

        def listen() -> None:
            if connection.connectionState == "connected":
                self._heads.append(head)

        connection.on("connectionstatechange", listen)
        return str(connection.localDescription.sdp)

    def answer(self, sdp: str) -> str:
        """One more listener."""
        return str(self.run(self._answer(sdp)))

    def connected(self) -> bool:
        """Whether all listeners are connected."""
        return len(self._heads) == len(self._connections)

    async def _start(self) -> float:
        self._first = round((time.monotonic() - self._origin) / _TICK) + 25
        self._late.clear()
        return self._origin + self._first * _TICK

    def start(self) -> float:
        """Begin with the script half a second from now; the moment at which its first packet is sent.

        The packet is sent when its last sample is spoken, so the script itself begins 20 ms earlier.
        """
        return float(self.run(self._start()))

    def stats(self) -> dict[str, float]:
        """By how much the packets of the script were late."""
        late = sorted(self._late)
        return {"late_p50": late[len(late) // 2], "late_p99": late[len(late) * 99 // 100], "late_max": late[-1]}

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            self.run(connection.close())


if __name__ == "__main__":
    if sys.argv[1] == "tape":
        from benchmarks._relay import hurry

        hurry()
        serve(Tape(fec=sys.argv[2] == "fec", samples=np.load(sys.argv[3])))
    else:
        serve({"ours": Ours, "aiortc": Bare}[sys.argv[1]]())
