"""What a test needs beside Python packages: programs, libraries and rights; `require("chromium")` skips without it.

On a developer's machine a missing program skips the test and says how to get it. In CI (`CI=true`) and wherever
`TELNYX_AGENT_REQUIRE_ALL=1` is set it is a failure instead: a test that silently never runs is worth nothing.
"""

from __future__ import annotations

import ctypes.util
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

__all__ = ["missing", "require", "which"]


@attrs.frozen
class _Requirement:
    check: Callable[[], bool]
    advice: str


def which(program: str) -> str:
    """The full path of a program that `require` has found."""
    path = shutil.which(program, path=_search_path())
    assert path is not None, f"{program} is not here; call require() first"
    return path


def _search_path() -> str:
    # Debian keeps `ip` and `tc` in sbin, which is not on every user's PATH.
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _program(name: str, package: str) -> _Requirement:
    return _Requirement(lambda: shutil.which(name, path=_search_path()) is not None, f"apt-get install {package}")


def _library(name: str, package: str) -> _Requirement:
    return _Requirement(lambda: ctypes.util.find_library(name) is not None, f"apt-get install {package}")


def _module(name: str, distribution: str) -> _Requirement:
    return _Requirement(lambda: importlib.util.find_spec(name) is not None, f"pip install {distribution}")


def _can_make_network_namespaces() -> bool:
    if not sys.platform.startswith("linux") or shutil.which("ip", path=_search_path()) is None:
        return False
    name = f"telnyx-probe-{os.getpid()}"
    if subprocess.run([which("ip"), "netns", "add", name], capture_output=True, check=False).returncode != 0:
        return False
    subprocess.run([which("ip"), "netns", "delete", name], capture_output=True, check=True)
    return True


def _can_translate_addresses() -> bool:
    # The programs may be there, and the kernel may have been built without what they need.
    if any(shutil.which(name, path=_search_path()) is None for name in ("unshare", "nsenter", "nft", "conntrack")):
        return False
    chain = "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100 ; }"
    probe = f"{which('nft')} '{chain}; add rule ip nat out masquerade' && {which('conntrack')} -L"
    command = [which("unshare"), "--net", "sh", "-c", probe]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _has_pulse_plugin() -> bool:
    # PortAudio reaches PulseAudio through ALSA's "pulse" device, which is a plug-in.
    return any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))


_REQUIREMENTS = {
    "chromium": _program("chromium", "chromium"),
    "npm": _program("npm", "npm"),
    "node": _program("node", "nodejs"),
    "openssl": _program("openssl", "openssl"),
    "ip": _program("ip", "iproute2"),
    "tc": _program("tc", "iproute2"),
    "netns": _Requirement(_can_make_network_namespaces, "apt-get install iproute2 (and be root)"),
    "nat": _Requirement(_can_translate_addresses, "apt-get install nftables conntrack util-linux (and be root)"),
    "turnserver": _program("turnserver", "coturn"),
    "portaudio": _library("portaudio", "libportaudio2"),
    "pulseaudio": _program("pulseaudio", "pulseaudio"),
    "pactl": _program("pactl", "pulseaudio-utils"),
    "alsa-pulse": _Requirement(_has_pulse_plugin, "apt-get install libasound2-plugins"),
    "voice": _module("espeakng_loader", "'telnyx-agent[demo]'"),
    # There is no wheel of pocketsphinx for Python 3.14; see setup.cfg.
    "ears": _module("pocketsphinx", "'telnyx-agent[demo]'"),
    "aec": _module("livekit", "'telnyx-agent[aec]'"),
    **{
        name: _module(name, "'telnyx-agent[environments]'")
        for name in ("eventlet", "gevent", "ipykernel", "trio", "uvloop")
    },
    "pyinstaller": _module("PyInstaller", "'telnyx-agent[environments]'"),
}


@functools.cache
def _is_here(name: str) -> bool:
    return _REQUIREMENTS[name].check()


def missing(*names: str) -> list[str]:
    """Those of `names` that this machine lacks."""
    return [name for name in names if not _is_here(name)]


def require(*names: str) -> None:
    """Skip the running test, loudly, unless everything named is here; where everything has to be here, fail it.

    Args:
        names: Keys of the table in this module, such as `"chromium"` or `"portaudio"`.
    """
    lacking = missing(*names)
    if not lacking:
        return
    advice = "; ".join(f"{name}: {_REQUIREMENTS[name].advice}" for name in lacking)
    if _everything_is_required():
        pytest.fail(f"this machine must have everything that the tests need, but it lacks {advice}", pytrace=False)
    pytest.skip(f"needs {advice}")


def _everything_is_required() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1") or os.environ.get("TELNYX_AGENT_REQUIRE_ALL") == "1"
