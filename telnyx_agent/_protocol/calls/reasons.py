"""Why a call ended or was lost, as values; and `describe`: the same in words that a user of an application understands.

Looked up by the cause's name first: Telnyx numbers some causes otherwise than FreeSWITCH (S20). The names are those of
ITU-T Q.850 as FreeSWITCH spells them, and those that official SDKs make up themselves (protocol.md 3.4).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from ...errors import TxError

__all__ = ["BY_CAUSE", "BY_CODE", "BY_SIP_CODE", "CallTerminationReason", "NetworkReason", "describe"]


class NetworkReason(str, enum.Enum):
    """Why a call is `RECONNECTING` or `DROPPED`. iOS and Android have the same three texts."""

    NETWORK_SWITCH = "Network switched"
    NETWORK_LOST = "Network lost"
    SERVER_ERROR = "Server error"

    @property
    def description(self) -> str:
        """The text. Android: `CallNetworkChangeReason.description`."""
        return self.value

    message = description
    """Flutter's name for it."""


@attrs.frozen
class CallTerminationReason:
    """Why a call ended. iOS: `CallTerminationReason`. Every field may be missing.

    Attributes:
        cause: The hang-up cause in words, such as `"USER_BUSY"`, as the server sent it. Compare this, not the number:
            Telnyx's servers number some causes differently.
        cause_code: The number that came with it.
        sip_code: SIP status code, such as 486.
        sip_reason: SIP reason phrase, such as `"Busy Here"`.
        sip_call_id: SIP call id.
        is_local: Whether your `hangup()` or `disconnect()` ended the call.
        error: The error that ended the call, if it was one.
    """

    cause: str | None = None
    cause_code: int | None = None
    sip_code: int | None = None
    sip_reason: str | None = None
    sip_call_id: str | None = None
    is_local: bool = False
    error: TxError | None = attrs.field(default=None, eq=False)

    @property
    def description(self) -> str:
        """Why the call ended, in a few words for people, such as `"the other side is busy"`.

        From cause, code and SIP code; where these say nothing that is known, the error's text or the cause itself.
        """
        return describe(self.cause, self.cause_code, self.sip_code) or str(self)

    def __str__(self) -> str:
        """The best short text there is, as on Flutter: `SIP 404: Not Found`, or the cause, or the error's text."""
        if self.sip_code is not None:
            why = self.sip_reason or self.cause
            return f"SIP {self.sip_code}: {why}" if why else f"SIP {self.sip_code}"
        if self.sip_reason or self.cause:
            return self.sip_reason or self.cause or ""
        if self.error is not None:
            return str(self.error)
        return "Unknown reason" if self.cause_code is None else f"cause {self.cause_code}"


BY_CAUSE: Mapping[str, str] = {
    "NORMAL_CLEARING": "the call was hung up",
    "NORMAL_UNSPECIFIED": "the call was ended without a particular reason",
    "USER_BUSY": "the other side is busy",
    "NO_USER_RESPONSE": "the other side's telephone did not react",
    "NO_ANSWER": "nobody answered",
    "SUBSCRIBER_ABSENT": "the other side is not there: its telephone is off or not registered",
    "CALL_REJECTED": "the call was declined",
    "NUMBER_CHANGED": "the number has changed",
    "UNALLOCATED_NUMBER": "the number or assistant does not exist",
    "NO_ROUTE_TRANSIT_NET": "there is no way to the network of this number",
    "NO_ROUTE_DESTINATION": "there is no way to this number",
    "INVALID_NUMBER_FORMAT": "the number is not written correctly",
    "DESTINATION_OUT_OF_ORDER": "the other side's telephone does not work",
    "EXCHANGE_ROUTING_ERROR": "the network could not find a way to the other side",
    "NORMAL_CIRCUIT_CONGESTION": "the network is overloaded",
    "SWITCH_CONGESTION": "the network is overloaded",
    "REQUESTED_CHAN_UNAVAIL": "the network has no free line",
    "NETWORK_OUT_OF_ORDER": "the network does not work",
    "NORMAL_TEMPORARY_FAILURE": "the network has a temporary failure; try again later",
    "SERVICE_UNAVAILABLE": "the service is not available",
    "SERVICE_NOT_IMPLEMENTED": "the service does not exist",
    "FACILITY_REJECTED": "the network refused the service",
    "FACILITY_NOT_SUBSCRIBED": "the account has not ordered this service",
    "OUTGOING_CALL_BARRED": "the account may not make this call",
    "INCOMING_CALL_BARRED": "the other side takes no calls",
    "BEARERCAPABILITY_NOTAUTH": "the account may not use this kind of connection",
    "BEARERCAPABILITY_NOTAVAIL": "this kind of connection is not available",
    "INCOMPATIBLE_DESTINATION": "the two sides have no kind of audio in common",
    "MANDATORY_IE_MISSING": "the call was not described completely",
    "RECOVERY_ON_TIMER_EXPIRE": "the call was not answered or confirmed in time",
    "PROGRESS_TIMEOUT": "the network did not react in time",
    "ALLOTTED_TIMEOUT": "the time that was allowed for the call is over",
    "MEDIA_TIMEOUT": "no audio came for too long",
    "INTERWORKING": "two networks could not agree about the call",
    "PROTOCOL_ERROR": "a network did not understand the other",
    "ORIGINATOR_CANCEL": "the caller gave up before the answer",
    "LOSE_RACE": "somebody else answered first",
    "PICKED_OFF": "somebody else answered first",
    "BLIND_TRANSFER": "the call was transferred",
    "ATTENDED_TRANSFER": "the call was transferred",
    "USER_NOT_REGISTERED": "the other side is not logged in",
    "GATEWAY_DOWN": "the way out of the telephone network is down",
    "INVALID_GATEWAY": "there is no such way out of the telephone network",
    "CRASH": "the server failed",
    "SYSTEM_SHUTDOWN": "the server is being shut down",
    "MANAGER_REQUEST": "an administrator ended the call",
    "REMOTE_ERROR": "the other side failed",
    "PURGE": "this client was logged out by another connection",
    "AnswerError": "the answer came without a description of its audio",
    "MediaError": "the audio could not be set up",
}
"""Causes by name."""

BY_CODE: Mapping[int, str] = {
    code: BY_CAUSE[cause]
    for code, cause in {
        1: "UNALLOCATED_NUMBER",
        2: "NO_ROUTE_TRANSIT_NET",
        3: "NO_ROUTE_DESTINATION",
        16: "NORMAL_CLEARING",
        17: "USER_BUSY",
        18: "NO_USER_RESPONSE",
        19: "NO_ANSWER",
        20: "SUBSCRIBER_ABSENT",
        21: "CALL_REJECTED",
        22: "NUMBER_CHANGED",
        25: "EXCHANGE_ROUTING_ERROR",
        27: "DESTINATION_OUT_OF_ORDER",
        28: "INVALID_NUMBER_FORMAT",
        29: "FACILITY_REJECTED",
        31: "NORMAL_UNSPECIFIED",
        34: "NORMAL_CIRCUIT_CONGESTION",
        38: "NETWORK_OUT_OF_ORDER",
        41: "NORMAL_TEMPORARY_FAILURE",
        42: "SWITCH_CONGESTION",
        44: "REQUESTED_CHAN_UNAVAIL",
        50: "FACILITY_NOT_SUBSCRIBED",
        52: "OUTGOING_CALL_BARRED",
        54: "INCOMING_CALL_BARRED",
        57: "BEARERCAPABILITY_NOTAUTH",
        58: "BEARERCAPABILITY_NOTAVAIL",
        63: "SERVICE_UNAVAILABLE",
        79: "SERVICE_NOT_IMPLEMENTED",
        88: "INCOMPATIBLE_DESTINATION",
        96: "MANDATORY_IE_MISSING",
        102: "RECOVERY_ON_TIMER_EXPIRE",
        111: "PROTOCOL_ERROR",
        127: "INTERWORKING",
        487: "ORIGINATOR_CANCEL",
    }.items()
}
"""Causes by number, those of which all servers agree."""

BY_SIP_CODE: Mapping[int, str] = {
    400: "a server did not understand the call",
    401: "the call needs other credentials",
    402: "the account has not paid for this call",
    403: "the account may not make this call",
    404: BY_CAUSE["UNALLOCATED_NUMBER"],
    407: "the call needs other credentials",
    408: "the other side did not react in time",
    410: "the number is not in use any more",
    415: BY_CAUSE["INCOMPATIBLE_DESTINATION"],
    480: "the other side cannot be reached at the moment",
    484: BY_CAUSE["INVALID_NUMBER_FORMAT"],
    486: BY_CAUSE["USER_BUSY"],
    487: BY_CAUSE["ORIGINATOR_CANCEL"],
    488: BY_CAUSE["INCOMPATIBLE_DESTINATION"],
    500: "a server failed",
    502: "a server failed",
    503: BY_CAUSE["SERVICE_UNAVAILABLE"],
    504: "a server did not react in time",
    600: BY_CAUSE["USER_BUSY"],
    603: BY_CAUSE["CALL_REJECTED"],
    604: BY_CAUSE["UNALLOCATED_NUMBER"],
    606: BY_CAUSE["INCOMPATIBLE_DESTINATION"],
}
"""SIP status codes of calls that came to nothing (RFC 3261 section 21)."""


def describe(cause: str | None, cause_code: int | None, sip_code: int | None) -> str | None:
    """The best words there are; None when nothing of it is known.

    A SIP code says more than a cause that only says that it is over.
    """
    words = None if cause is None else BY_CAUSE.get(cause)
    if words is None and cause is None and cause_code is not None:
        words = BY_CODE.get(cause_code)
    sip_words = None if sip_code is None else BY_SIP_CODE.get(sip_code)
    is_vague = cause in (None, "NORMAL_CLEARING", "NORMAL_UNSPECIFIED")
    return sip_words if sip_words is not None and (words is None or is_vague) else words
