"""`dialogue`: the demo's picture."""

from __future__ import annotations

import io

from telnyx_agent.cli.dialogue import demo_picture


def test_the_picture_is_a_png() -> None:
    """It decodes, has the size it says, and is small."""
    import av

    picture = demo_picture(20, 10)
    with av.open(io.BytesIO(picture), "r") as file:
        frame = next(file.decode(video=0))
    assert (frame.width, frame.height) == (20, 10)
    assert len(demo_picture()) < 1000
