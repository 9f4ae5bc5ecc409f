"""A small internet for tests: a caller's network, a router, a server's network; root and Linux only.

    caller wan0 10.77.1.2 --- 10.77.1.1 inside0 | router | outside0 10.77.2.1 --- 10.77.2.2 lan0 server
           fd77:1::2          fd77:1::1                             fd77:2::1     fd77:2::2

Nothing of it has a name that others could see: each namespace exists as long as one process of it, `cat`, which ends
when our end of its pipe is closed. So all of it is gone with the test's process, however that ends; everything that a
test starts inside reads its standard input as well, and ends with it.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from tests.support.requirements import require, which

__all__ = ["CALLER", "CALLER_6", "CALLER_MOVED", "ROUTER_MOVED", "SERVER", "SERVER_6", "Internet", "Namespace", "Side"]

CALLER, CALLER_MOVED, CALLER_6 = "10.77.1.2", "10.77.1.3", "fd77:1::2"
SERVER, SERVER_6 = "10.77.2.2", "fd77:2::2"
ROUTER_MOVED = "10.77.2.9"
_INSIDE, _OUTSIDE, _INSIDE_6, _OUTSIDE_6 = "10.77.1.1", "10.77.2.1", "fd77:1::1", "fd77:2::1"

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 30.0
"""Seconds for a program to do what it is asked to, or to end when its input has ended. A busy machine has taken 10."""

Event = dict[str, Any]


class Namespace:
    """One network namespace; loopback is up."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            [which("unshare"), "--net", which("cat")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        # It answers when it has become `cat`, and that is in the namespace.
        self._holder.stdin.write(b"\n")
        self._holder.stdin.flush()
        self._holder.stdout.read(1)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        """Of the process that stands for the namespace."""
        return self._holder.pid

    def inside(self, *command: str) -> list[str]:
        """The command line that runs `command` in this namespace."""
        return [which("nsenter"), f"--net=/proc/{self.pid}/ns/net", which(command[0]), *command[1:]]

    def run(self, *command: str) -> str:
        """Run a command to its end and return what it prints.

        Raises:
            AssertionError: It failed; the message has what it said.
        """
        done = subprocess.run(self.inside(*command), capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def set(self, name: str, value: int) -> None:
        """Set a kernel parameter of this namespace, such as `net/ipv4/ip_forward`."""
        self.run("sh", "-c", f"echo {value} > /proc/sys/{name}")

    def close(self) -> None:
        """Let go of it: it vanishes with its interfaces and rules as soon as nothing runs in it."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(_PATIENCE)


class Side:
    """A program in a namespace that reports events as NDJSON, one a line, and takes commands the same way.

    An event is an object with `event`, its name, and `time`, from `time.monotonic()`, which all processes share.

    Attributes:
        failures: What it wrote to standard error.
    """

    def __init__(self, namespace: Namespace, program: Path, settings: Event) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._process = subprocess.Popen(
            namespace.inside(sys.executable, str(program), json.dumps(settings)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=_ROOT,
        )
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._ended = False
        self._asked = 0
        self.failures = ""
        self._reader = threading.Thread(target=self._read, name="netns-reader", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._events.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def events(self) -> list[Event]:
        """Everything so far, oldest first."""
        with self._changed:
            return list(self._events)

    def named(self, name: str) -> list[Event]:
        """The events of one name."""
        return [event for event in self.events if event["event"] == name]

    def wait_for(
        self,
        name: str,
        timeout: float,
        *,
        after: float = 0.0,
        where: Callable[[Event], bool] = lambda event: True,
    ) -> Event:
        """The first event of that name since `after` of which `where` holds; those of the past count.

        Raises:
            AssertionError: There was none in time; the message has all events and the program's errors.
        """
        deadline = time.monotonic() + timeout
        seen = 0
        with self._changed:
            while True:
                for event in self._events[seen:]:
                    if event["event"] == name and event["time"] >= after and where(event):
                        return event
                seen = len(self._events)
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    break
                self._changed.wait(left)
        listed = "\n".join(
            str(event) for event in self.events if event["event"] != "sound" and "'final': False" not in str(event)
        )
        raise AssertionError(f"no {name} within {timeout} s; what happened:\n{listed}\n{self._said()}")

    def ask(self, do: str, within: float = _PATIENCE, /, **arguments: Any) -> Any:
        """Have the program do something and return its answer."""
        self._asked += 1
        number = self._asked
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, "number": number, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self.wait_for("answer", within, where=lambda event: bool(event["number"] == number))
        assert "error" not in answer, f"{do}: {answer['error']}"
        return answer["result"]

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def close(self) -> None:
        """End it: by itself at the end of its input, else by force.

        Raises:
            AssertionError: It had to be killed, or it failed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            status = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            status = -1
        self._reader.join()
        self._process.stdout.close()
        self.failures = self._said()
        self._errors.close()
        assert status == 0, f"it ended with {status}: {self.failures}"


class Internet:
    """Two networks and a router between them; a context manager.

    Args:
        ipv4: Whether there is IPv4.
        ipv6: Whether there is IPv6.
        nat: Whether the router hides the caller behind an address of its own (IPv4); the server has no way to it then.
    """

    def __init__(self, *, ipv4: bool = True, ipv6: bool = False, nat: bool = False) -> None:
        require("netns", "nat")
        self._ipv4, self._ipv6 = ipv4, ipv6
        self._cleanup = contextlib.ExitStack()
        self._sides = 0
        with contextlib.ExitStack() as begun:
            self.caller, self.router, self.server = (self._namespace(begun) for _ in range(3))
            self._wire(self.caller, "wan0", "inside0")
            self._wire(self.server, "lan0", "outside0")
            self.router.set("net/ipv4/ip_forward", 1)
            self.router.set("net/ipv6/conf/all/forwarding", 1)
            self._address(self.router, "inside0", _INSIDE, _INSIDE_6)
            self._address(self.router, "outside0", _OUTSIDE, _OUTSIDE_6)
            self._address(self.caller, "wan0", CALLER, CALLER_6)
            self._address(self.server, "lan0", SERVER, SERVER_6)
            self.route_caller()
            if not nat:
                self._route(self.server, "lan0", _OUTSIDE, _OUTSIDE_6)
            self.router.run(
                "nft", "add table inet wall; add chain inet wall forward { type filter hook forward priority 0 ; }"
            )
            self.router.run(
                "nft", "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100 ; }"
            )
            if nat:
                self.router.run("nft", "add rule ip nat out oifname outside0 masquerade")
            self._cleanup = begun.pop_all()

    @staticmethod
    def _namespace(begun: contextlib.ExitStack) -> Namespace:
        namespace = Namespace()
        begun.callback(namespace.close)
        return namespace

    def _wire(self, end: Namespace, name: str, at_router: str) -> None:
        end.run(
            *("ip", "link", "add", name, "type", "veth"),
            *("peer", "name", at_router, "netns", str(self.router.pid)),
        )
        end.run("ip", "link", "set", name, "up")
        self.router.run("ip", "link", "set", at_router, "up")

    def _address(self, namespace: Namespace, interface: str, address: str, address_6: str) -> None:
        if self._ipv4:
            namespace.run("ip", "address", "add", f"{address}/24", "dev", interface)
        if self._ipv6:
            namespace.run("ip", "-6", "address", "add", f"{address_6}/64", "dev", interface, "nodad")

    def _route(self, namespace: Namespace, interface: str, via: str, via_6: str) -> None:
        if self._ipv4:
            namespace.run("ip", "route", "replace", "default", "via", via, "dev", interface)
        if self._ipv6:
            namespace.run("ip", "-6", "route", "replace", "default", "via", via_6, "dev", interface)

    def route_caller(self) -> None:
        """Give the caller its way out, which is lost when its interface goes down or its address is taken."""
        self._route(self.caller, "wan0", _INSIDE, _INSIDE_6)

    def block(self, what: str) -> None:
        """Drop what matches an nft expression, such as `"meta l4proto udp"`, from now on; also of what is up."""
        self.router.run("nft", f"add rule inet wall forward {what} drop")

    def unblock(self) -> None:
        """Let everything pass again."""
        self.router.run("nft", "flush chain inet wall forward")

    def forget(self, *what: str) -> None:
        """Have the router forget connections, all or those of `"-p", "udp"`."""
        # It fails when there is none, which the tests do not rely on.
        subprocess.run(self.router.inside("conntrack", "-D", *what), capture_output=True, timeout=20, check=False)

    def masquerade(self, rule: str) -> None:
        """Hide the caller in another way: an nft statement such as `"snat to 10.77.2.9"`."""
        self.router.run("nft", f"flush chain ip nat out; add rule ip nat out oifname outside0 {rule}")

    @contextlib.contextmanager
    def program(self, namespace: Namespace, program: Path, settings: Event) -> Iterator[Side]:
        """Run a program of the tests there; until the end of the block, at most."""
        side = Side(namespace, program, settings)
        try:
            yield side
        except BaseException:
            with contextlib.suppress(AssertionError):
                side.close()
            raise
        side.close()

    @contextlib.contextmanager
    def service(self, namespace: Namespace, command: Sequence[str], ready: str) -> Iterator[None]:
        """Run a program that is not ours there, as soon as it has printed `ready`.

        Raises:
            AssertionError: It ended, or did not get ready in time; the message has what it printed.
        """
        guard = 'trap "" TERM; "$@" </dev/null & cat >/dev/null; kill -9 $!; wait $!'
        process = subprocess.Popen(
            namespace.inside("sh", "-c", guard, "guard", which(command[0]), *command[1:]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        output = process.stdout
        reader = threading.Thread(
            target=lambda: [lines.put(line) for line in output], name="netns-service", daemon=True
        )
        reader.start()
        said: list[str] = []
        try:
            deadline = time.monotonic() + 10
            while not any(ready in line for line in said):
                try:
                    said.append(lines.get(timeout=max(0.0, deadline - time.monotonic())))
                except queue.Empty:
                    raise AssertionError(f"{command[0]} did not get ready: {''.join(said)}") from None
            yield
        finally:
            process.stdin.close()
            process.wait(_PATIENCE)
            reader.join()
            process.stdout.close()

    def __enter__(self) -> Internet:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._cleanup.close()
