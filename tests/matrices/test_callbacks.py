"""Every callback x every public method x what the user's code does there: it calls them, raises, blocks, exits.

The matrix is generated: callbacks from `TxClientDelegate`, methods from the classes (`surface.py`, `stories.py`).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telnyx_agent import Call, TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.delegate import CALLBACK_NAMES
from telnyx_agent.testing import RecordingDelegate
from tests.matrices import stories, surface
from tests.matrices.stories import MOMENTS, NEVER, PATIENCE, EndedError, Moment, Stage, check_contract
from tests.matrices.surface import ENDING, RECIPES, SURFACE, Bench, Report

USED_UP = "user's bug"


class Trap(RecordingDelegate):
    """Records, and runs the user's code once, at the moment that is meant.

    Args:
        moment: Which callback.
        code: The user's code; gets the callback's arguments.
    """

    def __init__(self, moment: Moment, code: Callable[..., object]) -> None:
        of_quality = ("on_call_quality_changed", "on_socket_metrics_changed", "on_call_report")
        super().__init__(levels=moment.callback == "on_audio_level", quality=moment.callback in of_quality)
        self.sprung = threading.Event()
        self._sprung_once = False
        record = getattr(self, moment.callback)

        def spring(*args: object) -> None:
            record(*args)
            if not self._sprung_once and (moment.when is None or moment.when(*args)):
                self._sprung_once = True
                try:
                    code(*args)
                finally:
                    self.sprung.set()

        self.__dict__[moment.callback] = spring


def play(moment: Moment, folder: Path, code: Callable[[Bench], object], *, may_end: bool = False) -> Trap:
    """Play the moment's story with the user's code in it, and check what holds for every session."""
    stage: Stage | None = None

    def run(*args: object) -> None:
        assert stage is not None
        if args and isinstance(args[0], Call):
            stage.call = args[0]
            stage.placed.set()
        assert stage.placed.wait(PATIENCE), "the story has placed no call"
        assert stage.call is not None
        code(Bench(stage.client, stage.call, stage.agent.configuration, folder, make_device))

    trap = Trap(moment, run)
    make_device = stories.Speaker if moment.story is stories.sound else NullAudio
    with moment.make_agent() as agent, TxClient(trap, audio=make_device()) as client:
        stage = Stage(agent, client, trap, may_end)
        with contextlib.suppress(EndedError):
            moment.story(stage)
        client.disconnect().result(PATIENCE)
        assert trap.sprung.wait(PATIENCE), f"{moment.id} did not happen: {trap.names}"
        # What the user's code has begun, in the last callback perhaps, ends as well.
        client.disconnect().result(PATIENCE)
        assert stage.call is not None
        stage.call.wait_until_ended(PATIENCE)
    assert not (problems := check_contract(trap)), "\n".join(problems)
    return trap


def failures(reports: list[Report]) -> str:
    """What was wrong, a line for each method."""
    return "\n".join(f"{report.member} {report.problem}" for report in reports if report.problem is not None)


@pytest.fixture
def reports() -> Iterator[list[Report]]:
    """Gets what became of each method; checked at the end, one by one."""
    found: list[Report] = []
    yield found
    assert found, "no method was called"
    assert not failures(found), f"inside this callback:\n{failures(found)}"


every_moment = pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.id)


# -- the matrix is complete --------------------------------------------------------------------------------------------


def test_every_callback_has_a_story() -> None:
    """Whoever adds a callback says here how it comes about."""
    missing = set(CALLBACK_NAMES) - {moment.callback for moment in MOMENTS} - NEVER.keys()
    assert not missing, (
        f"new callback(s) {sorted(missing)}: add a Moment(...) with a story that brings it about to MOMENTS in "
        "tests/matrices/stories.py, or the reason why none does to NEVER"
    )
    gone = ({moment.callback for moment in MOMENTS} | NEVER.keys()) - set(CALLBACK_NAMES)
    assert not gone, f"no callbacks any more: {sorted(gone)}; take them out of tests/matrices/stories.py"


def test_every_public_method_has_a_recipe() -> None:
    """Whoever adds a method that needs arguments says which."""
    names = {member.name for member in SURFACE}
    known = RECIPES.keys() | surface.ELSEWHERE.keys()
    missing = [member for member in SURFACE if member.required and member.name not in known]
    assert not missing, "".join(
        f"\n{member.name} needs {', '.join(member.required)}: add a line to RECIPES in tests/matrices/surface.py "
        "(and to ENDING, if it ends the call or the session)"
        for member in missing
    )
    gone = (RECIPES.keys() | set(ENDING) | surface.ELSEWHERE.keys()) - names
    assert not gone, f"not public any more: {sorted(gone)}; take them out of tests/matrices/surface.py"


# -- the matrix --------------------------------------------------------------------------------------------------------


@pytest.mark.slow_except(2)
@every_moment
def test_every_method_inside(moment: Moment, tmp_path: Path, reports: list[Report]) -> None:
    """Every method returns, every future settles, nothing but the SDK's errors is raised; the story goes on."""
    play(moment, tmp_path, lambda bench: reports.extend(surface.use_all(bench)))


@pytest.mark.slow_except(2)
@every_moment
@pytest.mark.parametrize("method", ENDING)
def test_ending_inside(moment: Moment, method: str, tmp_path: Path, reports: list[Report]) -> None:
    """What ends the call or the session may be waited for inside, and ends it."""
    play(moment, tmp_path, lambda bench: reports.extend(surface.use_one(method, bench)), may_end=True)


@pytest.mark.slow_except(2)
@every_moment
@pytest.mark.parametrize("exception", [RuntimeError, SystemExit], ids=["raises", "exits"])
def test_every_method_and_then_an_exception(
    moment: Moment,
    exception: type[BaseException],
    tmp_path: Path,
    reports: list[Report],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug costs nothing but the rest of its callback, and is logged with its name; `sys.exit` on a thread that is not
    the main one ends nothing, as with any Python thread, and is not silent.
    """

    def code(bench: Bench) -> None:
        reports.extend(surface.use_all(bench, together=True))
        raise exception(USED_UP)

    with caplog.at_level(logging.ERROR, "telnyx_agent.delegate"):
        play(moment, tmp_path, code)
    raised = [
        record
        for record in caplog.records
        if record.name == "telnyx_agent.delegate" and record.exc_info and str(record.exc_info[1]) == USED_UP
    ]
    assert [moment.callback in record.getMessage() for record in raised] == [True]


@pytest.mark.slow_except(2)
@every_moment
def test_every_method_while_the_callback_blocks(moment: Moment, tmp_path: Path, reports: list[Report]) -> None:
    """Another thread may do everything meanwhile: methods return, futures settle, though no callback comes."""
    release = threading.Event()

    def meanwhile(bench: Bench) -> None:
        try:
            reports.extend(surface.use_all(bench, together=True))
        finally:
            release.set()

    def code(bench: Bench) -> None:
        other = threading.Thread(target=meanwhile, args=(bench,), name="another-thread")
        other.start()
        release.wait(PATIENCE)
        other.join(PATIENCE)

    play(moment, tmp_path, code)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_a_callback_that_sleeps(seconds: float, tmp_path: Path) -> None:
    """With the clock: the call comes up and can be hung up meanwhile; what happened is told afterwards, in order."""
    (moment,) = (moment for moment in MOMENTS if moment.id == "on_client_ready")
    took: list[float] = []
    trap = Trap(moment, lambda *args: time.sleep(seconds))
    with moment.make_agent() as agent, TxClient(trap, audio=NullAudio()) as client:
        begin = time.monotonic()
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)
        call = client.new_call()
        call.wait_until_active(PATIENCE)
        took.append(time.monotonic() - begin)
        call.hangup().result(PATIENCE)
        took.append(time.monotonic() - begin)
        client.disconnect().result(PATIENCE)
        took.append(time.monotonic() - begin)
        assert not trap.sprung.is_set(), f"it was no faster than the callback: {took}"
        assert trap.sprung.wait(seconds + PATIENCE)
        trap.wait_for("on_socket_disconnected", PATIENCE)
    states = [state.value for state, _ in trap.calls_of("on_call_state_updated")]
    assert states == ["NEW", "CONNECTING", "RINGING", "ACTIVE", "DONE"]
    assert not check_contract(trap)
