"""`CheckResult`: what one check came to. `Verdict`: what all of them together mean."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs

__all__ = ["CheckResult", "Verdict", "verdict_of"]


class Verdict(str, enum.Enum):
    """What a report comes to. The JavaScript SDK's words."""

    READY = "ready"
    """Calls will work."""
    DEGRADED = "degraded"
    """Calls will work, but not everywhere or not well."""
    BLOCKED = "blocked"
    """Calls will not work."""
    PERMISSION_DENIED = "permission_denied"
    """The system does not let this program use the microphone."""
    INCONCLUSIVE = "inconclusive"
    """Nothing was measured."""


@attrs.frozen
class CheckResult:
    """One thing that was tried.

    Attributes:
        name: What, such as `"dns"`, `"wss"`, `"stun"`, `"turn-udp"`, `"turn-tcp"`, `"turn-tls"`.
        target: With whom: host and port; no credential.
        ok: Whether it worked.
        seconds: How long it took, also where it failed.
        detail: What was found or, where it failed, why and what can be done.
        is_required: Whether calls cannot work without it.
    """

    name: str
    target: str
    ok: bool
    seconds: float
    detail: str = ""
    is_required: bool = True

    def __str__(self) -> str:
        mark = "ok" if self.ok else "FAILED"
        return f"{self.name:<9} {self.target:<42} {mark:<6} {1000 * self.seconds:6.0f} ms  {self.detail}".rstrip()


def verdict_of(results: Iterable[CheckResult]) -> Verdict:
    """What single results mean together."""
    results = tuple(results)
    if not results:
        return Verdict.INCONCLUSIVE
    if any(result.is_required and not result.ok for result in results):
        return Verdict.BLOCKED
    return Verdict.READY if all(result.ok for result in results) else Verdict.DEGRADED
