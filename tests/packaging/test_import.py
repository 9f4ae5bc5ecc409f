"""What importing does and does not do; each check in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from .modules import PACKAGE, ROOT, module_names

NOT_IMPORTED = (
    *("aioice", "aiortc", "av", "espeakng_loader", "livekit", "numpy", "pocketsphinx", "pytest", "sounddevice"),
    "websockets",
)


def in_fresh_interpreter(script: str, *arguments: str) -> Any:
    """Run `script`, warnings being errors, and return what it printed as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts in /proc")
def test_importing_the_package_starts_and_opens_nothing() -> None:
    """No thread, no file, no socket, no process, and none of the expensive or optional libraries."""
    seen = in_fresh_interpreter(
        """
        import json, os, sys, threading
        import attrs, websocket  # these may read what they like
        events = []
        watched = ("socket.", "subprocess.", "os.system", "os.posix_spawn", "os.fork", "ctypes.dlopen", "signal.")
        sys.addaudithook(lambda event, args: events.append(event) if event.startswith(watched) else None)
        files = os.listdir("/proc/self/fd")
        import telnyx_agent
        print(json.dumps({
            "threads": [thread.name for thread in threading.enumerate()],
            "tasks": len(os.listdir("/proc/self/task")),
            "new files": sorted(set(os.listdir("/proc/self/fd")) - set(files)),
            "events": sorted(set(events) - {"socket.__new__", "socket.gethostname"}),
            "modules": sorted({name.partition(".")[0] for name in sys.modules}),
        }))
        """
    )
    assert seen["threads"] == ["MainThread"]
    assert seen["new files"] == []
    assert seen["events"] == []
    assert sorted(set(seen["modules"]) & set(NOT_IMPORTED)) == []


@pytest.mark.slow
def test_every_module_can_be_imported_alone() -> None:
    """First of all modules of the package, with nothing done by `telnyx_agent/__init__.py` before it."""
    failures = in_fresh_interpreter(
        """
        import importlib, json, pathlib, sys, traceback, types
        package, *names = sys.argv[1:]
        failures = {}
        for name in names:
            for loaded in [key for key in sys.modules if key == package or key.startswith(package + ".")]:
                del sys.modules[loaded]
            if name != package:
                bare = sys.modules[package] = types.ModuleType(package)
                bare.__path__ = [str(pathlib.Path(package).resolve())]
            try:
                importlib.import_module(name)
            except BaseException:
                failures[name] = traceback.format_exc(limit=-3)
        print(json.dumps(failures))
        """,
        PACKAGE,
        # `__main__` runs the command line, which tests/cli does.
        *sorted(name for name in module_names() if not name.endswith("__main__")),
    )
    assert not failures, "\n".join(f"{name}: {text}" for name, text in failures.items())


PUBLIC = (
    "",
    "aio",
    "audio",
    "codecs",
    "compat",
    "config",
    "delegate",
    "diagnosis",
    "errors",
    "events",
    "quality",
    "testing",
)
"""What users import from."""


def test_public_names_are_those_in_all() -> None:
    """`__all__` names everything public, once, and nothing that is not there; what is used rarely is elsewhere."""
    seen = in_fresh_interpreter(
        """
        import json, types
        import telnyx_agent
        public = [
            name for name, value in vars(telnyx_agent).items()
            if not name.startswith("_") and not isinstance(value, types.ModuleType) and name != "annotations"
        ]
        missing = [name for name in telnyx_agent.__all__ if not hasattr(telnyx_agent, name)]
        print(json.dumps({"all": list(telnyx_agent.__all__), "public": public, "missing": missing}))
        """
    )
    assert seen["missing"] == []
    assert len(seen["all"]) == len(set(seen["all"])) <= 40
    assert set(seen["public"]) <= set(seen["all"]), sorted(set(seen["public"]) - set(seen["all"]))
    assert seen["all"] == sorted(seen["all"]) or seen["all"] == sorted(seen["all"], key=str.casefold)


def test_public_classes_say_where_they_are_imported_from() -> None:
    """A traceback or `repr` shows `telnyx_agent.TxError`, which is what a reader can import."""
    private = in_fresh_interpreter(
        """
        import importlib, json, sys
        private = []
        for name in sys.argv[1:]:
            module = importlib.import_module(f"telnyx_agent.{name}".rstrip("."))
            for value in (getattr(module, public) for public in module.__all__):
                if isinstance(value, type) and "._" in value.__module__:
                    private.append(f"{name}: {value!r}")
        print(json.dumps(private))
        """,
        *PUBLIC,
    )
    assert not private, f"these show a private module: {private}"
