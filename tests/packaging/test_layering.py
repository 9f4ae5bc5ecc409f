"""The table of layers in `docs/architecture.md` holds: imports point up it, third parties stay where they belong."""

from __future__ import annotations

import ast
import re
import sys

from .modules import ENTRANCES, PACKAGE, ROOT, Module, layer_of, layers, modules, own_imports, strongly_connected

THIRD_PARTIES = {
    "aioice": ("_media/", "testing/"),
    "aiortc": ("_media/", "testing/"),
    "av": ("_media/", "testing/"),
    "espeakng_loader": ("testing/",),
    "ifaddr": ("_media/", "testing/"),
    "livekit": ("audio/",),
    "numpy": ("_media/", "audio/", "cli/", "diagnosis/", "testing/"),
    "pocketsphinx": ("testing/",),
    "pylibsrtp": ("_media/",),
    "pytest": ("testing/",),
    "sounddevice": ("audio/",),
    "websocket": ("_net/",),
    "websockets": ("testing/",),
}
"""Who may import what, by the beginnings of names; `attrs` may be used in every layer but the first."""

ONLY_INSIDE_FUNCTIONS = ("espeakng_loader", "livekit", "pocketsphinx", "sounddevice")
"""Importing these fails on some machines, so it happens only when they are really needed."""

IMPURE = {
    *("asyncio", "concurrent", "http", "io", "logging", "multiprocessing", "os", "pathlib", "queue", "random"),
    *("sched", "secrets", "select", "selectors", "shutil", "signal", "socket", "socketserver", "ssl", "subprocess"),
    *("sys", "tempfile", "threading", "time", "urllib", "uuid", "_thread"),
}
"""What is pure does not import: everything with which one can wait, read a clock, throw dice or touch the world."""

IMPURE_CALLS = re.compile(
    r"(^|\.)uuid[1-8]$|^(open|print|input|breakpoint|__import__)$|(^|\.)(date|datetime)\.(now|today|utcnow)$"
)


def place(module: Module, line: int) -> str:
    return f"{module.path.relative_to(ROOT)}:{line}"


def test_the_table_is_read() -> None:
    """A look at the reader itself: some rows that will always be there."""
    table = layers()
    assert table["errors"] == 1
    assert table["_protocol"] < table["config"] < table["_net"] < table["_drivers"] < table["client"]
    assert layer_of("_protocol/session/session") == table["_protocol"]
    assert layer_of("_media/rtc/peer") == table["_media"]


def test_every_module_has_a_layer() -> None:
    """A new module is put into the table before anything else."""
    homeless = [m.short_name for m in modules() if m.short_name not in ENTRANCES and layer_of(m.short_name) is None]
    assert not homeless, f"not in the table of docs/architecture.md: {homeless}"


def test_imports_point_up() -> None:
    """No module imports from a layer below its own, not even for types or inside a function."""
    wrong = []
    for module in modules():
        if module.short_name in ENTRANCES:
            continue
        own = layer_of(module.short_name)
        for one, target in own_imports(module):
            # Who imports the package itself, as users do, stands below the facades that it shows.
            other = layers()["client"] + 1 if target in ENTRANCES else layer_of(target)
            if own is not None and other is not None and other > own:
                wrong.append(f"{place(module, one.line)}: layer {own} imports {target or PACKAGE} of layer {other}")
    assert not wrong, "\n" + "\n".join(dict.fromkeys(wrong))


def test_imports_form_no_circle() -> None:
    """Also those that are made inside functions or for types only: who reads a module follows them as well."""
    graph = {
        module.short_name: {
            target
            for _, target in own_imports(module)
            # A package and what is in it are one place.
            if not target.startswith(f"{module.short_name}/") and not module.short_name.startswith(f"{target}/")
        }
        for module in modules()
        if module.short_name not in ENTRANCES
    }
    found = [sorted(circle) for circle in strongly_connected(graph) if len(circle) > 1]
    assert not found, f"circles of imports: {sorted(found)}"


def test_third_parties_stay_in_their_place() -> None:
    """Each dependency is known to few modules, and costs nothing until it is needed."""
    wrong = []
    for module in modules():
        for one in module.imports:
            top = one.target.partition(".")[0]
            if top in sys.stdlib_module_names or top == PACKAGE:
                continue
            if top in ("attr", "attrs"):
                allowed = layer_of(module.short_name) != 1
            else:
                allowed = module.short_name.startswith(THIRD_PARTIES.get(top, ("nowhere",)))
            if not allowed:
                wrong.append(f"{place(module, one.line)}: {top} does not belong here")
            elif top in ONLY_INSIDE_FUNCTIONS and one.at_module_level:
                wrong.append(f"{place(module, one.line)}: {top} may only be imported inside a function")
    assert not wrong, "\n" + "\n".join(wrong)


def is_pure(module: Module) -> bool:
    """Whether it says so: `PURE` in its docstring. The protocol need not say it."""
    return module.short_name.startswith("_protocol/") or "PURE" in (ast.get_docstring(module.tree) or "")


def test_what_is_called_pure_is_pure() -> None:
    """It has no I/O, no thread, no clock, no dice."""
    wrong = []
    pure = [module for module in modules() if is_pure(module)]
    assert {"_protocol/session/session", "_media/playout/playout", "_quality/report"} <= {
        module.short_name for module in pure
    }
    for module in pure:
        for one in module.imports:
            # urllib.parse only takes text apart, and so does uuid's class; its dice are among the calls.
            if one.target.partition(".")[0] in IMPURE and one.target not in ("urllib.parse", "uuid"):
                wrong.append(f"{place(module, one.line)}: imports {one.target}")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and IMPURE_CALLS.search(ast.unparse(node.func)):
                wrong.append(f"{place(module, node.lineno)}: calls {ast.unparse(node.func)}")
            elif isinstance(node, (ast.AsyncFunctionDef, ast.Await)):
                wrong.append(f"{place(module, node.lineno)}: is a coroutine")
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_loop_is_entered_through_one_call() -> None:
    """Other threads hand work to the loop with `call_soon_threadsafe`, and nobody waits for a coroutine of its."""
    places = [
        place(module, node.lineno)
        for module in modules()
        if not module.short_name.startswith("testing")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "run_coroutine_threadsafe"
    ]
    assert not places
