"""Headless Chromium, driven over its own debugging protocol (CDP); needs nothing that the SDK does not bring itself.

The client is synchronous and has no thread: a command is sent and the socket read until its answer is there; events
that come by are kept. Chromium gets a microphone that plays a WAV file and may use it without asking.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import websocket

from .requirements import which

__all__ = ["Chromium", "JavaScriptError", "Page"]

START_TIMEOUT = 30.0
"""Seconds that Chromium may take to open its debugging port; it is usually one, on a loaded machine ten."""

_FLAGS = (
    "--headless",
    "--no-sandbox",  # as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    # Chromium calls home otherwise, and nothing here may leave the machine.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--disable-features=WebRtcHideLocalIpsWithMdns,OptimizationHints,MediaRouter,Translate",
    # Nobody looks at the page, and it works all the same.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--autoplay-policy=no-user-gesture-required",
    # A machine without a network has nothing but loopback.
    "--allow-loopback-in-peer-connection",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--remote-debugging-port=0",
)


class JavaScriptError(AssertionError):
    """A script threw, or a promise was rejected; the message has the page's own stack."""


class Chromium:
    """One browser process with an empty profile.

    Args:
        microphone: The WAV file that the fake microphone plays once, followed by silence; None for silence only.
    """

    def __init__(self, microphone: str | os.PathLike[str] | None = None) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="telnyx-agent-chromium-"))
        self._log = self._profile / "stderr.txt"
        if microphone is None:  # without a file the fake microphone beeps, and an agent takes that for speech
            microphone = self._profile / "silence.wav"
            with wave.open(str(microphone), "wb") as file:
                file.setparams((1, 2, 48000, 0, "NONE", ""))
                file.writeframes(bytes(2 * 48000))
        flags = [
            *_FLAGS,
            f"--user-data-dir={self._profile}",
            f"--use-file-for-fake-audio-capture={os.fspath(microphone)}%noloop",
        ]
        with self._log.open("wb") as log:
            # A session of its own, so that the many processes of Chromium end together.
            self._process = subprocess.Popen(
                [which("chromium"), *flags, "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "TMPDIR": str(self._profile)},
                start_new_session=True,
            )
        try:
            self._port = self._wait_for_port()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Chromium:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def page(self, url: str) -> Iterator[Page]:
        """A new tab, with `url` loaded, that is closed again."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=10) as response:
            target = json.load(response)
        page = Page(target["webSocketDebuggerUrl"])
        try:
            page.open(url)
            yield page
        finally:
            page.close()

    def close(self) -> None:
        """End all its processes and remove the profile."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            # The group goes on for a moment after its leader has ended.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _wait_for_port(self) -> int:
        file = self._profile / "DevToolsActivePort"
        deadline = time.monotonic() + START_TIMEOUT
        # There is nothing to wait on but the file; the second line comes with the first.
        while not (file.exists() and file.read_text().count("\n")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Chromium does not start: {self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        return int(file.read_text().splitlines()[0])


class Page:
    """One tab.

    Attributes:
        console: What the page printed, and exceptions that nothing caught, one text each.
    """

    def __init__(self, url: str) -> None:
        self._socket = websocket.create_connection(url, suppress_origin=True, timeout=30)
        self._last_id = 0
        self._loaded = False
        self.console: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def open(self, url: str, timeout: float = 20.0) -> None:
        """Load a page, and wait until all of it is there."""
        self._loaded = False
        self.command("Page.navigate", {"url": url})
        deadline = time.monotonic() + timeout
        while not self._loaded:
            self._receive(deadline)

    def run(self, script: str, *arguments: object, timeout: float = 30.0) -> Any:
        """Run the body of an `async` function and return what it returns.

        Args:
            script: JavaScript; the arguments are in `a`, as in `return await call(a[0])`.
            arguments: Anything that JSON can hold.
            timeout: Seconds until it must have returned.

        Raises:
            JavaScriptError: It threw, or took too long.
        """
        expression = f"(async (...a) => {{ {script} }})(...{json.dumps(arguments)})"
        result = self.command(
            "Runtime.evaluate",
            {"expression": expression, "awaitPromise": True, "returnByValue": True, "userGesture": True},
            timeout,
        )
        if "exceptionDetails" in result:
            thrown = result["exceptionDetails"].get("exception", {})
            text = thrown.get("description") or json.dumps(thrown.get("value", result["exceptionDetails"]))
            raise JavaScriptError("\n".join([text, "the page's console:", *self.console[-20:]]))
        return result["result"].get("value")

    def screenshot(self, path: str | os.PathLike[str]) -> None:
        """Save what a person would see, as PNG."""
        import base64

        Path(path).write_bytes(base64.b64decode(self.command("Page.captureScreenshot")["data"]))

    def command(self, method: str, params: Mapping[str, Any] | None = None, timeout: float = 30.0) -> dict[str, Any]:
        """Send one command of the debugging protocol and wait for its answer."""
        self._last_id += 1
        self._socket.send(json.dumps({"id": self._last_id, "method": method, "params": params or {}}))
        deadline = time.monotonic() + timeout
        while True:
            message = self._receive(deadline)
            if message.get("id") == self._last_id:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result

    def close(self) -> None:
        """Close the tab; the page's `beforeunload` runs."""
        with suppress(websocket.WebSocketException, OSError, JavaScriptError):
            self.command("Page.close", timeout=5)
        self._socket.close()

    def _receive(self, deadline: float) -> dict[str, Any]:
        self._socket.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            message: dict[str, Any] = json.loads(self._socket.recv())
        except websocket.WebSocketTimeoutException as exc:
            raise JavaScriptError("\n".join(["no answer in time; the page's console:", *self.console[-20:]])) from exc
        method, params = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.consoleAPICalled":
            parts = (str(part.get("value", part.get("description", ""))) for part in params["args"])
            self.console.append(f"{params['type']}: {' '.join(parts)}")
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.console.append(f"uncaught: {details.get('exception', {}).get('description', details['text'])}")
        elif method == "Log.entryAdded":
            self.console.append(f"{params['entry']['level']}: {params['entry']['text']}")
        return message
