"""A class is what a reader holds: it inherits from at most one class of ours, and stands in at most two files."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

import attrs

from .modules import Module, modules

MOST_FILES = 2
"""With those of its bases, and of their bases."""


@attrs.frozen
class Class:
    """A class of the package, with those of its bases that are in the package as well."""

    module: str
    name: str
    bases: tuple[Class, ...]
    has_members: bool
    """Otherwise it is only a name, such as one to be used in `except`."""

    @property
    def key(self) -> str:
        return f"{self.module}:{self.name}"

    @property
    def ancestors(self) -> Iterator[Class]:
        """Its bases, and theirs."""
        for base in self.bases:
            yield base
            yield from base.ancestors

    @property
    def files(self) -> set[str]:
        return {self.module, *(ancestor.module for ancestor in self.ancestors)}


@functools.cache
def classes() -> tuple[Class, ...]:
    """All classes of the package that stand at the top of a module, in order."""
    by_name = {module.name: module for module in modules()}

    def find(module: Module, name: str) -> Class | None:
        """What a name means in a module, if it is a class of ours."""
        for statement in module.statements:
            if isinstance(statement, ast.ClassDef) and statement.name == name:
                bases = [find(module, ast.unparse(base).partition("[")[0]) for base in statement.bases]
                has_members = len(statement.body) > 1 or ast.get_docstring(statement) is None
                return Class(module.short_name, name, tuple(one for one in bases if one is not None), has_members)
            if isinstance(statement, ast.Assign) and name in [ast.unparse(target) for target in statement.targets]:
                return find(module, ast.unparse(statement.value)) if isinstance(statement.value, ast.Name) else None
        first, _, rest = name.partition(".")
        home, original = module.names.get(first, ("", ""))
        if home not in by_name:
            return None
        if not rest:
            return find(by_name[home], original)
        # `from . import module`, and then `module.Class`.
        return find(by_name[f"{home}.{original}"], rest) if f"{home}.{original}" in by_name else None

    found = []
    for module in modules():
        for statement in module.statements:
            if isinstance(statement, ast.ClassDef):
                one = find(module, statement.name)
                assert one is not None
                found.append(one)
    return tuple(found)


def test_bases_are_found() -> None:
    """A look at the reader itself: of the same module, imported, and none of ours."""
    by_key = {one.key: one for one in classes()}
    assert [base.key for base in by_key["errors:AuthenticationError"].bases] == [
        "errors:ServerError",
        "errors:_SocketFailure",
    ]
    assert by_key["cli/live_call:_Events"].files == {"cli/live_call", "delegate"}
    assert by_key["config:LogLevel"].bases == ()
    assert len(by_key) == len(classes())


def test_classes_stand_in_one_place() -> None:
    """None is put together of parts by inheritance; parts are what it has."""
    found = [
        one
        for one in classes()
        if len([base for base in one.bases if base.has_members]) > 1 or len(one.files) > MOST_FILES
    ]
    spread = [
        f"{one.key} inherits from {', '.join(base.key for base in one.bases)} and stands in {len(one.files)} files"
        for one in found
    ]
    assert not spread, "\n" + "\n".join(spread)
