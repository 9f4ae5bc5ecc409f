"""Turns what a user calls an image (path, bytes, base64, data URL, https URL) into the URL that goes on the wire.

Only the four types that vision models take are accepted, recognised by their first bytes and never by their file name
(`protocol.md` R48). Reads files; does nothing else.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from .errors import ClientConfigurationError

__all__ = ["DEFAULT_IMAGE_LIMIT", "ImageSource", "image_urls"]

ImageSource: TypeAlias = "str | bytes | bytearray | memoryview | os.PathLike[str]"

DEFAULT_IMAGE_LIMIT = 1 << 20
"""Most characters of one encoded image; the server's own limit is not published (R48)."""

_SIGNATURES = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"))
_TYPES = ("jpeg", "png", "gif", "webp")


def image_urls(images: Iterable[ImageSource], *, limit: int = DEFAULT_IMAGE_LIMIT) -> tuple[str, ...]:
    """The wire URL of each image.

    Args:
        images: Each a path (`Path`, or a string that names a file), the bytes of an image, a base64 string, a
            `data:image/...;base64,` URL or an `https://` URL.
        limit: Most characters of one encoded image; `https` URLs are not fetched and not limited by it.

    Raises:
        ClientConfigurationError: An image cannot be read, is of no supported type or is too large.
    """
    if isinstance(images, (str, bytes, bytearray, memoryview, os.PathLike)):
        images = (images,)
    return tuple(_image_url(image, limit) for image in images)


def _image_url(image: ImageSource, limit: int) -> str:
    if isinstance(image, os.PathLike):
        return _from_file(Path(image), limit)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(image), "the image", limit)
    if not isinstance(image, str):
        raise ClientConfigurationError(
            f"{type(image).__name__} is not an image; give a path, bytes, base64, a data URL or an https URL"
        )
    text = image.strip()
    if text.startswith("https://"):
        return text
    if text.startswith("http://"):
        raise ClientConfigurationError("an image URL must be https; http images are not fetched by the assistant")
    if text.startswith("data:"):
        return _from_data_url(text, limit)
    if len(text) < 4096 and _is_file(text):
        return _from_file(Path(text), limit)
    return _from_base64(text, limit)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a base64 text can be longer than a file name may be
        return False


def _from_file(path: Path, limit: int) -> str:
    try:
        size = path.stat().st_size
        # Base64 makes four characters of three bytes: no need to read a film to know that it is too large.
        _check_size(-(-size // 3) * 4, str(path), limit)
        data = path.read_bytes()
    except OSError as exc:
        raise ClientConfigurationError(f"the image {str(path)!r} cannot be read: {exc.strerror or exc}") from exc
    return _from_bytes(data, repr(str(path)), limit)


def _from_data_url(url: str, limit: int) -> str:
    header, comma, payload = url.partition(",")
    if not comma or not header.endswith(";base64") or not header.startswith("data:image/"):
        raise ClientConfigurationError("a data URL must look like 'data:image/png;base64,...'")
    if header[len("data:image/") : -len(";base64")].replace("jpg", "jpeg") not in _TYPES:
        raise ClientConfigurationError(f"{header[5:-7]} is not supported; use JPEG, PNG, GIF or WebP")
    _check_size(len(url), "the image", limit)
    _decode(payload)
    return url


def _from_base64(text: str, limit: int) -> str:
    _check_size(len(text), "the image", limit)
    return _from_bytes(_decode(text), "the base64 text", limit)


def _decode(payload: str) -> bytes:
    try:
        # Padding is often cut off on the way; the server does not mind either.
        return base64.b64decode(payload + "=" * (-len(payload) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ClientConfigurationError(
            "the image is neither a file that exists nor valid base64; "
            "give a path, bytes, base64, a data URL or an https URL"
        ) from exc


def _from_bytes(data: bytes, what: str, limit: int) -> str:
    kind = _sniff(data)
    if kind is None:
        raise ClientConfigurationError(f"{what} is not a JPEG, PNG, GIF or WebP image")
    encoded = base64.b64encode(data).decode("ascii")
    _check_size(len(encoded), what, limit)
    return f"data:image/{kind};base64,{encoded}"


def _sniff(data: bytes) -> str | None:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None


def _check_size(characters: int, what: str, limit: int) -> None:
    if characters > limit:
        raise ClientConfigurationError(
            f"{what} has {characters:,} characters when encoded, more than the limit of {limit:,}; "
            "make it smaller (JPEG at quality 80, 1024 pixels wide is plenty) or raise the limit"
        )
