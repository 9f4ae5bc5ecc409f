"""`run_pre_call_diagnosis`: a short call, and what it was like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from .._quality.metrics import CallQuality
from .._quality.report import CallReport, MetricSummary
from ..errors import CallError, ClientConfigurationError, FailureReason, TxTimeoutError
from ._results import Verdict

if TYPE_CHECKING:
    from .._protocol.states import CallTerminationReason
    from ..audio import AudioDevice
    from ..call import Call
    from ..client import TxClient

__all__ = ["PreCallDiagnosis", "run_pre_call_diagnosis"]

_NO_METRICS = "the call was answered, but no audio could be measured"
_NO_AUDIO = (
    "the call was answered, but no audio path to the other side could be found; a firewall may block UDP: let it "
    "pass, or use a TURN server over TCP or TLS (webrtc_ice_servers, --ice-server turns:...)"
)
_SETUP_LIMIT = 30.0
_MEDIA_LIMIT = 30.0
"""Seconds after the answer in which a call whose media find no path has ended by itself, with the reason (17 s measured
with UDP dropped)."""
_INTERVAL = 0.25
_GOOD_ENOUGH = frozenset({CallQuality.EXCELLENT, CallQuality.GOOD, CallQuality.FAIR})


@attrs.frozen
class PreCallDiagnosis:
    """How good a test call was. iOS's demo: `PreCallDiagnosis`.

    Attributes:
        mos: The mean over the call, 1.0 to 4.41.
        quality: The same in a word.
        jitter: Seconds.
        rtt: Seconds; None if the other side has sent no report.
        bytes_sent: Of payload.
        bytes_received: Of payload.
        packets_sent: Of audio.
        packets_received: Of audio.
        packets_lost: That did not come.
        ice_candidates: Their types and protocols.
        report: The whole report of the call.
    """

    mos: float
    quality: CallQuality
    jitter: MetricSummary | None
    rtt: MetricSummary | None
    bytes_sent: int
    bytes_received: int
    packets_sent: int
    packets_received: int
    packets_lost: int
    ice_candidates: tuple[Any, ...] = attrs.field(repr=False)
    report: CallReport = attrs.field(repr=False)

    @property
    def verdict(self) -> Verdict:
        """READY for a MOS of 3.7 and better, else DEGRADED."""
        return Verdict.READY if self.quality in _GOOD_ENOUGH else Verdict.DEGRADED

    @property
    def ok(self) -> bool:
        """Whether it is READY."""
        return self.verdict is Verdict.READY

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the whole report is in `report.to_dict()`."""
        kept = attrs.filters.exclude("report", "ice_candidates")
        return {
            **attrs.asdict(self, filter=kept),
            "quality": self.quality.value,
            "verdict": self.verdict.value,
            "ok": self.ok,
            "setup_seconds": self.report.timings.get("setup"),
            "ice_candidates": [dict(candidate) for candidate in self.ice_candidates],
        }

    def __str__(self) -> str:
        loss = f"{self.packets_lost} of {self.packets_received + self.packets_lost} packets lost"
        rtt = "unknown" if self.rtt is None else f"{1000 * self.rtt.avg:.0f} ms"
        return f"test call: {self.verdict.value} (MOS {self.mos:.2f}, {self.quality.value}; {loss}; round trip {rtt})"


def run_pre_call_diagnosis(
    client: TxClient, destination_number: str = "", duration: float = 10.0, *, audio: AudioDevice | None = None
) -> PreCallDiagnosis:
    """Place a test call and say how good it was. Blocks until it is over.

    On an anonymous session this calls the assistant: it is a real call, with a transcript, that costs what calls cost.
    iOS's demo: `PreCallDiagnosticManager.startPreCallDiagnosis`.

    Args:
        client: A client that is logged in, or about to be.
        destination_number: Whom to call; ignored by the server on an anonymous session.
        duration: Seconds that the call lasts from its answer, unless the other side ends it before.
        audio: The call's audio device; by default silence is sent, and no sound card is touched.

    Raises:
        TxError: Not logged in, or the call was not answered, or ended before anything was measured.
    """
    if not 0.5 <= duration <= 300.0:
        raise ClientConfigurationError(f"duration is from 0.5 to 300 seconds; got {duration!r}")
    from ..audio import NullAudio

    device = NullAudio() if audio is None else audio
    # The callbacks may be on this very thread, so nothing here waits for one.
    call = client.new_call(destination_number=destination_number, audio=device, quality_interval=_INTERVAL)
    try:
        call.wait_until_active(_SETUP_LIMIT)
        reason = _ended(call, duration)
        if reason is None and call.media_setup_time is None:
            # Audio does not flow yet. Why is known when every way to the other side has been tried.
            reason = _ended(call, max(0.0, _MEDIA_LIMIT - duration))
            if reason is None and call.media_setup_time is None:
                raise CallError(_NO_AUDIO, code=44002, call_id=call.call_id)
        report = call.report
    finally:
        call.hangup()
    if report.mos is None:
        if reason is not None and reason.error is not None:
            raise reason.error
        raise CallError(_NO_METRICS, code=44002, call_id=report.call_id).with_reason(FailureReason.NO_METRICS_COLLECTED)
    return _diagnosis(report)


def _ended(call: Call, timeout: float) -> CallTerminationReason | None:
    """Why the call ended within this time; None if it is still there, as it should be."""
    try:
        return call.wait_until_ended(timeout)
    except TxTimeoutError:
        return None


def _diagnosis(report: CallReport) -> PreCallDiagnosis:
    assert report.mos is not None
    inbound, outbound = report.totals["inboundAudio"], report.totals["outboundAudio"]
    return PreCallDiagnosis(
        mos=report.mos.avg,
        quality=CallQuality(report.quality),
        jitter=report.jitter,
        rtt=report.rtt,
        bytes_sent=outbound["bytesSent"],
        bytes_received=inbound["bytesReceived"],
        packets_sent=outbound["packetsSent"],
        packets_received=inbound["packetsReceived"],
        packets_lost=inbound["packetsLost"],
        ice_candidates=report.candidates,
        report=report,
    )
