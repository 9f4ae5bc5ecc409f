"""The local agent's voice and ears over real WebRTC, heard and spoken to by plain aiortc."""

from __future__ import annotations

import asyncio
import base64
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telnyx_agent.testing import LocalAgent, PocketsphinxEars, Scenario, ToneVoice, synthesize
from telnyx_agent.testing._endpoint import level_db
from telnyx_agent.testing.voice import resample
from tests.support.requirements import require

from .oracle import RATE, Oracle, run

STORY = "Tell me a story"


def png(width: int, height: int) -> str:
    """A black PNG as a data URL."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (width + 1) * height)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()


def energy(samples: Any) -> float:
    return level_db(np.asarray(samples, np.int16))


def test_tones_are_heard() -> None:
    """Without speech: a melody with the words in time, then silence that keeps flowing."""
    with LocalAgent(scenario=Scenario.fast(), voice="tones", ears="deaf", greeting="one two three four") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                assert await client.response() == "one two three four"
                deltas = [
                    at
                    for at, frame in zip(client.arrivals, client.frames, strict=True)
                    if frame.get("params", {}).get("type") == "response.text.delta"
                ]
                assert len(deltas) == 4
                assert deltas[-1] - deltas[0] > 3 * 0.16 - 0.15  # and not much later, unless the machine is busy
                await client.hear(2.0)
                await client.bye()
                loud = np.abs(client.heard()) > 1000
                assert 0.2 * RATE < loud.sum() < 1.0 * RATE

        run(scenario())


@pytest.mark.slow_except(1)
@pytest.mark.parametrize("codec", ["opus", "G722", "PCMU", "PCMA"])
def test_every_codec(codec: str) -> None:
    """The answer can be restricted to one codec, and sound flows both ways with it."""
    scenario_ = Scenario.fast(codecs=(codec,))
    with LocalAgent(scenario=scenario_, voice="tones", ears="energy", greeting="") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                sdp = (await client.method("media"))["params"]["sdp"]
                assert sdp.count("a=rtpmap") == 1
                assert f" {codec}/" in sdp
                client.say(ToneVoice(0.4).speak("a b c").samples)
                assert (await client.heard_user()).startswith("[speech 1.")
                await client.response()
                assert energy(client.heard()) > -50

        run(scenario())


def test_the_greeting_is_speech() -> None:
    """The agent's first words can be recognised in what the caller hears."""
    require("voice", "ears")
    greeting = "Good morning"
    ears = PocketsphinxEars([greeting, "Goodbye", "Thank you very much", "What time is it?"], fall_back=False)
    with LocalAgent(scenario=Scenario.fast(), greeting=greeting, ears="deaf") as agent:

        async def scenario() -> str:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                assert await client.response() == greeting
                await client.hear(2.5)
                sound = client.heard()
            return await asyncio.to_thread(ears.hear, resample(sound, RATE, 16000))

        try:
            assert run(scenario()) == greeting
        finally:
            ears.close()


@pytest.mark.slow
def test_a_spoken_question() -> None:
    """The agent hears what was said, spelt as it should be, and answers it; a partial item may come before."""
    require("voice", "ears")
    with LocalAgent(scenario=Scenario.fast(), greeting="") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                for count, (question, answer) in enumerate(
                    [("What are your opening hours?", "nine to five"), ("Who are you?", "local agent")], 1
                ):
                    client.say(synthesize(question))
                    assert await client.heard_user(count) == question
                    assert answer in await client.response(count)
                client.say(synthesize("Please hang up"))
                assert (await client.method("bye"))["params"]["cause"] == "NORMAL_CLEARING"

        run(scenario())
    (call,) = agent.calls
    assert 2.0 < call.seconds_heard < call.seconds_received
    assert [line.role for line in call.transcript] == ["user", "assistant"] * 3


@pytest.mark.slow
def test_partial_items_have_the_id_of_the_final_one() -> None:
    """A15 with real ears: a long sentence is first seen in parts."""
    require("voice", "ears")
    with LocalAgent(scenario=Scenario.fast(), greeting="") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                client.say(synthesize("Repeat after me: the quick brown fox"))
                await client.heard_user()
                created = [f["params"]["item"] for f in client.frames if "item" in f.get("params", {})]
                assert created[-1]["status"] == "completed"
                assert {item["id"] for item in created} == {created[-1]["id"]}
                assert "the quick brown fox" in await client.response()

        run(scenario())


@pytest.mark.slow
def test_barge_in() -> None:
    """Who speaks while the agent does interrupts it: no more deltas, silence soon, and an answer to the new words."""
    require("voice", "ears")
    with LocalAgent(scenario=Scenario.fast(), greeting="") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                await client.type(STORY)
                await client.wait(lambda frame: frame.get("params", {}).get("type") == "response.text.delta", 8)
                client.say(synthesize("Stop"))
                start = asyncio.get_running_loop().time()
                await client.heard_user(1)
                answer = await client.response()
                assert answer == "All right, I am listening."
                deltas = [
                    f["params"] for f in client.frames if f.get("params", {}).get("type") == "response.text.delta"
                ]
                story = [delta for delta in deltas if delta["item_id"] == deltas[0]["item_id"]]
                assert len("".join(delta["delta"] for delta in story).split()) < 20
                late = [
                    at - start
                    for at, frame in zip(client.arrivals, client.frames, strict=True)
                    if frame.get("params", {}).get("item_id") == deltas[0]["item_id"]
                ]
                assert max(late) < 1.0

        run(scenario())


def test_no_barge_in() -> None:
    """It can be switched off: the agent finishes what it says."""
    with LocalAgent(
        scenario=Scenario.fast(),
        voice=ToneVoice(0.2),
        ears="energy",
        greeting="one two three four five",
        barge_in=False,
    ) as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                await client.conversation("response.created")
                client.say(ToneVoice(0.3).speak("a b").samples)
                assert await client.response() == "one two three four five"

        run(scenario())


def test_images() -> None:
    """The agent says what it sees, and answers the text beside it."""
    with LocalAgent(scenario=Scenario.fast(), voice="silent", ears="deaf", greeting="") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                await client.type("", png(64, 48))
                assert await client.response(1) == "I see one png image, 64 by 48 pixels."
                await client.type("Thank you", png(2, 2), "https://example.com/cat.jpg?x=1")
                text = "I see two images: png, 2 by 2 pixels, jpeg. You are welcome."
                assert await client.response(2) == text

        run(scenario())


def test_trickled_candidates() -> None:
    """A client that sends its candidates one by one gets its media as well."""
    with LocalAgent(scenario=Scenario.fast(), voice="tones", ears="deaf", greeting="one two three") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.ready()
                client.pc.addTrack(client.microphone)
                await client.pc.setLocalDescription(await client.pc.createOffer())
                lines = client.pc.localDescription.sdp.split("\r\n")
                candidates = [line for line in lines if line.startswith("a=candidate")]
                bare = "\r\n".join(line for line in lines if not line.startswith(("a=candidate", "a=end-of")))
                dialog = {"dialogParams": {"callID": client.call_id}}
                invite = {"sdp": bare, "trickle": True, **dialog}
                assert "result" in await client.ask("telnyx_rtc.invite", invite)
                for line in candidates:
                    params = {"candidate": line.removeprefix("a="), "sdpMid": "0", "sdpMLineIndex": 0, **dialog}
                    assert "result" in await client.ask("telnyx_rtc.candidate", params)
                await client.ask("telnyx_rtc.endOfCandidates", {"endOfCandidates": True, **dialog})
                from aiortc import RTCSessionDescription

                media = await client.method("media")
                await client.pc.setRemoteDescription(RTCSessionDescription(media["params"]["sdp"], "answer"))
                await client.response()
                await client.hears(lambda: bool(len(client.heard())) and bool(np.abs(client.heard()).max() > 1000))

        run(scenario())


@pytest.mark.slow_except(1)
def test_hold() -> None:
    """A held agent neither speaks nor listens; afterwards it goes on where it was."""
    with LocalAgent(scenario=Scenario.fast(), voice=ToneVoice(0.2), ears="deaf", greeting="a b c d e f g h") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                await client.conversation("response.text.delta")
                params = {"dialogParams": {"callID": client.call_id}}
                assert (await client.ask("telnyx_rtc.modify", {"action": "hold", **params}))["result"]
                count = sum("delta" in frame.get("params", {}) for frame in client.frames)
                before = len(client.heard())
                await client.hears(lambda: len(client.heard()) > before + RATE)
                assert sum("delta" in frame.get("params", {}) for frame in client.frames) == count < 8
                assert (await client.ask("telnyx_rtc.modify", {"action": "unhold", **params}))["result"]
                assert await client.response() == "a b c d e f g h"

        run(scenario())


@pytest.mark.slow_except(1)
def test_reattach_with_media() -> None:
    """Scenario G with sound: the socket is cut, the client comes back and hears the agent again."""
    with LocalAgent(scenario=Scenario.fast(), voice="tones", ears="energy", greeting="") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as first:
                await first.call()
                await asyncio.to_thread(agent.drop_connection)
                await asyncio.gather(first.closed, return_exceptions=True)
            async with Oracle.connected(agent.url, f"/?voice_sdk_id={first.voice_sdk_id}") as second:
                second.session_id = first.session_id
                await second.login(reconnection=True)
                attach = (await second.method("attach"))["params"]
                from aiortc import RTCSessionDescription

                await second.pc.setRemoteDescription(RTCSessionDescription(attach["sdp"], "offer"))
                second.pc.addTrack(second.microphone)
                await second.pc.setLocalDescription(await second.pc.createAnswer())
                dialog = {"callID": attach["callID"], "attach": True}
                params = {"sdp": second.pc.localDescription.sdp, "dialogParams": dialog}
                assert "result" in await second.ask("telnyx_rtc.attach", params)
                await second.hear(0.1)
                await second.type("hello")
                await second.response()
                assert np.abs(second.heard()).max() > 1000
                second.say(ToneVoice(0.4).speak("a b c").samples)
                await second.heard_user()

        run(scenario())


def test_update_media() -> None:
    """`updateMedia` gets an answer that a new peer can use."""
    with LocalAgent(scenario=Scenario.fast(), voice="tones", ears="deaf", greeting="") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client, Oracle.connected(agent.url) as other:
                await client.call()
                other.pc.addTrack(other.microphone)
                await other.pc.setLocalDescription(await other.pc.createOffer())
                params = {"action": "updateMedia", "sdp": other.pc.localDescription.sdp}
                reply = await client.ask("telnyx_rtc.modify", {**params, "dialogParams": {"callID": client.call_id}})
                from aiortc import RTCSessionDescription

                await other.pc.setRemoteDescription(RTCSessionDescription(reply["result"]["sdp"], "answer"))
                await client.type("hello")
                await client.response()
                await other.hears(lambda: bool(len(other.heard())) and bool(np.abs(other.heard()).max() > 1000))

        run(scenario())


def test_an_offer_that_aiortc_cannot_use() -> None:
    """The call ends with INCOMPATIBLE_DESTINATION; the server goes on."""
    from .script import OFFER

    with LocalAgent(scenario=Scenario.fast(), voice="silent", ears="deaf") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.ready()
                params = {"sdp": OFFER.replace("opus", "exotic"), "dialogParams": {"callID": client.call_id}}
                await client.request("telnyx_rtc.invite", params)
                assert (await client.method("bye"))["params"]["cause"] == "INCOMPATIBLE_DESTINATION"
                assert (await client.ask("telnyx_rtc.ping", {}))["result"]["message"] == "PONG"

        run(scenario())


@pytest.mark.slow
def test_several_calls_at_once() -> None:
    """Four callers speak at the same time; each is heard and answered for itself."""
    require("voice", "ears")
    questions = {
        "What time is it?": "It is",
        "Tell me a joke": "packet",
        "Thank you very much": "welcome",
        "What is your name?": "local agent",
    }
    with LocalAgent(scenario=Scenario.fast(), greeting="") as agent:

        async def caller(question: str, answer: str) -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                client.say(synthesize(question))
                assert await client.heard_user() == question
                assert answer in await client.response()

        async def scenario() -> None:
            await asyncio.gather(*(caller(*pair) for pair in questions.items()))

        run(scenario())


def test_stop_in_the_middle_of_a_sentence() -> None:
    """Live media does not delay `stop`, and no thread stays behind."""
    with LocalAgent(scenario=Scenario.fast(), voice=ToneVoice(0.3), ears="energy") as agent:

        async def scenario() -> None:
            async with Oracle.connected(agent.url) as client:
                await client.call()
                await client.conversation("response.text.delta")
                await asyncio.wait_for(asyncio.to_thread(agent.stop), 3.5)
                # aiortc's decoder threads are not daemons; ours must be gone, the oracle's may live on.
                names = [thread.name for thread in threading.enumerate()]
                assert not [name for name in names if name.startswith("telnyx-agent-local")]

        run(scenario())


def test_a_spoken_wav(tmp_path: Path) -> None:
    """`synthesize` writes a WAV that others can read."""
    require("voice")
    import wave

    samples = synthesize("Hello", tmp_path / "hello.wav", rate=16000)
    with wave.open(str(tmp_path / "hello.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        assert file.readframes(file.getnframes()) == samples.tobytes()
    assert energy(samples) > -30
