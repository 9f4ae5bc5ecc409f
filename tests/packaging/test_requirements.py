"""Tests that need a program skip without it on a developer's machine, and fail without it where everything must be."""

from __future__ import annotations

import pytest

from tests.support import requirements
from tests.support.requirements import missing, require


@pytest.fixture(autouse=True)
def _band(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "TELNYX_AGENT_REQUIRE_ALL"):
        monkeypatch.delenv(name, raising=False)
    absent = requirements._Requirement(lambda: False, "apt-get install bagpipes")
    present = requirements._Requirement(lambda: True, "")
    monkeypatch.setattr(requirements, "_REQUIREMENTS", {"bagpipes": absent, "drum": present})
    monkeypatch.setattr(requirements, "_is_here", requirements._is_here.__wrapped__)


def test_a_missing_program_skips_with_advice() -> None:
    """The reader learns how to get it."""
    with pytest.raises(pytest.skip.Exception, match="apt-get install bagpipes"):
        require("bagpipes")


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TELNYX_AGENT_REQUIRE_ALL", "1")])
def test_where_everything_must_be_it_fails(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A test that never runs in CI would be worth nothing."""
    monkeypatch.setenv(name, value)
    with pytest.raises(pytest.fail.Exception, match="apt-get install bagpipes"):
        require("bagpipes")


def test_what_is_here_is_used() -> None:
    """Nothing happens, and nothing is missing."""
    require("drum")
    assert missing("drum", "bagpipes") == ["bagpipes"]


def test_names_are_checked() -> None:
    """A misspelt requirement is a mistake, not a reason to skip."""
    with pytest.raises(KeyError):
        require("bagpipe")
