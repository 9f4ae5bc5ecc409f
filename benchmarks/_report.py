"""What every benchmark gives back: a table, its raw figures and perhaps a plot, printed and written the same way.

A benchmark is a module with `run(quick: bool = False) -> Report`; its `main` is `command(run, __doc__)`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs

__all__ = ["RESULTS", "Report", "command"]

RESULTS = Path(__file__).parent / "results"


@attrs.frozen
class Report:
    """The outcome of one benchmark.

    Attributes:
        name: Of the module and of the files that are written, such as `"cpu_per_call"`.
        title: One line for people.
        columns: Heads of the table.
        rows: Cells as text or numbers; numbers are shown with three significant digits.
        notes: Sentences below the table: what was compared, what is wanted, what was met or missed.
        raw: Everything that was measured, as JSON.
        plot: Draws the figures into the file it is given (SVG); only called where matplotlib is installed.
        shows_plot: Whether the documentation shows the plot; it then stands beside the table.
        command: What comes after `python -m benchmarks.`, if it is not the name.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str] = ()
    raw: Mapping[str, Any] = attrs.field(factory=dict)
    plot: Callable[[Path], None] | None = None
    shows_plot: bool = False
    command: str = ""

    def markdown(self) -> str:
        """The report as a page."""
        lines = [f"# {self.title}", "", f"`python -m benchmarks.{self.command or self.name}`, {machine()}.", ""]
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("|" + "---|" * len(self.columns))
        lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in self.rows]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path = RESULTS) -> None:
        """Write `<name>.md`, `raw/<name>.json` and, where it can be drawn, the plot: `<name>.svg` here or in `raw`.

        `raw` is for who measures; git ignores it in `RESULTS`.
        """
        raw = folder / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        page = self.markdown()
        if self.plot is not None and _can_plot():
            self.plot((folder if self.shows_plot else raw) / f"{self.name}.svg")
            if self.shows_plot:
                page += f"\n![{self.title}]({self.name}.svg)\n"
        (folder / f"{self.name}.md").write_text(page, encoding="utf-8")
        table = {"columns": list(self.columns), "rows": [list(row) for row in self.rows], "notes": list(self.notes)}
        record = {"title": self.title, "machine": machine(), **table, "raw": self.raw}
        (raw / f"{self.name}.json").write_text(json.dumps(record, indent=1, default=str) + "\n", encoding="utf-8")


def command(run: Callable[[bool], Report], description: str | None, arguments: Sequence[str] | None = None) -> int:
    """The command line of one benchmark: measure, print, write."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run with figures that mean little")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where to write the results (%(default)s)")
    options = parser.parse_args(arguments)
    report = run(options.quick)
    print(report.markdown())
    report.write(options.output)
    return 0


def machine() -> str:
    """Where it was measured: absolute figures mean little elsewhere."""
    day = datetime.now(timezone.utc).date().isoformat()
    cores = os.cpu_count()
    return f"{day}, {platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}"


def _can_plot() -> bool:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        print("matplotlib is not installed, so there is no plot: pip install matplotlib", file=sys.stderr)
        return False
    return True


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return "-" if value is None else str(value)
