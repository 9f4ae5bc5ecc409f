"""What the local agent refuses: each bad argument, missing package and unusable port with one sentence that helps."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from telnyx_agent import ClientConfigurationError, MediaError
from telnyx_agent import testing as t
from telnyx_agent.testing import server
from tests.support.requirements import require

ROOT = Path(__file__).resolve().parents[2]

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "port above": (lambda: t.LocalAgent(port=99999), "port .* 65535.* 99999"),
    "port below": (lambda: t.LocalAgent(port=-1), "port"),
    "port text": (lambda: t.LocalAgent(port="80"), "port"),  # type: ignore[arg-type]
    "host": (lambda: t.LocalAgent(host=None), "host"),  # type: ignore[arg-type]
    "brain": (lambda: t.LocalAgent("not callable"), "brain"),  # type: ignore[arg-type]
    "scenarios": (lambda: t.LocalAgent(scenario=[]), "scenario"),
    "scenario": (lambda: t.LocalAgent(scenario="fast"), "scenario"),  # type: ignore[arg-type]
    "voice": (lambda: t.LocalAgent(voice=3), "voice"),  # type: ignore[arg-type]
    "ears": (lambda: t.LocalAgent(ears=3), "ears"),  # type: ignore[arg-type]
    "ears name": (lambda: t.LocalAgent(ears="big"), "ears 'big'"),
    "speed": (lambda: t.Scenario(speed=0), "speed"),
    "speed text": (lambda: t.Scenario(speed="fast"), "speed"),  # type: ignore[arg-type]
    "speed nan": (lambda: t.Scenario(speed=math.nan), "speed"),
    "delay": (lambda: t.Scenario(reply_delay=-1), "reply_delay"),
    "delay nan": (lambda: t.Scenario.drop(math.nan), "drop_after"),
    "delay infinite": (lambda: t.Scenario.punt(math.inf), "punt_after"),
    "delay text": (lambda: t.Scenario.half_dead("1"), "half_dead_after"),  # type: ignore[arg-type]
    "invalid target": (lambda: t.Scenario.invalid_target("x"), "'x'"),
    "silent": (lambda: t.Scenario.silent("x"), "'x'"),
    "rate": (lambda: t.FaultRates(drop=1.5), "drop"),
    "loss": (lambda: t.UdpFaults(loss=-0.5), "loss"),
    "fault": (lambda: t.Fault("x"), "'x'"),  # type: ignore[arg-type]
    "udp": (lambda: t.UdpFaults(delay=-1), "delay"),
    "burst": (lambda: t.GilbertElliott(to_bad="x"), "to_bad"),  # type: ignore[arg-type]
    "upstream": (lambda: t.FaultProxy("http://127.0.0.1:1"), "ws://"),
    "upstream port": (lambda: t.FaultProxy("ws://127.0.0.1:99999"), "ws://"),
    "upstream bracket": (lambda: t.FaultProxy("ws://[::1"), "ws://"),
    "upstream None": (lambda: t.FaultProxy(None), "upstream"),  # type: ignore[arg-type]
    "tone": (lambda: t.ToneVoice(level=2), "level"),
    "tone seconds": (lambda: t.ToneVoice(-1), "seconds_per_word"),
    "silent voice": (lambda: t.SilentVoice(-1), "seconds_per_word"),
    "espeak rate": (lambda: t.EspeakVoice(words_per_minute=1), "words_per_minute"),
    "espeak pitch": (lambda: t.EspeakVoice(pitch=101), "pitch"),
    "espeak name": (lambda: t.EspeakVoice(None), "name"),  # type: ignore[arg-type]
    "text": (lambda: t.synthesize(None), "text"),  # type: ignore[arg-type]
    "sample rate": (lambda: t.synthesize("a", rate=0), "rate"),
    "synthesize voice": (lambda: t.synthesize("a", voice=3), "voice"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_argument_is_named(name: str) -> None:
    """When it is given, not when it is used."""
    make, pattern = REFUSED[name]
    with pytest.raises(ClientConfigurationError, match=pattern):
        make()


def test_an_unknown_voice_is_named() -> None:
    """With what there is."""
    require("voice")
    with pytest.raises(ClientConfigurationError, match=r"'klingon-x'.*en-us"):
        t.LocalAgent(voice="klingon-x")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Its name and why."""
    with pytest.raises(MediaError, match=r"x\.wav cannot be written: No such file"):
        t.synthesize("a", tmp_path / "missing" / "x.wav", voice=t.ToneVoice())


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("127.0.0.1", None, "choose another"),
        ("192.0.2.77", 0, "no such address"),
    ],
)
def test_a_port_that_cannot_be_had(host: str, port: int | None, said: str) -> None:
    """Taken, or an address that is not this machine's: says so, and nothing stays behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        agent = t.LocalAgent(
            host=host, port=taken.getsockname()[1] if port is None else port, media=False, voice="silent"
        )
        with pytest.raises(ClientConfigurationError, match=said) as caught:
            agent.start()
    assert isinstance(caught.value, OSError)


PACKAGES = {
    "websockets": ("t.LocalAgent(voice='silent', ears='deaf').start()", "the local agent needs the package websockets"),
    "espeakng_loader": ("t.synthesize('a')", "speech needs the package espeakng-loader"),
    "espeakng_loader ": ("t.EspeakVoice()", "speech needs the package espeakng-loader"),
    " espeakng_loader": ("t.LocalAgent(voice='en-us')", "speech needs the package espeakng-loader"),
    "pocketsphinx": ("t.PocketsphinxEars()", "speech recognition needs the package pocketsphinx"),
    "pocketsphinx ": ("t.LocalAgent(ears='pocketsphinx')", "speech recognition needs the package pocketsphinx"),
}


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("how", ["missing", "broken"])
def test_a_package_that_is_missing_or_broken(package: str, how: str, tmp_path: Path) -> None:
    """One sentence with the command that mends it; an ImportError and a `TxError`."""
    code, said = PACKAGES[package]
    module = package.strip()
    if how == "missing":
        first = f"sys.modules[{module!r}] = None"
    else:
        (tmp_path / f"{module}.py").write_text("raise ImportError('libfoo.so: cannot open')", encoding="utf-8")
        first = f"sys.path.insert(0, {str(tmp_path)!r})"
        if module == "pocketsphinx":
            pytest.skip("it is imported by a process of its own, which is replaced if it does not start")
    program = f"""
import sys
{first}
from telnyx_agent import testing as t, TxError
try:
    {code}
except (TxError, ImportError) as error:
    print(type(error).__name__, isinstance(error, TxError), isinstance(error, ImportError), error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert f"MissingPackageError True True {said}" in done.stdout
    assert 'pip install "telnyx-agent[demo]"' in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "99999"],
        ["--port", "-1"],
        ["--port", "x"],
        ["--port", "1e3"],
        ["--scenario", "what"],
        ["--scenario", "drop:x"],
        ["--scenario", "drop:nan"],
        ["--scenario", "drop:1,2,3"],
        ["--scenario", "default:x"],
        ["--scenario", "silent:x"],
        ["--no-voice", "--text-only"],
    ],
)
def test_a_bad_option_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that names it."""
    with pytest.raises(SystemExit) as ended:
        server.main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert arguments[0] in error
    assert "__init__" not in error


UNREFUSABLE = {
    *(
        "CallRecord",
        "ClientCall",
        "FaultRecord",
        "FrameRecord",
        "Line",
        "PostedReport",
        "RecordedEvent",
        "ReplayResult",
    ),
    *("CAUSES", "Brain", "Ears", "Voice", "Speech", "Reply", "RecordingDelegate", "ScriptedBrain"),
    *("EnergyEars", "FunctionCall", "HangUp", "Injection"),
}
"""What the local agent itself makes, protocols, and values that may be anything because servers send anything."""


def test_every_public_name_is_in_the_table() -> None:
    """What is added to the package comes into one of the tables above. (`replay` has tests of its own.)"""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in t.__all__ if name not in UNREFUSABLE | {"replay"} and f"t.{name}" not in source] == []
