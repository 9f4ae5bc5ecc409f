"""A client's own logger: iOS's and Android's form, levels, frames without secrets, and what it may do."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from telnyx_agent import ClientConfigurationError, LogLevel, TxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent

PATIENCE = 20.0


class Lines:
    """iOS's and Flutter's form."""

    def __init__(self) -> None:
        self.lines: list[tuple[LogLevel, str]] = []
        self.threads: set[str] = set()

    def log(self, level: LogLevel, message: str) -> None:
        """Keep it."""
        self.threads.add(threading.current_thread().name)
        self.lines.append((level, message))


class Tagged:
    """Android's form."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def log(self, level: LogLevel, tag: str | None, message: str, throwable: BaseException | None) -> None:
        """Keep it."""
        self.lines.append((level, tag, message, throwable))


def converse(
    agent: LocalAgent, logger: Any, level: LogLevel, during: Callable[[TxClient], object] | None = None
) -> None:
    """A login, a call, a message."""
    with TxClient(audio=NullAudio(), logger=logger) as client:
        client.anonymous_login(
            "assistant-1",
            user_variables={"account": "canary-variable-7"},
            server_configuration=agent.configuration,
            log_level=level,
        ).result(PATIENCE)
        if during is not None:
            during(client)
        client.new_call("canary-caller-name").wait_until_active(PATIENCE)
        client.send_ai_assistant_message("canary-message-text").result(PATIENCE)


def test_frames_with_direction_and_without_secrets(agent: LocalAgent) -> None:
    """At VERTO; each frame in its direction, on the thread of the callbacks."""
    logger = Lines()
    converse(agent, logger, LogLevel.VERTO)
    frames = [message for level, message in logger.lines if level is LogLevel.VERTO]
    assert any(re.match(r'> \{.*"anonymous_login"', frame) for frame in frames)
    assert any(re.match(r'< \{.*"telnyx_rtc.clientReady"', frame) for frame in frames)
    assert all(frame[:3] in ("> {", "< {") for frame in frames)
    assert "canary" not in str(logger.lines)
    assert any(level is LogLevel.INFO and message.startswith("ready: ") for level, message in logger.lines)
    assert logger.threads == {"telnyx-agent-delegate"}


@pytest.mark.parametrize("level", [LogLevel.NONE, LogLevel.ERROR, LogLevel.INFO, LogLevel.ALL])
def test_levels_contain_those_before_them(agent: LocalAgent, level: LogLevel) -> None:
    """And NONE is really silent; stderr gets nothing in any case."""
    logger = Lines()
    converse(agent, logger, level)
    assert all(one <= level for one, _ in logger.lines)
    assert bool(logger.lines) == (level >= LogLevel.INFO)


def test_stderr_is_replaced(agent: LocalAgent, capfd: pytest.CaptureFixture[str]) -> None:
    """Each client has its own; the other one still writes to stderr."""
    logger = Lines()
    converse(agent, logger, LogLevel.INFO)
    assert "ready: " not in capfd.readouterr().err
    converse(agent, None, LogLevel.INFO)
    assert "ready: " in capfd.readouterr().err
    assert len([1 for _, message in logger.lines if message.startswith("ready: ")]) == 1


def test_androids_form(agent: LocalAgent) -> None:
    """Level, tag, message, throwable."""
    logger = Tagged()
    converse(agent, logger, LogLevel.INFO)
    assert {(tag, throwable) for _, tag, _, throwable in logger.lines} == {("telnyx_agent", None)}
    assert any(message.startswith("ready: ") for _, _, message, _ in logger.lines)


def test_the_level_can_change(agent: LocalAgent) -> None:
    """In mid-session, by value or name."""
    logger = Lines()
    converse(agent, logger, LogLevel.NONE, lambda client: client.set_log_level("verto"))
    assert any(level is LogLevel.VERTO for level, _ in logger.lines)
    assert not any(message.startswith("ready: ") for _, message in logger.lines)
    with TxClient() as client, pytest.raises(ClientConfigurationError):
        client.set_log_level("loud")


def test_a_logger_that_raises(agent: LocalAgent, caplog: pytest.LogCaptureFixture) -> None:
    """Is reported like any callback, and the call goes on."""

    class Broken:
        def log(self, level: LogLevel, message: str) -> None:
            raise RuntimeError("user's bug")

    with caplog.at_level(logging.ERROR, "telnyx_agent.delegate"):
        converse(agent, Broken(), LogLevel.INFO)
    assert "log raised RuntimeError" in caplog.text


def test_what_is_no_logger() -> None:
    """Is refused when the client is made."""
    with pytest.raises(ClientConfigurationError, match="log"):
        TxClient(logger=object())  # type: ignore[arg-type]
