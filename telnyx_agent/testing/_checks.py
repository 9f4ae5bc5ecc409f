"""What the local agent refuses, in one sentence each that says what to do: arguments, missing packages, ports."""

from __future__ import annotations

import errno
import math
from typing import NoReturn

from ..errors import ClientConfigurationError

__all__ = [
    "ADVICE",
    "CannotListenError",
    "MissingPackageError",
    "cannot_listen",
    "check_number",
    "check_port",
    "missing_package",
]

ADVICE = 'pip install "telnyx-agent[demo]"'

_MENDS = {
    errno.EADDRINUSE: "the port is in use; choose another one, or 0 for any that is free",
    errno.EACCES: "only the system's administrator may use this port; choose one above 1023",
    errno.EPERM: "only the system's administrator may use this port; choose one above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address; 127.0.0.1 is for programs on this machine, 0.0.0.0 for all",
}
_NO_HOST = "host is an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them"


class MissingPackageError(ClientConfigurationError, ImportError):  # type: ignore[misc]  # `name` is iOS's there
    """A package of an extra is not installed, or cannot be imported."""


class CannotListenError(ClientConfigurationError, OSError):
    """The address or the port cannot be used."""


def missing_package(what: str, package: str, error: BaseException | None = None) -> MissingPackageError:
    """To be raised where something needs a package that cannot be imported."""
    why = "" if error is None or isinstance(error, ModuleNotFoundError) else f", which cannot be imported ({error})"
    return MissingPackageError(f"{what} needs the package {package}{why}; {ADVICE}")


def cannot_listen(host: str, port: int, error: OSError) -> CannotListenError:
    """To be raised where a server cannot have the port that it was told to use."""
    mend = _MENDS.get(error.errno or 0, f"{error.strerror or error}; {_NO_HOST}")
    return CannotListenError(f"the local agent cannot listen on {host} port {port}: {mend}")


def check_port(port: object) -> int:
    """A port of TCP, or 0.

    Raises:
        ClientConfigurationError: It is none.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ClientConfigurationError(f"port is a whole number from 0 (any free port) to 65535; got {port!r}")
    return port


def check_number(name: str, value: object, low: float, high: float = math.inf) -> float:
    """A finite number within bounds.

    Raises:
        ClientConfigurationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(name, value, low, high)
    if not math.isfinite(value) or not low <= value <= high:
        _refuse(name, value, low, high)
    return value


def _refuse(name: str, value: object, low: float, high: float) -> NoReturn:
    span = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
    raise ClientConfigurationError(f"{name} is a number {span}; got {value!r}")
