"""The pictures of `docs/architecture.md` show what is there."""

from __future__ import annotations

import os
import re

import pytest

from .architecture import PAGE, PICTURES, house, made
from .modules import ROOT, modules


def test_the_page_has_all_pictures() -> None:
    """And the script that makes them can be run."""
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^<!-- made by scripts/architecture: (\w+) -->$", page, re.MULTILINE) == list(PICTURES)
    assert os.access(ROOT / "scripts" / "architecture", os.X_OK)


@pytest.mark.parametrize(
    "picture",
    ["house", pytest.param("paths", marks=[pytest.mark.slow, pytest.mark.timeout(150)])],  # it makes a call
)
def test_the_pictures_are_up_to_date(picture: str) -> None:
    """`scripts/architecture` has been run."""
    page = PAGE.read_text(encoding="utf-8")
    assert made(page, [picture]) == page, "run scripts/architecture"


def test_the_house_has_what_imports_what() -> None:
    """A look at the picture itself: an arrow that will always be there, and none that goes without saying."""
    picture = house()
    assert re.search(r"^ +cli_\d+ --> testing_\d+$", picture, re.MULTILINE)
    assert not re.search(r"^ +cli_\d+ --> _protocol_\d+$", picture, re.MULTILINE)


def test_the_words_of_our_own_stand_where_the_page_says() -> None:
    """When a module is renamed, its word is as well."""
    glossary = PAGE.read_text(encoding="utf-8").partition("## Words of our own")[2]
    places = [row.split("|")[2] for row in glossary.splitlines() if row.startswith("| ")][1:]
    named = [name for place in places for name in re.findall(r"`([^`]+)`", place)]
    assert len(places) > 10
    assert all("`" in place for place in places)
    assert set(named) <= {module.short_name for module in modules()}
