"""Quality of calls and connections: metrics, MOS, warnings and error numbers, reports.

    from telnyx_agent.quality import CallQuality, WarningCode, calculate_mos

See docs/quality.md. What is done before a call is in `telnyx_agent.diagnosis`.
"""

from __future__ import annotations

from ._protocol.error_codes import ErrorCode
from ._protocol.socket_health import SocketConnectionMetrics, SocketConnectionQuality
from ._protocol.warnings import TxWarning, WarningCode
from ._quality.metrics import CallQuality, CallQualityMetrics, MOSCalculator, calculate_mos, get_quality
from ._quality.report import CallReport, MetricSummary

__all__ = [
    "CallQuality",
    "CallQualityMetrics",
    "CallReport",
    "ErrorCode",
    "MOSCalculator",
    "MetricSummary",
    "SocketConnectionMetrics",
    "SocketConnectionQuality",
    "TxWarning",
    "WarningCode",
    "calculate_mos",
    "get_quality",
]
