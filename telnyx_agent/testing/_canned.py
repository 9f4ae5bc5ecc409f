"""An SDP answer for servers that carry no media: well formed, in FreeSWITCH's shape (protocol.md 10.10), to nowhere."""

from __future__ import annotations

import re

__all__ = ["canned_answer"]

_OPUS = re.compile(r"^a=rtpmap:(\d+) opus/48000", re.IGNORECASE | re.MULTILINE)
_MID = re.compile(r"^a=mid:(\S+)", re.MULTILINE)

# This machine's discard port: what a client sends there goes no further.
_TEMPLATE = (
    "v=0",
    "o=FreeSWITCH 1753331097 1753331099 IN IP4 127.0.0.1",
    "s=FreeSWITCH",
    "c=IN IP4 127.0.0.1",
    "t=0 0",
    "a=msid-semantic: WMS emu",
    "m=audio 9 UDP/TLS/RTP/SAVPF {pt}",
    "a=rtpmap:{pt} opus/48000/2",
    "a=ptime:20",
    "a=sendrecv",
    "a=mid:{mid}",
    "a=fingerprint:sha-256 {fingerprint}",
    "a=setup:active",
    "a=rtcp-mux",
    "a=rtcp:9 IN IP4 127.0.0.1",
    "a=ice-ufrag:emuu",
    "a=ice-pwd:emulatoremulatoremulator",
    "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host generation 0",
    "a=end-of-candidates",
    "a=ssrc:3699583393 cname:emu",
    "",
)


def canned_answer(offer: str) -> str:
    """An answer to an offer; for an empty offer, an offer of its own."""
    opus, mid = _OPUS.search(offer), _MID.search(offer)
    text = "\r\n".join(_TEMPLATE).format(
        pt=opus[1] if opus else "111", mid=mid[1] if mid else "0", fingerprint=":".join(["AB"] * 32)
    )
    return text if offer else text.replace("a=setup:active", "a=setup:actpass")
