"""`scripts/oldest.txt` says the same lower bounds as `setup.cfg`, which are what `scripts/test-oldest` proves."""

from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]

NOT_RUN = {
    *("build", "coverage", "livekit", "matplotlib", "mypy", "pesq", "pytest-cov", "pytest-xdist"),
    *("ruff", "setuptools", "twine"),
    *("eventlet", "gevent", "ipykernel", "pyinstaller", "trio", "uvloop"),
}
"""Tools that no test of the SDK is run with, and livekit, which needs a newer numpy than the SDK does."""


def bounds() -> dict[str, Version]:
    """The lower bound of everything that setup.cfg names."""
    parser = configparser.ConfigParser(comment_prefixes=("#",), inline_comment_prefixes=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = parser["options"]["install_requires"].splitlines()
    for value in parser["options.extras_require"].values():
        texts += value.splitlines()
    found: dict[str, Version] = {}
    for text in texts:
        if not text.strip() or text.strip().startswith(("#", "telnyx-agent")):
            continue
        requirement = Requirement(text.strip())
        lower = [Version(one.version) for one in requirement.specifier if one.operator == ">="]
        assert len(lower) == 1, f"{text.strip()} has no lower bound"
        assert found.setdefault(requirement.name, lower[0]) == lower[0], f"{requirement.name} has two lower bounds"
    return found


def pins() -> dict[str, Version]:
    """What `scripts/oldest.txt` pins."""
    lines = (ROOT / "scripts" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line.strip() and not line.startswith("#")]
    return {name: Version(version) for name, version in pairs}


def test_the_pins_are_the_lower_bounds() -> None:
    """All of them, and what comes with aiortc may be pinned besides."""
    pinned, lowest = pins(), bounds()
    assert {name: pinned.get(name) for name in lowest if name not in NOT_RUN} == {
        name: version for name, version in lowest.items() if name not in NOT_RUN
    }


def test_the_exceptions_are_still_named_in_setup_cfg() -> None:
    """So that the list does not hide what is new."""
    assert set(bounds()) >= NOT_RUN
    assert not NOT_RUN & set(pins())


@pytest.mark.parametrize("name", ["test-oldest", "test-newest"])
def test_the_scripts_can_be_run(name: str) -> None:
    """They are executable, and bash understands them."""
    script = ROOT / "scripts" / name
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
