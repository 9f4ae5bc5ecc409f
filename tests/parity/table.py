"""`docs/parity.tsv`, which says for each feature of the official SDKs its name here and what checks it.

A check is a test, as pytest names it, or an expression behind `>>> `, which `test_table.py` evaluates. The page
`docs/parity.md` is made from the table:

    python3 -m tests.parity.table            writes docs/parity.md
    python3 -m tests.parity.table --check    ends with 1 if the page is not what the table says

Only the standard library, so that the page can be made before anything is installed.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["COLUMNS", "NOT_HERE", "PAGE", "SDKS", "TABLE", "Row", "page", "read", "topics"]

DOCS = Path(__file__).resolve().parents[2] / "docs"
TABLE = DOCS / "parity.tsv"
PAGE = DOCS / "parity.md"

COLUMNS = ("topic", "official", "python", "checks", "remark")
SDKS = ("iOS", "Android", "Flutter")
NOT_HERE = "Not here, on purpose"
"""The topic whose rows have a reason in place of a Python name and a check."""

_OFFICIAL = re.compile(r"(?P<sdks>[A-Z]?\w+(?:, [A-Z]?\w+)*): (?P<names>\S.*)")
_PYTHON = re.compile(r"[\w./-]+(?:\([\w, ]*\))?")

_INTRODUCTION = """\
# Parity with the official SDKs

What Telnyx's iOS, Android and Flutter SDKs call it, what it is called here, and what checks it: a test, or an
expression that must be true (in it, `client` and `call` are those of a running call). Names are relative to
`telnyx_agent`; arguments in parentheses are the ones that matter. How to move a program over is in
[porting](porting.md).

This page is made by `scripts/parity` from [parity.tsv](parity.tsv); `.ci/run` fails if a row's checks do not pass.
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table."""

    topic: str
    official: Mapping[str, str]
    """The names by SDK; empty where none of the three has the feature."""
    python: tuple[str, ...]
    """Dotted names below `telnyx_agent`, perhaps with arguments in parentheses, or files of the repository."""
    tests: tuple[str, ...]
    """`path::function`, or `path::function[parameters]`."""
    expressions: tuple[str, ...]
    """Python expressions that must be true."""
    remark: str
    line: int

    @property
    def has_check(self) -> bool:
        """Whether there is anything that could fail."""
        return bool(self.tests or self.expressions)

    def __str__(self) -> str:
        names = "; ".join(f"{sdk} {names}" for sdk, names in self.official.items())
        return f"docs/parity.tsv:{self.line}: {names or ', '.join(self.python)} ({self.topic})"


def read(path: Path = TABLE) -> list[Row]:
    """All rows in their order; `ValueError` names the line that is not one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise ValueError(f"{path.name}:1: the columns are {', '.join(COLUMNS)}")
    return [_row(path.name, number, line) for number, line in enumerate(lines[1:], start=2)]


def _row(name: str, number: int, line: str) -> Row:
    cells = line.split("\t")
    if len(cells) != len(COLUMNS) or any(cell != cell.strip() for cell in cells) or not cells[0]:
        raise ValueError(f"{name}:{number}: five cells between tabs, without spaces around them; empty ones are `-`")
    topic, official, python, checks, remark = ("" if cell == "-" else cell for cell in cells)
    names: dict[str, str] = {}
    for part in official.split("; ") if official else ():
        match = _OFFICIAL.fullmatch(part)
        sdks = match["sdks"].split(", ") if match else []
        if match is None or not set(sdks) <= set(SDKS) or set(sdks) & set(names):
            raise ValueError(f"{name}:{number}: `iOS: a, b; Android, Flutter: c`, each SDK once, not {part!r}")
        names.update(dict.fromkeys(sdks, match["names"]))
    ordered = {sdk: names[sdk] for sdk in SDKS if sdk in names}
    found = tuple(_PYTHON.findall(python))
    if ", ".join(found) != python:
        raise ValueError(f"{name}:{number}: Python names are dotted names between commas, not {python!r}")
    tests, *expressions = re.split(r" ?>>> ", f" {checks}")
    return Row(topic, ordered, found, tuple(tests.split()), tuple(expressions), remark, number)


def topics(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each topic, in the order of the table."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.topic, []).append(row)
    return found


def page(rows: Iterable[Row]) -> str:
    """The page in Markdown."""
    return "\n".join([_INTRODUCTION, *(_section(topic, found) for topic, found in topics(rows).items())])


def _section(topic: str, rows: list[Row]) -> str:
    """A table with those columns that have anything in them."""
    columns = [(sdk, [_code(row.official.get(sdk, "")) for row in rows]) for sdk in SDKS]
    columns.append(("here", [_code(", ".join(row.python)) for row in rows]))
    columns.append(("remark", [row.remark for row in rows]))
    columns.append(("checked by", ["; ".join([*_links(row.tests), *map(_quoted, row.expressions)]) for row in rows]))
    columns = [(title, cells) for title, cells in columns if any(cells)]
    lines = [[title for title, _ in columns], ["---"] * len(columns)]
    lines += [list(cells) for cells in zip(*(cells for _, cells in columns), strict=True)]
    return f"## {topic}\n\n" + "".join(f"| {' | '.join(_escaped(cell) for cell in line)} |\n" for line in lines)


def _code(names: str) -> str:
    """Names between commas as code; what has several words is a sentence and stays as it is."""
    parts = re.split(r", (?![^()]*\))", names) if names else []
    return ", ".join(part if len(re.sub(r"\(.*?\)", "", part).split()) > 2 else f"`{part}`" for part in parts)


def _links(tests: Iterable[str]) -> dict[str, None]:
    """One link per file."""
    return {f"[{Path(path).stem}](../{path})": None for path in (test.partition("::")[0] for test in tests)}


def _quoted(expression: str) -> str:
    return f"`{expression}`"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit status."""
    text = page(read())
    if arguments == ["--check"]:
        if PAGE.read_text(encoding="utf-8") != text:
            print("docs/parity.md is not what docs/parity.tsv says: run scripts/parity", file=sys.stderr)
            return 1
        return 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
