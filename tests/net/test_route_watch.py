"""`RouteWatch`: a way out that comes, or comes back, is told; one that stays or goes is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from telnyx_agent._net import route_watch
from telnyx_agent._net.route_watch import RouteWatch

WIFI, OTHER, SIX = "192.168.1.7", "10.0.0.3", "2001:db8::7"


def changes(monkeypatch: pytest.MonkeyPatch, looks: Sequence[set[str]]) -> list[int]:
    """At which of the looks a change was told; the first is that of the beginning."""
    monkeypatch.setattr(route_watch, "LOOK_EVERY", 0.001)

    async def main() -> list[int]:
        told: list[int] = []
        count = 0
        done = asyncio.Event()

        def look() -> frozenset[str]:
            nonlocal count
            count += 1
            if count > len(looks):
                done.set()
            return frozenset(looks[min(count, len(looks)) - 1])

        watch = RouteWatch(lambda: told.append(count), look)
        watch.run(True)
        watch.run(True)
        await done.wait()
        watch.run(False)
        watch.run(False)
        after = count
        await asyncio.sleep(0.02)
        assert count == after
        return told

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([set(), set(), {WIFI}, {WIFI}], [3]),
        ([{WIFI}, {WIFI}, {WIFI}], []),
        ([{WIFI}, set(), {WIFI}], [3]),
        ([{WIFI}, {OTHER}], [2]),
        ([{WIFI}, {WIFI, SIX}, {WIFI}], [2]),
        ([{WIFI, SIX}, {WIFI}, set()], []),
        ([set(), {WIFI}, set(), {OTHER}], [2, 4]),
    ],
)
def test_what_is_told(monkeypatch: pytest.MonkeyPatch, looks: Sequence[set[str]], expected: list[int]) -> None:
    """A network that comes, comes back, or is another one; not one that goes."""
    assert changes(monkeypatch, looks) == expected


def test_it_ends_inside_of_its_own_report() -> None:
    """The attempt that it causes is no longer planned, so the watch is over."""

    async def main() -> int:
        told = 0
        looks = iter([frozenset[str](), frozenset({WIFI})])

        def stop() -> None:
            nonlocal told
            told += 1
            watch.run(False)

        watch = RouteWatch(stop, lambda: next(looks))
        watch.run(True)
        watch._compare()
        await asyncio.sleep(0.02)
        assert watch._timer is None
        return told

    assert asyncio.run(main()) == 1
