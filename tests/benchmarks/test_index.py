"""`python -m benchmarks`: which benchmarks there are, and the page about their results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import index, main, names
from benchmarks._report import Report


def test_every_public_module_is_a_benchmark() -> None:
    assert "voice_quality" in names()
    assert not any(name.startswith("_") for name in names())


def test_the_index_tells_what_came_of_each(tmp_path: Path) -> None:
    report = Report("sizes", "How large it is", ("what", "bytes"), [("it", 7)], notes=("It is small enough.",))
    report.write(tmp_path)
    (tmp_path / "other.json").write_text(json.dumps({"figures": [1]}))
    page = index(tmp_path)
    assert "[How large it is](sizes.md)" in page
    assert "- It is small enough." in page
    assert "other" not in page


def test_an_unknown_name_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])
    assert "voice_quality" in capsys.readouterr().err
