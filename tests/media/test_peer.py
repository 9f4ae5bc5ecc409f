"""Calls over real ICE, DTLS and SRTP: two of our peers, and ours against a plain aiortc peer."""

from __future__ import annotations

import asyncio
import fractions
import functools
import gc
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import aioice
import av
import numpy as np
import pytest
from aiortc import (
    MediaStreamTrack,
    RTCCertificate,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    rtcdtlstransport,
)

from telnyx_agent._media import load
from telnyx_agent._media.call_audio import AudioBridge
from telnyx_agent._media.recorder import StereoRecorder
from telnyx_agent._media.rtc import aiortc_internals
from telnyx_agent._media.rtc.peer import MediaPeer
from telnyx_agent.codecs import OpusSettings
from telnyx_agent.config import IceServer
from telnyx_agent.errors import MediaError
from tests.media.harness import (
    RATE,
    Device,
    Pulse,
    Samples,
    energies,
    level,
    own_address,
    patient,
    pitch,
    run,
    tone,
    until,
)
from tests.media.test_description import ANSWER, candidate, captured, with_lines
from tests.media.test_recorder import read

LOOPBACK = own_address() == "127.0.0.1"


class Party:
    """One end of a call: bridge, peer, and the states it went through."""

    def __init__(self, **options: object) -> None:
        self.bridge = AudioBridge()
        self.states: list[str] = []
        settings: dict[str, Any] = {"ice_servers": [], **options}
        self.peer = MediaPeer(bridge=self.bridge, on_state=self.states.append, **settings)

    async def connected(self) -> None:
        await until(lambda: "connected" in self.states)


async def connect(caller: Party, agent: Party) -> None:
    """Offer, answer, and wait until both ends are connected."""
    await caller.peer.accept_answer(await agent.peer.create_answer(await caller.peer.create_offer()))
    await asyncio.gather(caller.connected(), agent.connected())


async def hang_up(*parties: Party) -> None:
    await asyncio.gather(*(party.peer.close() for party in parties))


def settled(device: Device, seconds: float = 1.0) -> Samples:
    """The last of what was heard, without the beginning."""
    return device.recording()[-round(seconds * RATE) :]


def only(name: str) -> list[dict[str, object]]:
    return [{"mimeType": f"audio/{name}"}]


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("name", ["opus", "G722", "PCMU", "PCMA"])
@patient
def test_two_peers_hear_each_other(name: str) -> None:
    """A tone each way, of its own pitch and level, with every codec."""

    async def main() -> None:
        caller, agent = Party(preferred_codecs=only(name)), Party(preferred_codecs=only(name))
        await connect(caller, agent)
        assert caller.peer.codec == agent.peer.codec == name
        with Device(caller.bridge, tone(440, 5.0)) as one, Device(agent.bridge, tone(1000, 5.0)) as two:
            await until(lambda: min(one.recording().size, two.recording().size) > 1.8 * RATE)
        stats = await caller.peer.stats()
        await hang_up(caller, agent)
        for device, frequency in ((one, 1000), (two, 440)):
            heard = settled(device)
            assert pitch(heard) == pytest.approx(frequency, abs=4)
            assert level(heard) == pytest.approx(level(tone(440, 1.0)), rel=0.15)
        assert stats.codec == name
        assert stats.packets_sent > 70
        assert stats.packets_received > 70
        assert stats.packets_lost == 0
        assert stats.bytes_sent > 1000
        assert stats.jitter < 0.05
        assert stats.mos is not None
        assert stats.mos > 4.0
        assert stats.playout.total_samples > 1.7 * RATE

    run(main)


def test_states_in_order_and_once() -> None:
    """Connecting, connected, closed; the end that did not close learns it from the other."""

    async def main() -> None:
        caller, agent = Party(), Party()
        assert caller.peer.state == "new"
        await connect(caller, agent)
        assert caller.peer.state == "connected"
        await caller.peer.close()
        await until(lambda: agent.states[-1] == "closed")
        await agent.peer.close()
        for party in (caller, agent):
            assert party.states == ["connecting", "connected", "closed"]
            assert party.peer.state == "closed"

    run(main)


@patient
def test_set_up_is_fast() -> None:
    """From the offer to both ends connected in well under half a second."""

    async def main() -> float:
        caller, agent = Party(), Party()
        begin = time.monotonic()
        await connect(caller, agent)
        seconds = time.monotonic() - begin
        await hang_up(caller, agent)
        return seconds

    assert min(run(main) for _ in range(3)) < 0.4


@patient
def test_mute_is_heard_as_silence() -> None:
    """The other side hears nothing within a moment, and hears again afterwards; packets go on all the time."""

    async def main() -> None:
        caller, agent = Party(), Party()
        await connect(caller, agent)
        with Device(caller.bridge, tone(440, 5.0)), Device(agent.bridge, np.zeros(480, np.int16)) as ear:
            await until(lambda: ear.recording().size > RATE and energies(settled(ear, 0.2)).min() > 3000)
            caller.bridge.muted = True
            await until(lambda: energies(settled(ear, 0.2)).max() < 20)
            sent = (await caller.peer.stats()).packets_sent
            caller.bridge.muted = False
            await until(lambda: ear.recording().size > RATE and energies(settled(ear, 0.2)).min() > 3000)
            assert (await caller.peer.stats()).packets_sent > sent
        await hang_up(caller, agent)

    run(main)


@patient
def test_a_call_without_devices_keeps_packets_flowing() -> None:
    """Silence is sent; what comes does not pile up."""

    async def main() -> None:
        caller, agent = Party(), Party()
        await connect(caller, agent)
        await asyncio.sleep(1.6)
        stats = await caller.peer.stats()
        await hang_up(caller, agent)
        assert 70 <= stats.packets_sent <= 90
        assert stats.frames_silent == pytest.approx(stats.packets_sent, abs=2)
        assert len(caller.bridge.playout._inbox) <= 66

    run(main)


@patient
def test_the_other_sides_reports_give_the_round_trip_time() -> None:
    """Not known at first, then small on one machine; with what the other side lost, and its jitter."""

    async def main() -> None:
        caller, agent = Party(), Party()
        await connect(caller, agent)
        stats = await caller.peer.stats()
        assert (stats.rtt, stats.remote_jitter, stats.remote_packets_lost) == (None, None, None)
        for _ in range(100):
            await asyncio.sleep(0.1)
            stats = await caller.peer.stats()
            if stats.rtt is not None:
                break
        await hang_up(caller, agent)
        assert stats.rtt is not None
        assert 0 <= stats.rtt < 0.5
        assert stats.remote_packets_lost == 0
        assert stats.remote_fraction_lost == 0
        assert stats.remote_jitter is not None
        assert stats.remote_jitter < 0.05

    run(main)


@pytest.mark.slow
@patient
def test_both_directions_are_recorded(tmp_path: Path) -> None:
    """Left the caller's own tone, right the agent's."""

    async def main() -> None:
        caller, agent = Party(), Party()
        await connect(caller, agent)
        recorder = StereoRecorder(tmp_path / "call.wav")
        caller.bridge.recorder = recorder
        with Device(caller.bridge, tone(440, 5.0)), Device(agent.bridge, tone(1000, 5.0)):
            await until(lambda: recorder.seconds > 2.0)
        recorder.close()
        await hang_up(caller, agent)

    run(main)
    left, right = read(tmp_path / "call.wav")
    assert pitch(left[-RATE:]) == pytest.approx(440, abs=3)
    assert pitch(right[-RATE:]) == pytest.approx(1000, abs=3)


class Tone(MediaStreamTrack):
    """A plain aiortc track: 20 ms frames of a sine, stereo or mono."""

    kind = "audio"

    def __init__(self, frequency: float) -> None:
        super().__init__()
        self._samples = tone(frequency, 5.0)
        self._sent = 0
        self._begin = time.monotonic()

    async def recv(self) -> av.AudioFrame:
        await asyncio.sleep(max(0.0, self._begin + self._sent / RATE - time.monotonic()))
        block = np.take(self._samples, np.arange(self._sent, self._sent + 960), mode="wrap").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._sent, fractions.Fraction(1, RATE)
        self._sent += 960
        return frame


async def listen(track: MediaStreamTrack, seconds: float) -> tuple[Samples, int]:
    """What aiortc itself decodes, one channel, and its rate."""
    parts: list[Samples] = []
    rate = RATE
    while sum(part.size for part in parts) < seconds * rate:
        frame = await track.recv()
        assert isinstance(frame, av.AudioFrame)
        rate = frame.sample_rate
        parts.append(np.asarray(frame.to_ndarray(), np.int16).reshape(-1)[:: len(frame.layout.channels)])
    return np.concatenate(parts), rate


@pytest.mark.slow_except(2)
@pytest.mark.parametrize("name", ["opus", "G722", "PCMU", "PCMA"])
@pytest.mark.parametrize("we_offer", [True, False])
@patient
def test_against_a_plain_aiortc_peer(name: str, we_offer: bool) -> None:
    """An implementation that is not ours hears our tone and we hear its, whoever calls."""

    async def main() -> None:
        ours = Party(preferred_codecs=only(name))
        theirs = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        tracks: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
        theirs.on("track", tracks.put_nowait)
        theirs.addTrack(Tone(1000))
        if we_offer:
            await theirs.setRemoteDescription(RTCSessionDescription(await ours.peer.create_offer(), "offer"))
            await theirs.setLocalDescription(await theirs.createAnswer())
            await ours.peer.accept_answer(theirs.localDescription.sdp)
        else:
            await theirs.setLocalDescription(await theirs.createOffer())
            answer = await ours.peer.create_answer(theirs.localDescription.sdp)
            await theirs.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        track = await tracks.get()
        assert ours.peer.codec == name
        with Device(ours.bridge, tone(440, 5.0)) as device:
            heard, rate = await listen(track, 1.8)
        spectrum = np.abs(np.fft.rfft(heard[-rate:] * np.hanning(rate)))
        assert int(np.argmax(spectrum)) == pytest.approx(440, abs=4)
        assert pitch(settled(device)) == pytest.approx(1000, abs=4)
        await ours.peer.close()
        await theirs.close()

    if LOOPBACK:
        pytest.skip("a plain aiortc peer has no address on a machine without a network")
    run(main)


def test_the_other_sides_choice_of_codec_is_followed() -> None:
    """An answer with one narrow codec: that one is sent, although Opus was offered first."""

    async def main() -> None:
        caller, agent = Party(), Party()
        offer = await caller.peer.create_offer()
        offered = "\r\n".join(line for line in offer.splitlines() if ":96 " not in line).replace(" 96 9 0 8", " 0 8")
        await caller.peer.accept_answer(await agent.peer.create_answer(offered + "\r\n"))
        await asyncio.gather(caller.connected(), agent.connected())
        assert caller.peer.codec == agent.peer.codec == "PCMU"
        await hang_up(caller, agent)

    run(main)


@pytest.mark.parametrize("name", ["media_early", "attach_from_server_captured", "modify_update_media_result"])
def test_captured_answers_are_applied(name: str) -> None:
    """SDP as the real server sends it; only its address is moved to this machine."""

    async def main() -> None:
        caller = Party()
        await caller.peer.create_offer()
        await caller.peer.accept_answer(captured(name).replace("185.246.41.194", own_address()))
        assert caller.peer.codec == "G722"
        await until(lambda: caller.states == ["connecting"])
        await caller.peer.close()
        assert caller.states == ["connecting", "closed"]

    run(main)


def test_a_captured_offer_is_answered() -> None:
    """The server's offer when it re-attaches a call."""

    async def main() -> None:
        caller = Party()
        sdp = captured("attach_from_server_captured").replace("185.246.41.194", own_address())
        answer = await caller.peer.create_answer(sdp)
        assert "a=setup:active" in answer
        assert "G722/8000" in answer
        assert "opus" not in answer
        await caller.peer.close()

    run(main)


BROKEN = {
    "nothing": "",
    "no audio": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
    "rejected": ANSWER.replace("audio 16952", "audio 0"),
    "other codec": ANSWER.replace("opus/48000/2", "speex/16000"),
    "two in one line": ANSWER.replace("sha-256 AB", "sha-256  AB AB"),
    "binary": "v=0\r\n" + "\x00\xff" * 100,
}


@pytest.mark.parametrize("why", BROKEN)
def test_unusable_answers_are_errors_with_words(why: str) -> None:
    """Code 40004, a sentence, and a peer that can still be closed."""

    async def main() -> None:
        caller = Party()
        await caller.peer.create_offer()
        with pytest.raises(MediaError, match="the other side's answer cannot be used") as caught:
            await caller.peer.accept_answer(BROKEN[why].replace("192.0.2.9", own_address()))
        assert caught.value.code == 40004
        assert len(caught.value.message) > 40
        await caller.peer.close()
        assert caller.states[-1] == "closed"

    run(main)


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("count", [256, 10_000])
def test_an_answer_with_many_candidates_disturbs_no_other_call(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with many addresses, too: the loop is never busy for long, and all that is sent arrives."""

    async def main() -> None:
        caller, agent, victim = Party(), Party(), Party()
        await connect(caller, agent)
        with monkeypatch.context() as patch:
            patch.setattr(aioice.ice, "get_host_addresses", lambda **_: [f"127.2.0.{n}" for n in range(1, 40)])
            patch.setattr(aiortc_internals, "address_towards", lambda _: "127.0.0.1")
            await victim.peer.create_offer()
        async with Pulse() as pulse:
            answer = with_lines(*(candidate(n, port=20000 + n % 1000) for n in range(count)))
            if count > 256:
                with pytest.raises(MediaError, match="at most"):
                    await victim.peer.accept_answer(answer)
            else:
                await victim.peer.accept_answer(answer)
            heard = agent.bridge.playout.stats().packets_received
            await until(lambda: agent.bridge.playout.stats().packets_received > heard + 50)
            await victim.peer.close()
        sent = (await caller.peer.stats()).packets_sent
        await until(lambda: agent.bridge.playout.stats().packets_received >= sent)
        await hang_up(caller, agent)
        assert pulse.longest < 0.05

    run(main)


def test_a_second_answer_is_refused() -> None:
    """R28: the first SDP wins; the call goes on with it."""

    async def main() -> None:
        caller, agent = Party(), Party()
        answer = await agent.peer.create_answer(await caller.peer.create_offer())
        await caller.peer.accept_answer(answer)
        with pytest.raises(MediaError, match="no answer is expected"):
            await caller.peer.accept_answer(answer)
        await asyncio.gather(caller.connected(), agent.connected())
        await hang_up(caller, agent)

    run(main)


def test_an_answer_before_the_offer_is_refused() -> None:
    """There is nothing that it could be an answer to."""

    async def main() -> None:
        caller = Party()
        with pytest.raises(MediaError, match="no answer is expected"):
            await caller.peer.accept_answer(ANSWER)
        await caller.peer.close()

    run(main)


@patient
def test_no_way_to_the_other_side_is_a_failure_in_time() -> None:
    """Nobody answers the checks: "failed" after the time that was given, once."""

    async def main() -> None:
        caller = Party(connect_timeout=0.7)
        await caller.peer.create_offer()
        begin = time.monotonic()
        await caller.peer.accept_answer(ANSWER.replace("192.0.2.9", own_address()))
        await until(lambda: "failed" in caller.states)
        assert caller.peer.failure == "path"
        assert 0.6 < time.monotonic() - begin < 1.5
        await caller.peer.close()
        assert caller.states == ["connecting", "failed", "closed"]

    run(main)


def test_a_wrong_fingerprint_is_a_failure() -> None:
    """Somebody else is at the other end of the wire: no audio, "failed", and that it was the fingerprint."""

    async def main() -> None:
        caller, agent = Party(), Party()
        answer = await agent.peer.create_answer(await caller.peer.create_offer())
        lines = [
            "a=fingerprint:sha-256 " + ":".join(["00"] * 32) if line.startswith("a=fingerprint") else line
            for line in answer.splitlines()
        ]
        await caller.peer.accept_answer("\r\n".join(lines) + "\r\n")
        await until(lambda: "failed" in caller.states)
        assert caller.peer.failure == "fingerprint"
        assert "connected" not in caller.states
        await hang_up(caller, agent)

    run(main)


_NOBODYS = {n: f"a=fingerprint:sha-{n} {':'.join(['00'] * (n // 8))}" for n in (256, 384, 512)}


@pytest.mark.parametrize(
    ("before", "after", "fits"),
    [
        ([_NOBODYS[256]], [], True),  # two certificates, of which one is used
        ([], [_NOBODYS[256]], True),
        ([], [_NOBODYS[384]], False),  # the stronger hash function decides
        ([_NOBODYS[512]], [], False),
    ],
)
def test_one_fingerprint_of_the_strongest_hash_function_has_to_fit(
    before: list[str], after: list[str], fits: bool
) -> None:
    """RFC 8122 section 5.1: there is one for each certificate that the other side may use."""

    async def main() -> None:
        caller, agent = Party(), Party()
        answer = await agent.peer.create_answer(await caller.peer.create_offer())
        own = next(line for line in answer.splitlines() if line.startswith("a=fingerprint:sha-256"))
        await caller.peer.accept_answer(answer.replace(own, "\r\n".join([*before, own, *after])))
        await until(lambda: {"connected", "failed"} & set(caller.states) != set())
        assert ("connected" in caller.states) is fits
        assert caller.peer.failure == (None if fits else "fingerprint")
        await hang_up(caller, agent)

    run(main)


def test_what_a_dtls_handshake_fails_with_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cipher in common; no SRTP profile in common; an end that does not answer."""

    async def attempt(agent: Party, **options: Any) -> str | None:
        caller = Party(**options)
        offer = await caller.peer.create_offer()
        await caller.peer.accept_answer(await agent.peer.create_answer(offer))
        await until(lambda: "failed" in caller.states)
        await hang_up(caller, agent)
        return caller.peer.failure

    async def main() -> None:
        create = RTCCertificate._create_ssl_context

        def other_cipher(certificate: RTCCertificate, srtp_profiles: Any) -> Any:
            context = create(certificate, srtp_profiles=srtp_profiles)
            if certificate is theirs:
                context.set_cipher_list(b"ECDHE-ECDSA-AES256-SHA")
            else:
                context.set_cipher_list(b"ECDHE-ECDSA-AES128-SHA")
            return context

        agent = Party()
        dtls: Any = agent.peer._transceiver.sender.transport
        theirs = vars(dtls)["_RTCDtlsTransport__local_certificate"]
        with monkeypatch.context() as patch:
            patch.setattr(RTCCertificate, "_create_ssl_context", other_cipher)
            assert await attempt(agent) == "handshake"

        agent = Party()
        dtls = agent.peer._transceiver.sender.transport
        dtls._srtp_profiles = [rtcdtlstransport.SRTP_AES128_CM_SHA1_80]
        only_gcm = [profile for profile in rtcdtlstransport.SRTP_PROFILES if b"GCM" in profile.openssl_profile]
        with monkeypatch.context() as patch:
            patch.setattr(rtcdtlstransport, "SRTP_PROFILES", only_gcm)
            assert await attempt(agent) == "encryption"

        agent = Party()

        async def nothing(*_: Any) -> None:
            """It takes part in ICE only."""

        dtls = agent.peer._transceiver.sender.transport
        dtls.start = nothing
        assert await attempt(agent, connect_timeout=1.0) == "silence"

    run(main)


def hears(device: Device, frequency: float) -> bool:
    """Whether the last tenth of a second is that tone."""
    if device.recording().size < RATE // 2:
        return False
    heard = settled(device, 0.1)
    return bool(energies(heard).min() > 3000 and abs(pitch(heard) - frequency) < 20)


def test_both_sides_numbers_of_a_codec_are_understood() -> None:
    """The answer numbers Opus 109; RTP comes with 96, as in our offer (RFC 3264 section 6.1), or with 109."""

    async def main() -> None:
        for number in (96, 109):
            caller, agent = Party(), Party()
            answer = await agent.peer.create_answer(await caller.peer.create_offer())
            answer = re.sub(r"(rtpmap|fmtp):96 ", r"\1:109 ", answer).replace("SAVPF 96", "SAVPF 109")
            assert "a=rtpmap:109 opus/48000/2" in answer
            vars(agent.peer._transceiver)["_codecs"][0].payloadType = number
            await caller.peer.accept_answer(answer)
            await asyncio.gather(caller.connected(), agent.connected())
            assert caller.peer._transceiver._codecs[0].payloadType == 109  # what we send with
            with Device(caller.bridge, np.zeros(480, np.int16)) as ear, Device(agent.bridge, tone(1000, 5.0)):
                await until(functools.partial(hears, ear, 1000))
            await hang_up(caller, agent)

    run(main)


@pytest.mark.parametrize(
    ("answered", "meanings"),
    [
        ("SAVPF 109\r\na=rtpmap:109 opus/48000/2", {96: "opus", 109: "opus", 9: "G722", 0: "PCMU", 8: "PCMA"}),
        ("SAVPF 35\r\na=rtpmap:35 opus/48000/2", {96: "opus", 35: "opus", 9: "G722", 0: "PCMU", 8: "PCMA"}),
        # Both give 96 a meaning: it is ours, as the other side has to use our numbers.
        ("SAVPF 96 97\r\na=rtpmap:96 PCMU/8000\r\na=rtpmap:97 opus/48000/2", {96: "opus", 97: "opus", 0: "PCMU"}),
    ],
)
def test_one_number_has_one_meaning(answered: str, meanings: dict[int, str]) -> None:
    """Every number that either side has given to a codec that we speak; what is sent has the other side's."""

    async def main() -> None:
        caller = Party()
        await caller.peer.create_offer()
        sdp = re.sub("SAVPF 96 101\r\na=rtpmap:96 .*", answered, ANSWER).replace("192.0.2.9", own_address())
        await caller.peer.accept_answer(sdp)
        decoders = caller.bridge.playout._decoders
        names = {"OpusDecoder": "opus", "G722Decoder": "G722"}
        for number, name in meanings.items():
            found = type(decoders[number]).__name__
            assert name == names.get(found, name), number
            assert decoders[number].clock_rate == (48000 if name == "opus" else 8000)
        assert len({id(decoder) for decoder in decoders.values()}) == 4
        first = int(re.search(r"SAVPF (\d+)", answered)[1])  # type: ignore[index]
        assert caller.peer._transceiver._codecs[0].payloadType == first
        await caller.peer.close()

    run(main)


@pytest.mark.slow
@patient
def test_events_and_comfort_noise_disturb_nothing() -> None:
    """RTP with payload types that were not agreed on, between the audio: ignored, the tone goes on."""

    async def main() -> None:
        caller, agent = Party(), Party()
        await connect(caller, agent)
        transport = agent.peer._transceiver.sender.transport
        with Device(caller.bridge, np.zeros(480, np.int16)) as ear, Device(agent.bridge, tone(1000, 5.0)):
            await until(lambda: ear.recording().size > RATE)
            for n, payload_type in enumerate([101, 13, 126] * 20):
                header = bytes([0x80, payload_type, 0, n]) + (n * 160).to_bytes(4, "big") + b"\0\0\0\7"
                await transport._send_rtp(header + b"\x01\x80\x00\xa0")
                await asyncio.sleep(0.01)
            await until(lambda: ear.recording().size > 2 * RATE)
            heard = settled(ear, 0.8)
        await hang_up(caller, agent)
        assert energies(heard).min() > 0.7 * level(tone(1000, 1.0))

    run(main)


@patient
def test_close_is_idempotent_and_never_raises() -> None:
    """At any time, any number of times, also at once."""

    async def main() -> None:
        fresh = Party()
        await asyncio.gather(*(fresh.peer.close() for _ in range(5)))
        await fresh.peer.close()
        assert fresh.states == ["closed"]
        offered = Party()
        await offered.peer.create_offer()
        await offered.peer.close()
        connecting, other = Party(), Party()
        await connecting.peer.accept_answer(await other.peer.create_answer(await connecting.peer.create_offer()))
        begin = time.monotonic()
        await hang_up(connecting, other)
        assert time.monotonic() - begin < 2.5
        assert connecting.states[-1] == other.states[-1] == "closed"

    run(main)


def test_a_listener_that_raises_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the call connects."""

    async def main() -> None:
        def fail(state: str) -> None:
            raise RuntimeError(state)

        agent = Party()
        peer = MediaPeer(ice_servers=[], bridge=AudioBridge(), on_state=fail)
        await peer.accept_answer(await agent.peer.create_answer(await peer.create_offer()))
        await agent.connected()
        await until(lambda: peer.state == "connected")
        await peer.close()
        await agent.peer.close()

    run(main)
    assert "a listener failed on media state 'connecting'" in caplog.text


def test_statistics_before_and_after_a_call() -> None:
    """They can be asked for at any time."""

    async def main() -> None:
        caller = Party()
        before = await caller.peer.stats()
        assert (before.codec, before.packets_sent, before.mos, before.rtt) == (None, 0, None, None)
        await caller.peer.close()
        assert (await caller.peer.stats()).state == "closed"

    run(main)


def test_opus_settings_reach_the_wire() -> None:
    """A low bitrate makes small packets."""

    async def main() -> None:
        caller, agent = Party(opus=OpusSettings(bitrate=12000)), Party()
        await connect(caller, agent)
        with Device(caller.bridge, tone(440, 5.0)), Device(agent.bridge, tone(440, 5.0)):
            await asyncio.sleep(1.5)
        low, normal = await caller.peer.stats(), await agent.peer.stats()
        await hang_up(caller, agent)
        assert low.bytes_sent / low.packets_sent < 0.6 * normal.bytes_sent / normal.packets_sent

    run(main)


def test_aiortcs_decoder_thread_is_sent_home() -> None:
    """A call costs no thread of its own once packets flow."""

    async def main() -> None:
        caller, agent = Party(), Party()
        await connect(caller, agent)
        await until(lambda: not [t for t in threading.enumerate() if "decoder" in t.name])
        await hang_up(caller, agent)

    run(main)


def resources() -> tuple[int, int]:
    """Threads and file descriptors."""
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors as Linux shows them")
def test_thirty_calls_leave_nothing_behind() -> None:
    """No thread, task or descriptor more than after the first."""

    async def main() -> None:
        async def call() -> None:
            caller, agent = Party(), Party()
            await connect(caller, agent)
            await hang_up(caller, agent)

        await call()
        before = resources()
        for _ in range(30):
            await call()
        await until(lambda: resources() <= before)

    run(main)


@patient
def test_load_is_quick_the_second_time_and_may_be_called_at_once() -> None:
    """The import happens once, whoever comes."""

    async def main() -> None:
        await asyncio.gather(*(load() for _ in range(5)))
        begin = time.monotonic()
        await load()
        assert time.monotonic() - begin < 0.01

    run(main)


def test_nothing_blocks_the_loop() -> None:
    """A whole call on a thread with the loop's name, where `tests/support/watch.py` notes every blocking call."""

    async def main() -> None:
        await load()
        servers = [IceServer("stun:stun.invalid"), IceServer("turn:turn.invalid?transport=tcp", "user", "secret")]
        parties = [Party(ice_servers=servers, gather_timeout=2.0) for _ in range(3)]
        caller, agent, unused = parties
        await connect(caller, agent)
        device = Device(caller.bridge, tone(440, 5.0))
        device.__enter__()
        await until(lambda: device.recording().size > RATE // 2)
        await asyncio.to_thread(device.__exit__)
        await caller.peer.stats()
        await unused.peer.create_offer()
        await hang_up(*parties)

    failures: list[BaseException] = []

    def loop() -> None:
        try:
            run(main)
        except BaseException as exc:  # noqa: BLE001 - shown by the main thread
            failures.append(exc)

    thread = threading.Thread(target=loop, name="telnyx-agent-loop")
    thread.start()
    thread.join()
    assert not failures
