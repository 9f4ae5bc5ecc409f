"""Text and images in a call: send pictures with a question, read the answer, keep the transcript.

    python samples/text_and_image.py assistant-... --image photo.jpg --question "What is in this picture?"
    python samples/text_and_image.py --offline

The assistant speaks its answers as well; here nobody listens.
"""

from __future__ import annotations

import argparse
import base64
import queue
from collections.abc import Sequence
from pathlib import Path

from telnyx_agent import TranscriptionItem, TxClient, TxError, TxServerConfiguration
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent

RED_DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJ"
    "RU5ErkJggg=="
)
"""Sent when no image is given: a PNG of 5 by 5 pixels. An image is a path, bytes, base64, a data or an https URL."""


def converse(
    assistant_id: str,
    question: str,
    images: Sequence[Path | bytes],
    transcript: Path,
    server: TxServerConfiguration | None = None,
) -> None:
    answers: queue.Queue[str] = queue.Queue()
    noted: list[str] = []  # ids; what was complete comes again if the assistant was interrupted in it

    def note(item: TranscriptionItem) -> None:
        if item.role == "assistant" and item.is_final and item.id not in noted:
            noted.append(item.id)
            answers.put(item.content)

    with TxClient(audio=NullAudio()) as client:  # nothing is spoken, so no microphone is opened
        client.ai_assistant_manager.subscribe_to_transcript_item_updates(note)
        client.anonymous_login(assistant_id, server_configuration=server)
        with client.new_call() as call:
            call.wait_until_active(timeout=30)
            print("Assistant:", answers.get(timeout=30))
            print(f"You: {question} [{len(images)} image(s)]")
            client.send_ai_assistant_message(question, images).result(timeout=10)  # raises if it cannot be sent
            print("Assistant:", answers.get(timeout=60))
        transcript.write_text(client.ai_assistant_manager.export_text(), encoding="utf-8")
    print(f"Wrote {transcript}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Show pictures to an assistant.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("assistant_id", nargs="?", help="your assistant's id")
    target.add_argument("--offline", action="store_true", help="show them to a local agent instead")
    parser.add_argument("--image", type=Path, action="append", help="JPEG, PNG, GIF or WebP; can be repeated")
    parser.add_argument("--question", default="What do you see?", help="what to ask about them")
    parser.add_argument("--transcript", type=Path, default=Path("transcript.txt"), help="where the transcript goes")
    args = parser.parse_args()
    images: Sequence[Path | bytes] = args.image or [RED_DOT]
    if args.offline:
        with LocalAgent() as agent:
            converse("assistant-local", args.question, images, args.transcript, agent.configuration)
    else:
        converse(args.assistant_id, args.question, images, args.transcript)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # the `with` blocks have hung up and logged out
        print("Bye.")
    except TxError as error:
        raise SystemExit(f"It did not work: {error}") from error
