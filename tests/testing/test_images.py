"""`_images`: what the local agent sees."""

from __future__ import annotations

import pytest

from telnyx_agent.testing._images import describe_images


@pytest.mark.parametrize(
    ("urls", "sentence"),
    [
        (["data:image/gif;base64,R0lGODlhAgADAAAA"], "I see one gif image, 2 by 3 pixels."),
        (["data:image/webp;base64,UklGRg=="], "I see one webp image, 1 kilobytes."),
        (["data:image/png;base64,!!"], "I see one png image that cannot be decoded."),
        (["https://example.com/a.JPG"], "I see one jpeg image."),
        (["https://example.com/a"], "I see one linked image."),
        (["https://x/a.png"] * 10, "I see 10 images: " + ", ".join(["png"] * 10) + "."),
    ],
)
def test_descriptions_of_images(urls: list[str], sentence: str) -> None:
    """Type and size are told from the URL and the first bytes."""
    assert describe_images(urls) == sentence


def test_size_of_a_jpeg() -> None:
    """It is in a marker somewhere behind the others."""
    import base64

    data = b"\xff\xd8" + b"\xff\xe0\x00\x04ab" + b"\xff\xc0\x00\x0b\x08\x00\x30\x00\x40\x01\x00\x00\x00"
    url = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    assert describe_images([url]) == "I see one jpeg image, 64 by 48 pixels."
