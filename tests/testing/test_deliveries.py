"""What a session's client has not certainly received is sent again, with the same ids; a ping's answer is the proof."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from telnyx_agent.testing._bounds import DELIVERY_BYTES
from telnyx_agent.testing._deliveries import Deliveries
from telnyx_agent.testing.scenario import Scenario
from tests.testing.script import ANSWER, CALL_ID, Client, Server

FAST = Scenario.fast()


def talking(server: Server) -> Client:
    """A client in a call, with everything that came so far taken."""
    client = server.logged_in()
    client.invite()
    client.take()
    return client


def again(server: Server, scenario: Scenario | None = None) -> Client:
    """The client comes back on another connection; its login is answered, and clientReady came."""
    client = server.connect(scenario, voice_sdk_id=server.clients[0].core.voice_sdk_id)
    client.login(reconnection=True)
    client.core.set_local_description(CALL_ID, ANSWER, server.now)
    server.pass_time(0.6)
    return client


def say(client: Client, *words: str) -> None:
    """The agent says something."""
    for word in words:
        client.core.response_delta("r1", word)
    client.collect()


def words(frames: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Ids and deltas."""
    deltas = [frame for frame in frames if frame.get("params", {}).get("type") == "response.text.delta"]
    return [(frame["id"], frame["params"]["delta"]) for frame in deltas]


def only(frames: list[dict[str, Any]]) -> list[str]:
    """Deltas."""
    return [delta for _, delta in words(frames)]


def test_what_nobody_has_confirmed_comes_again() -> None:
    """After clientReady, in order, with the same ids; what is said meanwhile comes behind it."""
    server = Server(FAST)
    client = talking(server)
    say(client, "one ", "two ")
    before = words(client.take())
    client.lose()
    say(client, "three ")
    second = again(server)
    frames = second.take()
    assert words(frames)[:2] == before
    assert only(frames) == ["one ", "two ", "three "]
    kinds = [frame.get("method") for frame in frames]
    assert kinds.index("telnyx_rtc.attach") < kinds.index("telnyx_rtc.clientReady") < kinds.index("ai_conversation")


def test_what_was_confirmed_does_not() -> None:
    """One ping at a time; its answer confirms what was written before it, and not what came behind."""
    server = Server(FAST)
    client = talking(server)
    assert client.core.probe_wanted() is None
    say(client, "one ", "two ")
    probe = client.core.probe_wanted()
    assert probe is not None
    say(client, "three ")
    assert client.core.probe_wanted() is None
    client.core.probe_answered(probe)
    later = client.core.probe_wanted()
    assert later is not None
    client.lose()
    second = again(server)
    assert only(second.take()) == ["three "]
    # The pong of a connection that is gone is proof all the same.
    client.core.probe_answered(later)
    second.lose()
    assert only(again(server).take()) == []


def test_a_connection_that_is_dead_for_the_client_only() -> None:
    """The client comes back while the old socket seems to live (S15): what was written into that comes again."""
    server = Server(FAST)
    client = talking(server)
    say(client, "one ")
    second = server.connect(voice_sdk_id=client.core.voice_sdk_id)
    second.login(reconnection=True)
    say(client, "two ")  # the agent does not know yet
    second.core.set_local_description(CALL_ID, ANSWER, server.now)
    server.pass_time(0.6)
    second.core.catch_up()
    say(second, "three ")
    assert only(second.take()) == ["one ", "two ", "three "]


def test_a_server_that_is_half_dead_loses_nothing() -> None:
    """What it says while it is mute is not taken for written."""
    server = Server(FAST)
    client = talking(server)
    client.core.fall_silent()
    say(client, "one ")
    assert only(client.take()) == []
    assert client.core.probe_wanted() is None
    client.lose()
    assert only(again(server).take()) == ["one "]


def test_an_attach_may_come_behind_client_ready() -> None:
    """Nothing is left behind then either."""
    server = Server(FAST)
    client = talking(server)
    say(client, "one ")
    client.lose()
    say(client, "two ")
    second = again(server, Scenario.fast(reattach="late"))
    assert only(second.take()) == ["one ", "two "]


def test_who_hangs_up_is_told_nothing_more() -> None:
    """The words of a call that the client has ended are not said into its next."""
    server = Server(FAST)
    client = talking(server)
    say(client, "one ")
    client.request("telnyx_rtc.bye", {"dialogParams": {"callID": CALL_ID}})
    client.lose()
    assert only(again(server).take()) == []


def test_widget_settings_are_not_kept() -> None:
    """Each login brings them anew."""
    server = Server(Scenario.fast(widget_settings={"theme": "dark"}))
    client = server.logged_in()
    assert client.core.probe_wanted() is None
    client.lose()
    second = server.logged_in()
    assert second.core.probe_wanted() is None


@given(st.lists(st.one_of(st.just("add"), st.integers(0, 12)), max_size=30))
def test_deliveries(steps: list[str | int]) -> None:
    """As a list from which all up to a number are taken."""
    deliveries, model, count = Deliveries(), [], 0
    for step in steps:
        if isinstance(step, str):
            count += 1
            deliveries.add(str(count))
            model.append((count, str(count)))
        else:
            assert deliveries.after(step) == [one for one in model if one[0] > step]
            deliveries.arrived(step)
            model = [one for one in model if one[0] > step]
        assert bool(deliveries) is bool(model)
    assert deliveries.after(0) == model
    deliveries.forget()
    assert not deliveries


def test_a_client_that_never_confirms_costs_so_much_and_no_more() -> None:
    """The oldest are forgotten."""
    deliveries = Deliveries()
    for number in range(20):
        deliveries.add(f"{number:02}" + "x" * (DELIVERY_BYTES // 10))
    kept = deliveries.after(0)
    assert len(kept) == 9
    assert kept[-1][1].startswith("19")
