"""Chromium as a contestant: a plain page with an `RTCPeerConnection`, real sound in and out through PulseAudio."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.browser import _FLAGS, START_TIMEOUT, Page
from tests.support.requirements import which

__all__ = ["ChromiumParty"]

_PAGE = b"<!doctype html><title>voice</title><audio id=ear autoplay></audio>"

_SETUP = """
window.pc = new RTCPeerConnection();
pc.ontrack = (event) => {
  const ear = document.getElementById('ear');
  ear.srcObject = new MediaStream([event.track]);
  ear.play();
};
if (a[0]) {
  const plain = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
  const stream = await navigator.mediaDevices.getUserMedia({audio: plain});
  pc.addTrack(stream.getAudioTracks()[0], stream);
} else {
  pc.addTransceiver('audio', {direction: 'recvonly'});
}
window.gathered = async () => {
  if (pc.iceGatheringState !== 'complete') {
    await new Promise((done) => pc.addEventListener('icegatheringstatechange',
      () => { if (pc.iceGatheringState === 'complete') done(); }));
  }
  return pc.localDescription.sdp;
};
"""

_STATS = """
const found = {};
for (const report of (await pc.getStats()).values()) {
  if (report.type === 'inbound-rtp') Object.assign(found, report);
  if (report.type === 'media-playout') {
    found.playoutDelay = report.totalPlayoutDelay;
    found.playoutCount = report.totalSamplesCount;
  }
}
return found;
"""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class ChromiumParty:
    """A browser with one page; has the methods of the parties in `_contestants.py`.

    Args:
        environment: Variables that lead to the PulseAudio server, whose default sink and source it uses.
        speaks: It opens the microphone, without any processing, and sends it; else it only receives.
    """

    def __init__(self, environment: Mapping[str, str], *, speaks: bool) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="telnyx-agent-voice-"))
        flags = [flag for flag in _FLAGS if flag != "--use-fake-device-for-media-stream"]
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        with (self._profile / "stderr.txt").open("wb") as log:
            self._process = subprocess.Popen(
                [which("chromium"), *flags, f"--user-data-dir={self._profile}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment, "TMPDIR": str(self._profile)},
                start_new_session=True,
            )
        try:
            self._page = self._open_page()
            self._page.open(f"http://127.0.0.1:{self._server.server_port}/")
            self._page.run(_SETUP, speaks)
        except BaseException:
            self.end()
            raise

    def ask(self, name: str, *arguments: Any) -> Any:
        """As `Child.ask`."""
        return getattr(self, name)(*arguments)

    def offer(self) -> str:
        """The complete offer."""
        return str(self._page.run("await pc.setLocalDescription(await pc.createOffer()); return gathered();"))

    def answer(self, sdp: str) -> str:
        """The complete answer."""
        script = """
            await pc.setRemoteDescription({type: 'offer', sdp: a[0]});
            await pc.setLocalDescription(await pc.createAnswer());
            return gathered();
        """
        return str(self._page.run(script, sdp))

    def accept(self, sdp: str) -> None:
        """Apply an answer."""
        self._page.run("await pc.setRemoteDescription({type: 'answer', sdp: a[0]});", sdp)

    def connected(self) -> bool:
        """Whether there is a connection."""
        return bool(self._page.run("return pc.connectionState === 'connected';"))

    def stats(self) -> dict[str, Any]:
        """The figures of `getStats`."""
        found: dict[str, Any] = self._page.run(_STATS)
        return {name: value for name, value in found.items() if isinstance(value, (int, float))}

    def close(self) -> None:
        """Hang up."""
        self._page.run("pc.close();")

    def end(self) -> None:
        """End all its processes. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _open_page(self) -> Page:
        port = self._wait_for_port()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=10) as response:
            target = json.load(response)
        return Page(target["webSocketDebuggerUrl"])

    def _wait_for_port(self) -> int:
        file = self._profile / "DevToolsActivePort"
        deadline = time.monotonic() + START_TIMEOUT
        # There is nothing to wait on but the file; the second line comes with the first.
        while not (file.exists() and file.read_text().count("\n")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self._profile / "stderr.txt").read_text(errors="replace")
                raise RuntimeError(f"Chromium does not start: {log[-2000:]}")
            time.sleep(0.02)
        return int(file.read_text().splitlines()[0])
