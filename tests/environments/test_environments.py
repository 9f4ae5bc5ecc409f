"""Programs that are not plain Python scripts: patched threads, foreign event loops, notebooks, frozen programs.

Each program holds the conversation of `conversation.py` with an agent that runs here, outside of the program.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telnyx_agent.testing import LocalAgent, Scenario
from tests.environments.conversation import ANSWER
from tests.support.requirements import require

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
PATIENCE = 90.0

SUSPENDED = 31.0
"""Seconds; longer than what the SDK waits for a reply, and than three pings."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An agent that speaks."""
    with LocalAgent(voice="tones", ears="deaf", greeting="", scenario=Scenario.fast()) as agent:
        yield agent.url


def run(*command: str) -> str:
    """Run a program, which must not complain, and return what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # In its development mode asyncio says of each of its turns that took long; on a busy machine some do.
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert complaints == []
    return done.stdout


def python(code: str, url: str, *options: str) -> str:
    """Run a program that knows `hold` and `url`."""
    head = "import sys\nurl = sys.argv[1]\n"
    return run(sys.executable, *options, "-c", head + textwrap.dedent(code), url)


@pytest.mark.parametrize(
    "options",
    [["-OO"], pytest.param(["-X", "dev", "-W", "error"], marks=pytest.mark.slow)],
    ids=" ".join,
)
def test_switches_of_the_interpreter(url: str, options: list[str]) -> None:
    """Nothing rests on an `assert` or on a docstring, and Python's development mode has nothing to say."""
    module = "tests.environments.conversation"
    assert run(sys.executable, *options, "-m", module, url).split("\n") == [ANSWER, ""]


@pytest.mark.slow
def test_gevent(url: str) -> None:
    """All threads of the SDK are greenlets of one thread."""
    require("gevent")
    code = """
        from gevent import monkey
        monkey.patch_all()
        from tests.environments.conversation import hold
        print(hold(url), monkey.is_module_patched("threading"))
    """
    assert python(code, url) == f"{ANSWER} True\n"


@pytest.mark.slow
def test_eventlet(url: str) -> None:
    """As with gevent."""
    require("eventlet")
    code = """
        import warnings
        with warnings.catch_warnings(record=True):  # eventlet says that it is deprecated
            import eventlet
            eventlet.monkey_patch()
        from tests.environments.conversation import hold
        print(hold(url))
    """
    assert python(code, url) == f"{ANSWER}\n"


@pytest.mark.slow
def test_uvloop(url: str) -> None:
    """The program's policy does not choose the SDK's loop; its own loop may run meanwhile."""
    require("uvloop")
    code = """
        import asyncio, uvloop
        from tests.environments.conversation import hold
        async def main():
            await asyncio.to_thread(hold, url)
            return hold(url)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(runner.run(main()))
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        hold(url)
    """
    assert python(code, url) == f"{ANSWER}\n"


@pytest.mark.slow
def test_trio(url: str) -> None:
    """Beside trio's tasks, and in the middle of one."""
    require("trio")
    code = """
        import trio
        from tests.environments.conversation import hold
        async def main():
            await trio.to_thread.run_sync(hold, url)
            print(hold(url))
        trio.run(main)
    """
    assert python(code, url) == f"{ANSWER}\n"


@pytest.mark.slow
def test_a_loop_that_runs_already(url: str) -> None:
    """As in a cell of a notebook: the thread has a running loop, in which `asyncio.run` would be refused."""
    code = """
        import asyncio
        from tests.environments.conversation import hold
        async def cell():
            print(hold(url))
        asyncio.run(cell())
    """
    assert python(code, url) == f"{ANSWER}\n"


@pytest.mark.slow
def test_jupyter(url: str) -> None:
    """Two cells of a real kernel."""
    require("ipykernel")
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(env=ENVIRONMENT, cwd=str(ROOT))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        for _ in range(2):
            printed: list[str] = []

            def keep(message: dict[str, dict[str, str]], printed: list[str] = printed) -> None:
                content = message["content"]
                printed.append(content.get("text", "") + "\n".join(content.get("traceback", "")))

            cell = f"from tests.environments.conversation import hold\nprint(hold({url!r}))"
            reply = client.execute_interactive(cell, timeout=PATIENCE, output_hook=keep)
            assert reply["content"]["status"] == "ok", printed
            assert f"{ANSWER}\n" in printed
    except queue.Empty:
        pytest.fail("the kernel did not answer")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_pyinstaller(url: str, tmp_path: Path) -> None:
    """A program in a folder of its own, with the options that docs/environments.md names."""
    require("pyinstaller")
    program = ROOT / "tests" / "environments" / "conversation.py"
    folders = ["--distpath", str(tmp_path), "--workpath", str(tmp_path / "work"), "--specpath", str(tmp_path)]
    built = subprocess.run(
        [sys.executable, "-m", "PyInstaller", "--onedir", "--collect-submodules", "telnyx_agent", *folders, program],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert run(str(tmp_path / "conversation" / "conversation"), url) == f"{ANSWER}\n"


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP")
def test_a_suspended_interpreter(url: str) -> None:
    """A laptop that is closed, a container that is frozen: afterwards the call goes on, or is taken up again."""
    code = """
        from tests.environments.conversation import hold
        def between():
            print("in the call", flush=True)
            sys.stdin.readline()
        print(hold(url, between), flush=True)
    """
    head = "import sys\nurl = sys.argv[1]\n"
    command = [sys.executable, "-c", head + textwrap.dedent(code), url]
    with subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "in the call\n"
            program.send_signal(signal.SIGSTOP)
            time.sleep(SUSPENDED)
            program.send_signal(signal.SIGCONT)
            output, _ = program.communicate("\n", timeout=PATIENCE)
            assert output == f"{ANSWER}\n"
            assert program.returncode == 0
        finally:
            program.kill()
