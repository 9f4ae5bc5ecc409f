"""The local agent's side of a network test: `answerer.py '{"host": ...}'`; see `caller.py`."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from telnyx_agent.testing import LocalAgent, Scenario


def report(event: str, **details: Any) -> None:
    """One line to whoever started this."""
    print(json.dumps({"event": event, "time": time.monotonic(), **details}), flush=True)


class Answerer:
    """Does what it is told."""

    def __init__(self, agent: LocalAgent) -> None:
        self._agent = agent

    def say(self, text: str) -> None:
        """Speak."""
        self._agent.say(text)

    def records(self) -> list[dict[str, Any]]:
        """All calls."""
        return [
            {
                "state": call.state,
                "media": call.media_state,
                "received": call.seconds_received,
                "heard": call.seconds_heard,
                "transcript": [[line.role, line.text.strip()] for line in call.transcript],
            }
            for call in self._agent.calls
        ]

    def wait_heard(self, seconds: float, timeout: float) -> None:
        """Wait until so much of the caller's voice has been heard."""
        self._agent.wait_for_call(lambda call: call.seconds_heard >= seconds, timeout)

    def frames(self) -> list[list[str]]:
        """Direction and method of every frame."""
        return [[frame.direction, frame.method] for frame in self._agent.frames]

    def media(self) -> list[str]:
        """The candidates that the caller has offered, oldest first."""
        found: list[str] = []
        for frame in self._agent.frames:
            sdp = str((frame.params or {}).get("sdp", "")) if frame.direction == "received" else ""
            found += [line for line in sdp.splitlines() if line.startswith("a=candidate")]
        return found


def main() -> None:
    """Serve until the input ends."""
    settings = json.loads(sys.argv[1])
    if "log" in settings:
        logging.basicConfig(level=settings["log"])
    with LocalAgent(
        lambda text: f"You said {text}." if len(text) < 50 else f"You said {len(text)} characters.",
        host=settings["host"],
        greeting="Hello there, caller.",
        voice="tones",
        ears="energy",
        scenario=Scenario.fast(),
    ) as agent:
        answerer = Answerer(agent)
        report("ready", port=agent.port)
        for line in sys.stdin:
            command = json.loads(line)
            number = command.pop("number")
            try:
                report("answer", number=number, result=getattr(answerer, command.pop("do"))(**command))
            except Exception as exc:  # noqa: BLE001 - the test is told
                report("answer", number=number, error=repr(exc))


if __name__ == "__main__":
    main()
