"""`python -m benchmarks`: which benchmarks there are, and the page about their results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.__main__ import index, main, names
from benchmarks._report import RESULTS, Report, machine

ROOT = Path(__file__).parents[2]


def test_every_public_module_is_a_benchmark() -> None:
    """Modules whose names begin with `_` are helpers."""
    assert "voice_quality" in names()
    assert not any(name.startswith("_") for name in names())


def test_the_index_tells_what_came_of_each(tmp_path: Path) -> None:
    """Title, conclusion and machine of each report; an older index is replaced."""
    report = Report("sizes", "How large it is", ("what", "bytes"), [("it", 7)], notes=("It is small enough.",))
    report.write(tmp_path)
    (tmp_path / "README.md").write_text("# An older index")
    page = index(tmp_path)
    assert "[How large it is](sizes.md)" in page
    assert "- It is small enough." in page
    assert machine() in page
    assert "older" not in page


def test_the_repository_keeps_tables_and_the_plots_that_the_documentation_shows() -> None:
    """No raw data and no other plots; the index fits the tables."""
    kept = {file.name for file in RESULTS.iterdir() if file.is_file()}
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    shown = set(re.findall(r"!\[[^]]*\]\(\.\./benchmarks/results/([^)]+)\)", text))
    assert shown <= kept
    assert {name for name in kept if not name.endswith(".md")} == shown
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == index(RESULTS)


def test_an_unknown_name_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the benchmarks that there are."""
    with pytest.raises(SystemExit):
        main(["nonsense"])
    assert "voice_quality" in capsys.readouterr().err
