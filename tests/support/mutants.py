"""`scripts/mutants`: changes the SDK in random places, one at a time, and names the changes that no test notices.

A change that survives is either equivalent (nobody could tell the difference), or it shows that a line means something
that no test holds, or that the line does nothing. The checkout is never changed: tests run in a copy of it.

Docstrings, texts, `__repr__`, annotations and log lines are left alone. Which tests may notice a change is looked up in
a map (which test runs which function), made once by a run under coverage, and kept in `.mutants.json`. The files
`test_<module>.py` of a changed module always run, first, so that tests which are newer than the map count too. A test
that fails is run again before it is believed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import gc
import importlib
import inspect
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import coverage
import pytest

_T = TypeVar("_T")

ROOT = Path(__file__).parents[2]
PACKAGE = "telnyx_agent"
MAP = ROOT / ".mutants.json"

IMPURE = frozenset(
    {"__init__", "aiortc_internals", "call_audio", "ice_servers", "opus", "peer", "player", "processing", "pyav"}
    | {"recorder", "rtp", "sender", "srtp"}
)
"""Modules of `_media` that need a network, a thread or a library in C; by default, they are not changed."""

TESTS = {
    "_protocol": ("tests/protocol",),
    "_runtime": (
        *("tests/runtime", "tests/test_taint.py", "tests/cli/test_streams.py"),
        *("tests/client/test_own_threads.py", "tests/client/test_no_threads.py"),
    ),
    "_net": ("tests/net", "tests/runtime/test_exhaustion.py", "tests/client/test_own_threads.py"),
    "_media": ("tests/media", "tests/quality"),
}
"""Where the tests of each part are."""

BOUNDS = "tests/packaging/test_limits.py"
"""Holds the constants of all parts that docs/limits.md names."""

WITHOUT = frozenset(
    {"test_aiortc_internals", "test_call_audio", "test_gathering", "test_ice_servers", "test_peer", "test_player"}
    | {"test_processing", "test_recorder", "test_incoming_interleavings", "test_interleavings"}
)
"""Test files of real connections, and random walks: they would take too long for each change."""

LIBRARIES = ("aiortc", "av", "cryptography", "hypothesis", "numpy", "websocket", "websockets.sync.server")
"""Imported once, before a process is forked for each change."""

LIMIT = 30.0
"""Seconds of tests, as they took for the map, that one change gets at most; those that know it best come first."""

PATIENCE = 3.0
"""So much longer than for the map may the tests of one change take, besides `LIMIT`: the machine may be busy."""

MEMORY = 3 << 30
"""Bytes that the tests of a change may hold: some changes make a loop endless."""


# What is changed


@attrs.frozen(kw_only=True)
class Mutant:
    """One change: the module's new syntax tree, and what to say of it."""

    path: str  # below the package
    line: int
    function: str  # qualified name, or "" for what runs when the module is imported
    outermost: int  # first line of the outermost function around it; 0 if that function's code is not all that changes
    names: frozenset[str]  # outside of functions: what is assigned, and in which class
    users: tuple[str, ...]  # other functions of the module that mention them, or an attribute that is assigned there
    before: str
    after: str
    tree: ast.Module


@attrs.frozen
class _Site:
    """A place that can be changed: each change edits the node in a copy of the tree, at the same position."""

    node: ast.AST
    function: str
    outermost: int
    changes: list[Callable[[Any], ast.AST | None]]


_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitAnd,),
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception", "log"})


def sites(tree: ast.Module) -> Iterator[_Site]:
    """All places of a module that can be changed, with the ways to do it."""
    yield from _sites_in(tree.body, "", 0)


def _sites_in(nodes: Iterable[ast.AST | None], function: str, outermost: int) -> Iterator[_Site]:
    for node in nodes:
        if node is None or _is_left_alone(node):
            continue
        if changes := list(_changes(node)):
            yield _Site(node, function, outermost, changes)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside = f"{function}.{node.name}".lstrip(".")
            yield from _sites_in([*node.args.defaults, *node.args.kw_defaults], inside, outermost)
            if any("cache" in ast.unparse(decorator) for decorator in node.decorator_list):
                # The map knows only the first of the tests that need it.
                yield from _sites_in(node.body, f"{inside} (cached)", 0)
            else:
                yield from _sites_in(node.body, inside, outermost or _first_line(node))
        elif isinstance(node, ast.ClassDef):
            yield from _sites_in(node.body, f"{function}.{node.name}".lstrip("."), outermost)
        elif isinstance(node, ast.AnnAssign):
            yield from _sites_in([node.value], function, outermost)
        else:
            yield from _sites_in(ast.iter_child_nodes(node), function, outermost)


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """As Python counts it."""
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.FunctionDef(name="__repr__" | "__str__") | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=of, attr=name))):
            return name in _LOG_METHODS and "log" in ast.unparse(of).lower()
        case ast.Assign(value=ast.BinOp(op=ast.BitOr()) as value):  # a type
            return all(isinstance(part, (ast.BinOp, ast.Name, ast.BitOr, ast.expr_context)) for part in ast.walk(value))
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec" | "TypeAlias"))):
            return True
        case ast.Assert():
            return True
    return False


def _changes(node: ast.AST) -> Iterator[Callable[[Any], ast.AST | None]]:
    """Functions that change a copy of this node, or give what stands in its place; None: it goes."""
    match node:
        case ast.Compare(ops=[*operators]):
            for index, operator in enumerate(operators):
                for other in _COMPARISONS[type(operator)]:
                    yield partial(_set, ops=_replaced(operators, index, other()))
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator):
            # What is put together from a text is a text.
            if not any(_is_text(part) for part in ast.walk(node)):
                for instead in _OPERATORS.get(type(operator), ()):
                    yield partial(_set, op=instead())
        case ast.BoolOp(op=ast.And()):
            yield partial(_set, op=ast.Or())
        case ast.BoolOp(op=ast.Or()):
            yield partial(_set, op=ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield lambda new: new.operand
        case ast.Constant(value=bool() as is_true):
            yield partial(_set, value=not is_true)
        case ast.Constant(value=int() | float() as number):
            for other_number in (number + 1, number - 1, number * 2):
                if other_number != number:
                    yield partial(_set, value=other_number)
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield partial(_set, value=ast.Constant(None))
        case ast.Assign() | ast.AugAssign() | ast.Delete():
            yield lambda new: ast.Pass()
        case ast.AnnAssign(value=ast.expr()) | ast.Expr(value=ast.Call() | ast.Await() | ast.YieldFrom()):
            yield lambda new: ast.Pass()
        case ast.Call(func=ast.Name(id=name)) if name in _NAMES:
            yield partial(_set, func=ast.Name(_NAMES[name], ast.Load()))
        case ast.Break():
            yield lambda new: ast.Continue()
        case ast.Continue():
            yield lambda new: ast.Break()
        case ast.Slice(lower=lower, upper=upper):
            for field, bound in (("lower", lower), ("upper", upper)):
                if bound is not None:
                    yield partial(_move_bound, field)
    match node:
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, ast.Constant):
            for outcome in (True, False):
                if outcome or not isinstance(node, ast.While):
                    yield partial(_set, test=ast.Constant(outcome))
        case ast.comprehension(ifs=[_, *_]):
            yield partial(_set, ifs=[])


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _set(node: ast.AST, **fields: Any) -> ast.AST:
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _replaced(items: list[Any], index: int, item: Any) -> list[Any]:
    return [*items[:index], item, *items[index + 1 :]]


def _move_bound(field: str, node: ast.Slice) -> ast.AST:
    return _set(node, **{field: ast.BinOp(getattr(node, field), ast.Add(), ast.Constant(1))})


class _Edit(ast.NodeTransformer):
    """Puts something in the place of one node."""

    def __init__(self, target: ast.AST, change: Callable[[Any], ast.AST | None]) -> None:
        self._target, self._change = target, change

    def visit(self, node: ast.AST) -> Any:
        return self._change(node) if node is self._target else self.generic_visit(node)


def mutant(path: str, tree: ast.Module, site: _Site, number: int) -> Mutant:
    """The module with one change made at one place."""
    # The copy's nodes come in the same order as the tree's.
    changed = copy.deepcopy(tree)
    index = next(index for index, node in enumerate(ast.walk(tree)) if node is site.node)
    target = next(node for at, node in enumerate(ast.walk(changed)) if at == index)
    before = ast.unparse(site.node)
    edited = []

    def change(node: ast.AST) -> ast.AST | None:
        edited.append(site.changes[number](node))
        return edited[0]

    changed = ast.fix_missing_locations(_Edit(target, change).visit(changed))
    line = getattr(site.node, "lineno", 0) or next(
        (child.lineno for child in ast.walk(site.node) if hasattr(child, "lineno")), 0
    )
    after = ast.unparse(edited[0]) if edited[0] is not None else ""
    names = frozenset() if site.outermost else _names(tree, site, line)
    return Mutant(
        path=path,
        line=line,
        function=site.function,
        outermost=site.outermost,
        names=names,
        users=tuple(name for name in _users(tree, names | _attributes(tree, line)) if name != site.function),
        before=_short(before),
        after=_short(after),
        tree=changed,
    )


def _names(tree: ast.Module, site: _Site, line: int) -> frozenset[str]:
    """What is assigned at a line outside of all functions, and the class that this is in."""
    names = set(site.function.split(".")[-1:]) - {""}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.lineno <= line <= (node.end_lineno or 0):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    return frozenset(names)


def _attributes(tree: ast.Module, line: int) -> set[str]:
    """The attributes that are assigned at a line."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.lineno <= line <= (node.end_lineno or 0):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {part.attr for target in targets for part in ast.walk(target) if isinstance(part, ast.Attribute)}
    return found


def _users(tree: ast.Module, names: frozenset[str]) -> tuple[str, ...]:
    """The functions that mention names."""
    lines = {
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id in names) or (isinstance(node, ast.Attribute) and node.attr in names)
    }
    return tuple(name for name, first, last in _functions(tree, "") if lines & set(range(first, last + 1)))


def _short(code: str) -> str:
    line = " / ".join(code.splitlines()[:3])
    return line if len(line) <= 160 else line[:157] + "..."


def modules(wanted: Iterable[str]) -> list[str]:
    """Paths below the package: those that were named, all of a folder that was named, or all pure ones."""
    found = []
    for name in wanted:
        place = ROOT / PACKAGE / name
        if place.is_dir():
            files = sorted(place.rglob("*.py"))
            found += [file for file in files if "_media" not in file.parts or file.stem not in IMPURE]
        else:
            found.append(place)
    return [str(file.relative_to(ROOT / PACKAGE)) for file in found]


def choose(paths: Iterable[str], count: int, seed: int) -> list[Mutant]:
    """Random changes, each at another place."""
    chance = random.Random(seed)
    trees = {path: ast.parse((ROOT / PACKAGE / path).read_text(encoding="utf-8")) for path in paths}
    places = [(path, site) for path, tree in trees.items() for site in sites(tree)]
    chosen = chance.sample(places, min(count, len(places)))
    return [mutant(path, trees[path], site, chance.randrange(len(site.changes))) for path, site in chosen]


# Which tests may notice it


@attrs.define
class Map:
    """Which test runs which function, and how long it takes."""

    seconds: dict[str, float] = attrs.Factory(dict)
    runs: dict[str, dict[str, list[str]]] = attrs.Factory(dict)  # path -> qualified name -> tests
    early: list[str] = attrs.Factory(list)  # "path name" of functions that run at import, or while tests are collected

    def tests(self, mutant: Mutant) -> list[str]:
        """Tests that may notice a change, best first, and not more than can be run in `LIMIT`."""
        functions = self.runs.get(mutant.path, {})
        own = f"/test_{Path(mutant.path).stem}.py"
        files = {test.partition("::")[0] for test in self.seconds}
        telling = {file for file in files if own in file or file == BOUNDS or mutant.names & _words(file)}
        known = set(functions.get(mutant.function, ())) | {test for test in self.seconds if own in test}
        if mutant.function not in functions:  # what runs at import, a class's fields, or newer than the map
            known = {test for tests in functions.values() for test in tests}
            known |= {test for test in self.seconds if test.partition("::")[0] in telling}
        if not functions:  # nothing but fields
            known = set(self.seconds)
        # What runs in a process of its own is not in the map.
        programs = {"run_program", Path(mutant.path).stem}
        known |= {test for test in self.seconds if programs <= _words(test.partition("::")[0])}
        likely = {test for user in mutant.users for test in functions.get(user, ())}

        def order(test: str) -> tuple[bool, float]:
            return test not in likely and test.partition("::")[0] not in telling, self.seconds[test]

        left = LIMIT
        chosen: list[str] = []
        for test in sorted(known, key=order):
            left -= self.seconds[test]
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen


@cache
def _words(file: str) -> frozenset[str]:
    path = ROOT / file
    return frozenset(re.findall(r"\w+", path.read_text(encoding="utf-8"))) if path.exists() else frozenset()


class _Mapping:
    """A plug-in of pytest that notes the time of each test, and tells coverage which one runs."""

    def __init__(self, measure: coverage.Coverage) -> None:
        self._measure = measure
        self.seconds: dict[str, float] = {}
        self.broken: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._measure.switch_context(item.nodeid)
        begun, tracer = time.monotonic(), sys.gettrace()
        try:
            return (yield)
        finally:
            sys.settrace(tracer)  # a test may count lines itself; then coverage would see nothing of the tests after it
            self.seconds[item.nodeid] = round(time.monotonic() - begun, 3)
            self._measure.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.broken.add(report.nodeid)


def make_map(folder: Path, files: list[str]) -> dict[str, Any]:
    """Run the tests once, in this process, in a copy of the checkout; the fields of a `Map`."""
    _enter(folder)
    measure = coverage.Coverage(
        data_file=str(folder / ".coverage.map"), source=[str(folder / PACKAGE)], config_file=False
    )
    measure.start()
    plugin = _Mapping(measure)
    pytest.main([*_OPTIONS, "--timeout=300", *files], plugins=[plugin])
    measure.stop()
    found = Map(seconds={test: plugin.seconds[test] for test in plugin.seconds.keys() - plugin.broken})
    data = measure.get_data()
    for file in data.measured_files():
        path = str(Path(file).relative_to(folder / PACKAGE))
        functions = _by_function(Path(file), data.contexts_by_lineno(file))
        found.runs[path] = {name: sorted(found.seconds.keys() & tests) for name, tests in functions.items()}
        found.early += [f"{path} {name}" for name, tests in functions.items() if "" in tests]
    return attrs.asdict(found)


def _by_function(file: Path, contexts: dict[int, list[str]]) -> dict[str, set[str]]:
    return {
        name: {test for line in range(first, last + 1) for test in contexts.get(line, ())}
        for name, first, last in _functions(ast.parse(file.read_text(encoding="utf-8")), "")
    }


def _functions(node: ast.AST, around: str) -> Iterator[tuple[str, int, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            name = f"{around}.{child.name}".lstrip(".")
            yield name, child.body[0].lineno, child.end_lineno or child.lineno
            yield from _functions(child, name)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{around}.{child.name}".lstrip("."))
        else:
            yield from _functions(child, around)


def test_files(part: str) -> list[str]:
    """The files with the tests of a part of the package, below the checkout."""
    found: list[Path] = []
    for name in (*TESTS[part], BOUNDS):
        place = ROOT / name
        found += sorted(place.glob("test_*.py")) if place.is_dir() else [place]
    return [str(file.relative_to(ROOT)) for file in found if file.stem not in WITHOUT]


# Running them

_OPTIONS = (
    "-q",
    "-p",
    "no:cacheprovider",
    "--no-header",
    "--tb=line",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)


def _selected(items: Iterable[pytest.Item], wanted: list[str], known: Map, own: str) -> list[pytest.Item]:
    """The tests that are wanted, in that order, after those of the module's own file that the map does not know."""
    order = {test: place for place, test in enumerate(wanted)}
    new = [item for item in items if own and item.nodeid not in known.seconds and item.path.stem == own]
    return new + sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])


class _Selection:
    """A plug-in of pytest that runs only some tests."""

    def __init__(self, wanted: list[str], known: Map, own: str) -> None:
        self._wanted, self._known, self._own = wanted, known, own
        self.failed = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = _selected(items, self._wanted, self._known, self._own)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


def _enter(folder: Path) -> None:
    """Make a copy of the checkout the place that this process imports from."""
    os.chdir(folder)
    sys.path[:] = [str(folder), *(place for place in sys.path if place not in ("", str(ROOT)))]
    os.environ["PYTHONPATH"] = str(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] in (PACKAGE, "tests")]:
        del sys.modules[name]


def _forked(work: Callable[[], _T], seconds: float, output: Path) -> _T | None:
    """Do something in a process of its own; what it returns, or None when it took too long or died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            result = json.dumps(work()).encode()
            with open(writing, "wb") as pipe:
                pipe.write(result)
            status = 0
        except BaseException:
            os.write(2, traceback.format_exc().encode())
            raise
        finally:
            os._exit(status)
    os.close(writing)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with open(reading, "rb") as pipe:
            result = pipe.read()
    except _TooLong:
        result = b""
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return json.loads(result) if result else None


class _TooLong(Exception):
    pass


def _give_up(*_: object) -> None:
    raise _TooLong


@attrs.frozen
class Verdict:
    """What became of a change: `by` is the test that noticed it, or how else it showed; empty: it survived."""

    mutant: Mutant
    by: str
    tests: int


Run = Callable[[Mutant, list[str], str], "tuple[int, str] | None"]
"""Runs tests against a change, with those of a file that the map does not know: status and the test that failed.

None if it took too long, or the process died.
"""


def judge(mutant: Mutant, known: Map, run: Run) -> Verdict:
    """Run the tests that may notice a change."""
    tests = known.tests(mutant)
    own = f"test_{Path(mutant.path).stem}"
    doubted: set[str] = set()
    while True:
        outcome = run(mutant, [test for test in tests if test not in doubted], own)
        if outcome is None:
            return Verdict(mutant, "took too long", len(tests))
        status, failed = outcome
        if status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return Verdict(mutant, "", len(tests))
        if not failed:
            return Verdict(mutant, "cannot be imported", len(tests))
        again = run(mutant, [failed], "")
        if again is None or again[0] != pytest.ExitCode.OK or failed in doubted:
            return Verdict(mutant, failed, len(tests))
        doubted.add(failed)


def _seconds(known: Map, tests: list[str]) -> float:
    return LIMIT + PATIENCE * sum(known.seconds.get(test, 0.0) for test in tests)


_edits = itertools.count(1)


@contextlib.contextmanager
def edited(folder: Path, mutant: Mutant) -> Iterator[None]:
    """The copy of the checkout has the change, for processes that are started meanwhile."""
    file = folder / PACKAGE / mutant.path
    original, stat = file.read_text(encoding="utf-8"), file.stat()
    try:
        file.write_text(ast.unparse(mutant.tree) + "\n", encoding="utf-8")
        # Another time for each, so that compiled code of another text is never taken.
        os.utime(file, (stat.st_atime, stat.st_mtime + 10 * next(_edits)))
        yield
    finally:
        file.write_text(original, encoding="utf-8")
        os.utime(file, (stat.st_atime, stat.st_mtime))


class Afresh:
    """Tries changes in a process that imports the SDK anew, from a copy of the checkout with one file changed."""

    def __init__(self, folder: Path, known: dict[str, Map]) -> None:
        self._folder = folder
        self._known = known

    def judge(self, mutant: Mutant) -> Verdict:
        with edited(self._folder, mutant):
            return judge(mutant, self._known[_part(mutant)], self._run)

    def _run(self, mutant: Mutant, tests: list[str], own: str) -> tuple[int, str] | None:
        part = _part(mutant)
        known = self._known[part]
        wanted = {test.partition("::")[0] for test in tests}
        files = sorted(wanted | {file for file in test_files(part) if own and Path(file).stem == own})
        if not files:
            return pytest.ExitCode.NO_TESTS_COLLECTED, ""
        plugin = _Selection(tests, known, own)

        def work() -> tuple[int, str]:
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            sys.dont_write_bytecode = True
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            _enter(self._folder)
            return int(pytest.main([*_OPTIONS, "-x", "--timeout=60", *files], plugins=[plugin])), plugin.failed

        return _forked(work, _seconds(known, tests), self._folder / "output.txt")


class InPlace:
    """Tries changes within functions: a plug-in of pytest that forks, once all tests are collected, for each change.

    There, the function gets the changed code, which saves each change the imports.
    """

    def __init__(self, folder: Path, known: dict[str, Map], mutants: list[Mutant], done: Callable[[Verdict], None]):
        self._folder = folder
        self._known = known
        self._mutants = mutants
        self._done = done
        self._items: list[pytest.Item] = []
        self._functions: dict[tuple[str, int], list[types.FunctionType]] = {}
        self._failed = ""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In the place of running the tests."""
        self._items = session.items
        signal.signal(signal.SIGALRM, _give_up)
        gc.unfreeze()  # what is frozen is not found
        for function in gc.get_objects():
            if isinstance(function, types.FunctionType):
                code = function.__code__
                self._functions.setdefault((code.co_filename, code.co_firstlineno), []).append(function)
        gc.freeze()
        for mutant in self._mutants:
            with edited(self._folder, mutant):
                self._done(judge(mutant, self._known[_part(mutant)], self._run))
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._failed:
            self._failed = report.nodeid

    def _run(self, mutant: Mutant, tests: list[str], own: str) -> tuple[int, str] | None:
        known = self._known[_part(mutant)]
        items = _selected(self._items, tests, known, own)

        def work() -> tuple[int, str]:
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            self._change(mutant)
            for item, following in itertools.zip_longest(items, items[1:]):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                if self._failed:
                    return pytest.ExitCode.TESTS_FAILED, self._failed
            return pytest.ExitCode.OK, ""

        return _forked(work, _seconds(known, tests), self._folder / "output.txt")

    def _change(self, mutant: Mutant) -> None:
        file = str(self._folder / PACKAGE / mutant.path)
        (code,) = _codes_at(compile(mutant.tree, file, "exec"), mutant.outermost)
        for function in self._functions[file, mutant.outermost]:
            if function.__code__.co_name == code.co_name:
                function.__code__ = code


def _codes_at(code: types.CodeType, line: int) -> list[types.CodeType]:
    """The outermost functions that begin at a line."""
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    at = [part for part in inner if part.co_firstlineno == line and part.co_flags & inspect.CO_OPTIMIZED]
    return at or [found for part in inner for found in _codes_at(part, line)]


def _part(mutant: Mutant) -> str:
    return mutant.path.partition("/")[0]


def _copied(folder: Path) -> Path:
    """A copy of the checkout, without what its tests do not need."""
    ignored = shutil.ignore_patterns(".git", ".venv*", "node_modules", ".mypy_cache", ".ruff_cache", ".hypothesis")
    shutil.copytree(ROOT, folder, ignore=ignored, symlinks=True)
    return folder


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; the exit status is 0 where at most a tenth survived."""
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="below telnyx_agent (default: the pure parts)")
    parser.add_argument("--count", type=int, default=150, help="changes (default: 150)")
    parser.add_argument("--seed", type=int, default=None, help="default: the time")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default: 2)")
    parser.add_argument("--map", action="store_true", help="make the map of tests anew")
    chosen = parser.parse_args(arguments)
    seed = int(time.time()) if chosen.seed is None else chosen.seed
    mutants = choose(modules(chosen.modules or list(TESTS)), chosen.count, seed)
    print(f"seed {seed}, {len(mutants)} changes", flush=True)
    os.nice(10)
    signal.signal(signal.SIGALRM, _give_up)
    for name in LIBRARIES:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="mutants") as place:
        known = _maps({mutant.path.partition("/")[0] for mutant in mutants}, Path(place), anew=chosen.map)
        return _tried(mutants, known, Path(place), chosen.jobs)


def _maps(parts: Iterable[str], place: Path, *, anew: bool) -> dict[str, Map]:
    for part in sorted(parts):
        if anew or part not in _kept():
            print(f"which test runs what in {part}: this takes some minutes", flush=True)
            make = partial(make_map, _copied(place / f"map{part}"), test_files(part))
            output = ROOT / f".mutants{part}.txt"
            if (made := _forked(make, 3600, output)) is None:
                raise SystemExit(f"the tests of {part} did not run: see {output.name}")
            MAP.write_text(json.dumps({**_kept(), part: made}), encoding="utf-8")
    return {part: Map(**_kept()[part]) for part in parts}


def _kept() -> dict[str, dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = json.loads(MAP.read_text(encoding="utf-8")) if MAP.exists() else {}
    return kept


def _tried(mutants: list[Mutant], known: dict[str, Map], place: Path, jobs: int) -> int:
    """Share the changes out to processes, and collect what became of them in files."""
    children = []
    errors = os.dup(2)
    for job in range(jobs):
        # Before the fork: the copy is the same whatever happens to the checkout meanwhile.
        folder = _copied(place / f"job{job}")
        if (child := os.fork()) == 0:
            status = 1
            try:
                _work(folder, known, mutants[job::jobs], place / f"verdicts{job}.json")
                status = 0
            except RuntimeError as exc:
                os.write(errors, f"{exc}\n".encode())
            finally:
                os._exit(status)
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    if failed:
        return 2
    verdicts = [verdict for job in range(jobs) for verdict in json.loads((place / f"verdicts{job}.json").read_text())]
    survived = [text for text, by in verdicts if not by]
    slow = sum(by == "took too long" for _, by in verdicts)
    print(f"\n{len(survived)} of {len(verdicts)} survived ({len(survived) / len(verdicts):.1%}); {slow} took too long")
    for text in sorted(survived):
        print(text)
    return int(len(survived) * 10 > len(verdicts))


def _work(folder: Path, known: dict[str, Map], mutants: list[Mutant], file: Path) -> None:
    verdicts = []

    def done(verdict: Verdict) -> None:
        mutant = verdict.mutant
        text = f"{mutant.path}:{mutant.line}: {mutant.before}  ->  {mutant.after}"
        verdicts.append((text, verdict.by))
        line = f"{verdict.by or f'SURVIVED {verdict.tests} tests'}: {text}\n"
        os.write(output, line.encode())

    output = os.dup(1)  # without what pytest has to say
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    early = {name for found in known.values() for name in found.early}
    within = [mutant for mutant in mutants if mutant.outermost and f"{mutant.path} {mutant.function}" not in early]
    afresh = Afresh(folder, known)
    for mutant in mutants:
        if mutant not in within:
            done(afresh.judge(mutant))
    if within:
        _enter(folder)
        files = [file for part in sorted({_part(mutant) for mutant in within}) for file in test_files(part)]
        pytest.main([*_OPTIONS, "--timeout=60", *files], plugins=[InPlace(folder, known, within, done)])
    if len(verdicts) != len(mutants):
        raise RuntimeError("the tests could not be collected: see what `pytest --collect-only` says")
    file.write_text(json.dumps(verdicts), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
