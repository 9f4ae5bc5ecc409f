"""`FrameDecoder`: from a stream of bytes to whole WebSocket messages (RFC 6455). Pure: it reads from no socket.

In place of websocket-client's own, which takes each frame with half a dozen small reads, at four times the cost, and
collects a payload of any length.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator

import attrs

from .send_queue import Opcode

__all__ = ["MOST_DECLARED", "BadFrameError", "ControlFrame", "FrameDecoder", "TooLong"]

_FINAL = 0x80
_WHOLE_TEXT = _FINAL | Opcode.TEXT  # the first byte of nearly all frames
_RESERVED = 0x70
_MASKED = 0x80
_OPCODES = frozenset(Opcode)
_LONGEST_CONTROL = 125
_OBJECT = sys.getsizeof("ä") + 1  # what a text takes beside its characters

MOST_DECLARED = 64 * 2**20
"""Bytes that one frame may say it has. What is longer than a message may be is skipped, so that the call goes on; but
nothing else gets through meanwhile, so what would take seconds on any network ends the connection."""

# What may stand in a close frame (section 7.4), and what has been registered since.
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})


class BadFrameError(Exception):
    """The server sent what WebSocket does not allow, or too much of it.

    Attributes:
        code: For the close frame that says so.
        text: What was wrong, without anything of the frame.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@attrs.frozen
class ControlFrame:
    """A ping, a pong or a close."""

    opcode: int
    payload: bytes = attrs.field(repr=False)


@attrs.frozen
class TooLong:
    """Stands for a message that was skipped: it has more than `limit` bytes, or would take more than twice as many
    here.
    """

    limit: int


class FrameDecoder:
    """Decodes what a server sends. It is not used again after it has raised.

    Args:
        limit: Bytes of the longest message, in one frame or in several. The bytes of a longer message are not kept;
            `TooLong` comes instead of it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        # The message whose fragments are coming in; None between two messages.
        self._kind: int | None = None
        self._fragments = bytearray()
        # Whether that message is longer than the limit, and how many bytes of its present frame are still to come.
        self._is_too_long = False
        self._to_skip = 0

    @property
    def held(self) -> int:
        """Bytes that are kept until the rest of their frame or message comes."""
        return len(self._buffer) + len(self._fragments)

    def feed(self, data: bytes) -> Iterator[str | bytes | ControlFrame | TooLong]:
        """What is complete with these bytes: texts, binary messages and control frames, in the order of the stream.

        To be taken to its end before more is fed.

        Raises:
            BadFrameError: After everything that came before the bad frame.
        """
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        try:
            while end - at >= 2:
                first, length = buffer[at], buffer[at + 1]
                begin = at + 2
                if length == 126:
                    begin += 2
                    if begin > end:
                        return
                    length = buffer[at + 2] << 8 | buffer[at + 3]
                elif length >= 127:
                    if length & _MASKED:
                        raise BadFrameError(1002, "a masked frame")
                    begin += 8
                    if begin > end:
                        return
                    length = int.from_bytes(buffer[at + 2 : begin], "big")
                # Before the payload has come, so that the bytes of a refused frame are not kept.
                if first != _WHOLE_TEXT or self._kind is not None:
                    self._check(first, length)
                if length > MOST_DECLARED:
                    raise BadFrameError(1009, f"a frame of more than {MOST_DECLARED} bytes")
                if self._exceeds(first, length):
                    at = min(begin + length, end)
                    self._to_skip = begin + length - at
                    if self._skip(first):
                        yield TooLong(self._limit)
                    continue
                if begin + length > end:
                    return
                at = begin + length
                if first == _WHOLE_TEXT:
                    yield self._text(buffer[begin:at])
                else:
                    yield from self._other(first, bytes(buffer[begin:at]))
        finally:
            del buffer[:at]

    def _exceeds(self, first: int, length: int) -> bool:
        """Whether the message that this frame is of is longer than a message may be."""
        if first & 0x0F >= Opcode.CLOSE:
            return False
        return self._is_too_long or len(self._fragments) + length > self._limit

    def _skip(self, first: int) -> bool:
        """Forget the message that this frame is of; whether it was its last frame."""
        self._fragments = bytearray()
        self._is_too_long = not first & _FINAL
        self._kind = first & 0x0F if self._is_too_long else None
        return not self._is_too_long

    def _check(self, first: int, length: int) -> None:
        """What only rare frames can break: whole texts with no message open come past this."""
        opcode = first & 0x0F
        if first & _RESERVED or opcode not in _OPCODES:
            raise BadFrameError(1002, "a frame that is no WebSocket frame")
        if opcode >= Opcode.CLOSE:
            if length > _LONGEST_CONTROL:
                raise BadFrameError(1002, f"a control frame of more than {_LONGEST_CONTROL} bytes")
            if not first & _FINAL:
                raise BadFrameError(1002, "a control frame in fragments")
        elif (self._kind is None) == (opcode == Opcode.CONTINUATION):
            raise BadFrameError(1002, "a fragment without its message, or a message inside another")

    def _other(self, first: int, payload: bytes) -> Iterator[str | bytes | ControlFrame | TooLong]:
        """A control frame, a binary message, or a fragment."""
        opcode = first & 0x0F
        if opcode >= Opcode.CLOSE:
            if opcode == Opcode.CLOSE and payload:
                _check_close(payload)
            yield ControlFrame(opcode, payload)
            return
        self._fragments += payload
        kind = self._kind = opcode if self._kind is None else self._kind
        if first & _FINAL:
            message, self._kind, self._fragments = self._fragments, None, bytearray()
            yield self._text(message) if kind == Opcode.TEXT else bytes(message)

    def _text(self, data: bytearray) -> str | TooLong:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = None
        if text is None:
            # Not where the decoder's error, which carries the message, would be its context.
            raise BadFrameError(1007, "a text that is not UTF-8")
        # One emoji in a long text makes Python keep four bytes for each of its characters.
        return text if text.isascii() or sys.getsizeof(text) <= 2 * self._limit + _OBJECT else TooLong(self._limit)


def _check_close(payload: bytes) -> None:
    if len(payload) < 2 or struct.unpack("!H", payload[:2])[0] not in _CLOSE_CODES:
        raise BadFrameError(1002, "a close frame without a code that may be sent")
