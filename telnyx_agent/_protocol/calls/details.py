"""`CallDetails`: what the server has told about a call."""

from __future__ import annotations

import attrs

__all__ = ["CallDetails"]


@attrs.frozen
class CallDetails:
    """What the server told about a call so far. Texts are as the server sent them.

    Attributes:
        telnyx_session_id: Telnyx's session id.
        telnyx_leg_id: Telnyx's leg id.
        telnyx_call_control_id: Telnyx's call control id, `"v3:..."`.
        answer_custom_headers: Names and values of the custom headers that came with the answer.
        datacenter: The name of the media server.
        client_state: The client state, base64, as the server gave it back.
        bye_custom_headers: Names and values of the custom headers that came with the far end's bye.
    """

    telnyx_session_id: str | None = None
    telnyx_leg_id: str | None = None
    telnyx_call_control_id: str | None = None
    answer_custom_headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    datacenter: str | None = None
    client_state: str | None = attrs.field(default=None, repr=False)
    bye_custom_headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
