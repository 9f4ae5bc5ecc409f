"""`upload_report`: a call that is over sends its report to Telnyx, for clients with `enable_call_reports`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ._version import __version__

if TYPE_CHECKING:
    from ._call_record import CallRecord
    from ._login_state import Link
    from ._login_wishes import LoginWishes

__all__ = ["upload_report"]


def upload_report(record: CallRecord, link: Link, wishes: LoginWishes) -> None:
    """Begin the upload, if the server takes reports of this session. Loop thread; a thread of its own does the work."""
    from ._quality.upload import UploadIdentity, chosen_logs, post_report, report_url, upload_payload

    configuration, config = wishes.configuration, wishes.tx_config
    if link.call_report_id is None:
        return
    options = record.snapshot.options
    identity = UploadIdentity(
        report_id=link.call_report_id,
        voice_sdk_id=link.voice_sdk_id,
        session_id=link.session_id,
        target_id=link.target_id or "",
        caller_number=options.caller_number,
        destination_number=options.destination_number,
        region=link.region,
        datacenter=link.datacenter,
        sdk_version=__version__,
    )
    host = urlsplit(configuration.socket_url).netloc.rpartition("@")[2]
    payload = upload_payload(record.report, identity, host)
    if config is not None:
        payload["logs"] = chosen_logs(payload["logs"], config.call_report_log_level, config.call_report_max_log_entries)
    upload = post_report(
        report_url(configuration.socket_url),
        payload,
        identity,
        tls=configuration.tls_options,
        proxy=configuration.proxy,
    )
    record.uploading(upload)
