"""`masking`: descriptions without addresses and keys, and ids that are none."""

from __future__ import annotations

import pytest

from telnyx_agent._flight.masking import masked_frame, shown_id


def test_descriptions_lose_addresses_and_keys() -> None:
    """Of a hostile SDP, too, nothing but what is known is shown."""
    sdp = "\r\n".join(
        [
            *("v=0", "o=canary 1 1 IN IP4 10.1.2.3", "s=canary", "m=audio 54321 UDP/TLS/RTP/SAVPF 111 0 canary"),
            *("a=rtpmap:111 opus/48000/2", "a=rtpmap:112 canary/8000", "a=fmtp:111 canary=1", "a=sendrecv canary"),
            *(
                "a=candidate:1 1 udp 1 10.1.2.3 54321 typ host",
                "a=candidate:2 1 tcp 1 fe80::7 9 typ relay raddr 10.1.2.3",
            ),
            *("a=candidate:3 1 udp 1 canary.local 9 typ srflx", "a=candidate:4 1 udp 1 10.1.2.3 9 typ canary"),
            *("a=ice-pwd:canary", "a=setup:active", "canary"),
        ]
    )
    (shown,) = masked_frame({"params": {"sdp": sdp}}, with_texts=True)["params"].values()
    assert shown == {
        "*": len(sdp),
        "outline": [
            "m=audio UDP/TLS/RTP/SAVPF 111 0",
            "a=rtpmap:111 opus/48000/2",
            "a=candidate 1 udp ip4 host",
            "a=candidate 1 tcp ip6 relay",
            "a=candidate 1 udp mdns srflx",
            "a=setup:active",
        ],
    }


@pytest.mark.parametrize(
    "text", ["+15550001111222", "15550001111222", "(555) 000-1111", "555-000-1111", "a canary", "ä"]
)
def test_what_is_no_id_is_not_shown_as_one(text: str) -> None:
    """A phone number is none, whatever the member is called."""
    assert shown_id(text) == {"*": len(text)}
