"""SDP of the other side, made such as aiortc takes it, or refused with words; and our own before it is sent. PURE.

Captured answers differ from what aiortc insists on: no BUNDLE group, candidates of a second component, static payload
types without `a=rtpmap`, a missing `a=mid`. Nothing here opens a socket or imports aiortc.
"""

from __future__ import annotations

import re

import attrs

from ..errors import MediaError
from .codecs import RATE, SUPPORTED
from .settings import OpusSettings

__all__ = ["UNUSABLE", "OpusWishes", "only_host_candidates", "opus_wishes", "prepare_local", "prepare_remote"]

UNUSABLE = 40004
"""Official error code: the remote description could not be applied."""

_STATIC = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000"}
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_OPUS_FMTP = "minptime=10;useinbandfec=1"


def _unusable(reason: str, kind: str) -> MediaError:
    return MediaError(f"the other side's {kind} cannot be used: {reason}", code=UNUSABLE)


def _sections(sdp: str) -> tuple[list[str], list[list[str]]]:
    session: list[str] = []
    media: list[list[str]] = []
    for line in filter(None, (line.strip() for line in sdp.splitlines())):
        if line.startswith("m="):
            media.append([line])
        else:
            (media[-1] if media else session).append(line)
    return session, media


def _has(lines: list[str], attribute: str) -> bool:
    return any(line == f"a={attribute}" or line.startswith(f"a={attribute}:") for line in lines)


def prepare_remote(sdp: str, *, kind: str, mid: str | None) -> str:
    """A remote description as aiortc wants it.

    Args:
        sdp: As it came.
        kind: `"answer"` or `"offer"`.
        mid: The id of our own media section, which an answer must carry; `None` for an offer.

    Returns:
        The session and its audio section, nothing else.

    Raises:
        MediaError: It cannot be used; the message says why. Code 40004.
    """
    if not sdp.lstrip().startswith("v="):
        raise _unusable("it is not SDP", kind)
    session, media = _sections(sdp)
    audio = next((section for section in media if section[0].startswith("m=audio ")), None)
    if audio is None:
        raise _unusable("it has no audio", kind)
    header = audio[0].split()
    if len(header) < 4 or not re.fullmatch(r"\d+(/\d+)?", header[1]):
        raise _unusable("its audio line is malformed", kind)
    if header[1] == "0":
        raise _unusable("it rejects audio (port 0)", kind)
    audio = _complete_codecs(audio, header[3:], kind)
    _check_keys(session, audio, kind)
    audio = _complete_transport(session, audio, kind)
    audio = [line for line in audio if not line.startswith("a=mid:")] + [f"a=mid:{_mid(audio, mid)}"]
    # A BUNDLE group may name sections that were left out.
    session = [line for line in session if not line.startswith("a=group:")]
    return "\r\n".join([*session, *audio]) + "\r\n"


def _mid(audio: list[str], mid: str | None) -> str:
    if mid is not None:
        return mid
    return next((line[6:] for line in audio if line.startswith("a=mid:")), "0")


def _complete_codecs(audio: list[str], formats: list[str], kind: str) -> list[str]:
    """Only formats with a name; at least one that we speak."""
    names = dict(_STATIC)
    for line in audio:
        if match := re.fullmatch(r"a=rtpmap:(\d+) +(\S+)", line):
            names[match[1]] = match[2]
    usable = {f"{name.lower()}/{48000 if name == 'opus' else 8000}" for name in SUPPORTED}
    if not any("/".join(names.get(f, "").lower().split("/")[:2]) in usable for f in formats):
        offered = ", ".join(names.get(f, f).split("/")[0] for f in formats) or "nothing"
        raise _unusable(f"it has no codec that we speak ({offered}; we have {', '.join(SUPPORTED)})", kind)
    known = [f for f in formats if f in names]
    media, port, profile = audio[0].split()[:3]
    lines = [" ".join([media, port.split("/")[0], profile, *known])]
    for line in audio[1:]:
        match = re.match(r"a=(?:fmtp|rtcp-fb|rtpmap):(\d+) ", line)
        if match is None or match[1] in known:
            lines.append(line)
    mapped = {match[1] for line in audio if (match := re.match(r"a=rtpmap:(\d+) ", line))}
    lines += [f"a=rtpmap:{f} {names[f]}" for f in known if f not in mapped]
    return lines


def _check_keys(session: list[str], audio: list[str], kind: str) -> None:
    """What no connection can be made without."""
    both = session + audio
    if not any(re.match(r"a=fingerprint:sha-(256|384|512) ", line, re.IGNORECASE) for line in both):
        raise _unusable("it has no DTLS fingerprint that we can check, so audio would not be encrypted", kind)
    for attribute in ("ice-ufrag", "ice-pwd"):
        if not _has(both, attribute):
            raise _unusable(f"it has no a={attribute}", kind)
    if not _has(audio, "rtcp-mux"):
        raise _unusable("it does not take RTCP on the same port (no a=rtcp-mux)", kind)


def _complete_transport(session: list[str], audio: list[str], kind: str) -> list[str]:
    """Candidates of the one component that there is, an end of them, a DTLS role, a direction."""
    lines = [line for line in audio if not re.match(r"a=candidate:\S+ +(?!1 )\d+ ", line)]
    if kind == "answer":
        # An answer must choose; one that does not is taken to be active, as RFC 5763 section 5 recommends.
        lines = [line for line in lines if line != "a=setup:actpass"]
        session[:] = [line for line in session if line != "a=setup:actpass"]
    if not _has(lines, "setup") and not _has(session, "setup"):
        lines.append(f"a=setup:{'active' if kind == 'answer' else 'actpass'}")
    if not any(_has(lines, direction) for direction in _DIRECTIONS):
        lines.append("a=" + next((d for d in _DIRECTIONS if _has(session, d)), "sendrecv"))
    # Nothing is trickled to us. Without this line ICE would wait for more and never fail.
    if _has(lines, "candidate") and not _has(lines, "end-of-candidates"):
        lines.append("a=end-of-candidates")
    return lines


def prepare_local(sdp: str) -> str:
    """Our own description before it is sent: one fingerprint, and that we can use Opus' forward error correction.

    aiortc gives three fingerprints. One that any peer can check is enough, and some gateways read only one.
    """
    lines: list[str] = []
    for line in sdp.splitlines():
        if line.startswith("a=fingerprint:") and not line.startswith("a=fingerprint:sha-256 "):
            continue
        lines.append(line)
        match = re.match(r"a=rtpmap:(\d+) opus/", line)
        if match and f"a=fmtp:{match[1]} " not in sdp:
            lines.append(f"a=fmtp:{match[1]} {_OPUS_FMTP}")
    return "\r\n".join(lines) + "\r\n"


def only_host_candidates(sdp: str) -> bool:
    """Whether no STUN or TURN server contributed anything."""
    kinds = set(re.findall(r"^a=candidate:.* typ (\w+)", sdp, re.MULTILINE))
    return kinds == {"host"}


@attrs.frozen
class OpusWishes:
    """What the other side has said about the Opus it wants to get (RFC 7587 6.1); the defaults are the RFC's."""

    fec: bool = False
    """It can use forward error correction."""
    dtx: bool = False
    """It would rather get nothing while we are silent."""
    bitrate: int | None = None
    """The most on average, in bits a second."""
    playback_rate: int = RATE
    """What it plays, in Hz; anything finer is wasted on it."""
    constant_bitrate: bool = False

    def applied_to(self, settings: OpusSettings) -> OpusSettings:
        """The settings within these limits."""
        bitrate = settings.bitrate if self.bitrate is None else min(settings.bitrate, max(6000, self.bitrate))
        return attrs.evolve(settings, bitrate=bitrate, dtx=settings.dtx or self.dtx)


def opus_wishes(sdp: str) -> OpusWishes:
    """The other side's format parameters for Opus; what cannot be read counts as not said. We always send mono."""
    match = re.search(r"^a=rtpmap:(\d+) +opus/", sdp, re.MULTILINE | re.IGNORECASE)
    line = match and re.search(rf"^a=fmtp:{match[1]} +(.*?)\s*$", sdp, re.MULTILINE)
    if not line:
        return OpusWishes()
    pairs = (part.partition("=") for part in line[1].split(";"))
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}

    def number(name: str) -> int | None:
        value = values.get(name, "")
        return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None

    return OpusWishes(
        fec=values.get("useinbandfec") == "1",
        dtx=values.get("usedtx") == "1",
        bitrate=number("maxaveragebitrate"),
        playback_rate=number("maxplaybackrate") or RATE,
        constant_bitrate=values.get("cbr") == "1",
    )
