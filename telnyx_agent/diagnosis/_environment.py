"""`environment_info`: what a report of a problem should say about the machine."""

from __future__ import annotations

import platform
from importlib import metadata

from .._version import __version__

__all__ = ["environment_info"]

_PACKAGES = ("aiortc", "aioice", "av", "websocket-client", "numpy", "sounddevice", "livekit")


def environment_info() -> dict[str, str]:
    """Versions of the SDK, of Python, of the system and of what the SDK stands on.

    Nothing personal: no names, no addresses, no paths. What is not installed is `""`. Opens nothing and imports none
    of it.
    """
    info = {
        "telnyx_agent": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    return {**info, **{name: _version_of(name) for name in _PACKAGES}}


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
