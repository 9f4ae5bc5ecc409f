"""What an honest server would say, among hostile frames: it remembers the client's requests and answers them."""

from __future__ import annotations

from collections import deque
from typing import Any

__all__ = ["SDP", "HonestServer"]

SDP = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


class HonestServer:
    """Takes the client's frames, gives answers.

    Args:
        sdp: Of the answers.

    Attributes:
        known: Values that mean something at the moment, for `mutated_frame`: `id`, `callID`, `item`, `tool`.
    """

    def __init__(self, sdp: str = SDP) -> None:
        self.known: dict[str, list[Any]] = {"id": [], "callID": [], "item": [], "tool": []}
        self._sdp = sdp
        self._waiting: deque[dict[str, Any]] = deque(maxlen=50)

    def sent(self, frame: dict[str, Any]) -> None:
        """The client has sent a frame."""
        assert frame["jsonrpc"] == "2.0", frame
        if "method" in frame and "id" in frame:
            self._waiting.append(frame)
            self.known["id"] = [*self.known["id"][-10:], frame["id"]]

    def answers(self, sdp: str | None = None) -> list[dict[str, Any]]:
        """What an honest server would say to the oldest request that it has not answered; nothing if there is none."""
        if not self._waiting:
            return []
        request = self._waiting.popleft()
        method, request_id = request.get("method"), request.get("id")
        if method == "telnyx_rtc.gatewayState":
            return [{"id": request_id, "result": {"params": {"state": "REGED"}, "sessid": "s"}}]
        if method == "telnyx_rtc.invite":
            call_id = request["params"]["dialogParams"]["callID"]
            answer = {"callID": call_id, "sdp": self._sdp if sdp is None else sdp}
            return [
                {"id": request_id, "result": {"callID": call_id, "message": "CALL CREATED"}},
                {"id": "a", "method": "telnyx_rtc.answer", "params": answer},
            ]
        said: list[dict[str, Any]] = [{"id": request_id, "result": {"message": "logged in", "sessid": "s"}}]
        if method in ("anonymous_login", "login"):
            said.append({"id": "r", "method": "telnyx_rtc.clientReady", "params": {"reattached_sessions": []}})
        return said
