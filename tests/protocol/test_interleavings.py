"""The client's core against the server's, in any order of events that a network, a server and a user can bring about.

`World` checks with every event: legal arrows, one end per call and per login, nothing after the end, no item doubled or
lost. There are ten thousand of them, half a minute; `TELNYX_AGENT_INTERLEAVINGS=500` looks for a second.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from telnyx_agent._protocol import outcomes as out
from telnyx_agent._protocol.states import CallStateKind
from telnyx_agent.testing.scenario import Scenario
from tests.protocol.world import World

WALKS = int(os.environ.get("TELNYX_AGENT_INTERLEAVINGS", "10000"))
STEPS = 60

SCENARIOS = [
    Scenario.fast(widget_settings=None),
    Scenario(widget_settings=None),
    Scenario.fast(reattach="late"),
    Scenario.fast(reattach="none"),
    Scenario.fast(reattach="other"),
    Scenario.fast(gateway_push=True, client_ready=False),
    Scenario.fast(sdp_in="answer", bye_race=True),
    Scenario.fast(answer_pings=False),
]

ACTIONS: list[tuple[int, Callable[[World, random.Random], object]]] = [
    (20, lambda world, dice: world.deliver_all()),
    (8, lambda world, dice: world.deliver_to_client()),
    (8, lambda world, dice: world.deliver_to_server()),
    (8, lambda world, dice: world.connect()),
    (6, lambda world, dice: world.offer()),
    (8, lambda world, dice: world.apply()),
    (8, lambda world, dice: world.answer()),
    (8, lambda world, dice: world.wait(dice.choice([0.01, 0.5, 1.0, 5.0]))),
    (2, lambda world, dice: world.wait(dice.choice([10.0, 25.0, 61.0, 130.0]))),
    (5, lambda world, dice: world.place_call()),
    (6, lambda world, dice: world.say()),
    (3, lambda world, dice: world.write(may_wait=dice.random() < 0.5)),
    (4, lambda world, dice: world.lose(error=dice.random() < 0.7, server_knows=dice.random() < 0.7)),
    (2, lambda world, dice: world.server_notices()),
    (1, lambda world, dice: world.refuse_connection()),
    (1, lambda world, dice: world.freeze()),
    (1, lambda world, dice: world.hang_up(dice.randrange(4))),
    (1, lambda world, dice: world.server_hangs_up()),
    (1, lambda world, dice: world.lose_media(dice.randrange(4))),
    (1, lambda world, dice: world.ping()),
    (1, lambda world, dice: world.babble()),
]
RARE: list[tuple[int, Callable[[World, random.Random], object]]] = [
    (1, lambda world, dice: world.gateway_fails()),
    (1, lambda world, dice: world.punt()),
    (1, lambda world, dice: world.disconnect()),
]


def begin_call(world: World) -> None:
    """Where most things that can go wrong begin: in a call."""
    world.connect()
    world.deliver_all()
    world.place_call()
    world.offer()
    for _ in range(8):
        world.wait(0.1)
        world.deliver_all()
        world.apply()


def walk(seed: int) -> World:
    """One interleaving, the same for the same seed."""
    dice = random.Random(seed)
    world = World(seed, dice.choice(SCENARIOS))
    if dice.random() < 0.8:
        begin_call(world)
    actions = ACTIONS + (RARE if dice.random() < 0.3 else [])
    weights = [weight for weight, _ in actions]
    for _, action in dice.choices(actions, weights, k=STEPS):
        action(world, dice)
    return world


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("part", range(10))
def test_random_walks(part: int) -> None:
    """Whatever happened, the user can end it, and then it is over."""
    for seed in range(part, WALKS, 10):
        try:
            walk(seed).finish()
        except Exception as exc:
            raise AssertionError(f"walk({seed})") from exc


def test_walks_get_somewhere() -> None:
    """The walks above are not all over before anything happened."""
    worlds = [walk(seed) for seed in range(100)]
    kinds = {state.kind for world in worlds for states in world.calls.values() for state in states}
    assert kinds >= {CallStateKind.ACTIVE, CallStateKind.DROPPED, CallStateKind.RECONNECTING, CallStateKind.DONE}
    back = [
        states
        for world in worlds
        for states in world.calls.values()
        if CallStateKind.ACTIVE in [s.kind for s in states[-1:]] and len(states) > 6
    ]
    assert back
    assert any(isinstance(event, out.Reconnected) for world in worlds for event in world.reconnections)


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("part", range(4))
def test_a_good_network_heals_everything(part: int) -> None:
    """After any walk: with a good network, every call is up or over, and so is the session."""
    for seed in range(part, max(40, WALKS // 10), 4):
        try:
            world = walk(seed)
            world.get_on(75.0)
            assert world.session.registration.is_ready or world.session.registration.is_over
            for states in world.calls.values():
                assert states[-1].kind in (CallStateKind.ACTIVE, CallStateKind.HELD, CallStateKind.DONE), states
            world.check_no_ghosts()
            if any(state[-1].is_considered_active for state in world.calls.values()):
                world.check_no_words_lost()
            world.finish()
        except Exception as exc:
            raise AssertionError(f"walk({seed})") from exc


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("part", range(4))
def test_without_a_network_everything_ends(part: int) -> None:
    """After any walk: with no network, there is one terminal event in a minute, and every call is over."""
    for seed in range(part, max(40, WALKS // 10), 4):
        try:
            world = walk(seed)
            world.lose()
            for _ in range(200):
                world.refuse_connection()
                if world.is_closing:
                    world.lose(error=False)
                world.wait(1.0)
            ends = [event for event in world.logins if isinstance(event, out.LoginFailed)]
            assert world.disconnected or len(ends) + len(world.final_errors) == 1
            world.check_over()
        except Exception as exc:
            raise AssertionError(f"walk({seed})") from exc


class Interleavings(RuleBasedStateMachine):
    """The same steps, chosen by Hypothesis, which makes a short story of what fails."""

    @initialize(seed=st.integers(0, 1000), scenario=st.sampled_from(SCENARIOS))
    def begin(self, seed: int, scenario: Scenario) -> None:
        """A world, with a call in it."""
        self.dice = random.Random(seed)
        self.world = World(seed, scenario)
        begin_call(self.world)

    @rule(index=st.integers(0, len(ACTIONS + RARE) - 1))
    def step(self, index: int) -> None:
        """Something happens."""
        _, action = (ACTIONS + RARE)[index]
        action(self.world, self.dice)

    @rule()
    def arrive(self) -> None:
        """Everything arrives, and the media are willing."""
        self.world.connect()
        self.world.deliver_all()
        self.world.apply()
        self.world.answer()
        self.world.deliver_all()

    def teardown(self) -> None:
        """It can be ended."""
        if hasattr(self, "world"):
            self.world.finish()


TestInterleavings = pytest.mark.slow(Interleavings.TestCase)
TestInterleavings.settings = settings(
    max_examples=max(50, WALKS // 20),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
