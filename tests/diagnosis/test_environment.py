"""`environment_info`: what a report about a problem should say of the machine."""

from __future__ import annotations

from telnyx_agent.diagnosis import environment_info


def test_versions_for_a_report() -> None:
    """Those of the SDK, of Python, of the system and of the libraries."""
    info = environment_info()
    assert info["aiortc"]
    assert info["python"].startswith("CPython")
    assert set(info) >= {"telnyx_agent", "system", "av", "numpy", "websocket-client"}
