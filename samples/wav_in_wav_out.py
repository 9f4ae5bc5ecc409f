"""A call without a sound card: a WAV file is the caller's voice, another one gets the assistant's.

    python samples/wav_in_wav_out.py assistant-... --input-wav question.wav --output-wav answer.wav
    python samples/wav_in_wav_out.py --offline     # makes question.wav if it is not there

The files may have any rate and number of channels; the answer is 48 kHz mono.
"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path

from telnyx_agent import Call, CallState, TranscriptionItem, TxClient, TxError, TxServerConfiguration
from telnyx_agent.audio import WaveAudio
from telnyx_agent.testing import LocalAgent, synthesize


def converse(assistant_id: str, question: Path, answer: Path, server: TxServerConfiguration | None = None) -> None:
    heard = threading.Event()
    answered = threading.Event()

    def show(item: TranscriptionItem) -> None:
        if item.is_final:
            print(f"{item.role}: {item.content}")
            if item.role == "user":
                heard.set()
            elif heard.is_set():
                answered.set()

    audio = WaveAudio(input=question, output=answer, lead_in=6.0)  # let the assistant greet before the file speaks
    with TxClient(audio=audio) as client:
        client.ai_assistant_manager.subscribe_to_transcript_item_updates(show)
        client.anonymous_login(assistant_id, server_configuration=server)
        with client.new_call() as call:
            call.wait_until_active(timeout=30)
            audio.wait_played()
            answered.wait(timeout=30)
            wait_for_silence(call)
    print(f"Wrote {answer}")


def wait_for_silence(call: Call, seconds: float = 1.5) -> None:
    """The transcript may be ahead of the voice: let the assistant finish."""
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < seconds and call.state == CallState.ACTIVE:
        if call.output_level > 0.01:
            quiet_since = time.monotonic()
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask an assistant with a WAV file.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("assistant_id", nargs="?", help="your assistant's id")
    target.add_argument("--offline", action="store_true", help="ask a local agent instead")
    parser.add_argument("--input-wav", type=Path, default=Path("question.wav"), help="what the caller says")
    parser.add_argument("--output-wav", type=Path, default=Path("answer.wav"), help="where the assistant's voice goes")
    args = parser.parse_args()
    if args.offline:
        if not args.input_wav.exists():
            synthesize("What are your opening hours?", args.input_wav)
        with LocalAgent() as agent:
            converse("assistant-local", args.input_wav, args.output_wav, agent.configuration)
    else:
        converse(args.assistant_id, args.input_wav, args.output_wav)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # hung up, and the WAV file is complete up to here
        print("Bye.")
    except TxError as error:
        raise SystemExit(f"It did not work: {error}") from error
