"""How the local agent's server behaves: one frozen value that says when it answers, with what, and how it fails.

`Scenario()` is the good case: protocol.md 10.2 with its timings. Every variant of scenarios A to H is an argument, the
common ones have a name: `Scenario.invalid_target()`, `Scenario.gateway("FAILED")`, `Scenario.drop(after=2)`. Names take
further arguments: `Scenario.rejected("USER_BUSY", speed=50)`. `LocalAgent(scenario=[first, second])` gives the first
connection the first scenario, the second and all later ones the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from ..errors import ClientConfigurationError
from ._checks import check_number

__all__ = ["CAUSES", "FunctionCall", "HangUp", "Injection", "Scenario"]

CAUSES: dict[str, tuple[int, int, str]] = {
    "NORMAL_CLEARING": (16, 200, "OK"),
    "CALL_REJECTED": (21, 603, "Decline"),
    "USER_BUSY": (17, 486, "Busy Here"),
    "UNALLOCATED_NUMBER": (1, 404, "Not Found"),
    "NORMAL_TEMPORARY_FAILURE": (41, 503, "Service Unavailable"),
    "NO_ANSWER": (19, 480, "Temporarily Unavailable"),
    "INCOMPATIBLE_DESTINATION": (88, 488, "Not Acceptable Here"),
    "RECOVERY_ON_TIMER_EXPIRE": (102, 504, "Server Time-out"),
    # The Telnyx fork's number (S20); upstream FreeSWITCH says 609.
    "GATEWAY_DOWN": (809, 503, "Service Unavailable"),
}
"""Hang-up causes by name, with cause code, SIP code and SIP reason. Others may be used with codes of your own."""

DEFAULT_WIDGET_SETTINGS: dict[str, Any] = {
    "agent_thinking_text": "Thinking...",
    "audio_visualizer_config": {"color": "verdant", "preset": "roundBars"},
    "default_state": "collapsed",
    "give_feedback_url": None,
    "logo_icon_url": None,
    "position": "fixed",
    "report_issue_url": None,
    "speak_to_interrupt_text": "Speak to interrupt",
    "start_call_text": "Let's chat",
    "theme": "dark",
    "view_history_url": None,
}

POINTS = ("open", "login", "client_ready", "gateway", "invite", "ringing", "media", "answer", "response", "bye")
"""Where an `Injection` can go: just after the server's frame of that name (`open`: as soon as the socket is open)."""


@attrs.frozen
class HangUp:
    """Why the far end hangs up; the fields of a `telnyx_rtc.bye` from the server.

    Args:
        cause: Name of the cause. Codes and SIP fields of known names (`CAUSES`) are filled in.
        cause_code: The number that goes with it.
        sip_code: SIP status, or None to leave the SIP fields out, as the ancestor of the server does (S19).
        sip_reason: SIP reason phrase.
    """

    cause: str = "NORMAL_CLEARING"
    cause_code: int | None = None
    sip_code: int | None = None
    sip_reason: str | None = None

    def params(self) -> dict[str, Any]:
        """The members of the frame, without those that are unknown."""
        code, sip_code, sip_reason = CAUSES.get(self.cause, (None, None, None))
        values = {
            "cause": self.cause,
            "causeCode": code if self.cause_code is None else self.cause_code,
            "sipCode": sip_code if self.sip_code is None else self.sip_code,
            "sipReason": sip_reason if self.sip_reason is None else self.sip_reason,
        }
        return {name: value for name, value in values.items() if value is not None}


@attrs.frozen
class FunctionCall:
    """A client-side tool that the agent asks for (A18).

    Args:
        name: The tool's name.
        arguments: JSON text, as on the wire.
        call_id: The id that the client's output must carry; a fresh one if None.
    """

    name: str
    arguments: str = "{}"
    call_id: str | None = None


@attrs.frozen
class Injection:
    """A frame that does not belong there: garbage, a duplicate, an early or unknown message.

    Args:
        at: One of `POINTS`.
        text: What is sent: `str` as a text frame, `bytes` as a binary frame. `{call_id}` and `{session_id}` in a text
            are replaced by the ids at hand.
        delay: Seconds after that point (not scaled by `Scenario.speed`).
    """

    at: str = attrs.field(validator=attrs.validators.in_(POINTS))
    text: str | bytes
    delay: float = 0.0


def _to_states(states: Iterable[str]) -> tuple[str, ...]:
    return tuple(states)


def _to_function_calls(calls: Iterable[FunctionCall]) -> tuple[FunctionCall, ...]:
    return tuple(calls)


def _to_injections(injections: Iterable[Injection]) -> tuple[Injection, ...]:
    return tuple(injections)


@attrs.frozen(kw_only=True)
class Scenario:
    """What the server does on one connection. All times are seconds; those marked * are divided by `speed`.

    Attributes:
        speed: How much faster than the real server; `math.inf` leaves out every marked delay.
        strict: Accept `dialogParams.callID` only (S10) and re-attach only with the known `voice_sdk_id` in the URL.

        login: `"accept"`, `"silent"` (never answers a login), or `"reject"` (everybody, with `login_error`).
        login_error: Code and message of a rejection, here or by `LocalAgent(accept=...)`.
        conversations: The conversations that a login may join by `conversation_id`; another id is refused with error
            10007, as Telnyx's API has it. None: any.
        conversation_id: Sent with every `ai_conversation` frame (that of the login, if it joined one); None for no such
            member, as in all captures.
        login_delay: * from the login to its result (A2).
        client_ready: Whether `clientReady` is sent.
        client_ready_delay: * from the login to `clientReady` (A3).
        gateway_states: Answers to the first, second ... `gatewayState`; the last one repeats. Empty: no answer at all.
        gateway_push: Send the state as a method frame in place of the result.
        gateway_delay: * from the query to its answer (A5).
        gateway_close_code: Close the socket with this code after a state other than REGED.
        widget_settings: Sent after REGED (A6); None for none.
        widget_settings_early: Send them before `clientReady` instead.
        widget_settings_delay: * after REGED.

        invite: `"answer"`, or `"silent"` (never answers an invite).
        invite_error: Cause of an error reply to the invite (C, variant), for example `HangUp("GATEWAY_DOWN")`.
        invite_delay: * from the invite to CALL CREATED (A8). The next three count from the invite too.
        ringing: Whether `telnyx_rtc.ringing` is sent.
        ringing_delay: * (A9).
        media_delay: * early media (A10).
        answer_delay: * (A11).
        hang_up_before_answer: Reject the call in this way in place of media and answer (C).
        sdp_in: Which frame carries the SDP: `"media"`, `"answer"` (no media frame), `"both"`, or `"none"`.
        answer_before_media: Send A11 before A10.
        codecs: Codecs in the answer, such as `("G722",)`; None for all in common.
        client_answer: What becomes of a client's answer to a call of ours (`LocalAgent.call_client`): `"accept"`,
            `"reject"` or `"silent"`.
        greeting_delay: * from the invite to the agent's first words (A12).
        reply_delay: * thinking time between the user's words and the agent's.

        in_progress_items: Whether partial user items are sent before the completed one (A15).
        content_as_string: Send the text of user items as a plain string in place of a list of parts.
        delta_item_id: Whether deltas carry an `item_id`.
        delta_response_id: Whether deltas carry a `response_id`.
        response_done: Whether `response.text.done` and `response.done` are sent (A14).
        echo_messages: Whether typed messages come back as `conversation.item.created` (A17).
        function_calls: Tools that the agent asks for after its greeting (A18).

        ping_interval: Seconds of client silence before a ping (S6); None for never.
        ping_early: Send a ping right after the socket opened (F).
        answer_pings: Whether a client's ping is answered with PONG (S5).
        hold: What becomes of hold and unhold: `"accept"`, `"refuse"` (an error), or `"silent"` (no answer at all).
        dtmf: What becomes of telephone keys: `"accept"`, `"refuse"` or `"silent"`.
        early_media: Whether a ringback tone is sent from the media frame to the answer (A10), as a telephone network
            does.
        hang_up_after: Hang up so many seconds after the answer (D).
        hang_up: The cause of that.
        bye_race: When the client says bye, send a bye of our own first (D, variant).
        answer_bye: Whether the client's bye is answered.
        half_dead_after: So many seconds after the login neither read nor write any more; the socket stays open (F).
        drop_after: Cut the TCP connection so many seconds after the answer (G).
        drop_before_answer: Cut the TCP connection when the call rings.
        punt_after: Send `punt` so many seconds after REGED (H).
        detach_timeout: How long an answered call waits for its client to come back (S14).
        reattach: `"attach"`; `"late"` (clientReady before attach); `"none"` (the server lost the calls);
            `"other"` (attach for a call that the client does not know).
        injections: Frames that do not belong there.
    """

    speed: float = 1.0
    strict: bool = False

    login: str = attrs.field(default="accept", validator=attrs.validators.in_(("accept", "reject", "silent")))
    login_error: tuple[int, str] = (-32001, "Login Incorrect")
    conversations: tuple[str, ...] | None = None
    conversation_id: str | None = None
    login_delay: float = 0.02
    client_ready: bool = True
    client_ready_delay: float = 0.03
    gateway_states: tuple[str, ...] = attrs.field(default=("REGED",), converter=_to_states)
    gateway_push: bool = False
    gateway_delay: float = 0.01
    gateway_close_code: int | None = None
    widget_settings: Mapping[str, Any] | None = attrs.field(factory=lambda: dict(DEFAULT_WIDGET_SETTINGS), hash=False)
    widget_settings_early: bool = False
    widget_settings_delay: float = 0.01

    invite: str = attrs.field(default="answer", validator=attrs.validators.in_(("answer", "silent")))
    invite_error: HangUp | None = None
    invite_delay: float = 0.02
    ringing: bool = True
    ringing_delay: float = 0.1
    media_delay: float = 0.3
    answer_delay: float = 0.35
    hang_up_before_answer: HangUp | None = None
    sdp_in: str = attrs.field(default="media", validator=attrs.validators.in_(("media", "answer", "both", "none")))
    answer_before_media: bool = False
    codecs: tuple[str, ...] | None = None
    client_answer: str = attrs.field(default="accept", validator=attrs.validators.in_(("accept", "reject", "silent")))
    greeting_delay: float = 0.5
    reply_delay: float = 0.2

    in_progress_items: bool = True
    content_as_string: bool = False
    delta_item_id: bool = True
    delta_response_id: bool = True
    response_done: bool = True
    echo_messages: bool = True
    function_calls: tuple[FunctionCall, ...] = attrs.field(default=(), converter=_to_function_calls)

    ping_interval: float | None = 30.0
    ping_early: bool = False
    answer_pings: bool = True
    hold: str = attrs.field(default="accept", validator=attrs.validators.in_(("accept", "refuse", "silent")))
    dtmf: str = attrs.field(default="accept", validator=attrs.validators.in_(("accept", "refuse", "silent")))
    early_media: bool = False
    hang_up_after: float | None = None
    hang_up: HangUp = HangUp()
    bye_race: bool = False
    answer_bye: bool = True
    half_dead_after: float | None = None
    drop_after: float | None = None
    drop_before_answer: bool = False
    punt_after: float | None = None
    detach_timeout: float = 120.0
    reattach: str = attrs.field(default="attach", validator=attrs.validators.in_(("attach", "late", "none", "other")))
    injections: tuple[Injection, ...] = attrs.field(default=(), converter=_to_injections)

    def __attrs_post_init__(self) -> None:
        for name in attrs.fields_dict(type(self)):
            if name.endswith(("_delay", "_after", "_interval", "_timeout")):
                value = getattr(self, name)
                if value is not None:
                    check_number(name, value, 0.0)
        if not isinstance(self.speed, (int, float)) or not self.speed > 0:
            raise ClientConfigurationError(f"speed is a number above 0, or infinity; got {self.speed!r}")

    def scaled(self, seconds: float) -> float:
        """A delay that is divided by `speed`."""
        return 0.0 if math.isinf(self.speed) else seconds / self.speed

    @classmethod
    def fast(cls, **changes: Any) -> Scenario:
        """The good case without the real server's waiting; for tests."""
        return cls(**{"speed": 50.0, **changes})

    @classmethod
    def invalid_target(cls, at: str = "login", **changes: Any) -> Scenario:
        """B: the target id is not accepted.

        Args:
            at: `"login"` (B: error reply), `"gateway"` (B': logged in, then UNREGED for ever) or `"invite"` (B'').
            changes: Further fields.

        Raises:
            ClientConfigurationError: `at` is none of these.
        """
        variants: dict[str, dict[str, Any]] = {
            "login": {"login": "reject"},
            "gateway": {"gateway_states": ("UNREGED",)},
            "invite": {"invite_error": HangUp("UNALLOCATED_NUMBER")},
        }
        if at not in variants:
            raise ClientConfigurationError(f"{at!r} is not one of {', '.join(variants)}")
        return cls(**{**variants[at], **changes})

    @classmethod
    def gateway(cls, *states: str, **changes: Any) -> Scenario:
        """E: the gateway answers with these states, the last of them for ever; without any, it never answers."""
        return cls(**{"gateway_states": states, **changes})

    @classmethod
    def rejected(cls, cause: str = "CALL_REJECTED", **changes: Any) -> Scenario:
        """C: the far end rejects the call while it rings."""
        return cls(**{"hang_up_before_answer": HangUp(cause), **changes})

    @classmethod
    def invite_refused(cls, cause: str = "GATEWAY_DOWN", **changes: Any) -> Scenario:
        """C, variant: the invite itself is answered with an error."""
        return cls(**{"invite_error": HangUp(cause), **changes})

    @classmethod
    def remote_hang_up(cls, after: float = 1.0, cause: str = "NORMAL_CLEARING", **changes: Any) -> Scenario:
        """D: the far end hangs up some time after the answer."""
        return cls(**{"hang_up_after": after, "hang_up": HangUp(cause), **changes})

    @classmethod
    def silent(cls, at: str = "login", **changes: Any) -> Scenario:
        """The server does not answer: at `"login"`, `"client_ready"`, `"gateway"` or `"invite"`.

        Raises:
            ClientConfigurationError: `at` is none of these.
        """
        variants: dict[str, dict[str, Any]] = {
            "login": {"login": "silent"},
            "client_ready": {"client_ready": False},
            "gateway": {"gateway_states": ()},
            "invite": {"invite": "silent"},
        }
        if at not in variants:
            raise ClientConfigurationError(f"{at!r} is not one of {', '.join(variants)}")
        return cls(**{**variants[at], **changes})

    @classmethod
    def half_dead(cls, after: float = 0.0, **changes: Any) -> Scenario:
        """F: the socket stays open but nothing is read or written any more, some time after the login."""
        return cls(**{"half_dead_after": after, **changes})

    @classmethod
    def drop(cls, after: float = 1.0, **changes: Any) -> Scenario:
        """G: the TCP connection is cut some time after the answer. The call can be re-attached."""
        return cls(**{"drop_after": after, **changes})

    @classmethod
    def punt(cls, after: float = 0.0, **changes: Any) -> Scenario:
        """H: the server evicts the client some time after REGED."""
        return cls(**{"punt_after": after, **changes})

    @classmethod
    def garbage(cls, at: str, *texts: str | bytes, **changes: Any) -> Scenario:
        """The good case with frames in it that do not belong there."""
        return cls(**{"injections": tuple(Injection(at, text) for text in texts), **changes})
