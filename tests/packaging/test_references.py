"""What docstrings, comments and documents name in backticks is there: no name outlives its method or module."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import attrs

import telnyx_agent

from .modules import ROOT

_MEMBER = re.compile(r"`([A-Z][A-Za-z]+)\.([a-z_][a-z0-9_]*)(?![A-Za-z0-9_])")
_MODULE = re.compile(r"`(_[a-z]+(?:/[a-z0-9_]+)+)`")
_OFFICIAL = {"CallState.new", "ConnectionStatus.connected", "ConnectionStatus.disconnected"}
"""Members of classes of the official SDKs that have the same name as one of ours."""


def test_members_in_backticks_exist() -> None:
    """`Class.member`, where a class of this name is ours."""
    classes = _classes()
    missing = [
        f"{place}: {name}.{member}"
        for place, name, member in _found(_MEMBER)
        if name in classes
        and f"{name}.{member}" not in _OFFICIAL
        and not any(_has(kind, member) for kind in classes[name])
    ]
    assert {"TxClient", "SessionDriver"} <= set(classes)
    assert not missing


def test_modules_in_backticks_exist() -> None:
    """`_folder/module`, with or without what is in it."""
    package = ROOT / "telnyx_agent"
    missing = [
        f"{place}: {path}"
        for place, path in _found(_MODULE)
        if not (package / path).is_dir() and not (package / path).with_suffix(".py").is_file()
    ]
    assert not missing


def _found(pattern: re.Pattern[str]) -> Iterator[tuple[str, ...]]:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "telnyx_agent").rglob("*.py")]
    for file in sorted(files):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            for match in pattern.finditer(line):
                yield (f"{file.relative_to(ROOT)}:{number}", *match.groups())


def _classes() -> dict[str, list[type]]:
    """All classes of the package, by name: several may have the same."""
    found: dict[str, list[type]] = {}
    for info in pkgutil.walk_packages(telnyx_agent.__path__, "telnyx_agent."):
        if not info.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(info.name)).items():
                if inspect.isclass(value) and value.__module__.startswith("telnyx_agent"):
                    found.setdefault(name, []).append(value)
    return found


def _has(kind: type, member: str) -> bool:
    if hasattr(kind, member) or member in getattr(kind, "__annotations__", {}):
        return True
    if attrs.has(kind) and member in [field.name for field in attrs.fields(kind)]:
        return True
    makers = [vars(base)["__init__"] for base in kind.__mro__ if inspect.isfunction(vars(base).get("__init__"))]
    return any(re.search(rf"self\.{member}\b", inspect.getsource(maker)) for maker in makers if _has_source(maker))


def _has_source(function: object) -> bool:
    """Not those that attrs writes."""
    return Path(inspect.getfile(function)).is_file()  # type: ignore[arg-type]
