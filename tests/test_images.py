"""Images on their way to the wire: what is taken, what is refused, and that refusals say why."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from telnyx_agent import ClientConfigurationError
from telnyx_agent._images import image_urls

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
GIF = b"GIF89a" + bytes(20)
WEBP = b"RIFF\x00\x00\x00\x00WEBP" + bytes(20)


@pytest.mark.parametrize(
    ("data", "kind"), [(PNG, "png"), (JPEG, "jpeg"), (GIF, "gif"), (WEBP, "webp")], ids=["png", "jpeg", "gif", "webp"]
)
def test_the_type_is_found_in_the_bytes(data: bytes, kind: str, tmp_path: Path) -> None:
    """Bytes, base64, path and path text of one image all give the same data URL, whatever the file is called."""
    path = tmp_path / "image.txt"
    path.write_bytes(data)
    text = base64.b64encode(data).decode()

    urls = image_urls([data, bytearray(data), memoryview(data), text, text.rstrip("="), path, str(path)])

    assert set(urls) == {f"data:image/{kind};base64,{text}"}


def test_urls_are_kept() -> None:
    """https and data URLs go out as they are."""
    data_url = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD"

    assert image_urls(["https://host/x.png", data_url]) == ("https://host/x.png", data_url)


def test_one_image_need_not_be_in_a_list() -> None:
    """A single path or URL is taken as one image, not as a sequence of letters."""
    assert image_urls("https://host/x.png") == ("https://host/x.png",)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("http://host/x.png", "https"),
        ("no such file.png", "neither a file"),
        (Path("no-such-file.png"), "cannot be read"),
        (b"hello", "JPEG, PNG, GIF or WebP"),
        (base64.b64encode(b"hello world").decode(), "JPEG, PNG, GIF or WebP"),
        ("data:image/svg+xml;base64,AAAA", "svg"),
        ("data:text/html,hello", "data URL"),
        ("data:image/png;base64,%%%", "base64"),
        (42, "int"),
        ("", "JPEG"),
    ],
)
def test_what_is_no_image_is_refused(image: object, said: str) -> None:
    """The refusal says what is wrong with it."""
    with pytest.raises(ClientConfigurationError, match=said):
        image_urls([image])  # type: ignore[list-item]


def test_large_images_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """The limit counts encoded characters, and a huge file is refused by its size alone."""
    path = tmp_path / "film.png"
    with path.open("wb") as file:
        file.truncate(1 << 30)

    for image in (path, PNG + bytes(1 << 20), "data:image/png;base64," + "A" * (1 << 20)):
        with pytest.raises(ClientConfigurationError, match="limit of 1,048,576"):
            image_urls([image])
    assert image_urls([PNG + bytes(1 << 20)], limit=2 << 20)
