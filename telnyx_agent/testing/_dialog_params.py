"""Reading what clients send about a call: leniently, as the real server does, or strictly. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .scenario import CAUSES

__all__ = ["client_cause", "find_call_id", "offer_problem"]

_CAUSE_NAMES = {code: name for name, (code, _, _) in CAUSES.items()}
_OTHER_CAUSES = {"ORIGINATOR_CANCEL": 487, "ALLOTTED_TIMEOUT": 802, "PICKED_OFF": 805, "DESTINATION_OUT_OF_ORDER": 27}


def find_call_id(params: Mapping[str, Any], *, strict: bool) -> str | None:
    """The call id of a client frame: `dialogParams.callID`, leniently in any SDK's spelling (rule 8, S10)."""
    dialog = params.get("dialogParams")
    places: list[tuple[Mapping[str, Any], str]] = []
    if isinstance(dialog, Mapping):
        places += [(dialog, "callID")] if strict else [(dialog, "callID"), (dialog, "callId")]
    if not strict:
        places += [(params, "callID"), (params, "callId")]
    for place, name in places:
        value = place.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def offer_problem(sdp: object, *, trickle: bool) -> str | None:
    """Why an offer cannot be answered (A7), or None."""
    if not isinstance(sdp, str) or not sdp:
        return "SDP missing"
    if "m=audio" not in sdp:
        return "CODEC ERROR"
    if "a=fingerprint" not in sdp or "a=ice-ufrag" not in sdp:
        return "MEDIA ERROR"
    if "a=candidate" not in sdp and not trickle:
        return "MEDIA ERROR"
    return None


def client_cause(params: Mapping[str, Any]) -> tuple[str, int]:
    """S11: the cause's name wins over its number; what is unknown becomes NORMAL_CLEARING."""
    name, code = params.get("cause"), params.get("causeCode")
    if isinstance(name, str) and name in CAUSES:
        return name, CAUSES[name][0]
    if isinstance(name, str) and name in _OTHER_CAUSES:
        return name, _OTHER_CAUSES[name]
    if isinstance(code, int) and code in _CAUSE_NAMES:
        return _CAUSE_NAMES[code], code
    return "NORMAL_CLEARING", 16
