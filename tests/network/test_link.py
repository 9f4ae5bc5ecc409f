"""The link fails, moves or changes under a call: the call goes on, or ends by its contract."""

from __future__ import annotations

import time

import pytest

from tests.network.talk import talk
from tests.support.netns import Internet

pytestmark = pytest.mark.netns


def test_a_call_between_two_networks(internet: Internet) -> None:
    """The good case: both are heard, text is answered, one `DONE`."""
    with talk(internet) as call:
        call.begin()
        call.converse("typed first", time.monotonic())
        call.speak()
        call.hang_up()
        assert call.states[-1] == "DONE (NORMAL_CLEARING)"


def test_the_link_is_down_for_ten_seconds(internet: Internet) -> None:
    """A cable that is pulled: the interface has no carrier, addresses and routes stay. The call comes back."""
    with talk(internet) as call:
        call.begin()
        call.converse("typed first", time.monotonic())
        internet.router.run("ip", "link", "set", "inside0", "down")
        down = time.monotonic()
        call.caller.ask("send", text="typed meanwhile")
        noticed = call.caller.wait_for("on_reconnecting", 10, after=down)["time"]
        time.sleep(max(0.0, down + 10 - time.monotonic()))
        internet.router.run("ip", "link", "set", "inside0", "up")
        up = time.monotonic()
        back = call.caller.wait_for("on_reconnected", 30, after=up)["time"]
        heard = call.converse("typed last", up)
        call.speak()
        call.hang_up()
        print(f"noticed {noticed - down:.1f} back {back - up:.1f} heard {heard - up:.1f}")
