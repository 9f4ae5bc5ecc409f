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
        media_timeout: From the wish for a call, the user's answer or the server's description until the call's media
        have
            made or applied a description. Gathering takes 5 s at most; what is left is for a machine that imports the
            media libraries for the first time, and is busy.
        answer_sdp_grace: From an answer without SDP to the media frame that has it (R29: both orders occur).
        request_timeout: For which the replies to other requests are recognised (R21).
        inbound_silence: Without any frame from the server, before it is probed (R20).
        outbound_silence: Without an answer to any request, before it is probed (R20).
        probe_timeout: From the probe to its answer; then the connection counts as dead (R20).
        reconnect_timeout: From the loss of a connection to `REGED` on the next, and to each call's being back on it
            (R52). 0: lost connections are not replaced.
        attach_timeout: From `REGED` to the server's offer to take up a call again, and from our answer to its result.
        session_lifetime: For which the server keeps a session without connection (R53); after that, a fresh login.
        gateway_retries: How many failures of the gateway in a row are worth another connection (R14).
        media_repairs: How often the media of a call may fail and be made again within `reconnect_timeout`.
        has_fallback: Whether there is a second host, the one without the region (R2).
    """

    login_timeout: float = 10.0
    ready_timeout: float = 15.0
    client_ready_grace: float = 3.0
    requery_delays: tuple[float, float] = (2.0, 3.0)
    max_gateway_answers: int = 5
    invite_timeout: float = 30.0
    setup_timeout: float = 120.0
    media_timeout: float = 30.0
    answer_sdp_grace: float = 2.0
    request_timeout: float = 10.0
    inbound_silence: float = 20.0
    outbound_silence: float = 45.0
    probe_timeout: float = 5.0
    reconnect_timeout: float = 60.0
    attach_timeout: float = 10.0
    session_lifetime: float = 90.0
    gateway_retries: int = 5
    media_repairs: int = 3
    has_fallback: bool = False
