"""`scripts/mutants` changes what it should, one thing at a time, and asks the tests that know it best."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import attrs
import pytest

from tests.support import mutants
from tests.support.mutants import Map, Mutant

MODULE = '''
"""Text, 1."""
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    UNSEEN = 1

log = logging.getLogger("a")
LIMIT: int = 10


class Thing:
    size: int = 3

    def __repr__(self) -> str:
        return "Thing" * 2

    def is_over(self, count: "Literal[4]", more: int = 5) -> bool:
        """Of 6."""
        log.warning("over %d", 7)
        if count + more > LIMIT and not self.size:
            return True
        return f"{count:8}" == "9"
'''


def changes(text: str) -> list[Mutant]:
    tree = ast.parse(text)
    return [
        mutants.mutant("_protocol/thing.py", tree, site, number)
        for site in mutants.sites(tree)
        for number in range(len(site.changes))
    ]


def test_each_change_is_one_change() -> None:
    """All of what they say, and nothing else, differs from the module; each at its line."""
    original = ast.unparse(ast.parse(MODULE)).splitlines()
    found = changes(MODULE)
    assert len({ast.unparse(mutant.tree) for mutant in found}) == len(found)
    for mutant in found:
        changed = ast.unparse(mutant.tree).splitlines()
        assert sum(a != b for a, b in zip(original, changed, strict=False)) == 1 or "pass" in mutant.after
        assert MODULE.splitlines()[mutant.line - 1].strip()


def test_texts_logs_and_annotations_are_left_alone() -> None:
    """Only what a test can be expected to notice."""
    numbers = {int(mutant.before) for mutant in changes(MODULE) if mutant.before.isdigit()}
    assert numbers == {10, 3, 5}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a < b", {"a <= b", "a >= b"}),
        ("a is not None", {"a is None"}),
        ("a and b", {"a or b"}),
        ("a + b", {"a - b"}),
        ("min(a)", {"max(a)"}),
        ("a[b:]", {"b + 1:"}),
        ("True", {"False"}),
        ("2", {"3", "1", "4"}),
        ("[a for a in b if c]", {"for a in b"}),
    ],
)
def test_kinds_of_changes(before: str, after: set[str]) -> None:
    """What stands in the place of what."""
    assert {mutant.after.strip() for mutant in changes(f"def f():\n    g = {before}\n")} - {"pass"} == after


def test_what_may_notice_a_change() -> None:
    """The module's own tests first, then the quick ones; for a constant those that run the functions which use it."""
    known = Map(
        seconds={"tests/a/test_x.py::slow": 9.0, "tests/a/test_x.py::quick": 1.0, "tests/a/test_thing.py::own": 5.0},
        runs={
            "_protocol/thing.py": {
                "Thing.is_over": ["tests/a/test_x.py::slow"],
                "Thing.other": ["tests/a/test_x.py::quick", "tests/a/test_thing.py::own"],
            }
        },
    )
    limit = next(mutant for mutant in changes(MODULE) if mutant.before == "10")
    assert limit.users == ("Thing.is_over",)
    assert [test.partition("::")[2] for test in known.tests(limit)] == ["own", "slow", "quick"]
    assert [test.partition("::")[2] for test in known.tests(attrs.evolve(limit, users=()))] == ["own", "quick", "slow"]
    inside = next(mutant for mutant in changes(MODULE) if mutant.before == "count + more")
    assert [test.partition("::")[2] for test in known.tests(inside)] == ["own", "slow"]


def test_who_reads_an_attribute_notices_first_that_it_is_set_otherwise() -> None:
    """Many tests make the object, and few of them need each of its attributes."""
    text = "class Thing:\n    def __init__(self):\n        self.x = 1\n\n    def read(self):\n        return self.x\n"
    known = Map(
        seconds={"tests/a/test_x.py::quick": 1.0, "tests/a/test_x.py::slow": 29.5},
        runs={
            "_protocol/thing.py": {
                "Thing.__init__": ["tests/a/test_x.py::quick", "tests/a/test_x.py::slow"],
                "Thing.read": ["tests/a/test_x.py::slow"],
            }
        },
    )
    (number, *_) = (mutant for mutant in changes(text) if mutant.before == "1")
    assert number.users == ("Thing.read",)
    assert known.tests(number) == ["tests/a/test_x.py::slow"]


def test_a_test_that_counts_lines_does_not_end_the_map() -> None:
    """Coverage goes on with the next test."""
    contexts: list[str] = []
    mapping = mutants._Mapping(cast(Any, SimpleNamespace(switch_context=contexts.append)))
    run = mapping.pytest_runtest_protocol(cast(Any, SimpleNamespace(nodeid="test")))
    before, tracer = sys.gettrace(), lambda *_: None
    sys.settrace(tracer)
    try:
        next(run)
        sys.settrace(None)
        run.close()
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert contexts == ["test", ""]


@pytest.mark.parametrize("part", mutants.TESTS)
def test_the_modules_of_a_part_and_their_tests(part: str) -> None:
    """All modules of all its folders, but those left out by name; a test file with a module's name is the module's."""
    place = mutants.ROOT / mutants.PACKAGE / part
    all_modules = {str(file.relative_to(place.parent)) for file in place.rglob("*.py")}
    found = set(mutants.modules([part]))
    left_out = {path for path in all_modules if part == "_media" and Path(path).stem in mutants.IMPURE}
    assert found == all_modules - left_out
    files = mutants.test_files(part)
    assert [file for file in files if not (mutants.ROOT / file).is_file()] == []
    folder = mutants.ROOT / "tests" / part.lstrip("_")
    own = {file.stem for file in folder.glob("test_*.py")} & {f"test_{Path(path).stem}" for path in found}
    assert own - mutants.WITHOUT <= {Path(file).stem for file in files}


def test_what_is_left_out_exists() -> None:
    """A module or a test file that is renamed does not come back in by its new name."""
    assert {file.stem for file in (mutants.ROOT / mutants.PACKAGE / "_media").rglob("*.py")} >= mutants.IMPURE
    files = {
        file.stem for places in mutants.TESTS.values() for name in places for file in (mutants.ROOT / name).glob("*")
    }
    assert files >= mutants.WITHOUT
