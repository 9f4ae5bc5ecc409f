"""`media_watch`: silence is not loss, loss is noticed, and what is asked is the path itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from telnyx_agent._drivers import media_watch
from telnyx_agent._drivers.media_watch import MediaWatch
from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.rtc.peer import MediaPeer


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of a second for each."""
    for name in ("LOOK_EVERY", "SILENCE", "ANSWER_WITHIN"):
        monkeypatch.setattr(media_watch, name, 0.01)


async def watch(
    received: Callable[[], int], path: Callable[[float], Awaitable[bool]], seconds: float = 0.3
) -> tuple[int, MediaWatch]:
    """How often a loss was reported within some time."""
    lost = asyncio.Event()
    reports: list[None] = []

    def on_lost() -> None:
        reports.append(None)
        lost.set()

    watching = MediaWatch(received, path, on_lost)
    watching.start()
    watching.start()
    try:
        await asyncio.wait_for(lost.wait(), seconds)
    except asyncio.TimeoutError:
        assert not reports
    await watching.stop()
    return len(reports), watching


def test_silence_on_a_path_that_answers_is_no_loss() -> None:
    """An agent may have nothing to say; it is asked again and again."""
    asked = 0

    async def answers(timeout: float) -> bool:
        nonlocal asked
        asked += 1
        return True

    assert asyncio.run(watch(lambda: 7, answers))[0] == 0
    assert asked > 3


def test_silence_on_a_dead_path_is_a_loss() -> None:
    """Reported once."""

    async def dead(timeout: float) -> bool:
        return False

    assert asyncio.run(watch(lambda: 7, dead))[0] == 1


def test_packets_need_no_question() -> None:
    """As long as they come, nobody is asked; and one that comes while the path is asked counts."""
    count = 0

    def received() -> int:
        nonlocal count
        count += 1
        return count

    async def never(timeout: float) -> bool:
        raise AssertionError("asked")

    assert asyncio.run(watch(received, never))[0] == 0

    packets = 7

    async def late(timeout: float) -> bool:
        nonlocal packets
        packets += 1
        return False

    assert asyncio.run(watch(lambda: packets, late))[0] == 0


async def pair() -> tuple[MediaPeer, MediaPeer]:
    """Two peers that are connected."""
    connected = [asyncio.Event(), asyncio.Event()]

    def on_state(number: int) -> Callable[[str], None]:
        return lambda state: connected[number].set() if state == "connected" else None

    one, other = (
        MediaPeer(ice_servers=(), bridge=AudioBridge(), on_state=on_state(number), loopback=True) for number in (0, 1)
    )
    await one.accept_answer(await other.create_answer(await one.create_offer()))
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in connected)), 15)
    return one, other


def test_the_path_is_asked_for_real() -> None:
    """Another peer answers; one whose sockets are gone does not; before there is a path, nothing is concluded."""

    async def story() -> None:
        one, other = await pair()
        try:
            assert await one.path_answers(5.0)
            assert await other.path_answers(5.0)
            for protocol in other._transceiver.sender.transport.transport._connection._protocols:
                protocol.transport.abort()
            assert not await one.path_answers(0.7)
        finally:
            await one.close()
            await other.close()

    asyncio.run(story())


def test_without_a_path_nothing_is_concluded() -> None:
    """What becomes of it, the peer's state tells."""

    async def story() -> None:
        peer = MediaPeer(ice_servers=(), bridge=AudioBridge(), on_state=lambda state: None, loopback=True)
        try:
            assert await peer.path_answers(0.1)
        finally:
            await peer.close()

    asyncio.run(story())
