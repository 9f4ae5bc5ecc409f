"""Networks for the tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.netns import Internet

pytest.register_assert_rewrite("tests.network.talk")


@pytest.fixture
def internet() -> Iterator[Internet]:
    """IPv4, no NAT."""
    with Internet() as internet:
        yield internet
