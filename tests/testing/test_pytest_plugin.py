"""The pytest plugin, in a suite of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}


PLUGIN_TEST = """
    import pytest
    from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

    def test_agent(local_agent, recording_delegate):
        assert isinstance(local_agent, LocalAgent)
        assert isinstance(recording_delegate, RecordingDelegate)

    def test_client(local_agent, telnyx_client, recording_delegate):
        recording_delegate.wait_for("on_client_ready")
        telnyx_client.new_call()
        recording_delegate.wait_for("on_transcription_updated")
        assert local_agent.wait_for_call(lambda call: call.state == "answered")

    @pytest.mark.local_agent(greeting="", scenario=Scenario.rejected("USER_BUSY", speed=50))
    def test_marker(local_agent, telnyx_client, recording_delegate):
        call = telnyx_client.new_call()
        call.wait_until_ended(5)
        assert local_agent.wait_for_frame("telnyx_rtc.bye").params["cause"] == "USER_BUSY"
"""


@pytest.mark.slow
def test_the_plugin(tmp_path: Path) -> None:
    """The fixtures and the marker, in a project of their own."""
    (tmp_path / "test_app.py").write_text(textwrap.dedent(PLUGIN_TEST))
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", "-c", "/dev/null"]
    installed = "telnyx_agent" in subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=False
    ).stdout.replace("-", "_")
    if not installed:
        command += ["-p", "telnyx_agent.testing.pytest_plugin"]
    done = subprocess.run(
        [*command, f"--rootdir={tmp_path}", str(tmp_path)],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
