"""`sentences`: of an error's text, only the SDK's own words are kept."""

from __future__ import annotations

import json

from telnyx_agent import CallError, MediaError
from telnyx_agent._flight.encoding import Encoder
from telnyx_agent._flight.sentences import own_words
from telnyx_agent.audio import AudioDeviceChange, AudioDeviceChangeReason

NUMBER = "15550001111222"


def test_error_texts_keep_only_the_sdks_words() -> None:
    """Whatever was put into a sentence of ours is not shown."""
    from telnyx_agent import _replay, client  # noqa: F401 - their sentences are known once they are imported

    text = "canary is no recording of a session; give a file that TxClient.record_session has written"
    assert own_words(text) == "*" * 7 + text[7:].replace("; ", "**")
    assert own_words("canary") == "******"
    assert own_words("my network canary", "network") == "***network*******"
    error = CallError("the canary (+15550001111222) is busy", cause="canary cause")
    wrapped = MediaError("the audio device failed: RuntimeError: canary")
    change = AudioDeviceChange(AudioDeviceChangeReason.UNPLUGGED, "canary's AirPods", None, wrapped)
    shown = json.dumps([Encoder(with_texts=True).value(one) for one in (error, wrapped, change)])
    assert "canary" not in shown
    assert NUMBER not in shown
    assert "the audio device failed: " in shown
