"""Nothing that was said, and no key, in any log or `repr`: what went over the wire of a test is looked for in both.

Secrets are taken from the frames of all local agents of a test: what was said and typed, user variables, numbers,
credentials, and the SDP with its passwords. They are looked for in every record of the SDK and of the libraries below
it, at the most verbose level, tracebacks included, and in the `repr` of every object of the SDK that is still alive.
"""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from telnyx_agent.testing._frames import FrameLog, FrameRecord

__all__ = ["Taint", "secrets_in"]

LIBRARIES = ("telnyx_agent", "aiortc", "aioice", "websocket", "asyncio", "concurrent", "av", "libav")
"""Whose loggers are read."""

_QUIET = ("aiortc.rtcrtpsender", "aiortc.rtcrtpreceiver")
"""These log each packet with its numbers, which would cost real-time tests their time."""

_SHORTEST = 12
"""Characters. Shorter texts, such as "Hello.", are found by chance as well."""

_TELLING = frozenset(
    {
        *("text", "transcript", "content", "delta", "arguments"),
        *("caller_id_number", "caller_id_name", "destination_number", "remote_caller_id_number", "clientState"),
        *("passwd", "login_token", "password", "token"),
    }
)
_TELLING_AROUND = frozenset({"userVariables", "custom_headers"})
# Not the candidates: which addresses were tried is what one looks for in a log when there is no audio.
_SDP = re.compile(r"^(a=(?:ice-pwd|fingerprint):[^\r\n]*)", re.MULTILINE)

_HARMLESS = frozenset({"sendrecv", "assistant", "NORMAL_CLEARING"})


def secrets_in(frame: Mapping[str, Any]) -> Iterator[str]:
    """What of a frame must not be shown to anybody who did not ask."""
    for secret in _walk(frame, ()):
        if len(secret) >= _SHORTEST and secret not in _HARMLESS:
            yield secret


def _walk(value: Any, names: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _walk(member, (*names, name))
    elif isinstance(value, list):
        for member in value:
            yield from _walk(member, names)
    elif isinstance(value, str) and names:
        name = names[-1]
        if name == "sdp":
            for line in _SDP.findall(value):
                yield line.partition(":")[2]
        elif name in _TELLING or not _TELLING_AROUND.isdisjoint(names):
            yield value


class Taint(logging.Handler):
    """Collects the secrets and the records of one test after the other. Made once; `begin` and `end` around each."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self._lines: list[str] = []
        self._logs: list[FrameLog] = []

    def install(self) -> None:
        """Listen to everything, from now on."""
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.INFO)
        for name in LIBRARIES:
            logger = logging.getLogger(name)
            logger.setLevel(logging.DEBUG)
            logger.addHandler(self)
        original = FrameLog.__init__

        def remembered(log: FrameLog) -> None:
            original(log)
            self._logs.append(log)

        FrameLog.__init__ = remembered  # type: ignore[assignment, method-assign]

    def emit(self, record: logging.LogRecord) -> None:
        """A record, as a handler of the user's would write it."""
        try:
            self._lines.append(self.format(record))
        except Exception as exc:  # noqa: BLE001 - a record that cannot be formatted is a failure of its own
            self._lines.append(f"{record.name}: cannot be formatted: {exc}")

    def begin(self) -> None:
        """Forget what came before."""
        self._lines.clear()
        self._logs.clear()

    def secrets(self) -> set[str]:
        """What went over the wire of this test and must not be shown."""
        return {secret for log in self._logs for frame in log.snapshot() for secret in secrets_in(frame.message)}

    def end(self) -> list[str]:
        """What was found: empty if all is well."""
        secrets = self.secrets()
        if not secrets:
            return []
        found = list(_search(secrets, "a log", self._lines))
        return found + list(_search(secrets, "a repr", _representations()))


def _search(secrets: Iterable[str], where: str, texts: Iterable[str]) -> Iterator[str]:
    pattern = re.compile("|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True)))
    for text in texts:
        if match := pattern.search(text):
            start = max(0, match.start() - 60)
            yield f"{match[0]!r} is in {where}: ...{text[start : match.end() + 60]!r}"


def _representations() -> Iterator[str]:
    """Of each object of the SDK, the testing parts left out, which exist to show things."""
    for one in gc.get_objects():
        module = getattr(type(one), "__module__", "")
        if not isinstance(module, str) or not module.startswith("telnyx_agent") or "testing" in module:
            continue
        if isinstance(one, FrameRecord):
            continue
        yield _representation(one)


def _representation(one: object) -> str:
    try:
        return repr(one)
    except AttributeError:  # refused by a validator before it was complete, and alive in that error's traceback
        return ""
