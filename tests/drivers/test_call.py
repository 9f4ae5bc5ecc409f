"""`CallDriver`: each phase of a call's media has a limit, and offers come no faster than they are answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telnyx_agent import _media
from telnyx_agent._drivers import call as call_module
from telnyx_agent._drivers.call import CallDriver, CallMedia
from telnyx_agent._drivers.ring import Ring
from telnyx_agent._drivers.sound import CallSound
from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.rtc.peer import MediaPeer
from telnyx_agent._runtime.futures import CommandFuture
from telnyx_agent._runtime.log import ClientLog
from telnyx_agent.audio import NullAudio
from telnyx_agent.audio.tones import ToneSource
from telnyx_agent.codecs import OpusSettings
from telnyx_agent.config import LogLevel
from telnyx_agent.errors import CallError, MediaError, TxError
from tests.media.harness import Pulse, run, until

CALL = "5f5b1f8e-6e1c-4d5f-9d0b-2f1f4e1a9c11"


class Hanging:
    """A device whose driver does not return from `start`, from `stop`, or from both."""

    name = "hanging"

    def __init__(self, *steps: str) -> None:
        self.steps = steps
        self.release = threading.Event()
        self.reached = threading.Event()
        self.done: list[str] = []

    def start(self, stream: object) -> None:
        self._step("start")

    def stop(self) -> None:
        self._step("stop")

    def _step(self, name: str) -> None:
        if name in self.steps:
            self.reached.set()
            assert self.release.wait(30)
        self.done.append(name)


class World:
    """A call driver, what it reports, and the other side."""

    def __init__(self, device: Any = None, *, offer: str | None = None, tone: Ring | None = None) -> None:
        self.bridge = AudioBridge()
        self.sound = CallSound(self.bridge, lambda: device or NullAudio(), lambda _: None)
        media = CallMedia(self.bridge, self.sound, (), True, OpusSettings(), None, tone=tone)
        self.offers: list[str] = []
        self.answers: list[str] = []
        self.errors: list[TxError] = []
        self.connected = asyncio.Event()
        self.driver = CallDriver(CALL, media, self, ClientLog(LogLevel.NONE, 1), offer)
        self.states: list[str] = []
        self.other = MediaPeer(ice_servers=(), bridge=AudioBridge(), on_state=self.states.append, loopback=True)

    def local_description(self, call_id: str, sdp: str) -> None:
        self.offers.append(sdp)

    def remote_description_applied(self, call_id: str) -> None:
        """The state machine would go on."""

    def media_connected(self, call_id: str) -> None:
        self.connected.set()

    def media_answer(self, call_id: str, sdp: str) -> None:
        self.answers.append(sdp)

    def media_lost(self, call_id: str, error: TxError, was_up: bool) -> None:
        self.errors.append(error)

    def media_failed(self, call_id: str, error: TxError) -> None:
        self.errors.append(error)

    def call_quality(self, call_id: str, stats: object) -> None:
        """Nobody looks."""

    def audio_level(self, call_id: str, inbound: float, outbound: float) -> bool:
        return False

    async def answer(self) -> None:
        await until(lambda: bool(self.offers or self.errors))
        self.driver.apply_remote_description(await self.other.create_answer(self.offers[0]))

    async def failure(self) -> TxError:
        await until(lambda: bool(self.errors))
        return self.errors[0]

    async def end(self) -> float:
        """Close everything; the seconds until the driver said that it was done."""
        begin = time.monotonic()
        self.driver.close()
        await self.driver.closed
        seconds = time.monotonic() - begin
        await self.other.close()
        return seconds


@contextlib.asynccontextmanager
async def world(*args: Any, **options: Any) -> AsyncIterator[World]:
    found = World(*args, **options)
    try:
        yield found
    finally:
        if not found.driver.closed.done():
            await found.end()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of the device that a test can wait for."""
    for name in ("DEVICE_LIMIT", "DEVICE_CLOSE_LIMIT"):
        monkeypatch.setattr(call_module, name, 0.3)


def device_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name in ("telnyx-agent-device", "telnyx-agent-ring")]


@pytest.mark.usefixtures("short")
def test_a_driver_that_hangs_in_opening_the_device() -> None:
    """The call fails in words, closing has a limit, and when the driver returns, the device is stopped."""
    device = Hanging("start")

    async def main() -> None:
        async with world(device) as it:
            await it.answer()
            error = await it.failure()
            assert isinstance(error, MediaError)
            assert error.code == 42003
            assert "did not answer within 0.3 s, so its driver hangs" in error.message
            assert await it.end() < 5.0
        assert device_threads() == ["telnyx-agent-device"]
        assert device.done == []
        device.release.set()
        await until(lambda: device.done == ["start", "stop"] and not device_threads())

    run(main)


@pytest.mark.usefixtures("short")
def test_a_call_that_is_hung_up_while_its_device_is_being_opened() -> None:
    """Nothing waits for the driver longer than the limit for closing."""
    device = Hanging("start")

    async def main() -> None:
        async with world(device) as it:
            await it.answer()
            await it.connected.wait()
            await asyncio.to_thread(device.reached.wait)
            assert await it.end() < 5.0
            assert not it.errors
        device.release.set()
        await until(lambda: not device_threads())

    run(main)


@pytest.mark.usefixtures("short")
def test_a_driver_that_hangs_in_closing_the_device(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """The thread is left behind; what was recorded is written, and one line says it."""
    from telnyx_agent._media.recorder import StereoRecorder

    device = Hanging("stop")
    caplog.set_level(logging.WARNING)

    async def main() -> None:
        async with world(device) as it:
            await it.answer()
            await it.connected.wait()
            await until(lambda: device.done == ["start"])
            recorder = it.bridge.recorder = StereoRecorder(tmp_path / "call.wav", on_error=it.errors.append)
            assert await it.end() < 5.0
            assert recorder.closed
            assert recorder._closed.is_set()
        device.release.set()
        await until(lambda: not device_threads())

    run(main)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("job", [CallSound.reset, lambda sound: sound.exchange(NullAudio())], ids=["reset", "exchange"])
def test_commands_of_a_device_that_hangs_settle(job: Callable[[CallSound], None]) -> None:
    """With an error; one that comes after the call has another."""
    device = Hanging("stop")

    async def main() -> None:
        async with world(device) as it:
            await it.answer()
            await it.connected.wait()
            await until(lambda: device.done == ["start"])
            for words in ("its driver hangs", "its driver hangs", "it is over"):
                if words == "it is over":
                    it.driver.close()
                done: CommandFuture[None] = CommandFuture()
                await it.driver.with_sound(job, done)
                assert done.done()
                with pytest.raises(TxError, match=words):
                    done.result(0)
            await it.driver.closed
            await it.other.close()
        device.release.set()
        await until(lambda: not device_threads())

    run(main)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("step", ["start", "stop"])
def test_a_ringing_device_that_hangs(step: str) -> None:
    """The call goes on, and its end does not wait for it."""
    device = Hanging(step)

    async def main() -> None:
        ring = Ring(lambda: ToneSource(np.zeros(480, np.int16)), lambda: device, lambda error: None)
        async with world(tone=ring) as it:
            it.driver.ring(True)
            await until(lambda: device.done == ["start"] or device.reached.is_set())
            await it.answer()
            await it.connected.wait()
            assert await it.end() < 5.0
        device.release.set()
        await until(lambda: not device_threads())

    run(main)


@pytest.mark.parametrize(
    ("owner", "name", "limit", "words"),
    [
        (_media, "load", "IMPORT_LIMIT", "the media library was not ready within 0.3 s"),
        (MediaPeer, "create_offer", "DESCRIBE_LIMIT", "the description of the call's media was not ready within 0.3 s"),
        (MediaPeer, "accept_answer", "APPLY_LIMIT", "the media of the other side's answer was not ready within 0.3 s"),
    ],
)
def test_each_step_of_the_set_up_has_a_limit(
    owner: object, name: str, limit: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever hangs, the call ends and says what it waited for."""

    async def hang(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, hang)
            patch.setattr(call_module, limit, 0.3)
            async with world() as it:
                it.driver.apply_remote_description("v=0")
                error = await it.failure()
                assert words in error.message
                assert await it.end() < 5.0

    run(main)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def offer_of(peer: MediaPeer) -> str:
    return (await peer.create_offer()).replace("a=setup:active", "a=setup:actpass")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors as Linux shows them")
def test_a_thousand_offers_in_a_second_are_two_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and the latest are answered, the loop goes on, and there are sockets of two or three connections."""
    made: list[object] = []
    create = MediaPeer.create_answer

    async def counted(peer: MediaPeer, sdp: str) -> str:
        made.append(peer)
        return await create(peer, sdp)

    async def main() -> None:
        async with world() as it:
            await it.answer()
            await it.connected.wait()
            monkeypatch.setattr(MediaPeer, "create_answer", counted)
            ours = MediaPeer(ice_servers=(), bridge=AudioBridge(), on_state=lambda _: None, loopback=True)
            sdp = await offer_of(ours)
            before = most = descriptors()
            sockets = len(ours._transceiver.sender.transport.transport._connection._protocols)
            async with Pulse() as pulse:
                for number in range(1000):
                    it.driver.take_offer(sdp.replace("o=- ", f"o=- {number}", 1))
                    if number % 10 == 0:
                        await asyncio.sleep(0.01)
                        most = max(most, descriptors())
                await until(lambda: it.driver._waiting_offer is None and it.driver._answering is not None)
                await until(lambda: bool(it.driver._answering and it.driver._answering.done()))
            assert not it.errors
            assert len(made) <= 4
            assert 1 <= len(it.answers) <= 3
            assert most - before <= 3 * sockets
            assert pulse.longest < 0.05
            await ours.accept_answer(it.answers[-1])
            await until(lambda: ours.state == "connected")
            await ours.close()

    run(main)


def test_offers_without_end_end_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """When none of them stays the latest long enough to be answered."""
    monkeypatch.setattr(call_module, "ANSWER_LIMIT", 0.5)
    monkeypatch.setattr(call_module, "OFFER_INTERVAL", 0.1)

    async def main() -> None:
        async with world() as it:
            await it.answer()
            await it.connected.wait()
            ours = MediaPeer(ice_servers=(), bridge=AudioBridge(), on_state=lambda _: None, loopback=True)
            sdp = await offer_of(ours)
            while not it.errors:
                it.driver.take_offer(sdp)
                await asyncio.sleep(0)
            assert "faster than they can be made" in it.errors[0].message
            await ours.close()

    run(main)


def test_a_wrong_fingerprint_is_told_as_such() -> None:
    """With its own code and words, not as a firewall."""

    async def main() -> None:
        async with world() as it:
            await until(lambda: bool(it.offers))
            answer = await it.other.create_answer(it.offers[0])
            other = "a=fingerprint:sha-256 " + ":".join(["00"] * 32)
            it.driver.apply_remote_description(re.sub("a=fingerprint:.*", other, answer))
            error = await it.failure()
            assert isinstance(error, MediaError)
            assert (error.code, "fingerprint" in error.message, "firewall" in error.message) == (40004, True, False)

    run(main)


def test_what_a_call_without_path_ends_with() -> None:
    """Each way to fail has words of its own."""
    errors = {name: call_module._not_connected(CALL, name) for name in ("path", "silence", "handshake", "encryption")}
    assert isinstance(errors["path"], CallError)
    assert "firewall" in errors["path"].message
    assert len({error.message for error in errors.values()}) == 4
    assert all("DTLS" in error.message for name, error in errors.items() if name != "path")
    assert call_module._not_connected(CALL, None).message == errors["path"].message
