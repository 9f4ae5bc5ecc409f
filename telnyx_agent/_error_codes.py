"""`ErrorCode`: the numbers of the official SDKs' errors (protocol.md 8.1), with texts of our own."""

from __future__ import annotations

import enum

__all__ = ["ErrorCode"]


class ErrorCode(enum.IntEnum):
    """What `TxError.code` is, where an error has a number. Names and numbers are the JavaScript SDK's.

    An integer, so that it compares with `error.code`: `if error.code == ErrorCode.LOGIN_FAILED`.
    """

    SDP_CREATE_OFFER_FAILED = 40001
    SDP_CREATE_ANSWER_FAILED = 40002
    SDP_SET_LOCAL_DESCRIPTION_FAILED = 40003
    SDP_SET_REMOTE_DESCRIPTION_FAILED = 40004
    SDP_SEND_FAILED = 40005
    MEDIA_MICROPHONE_PERMISSION_DENIED = 42001
    MEDIA_DEVICE_NOT_FOUND = 42002
    MEDIA_GET_USER_MEDIA_FAILED = 42003
    HOLD_FAILED = 44001
    INVALID_CALL_PARAMETERS = 44002
    BYE_SEND_FAILED = 44003
    SUBSCRIBE_FAILED = 44004
    PEER_CLOSED_DURING_INIT = 44005
    WEBSOCKET_CONNECTION_FAILED = 45001
    WEBSOCKET_ERROR = 45002
    RECONNECTION_EXHAUSTED = 45003
    GATEWAY_FAILED = 45004
    LOGIN_FAILED = 46001
    INVALID_CREDENTIALS = 46002
    AUTHENTICATION_REQUIRED = 46003
    ICE_RESTART_FAILED = 47001
    NETWORK_OFFLINE = 48001
    SESSION_NOT_REATTACHED = 48501
    UNEXPECTED_ERROR = 49001

    @property
    def message(self) -> str:
        """What it means, in one line."""
        return _MEANINGS[self]

    @property
    def is_fatal(self) -> bool:
        """Whether the call or the connection cannot go on."""
        return self not in _NOT_FATAL

    @property
    def causes(self) -> tuple[str, ...]:
        """What usually leads to it."""
        return _ADVICE[self][0]

    @property
    def solutions(self) -> tuple[str, ...]:
        """What can be done about it."""
        return _ADVICE[self][1]


_MEANINGS: dict[ErrorCode, str] = {
    ErrorCode.SDP_CREATE_OFFER_FAILED: "the call's media could not be described",
    ErrorCode.SDP_CREATE_ANSWER_FAILED: "the answer to the other side's media could not be made",
    ErrorCode.SDP_SET_LOCAL_DESCRIPTION_FAILED: "our own description of the media could not be used",
    ErrorCode.SDP_SET_REMOTE_DESCRIPTION_FAILED: "the other side's description of the media could not be used",
    ErrorCode.SDP_SEND_FAILED: "the server did not take the call's description",
    ErrorCode.MEDIA_MICROPHONE_PERMISSION_DENIED: "the system does not let this program use the microphone",
    ErrorCode.MEDIA_DEVICE_NOT_FOUND: "there is no microphone",
    ErrorCode.MEDIA_GET_USER_MEDIA_FAILED: "the audio device could not be opened",
    ErrorCode.HOLD_FAILED: "the server did not put the call on hold, or did not take it off",
    ErrorCode.INVALID_CALL_PARAMETERS: "the call cannot be placed with these arguments",
    ErrorCode.BYE_SEND_FAILED: "the server could not be told that the call is over",
    ErrorCode.SUBSCRIBE_FAILED: "the call's events could not be subscribed to",
    ErrorCode.PEER_CLOSED_DURING_INIT: "the call ended while its media was being set up",
    ErrorCode.WEBSOCKET_CONNECTION_FAILED: "the server cannot be reached",
    ErrorCode.WEBSOCKET_ERROR: "the connection to the server broke",
    ErrorCode.RECONNECTION_EXHAUSTED: "the connection was lost and could not be made again in time",
    ErrorCode.GATEWAY_FAILED: "Telnyx's gateway did not register this session",
    ErrorCode.LOGIN_FAILED: "the server refused the login",
    ErrorCode.INVALID_CREDENTIALS: "the login cannot be tried with these arguments",
    ErrorCode.AUTHENTICATION_REQUIRED: "the server does not know this session's login any more",
    ErrorCode.ICE_RESTART_FAILED: "the call's audio path could not be made anew",
    ErrorCode.NETWORK_OFFLINE: "this machine has no network",
    ErrorCode.SESSION_NOT_REATTACHED: "the connection is back, but the call could not be taken up again",
    ErrorCode.UNEXPECTED_ERROR: "something went wrong that has no number of its own",
}

_NOT_FATAL = frozenset(
    {
        *(ErrorCode.HOLD_FAILED, ErrorCode.BYE_SEND_FAILED, ErrorCode.SUBSCRIBE_FAILED, ErrorCode.WEBSOCKET_ERROR),
        *(ErrorCode.GATEWAY_FAILED, ErrorCode.AUTHENTICATION_REQUIRED, ErrorCode.ICE_RESTART_FAILED),
        ErrorCode.NETWORK_OFFLINE,
    }
)

_OFFLINE = ("this machine is offline", "a firewall or a proxy is in the way", "the server is down")
_ONLINE = ("see whether other programs reach the internet", "run telnyx-agent doctor")
_NO_CODEC = ("the two sides have no codec in common", "the other side sent a description that makes no sense")
_CODECS = ("leave out preferred_codecs", "log at DEBUG and report it")
_MEDIA_DIED = ("the audio device or the codec libraries failed",)
_LOOK = ("see the text of the error", "run telnyx-agent doctor")
_AGAIN = ("try it again",)
_NEW_LOGIN = ("log in again",)

_ADVICE: dict[ErrorCode, tuple[tuple[str, ...], tuple[str, ...]]] = {
    ErrorCode.SDP_CREATE_OFFER_FAILED: (_MEDIA_DIED, _LOOK),
    ErrorCode.SDP_CREATE_ANSWER_FAILED: (_NO_CODEC, _CODECS),
    ErrorCode.SDP_SET_LOCAL_DESCRIPTION_FAILED: (_MEDIA_DIED, _LOOK),
    ErrorCode.SDP_SET_REMOTE_DESCRIPTION_FAILED: (_NO_CODEC, _CODECS),
    ErrorCode.SDP_SEND_FAILED: (("the connection broke", "the server refused the call"), _AGAIN),
    ErrorCode.MEDIA_MICROPHONE_PERMISSION_DENIED: (
        ("the system asks who may use the microphone",),
        ("allow this program, or the terminal it runs in, in the system's privacy settings",),
    ),
    ErrorCode.MEDIA_DEVICE_NOT_FOUND: (
        ("no microphone or loudspeaker is connected", "PortAudio is not installed"),
        ("connect one, or choose another of telnyx-agent devices", "use audio.NullAudio() for calls without sound"),
    ),
    ErrorCode.MEDIA_GET_USER_MEDIA_FAILED: (
        ("another program uses the device", "the device was unplugged"),
        ("close that program", "choose another device"),
    ),
    ErrorCode.HOLD_FAILED: (("the server refused it", "the call had ended"), _AGAIN),
    ErrorCode.INVALID_CALL_PARAMETERS: (
        ("an argument of the call is missing or wrong", "the other side refused the call"),
        ("see the text of the error, and Call.termination_reason",),
    ),
    ErrorCode.BYE_SEND_FAILED: (("the connection broke",), ("nothing: the server ends the call by itself",)),
    ErrorCode.SUBSCRIBE_FAILED: (("the connection broke",), _AGAIN),
    ErrorCode.PEER_CLOSED_DURING_INIT: (("the call was hung up during its set-up",), ("place it again",)),
    ErrorCode.WEBSOCKET_CONNECTION_FAILED: (_OFFLINE, _ONLINE),
    ErrorCode.WEBSOCKET_ERROR: (_OFFLINE, ("wait for on_reconnected, or log in again",)),
    ErrorCode.RECONNECTION_EXHAUSTED: (_OFFLINE, ("log in again", "give a longer reconnect_timeout")),
    ErrorCode.GATEWAY_FAILED: (("Telnyx's gateway is busy or down",), ("log in again later",)),
    ErrorCode.LOGIN_FAILED: (
        ("the assistant's id is wrong, or it takes no unauthenticated web calls", "the credentials are wrong"),
        ("check the id, and the assistant's telephony settings", "check user and password, or the token"),
    ),
    ErrorCode.INVALID_CREDENTIALS: (("an argument is missing or wrong",), ("see the text of the error",)),
    ErrorCode.AUTHENTICATION_REQUIRED: (("the session or its token has expired",), _NEW_LOGIN),
    ErrorCode.ICE_RESTART_FAILED: (("the network has changed and UDP does not get through",), _ONLINE),
    ErrorCode.NETWORK_OFFLINE: (("no network is connected",), ("connect one",)),
    ErrorCode.SESSION_NOT_REATTACHED: (("the other side hung up meanwhile", "it took too long"), ("place it again",)),
    ErrorCode.UNEXPECTED_ERROR: (("the server refused a request, or there is a mistake in a program",), _LOOK),
}
"""What leads to each, and what to do; the JavaScript SDK's members, in our own words."""
