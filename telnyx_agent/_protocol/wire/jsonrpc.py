"""The envelope: text to `Request`, `Result` or `ErrorReply`, and back.

Rules of this file:

1. Whatever arrives, the worst that happens is a `RemoteProtocolError`, whose text never quotes the frame, as it is
   logged.
2. What a frame is follows from its members: `error`, else `result`, else `method` (R5). Ids keep their JSON type (R4).
3. `jsonrpc` is not looked at: the official SDKs do not either, and Telnyx's own tests leave it out.
4. A reply is one whatever its form: somebody waits for it. A result that is no object says that the request was done,
   and no more; an error that is no object, that it was refused.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from ...errors import RemoteProtocolError
from .._frozen import frozen
from .fields import MOST_CHARACTERS, plain

__all__ = [
    "MAX_DEPTH",
    "MAX_SIZE",
    "MOST_FRAMES",
    "MOST_ID_CHARACTERS",
    "MOST_STRUCTURE",
    "MOST_VOICE_SDK_ID_CHARACTERS",
    "ErrorReply",
    "Message",
    "Request",
    "RequestId",
    "Result",
    "classify",
    "decode",
    "decode_frames",
    "encode",
]

MAX_SIZE = 5 * 2**20
"""Characters of the longest frame that is looked at. The longest real ones carry images and stay below 2 MB."""

MAX_DEPTH = 64
"""Deepest nesting. Real frames stay below ten; the limit keeps all that walks a frame later from recursing too deep."""

MOST_STRUCTURE = 32_768
"""How many of `{ [ , :` a message may have, those inside of its texts included. Each value of JSON takes one of them,
and up to a hundred times its characters in memory: without this bound 5 MB of `[{},{},...` would take 130 MB and the
loop a second. Two megabytes of prose have as many commas; real frames have a hundred."""

MOST_FRAMES = 100
"""Frames in one batch (S21). Real ones have one; a batch is worked on in parts, but it is decoded in one go."""

MOST_ID_CHARACTERS = 128
"""Characters of an id that is a text. It goes back in the acknowledgement and is remembered; UUIDs have 36."""

MOST_VOICE_SDK_ID_CHARACTERS = 512
"""Characters of a `voice_sdk_id`; a longer one counts as none. It is kept, and goes into frames and URLs of ours;
captured ones have about 40 (R3)."""

_MAX_DIGITS = 20
_MAX_NUMBER = 10**_MAX_DIGITS
_MAX_FLOAT_CHARACTERS = 40

RequestId = str | float


@frozen
class Request:
    """A request of the server's, or a notification if there is no id."""

    method: str
    params: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    id: RequestId | None = None
    voice_sdk_id: str | None = attrs.field(default=None, repr=False)


@frozen
class Result:
    """The server's answer to a request of ours."""

    id: RequestId | None
    result: Mapping[str, Any] = attrs.field(repr=False)
    voice_sdk_id: str | None = attrs.field(default=None, repr=False)


@frozen
class ErrorReply:
    """The server's refusal of a request of ours.

    Attributes:
        id: The request's.
        code: A number, or a text from legacy servers; -1 if there is none.
        message: One line of at most `MOST_CHARACTERS`; may be empty.
        data: All further members of the error object, and those of its `data`.
        voice_sdk_id: As in every frame.
    """

    id: RequestId | None
    code: int | str
    message: str
    data: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    voice_sdk_id: str | None = attrs.field(default=None, repr=False)


Message = Request | Result | ErrorReply


def encode(frame: Mapping[str, Any]) -> str:
    """A frame as text. Never fails for what the builders of `requests` make."""
    text = json.dumps(frame, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Lone surrogates (from file names, say) cannot go over a WebSocket.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def decode(text: str | bytes, *, max_size: int = MAX_SIZE) -> Message:
    """The one message in `text`.

    Raises:
        RemoteProtocolError: It is not one, or not one that is safe to work with.
    """
    frames = decode_frames(text, max_size=max_size)
    if len(frames) != 1:
        raise RemoteProtocolError("a batch of frames where one was expected")
    return classify(frames[0])


def decode_frames(text: str | bytes, *, max_size: int = MAX_SIZE) -> Sequence[Mapping[str, Any]]:
    """The JSON objects in `text`: one, or those of an array (S21).

    Raises:
        RemoteProtocolError: Binary, too long, too deep, too many values or frames, not JSON, or not objects.
    """
    if not isinstance(text, str):
        raise RemoteProtocolError("a binary frame; only text frames are known")
    if len(text) > max_size:
        raise RemoteProtocolError(f"a frame of more than {max_size} characters")
    if len(text) > MOST_STRUCTURE and sum(map(text.count, "{[,:")) > MOST_STRUCTURE:
        raise RemoteProtocolError(f"a message of more than {MOST_STRUCTURE} values")
    # Before it is decoded: the decoder would recurse to Python's limit, and what is finalised meanwhile would fail.
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(text)
    try:
        value = _decode(text)
    except ValueError as exc:
        # The decoder's own message tells the position; its `doc` attribute would hold on to the frame, hence no cause.
        where = f" (at character {exc.pos})" if isinstance(exc, json.JSONDecodeError) else ""
        raise RemoteProtocolError(f"a frame that is not JSON{where}") from None
    if isinstance(value, dict):
        return (value,)
    frames = value if isinstance(value, list) else []
    if len(frames) > MOST_FRAMES:
        raise RemoteProtocolError(f"a batch of more than {MOST_FRAMES} frames")
    if not frames or not all(isinstance(frame, dict) for frame in frames):
        raise RemoteProtocolError("a frame that is not a JSON object")
    return frames


def classify(frame: Mapping[str, Any]) -> Message:
    """What a decoded frame is.

    Raises:
        RemoteProtocolError: It is neither request nor reply, or a member has a wrong type.
    """
    error = frame.get("error")
    if error is False:
        error = None
    request_id = _id(frame.get("id"), is_error=error is not None)
    voice_sdk_id = frame.get("voice_sdk_id")
    if not isinstance(voice_sdk_id, str) or not _is_token(voice_sdk_id):
        voice_sdk_id = None
    if error is not None:
        return _error_reply(request_id, error, voice_sdk_id)
    if "result" in frame:
        return _reply(request_id, frame["result"], voice_sdk_id)
    method = frame.get("method")
    if not isinstance(method, str) or not method:
        raise RemoteProtocolError("a frame with neither a method nor a result")
    params = frame.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise RemoteProtocolError("a request whose params are not an object")
    return Request(method, params, request_id, voice_sdk_id)


@functools.lru_cache(maxsize=8)  # nearly every frame of a server has the same one
def _is_token(text: str) -> bool:
    """Whether this can go into a URL and into frames of ours."""
    return 0 < len(text) <= MOST_VOICE_SDK_ID_CHARACTERS and text.isascii() and text.isprintable()


def _id(value: object, *, is_error: bool) -> RequestId | None:
    if is_error and (not value or not isinstance(value, (str, int, float))):
        # Whatever stands in the place of null (0, "", a list) names no request of ours.
        return None
    if isinstance(value, str) and len(value) > MOST_ID_CHARACTERS:
        raise RemoteProtocolError(f"a frame whose id has more than {MOST_ID_CHARACTERS} characters")
    if isinstance(value, int) and abs(value) > _MAX_NUMBER:
        raise RemoteProtocolError("a frame whose id is a number that is out of range")
    if value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool)):
        return value
    raise RemoteProtocolError("a frame whose id is neither a text nor a number")


def _reply(request_id: RequestId | None, result: object, voice_sdk_id: str | None) -> Message:
    """A result; legacy servers wrap it once or more, with a code that may make it an error (protocol.md 1.4)."""
    if not isinstance(result, dict):
        result = {}
    while isinstance(wrapped := result.get("result"), dict):
        if wrapped.get("code") not in (None, "", "200", 200):
            return _error_reply(request_id, wrapped, voice_sdk_id)
        inner = wrapped.get("result")
        result = inner if isinstance(inner, dict) else wrapped
    return Result(request_id, result, voice_sdk_id)


def _error_reply(request_id: RequestId | None, error: object, voice_sdk_id: str | None) -> ErrorReply:
    if not isinstance(error, dict):
        return ErrorReply(request_id, -1, _words(error), {}, voice_sdk_id)
    code, message = error.get("code"), error.get("message")
    data = {name: value for name, value in error.items() if name not in ("code", "message", "data")}
    # JSON-RPC's place for details is `data`; verto's is beside the message (S9).
    if isinstance(error.get("data"), dict):
        data = {**error["data"], **data}
    return ErrorReply(
        request_id,
        code if isinstance(code, int) and not isinstance(code, bool) else _words(code) or -1,
        _words(message),
        data,
        voice_sdk_id,
    )


def _words(value: object) -> str:
    return plain(value[:MOST_CHARACTERS]) if isinstance(value, str) else ""


# -- what the JSON decoder must not let through ------------------------------------------------------------------------


def _finite(text: str) -> float:
    if len(text) > _MAX_FLOAT_CHARACTERS:
        raise ValueError("a number that is out of range")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number that is out of range")
    return number


def _integer(text: str) -> int:
    # Converting digits takes quadratic time; no real number on this protocol has more than twenty.
    if len(text) > _MAX_DIGITS:
        raise ValueError("a number that is out of range")
    return int(text)


def _no_constant(text: str) -> float:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_int=_integer, parse_constant=_no_constant)

# In a text as short as nearly all are no number is long enough to take time, and to convert them in C is worth a tenth
# of a frame.
_SHORT = 4096
_SHORT_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)
_SCAN: Callable[[str, int], tuple[Any, int]] = _SHORT_DECODER.scan_once  # type: ignore[attr-defined]


def _decode(text: str) -> object:
    """As `_DECODER.decode`, which looks for white space with two regular expressions around each frame."""
    if len(text) > _SHORT or not text.startswith("{"):
        return _DECODER.decode(text)
    try:
        value, end = _SCAN(text, 0)
    except StopIteration as stop:
        raise json.JSONDecodeError("Expecting value", text, stop.value) from None
    if end != len(text) and text[end:].strip(" \t\n\r"):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


_BRACKETS = re.compile(r"[\[\]{}]")


def _check_depth(text: str) -> None:
    """Refuse what is nested too deep. What is no JSON is left to the decoder, which comes no deeper."""
    bare = text.replace("\\\\", "").replace('\\"', "")
    if bare.count('"') > 2 * (MOST_STRUCTURE + 1):
        raise RemoteProtocolError("a frame that is not JSON (more strings than values)")
    depth = 0
    for bracket in _BRACKETS.finditer("".join(bare.split('"')[::2])):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            raise RemoteProtocolError(f"a frame that is nested more than {MAX_DEPTH} levels deep")
        if depth < 0:
            return
