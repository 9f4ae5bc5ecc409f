"""Public names that are imported when they are first used, so that importing a package of ours costs nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._runtime.imports import uninterrupted

__all__ = ["exports"]


def exports(
    namespace: dict[str, Any],
    homes: Mapping[str, str],
    adopt: Callable[[object], object] = lambda value: value,
) -> tuple[Callable[[str], Any], Callable[[], Sequence[str]]]:
    """A package's `__getattr__` and `__dir__` (PEP 562).

    Args:
        namespace: The package's `globals()`; what was imported stays there.
        homes: The module below the package that has each name, such as `"_media.stats"`.
        adopt: Called with each value before it is given out.
    """
    package = namespace["__name__"]

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with uninterrupted():
            value = adopt(getattr(importlib.import_module(f".{home}", package), name))
        namespace[name] = value
        return value

    def names() -> list[str]:
        return sorted({*namespace, *namespace["__all__"]})

    return find, names
