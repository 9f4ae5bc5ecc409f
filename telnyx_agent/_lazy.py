"""Public names that stand in private modules: imported when they are first used, and shown as what users import."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from ._runtime.imports import uninterrupted

__all__ = ["adopt", "exports"]

_ROOT = __name__.partition(".")[0]


def adopt(namespace: dict[str, Any]) -> None:
    """Let tracebacks, reprs and documentation show a public module's names as what users import.

    Args:
        namespace: The module's `globals()`, once its names and `__all__` are there.
    """
    for name in namespace["__all__"]:
        _adopt(namespace["__name__"], namespace.get(name))


def exports(
    namespace: dict[str, Any], homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], Sequence[str]]]:
    """A public module's `__getattr__` and `__dir__` (PEP 562); its names are adopted.

    Args:
        namespace: The module's `globals()`, once its names and `__all__` are there; what is imported stays there.
        homes: The module that has each name that is imported later, as in `from .<home> import name`.
    """
    module, package = namespace["__name__"], namespace["__package__"]
    adopt(namespace)

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        with uninterrupted():
            value = getattr(importlib.import_module(f".{home}", package), name)
        _adopt(module, value)
        namespace[name] = value
        return value

    def names() -> list[str]:
        return sorted({*namespace, *namespace["__all__"]})

    return find, names


def _adopt(module: str, value: Any) -> None:
    home = getattr(value, "__module__", "")
    is_ours = isinstance(value, (type, FunctionType)) and home.startswith(f"{_ROOT}.")
    if is_ours and (module == _ROOT or "._" in home):
        value.__module__ = module
