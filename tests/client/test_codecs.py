"""Which codecs a call offers and speaks."""

from __future__ import annotations

import re

import pytest

from telnyx_agent import ClientConfigurationError, TxClient, TxConfig
from telnyx_agent.codecs import TxCodecCapability
from telnyx_agent.testing import LocalAgent, RecordingDelegate
from tests.client.talking import talk, until


def login(client: TxClient, agent: LocalAgent) -> TxClient:
    """The client, ready."""
    client.anonymous_login("assistant-1", server_configuration=agent.configuration).result(10)
    return client


def offered(agent: LocalAgent) -> list[str]:
    """The codecs of the last invite, in order."""
    invites = [f for f in agent.frames if f.method == "telnyx_rtc.invite" and f.direction == "received"]
    sdp = str(invites[-1].params["sdp"])
    (formats,) = re.findall(r"^m=audio \d+ \S+ (.*?)\r?$", sdp, re.MULTILINE)
    names = dict(re.findall(r"^a=rtpmap:(\d+) ([^/\s]+)", sdp, re.MULTILINE))
    return [names[number] for number in formats.split()]


def test_supported_codecs(client: TxClient) -> None:
    """In the order of the offer, without a connection."""
    assert [codec.mime_type for codec in client.get_supported_audio_codecs()] == [
        "audio/opus",
        "audio/G722",
        "audio/PCMU",
        "audio/PCMA",
    ]


def test_the_offer_without_preferences(client: TxClient, agent: LocalAgent) -> None:
    """What `get_supported_audio_codecs` says."""
    talk(client, agent)
    assert [f"audio/{name}" for name in offered(agent)] == [
        codec.mime_type for codec in client.get_supported_audio_codecs()
    ]


@pytest.mark.parametrize(
    "preferred",
    [
        ["PCMA", "opus"],
        [TxCodecCapability("audio/PCMA", 8000), TxCodecCapability("AUDIO/OPUS", 48000, 2)],
        [{"mimeType": "audio/pcma", "clockRate": 8000}, {"mimeType": "audio/opus", "clockRate": 48000}],
    ],
)
def test_preferred_codecs_change_the_offer_and_are_sent(
    client: TxClient, agent: LocalAgent, preferred: list[TxCodecCapability]
) -> None:
    """They come first, the others after them; and the array is in the dialog's parameters, as all SDKs have it."""
    login(client, agent)
    call = client.new_call(preferred_codecs=preferred)
    call.wait_until_active(15)
    assert offered(agent) == ["PCMA", "opus", "G722", "PCMU"]
    sent = agent.wait_for_frame("telnyx_rtc.invite").params["dialogParams"]["preferred_codecs"]
    assert [codec["mimeType"].lower() for codec in sent] == ["audio/pcma", "audio/opus"]
    assert [codec["clockRate"] for codec in sent] == [8000, 48000]


def test_a_preferred_codec_is_what_is_spoken(client: TxClient, talking_agent: LocalAgent) -> None:
    """The answer follows the offer's order."""
    login(client, talking_agent)
    call = client.new_call(preferred_codecs=["PCMU"])
    call.wait_until_active(15)
    until(lambda: talking_agent.calls[0].seconds_received > 0.1)
    stats = call.stats().result(5)
    assert stats is not None
    assert stats.codec == "PCMU"


def test_codecs_of_an_answer(client: TxClient, talking_agent: LocalAgent, delegate: RecordingDelegate) -> None:
    """README of iOS, "Setting Preferred Codecs", for inbound calls: `call.answer(preferredCodecs:)`."""
    preferred = [TxCodecCapability("audio/iLBC", 8000), TxCodecCapability("audio/PCMU", 8000, channels=1)]
    client.connect(TxConfig(token="a.b.c"), talking_agent.configuration).result(10)
    ring = talking_agent.call_client("Bob")
    (call,) = delegate.wait_for("on_incoming_call", 10)
    call.answer(preferred_codecs=preferred).result(10)
    ring.wait_until_answered(10)
    stats = call.stats().result(5)
    assert stats is not None
    assert stats.codec == "PCMU"


def test_a_codec_that_we_do_not_have_is_ignored(client: TxClient, agent: LocalAgent) -> None:
    """As on all platforms; but a name that is none is a slip of the pen."""
    login(client, agent)
    call = client.new_call(preferred_codecs=[TxCodecCapability("audio/EVS", 16000), "G722"])
    call.wait_until_active(15)
    assert offered(agent)[0] == "G722"
    with pytest.raises(ClientConfigurationError, match="audio/opus"):
        client.new_call(preferred_codecs=["ops"])
    with pytest.raises(ClientConfigurationError, match="list"):
        client.new_call(preferred_codecs="opus")
    with pytest.raises(ClientConfigurationError, match="mime_type"):
        TxCodecCapability("opus", 48000)
