"""All benchmarks, or those that are named, one after the other, each in a process of its own.

    python -m benchmarks [--quick] [--output FOLDER] [names]

Prints their tables, writes them to `benchmarks/results/`, and an index of all that is there.
"""

from __future__ import annotations

import argparse
import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import benchmarks
from benchmarks._report import RESULTS

__all__ = ["index", "main", "names"]


def names() -> list[str]:
    """The benchmarks that there are."""
    return sorted(found.name for found in pkgutil.iter_modules(benchmarks.__path__) if not found.name.startswith("_"))


def index(folder: Path) -> str:
    """A page about all results in a folder: what was measured, and what came of it."""
    lines = ["# Results of the benchmarks", ""]
    lines += ["Written by `python -m benchmarks`; `../README.md` says what is measured.", ""]
    for file in sorted(folder.glob("*.md")):
        if file.name == "README.md":
            continue
        # As `Report.markdown` writes it: the title, the command and the machine, the table, the notes.
        title, measured, _table, *notes = file.read_text(encoding="utf-8").strip().split("\n\n")
        lines += [f"## [{title.removeprefix('# ')}]({file.name})", "", measured.partition("`, ")[2], ""]
        lines += [f"- {note}" for note in notes if not note.startswith("![")]
        lines.append("")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks and write their results.")
    parser.add_argument("--quick", action="store_true", help="a smoke run with figures that mean little")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where to write the results (%(default)s)")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones: {', '.join(names())}")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(names())
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    failed = []
    for name in options.names or names():
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--output", str(options.output)]
        if subprocess.run([*command, *["--quick"] * options.quick], check=False).returncode:
            failed.append(name)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "README.md").write_text(index(options.output), encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
