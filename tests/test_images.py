"""Images on their way to the wire: what is taken, what is refused, and that refusals say why."""

from __future__ import annotations

import base64
import io
import os
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


def wrapped(text: str, width: int = 76) -> str:
    """With line breaks, as `base64.encodebytes` and e-mails have it."""
    return "\r\n".join(text[start : start + width] for start in range(0, len(text), width)) + "\n"


def test_base64_as_it_is_found() -> None:
    """With line breaks and blanks, without padding, of URLs, as bytes, in a data URL of any spelling."""
    data = PNG + bytes(range(256)) * 2 + b"\xfb\xff"
    text = base64.b64encode(data).decode()
    urls = base64.urlsafe_b64encode(data).decode()
    assert "+" in text
    wanted = f"data:image/png;base64,{text}"
    given: list[str | bytes] = [
        wrapped(text),
        f"  {text}\n",
        urls,
        wrapped(urls.rstrip("=")),
        text.encode(),
        wrapped(text).encode(),
    ]
    given += [f"data:image/png;base64,{wrapped(text)}", f"DATA:image/PNG;charset=utf-8;base64,{urls}"]
    given += [f"data:image/png;base64,{text.replace('+', '%2B').replace('=', '%3D')}", wanted]
    assert image_urls(given) == (wanted,) * len(given)
    assert image_urls(wrapped(text)) == (wanted,)


def test_each_refusal_says_which_image_and_why(tmp_path: Path) -> None:
    """By its place in the list, and by the name of its file."""
    empty = tmp_path / "empty.png"
    empty.touch()
    fifo = tmp_path / "fifo.png"
    os.mkfifo(fifo)
    for image, why in (
        ("missing.jpg", "'missing.jpg' is neither a file that exists"),
        ("holiday/missing", "'holiday/missing' is neither a file that exists"),
        (Path("missing.jpg"), "'missing.jpg' cannot be read: No such file"),
        (tmp_path, f"'{tmp_path}' is a directory"),
        (str(tmp_path), f"'{tmp_path}' is a directory"),
        (empty, f"'{empty}' is empty"),
        (str(empty), f"'{empty}' is empty"),
        (fifo, f"'{fifo}' is no regular file"),
        ("/dev/zero", "'/dev/zero' is no regular file"),
        (b"", "it is empty"),
        (memoryview(b""), "it is empty"),
        ("", "the text is empty"),
        (None, "None is not an image"),
        (7, "int is not an image"),
        (["x"], "list is not an image"),
        (io.BytesIO(PNG), "give what its read() returns"),
        (Picture(), "save it as PNG or JPEG"),
        ("data:image/png;base64,", "it is empty"),
        ("data:image/png,AAAA", "a data URL must look like"),
        ("https://host/a b.png", "the URL has a blank"),
        ("file:///tmp/x.png", "by its path"),
        ("x\x00.png", "neither a file"),
        ("A" * 5000, "the text is neither a file"),
    ):
        with pytest.raises(ClientConfigurationError) as caught:
            image_urls([PNG, image])  # type: ignore[list-item]
        assert str(caught.value).startswith("images[1]: ")
        assert why in str(caught.value)
    with pytest.raises(ClientConfigurationError, match=r"^base64_images: 'missing.jpg' is neither"):
        image_urls("missing.jpg", name="base64_images")


class Picture:
    """As Pillow's."""

    def save(self, *args: object) -> None: ...

    def tobytes(self) -> bytes:
        return b""


@pytest.mark.parametrize("wrong", [None, 7, io.BytesIO(PNG), object()])
def test_what_is_no_list_of_images(wrong: object) -> None:
    """Named, with what may be given."""
    with pytest.raises(ClientConfigurationError, match="images must be a list of images, not"):
        image_urls(wrong)  # type: ignore[arg-type]
    for limit in (0, -1, None, "1", True, 1.5):
        with pytest.raises(ClientConfigurationError, match="image_limit must be a number"):
            image_urls([PNG], limit=limit)  # type: ignore[arg-type]


def test_other_forms_of_bytes_and_paths() -> None:
    """A slice with a step, a path of bytes."""
    assert image_urls([memoryview(b"".join(bytes([one, 0]) for one in PNG))[::2]]) == image_urls([PNG])

    class BytesPath:
        def __fspath__(self) -> bytes:
            return b"missing.jpg"

    with pytest.raises(ClientConfigurationError, match=r"'missing.jpg' cannot be read"):
        image_urls([BytesPath()])  # type: ignore[list-item]
