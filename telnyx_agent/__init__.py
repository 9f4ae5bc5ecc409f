"""Talk to Telnyx Voice AI agents from Python: voice over WebRTC, text and images, with a live transcript.

    from telnyx_agent import TxClient, TxClientDelegate

Names are the iOS SDK's in PEP 8. `telnyx_agent.audio` has the audio devices, `telnyx_agent.compat` the Android and
Flutter spellings, `telnyx_agent.testing` a local agent to talk to without an account. Importing this package starts
no thread, opens nothing and needs no sound library.
"""

import logging

from ._protocol.conversation import AudioVisualizerConfig, TranscriptionItem, WidgetSettings
from ._protocol.states import AgentState, CallState, CallStateKind, CallTerminationReason, NetworkReason
from ._version import __version__
from .assistant import AIAssistantManager, TranscriptCancellable
from .call import Call, TxCallInfo
from .client import TxClient
from .config import Environment, IceServer, LogLevel, Region, TxServerConfiguration
from .delegate import TxClientDelegate
from .errors import (
    AuthenticationError,
    CallError,
    ClientConfigurationError,
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

__all__ = [
    "AIAssistantManager",
    "AgentState",
    "AudioVisualizerConfig",
    "AuthenticationError",
    "Call",
    "CallError",
    "CallState",
    "CallStateKind",
    "CallTerminationReason",
    "ClientConfigurationError",
    "Environment",
    "GatewayError",
    "IceServer",
    "LocalProtocolError",
    "LogLevel",
    "MediaError",
    "NetworkError",
    "NetworkReason",
    "Region",
    "RemoteProtocolError",
    "ServerError",
    "SocketConnectionError",
    "TranscriptCancellable",
    "TranscriptionItem",
    "TxCallInfo",
    "TxClient",
    "TxClientDelegate",
    "TxError",
    "TxServerConfiguration",
    "TxTimeoutError",
    "WidgetSettings",
    "__version__",
]

logging.getLogger("telnyx_agent").addHandler(logging.NullHandler())

# Tracebacks, reprs and documentation show where users import these from.
for _name in __all__:
    _value = globals()[_name]
    if getattr(_value, "__module__", "").startswith(__name__):
        _value.__module__ = __name__
del _name, _value
