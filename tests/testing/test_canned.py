"""The SDP of servers without media: aiortc takes it, and it leads no further than this machine."""

from __future__ import annotations

import asyncio

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from telnyx_agent.testing._canned import canned_answer


@pytest.mark.parametrize("kind", ["answer", "offer"])
def test_aiortc_takes_it(kind: str) -> None:
    """As the answer to an offer, and as the offer of a re-attach."""

    async def scenario() -> None:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.addTransceiver("audio")
        begun = asyncio.Event()
        pc.on("iceconnectionstatechange", begun.set)
        try:
            if kind == "answer":
                await pc.setLocalDescription(await pc.createOffer())
                sdp = canned_answer(pc.localDescription.sdp)
            else:
                sdp = canned_answer("")
            await pc.setRemoteDescription(RTCSessionDescription(sdp, kind))
            if kind == "answer":
                # aiortc 1.15 complains when it is closed before it began to connect.
                await asyncio.wait_for(begun.wait(), 5)
        finally:
            await pc.close()
        addresses = [line.split()[4] for line in sdp.split("\r\n") if line.startswith("a=candidate")]
        assert addresses == ["127.0.0.1"]

    asyncio.run(scenario())
