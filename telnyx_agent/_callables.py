"""Checks of the program's callables: delegates, listeners, handlers, loggers, tools.

They are called later, on another thread. So they are checked when they are given, where the error is raised in the
program's own code: a class instead of an object, a coroutine function that nobody would await, a wrong number of
parameters. What cannot be checked (an object with `__getattr__`, a builtin without a signature) is accepted.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Collection, Mapping
from types import FunctionType, MethodType
from typing import Any

from .errors import ClientConfigurationError

__all__ = [
    "check_function",
    "check_logger",
    "check_methods",
    "check_not_class",
    "check_result",
    "is_async",
    "is_generator",
    "takes",
]

_MISSING = object()


def is_async(function: object) -> bool:
    """Whether a call would only make a coroutine or an asynchronous generator, which has to be awaited.

    True also for a `functools.partial` of such a function, a bound method, and an object whose `__call__` is one.
    """
    for _ in range(100):  # a partial of a partial ...
        if isinstance(function, (functools.partial, functools.partialmethod)):
            function = function.func
        elif isinstance(function, (staticmethod, classmethod)):
            function = function.__func__
        else:
            break
    if _is_coroutine_function(function):
        return True
    if isinstance(function, type) or inspect.isroutine(function):
        return False
    return _is_coroutine_function(inspect.getattr_static(type(function), "__call__", None))


def _is_coroutine_function(function: object) -> bool:
    if type(function) in (FunctionType, MethodType):  # not `isinstance`: a mock may say that it is one
        return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    # What marks others as such: `unittest.mock.AsyncMock`, Cython's functions, `inspect.markcoroutinefunction`. Looked
    # up statically, because a mock has every attribute.
    return any(
        inspect.getattr_static(function, mark, None) is not None for mark in ("_is_coroutine", "_is_coroutine_marker")
    )


def _is_dynamic(kind: type) -> bool:
    """Whether objects of this class may have attributes that only their own code finds: proxies, mocks."""
    if issubclass(kind, (weakref.ProxyType, weakref.CallableProxyType)):
        return True
    # Classes in C have a `__getattribute__` of their own that finds what is there; one in Python may find anything.
    return hasattr(kind, "__getattr__") or inspect.isfunction(kind.__getattribute__)


def is_generator(function: object) -> bool:
    """Whether a call would only make a generator, of which nothing runs until somebody iterates."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and not isinstance(function, type):
        function = inspect.getattr_static(type(function), "__call__", None)
    return type(function) in (FunctionType, MethodType) and inspect.isgeneratorfunction(function)


def takes(function: Callable[..., object], count: int) -> bool | None:
    """Whether a call with so many arguments by position is possible; None where nobody can say."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # builtins
        return None
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def check_not_class(name: str, value: object) -> None:
    """Refuse a class where an object of it is wanted.

    Args:
        name: The argument, for the error.
        value: What was given.

    Raises:
        ClientConfigurationError: It is a class.
    """
    if isinstance(value, type):
        raise ClientConfigurationError(
            f"{name} must be an object, not the class {value.__name__}; write {value.__name__}(...)"
        )


def check_function(name: str, function: object, *forms: str) -> None:
    """Refuse what cannot be called as it will be.

    Args:
        name: The argument or attribute, for the error: `"on_audio_level"`.
        function: What was given. None is refused too: where it is allowed, do not ask.
        forms: The parameters that it will be called with, by position: `"(inbound, outbound)"`. One of several will do.

    Raises:
        ClientConfigurationError: It is not callable, is a class, is asynchronous, or takes other parameters. The text
            names the argument, what came and what is wanted.
    """
    wanted = " or ".join(forms)
    if isinstance(function, type):
        raise ClientConfigurationError(
            f"{name} must be a function {wanted}, not the class {function.__name__}; give a function or a bound method"
        )
    if not callable(function):
        raise ClientConfigurationError(f"{name} must be a function {wanted}, not {_named(function)}")
    if is_async(function):
        raise ClientConfigurationError(
            f"{name} must be a plain function {wanted}, not 'async def': nobody would await it. Write 'def', or hand "
            "over to your event loop in it with asyncio.run_coroutine_threadsafe()"
        )
    if is_generator(function):
        raise ClientConfigurationError(f"{name} has a 'yield' in it: a call of it would run nothing; write it without")
    if not any(takes(function, _count(form)) is not False for form in forms):
        raise ClientConfigurationError(f"{name} is called with {wanted}, but what was given takes {_shown(function)}")


def check_methods(
    name: str, value: object, methods: Mapping[str, Collection[str]], *, required: Collection[str] = ()
) -> None:
    """Refuse an object whose methods cannot be called as they will be. Runs no code of the object's.

    Args:
        name: The argument, for the error: `"delegate"`.
        value: What was given.
        methods: The methods that will be called, each with the parameters as for `check_function`. Those that it lacks
            are skipped, and those that cannot be known before they are asked for (properties, `__getattr__`).
        required: Those that it may not lack.

    Raises:
        ClientConfigurationError: It is a class, a plain value or function that can have none of the methods, lacks a
            required one, or one of them cannot be called so.
    """
    check_not_class(name, value)
    found = {method: inspect.getattr_static(value, method, _MISSING) for method in methods}
    may_have_any = _is_dynamic(type(value))
    has_any = any(one is not _MISSING for one in found.values())
    # Attributes may be put into most objects later, but not into a number, a text, a tuple. `object()` stands for
    # somebody who wants nothing.
    can_grow = type(value) is object or (hasattr(value, "__dict__") and not inspect.isroutine(value))
    if not has_any and not may_have_any and not can_grow:
        raise ClientConfigurationError(
            f"{name} must be an object with methods such as {next(iter(methods))}, not {_named(value)}"
        )
    for method, static in found.items():
        if static is _MISSING:
            if method in required and not may_have_any:
                raise ClientConfigurationError(
                    f"{name} must have a method {method}{' or '.join(methods[method])}; {_named(value)} has none"
                )
        elif not _is_computed(static) and (bound := getattr(value, method, None)) is not None:
            check_function(f"{name}.{method}", bound, *methods[method])


def _is_computed(static: object) -> bool:
    """Whether to read this attribute would run the program's code."""
    if inspect.isroutine(static) or isinstance(static, (staticmethod, classmethod, functools.partialmethod)):
        return False
    return hasattr(type(static), "__get__") and not inspect.ismemberdescriptor(static)


def check_logger(name: str, logger: object | None) -> None:
    """Refuse what is no `TxLogger`; None is none.

    Raises:
        ClientConfigurationError: As for `check_methods`.
    """
    if logger is not None:
        check_methods(name, logger, {"log": ("(level, message)", "(level, tag, message, exc)")}, required=("log",))


def check_result(name: str, result: object) -> None:
    """Refuse the coroutine that a callback has returned, which could not be known before: nobody awaits it.

    Raises:
        ClientConfigurationError: It is one. It has been closed, so that Python does not warn of it too.
    """
    if inspect.iscoroutine(result):
        result.close()
        raise ClientConfigurationError(
            f"{name} returned a coroutine, which nobody awaits: nothing of it has run. Make it a plain function, or "
            "hand over to your event loop in it with asyncio.run_coroutine_threadsafe()"
        )


def _shown(function: Callable[..., object]) -> str:
    """The parameters by name; defaults are not shown, they may be anything."""
    marks: dict[object, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parameters = inspect.signature(function).parameters.values()
    names = [f"{marks.get(one.kind, '')}{one.name}{'' if one.default is one.empty else '=...'}" for one in parameters]
    return f"({', '.join(names)})"


def _count(form: str) -> int:
    inner = form.strip("() ")
    return len(inner.split(",")) if inner else 0


def _named(value: Any) -> str:
    """What it is, never its content, which may be a secret."""
    if value is None:
        return "None"
    if inspect.isroutine(value):
        return f"the function {getattr(value, '__name__', '?')}"
    return f"an object of {type(value).__name__}" if hasattr(value, "__dict__") else type(value).__name__
