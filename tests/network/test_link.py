"""The link fails, moves or changes under a call: the call goes on, or ends by its contract."""

from __future__ import annotations

import time

import pytest

from tests.network.talk import talk
from tests.support.netns import CALLER, CALLER_6, CALLER_MOVED, ROUTER_MOVED, SERVER_6, Internet

# Real time-outs in real time: the longest case has one of 40 s, and waits for what comes after it.
pytestmark = [pytest.mark.netns, pytest.mark.slow, pytest.mark.timeout(150)]


def test_a_call_between_two_networks(internet: Internet) -> None:
    """The good case: both are heard, text is answered, one `DONE`."""
    with talk(internet) as call:
        call.begin()
        call.converse("typed first")
        call.speak()
        call.hang_up()
        assert call.states[-1] == "DONE (NORMAL_CLEARING)"


def test_the_link_is_down_for_ten_seconds(internet: Internet) -> None:
    """A cable that is pulled: the interface has no carrier, addresses and routes stay. The call comes back."""
    with talk(internet) as call:
        call.begin()
        call.converse("typed first")
        internet.router.run("ip", "link", "set", "inside0", "down")
        down = time.monotonic()
        call.caller.ask("send", text="typed meanwhile")
        noticed = call.caller.wait_for("on_reconnecting", 10, after=down)["time"]
        time.sleep(max(0.0, down + 10 - time.monotonic()))
        internet.router.run("ip", "link", "set", "inside0", "up")
        up = time.monotonic()
        back = call.caller.wait_for("on_reconnected", 30, after=up)["time"]
        heard = call.converse("typed last")
        call.speak()
        call.hang_up()
        print(f"noticed {noticed - down:.1f} back {back - up:.1f} heard {heard - up:.1f}")


def test_the_interface_is_down_for_forty_seconds(internet: Internet) -> None:
    """Aeroplane mode: the routes are gone as well, every attempt fails at once. The network is seen to be back."""
    with talk(internet) as call:
        call.begin()
        call.converse("typed first")
        internet.caller.run("ip", "link", "set", "wan0", "down")
        down = time.monotonic()
        noticed = call.caller.wait_for("on_reconnecting", 10, after=down)["time"]
        time.sleep(max(0.0, down + 40 - time.monotonic()))
        internet.caller.run("ip", "link", "set", "wan0", "up")
        internet.route_caller()
        up = time.monotonic()
        back = call.caller.wait_for("on_reconnected", 20, after=up)["time"]
        heard = call.converse("typed last")
        call.speak()
        call.hang_up()
        # The next attempt would have been up to ten seconds later.
        assert back - up < 4
        print(f"noticed {noticed - down:.1f} back {back - up:.1f} heard {heard - up:.1f}")


def test_the_link_never_comes_back(internet: Internet) -> None:
    """When `reconnect_timeout` is over: one error, one `DONE`, and what was typed meanwhile has failed."""
    with talk(internet, reconnect_timeout=4.0) as call:
        call.begin()
        internet.router.run("ip", "link", "set", "inside0", "down")
        down = time.monotonic()
        call.caller.wait_for("on_reconnecting", 10, after=down)
        call.caller.ask("send", text="never sent")
        lost = call.caller.wait_for("on_client_error", 20, after=down)
        sent = call.caller.wait_for("settled", 5, after=down, where=lambda event: event["what"] == "send")
        call.check_ended()
        print(f"given up {lost['time'] - down:.1f}")
        assert [event["args"][0]["code"] for event in call.caller.named("on_client_error")] == [45003]
        assert sent["error"]["type"] == "CallError"
        assert 4 < lost["time"] - down < 4 + 3 + 1


def test_the_caller_gets_another_address(internet: Internet) -> None:
    """From one network to another: the old address is gone, the call goes on from the new one."""
    with talk(internet) as call:
        call.begin()
        call.converse("typed first")
        internet.caller.run("ip", "address", "delete", f"{CALLER}/24", "dev", "wan0")
        internet.caller.run("ip", "address", "add", f"{CALLER_MOVED}/24", "dev", "wan0")
        internet.route_caller()
        moved = time.monotonic()
        back = call.caller.wait_for("on_reconnected", 20, after=moved)["time"]
        heard = call.converse("typed last")
        call.speak()
        assert any(f" {CALLER_MOVED} " in candidate for candidate in call.agent.ask("media"))
        call.hang_up()
        print(f"back {back - moved:.1f} heard {heard - moved:.1f}")


def test_the_router_gets_another_address() -> None:
    """A NAT that starts anew: connections are forgotten, and the caller is seen to come from elsewhere."""
    with Internet(nat=True) as internet, talk(internet) as call:
        call.begin()
        call.converse("typed first")
        internet.router.run("ip", "address", "add", f"{ROUTER_MOVED}/24", "dev", "outside0")
        internet.masquerade(f"snat to {ROUTER_MOVED}")
        internet.forget()
        moved = time.monotonic()
        # The socket is found to be dead when something is sent over it, at the latest by the next ping.
        call.converse("typed last")
        back = call.caller.wait_for("on_reconnected", 20, after=moved)["time"]
        heard = call.listen()
        # Now it is the agent that chooses the path (it made the offer); another port for the media is no harm either.
        internet.masquerade(f"ip protocol udp snat to {ROUTER_MOVED}:62000-62999")
        internet.forget("-p", "udp")
        again = time.monotonic()
        heard_again = call.listen()
        call.speak()
        call.hang_up()
        print(f"back {back - moved:.1f} heard {heard - moved:.1f} and {heard_again - again:.1f}")


def test_the_router_forgets_the_media() -> None:
    """NAT rebinding of UDP alone: the media come from another port, and the agent follows; nothing is made anew."""
    with Internet(nat=True) as internet, talk(internet) as call:
        call.begin()
        call.converse("typed first")
        internet.masquerade("ip protocol udp masquerade to :61000-61999")
        internet.forget("-p", "udp")
        moved = time.monotonic()
        heard = call.listen(after=moved + 0.3)
        call.converse("typed last")
        call.speak()
        call.hang_up()
        assert "RECONNECTING" not in call.states
        print(f"heard {heard - moved:.1f}")


def test_a_path_with_a_small_mtu(internet: Internet) -> None:
    """1280 behind the router, which the caller's interface knows nothing of: large messages pass, the call is well."""
    internet.router.run("ip", "link", "set", "outside0", "mtu", "1280")
    internet.server.run("ip", "link", "set", "lan0", "mtu", "1280")
    with talk(internet) as call:
        call.begin()
        call.converse(f"typed {'long ' * 1000}end")
        call.speak()
        call.hang_up()


def test_ipv6_alone() -> None:
    """Not one IPv4 address anywhere: signalling and media."""
    with Internet(ipv4=False, ipv6=True) as internet, talk(internet, host=SERVER_6) as call:
        call.begin()
        call.converse("typed first")
        call.speak()
        assert any(f" {CALLER_6} " in candidate for candidate in call.agent.ask("media"))
        call.hang_up()


@pytest.mark.parametrize("how", ["no carrier", "no interface", "dropped", "frames dropped"])
def test_a_login_while_the_network_is_down(internet: Internet, how: str) -> None:
    """One error, in time, and nothing afterwards; with the network back, the same client logs in."""
    with talk(internet) as call:
        if how == "no carrier":
            internet.router.run("ip", "link", "set", "inside0", "down")
        elif how == "no interface":
            internet.caller.run("ip", "link", "set", "wan0", "down")
        elif how == "dropped":
            internet.block("ip daddr 10.77.2.2")
        else:
            # After 32 bytes of TCP header: the first byte of a WebSocket's text frame. The upgrade passes.
            internet.block("meta l4proto tcp @th,256,8 0x81")
        call.caller.ask("login")
        settled = call.caller.wait_for("settled", 20, where=lambda event: event["what"] == "login")
        error = call.caller.wait_for("on_client_error", 5)["args"][0]
        print(f"{how}: {settled['seconds']:.1f} {error}")
        assert settled["error"] == error
        assert error["type"] == "NetworkError"
        assert call.caller.named("on_client_ready") == []
        call.leave()  # a socket that nobody answers takes a moment to close

        internet.router.run("ip", "link", "set", "inside0", "up")
        internet.caller.run("ip", "link", "set", "wan0", "up")
        internet.route_caller()
        internet.unblock()
        call.caller.ask("login")
        call.caller.wait_for("on_client_ready", 10)
        call.leave()
        assert len(call.caller.named("on_client_error")) == 1
