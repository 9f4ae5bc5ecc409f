"""What the tests of the three pages on the anonymous login share: ways to fail, and how their code reads an error."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from telnyx_agent import TxClient, TxError, TxServerConfiguration
from telnyx_agent.testing import FrameRecord, LocalAgent, Scenario
from tests.support import bad_servers

__all__ = [
    "ASSISTANT",
    "INVALID",
    "NETWORK_FAILURES",
    "SEED_VARIABLES",
    "HearsTheSame",
    "android_when",
    "flutter_if",
    "ios_switch",
    "keys_of",
    "keywords_in",
    "login",
    "login_frame",
    "login_params",
    "quiet_agent",
    "round_trip",
    "run",
    "unreachable",
]

ASSISTANT = "assistant-2f0f4f9e-8d2d-4a0a-a9a5-3f5a4b1f9d10"
INVALID = "invalid_id"
SEED_VARIABLES = {"user_id": "12345", "session_context": "support_chat", "language": "en-US"}
"""All three pages' example of user variables."""

T = TypeVar("T")


# -- the good case -----------------------------------------------------------------------------------------------------


def quiet_agent(**options: Any) -> LocalAgent:
    """A local agent that speaks without a sound and at once, hears nothing and does not waste time."""
    return LocalAgent(**{"voice": "silent", "ears": "deaf", "scenario": Scenario.fast(), **options})


def login(client: TxClient, agent: LocalAgent, target_id: str = ASSISTANT, **options: Any) -> Any:
    """Log in to the local agent; the future."""
    return client.anonymous_login(target_id, **{"server_configuration": agent.configuration, **options})


def login_frame(agent: LocalAgent, count: int = 1) -> FrameRecord:
    """The login frame that the agent received."""
    return agent.wait_for_frame("anonymous_login", direction="received", count=count)


def login_params(agent: LocalAgent, count: int = 1) -> dict[str, Any]:
    """What the agent received as the login's parameters."""
    return login_frame(agent, count).params


def round_trip(agent: LocalAgent) -> None:
    """Wait until the client has dealt with everything that the agent has sent so far: it answers pings in order."""
    before = sum(frame.method == "telnyx_rtc.ping" and frame.direction == "received" for frame in agent.frames)
    agent.ping()
    agent.wait_for_frame("telnyx_rtc.ping", direction="received", count=before + 1)


def keys_of(value: Any) -> set[str]:
    """All names in a JSON value, at any depth, in lower case."""
    if isinstance(value, Mapping):
        return {str(key).lower() for key in value} | {name for item in value.values() for name in keys_of(item)}
    if isinstance(value, list):
        return {name for item in value for name in keys_of(item)}
    return set()


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function in a new event loop, for the Flutter spelling."""

    async def wrapper() -> T:
        return await main()

    return asyncio.run(wrapper())


class HearsTheSame:
    """Ears that take every utterance for the same words."""

    def __init__(self, text: str) -> None:
        self._text = text

    def hear(self, samples: object) -> str:
        """The words."""
        return self._text


# -- failures ----------------------------------------------------------------------------------------------------------

NETWORK_FAILURES = ("refused", "unknown host", "untrusted certificate", "no TLS", "cut off", "silent")


@contextlib.contextmanager
def unreachable(kind: str, directory: Path) -> Iterator[TxServerConfiguration]:
    """The configuration of a server to which there is no way, in one of the `NETWORK_FAILURES`."""
    with contextlib.ExitStack() as stack:
        if kind == "refused":
            url = f"ws://127.0.0.1:{stack.enter_context(bad_servers.refusing_port())}"
        elif kind == "unknown host":
            url = "wss://nowhere.invalid"
        elif kind == "untrusted certificate":
            url = f"wss://127.0.0.1:{stack.enter_context(bad_servers.self_signed_server(directory))}"
        elif kind == "no TLS":
            port, _ = stack.enter_context(bad_servers.answering_server(b"HTTP/1.1 400 Bad Request\r\n\r\n", after=1))
            url = f"wss://127.0.0.1:{port}"
        elif kind == "cut off":
            port, _ = stack.enter_context(bad_servers.answering_server(b""))
            url = f"ws://127.0.0.1:{port}"
        elif kind == "silent":
            url = f"ws://127.0.0.1:{stack.enter_context(bad_servers.silent_server())}"
        else:
            raise ValueError(f"{kind!r} is not one of {', '.join(NETWORK_FAILURES)}")
        yield TxServerConfiguration(signaling_server=url, webrtc_ice_servers=())


# -- how the pages' own code reads an error ----------------------------------------------------------------------------


def keywords_in(text: str) -> set[str]:
    """Which of the pages' two words a text contains, in whatever case."""
    return {word for word in ("authentication", "network") if word in text.lower()}


def ios_switch(error: BaseException) -> str:
    """The iOS page's `switch txError`, with `except` in place of `case`."""
    try:
        raise error
    except TxError.SocketFailure:
        return "Invalid assistant ID or authentication failed"
    except TxError.ClientConfigurationFailure:
        return "Network connection failed"
    except TxError as other:
        return f"Unexpected error: {other}"


def android_when(message: str | None) -> str:
    """The Android page's `when`, which looks for words in the message."""
    if message is not None and "authentication" in message:
        return "Invalid assistant ID or authentication failed"
    if message is not None and "network" in message:
        return "Network connection failed"
    return f"Unexpected error: {message}"


def flutter_if(error: BaseException) -> str:
    """The Flutter page's `if`, which looks for words in the text."""
    if "authentication" in str(error):
        return "Invalid assistant ID or authentication failed"
    if "network" in str(error):
        return "Network connection failed"
    return f"Unexpected error: {error}"
