"""Error texts without what others put into them.

An error's message is made of the SDK's own words and of what the server, the system or the user's own code said: file
names, hosts, whole sentences. Which is which, the finished text does not tell. But the SDK's words stand in its code,
so whatever of a message does not stand there is masked, character by character.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from types import CodeType

__all__ = ["own_words"]

_PHRASE = re.compile(r"\S+ \S+.*", re.DOTALL)
_HOLE = re.compile(r"\{[^{}]*\}|%[-\d.]*[a-z]")
"""Where a template takes in something else."""
_SHORTEST = 8
"""Characters. A single word of ours may be found in anybody's text by chance; two or more in a row are ours."""


def own_words(message: str, keyword: str | None = None) -> str:
    """`message` with an asterisk for each character that is not the SDK's own.

    Slow when it is called for the first time (it reads the SDK's code), so not for the loop thread.

    Args:
        message: An error's text.
        keyword: A word that stays, wherever it stands.
    """
    shown = [False] * len(message)
    for phrase in (*_phrases(), *((keyword,) if keyword else ())):
        start = message.find(phrase)
        while start >= 0:
            shown[start : start + len(phrase)] = [True] * len(phrase)
            start = message.find(phrase, start + 1)
    return "".join(char if seen else "*" for char, seen in zip(message, shown, strict=True))


def _phrases() -> Iterator[str]:
    """The SDK's texts of several words, and the system's for its errors."""
    yield from _of_the_system()
    package = __name__.partition(".")[0]
    # Modules that are imported later bring their own.
    for name in tuple(sys.modules):
        if name.partition(".")[0] == package:
            yield from _of_module(name)


@functools.cache
def _of_the_system() -> tuple[str, ...]:
    return tuple(os.strerror(number) for number in errno.errorcode)


@functools.cache
def _of_module(name: str) -> tuple[str, ...]:
    parts = {part for text in _texts_in(_code_of(name)) for part in _HOLE.split(text)}
    return tuple(part for part in parts if len(part) >= _SHORTEST and _PHRASE.fullmatch(part.strip()))


def _code_of(name: str) -> CodeType | None:
    module = sys.modules.get(name)
    get_code = getattr(getattr(getattr(module, "__spec__", None), "loader", None), "get_code", None)
    if get_code is None:  # under pytest, which has loaders of its own for packages with plugins
        get_code = SourceFileLoader(name, str(getattr(module, "__file__", ""))).get_code
    try:
        code = get_code(name)
    except (ImportError, OSError):  # frozen in a way that keeps no code: its texts are masked like everybody's
        return None
    return code if isinstance(code, CodeType) else None


def _texts_in(code: CodeType | None) -> Iterator[str]:
    for constant in () if code is None else code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts_in(constant)
