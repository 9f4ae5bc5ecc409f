"""Clients with credentials against the server's core, in any order: calls both ways, losses, other credentials.

As `test_interleavings`, whose steps and checks it shares.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from telnyx_agent._protocol import outcomes as out
from telnyx_agent._protocol.states import CallState, CallStateKind
from telnyx_agent._protocol.wire.credentials import CredentialLogin
from telnyx_agent.errors import CallError, LocalProtocolError, SocketConnectionError
from telnyx_agent.testing.scenario import Scenario
from tests.protocol.test_interleavings import ACTIONS, RARE, STEPS, WALKS
from tests.protocol.world import World
from tests.testing.script import OFFER

SCENARIOS = [
    Scenario.fast(),
    Scenario(),
    Scenario.fast(reattach="late"),
    Scenario.fast(reattach="none"),
    Scenario.fast(gateway_push=True, client_ready=False),
    Scenario.fast(bye_race=True),
    Scenario.fast(client_answer="reject"),
    Scenario.fast(client_answer="silent"),
]


class PhoneWorld(World):
    """A world whose client can be called."""

    def __init__(self, seed: int, scenario: Scenario) -> None:
        self.theirs: list[str] = []
        self.refused = 0
        super().__init__(seed, scenario, login=CredentialLogin(sip_user="alice", password="secret"))

    def ring(self) -> None:
        """Somebody calls."""
        link = self._latest_link()
        if link is not None and link.server.can_be_called:
            dialog = {"caller_id_name": "Bob", "caller_id_number": "1", "destination_number": "2"}
            link.server.call_client(self._new_id(), dialog, 20.0, self.now)
            self.settle()

    def pick_up(self, index: int = 0) -> None:
        """The user answers a call, which may be over, or answered already; its media make the answer later."""
        if not self.theirs:
            return
        call_id = self.theirs[index % len(self.theirs)]
        try:
            offer = self.session.calls.answer(call_id, (), self.now)
        except (CallError, LocalProtocolError):
            assert self.calls[call_id][-1] != CallState.RINGING
            self.refused += 1
        else:
            assert offer == OFFER
            self.unoffered.append(call_id)
        self.settle()

    def change_credentials(self) -> None:
        """Another token."""
        try:
            self.session.relogin.start(CredentialLogin(token="another"), self.now)
        except (LocalProtocolError, SocketConnectionError):
            self.refused += 1
        self.settle()

    def caller_gives_up(self) -> None:
        """The caller of one that rings."""
        self.server_hangs_up()

    def _handle_incoming(self, event: out.IncomingCall) -> None:
        assert event.options.call_id not in self.calls, "it rings twice"
        self.theirs.append(event.options.call_id)
        self.calls[event.options.call_id] = []

    def _first_state(self, call_id: str) -> CallStateKind:
        return CallStateKind.RINGING if call_id in self.theirs else CallStateKind.NEW


Action = Callable[[PhoneWorld, random.Random], object]
PHONE: list[tuple[int, Action]] = [
    (8, lambda world, dice: world.ring()),
    (8, lambda world, dice: world.offer()),
    (10, lambda world, dice: world.pick_up(dice.randrange(6))),
    (2, lambda world, dice: world.hang_up(dice.randrange(6))),
    (2, lambda world, dice: world.caller_gives_up()),
    (1, lambda world, dice: world.change_credentials()),
]


def begin(world: PhoneWorld, *, answered: bool, lost: bool) -> None:
    """Where most begin: ready, and called."""
    world.connect()
    for _ in range(4):
        world.deliver_all()
        world.wait(0.1)
    world.ring()
    world.deliver_all()
    if answered:
        world.pick_up()
        world.offer()
        world.deliver_all()
    if lost:
        world.lose()
        world.get_on(3.0)


def walk(seed: int) -> PhoneWorld:
    """One interleaving, the same for the same seed."""
    dice = random.Random(seed)
    world = PhoneWorld(seed, dice.choice(SCENARIOS))
    if dice.random() < 0.8:
        begin(world, answered=dice.random() < 0.6, lost=dice.random() < 0.4)
    actions: list[tuple[int, Action]] = [*ACTIONS, *PHONE]
    if dice.random() < 0.3:
        actions += RARE
    for _, action in dice.choices(actions, [weight for weight, _ in actions], k=STEPS):
        action(world, dice)
    return world


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("part", range(5))
def test_random_walks(part: int) -> None:
    """Whatever happened, the user can end it; each call has had one end."""
    for seed in range(part, WALKS, 5):
        try:
            walk(seed).finish()
        except Exception as exc:
            raise AssertionError(f"walk({seed})") from exc


def test_walks_get_somewhere() -> None:
    """Calls that came in were answered, lost and taken up again, and some were refused."""
    worlds = [walk(seed) for seed in range(100)]
    histories = [[state.kind for state in world.calls[one]] for world in worlds for one in world.theirs]
    assert len(histories) > 100
    assert sum(CallStateKind.ACTIVE in kinds for kinds in histories) > 20
    assert any(kinds.count(CallStateKind.ACTIVE) > 1 for kinds in histories)
    assert any(kinds == [CallStateKind.RINGING, CallStateKind.DONE] for kinds in histories)
    assert sum(world.refused for world in worlds) > 20


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("part", range(4))
def test_a_good_network_heals_everything(part: int) -> None:
    """After any walk: every call is up or over, on both sides alike; nothing rings for ever."""
    for seed in range(part, max(40, WALKS // 10), 4):
        try:
            world = walk(seed)
            world.get_on(75.0)
            assert world.session.registration.is_ready or world.session.registration.is_over
            for states in world.calls.values():
                assert states[-1].kind in (CallStateKind.ACTIVE, CallStateKind.HELD, CallStateKind.DONE), states
            world.check_no_ghosts()
            world.finish()
        except Exception as exc:
            raise AssertionError(f"walk({seed})") from exc
