"""What calls are placed with and what they tell: codecs, headers both ways, time-outs, timings, deafness, places."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from telnyx_agent import Call, CallError, ClientConfigurationError, MediaError, TxClient, TxConfig
from telnyx_agent.codecs import TxCodecCapability
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.client.talking import talk, until
from tests.support.duplex import Duplex, speak


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


# -- codecs ------------------------------------------------------------------------------------------------------------


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


# -- headers, states, names --------------------------------------------------------------------------------------------


def test_headers_with_the_hang_up(client: TxClient, agent: LocalAgent) -> None:
    """Ours on the wire; unusable ones are refused before the call is touched."""
    call = talk(client, agent)
    with pytest.raises(ClientConfigurationError, match="X-"):
        call.hangup(custom_headers={"Reason": "done"})
    assert call.state.is_considered_active
    call.hangup(custom_headers={"X-Reason": "done"}).result(5)
    dialog = agent.wait_for_frame("telnyx_rtc.bye").params["dialogParams"]
    assert dialog["custom_headers"] == [{"name": "X-Reason", "value": "done"}]


def test_what_the_far_end_says_with_its_hang_up(client: TxClient, agent: LocalAgent) -> None:
    """Headers, client state and cause, all still there after the call."""
    call = talk(client, agent)
    state = base64.b64encode(b"theirs").decode()
    params = {
        "callID": str(call.call_id),
        "cause": "USER_BUSY",
        "causeCode": 17,
        "client_state": state,
        "dialogParams": {"custom_headers": [{"name": "X-Score", "value": "5"}]},
    }
    agent.send({"jsonrpc": "2.0", "id": 999, "method": "telnyx_rtc.bye", "params": params})
    assert call.wait_until_ended(10).description == "the other side is busy"
    assert (dict(call.bye_custom_headers), call.client_state) == ({"X-Score": "5"}, state)


def test_names_and_state_of_a_call(client: TxClient, agent: LocalAgent) -> None:
    """As they were given, and as on the wire."""
    login(client, agent)
    call = client.new_call("Ann", "123", "anything", client_state="hello")
    info = call.call_info
    assert (info.caller_name, info.caller_number, info.destination_number) == ("Ann", "123", "anything")
    assert call.client_state == "aGVsbG8="


def test_data_centres(client: TxClient, agent: LocalAgent) -> None:
    """Of the login from the gateway's state, of the call from its media server's variables."""
    assert (client.datacenter, client.region) == (None, None)
    call = talk(client, agent)
    assert (client.datacenter, client.region) == ("ams3-prod", "eu-west")
    assert call.datacenter is None
    params = {"callID": str(call.call_id), "variables": {"FreeSWITCH-Switchname": "b2bua-1.fr5"}}
    agent.send({"jsonrpc": "2.0", "id": 999, "method": "telnyx_rtc.ringing", "params": params})
    until(lambda: call.datacenter == "b2bua-1.fr5")


# -- time --------------------------------------------------------------------------------------------------------------


def test_an_invite_time_out(client: TxClient, delegate: RecordingDelegate) -> None:
    """Nobody answers: the call ends by itself, with a bye."""
    scenario = Scenario(media_delay=60.0, answer_delay=60.0)
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=scenario) as agent:
        login(client, agent)
        call = client.new_call(invite_timeout=0.5)
        with pytest.raises(CallError, match="nobody answered"):
            call.wait_until_active(15)
        assert agent.wait_for_frame("telnyx_rtc.bye").params["cause"] == "USER_BUSY"
        client.disconnect().result(5)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "10"])
def test_time_outs_that_are_none(client: TxClient, agent: LocalAgent, seconds: float) -> None:
    """Refused at once."""
    login(client, agent)
    with pytest.raises(ClientConfigurationError, match="invite_timeout"):
        client.new_call(invite_timeout=seconds)


def test_timings_of_a_whole_call(client: TxClient, talking_agent: LocalAgent) -> None:
    """Every step, in an order that makes sense, and what is derived from them."""
    call = talk(client, talking_agent)
    until(lambda: call.timings.get("first_audio") is not None)
    timings = call.timings
    labels = [step.label for step in timings.steps]
    signalling = {"invite_sent", "invite_accepted", "ringing", "remote_description_received", "answered", "active"}
    media = {"media_started", "offer_created", "remote_description_applied", "ice_connected", "media_connected"}
    assert set(labels) == {"new_call", *signalling, *media, "first_packet", "device_started", "first_audio"}
    assert len(labels) == 15
    path = ["new_call", "media_started", "offer_created", "invite_sent", "ringing", "remote_description_received"]
    path += ["remote_description_applied", "ice_connected", "media_connected", "device_started", "first_audio"]
    assert sorted(path, key=labels.index) == path
    assert timings.steps[0].from_start == 0.0
    assert sum(step.delta for step in timings.steps) == pytest.approx(timings.steps[-1].from_start)
    assert timings.call_setup == pytest.approx(call.setup_time, abs=0.1)
    for value in (timings.ice_gathering, timings.signaling, timings.media_establishment, timings.time_to_first_rtp):
        assert value is not None
        assert 0 < value < 20
    assert timings.time_to_first_audio == timings.get("first_audio")
    assert timings.format().count("\n") == len(labels) - 1


def test_timings_of_a_call_that_came_to_nothing(client: TxClient) -> None:
    """As far as it came; what did not happen is None."""
    with LocalAgent(voice="silent", ears="deaf", media=False, scenario=Scenario.invite_refused(speed=50)) as agent:
        call = login(client, agent).new_call()
        call.wait_until_ended(10)
        assert call.timings.get("invite_sent") is not None
        assert (call.timings.call_setup, call.timings.signaling) == (None, None)
        client.disconnect().result(5)


# -- sound -------------------------------------------------------------------------------------------------------------


def deafened(call: Call, device: Duplex) -> bool:
    """Whether half a second is silent."""
    device.wait_steps(20)  # what was being rendered
    begin = len(device.steps)
    device.wait_steps(50)
    return not any(np.any(rendered) for _, _, rendered in device.steps[begin:])


def test_deaf(client: TxClient, talking_agent: LocalAgent) -> None:
    """Nothing is heard, everything is sent; afterwards it is heard again."""
    device = Duplex(speak)
    call = talk(client, talking_agent, device)
    talking_agent.say("word " * 60)
    assert device.wait_for(lambda: bool(device.steps) and bool(np.any(device.steps[-1][2])))
    call.deaf_audio()
    assert call.is_deaf
    assert deafened(call, device)
    heard = talking_agent.calls[0].seconds_heard
    until(lambda: talking_agent.calls[0].seconds_heard > heard + 0.2)
    call.undeaf_audio()
    talking_agent.say("word " * 20)
    assert device.wait_for(lambda: bool(np.any(device.steps[-1][2])))


def test_toggles(client: TxClient, agent: LocalAgent) -> None:
    """Each change can be asked for at once."""
    call = talk(client, agent)
    assert [call.toggle_mute(), call.is_muted, call.toggle_mute(), call.is_muted] == [True, True, False, False]
    assert [call.mute_audio(), call.is_muted, call.unmute_audio(), call.is_muted] == [None, True, None, False]
    assert [call.toggle_deaf(), call.is_deaf, call.toggle_deaf(), call.is_deaf] == [True, True, False, False]
    assert [call.deaf_audio(), call.is_deaf, call.undeaf_audio(), call.is_deaf] == [None, True, None, False]


def test_muted_from_the_start(client: TxClient, talking_agent: LocalAgent) -> None:
    """Not a word is sent before it is taken back."""
    login(client, talking_agent)
    call = client.new_call(audio=Duplex(speak), muted=True)
    call.wait_until_active(15)
    assert call.is_muted
    until(lambda: talking_agent.calls[0].seconds_received > 0.5)
    assert talking_agent.calls[0].seconds_heard == 0.0
    call.unmute_audio()
    until(lambda: talking_agent.calls[0].seconds_heard > 0.2)


def test_relay_only_without_a_relay(client: TxClient, agent: LocalAgent) -> None:
    """The call cannot be made, and says why; without the wish it can."""
    login(client, agent)
    call = client.new_call(force_relay_candidate=True)
    call.wait_until_ended(10)
    error = call.termination_reason.error if call.termination_reason else None
    assert isinstance(error, MediaError)
    assert "force_relay_candidate" in str(error)
    client.new_call().wait_until_active(15)
