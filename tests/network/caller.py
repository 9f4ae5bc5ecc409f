"""The SDK's side of a network test: `caller.py '{"url": ...}'`, commands from standard input, events to its output.

A user's program as any other: a `TxClient`, a delegate that prints, an audio device that listens. Run by
`tests.support.netns.Side`; it leaves when its input ends.
"""

from __future__ import annotations

import concurrent.futures
import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from telnyx_agent import IceServer, TranscriptionItem, TxClient, TxError, TxServerConfiguration
from telnyx_agent.audio import PcmAudio

LOUD = 1000
"""Amplitude from which a sample is sound."""

_writing = threading.Lock()


def report(event: str, **details: Any) -> None:
    """One line to whoever started this."""
    line = json.dumps({"event": event, "time": time.monotonic(), **details})
    with _writing:
        print(line, flush=True)


def plain(value: object) -> Any:
    """What JSON can say of a callback's argument."""
    if isinstance(value, TranscriptionItem):
        return {"id": value.id, "role": value.role, "text": value.content.strip(), "final": value.is_final}
    if isinstance(value, TxError):
        return {"type": type(value).__name__, "code": value.code, "text": str(value)}
    return value if isinstance(value, (int, float, type(None))) else str(value)


_TOO_MANY = ("on_audio_level", "on_ai_conversation_message", "on_transcription_updated")


class Printer:
    """A delegate that prints every callback but those that come all the time."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("on_") or name in _TOO_MANY:
            raise AttributeError(name)
        return lambda *args: report(name, args=[plain(value) for value in args])


class Listener:
    """An audio device that prints `sound` while the agent is heard, ten times a second at most."""

    def __init__(self) -> None:
        self.device = PcmAudio(sink=self._hear)
        self._next = 0.0

    def _hear(self, samples: NDArray[np.int16]) -> None:
        if len(samples) and int(np.abs(samples.astype(np.int32)).max()) > LOUD and time.monotonic() > self._next:
            self._next = time.monotonic() + 0.1
            report("sound")

    def speak(self) -> None:
        """Say something that stands out of the silence around it."""
        moments = np.arange(round(0.8 * 48000)) / 48000
        self.device.write((np.sin(2 * np.pi * 440 * moments) * 12000).astype(np.int16))


class Caller:
    """Does what it is told."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._listener = Listener()
        self._client = TxClient(
            Printer(), audio=self._listener.device, reconnect_timeout=settings.get("reconnect_timeout", 60.0)
        )
        self._configuration = TxServerConfiguration(
            settings["url"],
            [IceServer(url, "tester", "secret") for url in settings.get("ice", ())],
            allow_insecure=True,
            ca_file=settings.get("ca_file"),
        )

    def login(self) -> None:
        """Begin to log in; `settled` says what became of it."""
        self._settle("login", self._client.anonymous_login("assistant-1", server_configuration=self._configuration))

    def call(self) -> None:
        """Begin to call."""
        self._client.new_call()

    def speak(self) -> None:
        """Be heard."""
        self._listener.speak()

    def send(self, text: str) -> None:
        """Type something; `settled` says when it has been sent."""
        self._settle("send", self._client.send_ai_assistant_message(text, wait=True))

    def stats(self) -> dict[str, Any]:
        """Packets so far."""
        call = next(iter(self._client.calls.values()))
        stats = call.stats().result(5)
        return {"state": str(call.state), "received": 0 if stats is None else stats.packets_received}

    def transcript(self) -> list[Any]:
        """All items."""
        return [plain(item) for item in self._client.transcript]

    def hang_up(self) -> None:
        """End all calls."""
        for call in self._client.calls.values():
            self._settle("hang_up", call.hangup())

    def leave(self) -> None:
        """Disconnect."""
        self._settle("leave", self._client.disconnect())

    def close(self) -> None:
        """Leave for good."""
        self._client.__exit__(None, None, None)

    def _settle(self, what: str, future: concurrent.futures.Future[Any]) -> None:
        begin = time.monotonic()

        def settled(done: concurrent.futures.Future[Any]) -> None:
            error = None if done.exception() is None else plain(done.exception())
            report("settled", what=what, error=error, seconds=time.monotonic() - begin)

        future.add_done_callback(settled)


def main() -> None:
    """Obey until the input ends."""
    settings = json.loads(sys.argv[1])
    if "log" in settings:
        logging.basicConfig(level=settings["log"])
    caller = Caller(settings)
    report("ready")
    try:
        for line in sys.stdin:
            command = json.loads(line)
            number = command.pop("number")
            try:
                report("answer", number=number, result=getattr(caller, command.pop("do"))(**command))
            except Exception as exc:  # noqa: BLE001 - the test is told
                report("answer", number=number, error=repr(exc))
    finally:
        caller.close()


if __name__ == "__main__":
    main()
