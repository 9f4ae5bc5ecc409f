"""Turns what a user calls an image (path, bytes, base64, data URL, https URL) into the URL that goes on the wire.

Only the four types that vision models take are accepted, recognised by their first bytes and never by their file name
(`protocol.md` R48). Reads files; does nothing else.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

import attrs

from ._arguments import is_text, plain
from .errors import ClientConfigurationError

__all__ = ["DEFAULT_IMAGE_LIMIT", "ImageSource", "image_urls"]

ImageSource: TypeAlias = "str | bytes | bytearray | memoryview | os.PathLike[str]"

DEFAULT_IMAGE_LIMIT = 1 << 20
"""Most characters of one encoded image; the server's own limit is not published (R48)."""

_SIGNATURES = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"))
_TYPES = ("jpeg", "png", "gif", "webp")


def image_urls(
    images: Iterable[ImageSource], *, limit: int = DEFAULT_IMAGE_LIMIT, name: str = "images"
) -> tuple[str, ...]:
    """The wire URL of each image.

    Args:
        images: Each a path (`Path`, or a string that names a file), the bytes of an image, a base64 string, a
            `data:image/...;base64,` URL or an `https://` URL. Base64 may have line breaks, lack its padding, and be
            that of URLs (`-` and `_`).
        limit: Most characters of one encoded image; `https` URLs are not fetched and not limited by it.
        name: The argument, for errors.

    Raises:
        ClientConfigurationError: An image cannot be read, is of no supported type or is too large; the text says which
            one.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ClientConfigurationError(f"image_limit must be a number of characters, at least 1, not {limit!r}")
    if isinstance(images, (str, bytes, bytearray, memoryview, os.PathLike)):
        return (_Image(name, limit).url(images),)
    if images is None or not isinstance(images, Iterable) or hasattr(images, "read"):
        raise ClientConfigurationError(f"{name} must be a list of images, not {_kind(images)}; {_WANTED}")
    return tuple(_Image(f"{name}[{number}]", limit).url(image) for number, image in enumerate(images))


_WANTED = "give a path, bytes, base64, a data URL or an https URL"


def _kind(value: object) -> str:
    """What somebody has given in place of an image, with what to do about it where that is known."""
    kind = type(value).__name__
    if value is None:
        return "None"
    if callable(getattr(value, "read", None)):
        return f"a file ({kind}; give what its read() returns)"
    if callable(getattr(value, "save", None)) and callable(getattr(value, "tobytes", None)):
        return f"a picture in memory ({kind}; save it as PNG or JPEG into an io.BytesIO and give its getvalue())"
    return kind


@attrs.frozen
class _Image:
    """One image that was given.

    Attributes:
        name: Which one, for errors.
        limit: Most characters when encoded.
    """

    name: str
    limit: int

    def url(self, image: ImageSource) -> str:
        """What goes on the wire."""
        if isinstance(image, os.PathLike):
            return self._from_file(Path(os.fsdecode(image)))
        if isinstance(image, (bytes, bytearray, memoryview)):
            return self._from_bytes(bytes(image), "")
        if not is_text(image):
            raise self._error(f"{_kind(image)} is not an image; {_WANTED}")
        text: str = plain(image).strip()
        scheme = text[:8].lower()
        if scheme == "https://":
            if _NOT_IN_URL.search(text) is not None:
                raise self._error("the URL has a blank, a line break or another control character in it")
            return text
        if scheme.startswith("http://"):
            raise self._error("an image URL must be https; http images are not fetched by the assistant")
        if scheme.startswith("file:"):
            raise self._error("a file is given by its path, not by a URL")
        if scheme.startswith("data:"):
            return self._from_data_url(text)
        if not text:
            raise self._error("the text is empty; give a JPEG, PNG, GIF or WebP image")
        if len(text) < _LONGEST_PATH and _exists(text):
            return self._from_file(Path(text))
        return self._from_base64(text)

    def _from_file(self, path: Path) -> str:
        try:
            found = path.stat()
            if stat.S_ISDIR(found.st_mode):
                raise self._error(f"{str(path)!r} is a directory")
            if not stat.S_ISREG(found.st_mode):
                # Reading a pipe or a device may take for ever.
                raise self._error(f"{str(path)!r} is no regular file")
            # Base64 makes four characters of three bytes: no need to read a film to know that it is too large.
            self._check_size(-(-found.st_size // 3) * 4, repr(str(path)))
            with path.open("rb") as file:
                data = file.read(self.limit + 1)  # it may grow meanwhile
        except (OSError, ValueError) as exc:
            why = getattr(exc, "strerror", None) or exc
            raise self._error(f"{str(path)!r} cannot be read: {why}") from exc
        return self._from_bytes(data, repr(str(path)))

    def _from_data_url(self, url: str) -> str:
        header, comma, payload = url.partition(",")
        kind, *others = header[len("data:") :].lower().split(";")
        if not comma or "base64" not in (one.strip() for one in others) or not kind.startswith("image/"):
            raise self._error("a data URL must look like 'data:image/png;base64,...'")
        declared = kind[len("image/") :].strip().replace("jpg", "jpeg")
        if declared not in _TYPES:
            raise self._error(f"image/{declared} is not supported; use JPEG, PNG, GIF or WebP")
        self._check_size(len(url), "the data URL")
        clean = _clean(unquote(payload) if "%" in payload else payload)
        data = _decoded(clean)
        if data is None:
            raise self._error("the data URL holds no valid base64")
        if not data:
            raise self._error("the data URL holds no image: it is empty")
        # As it was given, where that can be: with its padding, or without.
        return url if clean == payload.rstrip("=") else f"data:image/{declared};base64,{clean}{'=' * (-len(clean) % 4)}"

    def _from_base64(self, text: str) -> str:
        self._check_size(len(text), "the base64 text")
        data = _decoded(_clean(text))
        # A text that may be a name is shown; of one that may be a picture nothing is.
        shown = repr(text) if len(text) <= 255 and text.isprintable() else "the text"
        if data is None:
            raise self._error(f"{shown} is neither a file that exists nor valid base64; {_WANTED}")
        if _sniff(data) is None:
            raise self._error(f"{shown} is neither a file that exists nor a JPEG, PNG, GIF or WebP image in base64")
        return self._from_bytes(data, "the base64 text")

    def _from_bytes(self, data: bytes, what: str) -> str:
        subject = what or "it"
        if not data:
            raise self._error(f"{subject} is empty")
        kind = _sniff(data)
        if kind is None and data.isascii():
            # Base64 that was read from a file, or came with a request, is often bytes.
            data = _decoded(_clean(data.decode("ascii"))) or b""
            kind = _sniff(data)
        if kind is None:
            raise self._error(f"{subject} is not a JPEG, PNG, GIF or WebP image")
        encoded = base64.b64encode(data).decode("ascii")
        self._check_size(len(encoded), subject)
        return f"data:image/{kind};base64,{encoded}"

    def _check_size(self, characters: int, what: str) -> None:
        if characters > self.limit:
            raise self._error(
                f"{what} has {characters:,} characters when encoded, more than the limit of {self.limit:,}; "
                "make it smaller (JPEG at quality 80, 1024 pixels wide is plenty) or raise the limit"
            )

    def _error(self, why: str) -> ClientConfigurationError:
        return ClientConfigurationError(f"{self.name}: {why}")


_LONGEST_PATH = 4096
_NOT_IN_URL = re.compile(r"[\s\x00-\x1f\x7f\ud800-\udfff]")
_FROM_URLS = str.maketrans("-_", "+/")


def _clean(payload: str) -> str:
    """Base64 as it is found - with line breaks, in the alphabet of URLs - without padding."""
    return "".join(payload.split()).translate(_FROM_URLS).rstrip("=")


def _decoded(clean: str) -> bytes | None:
    """The bytes; None if it is no base64."""
    try:
        return base64.b64decode(clean + "=" * (-len(clean) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # a base64 text can be longer than a file name may be
        return False


def _sniff(data: bytes) -> str | None:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None
