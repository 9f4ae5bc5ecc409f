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
from types import CodeType

__all__ = ["own_words"]

_PHRASE = re.compile(r"\S+ \S+.*", re.DOTALL)
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


@functools.cache
def _phrases() -> tuple[str, ...]:
    """The SDK's texts of several words, and the system's for its errors."""
    package = __name__.partition(".")[0]
    found = {os.strerror(number) for number in errno.errorcode}
    for name in tuple(sys.modules):
        if name.partition(".")[0] == package:
            found.update(_texts_in(_code_of(name)))
    return tuple(text for text in found if len(text) >= _SHORTEST and _PHRASE.fullmatch(text.strip()))


def _code_of(name: str) -> CodeType | None:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    get_code = getattr(getattr(spec, "loader", None), "get_code", None)
    try:
        code = None if get_code is None else get_code(name)
    except (ImportError, OSError):  # frozen in a way that keeps no code: its texts are masked like everybody's
        return None
    return code if isinstance(code, CodeType) else None


def _texts_in(code: CodeType | None) -> Iterator[str]:
    for constant in () if code is None else code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts_in(constant)
