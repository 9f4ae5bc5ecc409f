"""A call between two namespaces, and what has to hold of it whatever the network did."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from tests.support.netns import SERVER, Internet, Side

__all__ = ["Talk", "talk"]

_HERE = Path(__file__).resolve().parent


@attrs.frozen
class Talk:
    """A client in one namespace and an agent in another.

    Attributes:
        internet: What is between them.
        caller: The client's program, `caller.py`.
        agent: The agent's program, `answerer.py`.
    """

    internet: Internet
    caller: Side
    agent: Side

    def begin(self, timeout: float = 20.0) -> None:
        """Log in and call; returns when both hear each other and the greeting is complete."""
        self.caller.ask("login")
        self.caller.ask("call")
        self.caller.wait_for("on_call_state_updated", timeout, where=lambda event: event["args"][0] == "ACTIVE")
        self.caller.wait_for("sound", timeout)
        self.caller.wait_for("on_transcript_item_updated", timeout, where=_is_final("assistant"))

    def converse(self, text: str, timeout: float = 20.0) -> float:
        """Type something and wait until the agent has answered, in sound and in writing.

        Returns:
            When the agent was heard, on the clock of `time.monotonic`.
        """
        answers = (f"You said {text}.", f"You said {len(text)} characters.")
        asked = time.monotonic()
        self.caller.ask("send", text=text)
        self.caller.wait_for("settled", timeout, after=asked, where=lambda event: event["what"] == "send")
        # What is in the playout buffer does not count.
        heard: float = self.caller.wait_for("sound", timeout, after=asked + 0.3)["time"]
        self.caller.wait_for(
            "on_transcript_item_updated",
            timeout,
            after=asked,
            where=lambda event: _is_final("assistant")(event) and event["args"][0]["text"] in answers,
        )
        return heard

    def listen(self, *, after: float | None = None, timeout: float = 10.0) -> float:
        """Have the agent say something of three seconds and wait until it is heard; when that was."""
        after = time.monotonic() + 0.3 if after is None else after
        self.agent.ask("say", text="one two three four five six seven eight nine ten eleven twelve thirteen fourteen")
        heard: float = self.caller.wait_for("sound", timeout, after=after)["time"]
        return heard

    def speak(self, timeout: float = 10.0) -> None:
        """Speak until the agent has heard it."""
        before = self.record["heard"]
        self.caller.ask("speak")
        self.agent.ask("wait_heard", timeout + 5, seconds=before + 0.4, timeout=timeout)

    @property
    def record(self) -> dict[str, Any]:
        """What the agent knows of the call."""
        (record,) = self.agent.ask("records")
        assert isinstance(record, dict)
        return record

    @property
    def states(self) -> list[str]:
        """The call's states that the delegate was told."""
        return [event["args"][0] for event in self.caller.named("on_call_state_updated")]

    def hang_up(self) -> None:
        """End the call and check that it ended by the contract, and without any error before."""
        self.caller.ask("hang_up")
        self.check_ended()
        assert self.caller.named("on_client_error") == []

    def leave(self, timeout: float = 10.0) -> None:
        """Disconnect; returns when nothing is left of the connection."""
        begin = time.monotonic()
        self.caller.ask("leave")
        self.caller.wait_for("settled", timeout, after=begin, where=lambda event: event["what"] == "leave")

    def check_ended(self, timeout: float = 10.0) -> None:
        """One `DONE`, which is the last that is said of the call; the transcript is whole."""
        self.caller.wait_for("on_call_state_updated", timeout, where=lambda event: event["args"][0].startswith("DONE"))
        self.leave()
        assert [state.split()[0] for state in self.states].count("DONE") == 1
        assert self.states[-1].startswith("DONE")
        self.check_transcript()

    def check_transcript(self) -> None:
        """Each item is there once, what was final has stayed so, and the user's words are those that the agent read."""
        items = self.caller.ask("transcript")
        assert len({item["id"] for item in items}) == len(items)
        finals: dict[str, str] = {}
        for event in self.caller.named("on_transcript_item_updated"):
            item = event["args"][0]
            if item["final"]:
                assert finals.setdefault(item["id"], item["text"]) == item["text"]
        shown = {item["id"]: item["text"] for item in items}
        assert finals == {key: text for key, text in shown.items() if key in finals}
        typed = [item["text"] for item in items if item["role"] == "user" and item["text"].startswith("typed")]
        read = [text for role, text in self.record["transcript"] if role == "user" and text.startswith("typed")]
        # What was on its way when the connection broke may have arrived twice: docs/reconnecting.md.
        assert sorted(typed) == sorted(set(read))


def _is_final(role: str) -> Any:
    def holds(event: dict[str, Any]) -> bool:
        item = event["args"][0]
        return bool(item["role"] == role and item["final"])

    return holds


@contextlib.contextmanager
def talk(internet: Internet, *, host: str = SERVER, **settings: Any) -> Iterator[Talk]:
    """Start both programs; nobody has logged in yet."""
    shown = f"[{host}]" if ":" in host else host
    with internet.program(internet.server, _HERE / "answerer.py", {"host": host}) as agent:
        port = agent.wait_for("ready", 20)["port"]
        settings.setdefault("url", f"ws://{shown}:{port}")
        with internet.program(internet.caller, _HERE / "caller.py", settings) as caller:
            caller.wait_for("ready", 20)
            yield Talk(internet, caller, agent)
