"""The local agent from outside: as a program, as a pytest plugin, without its extras, without a network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from telnyx_agent.testing import CAUSES, server
from telnyx_agent.testing.scenario import Scenario
from tests.support.requirements import require

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}


def python(code: str, *options: str, timeout: float = 60) -> str:
    """Run a program in a fresh interpreter and return what it printed; fails if it fails."""
    command = [*options, sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_importing_is_cheap() -> None:
    """Nothing heavy is imported before it is used, and no thread is started."""
    out = python(
        """
        import sys, threading
        import telnyx_agent.testing as testing
        from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
        heavy = {"aiortc", "av", "numpy", "websockets", "pocketsphinx", "espeakng_loader", "pytest"} & set(sys.modules)
        print(heavy, threading.active_count(), set(testing.__all__) <= set(dir(testing)))
        """
    )
    assert out.split() == ["set()", "1", "True"]


def test_every_public_name_can_be_imported() -> None:
    """The lazy table is complete, and other names are refused in the usual way."""
    import telnyx_agent.testing as testing

    assert all(getattr(testing, name) is not None for name in testing.__all__)
    assert sorted(testing.__all__) == sorted(testing._HOMES)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        testing.Nonsense  # noqa: B018
    assert CAUSES["USER_BUSY"] == (17, 486, "Busy Here")


WITHOUT_EXTRAS = """
    import asyncio, logging, sys
    for name in ("espeakng_loader", "pocketsphinx"):
        sys.modules[name] = None
    logging.basicConfig(format="LOG %(message)s", stream=sys.stdout)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    import numpy as np
    from telnyx_agent.testing import LocalAgent, Scenario, ToneVoice
    from tests.testing.oracle import Oracle, run

    async def scenario(url):
        async with Oracle.connected(url) as client:
            await client.call()
            print(await client.response())
            client.say(ToneVoice(0.4).speak("a b c").samples)
            print(await client.heard_user())
            await client.response(2)
            await client.type("hello")
            print(await client.response(3))
            print("peak", np.abs(client.heard()).max() > 1000)

    with LocalAgent(scenario=Scenario.fast(), greeting="Good morning") as agent:
        run(scenario(agent.url))
"""


@pytest.mark.slow
def test_without_extras() -> None:
    """Tones in place of speech, lengths in place of words, and one line in the log that says what to install."""
    lines = python(WITHOUT_EXTRAS).splitlines()
    advice = [line for line in lines if line.startswith("LOG")]
    assert len(advice) == 1
    assert 'pip install "telnyx-agent[demo]"' in advice[0]
    greeting, heard, answer, peak = (line for line in lines if not line.startswith("LOG"))
    assert greeting == "Good morning"
    assert re.fullmatch(r"\[speech [12]\.\d s\]", heard)
    assert answer == "Hello! What can I do for you?"
    assert peak == "peak True"


@pytest.mark.slow
def test_without_websockets() -> None:
    """The error says what to install, and no thread stays."""
    out = python(
        """
        import sys, threading
        sys.modules["websockets"] = None
        from telnyx_agent.testing import LocalAgent
        try:
            LocalAgent(voice="silent", ears="deaf").start()
        except ImportError as exc:
            print(exc, threading.active_count())
        """
    )
    assert 'pip install "telnyx-agent[demo]" 1' in out


@pytest.mark.slow
def test_without_a_network() -> None:
    """A call works on a machine whose only address is 127.0.0.1."""
    require("netns", "ip")
    loopback_up = "import subprocess; subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)"
    code = f"\n    {loopback_up}{WITHOUT_EXTRAS}"
    assert "peak True" in python(code, "unshare", "-n")


def start_program(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "telnyx_agent.testing", *arguments],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow_except(1)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that can be handled")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program(number: signal.Signals) -> None:
    """Its first line is the URL; a client can log in; a signal ends it with status 0."""
    from .oracle import Oracle, run

    async def login(url: str) -> None:
        async with Oracle.connected(url) as client:
            await client.ready()

    process = start_program("--scenario", "fast", "--text-only", "-v")
    assert process.stdout is not None
    try:
        run(login(process.stdout.readline().strip()))
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "")
    assert "1 < anonymous_login" in err
    assert "assistant-1" not in err


@pytest.mark.slow
def test_the_program_cannot_start() -> None:
    """A host that does not exist here: a line on stderr, status 1."""
    process = start_program("--host", "192.0.2.254", "--no-media")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert out == ""
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    ("text", "scenario"),
    [
        ("default", Scenario()),
        ("fast", Scenario.fast()),
        ("gateway:TRYING,REGED", Scenario.gateway("TRYING", "REGED")),
        ("rejected:USER_BUSY", Scenario.rejected("USER_BUSY")),
        ("drop:2.5", Scenario.drop(2.5)),
        ("invalid-target:invite", Scenario.invalid_target("invite")),
    ],
)
def test_scenarios_by_name(text: str, scenario: Scenario) -> None:
    """Every preset can be had from the command line."""
    assert server.parse_scenario(text) == scenario


@pytest.mark.parametrize(
    "arguments", [["--scenario", "nonsense"], ["--scenario", "drop:soon"], ["--no-voice", "--text-only"]]
)
def test_wrong_options(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and a line that says what is wrong, as usual."""
    with pytest.raises(SystemExit) as caught:
        server.main(arguments)
    assert caught.value.code == 2
    assert "error" in capsys.readouterr().err
