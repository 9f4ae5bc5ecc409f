"""Reads what `TxClient.record_session` wrote, and tells a delegate all of it again.

The file is looked through before the delegate hears anything: what cannot be replayed is refused as a whole, with a
sentence that says what to do. A last line that is not complete is what a crash leaves behind, and no reason to refuse.

A recording may come from anybody, so it can make nothing but values: of the SDK's public enumerations, errors and value
classes, and of nothing else.
"""

from __future__ import annotations

import enum
import functools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, cast
from uuid import UUID

import attrs

import telnyx_agent

from . import audio, errors, events, quality
from ._flight import SCHEMA
from ._protocol.conversation.transcription import EPOCH, TranscriptionItem
from ._runtime.dispatch import PumpDispatcher
from .errors import ClientConfigurationError, TxError

__all__ = ["Recording", "ReplayResult", "ReplayedCall", "ReplayedCallback", "Unknown", "paced", "replay"]

FORMAT = "telnyx-agent session"
_LONGEST_LINE = 64 * 2**20
_MASK = "*"


@attrs.frozen
class ReplayedCallback:
    """A callback of a recording.

    Attributes:
        name: Such as `"on_client_ready"`.
        args: Its arguments, as the delegate got them; what is masked in the file is made of asterisks.
        time: Seconds from the beginning of the recording until it was queued.
        began_after: Seconds that it waited for the callbacks before it; None where the delegate had no such method.
        took: Seconds that it ran; None likewise, and where it had not come back when the recording ended.
        raised: The name of the exception that escaped it.
    """

    name: str
    args: tuple[Any, ...] = attrs.field(repr=False)
    time: float
    began_after: float | None = None
    took: float | None = None
    raised: str | None = None


@attrs.frozen
class ReplayResult:
    """What became of a replay.

    Attributes:
        callbacks: How many the recording has.
        errors: Name and exception of each that raised, in order. The next one was called all the same.
        is_complete: Whether the recording was stopped in order; otherwise the program or the disk ended it.
        lines_left_out: How many lines it lacks, because the disk was too slow when it was made.
    """

    callbacks: int
    errors: tuple[tuple[str, BaseException], ...] = ()
    is_complete: bool = True
    lines_left_out: int = 0


class ReplayedCall:
    """Stands for the `Call` of a recorded `on_incoming_call`: commands do nothing and are done at once.

    Attributes:
        call_id: As it was.
        direction: `INBOUND`: no other call is told of in this way.
        call_info: As it was, with asterisks for names and numbers; None where it was not recorded.
        invite_custom_headers: Empty: they are never recorded.
    """

    def __init__(self, call_id: UUID, call_info: Any = None) -> None:
        self.call_id = call_id
        self.direction = telnyx_agent.CallDirection.INBOUND
        self.call_info = call_info
        self.invite_custom_headers: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        return f"<ReplayedCall {self.call_id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReplayedCall) and self.call_id == other.call_id

    def __hash__(self) -> int:
        return hash(self.call_id)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or not callable(getattr(telnyx_agent.Call, name, None)):
            raise AttributeError(f"a replayed call has no {name}: it was not recorded")

        def command(*args: Any, **kwargs: Any) -> Any:
            from ._runtime.futures import CommandFuture

            return CommandFuture.settled()

        return command


@attrs.frozen
class Unknown:
    """Stands for a value of a class that this version of the SDK does not know."""

    kind: str


class Recording:
    """A recording that can be replayed.

    Args:
        path: The file.

    Attributes:
        header: With what it was made: `sdk`, `python`, `platform`, `started` (UTC), `content`.
        is_complete: As `ReplayResult.is_complete`.
        lines_left_out: As `ReplayResult.lines_left_out`.

    Raises:
        ClientConfigurationError: It is none, is broken, or was written by a newer version; the text says what to do.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._timings: dict[int, Mapping[str, Any]] = {}
        self._callbacks: list[Mapping[str, Any]] = []
        self.header: Mapping[str, Any] = {}
        self.is_complete = False
        self.lines_left_out = 0
        for number, line in self._lines():
            if number == 1:
                self.header = self._checked_header(line)
            else:
                self._sort_in(number, line)
        if not self.header:
            raise self._bad("is empty", "record again, and let the program run until something happens")

    def __len__(self) -> int:
        return len(self._callbacks)

    def check(self) -> None:
        """Read every value once, so that one that cannot be read is found before anybody was told anything.

        Raises:
            ClientConfigurationError: There is one.
        """
        for _ in self.callbacks():
            continue

    def callbacks(self) -> Iterator[ReplayedCallback]:
        """Every callback, in the order in which the delegate was told; the same every time."""
        decoder = _Decoder()
        for line in self._callbacks:
            timing = self._timings.get(line["number"])
            try:
                args = tuple(decoder.value(value) for value in line["args"])
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as exc:
                raise self._bad(f"is broken: callback {line['number']} cannot be read ({exc!r})", _AGAIN) from exc
            yield ReplayedCallback(
                line["name"],
                args,
                line["t"] / 1000,
                None if timing is None else max(0.0, timing["began"] - line["t"]) / 1000,
                None if timing is None else timing["took"] / 1000,
                None if timing is None else timing.get("raised"),
            )

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        try:
            with open(self._path, "rb") as file:
                for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
                    whole = line.endswith(b"\n") or len(line) == _LONGEST_LINE
                    try:
                        value = json.loads(line)
                    except (ValueError, RecursionError) as exc:
                        if not whole and number > 1:
                            return  # the program died in the middle of it
                        raise self._not_ours(number) from exc
                    if not isinstance(value, dict):
                        raise self._not_ours(number)
                    yield number, value
        except OSError as exc:
            raise self._bad(f"cannot be read: {exc.strerror or exc}", "give the path of a recording") from exc

    def _checked_header(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        schema = line.get("schema")
        if line.get("format") != FORMAT or not isinstance(schema, int):
            raise self._not_ours(1)
        if schema > SCHEMA:
            version = _printable(line.get("sdk"))
            raise self._bad(
                f"was written by telnyx-agent {version} in format {schema}; this version reads {SCHEMA}",
                "install that version or a newer one: pip install --upgrade telnyx-agent",
            )
        return MappingProxyType(dict(line))

    def _sort_in(self, number: int, line: dict[str, Any]) -> None:
        kind = line.get("type")
        try:
            if kind == "callback":
                _check(line, t=(int, float), number=int, name=str, args=list)
                if not (line["name"].startswith("on_") and line["name"].isidentifier()):
                    raise ValueError("a callback that is none")
                self._callbacks.append(line)
            elif kind == "called":
                _check(line, number=int, began=(int, float), took=(int, float))
                self._timings[line["number"]] = line
            elif kind == "left_out":
                _check(line, lines=int)
                self.lines_left_out += line["lines"]
            elif kind == "end":
                self.is_complete = True
        except ValueError as exc:
            raise self._bad(f"is broken: line {number} has {exc}", _AGAIN) from exc

    def _not_ours(self, number: int) -> ClientConfigurationError:
        if number == 1:
            return self._bad("is no recording of a session", "give a file that TxClient.record_session has written")
        return self._bad(f"is broken: line {number} is not a JSON object", _AGAIN)

    def _bad(self, what: str, advice: str) -> ClientConfigurationError:
        return ClientConfigurationError(f"{self._path} {what}; {advice}")


_AGAIN = "it was changed after it was recorded, so copy it again from where it was made, or remove what is wrong"


def replay(path: str | os.PathLike[str], delegate: object, *, speed: float | None = None) -> ReplayResult:
    """Tell a delegate everything that a recording has: the same arguments in the same order, every time.

    The delegate is called on this thread, and only where it has a method of that name. An exception that escapes a
    callback is reported as in a real session (to the logger `telnyx_agent.delegate`, or to stderr where logging is not
    set up), is in the result, and the next callback comes.

    Args:
        path: What `TxClient.record_session` wrote.
        delegate: A `TxClientDelegate` or any object with some of its methods.
        speed: How fast: 1.0 as it was, 2.0 twice as fast. None: without any pause.

    Raises:
        ClientConfigurationError: The file is no recording, is broken, or was written by a newer version; the delegate
            was told nothing. Or `speed` is not more than 0.
    """
    recording = Recording(path)
    recording.check()
    errors: list[tuple[str, BaseException]] = []
    # What reports the exceptions of callbacks in a real session does it here, too.
    pump = PumpDispatcher()

    def tell(callback: ReplayedCallback, method: Callable[..., object]) -> None:
        try:
            method(*callback.args)
        except Exception as exc:
            errors.append((callback.name, exc))
            raise

    for callback in paced(recording.callbacks(), speed):
        method = getattr(delegate, callback.name, None)
        if method is not None:
            pump.submit(functools.partial(tell, callback, method), callback.name)
            pump.process_events()
    return ReplayResult(len(recording), tuple(errors), recording.is_complete, recording.lines_left_out)


def paced(callbacks: Iterator[ReplayedCallback], speed: float | None) -> Iterator[ReplayedCallback]:
    """The callbacks, each when it is due.

    Raises:
        ClientConfigurationError: `speed` is not more than 0.
    """
    if speed is not None and not speed > 0:
        raise ClientConfigurationError(f"speed must be more than 0, not {speed!r}")
    start = time.monotonic()
    for callback in callbacks:
        if speed is not None:
            time.sleep(max(0.0, start + callback.time / speed - time.monotonic()))
        yield callback


# -- values ------------------------------------------------------------------------------------------------------------


class _Decoder:
    """Makes the values of one recording again, in order, from what `_flight.encoding.Encoder` made of them."""

    def __init__(self) -> None:
        self._items: dict[int, TranscriptionItem] = {}
        self._texts: dict[int, str] = {}
        self._transcript: tuple[TranscriptionItem, ...] = ()

    def value(self, value: Any) -> Any:
        """A value.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: It is not what an `Encoder` makes.
        """
        if isinstance(value, list):
            return tuple(self.value(one) for one in value)
        if not isinstance(value, dict):
            return value
        if _MASK in value:
            return _asterisks(value)
        kind = value["$"]
        known = _VALUES.get(kind)
        if known is not None:
            return known(value)
        if kind == "Call":
            return ReplayedCall(UUID(value["call_id"]), self.value(value.get("call_info")))
        if kind == "TranscriptionItem":
            return self._item(value)
        if kind == "item":
            return self._items[value["number"]]
        if kind == "transcript":
            return self._whole_transcript(value)
        return self._made(kind, {name: self.value(member) for name, member in value.items() if name != "$"})

    def _made(self, kind: str, members: dict[str, Any]) -> Any:
        found = _public_class(kind)
        if found is None:
            return Unknown(kind)
        if issubclass(found, enum.Enum):
            return found(members["value"])
        if issubclass(found, TxError):
            return found(members.pop("message"), **members)
        # What a newer version has added is left out.
        known = {field.alias for field in attrs.fields(cast(Any, found))}
        return found(**{name: member for name, member in members.items() if name in known})

    def _item(self, value: Mapping[str, Any]) -> TranscriptionItem:
        number = value["number"]
        members = {name: self.value(member) for name, member in value.items() if name not in _ITEMS_OWN}
        item = TranscriptionItem(
            content=self._content(number, value["content"]),
            timestamp=datetime.fromisoformat(value["timestamp"]) if "timestamp" in value else EPOCH,
            **members,
        )
        self._items[number] = item
        return item

    def _content(self, number: int, content: Any) -> str:
        if isinstance(content, dict) and "+" in content:
            text = self._texts[number] + str(content["+"])
        else:
            text = str(self.value(content))
        self._texts[number] = text
        return text

    def _whole_transcript(self, value: Mapping[str, Any]) -> tuple[TranscriptionItem, ...]:
        then = tuple(self.value(item) for item in value["then"])
        self._transcript = (*self._transcript[: value["keep"]], *then)
        return self._transcript


_ITEMS_OWN = frozenset({"$", "number", "content", "timestamp"})


def _public_class(kind: str) -> type | None:
    """A class that recordings may make: an enumeration, an error, a value."""
    for home in (telnyx_agent, audio, errors, events, quality):
        found = getattr(home, kind, None) if kind in home.__all__ else None
        if isinstance(found, type) and (issubclass(found, (enum.Enum, TxError)) or attrs.has(found)):
            return found
    return None


def _json(value: Any) -> Any:
    """JSON with masked members."""
    if isinstance(value, list):
        return [_json(one) for one in value]
    if isinstance(value, dict):
        return _asterisks(value) if _MASK in value else {name: _json(member) for name, member in value.items()}
    return value


_VALUES: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "UUID": lambda value: UUID(value["value"]),
    "datetime": lambda value: datetime.fromisoformat(value["value"]),
    "float": lambda value: float(value["value"]),
    "dict": lambda value: _json(value["value"]),
    "object": lambda value: Unknown(value["class"]),
}


_EMPTY: Mapping[str, Callable[[], Any]] = {"number": int, "object": dict, "list": list, "bytes": bytes}
_LONGEST_TEXT = 5 * 2**20


def _asterisks(mask: Mapping[str, Any]) -> Any:
    """What stands for a masked value: as long as it was, where it was a text; otherwise empty."""
    size = mask[_MASK]
    if isinstance(size, int):
        if not 0 <= size <= _LONGEST_TEXT:
            raise ValueError(f"a text of {size} characters")
        # What is JSON stays JSON: a delegate will want to decode it.
        return "{}".ljust(size) if mask.get("json") and size > 1 else _MASK * size
    return _EMPTY[size]()


def _printable(value: object) -> str:
    """For a terminal, which a file from somebody else must not steer."""
    return "".join(char for char in str(value)[:40] if char.isprintable())


def _check(line: Mapping[str, Any], **kinds: type | tuple[type, ...]) -> None:
    """Raises `ValueError` where a member is missing or of another kind."""
    for name, kind in kinds.items():
        if not isinstance(line.get(name), kind):
            raise ValueError(f"no {name} that can be used")
