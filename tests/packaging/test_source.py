"""Rules about the source text: short functions, nothing swallowed, nothing left to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .modules import ROOT, modules

FUNCTION_LINES = 60

LONGER_FUNCTIONS: dict[str, int] = {}
"""Functions that may be longer, as `module:function`, with their limit; each has a reason in a comment beside it."""


def test_functions_are_short() -> None:
    """Not counting the docstring: a contract may be long."""
    long = {}
    for module in modules():
        for function in _functions(module.tree):
            name = f"{module.short_name}:{function.name}"
            if (lines := _body_lines(function)) > LONGER_FUNCTIONS.get(name, FUNCTION_LINES):
                long[name] = lines
    assert not long, f"longer than {FUNCTION_LINES} lines: {long}"


def test_nothing_is_swallowed() -> None:
    """No handler of a broad exception does nothing at all."""
    swallowed = [
        f"{module.path.relative_to(ROOT)}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and all(_does_nothing(s) for s in node.body)
    ]
    assert not swallowed, swallowed


def test_nothing_is_left_to_do() -> None:
    """What is to be done is done or is an issue, not a comment."""
    # Put together so that this line is not found itself.
    marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
    folders = ("telnyx_agent", "samples", "tests", "benchmarks", "fuzz", "scripts", ".ci")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file()
        and path.suffix in ("", ".py", ".sh", ".js", ".html")
        and not {"node_modules", ".found"} & set(path.parts)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert not found, found


def test_modules_say_their_job_first() -> None:
    """Every module begins with a docstring, and postpones its annotations."""
    lacking = [module.short_name for module in modules() if not ast.get_docstring(module.tree)]
    lacking += [
        module.short_name
        for module in modules()
        if any(isinstance(node, ast.FunctionDef) for node in ast.walk(module.tree))
        and "from __future__ import annotations" not in module.text
    ]
    assert not lacking, lacking


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
    return (function.end_lineno or first.lineno) - first.lineno + 1


def _is_broad(caught: ast.expr | None) -> bool:
    return caught is None or ast.unparse(caught) in ("Exception", "BaseException")


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Pass, ast.Continue)) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def test_threads_are_started_in_one_place() -> None:
    """`_runtime/threads` marks them and says in words that there are no more; nothing else makes one."""
    found = [
        f"{module.path.relative_to(ROOT)}:{used.lineno}"
        for module in modules()
        if module.short_name != "_runtime/threads"
        for node in ast.walk(module.tree)
        for used in ([node.func] if isinstance(node, ast.Call) else getattr(node, "bases", []))
        if ast.unparse(used) in ("threading.Thread", "threading.Timer", "Thread", "Timer", "_thread.start_new_thread")
        and not module.short_name.startswith("_protocol/")  # its `Timer` is a name of a deadline
    ]
    assert not found, f"use SdkThread: {found}"
