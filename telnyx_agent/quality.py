"""Quality of calls and connections: metrics, MOS, warnings, times, reports, statistics of media and pings.

    from telnyx_agent.quality import CallQuality, WarningCode, calculate_mos

See docs/quality.md. What is done before a call is in `telnyx_agent.diagnosis`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _lazy
from ._call_timings import CallTimings, TimingStep
from ._protocol.session.socket_health import SocketConnectionMetrics, SocketConnectionQuality
from ._protocol.warnings import TxWarning, WarningCode
from ._quality.metrics import CallQuality, CallQualityMetrics, MOSCalculator, calculate_mos, get_quality
from ._quality.report import CallReport, MetricSummary

if TYPE_CHECKING:
    from ._media.stats import MediaStats, PlayoutStats
    from ._media.turn_latency import TurnLatency

__all__ = [
    "CallQuality",
    "CallQualityMetrics",
    "CallReport",
    "CallTimings",
    "MOSCalculator",
    "MediaStats",
    "MetricSummary",
    "PlayoutStats",
    "SocketConnectionMetrics",
    "SocketConnectionQuality",
    "TimingStep",
    "TurnLatency",
    "TxWarning",
    "WarningCode",
    "calculate_mos",
    "get_quality",
]

# With these comes numpy.
_HOMES = {"MediaStats": "_media.stats", "PlayoutStats": "_media.stats", "TurnLatency": "_media.turn_latency"}

__getattr__, __dir__ = _lazy.exports(globals(), _HOMES)
