"""What we send: the user's wishes as frozen values, and one builder for every frame that goes out.

A builder takes the request id first where the frame has one, and returns the frame as `jsonrpc.encode` takes it. Ids
are made elsewhere, so a frame is a pure function of its arguments and can be compared with captured ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..._arguments import json_text
from ..states import CallDirection
from .jsonrpc import RequestId

__all__ = [
    "AnonymousLogin",
    "CallOptions",
    "Frame",
    "ack",
    "anonymous_login",
    "answer",
    "attach",
    "audio_stream_subscribe",
    "bye",
    "dtmf",
    "function_call_output",
    "gateway_state",
    "invite",
    "message",
    "modify",
    "ping",
    "user_agent",
]

Frame = dict[str, Any]


def _check_json(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Refuse what JSON cannot express, here and not when the frame is on its way."""
    json_text(attribute.name, value)


def _to_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)


@attrs.frozen
class AnonymousLogin:
    """The login to an assistant (protocol.md 2.1).

    Attributes:
        target_id: The assistant's id.
        target_type: What the target is.
        target_version_id: A version of it; the latest if None.
        user_variables: Sent as JSON, as they are.
        reconnection: Whether to say that this is a reconnection attempt.
        conversation_id: Join this conversation.
        target_params: Further members of `target_params`.
        sdk_version: For the user agent.

    Raises:
        ClientConfigurationError: The variables or parameters cannot be expressed in JSON.
    """

    target_id: str
    target_type: str = "ai_assistant"
    target_version_id: str | None = None
    user_variables: Mapping[str, Any] = attrs.field(factory=dict, converter=_to_dict, validator=_check_json, repr=False)
    reconnection: bool = False
    conversation_id: str | None = None
    target_params: Mapping[str, Any] = attrs.field(factory=dict, converter=_to_dict, validator=_check_json, repr=False)
    sdk_version: str = "0"


@attrs.frozen
class CallOptions:
    """The wishes for one call (protocol.md 3.1).

    Attributes:
        call_id: A UUID in lower case.
        caller_name: The caller's name.
        caller_number: The caller's number.
        destination_number: May be empty: the server ignores it on an anonymous session.
        client_state: Base64 already.
        custom_headers: Names and values.
        preferred_codecs: As in W3C's `RTCRtpCodecCapability`, best first.
        direction: Who called. Of an incoming call, caller and destination are as the server names them.
        callee_name: The name of who is called; of incoming calls.
        answer_timeout: Seconds from the invite to the answer; None is what the session has.

    Raises:
        ClientConfigurationError: The codecs cannot be expressed in JSON.
    """

    call_id: str
    caller_name: str = attrs.field(default="", repr=False)
    caller_number: str = attrs.field(default="", repr=False)
    destination_number: str = attrs.field(default="", repr=False)
    client_state: str | None = attrs.field(default=None, repr=False)
    custom_headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    preferred_codecs: tuple[Mapping[str, Any], ...] = attrs.field(default=(), validator=_check_json)
    direction: CallDirection = CallDirection.OUTBOUND
    callee_name: str = attrs.field(default="", repr=False)
    answer_timeout: float | None = None


def _request(request_id: str, method: str, params: Mapping[str, Any], **top_level: Any) -> Frame:
    """A request; `top_level` members stand beside `params` and are left out when None."""
    extra = {name: value for name, value in top_level.items() if value is not None}
    return {"jsonrpc": "2.0", "id": request_id, "method": method, **extra, "params": params}


def _notification(method: str, params: Mapping[str, Any]) -> Frame:
    return {"jsonrpc": "2.0", "method": method, "params": params}


# -- session -----------------------------------------------------------------------------------------------------------


def anonymous_login(request_id: str, login: AnonymousLogin, session_id: str) -> Frame:
    """The first frame on every socket. What was not given is left out, never null."""
    params: dict[str, Any] = {
        "target_type": login.target_type,
        "target_id": login.target_id,
        "reconnection": login.reconnection,
        "sessid": session_id,
        # An object here, a text in invite and attach (R9).
        "User-Agent": {"sdkVersion": login.sdk_version, "data": user_agent(login.sdk_version)},
    }
    if login.target_version_id is not None:
        params["target_version_id"] = login.target_version_id
    if login.user_variables:
        params["userVariables"] = login.user_variables
    target_params = dict(login.target_params)
    if login.conversation_id is not None:
        # JavaScript's place and the mobile SDKs' (R8).
        target_params["conversation_id"] = login.conversation_id
        params["conversation_id"] = login.conversation_id
    if target_params:
        params["target_params"] = target_params
    return _request(request_id, "anonymous_login", params)


def gateway_state(request_id: str, voice_sdk_id: str | None = None) -> Frame:
    """Ask for the registration state."""
    return _request(request_id, "telnyx_rtc.gatewayState", {}, voice_sdk_id=voice_sdk_id)


def ping(request_id: str, voice_sdk_id: str | None = None) -> Frame:
    """A ping of our own, which is also how a ping of the server's is answered (R19)."""
    return _request(request_id, "telnyx_rtc.ping", {}, voice_sdk_id=voice_sdk_id)


def ack(request_id: RequestId, method: str) -> Frame:
    """Acknowledge a request of the server's; the id goes back in the type in which it came."""
    return {"jsonrpc": "2.0", "id": request_id, "result": {"method": method}}


# -- calls -------------------------------------------------------------------------------------------------------------


def user_agent(sdk_version: str) -> str:
    """How we call ourselves."""
    return f"Python-{sdk_version}"


def invite(request_id: str, options: CallOptions, sdp: str, session_id: str, sdk_version: str) -> Frame:
    """Call; `sdp` is the complete offer."""
    return _description(request_id, "telnyx_rtc.invite", options, sdp, session_id, sdk_version)


def answer(request_id: str, options: CallOptions, sdp: str, session_id: str, sdk_version: str) -> Frame:
    """Take an incoming call; `sdp` is the complete answer."""
    return _description(request_id, "telnyx_rtc.answer", options, sdp, session_id, sdk_version)


def attach(request_id: str, options: CallOptions, sdp: str, session_id: str, sdk_version: str) -> Frame:
    """Take a call up again on a new connection; `sdp` is the complete answer to the server's offer."""
    return _description(request_id, "telnyx_rtc.attach", options, sdp, session_id, sdk_version)


def _description(
    request_id: str, method: str, options: CallOptions, sdp: str, session_id: str, sdk_version: str
) -> Frame:
    params = {
        "sessid": session_id,
        "sdp": sdp,
        "User-Agent": user_agent(sdk_version),
        "dialogParams": _dialog_params(options, attach=method == "telnyx_rtc.attach"),
    }
    return _request(request_id, method, params)


def _dialog_params(options: CallOptions, *, attach: bool) -> dict[str, Any]:
    params: dict[str, Any] = {
        "callID": options.call_id,
        "destination_number": options.destination_number,
        "remote_caller_id_name": "Outbound Call",
        "remote_caller_id_number": "",
        "caller_id_name": options.caller_name,
        "caller_id_number": options.caller_number,
        "audio": True,
        "video": False,
        "useStereo": False,
        "attach": attach,
        "screenShare": False,
        "userVariables": {},
    }
    if options.direction is CallDirection.INBOUND:
        # Seen from us, as JavaScript turns them round: the caller is the remote side.
        params.update(
            remote_caller_id_name=options.caller_name,
            remote_caller_id_number=options.caller_number,
            caller_id_name=options.callee_name,
            caller_id_number=options.destination_number,
        )
    if options.client_state is not None:
        params["clientState"] = options.client_state
    if options.custom_headers:
        params["custom_headers"] = [{"name": name, "value": value} for name, value in options.custom_headers]
    if options.preferred_codecs:
        params["preferred_codecs"] = [dict(codec) for codec in options.preferred_codecs]
    return params


def bye(
    request_id: str,
    call_id: str,
    session_id: str,
    cause: str | None,
    cause_code: int | None,
    custom_headers: tuple[tuple[str, str], ...] = (),
) -> Frame:
    """Hang up. `dialogParams.callID` is the only spelling that the server is sure to read (S10)."""
    params: dict[str, Any] = {"sessid": session_id}
    if cause is not None:
        params["cause"] = cause
    if cause_code is not None:
        params["causeCode"] = cause_code
    params["dialogParams"] = {"callID": call_id}
    if custom_headers:
        params["dialogParams"]["custom_headers"] = [{"name": name, "value": value} for name, value in custom_headers]
    return _request(request_id, "telnyx_rtc.bye", params)


def modify(request_id: str, call_id: str, session_id: str, action: str, sdp: str | None = None) -> Frame:
    """Hold and the like (`hold`, `unhold`, `toggleHold`), or `updateMedia` with a new offer."""
    params: dict[str, Any] = {"sessid": session_id, "action": action}
    if sdp is not None:
        params.update(callID=call_id, sdp=sdp)
    params["dialogParams"] = {"callID": call_id}
    return _request(request_id, "telnyx_rtc.modify", params)


def dtmf(request_id: str, call_id: str, session_id: str, digits: str) -> Frame:
    """Press keys."""
    params = {"sessid": session_id, "dtmf": digits, "dialogParams": {"callID": call_id}}
    return _request(request_id, "telnyx_rtc.info", params)


# -- the assistant -----------------------------------------------------------------------------------------------------


def message(request_id: str, item_id: str, text: str, image_urls: Sequence[str] = ()) -> Frame:
    """A typed message: text, images or both, in one item (R48)."""
    content: list[dict[str, Any]] = [{"type": "input_text", "text": text}] if text.strip() else []
    content += [{"type": "image_url", "image_url": {"url": url}} for url in image_urls]
    item = {"id": item_id, "type": "message", "role": "user", "content": content}
    params = {"type": "conversation.item.create", "previous_item_id": None, "item": item}
    return _request(request_id, "ai_conversation", params)


def function_call_output(call_id: str, output: str) -> Frame:
    """The result of a client-side tool: a notification (R49)."""
    return _create_item({"type": "function_call_output", "call_id": call_id, "output": output})


def audio_stream_subscribe() -> Frame:
    """Ask for events about audio before it is played: a notification (R49)."""
    return _create_item({"type": "response.audio_stream.subscribe"})


def _create_item(item: Mapping[str, Any]) -> Frame:
    return _notification("ai_conversation", {"type": "conversation.item.create", "item": item})
