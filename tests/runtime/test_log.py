"""`ClientLog`: silent unless asked, lazy, redacted, and good company in a program that has set up logging."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from telnyx_agent._flight import FlightSlot
from telnyx_agent._runtime.log import ClientLog, flush
from telnyx_agent.config import LogLevel

from .conftest import RunProgram

SAY: dict[LogLevel, Callable[[ClientLog], None]] = {
    LogLevel.ERROR: lambda log: log.error("an %s", "error"),
    LogLevel.WARNING: lambda log: log.warning("a %s", "warning"),
    LogLevel.SUCCESS: lambda log: log.success("a %s", "success"),
    LogLevel.INFO: lambda log: log.info("an %s", "info"),
    LogLevel.DEBUG: lambda log: log.debug("a %s", "debug"),
    LogLevel.VERTO: lambda log: log.frame(">", '{"jsonrpc":"2.0","id":"1","method":"telnyx_rtc.ping","params":{}}'),
    LogLevel.STATS: lambda log: log.stats("a %s", "statistic"),
}


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    """Loggers live as long as the process; give them back as they were."""
    yield
    logging.getLogger("telnyx_agent").setLevel(logging.NOTSET)


def test_a_sink_gets_the_text_as_it_is_to_be_read() -> None:
    """With its arguments in their places, and as it stands where there are none; of the wanted levels only."""
    told: list[tuple[LogLevel, str, BaseException | None]] = []
    log = ClientLog(LogLevel.WARNING, 1, sink=lambda level, text, exc: told.append((level, text, exc)))
    error = ValueError("why")
    log.error("%d of %s", 3, "us", exc_info=error)
    log.warning("100 % sure")
    log.info("not wanted")
    assert told == [(LogLevel.ERROR, "3 of us", error), (LogLevel.WARNING, "100 % sure", None)]
    log.close()


def test_frames_are_recorded_where_the_client_records() -> None:
    """In the recorder that is in the slot at the moment, whatever the level."""
    recorded: list[tuple[str, str | bytes]] = []

    class Recorder:
        def frame(self, direction: str, text: str | bytes) -> None:
            recorded.append((direction, text))

    slot = FlightSlot()
    log = ClientLog(LogLevel.NONE, 1, slot)
    log.frame("<", "one")
    slot.recorder = cast(Any, Recorder())
    log.frame(">", "two")
    assert recorded == [(">", "two")]
    log.close()


@pytest.mark.parametrize("level", list(LogLevel))
def test_levels_contain_those_before_them(level: LogLevel, capsys: pytest.CaptureFixture[str]) -> None:
    """stderr gets what the client's level asks for: at `NONE` nothing, at `ALL` everything."""
    log = ClientLog(level, 7)
    for say in SAY.values():
        say(log)
    log.close()

    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == sum(1 for asked in SAY if asked <= level)
    if level > LogLevel.NONE:
        assert "telnyx-agent[7] ERROR an error" in printed.err


def test_logging_gets_everything_at_matching_levels(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The client's level is for stderr only; what `logging` gets is filtered by `logging`. Frames are the exception."""
    caplog.set_level(logging.DEBUG, "telnyx_agent")
    log = ClientLog(LogLevel.NONE, 8)
    for say in SAY.values():
        say(log)

    assert {record.name for record in caplog.records} == {"telnyx_agent.client.8"}
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "INFO", "INFO", "DEBUG", "DEBUG"]
    assert capsys.readouterr().err == ""
    log.close()


def test_the_clients_level_does_not_flood_the_programs_handlers(caplog: pytest.LogCaptureFixture) -> None:
    """A talkative client does not change what a program's own handlers get."""
    log = ClientLog(LogLevel.ALL, 9)
    log.debug("for stderr only")
    log.warning("for both")
    log.close()
    assert [record.getMessage() for record in caplog.records] == ["for both"]


def test_records_name_their_caller(caplog: pytest.LogCaptureFixture) -> None:
    """A record points to the line that logged, not into the SDK's log module."""
    ClientLog(LogLevel.NONE, 10).warning("here")
    assert caplog.records[0].filename == "test_log.py"
    assert caplog.records[0].funcName == "test_records_name_their_caller"


def test_messages_are_formatted_only_if_wanted() -> None:
    """Debugging that nobody sees costs next to nothing."""

    class Expensive:
        def __str__(self) -> str:
            raise AssertionError("formatted in vain")

    log = ClientLog(LogLevel.INFO, 11)
    log.debug("%s", Expensive())
    log.frame("<", "{}")
    log.close()


def test_exceptions_come_with_their_traceback(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """`exc_info` takes an exception and shows where it came from, on stderr and in `logging`."""
    log = ClientLog(LogLevel.ERROR, 12)
    try:
        raise ValueError("deep inside")
    except ValueError as exc:
        log.error("something failed", exc_info=exc)
    log.close()
    for text in (capsys.readouterr().err, caplog.text):
        assert "something failed\nTraceback" in text
        assert "ValueError: deep inside" in text


SECRETS = (
    '{"jsonrpc":"2.0","id":"1","method":"anonymous_login","params":{"target_id":"assistant-1","userVariables":'
    '{"pin":"CANARY"},"passwd":"CANARY","login_token":"CANARY","target_params":{"conversation_id":"CANARY"}}}'
)


@pytest.mark.parametrize("direction", ["<", ">"])
def test_frames_are_marked_and_redacted(
    direction: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A frame shows its direction and its method, and nothing that is secret or personal."""
    caplog.set_level(logging.DEBUG, "telnyx_agent")
    log = ClientLog(LogLevel.VERTO, 13)
    log.frame(direction, SECRETS)  # type: ignore[arg-type]
    log.frame(direction, b"\x00binary CANARY")  # type: ignore[arg-type]
    log.frame(direction, "no JSON, CANARY")  # type: ignore[arg-type]
    log.close()
    for text in (capsys.readouterr().err, caplog.text):
        assert f"{direction} {{" in text
        assert "anonymous_login" in text
        assert "CANARY" not in text
    assert len(caplog.records) == 3


def test_frames_are_for_verto_only(caplog: pytest.LogCaptureFixture) -> None:
    """Below `VERTO` not even `logging` gets frames: they are long and cost redaction."""
    caplog.set_level(logging.DEBUG, "telnyx_agent")
    log = ClientLog(LogLevel.DEBUG, 14)
    log.frame("<", SECRETS)
    log.close()
    assert not caplog.records


def test_nothing_after_close(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """`close` ends the printing, may be called twice, and leaves `logging` alone."""
    log = ClientLog(LogLevel.ALL, 15)
    log.close()
    log.close()
    log.error("late")
    assert capsys.readouterr().err == ""
    assert "late" in caplog.text


def test_clients_have_levels_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Two clients at different levels do not change each other."""
    silent, loud = ClientLog(LogLevel.NONE, 16), ClientLog(LogLevel.INFO, 17)
    silent.error("from the silent one")
    loud.info("from the loud one")
    loud.close()
    assert capsys.readouterr().err.endswith("telnyx-agent[17] INFO from the loud one\n")


def test_a_broken_stderr_is_not_the_callers_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging never raises: not without a stderr, as under pythonw.exe, and not with a closed one."""
    log = ClientLog(LogLevel.ALL, 18)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", None)
        log.error("to nobody")
        assert flush()
    with open("/dev/null", "w") as closed:
        pass
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", closed)
        log.error("to nobody")
        assert flush()
    log.close()


def test_a_silent_client_prints_nothing(run_program: RunProgram) -> None:
    """`LogLevel.NONE` in a program that never set up logging: not even `logging.lastResort` speaks."""
    outcome = run_program(
        """
        from telnyx_agent._runtime.log import ClientLog
        from telnyx_agent.config import LogLevel
        log = ClientLog(LogLevel.NONE, 1)
        log.error("an error", exc_info=ValueError("x"))
        log.warning("a warning")
        """
    )
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_a_wrong_message_is_not_the_callers_problem(capsys: pytest.CaptureFixture[str]) -> None:
    """A message that does not fit its arguments is reported, and raises nothing."""
    log = ClientLog(LogLevel.DEBUG, 19)
    assert log.level is LogLevel.DEBUG
    log.debug("%d", "no number")
    log.close()
    assert "'%d' does not fit its arguments" in capsys.readouterr().err


def test_a_client_that_is_gone_leaves_no_logger() -> None:
    """`logging` would keep it for ever; a program that makes a client for each call would grow."""
    before = set(logging.Logger.manager.loggerDict)
    log = ClientLog(LogLevel.NONE, 987654)
    log.warning("nobody looks")
    log.close()
    assert set(logging.Logger.manager.loggerDict) - before <= {"telnyx_agent", "telnyx_agent.client"}


def test_the_level_of_all_clients_holds_and_may_change(caplog: pytest.LogCaptureFixture) -> None:
    """Also for clients that have logged before."""
    log = ClientLog(LogLevel.NONE, 987655)
    with caplog.at_level(logging.WARNING, "telnyx_agent.client"):
        log.info("not this")
    with caplog.at_level(logging.INFO, "telnyx_agent.client"):
        log.info("this")
    assert [record.message for record in caplog.records] == ["this"]


def test_a_logger_that_the_program_has_set_up_is_used(caplog: pytest.LogCaptureFixture) -> None:
    """One client may be louder than the others."""
    with caplog.at_level(logging.DEBUG, "telnyx_agent.client.987656"):
        ClientLog(LogLevel.NONE, 987656).debug("this")
    assert [record.message for record in caplog.records] == ["this"]
