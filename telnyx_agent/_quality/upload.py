"""Posting a call's report to Telnyx, as the official SDKs do after each call (protocol.md 7.2, R59). Only when asked.

A plain HTTP request on a thread of its own: the call, the loop and `disconnect()` do not wait for it. It goes over the
same kind of connection as the session's (proxy, CA, pinning); redirects are refused. What it sends is what those SDKs
send; no words, no headers, no user variables.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import attrs

from .._net.dial import dial
from .._net.http_head import NoHttpError, read_head
from .._net.proxies import authority, is_loopback
from .._net.socket import Wire
from .._runtime.threads import NoThreadError, SdkThread
from ..errors import ClientConfigurationError, NetworkError, ServerError
from ..tx_config import LOG_LEVELS
from .report import CallReport, utc_text

__all__ = ["UploadIdentity", "chosen_logs", "post_report", "report_url", "upload_payload"]

_log = logging.getLogger("telnyx_agent.quality")

RETRY_DELAYS = (1.0, 2.0, 4.0)
TIMEOUT = 10.0
"""Seconds that one try may take, from the look-up of the name to the answer's status."""


@attrs.frozen
class UploadIdentity:
    """What a report needs to be taken; the report id is the credential, so it is not shown.

    Attributes:
        report_id: `call_report_id`, which came with `REGED`.
        voice_sdk_id: The session's token.
        session_id: `sessid`.
        target_id: The assistant.
        caller_number: As given to the call.
        destination_number: Likewise.
        region: As the server said.
        datacenter: Likewise.
        sdk_version: Ours.
    """

    report_id: str = attrs.field(repr=False)
    voice_sdk_id: str | None = attrs.field(default=None, repr=False)
    session_id: str = ""
    target_id: str = ""
    caller_number: str = attrs.field(default="", repr=False)
    destination_number: str = attrs.field(default="", repr=False)
    region: str | None = None
    datacenter: str | None = None
    sdk_version: str = "0"


def report_url(socket_url: str) -> str:
    """Where reports go: the signalling server's own host, by HTTP(S)."""
    parts = urlsplit(socket_url)
    scheme = "http" if parts.scheme == "ws" else "https"
    return urlunsplit((scheme, parts.netloc, "/call_report", "", ""))


def upload_payload(report: CallReport, identity: UploadIdentity, host: str) -> dict[str, Any]:
    """The body, as in protocol.md 7.2. One segment: `stats` never grows beyond what one upload may have."""
    connection = {"env": "production", "host": host, "region": identity.region, "dc": identity.datacenter}
    login = {"targetType": "ai_assistant", "targetId": identity.target_id}
    return {
        "summary": {
            "callId": str(report.call_id),
            "destinationNumber": identity.destination_number,
            "callerNumber": identity.caller_number,
            "direction": report.direction,
            "state": report.state.lower(),
            "durationSeconds": report.duration,
            "telnyxSessionId": str(report.telnyx_session_id or ""),
            "telnyxLegId": str(report.telnyx_leg_id or ""),
            "voiceSdkSessionId": identity.session_id,
            "sdkVersion": identity.sdk_version,
            "startTimestamp": utc_text(report.started_at),
            "endTimestamp": utc_text(report.started_at + timedelta(seconds=report.duration)),
            "clientSummary": {
                "authentication": {"type": "anonymous_login", "anonymousLogin": login},
                "connection": {name: value for name, value in connection.items() if value is not None},
                "media": {} if report.codec is None else {"codec": report.codec},
                "callReports": {},
            },
        },
        "stats": [dict(entry) for entry in report.stats],
        "logs": [_log_entry(report, event) for event in report.events],
    }


def chosen_logs(logs: Sequence[dict[str, Any]], level: str, most: int) -> list[dict[str, Any]]:
    """The latest entries of a level and those above it: `"debug"`, `"info"`, `"warn"` or `"error"`, as iOS has them."""
    wanted = LOG_LEVELS[LOG_LEVELS.index(level) :]
    chosen = [entry for entry in logs if entry["level"] in wanted]
    return chosen[len(chosen) - most :] if most < len(chosen) else chosen


def post_report(
    url: str,
    payload: Mapping[str, Any],
    identity: UploadIdentity,
    *,
    tls: Mapping[str, Any],
    proxy: str | None = None,
    retry_delays: tuple[float, ...] = RETRY_DELAYS,
) -> Future[int]:
    """Post on a thread of its own; tried again after what the server or the network may get over.

    Returns:
        A future with the HTTP status; its error is what the last attempt failed with. Ignoring it is fine: what went
        wrong is logged too.
    """
    outcome: Future[int] = Future()
    outcome.set_running_or_notify_cancel()
    body = json.dumps(payload, allow_nan=False).encode()
    headers = {
        "Content-Type": "application/json",
        "x-call-report-id": identity.report_id,
        "x-call-id": str(payload["summary"]["callId"]),
    }
    if identity.voice_sdk_id is not None:
        headers["x-voice-sdk-id"] = identity.voice_sdk_id

    def work() -> None:
        try:
            outcome.set_result(_post(url, body, headers, tls, proxy, retry_delays))
        except Exception as exc:  # noqa: BLE001 - R59: whatever it is, it costs the report and nothing else
            _log.warning("the call's report could not be uploaded: %s", exc)
            outcome.set_exception(exc)

    try:
        SdkThread(work, "telnyx-agent-report").start()
    except NoThreadError as exc:
        _log.warning("the call's report could not be uploaded: %s", exc)
        outcome.set_exception(exc)
    return outcome


def _post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    tls: Mapping[str, Any],
    proxy: str | None,
    retry_delays: tuple[float, ...],
) -> int:
    delays = iter(retry_delays)
    while True:
        try:
            status = _post_once(url, body, headers, tls, proxy)
        except (NetworkError, OSError):
            if (delay := next(delays, None)) is None:
                raise
        else:
            if 200 <= status < 300:
                return status
            if status < 500 or (delay := next(delays, None)) is None:
                # Redirects too: what is sent is for this server only.
                raise ServerError(f"the server did not take it (HTTP status {status})", server_code=status)
        time.sleep(delay)


def _post_once(url: str, body: bytes, headers: Mapping[str, str], tls: Mapping[str, Any], proxy: str | None) -> int:
    """One request on a connection of its own, made as that of the session is. Of the answer, only the status counts.

    Raises:
        NetworkError, OSError: There was none.
        ClientConfigurationError: The URL is neither `https://` nor on this machine.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    if not secure and not is_loopback(host):
        raise ClientConfigurationError("reports are only sent by https://")
    port = parts.port or (443 if secure else 80)
    target = authority(host, port)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {target}", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any(not line.isprintable() or not line.isascii() for line in lines):
        raise ClientConfigurationError("what a report is sent with cannot be put into an HTTP request")
    wire = Wire()
    try:
        wire.begin_phase(TIMEOUT)
        dial(wire, host, port, secure=secure, tls=tls, proxy=proxy, timeout=TIMEOUT)
        wire.send("\r\n".join([*lines, "", ""]).encode("ascii") + body)
        try:
            return read_head(wire).status
        except NoHttpError:
            raise NetworkError("the server did not answer the network request as HTTP does") from None
    finally:
        wire.release()


def _log_entry(report: CallReport, event: Mapping[str, Any]) -> dict[str, Any]:
    context = {name: value for name, value in event.items() if name not in ("at", "event")}
    return {
        "timestamp": utc_text(report.started_at + timedelta(seconds=float(event["at"]))),
        "level": "warn" if event["event"] == "warning" else "info",
        "message": str(event["event"]),
        "context": context,
    }
