"""The little that the signalling looks at in an SDP. What it means for the media is `_media`'s affair."""

from __future__ import annotations

import re

__all__ = [
    "candidate_types",
    "has_candidates",
    "has_only_host_candidates",
    "problem_with_answer",
    "without_extra_hashes",
]

_CANDIDATE = re.compile(r"^a=candidate:.*? typ (\w+)", re.MULTILINE)
_FINGERPRINT = re.compile(r"^a=fingerprint:(\S+) .*\r?\n?", re.MULTILINE)


def candidate_types(sdp: str) -> frozenset[str]:
    """The types of the ICE candidates: `host`, `srflx`, `prflx`, `relay`."""
    return frozenset(_CANDIDATE.findall(sdp))


def has_candidates(sdp: str) -> bool:
    """Whether there is any ICE candidate; an offer without is not worth sending (33003)."""
    return bool(candidate_types(sdp))


def has_only_host_candidates(sdp: str) -> bool:
    """Whether all candidates are addresses of this machine, so that neither STUN nor TURN was reached (33005)."""
    return candidate_types(sdp) == {"host"}


def problem_with_answer(sdp: str) -> str | None:
    """What makes an answer unusable, in words; None if nothing does.

    Accepts what the real server sends: profile `RTP/SAVPF`, one codec, no BUNDLE group (protocol.md 4.4).
    """
    if not sdp.startswith("v=0"):
        return "it is not an SDP"
    audio = re.search(r"^m=audio (\d+) (\S+)", sdp, re.MULTILINE)
    if audio is None:
        return "it has no audio"
    if audio.group(1) == "0":
        return "it rejects the audio"
    if "SAVP" not in audio.group(2):
        return "its audio is not encrypted"
    for name in ("fingerprint", "ice-ufrag", "ice-pwd"):
        if re.search(rf"^a={name}:", sdp, re.MULTILINE) is None:
            return f"it has no {name}"
    return None


def without_extra_hashes(sdp: str) -> str:
    """The SDP with only the SHA-256 fingerprints, if it has any.

    aiortc offers three hashes of one certificate. Browsers offer one, and FreeSWITCH keeps but one of several.
    """
    if "sha-256" not in {name.lower() for name in _FINGERPRINT.findall(sdp)}:
        return sdp
    return _FINGERPRINT.sub(lambda match: match.group() if match.group(1).lower() == "sha-256" else "", sdp)
