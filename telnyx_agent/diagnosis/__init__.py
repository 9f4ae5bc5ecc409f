"""What can be known before a call: is the network good enough, does the microphone hear, how good is a test call.

    from telnyx_agent import diagnosis

    print(diagnosis.run_network_check())
    print(diagnosis.run_microphone_check())

On the command line: `telnyx-agent doctor`. Nothing here sends traffic to anybody but the servers of the configuration.
See docs/diagnosis.md.
"""

from __future__ import annotations

from .. import _lazy
from ._environment import environment_info
from ._microphone import MicrophoneReport, run_microphone_check
from ._network import NetworkReport, run_network_check
from ._results import CheckResult, Verdict
from ._test_call import PreCallDiagnosis, run_pre_call_diagnosis

__all__ = [
    "CheckResult",
    "MicrophoneReport",
    "NetworkReport",
    "PreCallDiagnosis",
    "Verdict",
    "environment_info",
    "run_microphone_check",
    "run_network_check",
    "run_pre_call_diagnosis",
]

_lazy.adopt(globals())
