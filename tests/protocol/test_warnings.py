"""`warnings`: the numbers, and how a warning reads."""

from __future__ import annotations

import attrs
import pytest

from telnyx_agent.quality import TxWarning, WarningCode
from tests.quality.samples import CALL_ID


def test_a_warning_reads_well() -> None:
    """Number, name, text; and whether it is over."""
    warning = TxWarning(WarningCode.HIGH_RTT, CALL_ID)
    assert str(warning).startswith("31001 HIGH_RTT: ")
    assert str(attrs.evolve(warning, is_cleared=True)).endswith("(over)")
    assert (warning.code, warning.name) == (31001, "HIGH_RTT")


WARNINGS = """
31001 HIGH_RTT
31002 HIGH_JITTER
31003 HIGH_PACKET_LOSS
31004 LOW_MOS
31005 LOW_LOCAL_AUDIO
31006 LOW_INBOUND_AUDIO
32001 LOW_BYTES_RECEIVED
32002 LOW_BYTES_SENT
32003 RECORDING_UNAVAILABLE
32004 RECORDING_BUFFER_OVERFLOW
33001 ICE_CONNECTIVITY_LOST
33002 ICE_GATHERING_TIMEOUT
33003 ICE_GATHERING_EMPTY
33004 PEER_CONNECTION_FAILED
33005 ONLY_HOST_ICE_CANDIDATES
33006 ANSWER_WHILE_PEER_ACTIVE
33007 DUPLICATE_INBOUND_ANSWER
33008 ICE_CANDIDATE_PAIR_CHANGED
33009 AUDIO_INPUT_DEVICE_CHANGE_SKIPPED
33010 MULTIPLE_ACTIVE_CALLS_DETECTED
33011 SHARED_REMOTE_ELEMENT_OVERWRITE
34001 TOKEN_EXPIRING_SOON
35002 UNKNOWN_REATTACHED_SESSION
36003 SIGNALING_RECOVERY_REQUIRED
36004 MEDIA_RECOVERY_REQUIRED
36005 RECONNECTION_FAILED_WITH_NO_AUTO_RECONNECT
"""


def test_the_numbers_of_warnings_are_the_official_ones() -> None:
    """Those of the JavaScript SDK (protocol.md 8.1), all and no others."""
    assert [f"{code.value} {code.name}" for code in sorted(WarningCode)] == WARNINGS.split("\n")[1:-1]


@pytest.mark.parametrize("code", WarningCode, ids=lambda code: code.name)
def test_every_warning_has_a_text(code: WarningCode) -> None:
    """And says what can be done."""
    assert len(code.message) > 10
    assert code.advice
