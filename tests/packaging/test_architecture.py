"""The pictures of `docs/architecture.md` show what is there."""

from __future__ import annotations

import os
import re

from .architecture import PAGE, house, made
from .modules import ROOT, modules


def test_the_pictures_are_up_to_date() -> None:
    """`scripts/architecture` has been run, and can be."""
    page = PAGE.read_text(encoding="utf-8")
    assert page.count("<!-- made by scripts/architecture: ") == 2
    assert made(page) == page, "run scripts/architecture"
    assert os.access(ROOT / "scripts" / "architecture", os.X_OK)


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
