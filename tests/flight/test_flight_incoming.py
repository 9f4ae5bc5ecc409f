"""Calls that come in are in a recording, without who calls."""

from __future__ import annotations

from pathlib import Path

from telnyx_agent import Call, CallDirection, TxClient, TxClientDelegate, TxConfig
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent, RecordingDelegate, replay


class Answering(TxClientDelegate):
    """Takes every call, as the one that is recorded and as the one of the replay."""

    def __init__(self) -> None:
        self.told: list[tuple[str, CallDirection, str]] = []

    def on_incoming_call(self, call: Call) -> None:
        self.told.append((str(call.call_id), call.direction, call.call_info.caller_name))
        call.answer()


def test_an_incoming_call_is_replayed_to_the_same_delegate(agent: LocalAgent, tmp_path: Path) -> None:
    """It may look who calls and answer; password, names, numbers and headers are not in the file."""
    path, delegate = tmp_path / "session.ndjson", Answering()
    with TxClient(delegate, audio=NullAudio()) as client, client.record_session(path):
        client.connect(TxConfig(sip_user="canary-user", password="canary-password"), agent.configuration).result(10)
        agent.call_client(
            "canary caller",
            "+15550001111222",
            callee_name="canary callee",
            callee_number="+15550001111333",
            custom_headers={"X-Canary": "canary"},
            client_state="Y2FuYXJ5",
        )
        agent.wait_for_frame("telnyx_rtc.answer", timeout=20, direction="received")
        client.disconnect().result(10)
    again, everything = Answering(), RecordingDelegate()
    assert not replay(path, again).errors
    replay(path, everything)

    ((call_id, direction, name),) = delegate.told
    assert (direction, name) == (CallDirection.INBOUND, "canary caller")
    assert again.told == [(call_id, CallDirection.INBOUND, "*" * len("canary caller"))]
    assert everything.names.index("on_incoming_call") < everything.names.index("on_call_state_updated")
    text = path.read_text()
    for secret in ("canary", "Canary", "5550001111", "Y2FuYXJ5"):
        assert secret not in text
