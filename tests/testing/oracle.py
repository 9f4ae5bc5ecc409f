"""A client that shares nothing with the SDK: `websockets` and plain aiortc, for tests of the local agent."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import inspect
import json
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from telnyx_agent.testing._ice import offer_loopback_if_alone

Samples = NDArray[np.int16]
T = TypeVar("T")

RATE = 48000
FRAME = 960
PATIENCE = 10.0
# websockets 15 looks for a proxy, 14 does not know what that is.
NO_PROXY: dict[str, Any] = {"proxy": None} if "proxy" in inspect.signature(connect.__init__).parameters else {}


class Microphone(MediaStreamTrack):
    """Silence, and what one wants to say."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._pending = np.zeros(0, np.int16)
        self._timestamp = 0
        self._start: float | None = None

    def say(self, samples: Samples) -> None:
        self._pending = np.concatenate((self._pending, samples))

    @property
    def is_silent(self) -> bool:
        return not len(self._pending)

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        if self._start is None:
            self._start = loop.time()
        await asyncio.sleep(max(0.0, self._start + self._timestamp / RATE - loop.time()))
        part, self._pending = self._pending[:FRAME], self._pending[FRAME:]
        # A real microphone is never quite silent.
        part = np.concatenate((part, np.zeros(FRAME - len(part), np.int16)))
        frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._timestamp, fractions.Fraction(1, RATE)
        self._timestamp += FRAME
        return frame


class Oracle:
    """One client. Use `async with Oracle.connected(agent.url) as client`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.arrivals: list[float] = []
        self.session_id = str(uuid.uuid4())
        self.voice_sdk_id = ""
        self.call_id = str(uuid.uuid4())
        self.microphone = Microphone()
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.on("track", self._on_track)
        self._heard: list[Samples] = []
        self._heard_at: list[float] = []
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self.closed: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, url: str, query: str = "") -> AsyncIterator[Oracle]:
        async with connect(url + query, max_size=None, compression=None, **NO_PROXY) as socket:
            client = cls(socket)
            try:
                yield client
            finally:
                await client.pc.close()
                # A track whose call never got as far as media does not end by itself.
                for task in (client.closed, *client._tasks):
                    task.cancel()
                await asyncio.gather(client.closed, *client._tasks, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self.socket:
            frame = json.loads(message)
            async with self._changed:
                self.frames.append(frame)
                self.arrivals.append(asyncio.get_running_loop().time())
                self._changed.notify_all()
            self.voice_sdk_id = frame.get("voice_sdk_id") or self.voice_sdk_id

    # -- signalling ----------------------------------------------------------------------------------------------------

    async def send(self, frame: Mapping[str, Any]) -> None:
        await self.socket.send(json.dumps(frame))

    async def request(self, method: str, params: Mapping[str, Any]) -> str:
        request_id = str(uuid.uuid4())
        await self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return request_id

    async def wait(self, wanted: Callable[[dict[str, Any]], bool], count: int = 1) -> dict[str, Any]:
        """The `count`-th frame that is wanted, of those that came and will come."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(lambda: sum(map(wanted, self.frames)) >= count), PATIENCE)
            except asyncio.TimeoutError:
                raise AssertionError(f"never came; frames: {[brief(frame) for frame in self.frames]}") from None
        return [frame for frame in self.frames if wanted(frame)][count - 1]

    async def method(self, method: str, count: int = 1) -> dict[str, Any]:
        return await self.wait(lambda frame: frame.get("method") == f"telnyx_rtc.{method}", count)

    async def conversation(self, kind: str, count: int = 1) -> dict[str, Any]:
        params = (await self.wait(lambda frame: frame.get("params", {}).get("type") == kind, count))["params"]
        assert isinstance(params, dict)
        return params

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        request_id = await self.request(method, params)
        return await self.wait(lambda frame: frame.get("id") == request_id and "method" not in frame)

    async def login(self, target_id: str = "assistant-1", **changes: Any) -> dict[str, Any]:
        params = {"target_type": "ai_assistant", "target_id": target_id, "sessid": self.session_id, **changes}
        return await self.ask("anonymous_login", params)

    async def ready(self) -> None:
        await self.login()
        await self.method("clientReady")
        state = await self.ask("telnyx_rtc.gatewayState", {})
        assert state["result"]["params"]["state"] == "REGED"

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def invite(self, **changes: Any) -> None:
        self.pc.addTrack(self.microphone)
        # Plain aiortc has no candidate at all where there is no network.
        offer_loopback_if_alone(self.pc)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        dialog = {"callID": self.call_id, "caller_id_name": "Ann", "caller_id_number": "1", "destination_number": ""}
        params = {"sdp": self.pc.localDescription.sdp, "dialogParams": dialog, "sessid": self.session_id, **changes}
        assert "result" in await self.ask("telnyx_rtc.invite", params)

    async def call(self) -> None:
        """From the socket to a call in which both sides can be heard."""
        await self.ready()
        await self.invite()
        media = await self.method("media")
        await self.pc.setRemoteDescription(RTCSessionDescription(media["params"]["sdp"], "answer"))
        await self.method("answer")

    async def bye(self) -> dict[str, Any]:
        return await self.ask("telnyx_rtc.bye", {"dialogParams": {"callID": self.call_id}, "cause": "NORMAL_CLEARING"})

    async def type(self, text: str, *images: str) -> str:
        item_id = str(uuid.uuid4())
        content: list[dict[str, Any]] = [{"type": "input_text", "text": text}] if text else []
        content += [{"type": "image_url", "image_url": {"url": url}} for url in images]
        item = {"id": item_id, "type": "message", "role": "user", "content": content}
        await self.request("ai_conversation", {"type": "conversation.item.create", "item": item})
        return item_id

    async def response(self, count: int = 1) -> str:
        """The text of the `count`-th complete response."""
        done = await self.conversation("response.text.done", count)
        deltas = [
            frame["params"] for frame in self.frames if frame.get("params", {}).get("type") == "response.text.delta"
        ]
        text = "".join(delta["delta"] for delta in deltas if delta["item_id"] == done["item_id"])
        assert text == done["text"]
        return text

    def conversations(self, kind: str) -> list[dict[str, Any]]:
        """All frames of that kind so far."""
        return [frame["params"] for frame in self.frames if frame.get("params", {}).get("type") == kind]

    def user_texts(self) -> list[str]:
        """Transcripts of what was heard and is complete."""
        return [frame["params"]["item"]["content"][0]["transcript"] for frame in self.frames if is_heard(frame)]

    async def heard_user(self, count: int = 1) -> str:
        """What the agent heard, in the `count`-th completed item."""
        await self.wait(is_heard, count)
        return self.user_texts()[count - 1]

    # -- sound ---------------------------------------------------------------------------------------------------------

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(self._listen(track)))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                for part in resampler.resample(frame):
                    samples = part.to_ndarray().reshape(-1).astype(np.int16)
                    async with self._changed:
                        self._heard.append(samples)
                        self._heard_at.append(asyncio.get_running_loop().time())
                        self._changed.notify_all()

    def heard(self) -> Samples:
        """All the sound so far."""
        return np.concatenate([np.zeros(0, np.int16), *self._heard])

    def last_sound(self) -> float:
        """When something that was not silence arrived last."""
        loud = [at for at, part in zip(self._heard_at, self._heard, strict=True) if np.abs(part).max(initial=0) > 300]
        return loud[-1] if loud else 0.0

    async def hear(self, seconds: float) -> None:
        """Wait until so much sound (with silence) has arrived."""
        await self.hears(lambda: sum(map(len, self._heard)) >= seconds * RATE)

    async def hears(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true as sound or frames arrive."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(condition), PATIENCE)

    def say(self, samples: Samples) -> None:
        """Say something, with a pause after it."""
        self.microphone.say(samples)


def is_heard(frame: Mapping[str, Any]) -> bool:
    """Whether a frame is a completed item of what the agent heard (not the echo of a typed message)."""
    item = frame.get("params", {}).get("item", {})
    return item.get("status") == "completed" and any("transcript" in part for part in item["content"])


def brief(frame: Mapping[str, Any]) -> str:
    if frame.get("method") == "ai_conversation":
        return str(frame["params"].get("type"))
    return str(frame.get("method") or ("error" if "error" in frame else "result"))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine; no test needs a minute."""

    async def bounded() -> T:
        return await asyncio.wait_for(coroutine, 50)

    return asyncio.run(bounded())
