"""A local Telnyx for tests and demos: the signalling server, and an agent that speaks and listens over real WebRTC.

    from telnyx_agent.testing import LocalAgent

    with LocalAgent() as agent:
        client.anonymous_login("assistant-1", server_configuration=agent.configuration)

`python -m telnyx_agent.testing --port 8765` runs it as a process of its own. With pytest installed, the fixtures
`local_agent`, `telnyx_client` and `recording_delegate` are there without any import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _lazy

if TYPE_CHECKING:
    from .._replay import ReplayResult, replay
    from ._dialogue import Line
    from ._frames import FrameRecord
    from ._live_call import CallRecord
    from .brain import Brain, Reply, ScriptedBrain
    from .call_reports import PostedReport
    from .client_call import ClientCall
    from .ears import Ears, EnergyEars, PocketsphinxEars
    from .faults import Fault, FaultProxy, FaultRates, FaultRecord
    from .local_agent import LocalAgent
    from .recording import RecordedEvent, RecordingDelegate
    from .scenario import CAUSES, FunctionCall, HangUp, Injection, Scenario
    from .udp_faults import GilbertElliott, UdpFaults
    from .voice import EspeakVoice, SilentVoice, Speech, ToneVoice, Voice, synthesize

_HOMES = {
    "CAUSES": "scenario",
    "Brain": "brain",
    "CallRecord": "_live_call",
    "ClientCall": "client_call",
    "Ears": "ears",
    "EnergyEars": "ears",
    "EspeakVoice": "voice",
    "Fault": "faults",
    "FaultProxy": "faults",
    "FaultRates": "faults",
    "FaultRecord": "faults",
    "FrameRecord": "_frames",
    "FunctionCall": "scenario",
    "GilbertElliott": "udp_faults",
    "HangUp": "scenario",
    "Injection": "scenario",
    "Line": "_dialogue",
    "LocalAgent": "local_agent",
    "PocketsphinxEars": "ears",
    "PostedReport": "call_reports",
    "RecordedEvent": "recording",
    "RecordingDelegate": "recording",
    "ReplayResult": "._replay",
    "Reply": "brain",
    "Scenario": "scenario",
    "ScriptedBrain": "brain",
    "SilentVoice": "voice",
    "Speech": "voice",
    "ToneVoice": "voice",
    "UdpFaults": "udp_faults",
    "Voice": "voice",
    "replay": "._replay",
    "synthesize": "voice",
}

__all__ = [
    "CAUSES",
    "Brain",
    "CallRecord",
    "ClientCall",
    "Ears",
    "EnergyEars",
    "EspeakVoice",
    "Fault",
    "FaultProxy",
    "FaultRates",
    "FaultRecord",
    "FrameRecord",
    "FunctionCall",
    "GilbertElliott",
    "HangUp",
    "Injection",
    "Line",
    "LocalAgent",
    "PocketsphinxEars",
    "PostedReport",
    "RecordedEvent",
    "RecordingDelegate",
    "ReplayResult",
    "Reply",
    "Scenario",
    "ScriptedBrain",
    "SilentVoice",
    "Speech",
    "ToneVoice",
    "UdpFaults",
    "Voice",
    "replay",
    "synthesize",
]

# Importing this package costs nothing and needs no extra.
__getattr__, __dir__ = _lazy.exports(globals(), _HOMES)
