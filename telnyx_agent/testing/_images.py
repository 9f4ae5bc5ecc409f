"""What can be said about an image without looking at it: its type and size. Pure."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Sequence
from urllib.parse import urlsplit

__all__ = ["describe_images"]

_DATA_URL = re.compile(r"^data:image/(?P<kind>[\w.+-]+);base64,(?P<data>.*)$", re.DOTALL)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def describe_images(urls: Sequence[str]) -> str:
    """One sentence for the agent to say, such as `"I see one png image, 64 by 48 pixels."`."""
    kinds = [_kind(url) for url in urls]
    count = _NUMBERS[len(urls)] if len(urls) < len(_NUMBERS) else str(len(urls))
    if len(urls) == 1:
        return f"I see {count} {kinds[0]} image{_size(urls[0])}."
    names = ", ".join(f"{kind}{_size(url)}" for kind, url in zip(kinds, urls, strict=True))
    return f"I see {count} images: {names}."


def _kind(url: str) -> str:
    match = _DATA_URL.match(url)
    if match is not None:
        return match["kind"].lower()
    suffix = urlsplit(url).path.rpartition(".")[2].lower()
    return {"jpg": "jpeg"}.get(suffix, suffix) if suffix in ("png", "jpg", "jpeg", "gif", "webp") else "linked"


def _size(url: str) -> str:
    match = _DATA_URL.match(url)
    if match is None:
        return ""
    try:
        data = base64.b64decode(match["data"], validate=True)
    except (binascii.Error, ValueError):
        return " that cannot be decoded"
    pixels = _pixels(data)
    if pixels is not None:
        return f", {pixels[0]} by {pixels[1]} pixels"
    return f", {max(1, round(len(data) / 1000))} kilobytes"


def _pixels(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header of a PNG, GIF or JPEG."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return int(width), int(height)
    if data.startswith((b"GIF87a", b"GIF89a")) and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return int(width), int(height)
    position = 2
    while data.startswith(b"\xff\xd8") and position + 9 <= len(data):
        marker, length = struct.unpack(">HH", data[position : position + 4])
        if 0xFFC0 <= marker <= 0xFFCF and marker not in (0xFFC4, 0xFFC8, 0xFFCC):
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return int(width), int(height)
        position += 2 + length
    return None
