"""Talk to Telnyx Voice AI agents from Python: voice over WebRTC, text and images, with a live transcript.

    from telnyx_agent import TxClient, TxClientDelegate

Names are the iOS SDK's in PEP 8. `telnyx_agent.audio` has the audio devices, `telnyx_agent.compat` the Android and
Flutter spellings, `telnyx_agent.testing` a local agent to talk to without an account. Importing this package starts
no thread, opens nothing and needs no sound library.
"""

from __future__ import annotations

# isort: off
from . import _early  # noqa: F401 - before everything else: see there

# isort: on
import logging
import typing

from . import _lazy
from ._call_timings import CallTimings, TimingStep
from ._client_logging import TxLogger
from ._client_recording import SessionRecording
from ._connection_status import ConnectionStatus
from ._media.settings import OpusSettings
from ._protocol.error_codes import ErrorCode
from ._protocol.socket_health import SocketConnectionMetrics, SocketConnectionQuality
from ._protocol.states import AgentState, CallDirection, CallState, CallStateKind, CallTerminationReason, NetworkReason
from ._protocol.transcription import TranscriptionItem
from ._protocol.warnings import TxWarning, WarningCode
from ._protocol.widget import AudioVisualizerConfig, WidgetSettings
from ._tools import Tool
from ._variables import dynamic_variable_headers
from ._version import __version__
from .assistant import AIAssistantManager, TranscriptCancellable
from .audio.processing import AudioConstraints, AudioProcessor
from .call import Call, TxCallInfo
from .client import TxClient
from .codecs import AudioCodec, TxCodecCapability
from .config import Environment, IceServer, LogLevel, Region, TxServerConfiguration
from .delegate import AIAssistantManagerDelegate, TxClientDelegate
from .errors import (
    AnswerInterruptedError,
    AuthenticationError,
    CallError,
    ClientConfigurationError,
    ConversationNotFoundError,
    FailureReason,
    GatewayError,
    LocalProtocolError,
    MediaError,
    NetworkError,
    RemoteProtocolError,
    ServerError,
    SocketConnectionError,
    TxError,
    TxTimeoutError,
)
from .tx_config import TxConfig

if typing.TYPE_CHECKING:
    from ._media.player import Playback, PlaybackState
    from ._media.stats import MediaStats, PlayoutStats
    from ._media.turns import TurnLatency
    from ._protocol.ai_events import FunctionCall
    from ._quality.metrics import CallQuality, CallQualityMetrics
    from ._quality.report import CallReport

__all__ = [
    "AIAssistantManager",
    "AIAssistantManagerDelegate",
    "AgentState",
    "AnswerInterruptedError",
    "AudioCodec",
    "AudioConstraints",
    "AudioProcessor",
    "AudioVisualizerConfig",
    "AuthenticationError",
    "Call",
    "CallDirection",
    "CallError",
    "CallQuality",
    "CallQualityMetrics",
    "CallReport",
    "CallState",
    "CallStateKind",
    "CallTerminationReason",
    "CallTimings",
    "ClientConfigurationError",
    "ConnectionStatus",
    "ConversationNotFoundError",
    "Environment",
    "ErrorCode",
    "FailureReason",
    "FunctionCall",
    "GatewayError",
    "IceServer",
    "LocalProtocolError",
    "LogLevel",
    "MediaError",
    "MediaStats",
    "NetworkError",
    "NetworkReason",
    "OpusSettings",
    "Playback",
    "PlaybackState",
    "PlayoutStats",
    "Region",
    "RemoteProtocolError",
    "ServerError",
    "SessionRecording",
    "SocketConnectionError",
    "SocketConnectionMetrics",
    "SocketConnectionQuality",
    "TimingStep",
    "Tool",
    "TranscriptCancellable",
    "TranscriptionItem",
    "TurnLatency",
    "TxCallInfo",
    "TxClient",
    "TxClientDelegate",
    "TxCodecCapability",
    "TxConfig",
    "TxError",
    "TxLogger",
    "TxServerConfiguration",
    "TxTimeoutError",
    "TxWarning",
    "WarningCode",
    "WidgetSettings",
    "__version__",
    "dynamic_variable_headers",
]

logging.getLogger("telnyx_agent").addHandler(logging.NullHandler())

# What only those need who have placed a call; with some of it comes numpy.
_LAZY = {
    "CallQuality": "_quality.metrics",
    "CallQualityMetrics": "_quality.metrics",
    "CallReport": "_quality.report",
    "FunctionCall": "_protocol.ai_events",
    "MediaStats": "_media.stats",
    "Playback": "_media.player",
    "PlaybackState": "_media.player",
    "PlayoutStats": "_media.stats",
    "TurnLatency": "_media.turns",
}


def _public(value: object) -> object:
    """Tracebacks, reprs and documentation show where users import this from."""
    if getattr(value, "__module__", "").startswith(__name__):
        value.__module__ = __name__
    return value


__getattr__, __dir__ = _lazy.exports(globals(), _LAZY, _public)

for _name in __all__:
    _public(globals().get(_name))
del _name
