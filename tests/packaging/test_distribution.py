"""What is shipped: the wheel and the source distribution, built from a copy of this checkout."""

from __future__ import annotations

import email.message
import email.parser
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import attrs
import pytest

from .modules import ROOT, modules

pytestmark = pytest.mark.slow

NOT_COPIED = (".git", ".venv", "venv", "build", "dist", "node_modules", "*.egg-info", ".*_cache", "__pycache__")


@attrs.frozen
class Distributions:
    """The two archives."""

    wheel: Path
    source: Path

    @property
    def wheel_names(self) -> list[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.namelist()

    @property
    def source_names(self) -> list[str]:
        with tarfile.open(self.source) as archive:
            return [name.partition("/")[2] for name in archive.getnames()]

    def info(self, name: str) -> str:
        """A file of the wheel's `.dist-info`."""
        with zipfile.ZipFile(self.wheel) as archive:
            path = next(path for path in archive.namelist() if path.endswith(f".dist-info/{name}"))
            return archive.read(path).decode()

    @property
    def metadata(self) -> email.message.Message:
        return email.parser.Parser().parsestr(self.info("METADATA"))


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Both archives, built without asking an index for the build requirements."""
    checkout = tmp_path_factory.mktemp("checkout") / "telnyx-agent"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(*NOT_COPIED))
    out = checkout / "dist"
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(checkout)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "deprecat" not in (done.stdout + done.stderr).lower(), "setuptools calls something in setup.cfg deprecated"
    return Distributions(next(out.glob("*.whl")), next(out.glob("*.tar.gz")))


def test_wheel_holds_the_package_and_nothing_else(distributions: Distributions) -> None:
    """All modules, the marker for type checkers and the licence; no tests, samples or documents."""
    names = distributions.wheel_names
    expected = {module.path.relative_to(ROOT).as_posix() for module in modules()} | {"telnyx_agent/py.typed"}
    found = {name for name in names if ".dist-info/" not in name}
    assert found == expected
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_source_distribution_can_be_tested(distributions: Distributions) -> None:
    """Whoever packages it for a system finds the tests, the documents and the licence."""
    names = set(distributions.source_names)
    for name in ("LICENSE", "README.md", "setup.cfg", "setup.py", "pyproject.toml", "ruff.toml", "tests/conftest.py"):
        assert name in names
    assert {"docs/architecture.md", ".ci/run"} <= names
    assert not [name for name in names if "node_modules" in name or name.endswith(".pyc")]


def test_metadata(distributions: Distributions) -> None:
    """Name, version, licence, Python versions, dependencies and extras as promised."""
    from telnyx_agent._version import __version__

    data = distributions.metadata
    assert (data["Name"], data["Version"]) == ("telnyx-agent", __version__)
    assert data["License-Expression"] == "MIT"
    assert data["Requires-Python"] == ">=3.10"
    classifiers = data.get_all("Classifier", [])
    for minor in range(10, 15):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers
    assert "Typing :: Typed" in classifiers
    requirements = data.get_all("Requires-Dist", [])
    core = {re.split(r"[<>=!~;\[ ]", line)[0] for line in requirements if "extra ==" not in line}
    assert core == {"aiortc", "attrs", "numpy", "sounddevice", "websocket-client"}
    assert set(data.get_all("Provides-Extra", [])) == {"aec", "all", "benchmarks", "demo", "dev", "environments"}


def test_entry_points(distributions: Distributions) -> None:
    """The command and pytest's plug-in."""
    text = distributions.info("entry_points.txt")
    assert "telnyx-agent = telnyx_agent.cli:main" in text
    assert "telnyx_agent = telnyx_agent.testing.pytest_plugin" in text


def test_index_would_take_them(distributions: Distributions) -> None:
    """`twine check` finds nothing to complain about, long description included."""
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(distributions.wheel), str(distributions.source)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_version_is_told_once() -> None:
    """The installed metadata, the module and the change log agree."""
    import telnyx_agent
    from telnyx_agent._version import __version__

    assert getattr(telnyx_agent, "__version__", __version__) == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", __version__)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]\n" in changelog
    try:
        installed = metadata.version("telnyx-agent")
    except metadata.PackageNotFoundError:
        pytest.skip("telnyx-agent is not installed here, only on the path")
    assert installed == __version__
