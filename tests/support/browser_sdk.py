"""The official JavaScript SDK, `@telnyx/webrtc`, in a page of Chromium: log in, call, listen, chat, hang up.

The package comes from the npm registry at the version that `tests/browser/package-lock.json` pins, into a cache outside
the checkout, and is served unchanged by a small web server on this machine. `tests/browser/page.js` is the application
around it: what a user of that SDK would write, plus notes of what happened and when.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from .browser import Chromium, Page
from .requirements import which

__all__ = ["OfficialClient", "SetupTime", "install_sdk", "measure_setup", "official_client", "serve"]

FOLDER = Path(__file__).resolve().parents[1] / "browser"

CALL_TIMEOUT = 20.0
"""Seconds until a call must be active, on a machine that runs Chromium and everything else on two cores."""


@functools.cache
def install_sdk() -> Path:
    """Install the pinned packages with `npm ci`, unless this machine has them already, and return the bundle's path.

    The folder's name has the hash of the lock file in it; it is put in its place when it is complete, so that several
    test runs may do this at the same time.
    """
    lock = (FOLDER / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "telnyx-agent-tests"
    folder = cache / hashlib.sha256(lock).hexdigest()[:16]
    bundle = folder / "node_modules" / "@telnyx" / "webrtc" / "lib" / "bundle.js"
    if not bundle.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, fresh)
        command = [which("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=4"]
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"npm ci failed: {done.stderr[-2000:]}")
        try:
            fresh.rename(folder)
        except OSError:  # somebody else was faster
            shutil.rmtree(fresh)
    return bundle


@contextmanager
def serve() -> Iterator[str]:
    """Serve the page and the bundle on this machine, and yield the page's URL."""
    files = {
        "/": ("text/html", FOLDER / "page.html"),
        "/page.js": ("text/javascript", FOLDER / "page.js"),
        "/telnyx-webrtc.js": ("text/javascript", install_sdk()),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, path = files.get(self.path, ("", None))
            if path is None:
                self.send_error(404)
                return
            content = path.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Requests are not news."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="browser-pages", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@attrs.frozen
class SetupTime:
    """How long the official SDK took, in seconds, by the page's own clock.

    Attributes:
        ready: From `client.connect()` to `telnyx.ready`.
        active: From `client.newCall()` to the call's state `active`.
        heard: From `client.newCall()` until sound of the agent was decoded; None when it was not waited for.
        states: When the call entered each of its states, from `client.newCall()`.
    """

    ready: float
    active: float
    heard: float | None
    states: dict[str, float]


@attrs.frozen
class OfficialClient:
    """The application in the page, seen from Python. One client and at most one call at a time."""

    page: Page

    def connect(self, url: str, target_id: str, **options: object) -> float:
        """Log in anonymously at `url` and return the seconds until `telnyx.ready`."""
        return float(self.page.run("return await app.connect(a[0], a[1], a[2])", url, target_id, options))

    def call(self, **options: object) -> dict[str, float]:
        """Place a call, wait until it is active, and return when it entered each state, counted from `newCall`."""
        states: dict[str, float] = self.page.run(
            "return await app.call(a[0], a[1])", options, CALL_TIMEOUT, timeout=CALL_TIMEOUT + 5
        )
        return states

    def listen(self, seconds: float) -> dict[str, float]:
        """Wait until that much speech or other sound was heard, and return statistics of what arrives."""
        heard: dict[str, float] = self.page.run("return await app.listen(a[0], 15)", seconds)
        return heard

    def conversation(self) -> list[dict[str, Any]]:
        """The parameters of all `telnyx.ai.conversation` events so far."""
        events: list[dict[str, Any]] = self.page.run("return app.conversation")
        return events

    def wait_for_conversation(self, condition: str, timeout: float = 20.0) -> dict[str, Any]:
        """Wait for the first `telnyx.ai.conversation` event whose parameters `p` fulfil a JavaScript condition."""
        params: dict[str, Any] = self.page.run(
            f"return await app.until(() => app.conversation.find(p => {condition}), a[0], a[1])",
            timeout,
            condition,
            timeout=timeout + 5,
        )
        return params

    def agent_texts(self) -> list[str]:
        """What the agent said so far, one text for each of its responses, put together from the deltas."""
        texts: dict[str, str] = {}
        for params in self.conversation():
            if params["type"] == "response.text.delta":
                key = params.get("response_id") or params.get("item_id") or ""
                texts[key] = texts.get(key, "") + params["delta"]
        return list(texts.values())

    def user_texts(self) -> list[str]:
        """What the agent understood or received from the user, completed items only."""
        texts = []
        for params in self.conversation():
            item = params.get("item") or {}
            if item.get("role") == "user" and item.get("status", "completed") == "completed":
                content = item["content"]
                parts = (
                    [content]
                    if isinstance(content, str)
                    else [part.get("transcript") or part.get("text") or "" for part in content]
                )
                texts.append(" ".join(parts))
        return texts

    def say(self, text: str, attachments: tuple[str, ...] = ()) -> None:
        """Type a message."""
        self.page.run("await app.currentCall.sendConversationMessage(a[0], a[1])", text, list(attachments))

    def hang_up(self) -> dict[str, Any]:
        """Hang up, wait until the call is destroyed, and return what the SDK says about its end."""
        end: dict[str, Any] = self.page.run("return await app.hangUp()")
        return end

    def wait_until_ended(self, timeout: float = 15.0) -> dict[str, Any]:
        """Wait until the other side has hung up, and return what the SDK says about the end."""
        end: dict[str, Any] = self.page.run("return await app.ended(a[0])", timeout, timeout=timeout + 5)
        return end

    def disconnect(self) -> None:
        """Log out; the socket is closed."""
        self.page.run("await app.disconnect()")

    def errors(self) -> list[str]:
        """All `telnyx.error` events, as texts."""
        errors: list[str] = self.page.run("return app.errors")
        return errors


@contextmanager
def official_client(microphone: str | os.PathLike[str] | None = None) -> Iterator[OfficialClient]:
    """A browser of its own with the application loaded; everything is gone afterwards."""
    with serve() as url, Chromium(microphone) as chromium, chromium.page(url) as page:
        yield OfficialClient(page)


def measure_setup(
    client: OfficialClient, url: str, target_id: str = "assistant-benchmark", *, hear: bool = False
) -> SetupTime:
    """Log in, call and hang up once, and return the times; for benchmarks beside our own client in the same run.

    Args:
        client: From `official_client()`; may be used again and again.
        url: The local agent's `ws://` URL.
        target_id: The assistant to ask for.
        hear: Whether to wait for the first sound of the agent, too.
    """
    ready = client.connect(url, target_id)
    states = client.call()
    heard = client.listen(0.1)["first sound"] if hear else None
    client.hang_up()
    client.disconnect()
    return SetupTime(ready, states["active"], heard, states)
