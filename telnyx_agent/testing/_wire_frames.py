"""WebSocket frames as bytes: taken apart, changed, put together. PURE; for `FaultProxy`, which sits on the wire."""

from __future__ import annotations

import struct

import attrs

__all__ = ["CLOSE", "TEXT", "FrameSplitter", "WireFrame", "without_extensions"]

CONTINUATION, TEXT, BINARY, CLOSE = 0, 1, 2, 8

_HEAD_END = b"\r\n\r\n"


@attrs.frozen
class WireFrame:
    """One frame.

    Attributes:
        opcode: See the constants.
        payload: Without its mask.
        fin: Whether it is the last of its message.
        mask: The four bytes with which clients mask; None for frames of servers.
        reserved: The three reserved bits, as they stand in the first byte (0x70).
    """

    opcode: int
    payload: bytes
    fin: bool = True
    mask: bytes | None = None
    reserved: int = 0

    @property
    def is_data(self) -> bool:
        """Whether it carries a message, or a part of one."""
        return self.opcode in (CONTINUATION, TEXT, BINARY)

    @property
    def text(self) -> str | None:
        """The whole text message that it is; None for anything else."""
        if self.opcode != TEXT or not self.fin:
            return None
        return self.payload.decode("utf-8", "replace")

    def encode(self) -> bytes:
        """As bytes."""
        size = len(self.payload)
        masked = 0x80 if self.mask is not None else 0
        head = bytes([(0x80 if self.fin else 0) | self.reserved | self.opcode])
        if size < 126:
            head += bytes([masked | size])
        elif size < 1 << 16:
            head += struct.pack("!BH", masked | 126, size)
        else:
            head += struct.pack("!BQ", masked | 127, size)
        if self.mask is None:
            return head + self.payload
        return head + self.mask + _masked(self.payload, self.mask)


class FrameSplitter:
    """Cuts what one side of a WebSocket sends: first the head of the upgrade, then frames.

    What is no WebSocket (an answer with another status, say) is never cut and comes out as `rest` when the stream ends.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0
        self._head_seen = False

    @property
    def rest(self) -> bytes:
        """What has not become a frame."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes | WireFrame]:
        """What is complete now: the head as bytes, everything after it as frames."""
        self._buffer += data
        found: list[bytes | WireFrame] = []
        if not self._head_seen:
            end = self._buffer.find(_HEAD_END)
            if end < 0:
                return found
            end += len(_HEAD_END)
            found.append(bytes(self._buffer[:end]))
            del self._buffer[:end]
            self._head_seen = True
        while len(self._buffer) >= self._needed and (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> WireFrame | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        start, size = 2, buffer[1] & 0x7F
        if size == 126:
            start, size = 4, int.from_bytes(buffer[2:4], "big")
        elif size == 127:
            start, size = 10, int.from_bytes(buffer[2:10], "big")
        mask_size = 4 if buffer[1] & 0x80 else 0
        end = start + mask_size + size
        if len(buffer) < start or len(buffer) < end:
            # Not looked at again before it is complete: a long frame comes in many pieces.
            self._needed = end if len(buffer) >= start else 0
            return None
        self._needed = 0
        mask = bytes(buffer[start : start + mask_size]) or None
        payload = bytes(buffer[start + mask_size : end])
        frame = WireFrame(
            opcode=buffer[0] & 0x0F,
            payload=payload if mask is None else _masked(payload, mask),
            fin=bool(buffer[0] & 0x80),
            mask=mask,
            reserved=buffer[0] & 0x70,
        )
        del buffer[:end]
        return frame


def without_extensions(head: bytes) -> bytes:
    """The head of an upgrade without the offer to compress, so that frames stay readable."""
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"sec-websocket-extensions:"))


def _masked(data: bytes, mask: bytes) -> bytes:
    """Masking and unmasking are the same."""
    size = len(data)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")
