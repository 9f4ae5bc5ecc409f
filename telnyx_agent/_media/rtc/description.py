"""SDP of the other side, made such as aiortc takes it, or refused with words; and our own before it is sent. PURE.

Of the other side's description only what a call needs is read, each line by a pattern of its own, and a new description
is built of that: what this module does not know cannot reach aiortc's and aioice's parsers. It is bounded before it is
read, because those parsers run on the loop and some of their work grows with the square of what they get. Captured
answers also differ from what aiortc insists on: no BUNDLE group, candidates of a second component, static payload types
without `a=rtpmap`, a missing `a=mid`. Nothing here opens a socket or imports aiortc.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

import attrs

from ...codecs import OpusSettings
from ...errors import MediaError
from ..codecs.codec import RATE, SUPPORTED

__all__ = [
    *("MOST_REMOTE_CANDIDATES", "UNUSABLE", "OpusWishes", "only_host_candidates", "opus_wishes", "payload_types"),
    *("prepare_local", "prepare_remote", "with_rejected_sections"),
]

UNUSABLE = 40004
"""Official error code: the remote description could not be applied."""

LARGEST_DESCRIPTION = 65_536
"""Characters. Chrome's offer with video and all codecs has 7,000."""

MOST_LINES = 2_000
"""Chrome's offer with video and all codecs has 200, a candidate each counts as one."""

LONGEST_LINE = 1_000
"""Characters; a longer line is not read. RFC 8839's longest candidate has about 250."""

MOST_SECTIONS = 32
"""Media sections; all but the first one with audio are left out."""

MOST_CANDIDATES = 256
"""Candidates in the audio section. A media server has 1 to 10, a browser with many networks some dozens."""

MOST_REMOTE_CANDIDATES = 20
"""Candidates of each version of IP that are used, the best; fewer where we have many addresses (`rtp.MOST_PAIRS`)."""

MOST_FINGERPRINTS = 8
"""One for each hash function (RFC 8122 section 5 has 6 of them) and some more."""

_STATIC = {0: "PCMU", 8: "PCMA", 9: "G722"}
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_OPUS_PARAMETERS = (
    *("maxplaybackrate", "sprop-maxcapturerate", "maxaveragebitrate", "stereo", "sprop-stereo", "cbr"),
    *("useinbandfec", "usedtx", "minptime", "ptime"),  # RFC 7587 section 6.1, and Chrome's
)
_NAMES = {name.lower(): name for name in SUPPORTED}

# Each describes a whole line as `_line` leaves it: words with one space between them.
_MEDIA = re.compile(r"m=audio +(\d{1,5})(?:/\d{1,5})? +([A-Z]{1,8}(?:/[A-Z]{1,8}){1,4})((?: +\d{1,3})*)", re.ASCII)
_ANY_MEDIA = re.compile(r"m=([a-z]{1,32}) \d{1,5}(?:/\d{1,5})? ([!-~]{1,64}) ([ -~]{1,500})", re.ASCII)
_RTPMAP = re.compile(r"a=rtpmap:(\d{1,3}) +([A-Za-z0-9._-]{1,32})/(\d{1,6})(?:/(\d{1,2}))?", re.ASCII)
_FMTP = re.compile(r"a=fmtp:(\d{1,3}) +([ -~]+)", re.ASCII)
_PARAMETER = re.compile(r" *([A-Za-z-]{1,32}) *= *(\d{1,9}) *", re.ASCII)
_UFRAG = re.compile(r"a=ice-ufrag:([!-9;-~]{1,256})")
_PASSWORD = re.compile(r"a=ice-pwd:([!-~]{1,256})")
_FINGERPRINT = re.compile(
    r"a=fingerprint:(sha-(256|384|512)) +([0-9a-f]{2}(?::[0-9a-f]{2}){31,63})", re.IGNORECASE | re.ASCII
)
_SETUP = re.compile(r"a=setup:(active|passive|actpass)")
_MID = re.compile(r"a=mid:([!-~]{1,64})")
_DIRECTION = re.compile(rf"a=({'|'.join(_DIRECTIONS)})")
_EXTMAP = re.compile(r"a=extmap:([1-9]|1[0-4])(?:/[a-z]{1,10})? +urn:ietf:params:rtp-hdrext:sdes:mid")
_CANDIDATE = re.compile(
    r"a=candidate:([!-~]{1,64}) +1 +udp +(\d{1,10}) +([0-9a-f.:]{2,45}) +(\d{1,5}) +typ +(host|srflx|relay)(?: .*)?",
    re.IGNORECASE | re.ASCII,
)


def _unusable(reason: str, kind: str) -> MediaError:
    return MediaError(f"the other side's {kind} cannot be used: {reason}", code=UNUSABLE)


def _sections(sdp: str, kind: str) -> tuple[list[str], list[list[str]]]:
    """The lines of the session and of each media section."""
    if len(sdp) > LARGEST_DESCRIPTION:
        raise _unusable(f"it has {len(sdp):,} characters; at most {LARGEST_DESCRIPTION:,} are read", kind)
    lines = [line for line in map(_line, sdp.splitlines()) if line]
    if not lines or not lines[0].startswith("v="):
        raise _unusable("it is not SDP", kind)
    if len(lines) > MOST_LINES:
        raise _unusable(f"it has {len(lines):,} lines; at most {MOST_LINES:,} are read", kind)
    session: list[str] = []
    media: list[list[str]] = []
    for line in lines:
        if line.startswith("m="):
            media.append([line])
        elif len(line) <= LONGEST_LINE:
            (media[-1] if media else session).append(line)
    if len(media) > MOST_SECTIONS:
        raise _unusable(f"it has {len(media):,} media sections; at most {MOST_SECTIONS} are read", kind)
    return session, media


def _line(text: str) -> str:
    """A line without what some writers leave in it: a byte order mark, null characters, tabs, a space after a name."""
    line = " ".join(text.replace("\0", " ").strip("\ufeff").split())
    name, colon, value = line.partition(": ")
    return f"{name}:{value}" if colon and name.startswith("a=") and " " not in name and ":" not in name else line


def _first(pattern: re.Pattern[str], *sections: list[str]) -> re.Match[str] | None:
    """The first line of that kind; what a media section says is asked for before what the session says."""
    return next((match for lines in sections for line in lines if (match := pattern.fullmatch(line))), None)


def prepare_remote(sdp: str, *, kind: str, mid: str | None, most_candidates: int = MOST_REMOTE_CANDIDATES) -> str:
    """A remote description as aiortc wants it.

    Args:
        sdp: As it came.
        kind: `"answer"` or `"offer"`.
        mid: The id of our own media section, which an answer must carry; `None` for an offer.
        most_candidates: Of each version of IP; those of highest priority are kept.

    Returns:
        The session and its audio section, nothing else, of lines that aiortc understands.

    Raises:
        MediaError: It cannot be used; the message says why. Code 40004.
    """
    session, media = _sections(sdp, kind)
    audio = media[_audio_section(media, kind)]
    header = _MEDIA.fullmatch(audio[0])
    if header is None or int(header[1]) > 65535 or len(audio[0]) > LONGEST_LINE:
        raise _unusable("its audio line is malformed", kind)
    if int(header[1]) == 0:
        raise _unusable("it rejects audio (port 0)", kind)
    codecs, lines = _codecs(audio, [int(number) for number in header[3].split()], kind)
    lines += _keys(session, audio, kind)
    direction = _first(_DIRECTION, audio, session)
    lines.append(f"a={direction[1] if direction else 'sendrecv'}")
    if extension := _first(_EXTMAP, audio):
        lines.append(f"a=extmap:{extension[1]} urn:ietf:params:rtp-hdrext:sdes:mid")
    lines.append(f"a=mid:{_mid(audio, kind) if mid is None else mid}")
    candidates = _candidates(audio, kind, most_candidates)
    if candidates:
        # Nothing is trickled to us. Without the last line ICE would wait for more and never fail.
        lines += [*candidates, "a=end-of-candidates"]
    beginning = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0", *(["a=ice-lite"] if "a=ice-lite" in session else [])]
    formats = " ".join(str(number) for number in codecs)
    return "\r\n".join([*beginning, f"m=audio {int(header[1])} {header[2]} {formats}", *lines]) + "\r\n"


def _audio_section(media: list[list[str]], kind: str) -> int:
    """Which one is used: the first with audio that is not rejected, or else the first with audio."""
    found = [index for index, section in enumerate(media) if section[0].startswith("m=audio ")]
    if not found:
        raise _unusable("it has no audio", kind)
    return next((index for index in found if media[index][0].split()[1] != "0"), found[0])


def with_rejected_sections(answer: str, offer: str) -> str:
    """Our answer with a section for each one of the offer, in its order; all but the audio are rejected.

    RFC 3264 section 6 wants as many as the offer has. Browsers refuse an answer with fewer.
    """
    _, media = _sections(offer, "offer")
    session, _, own = answer.partition("m=")
    used = _audio_section(media, "offer")
    return session + "".join("m=" + own if index == used else _rejected(lines) for index, lines in enumerate(media))


def _rejected(section: list[str]) -> str:
    match = _ANY_MEDIA.fullmatch(section[0])
    kind, protocol, formats = match.groups() if match else ("audio", "RTP/AVP", "0")
    lines = [f"m={kind} 0 {protocol} {formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
    if mid := _first(_MID, section):
        lines.append(f"a=mid:{mid[1]}")
    return "\r\n".join(lines) + "\r\n"


def _mid(audio: list[str], kind: str) -> str:
    """The one that an offer's section has, which our answer has to repeat."""
    found = _first(_MID, audio)
    if found is None and any(line.startswith("a=mid:") for line in audio):
        raise _unusable("its a=mid is malformed", kind)
    return found[1] if found else "0"


def _codecs(audio: list[str], formats: Iterable[int], kind: str) -> tuple[list[int], list[str]]:
    """The payload types that we speak, at least one, in the other side's order; and the lines that describe them."""
    described: dict[int, str] = dict(_STATIC)
    speakable: dict[int, str] = dict(_STATIC)
    for line in audio:
        if (match := _RTPMAP.fullmatch(line)) and (number := int(match[1])) < 128:
            described[number] = match[2]
            speakable.pop(number, None)
            name = _NAMES.get(match[2].lower())
            channels_fit = name == "opus" or match[4] in (None, "1")
            if name is not None and int(match[3]) == SUPPORTED[name].clock_rate and channels_fit:
                speakable[number] = name
    numbers = list(dict.fromkeys(formats))
    # 72 to 76 cannot be told from RTCP (RFC 5761 section 4).
    usable = [number for number in numbers if number in speakable and not 72 <= number <= 76]
    if not usable:
        offered = ", ".join(described.get(number, str(number)) for number in numbers[:8]) or "nothing"
        raise _unusable(f"it has no codec that we speak ({offered}; we have {', '.join(SUPPORTED)})", kind)
    lines: list[str] = []
    parameters = {match[1]: match[2] for line in reversed(audio) if (match := _FMTP.fullmatch(line))}
    for number in usable:
        name = speakable[number]
        codec = SUPPORTED[name]
        lines.append(f"a=rtpmap:{number} {name}/{codec.clock_rate}{'/2' if codec.channels == 2 else ''}")
        if name == "opus" and (text := _opus_parameters(parameters.get(str(number), ""))):
            lines.append(f"a=fmtp:{number} {text}")
    return usable, lines


def _opus_parameters(text: str) -> str:
    """Those that Opus has, with numbers for values."""
    found = _numbers(text)
    return ";".join(f"{name}={found[name]}" for name in _OPUS_PARAMETERS if name in found)


def _numbers(text: str) -> dict[str, str]:
    """The format parameters that have a number for a value."""
    return {match[1].lower(): match[2] for part in text.split(";") if (match := _PARAMETER.fullmatch(part)) is not None}


def _keys(session: list[str], audio: list[str], kind: str) -> list[str]:
    """What no connection can be made without."""
    fingerprints: list[str] = []
    for lines in (audio, session):  # a section's own are in the place of the session's (RFC 8122 section 5)
        found = [match for line in lines if (match := _FINGERPRINT.fullmatch(line))]
        fingerprints = list(
            dict.fromkeys(
                f"a=fingerprint:{match[1].lower()} {match[3].upper()}"
                for match in found
                if len(match[3]) == int(match[2]) // 8 * 3 - 1
            )
        )
        if fingerprints:
            break
    if not fingerprints:
        raise _unusable("it has no DTLS fingerprint that we can check, so audio would not be encrypted", kind)
    if len(fingerprints) > MOST_FINGERPRINTS:
        raise _unusable(f"it has {len(fingerprints)} DTLS fingerprints; at most {MOST_FINGERPRINTS} are read", kind)
    user, password = _first(_UFRAG, audio, session), _first(_PASSWORD, audio, session)
    if user is None:
        raise _unusable("it has no usable a=ice-ufrag", kind)
    if password is None:
        raise _unusable("it has no usable a=ice-pwd", kind)
    if "a=rtcp-mux" not in audio and "a=rtcp-mux" not in session:
        raise _unusable("it does not take RTCP on the same port (no a=rtcp-mux)", kind)
    setup = _first(_SETUP, audio, session)
    role = setup[1] if setup else "actpass"
    if kind == "answer" and role == "actpass":
        # An answer must choose; one that does not is taken to be active, as RFC 5763 section 5 recommends.
        role = "active"
    return [
        *fingerprints,
        f"a=setup:{role}",
        "a=rtcp-mux",
        f"a=ice-ufrag:{user[1]}",
        f"a=ice-pwd:{password[1]}",
    ]


def _candidates(audio: list[str], kind: str, most: int) -> list[str]:
    """Those that can be reached, of the one component that there is, the best ones of each version of IP.

    No names: aioice would ask the local network by multicast for those that end in `.local`, and media servers have
    none. The other side's own checks give us its address in any case (RFC 8445 section 7.3.1.3).
    """
    given = [line for line in audio if line.startswith("a=candidate:")]
    if len(given) > MOST_CANDIDATES:
        raise _unusable(f"it has {len(given):,} candidates; at most {MOST_CANDIDATES} are read", kind)
    found: dict[tuple[str, int], tuple[int, str]] = {}
    for line in given:
        match = _CANDIDATE.fullmatch(line)
        if match is None:
            continue
        priority, host, port = int(match[2]), _destination(match[3]), int(match[4])
        if host is None or not 0 < port < 65536 or priority >= 1 << 32:
            continue
        if priority > found.get((host, port), (-1, ""))[0]:
            text = f"a=candidate:{match[1]} 1 udp {priority} {host} {port} typ {match[5].lower()}"
            found[host, port] = (priority, text)
    lines: list[str] = []
    left = {4: most, 6: most}
    for (host, _), (_, text) in sorted(found.items(), key=lambda item: -item[1][0]):
        version = 6 if ":" in host else 4
        left[version] -= 1
        if left[version] >= 0:
            lines.append(text)
    return lines


def _destination(host: str) -> str | None:
    """An address in its usual form, if a datagram can be sent to it, and to one machine only."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.is_unspecified or address.is_multicast:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return None if address.is_reserved else str(address)  # with 255.255.255.255
    # A link-local one means nothing without the name of our own interface; RFC 8445 section 5.1.1.1 forbids the other.
    return None if address.is_link_local or address.ipv4_mapped else str(address)


def payload_types(sdp: str) -> dict[int, str]:
    """The numbers that a description, our own or a prepared one, gives to the codecs that we speak, in its order."""
    found = (match for line in sdp.splitlines() if (match := _RTPMAP.fullmatch(line)))
    return {int(match[1]): _NAMES[match[2].lower()] for match in found if match[2].lower() in _NAMES}


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
            lines.append(f"a=fmtp:{match[1]} {SUPPORTED['opus'].sdp_fmtp_line}")
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
    """The most on average, in bits a second; what is no bitrate of Opus, 6,000 to 510,000, counts as not said."""
    playback_rate: int = RATE
    """What it plays, in Hz; anything finer is wasted on it."""
    constant_bitrate: bool = False

    def applied_to(self, settings: OpusSettings) -> OpusSettings:
        """The settings within these limits."""
        bitrate = settings.bitrate if self.bitrate is None else min(settings.bitrate, self.bitrate)
        return attrs.evolve(settings, bitrate=bitrate, dtx=settings.dtx or self.dtx)


def opus_wishes(sdp: str) -> OpusWishes:
    """The other side's format parameters for Opus; what cannot be read counts as not said. We always send mono."""
    match = re.search(r"^a=rtpmap:(\d+) +opus/", sdp, re.MULTILINE | re.IGNORECASE)
    line = match and re.search(rf"^a=fmtp:{match[1]} +(.*?)\s*$", sdp, re.MULTILINE)
    if not line:
        return OpusWishes()
    values = _numbers(line[1])
    bitrate = int(values.get("maxaveragebitrate", "0"))
    return OpusWishes(
        fec=values.get("useinbandfec") == "1",
        dtx=values.get("usedtx") == "1",
        bitrate=bitrate if 6000 <= bitrate <= 510_000 else None,
        playback_rate=int(values.get("maxplaybackrate", "0")) or RATE,
        constant_bitrate=values.get("cbr") == "1",
    )
