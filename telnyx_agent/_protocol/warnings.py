"""`TxWarning`: something is not as it should be and the call goes on. Numbers and names are the JavaScript SDK's.

protocol.md 8.1 has the numbers; the texts are our own.
"""

from __future__ import annotations

import enum
from uuid import UUID

import attrs

from .._call_ids import call_uuid

__all__ = ["TxWarning", "WarningCode"]


class WarningCode(enum.IntEnum):
    """What `TxWarning.code` is. Which of them this SDK raises, and when, is in docs/quality.md."""

    HIGH_RTT = 31001
    HIGH_JITTER = 31002
    HIGH_PACKET_LOSS = 31003
    LOW_MOS = 31004
    LOW_LOCAL_AUDIO = 31005
    LOW_INBOUND_AUDIO = 31006
    LOW_BYTES_RECEIVED = 32001
    LOW_BYTES_SENT = 32002
    RECORDING_UNAVAILABLE = 32003
    RECORDING_BUFFER_OVERFLOW = 32004
    ICE_CONNECTIVITY_LOST = 33001
    ICE_GATHERING_TIMEOUT = 33002
    ICE_GATHERING_EMPTY = 33003
    PEER_CONNECTION_FAILED = 33004
    ONLY_HOST_ICE_CANDIDATES = 33005
    ANSWER_WHILE_PEER_ACTIVE = 33006
    DUPLICATE_INBOUND_ANSWER = 33007
    ICE_CANDIDATE_PAIR_CHANGED = 33008
    AUDIO_INPUT_DEVICE_CHANGE_SKIPPED = 33009
    MULTIPLE_ACTIVE_CALLS_DETECTED = 33010
    SHARED_REMOTE_ELEMENT_OVERWRITE = 33011
    TOKEN_EXPIRING_SOON = 34001
    UNKNOWN_REATTACHED_SESSION = 35002
    SIGNALING_RECOVERY_REQUIRED = 36003
    MEDIA_RECOVERY_REQUIRED = 36004
    RECONNECTION_FAILED_WITH_NO_AUTO_RECONNECT = 36005

    @property
    def message(self) -> str:
        """What it means, in one line."""
        return _TEXTS[self][0]

    @property
    def advice(self) -> str:
        """What can be done about it, in one line."""
        return _TEXTS[self][1]


@attrs.frozen
class TxWarning:
    """Something to know about a call or the connection; nothing has ended.

    Attributes:
        code: Which; an integer as in the JavaScript SDK.
        call_id: The call that it is about, as `Call.call_id`; None: the connection.
        is_cleared: Whether this says that it is over. Each warning is raised once and cleared once.
        value: What was measured, in the unit of `CallQualityMetrics` (seconds, a fraction, a MOS, a level), where
            something was.
        detail: More in words; never what was said in the call.
    """

    code: WarningCode = attrs.field(converter=WarningCode)
    call_id: UUID | None = attrs.field(default=None, converter=call_uuid)
    is_cleared: bool = False
    value: float | None = None
    detail: str = ""

    @property
    def name(self) -> str:
        """The JavaScript SDK's name, such as `"HIGH_RTT"`."""
        return self.code.name

    @property
    def message(self) -> str:
        """What it means, in one line."""
        return self.code.message

    @property
    def advice(self) -> str:
        """What can be done about it, in one line."""
        return self.code.advice

    @property
    def causes(self) -> tuple[str, ...]:
        """What it comes of, as far as is known: `message` and `detail`. Flutter: `causes`."""
        return (self.message, self.detail) if self.detail else (self.message,)

    @property
    def solutions(self) -> tuple[str, ...]:
        """`advice`. Flutter: `solutions`."""
        return (self.advice,)

    def __str__(self) -> str:
        text = f"{self.code.value} {self.name}: {self.message}"
        return f"{text} (over)" if self.is_cleared else text


_NETWORK_ADVICE = "use a cable or come nearer to the access point, and stop large transfers"
_FIREWALL_ADVICE = "allow UDP in the firewall, or give a TURN server that uses TCP or TLS in webrtc_ice_servers"

_TEXTS: dict[WarningCode, tuple[str, str]] = {
    WarningCode.HIGH_RTT: ("packets take long to the other side and back", _NETWORK_ADVICE),
    WarningCode.HIGH_JITTER: ("packets come at very uneven times", _NETWORK_ADVICE),
    WarningCode.HIGH_PACKET_LOSS: ("many packets do not arrive", _NETWORK_ADVICE),
    WarningCode.LOW_MOS: ("the call sounds bad", _NETWORK_ADVICE),
    WarningCode.LOW_LOCAL_AUDIO: (
        "nothing but silence has been sent for a while",
        "look whether the right microphone is chosen and not switched off: telnyx-agent doctor",
    ),
    WarningCode.LOW_INBOUND_AUDIO: (
        "nothing but silence has been received for a while",
        "nothing is wrong if the other side just does not speak",
    ),
    WarningCode.LOW_BYTES_RECEIVED: ("nothing is received any more, although the call is up", _FIREWALL_ADVICE),
    WarningCode.LOW_BYTES_SENT: ("nothing is sent any more, although the call is up", "see whether the program hangs"),
    WarningCode.RECORDING_UNAVAILABLE: ("the call is not recorded", "see whether the disk is full"),
    WarningCode.RECORDING_BUFFER_OVERFLOW: ("a part of the recording was lost", "record to a faster disk"),
    WarningCode.ICE_CONNECTIVITY_LOST: ("the audio path to the other side was lost", "wait: it is being made again"),
    WarningCode.ICE_GATHERING_TIMEOUT: ("a STUN or TURN server did not answer in time", _FIREWALL_ADVICE),
    WarningCode.ICE_GATHERING_EMPTY: ("no address of this machine can be used for audio", "connect it to a network"),
    WarningCode.PEER_CONNECTION_FAILED: ("no audio path to the other side could be found", _FIREWALL_ADVICE),
    WarningCode.ONLY_HOST_ICE_CANDIDATES: (
        "no STUN or TURN server answered, so only this machine's own addresses can be tried",
        _FIREWALL_ADVICE,
    ),
    WarningCode.ANSWER_WHILE_PEER_ACTIVE: ("a call was answered that has media already", "answer each call once"),
    WarningCode.DUPLICATE_INBOUND_ANSWER: ("the server answered a call twice", "nothing: the first one counts"),
    WarningCode.ICE_CANDIDATE_PAIR_CHANGED: ("the audio goes another way than before", "nothing"),
    WarningCode.AUDIO_INPUT_DEVICE_CHANGE_SKIPPED: ("the microphone was not exchanged", "wait until audio flows"),
    WarningCode.MULTIPLE_ACTIVE_CALLS_DETECTED: ("several calls are up at once", "hold all but one"),
    WarningCode.SHARED_REMOTE_ELEMENT_OVERWRITE: ("two calls share one loudspeaker", "give each its own device"),
    WarningCode.TOKEN_EXPIRING_SOON: ("the login token is about to expire", "log in with a new one"),
    WarningCode.UNKNOWN_REATTACHED_SESSION: ("the server offers a call that is not known here", "nothing: it ends"),
    WarningCode.SIGNALING_RECOVERY_REQUIRED: ("the server does not answer any more", "wait: it is connected again"),
    WarningCode.MEDIA_RECOVERY_REQUIRED: ("the call's audio has to be set up again", "wait: it is being done"),
    WarningCode.RECONNECTION_FAILED_WITH_NO_AUTO_RECONNECT: (
        "the connection is lost and will not be made again",
        "log in again, or give a reconnect_timeout",
    ),
}
