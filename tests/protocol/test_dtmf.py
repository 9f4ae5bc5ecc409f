"""`keys`: which keys there are, in which order and when they go out, and what becomes of them."""

from __future__ import annotations

import pytest

from telnyx_agent._protocol.calls.dtmf import TONE_TIME, KeyRun, key_runs
from telnyx_agent._protocol.calls.hold import HoldWish
from telnyx_agent._protocol.outcomes import CommandSettled
from telnyx_agent.errors import CallError, ClientConfigurationError, NetworkError
from tests.protocol.script import CALL_ID, SERVER_SESSION, Script, answer, log_in_again, lose, reopen

INFO = "telnyx_rtc.info"


def press(script: Script, digits: str, gap: float = 0.0) -> str:
    """The user presses keys; the ticket."""
    return script.session.calls.press_keys(CALL_ID, key_runs(digits, gap), script.now)


def pressed(script: Script) -> list[str]:
    """What went out and was confirmed by the server."""
    keys = []
    for frame in script.sent():
        if frame.get("method") == INFO:
            keys.append(frame["params"]["dtmf"])
            result = {"message": "SENT", "sessid": SERVER_SESSION}
            script.frame({"jsonrpc": "2.0", "id": frame["id"], "result": result})
    return keys


# -- which keys there are ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digits", "gap", "runs"),
    [
        ("12#", 0.0, [("12#", 0.0)]),
        ("abcd*", 0.0, [("ABCD*", 0.0)]),
        ("1,2", 0.0, [("1", 2.0), ("2", 0.0)]),
        ("1,w2W", 0.0, [("1", 2.5), ("2", 1.0)]),
        (",1", 0.0, [("", 2.0), ("1", 0.0)]),
        ("123", 0.5, [("1", 0.5), ("2", 0.5), ("3", 0.0)]),
        ("12,3", 0.25, [("1", 0.25), ("2", 2.0), ("3", 0.0)]),
    ],
)
def test_runs(digits: str, gap: float, runs: list[tuple[str, float]]) -> None:
    """Keys that go out together, and the silence after them."""
    assert key_runs(digits, gap) == tuple(KeyRun(*run) for run in runs)


@pytest.mark.parametrize(
    ("digits", "says"),
    [
        ("", "no keys"),
        ("12x4", "character 3 of 4"),
        ("1 2", "character 2 of 3"),
        ("1-800", "character 2 of 5"),
        ("\uff11", "character 1 of 1"),
    ],
)
def test_what_is_no_key_is_said_by_its_place(digits: str, says: str) -> None:
    """Not what was given: it may be a PIN with a slip of the finger."""
    with pytest.raises(ClientConfigurationError, match=says) as caught:
        key_runs(digits)
    assert not digits or digits not in str(caught.value)


@pytest.mark.parametrize("gap", [-0.1, 10.1, float("nan")])
def test_gaps_that_nobody_means(gap: float) -> None:
    """A key every minute is no dialling."""
    with pytest.raises(ClientConfigurationError, match="gap"):
        key_runs("1", gap)


def test_a_number_is_no_text() -> None:
    """0123 would not be what it looks like."""
    with pytest.raises(ClientConfigurationError, match="text"):
        key_runs(12)  # type: ignore[arg-type]


def test_keys_are_not_in_a_repr() -> None:
    """They may be a PIN."""
    assert "4711" not in repr(key_runs("4711"))


# -- what goes out, and when -------------------------------------------------------------------------------------------


def test_keys_go_out_in_one_request() -> None:
    """The vector's; done when the server has confirmed it."""
    script = Script.talking()
    ticket = press(script, "12#")
    request = script.expect(INFO)
    assert request["params"] == {"sessid": SERVER_SESSION, "dtmf": "12#", "dialogParams": {"callID": CALL_ID}}
    assert script.events() == []
    script.frame({"jsonrpc": "2.0", "id": request["id"], "result": {"sessid": SERVER_SESSION}})
    assert script.event(CommandSettled) == CommandSettled(ticket)


def test_a_pause_begins_when_the_tones_are_over() -> None:
    """As far as that can be told."""
    script = Script.talking()
    ticket = press(script, "12,3")
    assert pressed(script) == ["12"]
    script.wait(2.0 + 2 * TONE_TIME - 0.01)
    assert pressed(script) == []
    script.wait(0.02)
    assert script.events() == []
    assert pressed(script) == ["3"]
    assert script.event(CommandSettled) == CommandSettled(ticket)


def test_a_pause_at_the_end_counts() -> None:
    """What comes after it waits for it."""
    script = Script.talking()
    first, second = press(script, "1w"), press(script, "2")
    assert pressed(script) == ["1"]
    assert pressed(script) == []
    script.wait(0.5 + TONE_TIME)
    assert pressed(script) == ["2"]
    assert script.events(CommandSettled) == [CommandSettled(first), CommandSettled(second)]


def test_commands_at_once_keep_their_order() -> None:
    """The second goes out when the first is confirmed."""
    script = Script.talking()
    press(script, "1")
    press(script, "2")
    assert [frame["params"]["dtmf"] for frame in (script.expect(INFO),)] == ["1"]
    assert script.sent_methods() == []


@pytest.mark.parametrize("how", ["refused", "silence"])
def test_a_failure_ends_the_sequence_and_not_the_call(how: str) -> None:
    """The rest is not pressed; the next command is."""
    script = Script.talking()
    press(script, "1,2")
    later = press(script, "3")
    if how == "refused":
        script.refuse(INFO, -32002, "CALL ERROR")
    else:
        script.expect(INFO)
        script.wait(10.1)
    (failed,) = script.events(CommandSettled)
    assert isinstance(failed.error, CallError)
    assert pressed(script) == ["3"]
    assert script.event(CommandSettled) == CommandSettled(later)
    assert script.states() == []


def test_keys_do_not_outlive_the_connection() -> None:
    """By the time the call is back, they would mean something else."""
    script = Script.talking()
    press(script, "1,2")
    assert pressed(script) == ["1"]
    script.lose_connection(NetworkError("reset"))
    assert "connection was lost" in str(script.event(CommandSettled).error)
    script.wait(3.0)
    assert script.events(CommandSettled) == []


def test_a_pause_does_not_outlive_the_connection() -> None:
    """Its end is not the answer to the keys that are pressed when the call is back."""
    script = Script.talking()
    press(script, ",,,,1")
    lose(script)
    reopen(script)
    log_in_again(script, reattached=[CALL_ID], attach=True)
    answer(script)
    script.forget_events()
    ticket = press(script, "5")
    script.wait(8.0)
    assert script.events(CommandSettled) == []
    assert pressed(script) == ["5"]
    assert script.event(CommandSettled) == CommandSettled(ticket)


def test_keys_end_with_the_call() -> None:
    """Also those that wait for a pause."""
    script = Script.talking()
    press(script, ",1")
    script.hang_up()
    assert "ended" in str(script.event(CommandSettled).error)


def test_keys_are_for_active_calls() -> None:
    """Not before the answer, and not on hold."""
    script = Script.calling()
    with pytest.raises(CallError, match="CONNECTING"):
        press(script, "1")
    script = Script.talking()
    waiting = [press(script, ",1"), press(script, "2")]
    script.session.calls.hold(CALL_ID, HoldWish.HOLD, script.now)
    script.reply("telnyx_rtc.modify", holdState="held")
    script.forget_events()
    with pytest.raises(CallError, match="HELD"):
        press(script, "1")
    script.wait(2.0)
    settled = script.events(CommandSettled)
    assert [event.ticket for event in settled] == waiting
    assert all("HELD" in str(event.error) for event in settled)
    assert pressed(script) == []


def test_the_longest_gap() -> None:
    """Ten seconds; and 0 is none."""
    assert key_runs("12", 10.0) == (KeyRun("1", 10.0), KeyRun("2", 0.0))
    assert key_runs("12") == key_runs("12", 0.0) == (KeyRun("12"),)
    assert KeyRun("12").pause == 0.0
