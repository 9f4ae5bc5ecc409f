"""`SessionSettings`: how long the core waits for what."""

from __future__ import annotations

import attrs

__all__ = ["SessionSettings"]


@attrs.frozen(kw_only=True)
class SessionSettings:
    """Time-outs in seconds, and how often something is tried.

    Attributes:
        login_timeout: From the login to its result (R11).
        ready_timeout: From the login to `REGED` (R11).
        client_ready_grace: From the login's result to `clientReady`, before the gateway is asked without it (R13).
        requery_delays: Shortest and longest time between two questions for the gateway's state. At the lower end of
            what R14 allows, so that five of them fit into `ready_timeout`.
        max_gateway_answers: After how many answers that are not `REGED` the login fails (R14).
        invite_timeout: From the invite to any sign of life.
        setup_timeout: From the invite to the answer. Telephone networks give up by themselves before that.
        answer_sdp_grace: From an answer without SDP to the media frame that has it (R29: both orders occur).
        request_timeout: For which the replies to other requests are recognised (R21).
    """

    login_timeout: float = 10.0
    ready_timeout: float = 15.0
    client_ready_grace: float = 3.0
    requery_delays: tuple[float, float] = (2.0, 3.0)
    max_gateway_answers: int = 5
    invite_timeout: float = 30.0
    setup_timeout: float = 120.0
    answer_sdp_grace: float = 2.0
    request_timeout: float = 10.0
