"""Text and images in a call: send a picture with a question, read the answer, keep the transcript.

    python samples/text_and_image.py assistant-... --image photo.jpg "What is in this picture?"
    python samples/text_and_image.py --offline
"""

from __future__ import annotations

import argparse
import base64
import queue
from pathlib import Path

from telnyx_agent import TranscriptionItem, TxClient, TxServerConfiguration
from telnyx_agent.audio import NullAudio

RED_DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg=="
)
"""Sent when no image is given: a PNG of 5 by 5 pixels."""
