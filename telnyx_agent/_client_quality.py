"""`ClientQuality`: socket health and upload of call reports - as a part of `TxClient`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ._client_base import ClientBase
from ._protocol.socket_health import SocketConnectionMetrics
from ._version import __version__

if TYPE_CHECKING:
    from .call import Call
    from .tx_config import TxConfig

__all__ = ["ClientQuality"]


class ClientQuality(ClientBase):
    """Quality of the connection. Any thread."""

    if TYPE_CHECKING:
        _tx_config: TxConfig | None

    _enable_call_reports = False

    @property
    def socket_metrics(self) -> SocketConnectionMetrics:
        """How well the signalling connection does: its pings, round trips, reconnections. Updated with each ping.

        Android and Flutter: `SocketConnectionMetrics`.
        """
        return self._watch.get().socket

    # -- inside ------------------------------------------------------------------------------------------------------

    def _set_up_reports(self, call: Call, debug: bool = False) -> None:
        """What the `TxConfig` of a login with credentials says about its calls. Any thread, before the call begins."""
        config = self._tx_config
        if config is not None:
            debug = debug or config.debug
            call._report_log.set_interval(config.call_report_interval)
        call._debug = debug

    def _call_is_over(self, call: Call) -> None:
        """Upload the report, if that was asked for. Loop thread; the work is done on another."""
        link, config = self._link, self._tx_config
        own = None if config is None else config.enable_call_reports
        is_wanted = self._enable_call_reports if own is None else own
        if not is_wanted or link is None:
            return
        registration = link.driver.session.registration
        if registration.report.call_report_id is None:
            return
        from ._quality.upload import UploadIdentity, chosen_logs, post_report, report_url, upload_payload

        identity = UploadIdentity(
            report_id=registration.report.call_report_id,
            voice_sdk_id=registration.voice_sdk_id,
            session_id=registration.session_id,
            target_id=registration.target_id or "",
            caller_number=call.call_info.caller_number,
            destination_number=call.call_info.destination_number,
            region=registration.report.region,
            datacenter=registration.report.datacenter,
            sdk_version=__version__,
        )
        configuration = self._configuration
        host = urlsplit(configuration.socket_url).netloc.rpartition("@")[2]
        payload = upload_payload(call.report, identity, host)
        if config is not None:
            payload["logs"] = chosen_logs(
                payload["logs"], config.call_report_log_level, config.call_report_max_log_entries
            )
        call._upload = post_report(
            report_url(configuration.socket_url),
            payload,
            identity,
            tls=configuration.tls_options,
            proxy=configuration.proxy,
        )
