"""A machine that has nothing left to give: no threads, no descriptors. Errors where they can be handled, no hangs."""

from __future__ import annotations

import sys

import pytest

from .conftest import RunProgram

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as on Linux")

NO_MORE_THREADS = """
import resource, threading

def no_more_threads():
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
    threading.stack_size(2**30)

def threads_again():
    threading.stack_size(0)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

import telnyx_agent
from telnyx_agent._runtime.dispatch import ThreadDispatcher
from telnyx_agent._runtime.loop import LoopThread
from telnyx_agent._runtime.threads import NoThreadError
from telnyx_agent._runtime.workers import DaemonPool
from telnyx_agent._net.connection import SignalingConnection
"""


def test_no_thread_for_the_loop(run_program: RunProgram) -> None:
    """`acquire` raises, and works again when there are threads again."""
    outcome = run_program(
        NO_MORE_THREADS
        + """
no_more_threads()
try:
    LoopThread.acquire()
except NoThreadError as exc:
    print(exc)
threads_again()
loop = LoopThread.acquire()
ran = threading.Event()
loop.post(ran.set)
print(ran.wait(5))
loop.release()
"""
    )
    first, second = outcome.stdout.splitlines()
    assert "can't start new thread" in first, outcome.stderr
    assert second == "True", outcome.stderr


def test_no_thread_for_callbacks_and_workers(run_program: RunProgram) -> None:
    """Callbacks wait for better times, in order; a worker's job is refused."""
    outcome = run_program(
        NO_MORE_THREADS
        + """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
dispatcher = ThreadDispatcher()
no_more_threads()
dispatcher.submit(lambda: print("first"))
try:
    DaemonPool().submit(print)
except NoThreadError as exc:
    print(exc)
threads_again()
dispatcher.submit(lambda: print("second"))
dispatcher.close()
print(dispatcher.join(5))
"""
    )
    late, refused, *rest = outcome.stdout.splitlines()
    assert late.startswith("ERROR callbacks wait: the thread telnyx-agent-delegate could not be started"), outcome
    assert refused.startswith("the thread telnyx-agent-worker could not be started (can't start new thread)"), outcome
    assert rest == ["first", "second", "True"], outcome


CONNECT = """
def connect(url):
    told, ended = [], threading.Event()
    connection = SignalingConnection(url, post=loop.post, on_open=print, on_text=print,
        on_closed=lambda closed: (told.append(closed), ended.set()))
    connection.start()
    return connection, told, ended
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_thread_for_a_connection(run_program: RunProgram, host: str) -> None:
    """A connection that cannot even begin is an error like any other: reported once, on the loop."""
    outcome = run_program(
        NO_MORE_THREADS
        + CONNECT
        + f"""
loop = LoopThread.acquire()
ready = threading.Event()
loop.post(ready.set)
ready.wait()
no_more_threads()
connection, told, ended = connect("ws://{host}:1")
print(ended.wait(5), len(told), connection.join(1))
print(told[0].error)
threads_again()
loop.release()
"""
    )
    first, second = outcome.stdout.splitlines()
    assert first == "True 1 True", outcome.stderr
    assert second.startswith("the connection could not be started: the thread telnyx-agent-reader"), outcome.stderr


def test_no_descriptor_for_a_connection(run_program: RunProgram) -> None:
    """With all descriptors in use a connection fails with that reason, and the next one works."""
    outcome = run_program(
        NO_MORE_THREADS
        + CONNECT
        + """
import os
from websockets.sync.server import serve
server = serve(lambda connection: list(connection), "127.0.0.1", 0)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
loop = LoopThread.acquire()
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
for spare in (0, 2):  # too few for the alarm, or for the socket
    used = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + spare, most))
    connection, told, ended = connect(url)
    assert ended.wait(5) and connection.join(1)
    print(told[0].error)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
connection, told, ended = connect(url)
connection.send("hello")
connection.close()
print(ended.wait(5), told[0].error)
loop.release()
"""
    )
    lines = outcome.stdout.splitlines()
    assert len(lines) == 3, outcome
    assert all("Too many open files" in line for line in lines[:2])
    assert lines[-1] == "True None"
