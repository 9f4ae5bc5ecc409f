"""Measure an assistant: ask it the same question several times, record the call, print how long each answer took.

    python samples/record_and_measure.py assistant-... --question question.wav --recording call.wav
    python samples/record_and_measure.py --offline     # makes question.wav if it is not there

No sound card is used. The recording is stereo: left the questions, right the answers.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from telnyx_agent import Call, CallState, TxClient, TxError, TxServerConfiguration
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, synthesize


def measure(assistant_id: str, args: argparse.Namespace, server: TxServerConfiguration | None = None) -> None:
    with TxClient(audio=NullAudio()) as client:
        client.anonymous_login(assistant_id, server_configuration=server)
        with client.new_call() as call:
            call.record(args.recording)
            call.wait_until_active(timeout=30)
            wait_for_silence(call, 1.5)  # the greeting
            for _ in range(args.times):
                answers = len(call.turns) + 1
                call.play(args.question).wait(timeout=60)
                wait_for_answer(call, answers)
    for number, turn in enumerate(call.turns, 1):
        print(f"answer {number} after {turn.latency:.2f} s")
    if call.turns:
        print(f"median {statistics.median(turn.latency for turn in call.turns):.2f} s")
    print(f"Wrote {args.recording}")


def wait_for_answer(call: Call, number: int, timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while len(call.turns) < number and call.state == CallState.ACTIVE and time.monotonic() < deadline:
        time.sleep(0.05)
    wait_for_silence(call, 1.0)


def wait_for_silence(call: Call, seconds: float) -> None:
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < seconds and call.state == CallState.ACTIVE:
        if call.output_level > 0.01:
            quiet_since = time.monotonic()
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description="How long does an assistant take to answer?")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("assistant_id", nargs="?", help="your assistant's id")
    target.add_argument("--offline", action="store_true", help="ask a local agent instead")
    parser.add_argument("--question", type=Path, default=Path("question.wav"), help="what to ask")
    parser.add_argument("--recording", type=Path, default=Path("call.wav"), help="where the call is recorded")
    parser.add_argument("--times", type=int, default=2, help="how often to ask")
    args = parser.parse_args()
    if args.offline:
        if not args.question.exists():
            synthesize("What are your opening hours?", args.question)
        with LocalAgent() as agent:
            measure("assistant-local", args, agent.configuration)
    else:
        measure(args.assistant_id, args)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # hung up, and the recording is complete up to here
        print("Bye.")
    except TxError as error:
        raise SystemExit(f"It did not work: {error}") from error
