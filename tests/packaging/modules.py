"""Reads the SDK's modules without importing them: their names, syntax trees, and what each imports."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import attrs

__all__ = ["ENTRANCES", "PACKAGE", "ROOT", "Import", "Module", "layer_of", "layers", "modules", "own_imports"]
__all__ += ["strongly_connected"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "telnyx_agent"

ENTRANCES = ("", "__main__")
"""The package itself and `python -m` may import everything."""


@attrs.frozen
class Import:
    """One module that another one imports."""

    target: str
    line: int
    at_module_level: bool
    """Whether it happens when the importing module is imported."""
    for_types_only: bool
    """Whether it stands under `if TYPE_CHECKING`."""


@attrs.frozen(slots=False)
class Module:
    """One source file of the package."""

    name: str
    path: Path

    @property
    def short_name(self) -> str:
        """The name inside the package, with slashes: `_protocol/states`; the package itself is an empty string."""
        return self.name.removeprefix(PACKAGE).lstrip(".").replace(".", "/")

    @property
    def package(self) -> str:
        """What relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @functools.cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @functools.cached_property
    def statements(self) -> tuple[ast.stmt, ...]:
        """What stands at the top of the module, also under `if` and `try`."""
        return tuple(_at_the_top(self.tree.body))

    @functools.cached_property
    def names(self) -> dict[str, tuple[str, str]]:
        """What is imported by `from home import original as name`, by its name here."""
        return {
            alias.asname or alias.name: (self._base(statement), alias.name)
            for statement in self.statements
            if isinstance(statement, ast.ImportFrom)
            for alias in statement.names
        }

    @functools.cached_property
    def imports(self) -> tuple[Import, ...]:
        """Everything the module imports, wherever it stands; modules of the package by their full name."""
        return tuple(self._imports_in(self.tree.body, at_module_level=True, for_types_only=False))

    def _imports_in(
        self, statements: list[ast.stmt], *, at_module_level: bool, for_types_only: bool
    ) -> Iterator[Import]:
        for statement in statements:
            for target in self._targets(statement):
                yield Import(target, statement.lineno, at_module_level and not for_types_only, for_types_only)
            is_function = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
            for field in ("body", "orelse", "finalbody"):
                yield from self._imports_in(
                    getattr(statement, field, []),
                    at_module_level=at_module_level and not is_function,
                    for_types_only=for_types_only or (field == "body" and _is_for_types(statement)),
                )
            for handler in getattr(statement, "handlers", []) + getattr(statement, "cases", []):
                yield from self._imports_in(
                    handler.body, at_module_level=at_module_level, for_types_only=for_types_only
                )

    def _targets(self, statement: ast.stmt) -> Iterator[str]:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = self._base(statement)
            for alias in statement.names:
                # `from package import module` imports the module, `from module import name` the module as well.
                candidate = f"{base}.{alias.name}"
                yield candidate if candidate in module_names() else base

    def _base(self, statement: ast.ImportFrom) -> str:
        """The full name of what something is imported from."""
        base = statement.module or ""
        if statement.level:
            start = self.package.split(".")
            parent = ".".join(start[: len(start) - statement.level + 1])
            base = f"{parent}.{base}" if base else parent
        return base


def _at_the_top(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if isinstance(statement, (ast.If, ast.Try)):
            for field in ("body", "orelse", "finalbody"):
                yield from _at_the_top(getattr(statement, field, []))
        else:
            yield statement


def _is_for_types(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


@functools.cache
def module_names() -> frozenset[str]:
    """The names of all modules of the package."""
    return frozenset(module.name for module in modules())


@functools.cache
def modules() -> tuple[Module, ...]:
    """All modules of the package, sorted by name."""
    found = []
    for path in (ROOT / PACKAGE).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append(Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return tuple(sorted(found, key=lambda module: module.name))


@functools.cache
def layers() -> dict[str, int]:
    """The table: each name in it, `/*` taken off, with the number of its layer."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table: dict[str, int] = {}
    for number, names in re.findall(r"^\| (\d+) \| ([^|]*) \|", text, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", re.sub(r"\([^)]*\)", "", names)):
            table[name.removesuffix("/*")] = int(number)
    return table


def layer_of(short_name: str) -> int | None:
    """The layer of a module: the longest name in the table that is its own or that of a package around it."""
    table = layers()
    parts = short_name.split("/")
    for length in range(len(parts), 0, -1):
        if (number := table.get("/".join(parts[:length]))) is not None:
            return number
    return None


def own_imports(module: Module) -> list[tuple[Import, str]]:
    """What a module imports from the package, with the short names."""
    found = []
    for one in module.imports:
        if one.target == PACKAGE or one.target.startswith(f"{PACKAGE}."):
            found.append((one, one.target.removeprefix(PACKAGE).lstrip(".").replace(".", "/")))
    return found


def strongly_connected(graph: dict[str, set[str]]) -> list[set[str]]:
    """The parts of a graph in which each node leads to each other one."""

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            new = graph.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        return seen

    reach = {node: reachable(node) for node in graph}
    found: list[set[str]] = []
    for node in graph:
        if not any(node in part for part in found):
            found.append({node} | {other for other in reach[node] if node in reach.get(other, set())})
    return found
