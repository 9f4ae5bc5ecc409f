"""A private PulseAudio server with two virtual cables: sound cards for tests on machines that have none.

    with PulseServer.running() as pulse, pulse.environment():
        ...  # PortAudio of this process now sees the devices "default", "headset" and "loudspeaker", and no others
        pulse.play(tone)  # into the microphone
        with pulse.recording() as speaker:
            ...
        heard = speaker.samples

What is played into the sink `mic` is what the default input hears (its monitor); what goes to the default output
arrives in the sink `spk`, whose monitor can be recorded. Nothing of the system's own sound set-up is read or touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.support.requirements import require, which

__all__ = [
    "DUPLEX",
    "INPUT_ONLY",
    "NO_DEVICE",
    "OUTPUT_ONLY",
    "RATE",
    "STUCK",
    "SURROUND",
    "PulseServer",
    "Recording",
]

RATE = 48000
_READY = "Daemon startup complete"
_STARTUP_SECONDS = 20.0

_RAW = ("--raw", f"--rate={RATE}", "--channels=1", "--format=s16le")

# What PortAudio shall see, as ALSA configurations that replace the system's, so that real cards stay out of it.
DUPLEX = """
pcm.default { type pulse }
pcm.headset { type pulse device "mic.monitor" }
pcm.loudspeaker { type pulse device "spk" }
"""
"""A default device and two named ones; all of them play and record."""

SURROUND = DUPLEX + 'pcm.surround { type a52 rate 44100 channels 2 slavepcm "loudspeaker" format S16_LE }\n'
"""One more that only plays, only in stereo and only at 44.1 kHz: what it plays is an encoded stream."""

STUCK = (
    SURROUND
    + """
pcm.mapped { type mmap_emul slave.pcm "headset" }
pcm.stuck {
    type multi
    slaves { a { pcm "mapped" channels 2 } }
    bindings { 0 { slave a channel 0 } 1 { slave a channel 1 } }
}
"""
)
"""One more that can be opened for input alone, with `surround` for output, but then never delivers a block."""

INPUT_ONLY = 'pcm.default { type asym capture.pcm { type pulse device "mic.monitor" } }\n'
"""A machine with a microphone alone."""

OUTPUT_ONLY = 'pcm.default { type asym playback.pcm { type pulse device "spk" } }\n'
"""A machine with a loudspeaker alone."""

NO_DEVICE = 'pcm.default { type pulse server "unix:/nowhere" }\n'
"""A machine without sound. PortAudio aborts the process when ALSA has no name at all, so there is one that is dead."""

Int16 = npt.NDArray[np.int16]


class Recording:
    """What a source delivered; `samples` is complete after the recording has ended."""

    def __init__(self) -> None:
        self.samples: Int16 = np.zeros(0, np.int16)


class PulseServer:
    """One server. It lives in a temporary folder and is reached by its socket there, and only there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self._ready = threading.Event()
        self._reader: threading.Thread | None = None

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[PulseServer]:
        """A server that runs until the block ends; skips the test where the programs are missing.

        Sound comes before what computes, as on a desktop: the server, and whatever the block starts.
        """
        require("portaudio", "pulseaudio", "pactl", "alsa-pulse")
        folder = Path(tempfile.mkdtemp(prefix="telnyx-pulse-"))
        server = cls(folder)
        try:
            with _priority(-10):
                server.start()
                yield server
                server.kill()
        finally:
            with contextlib.suppress(RuntimeError):  # said already, or not the reason
                server.kill()
            shutil.rmtree(folder)

    def variables(self, devices: str = DUPLEX) -> dict[str, str]:
        """The environment variables that lead programs, and PortAudio, to the server.

        Args:
            devices: One of the sets of devices of this module.
        """
        configuration = self._folder / f"alsa-{zlib.crc32(devices.encode()):08x}.conf"
        if not configuration.exists():  # ALSA would read it again, at any moment, and it must never be half a file
            configuration.write_text(devices)
        return {
            "ALSA_CONFIG_PATH": str(configuration),
            "HOME": str(self._folder),  # where PulseAudio's cookie and client settings are looked for
            "PULSE_RUNTIME_PATH": str(self._folder),
            "PULSE_SERVER": f"unix:{self._socket}",
            "XDG_RUNTIME_DIR": str(self._folder),
        }

    @contextlib.contextmanager
    def environment(self, devices: str = DUPLEX) -> Iterator[None]:
        """For the time of the block, this process' sound is the server's; no PortAudio stream may be open at its ends.

        Args:
            devices: What PortAudio sees: one of the sets of devices of this module.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(_reread_devices)
            stack.enter_context(_environment(self.variables(devices)))
            _reread_devices()
            yield

    def start(self) -> None:
        """Start the server; it can be started again after `kill`."""
        self._socket.unlink(missing_ok=True)
        self._ready.clear()
        self._process = subprocess.Popen(
            self._command(),
            env={**self._env(), "LC_ALL": "C"},  # what it logs is read
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, args=(self._process,), name="pulse-log", daemon=True)
        self._reader.start()
        if not self._ready.wait(_STARTUP_SECONDS) or self._process.poll() is not None:
            raise RuntimeError("the private PulseAudio did not start:\n" + "".join(self._log[-30:]))
        self.control("set-default-sink", "spk")
        self.control("set-default-source", "mic.monitor")

    def kill(self) -> None:
        """Let the server die, as when a sound system crashes. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        died = process.poll()
        process.kill()
        process.wait()
        if self._reader is not None:
            self._reader.join()
        assert process.stderr is not None
        process.stderr.close()
        if died is not None:
            raise RuntimeError(f"the private PulseAudio had ended ({died}):\n{''.join(self._log[-30:])}")

    def control(self, *arguments: str) -> str:
        """Run `pactl` with these arguments and return what it prints."""
        return self._run("pactl", *arguments)

    def drop(self, *kinds: str) -> None:
        """Cut off everybody who plays or records, as when the way to the server breaks down; the server goes on.

        Args:
            kinds: `"sink-input"` for those who play, `"source-output"` for those who record. There is one of each, or
                soon will be.
        """
        # Who is just opening again what had broken down before is not there yet, or not any more.
        while "No client found" in self._tell([f"kill-client {number}" for number in self._clients(kinds)]):
            pass

    def end_streams(self, kind: str) -> None:
        """End the streams alone. ALSA's plug-in often makes new ones by itself, and then nobody hears of it.

        Args:
            kind: As for `drop`.
        """
        lines = self.control("list", "short", f"{kind}s").splitlines()
        self._tell([f"kill-{kind} {line.split()[0]}" for line in lines])

    def play(self, pcm: Int16, sink: str = "mic") -> None:
        """Play 48 kHz mono into a sink; returns when the last sample was heard."""
        self._run("pacat", "--playback", f"--device={sink}", *_RAW, data=pcm.tobytes())

    @contextlib.contextmanager
    def recording(self, source: str = "spk.monitor") -> Iterator[Recording]:
        """Record a source during the block."""
        recording = Recording()
        command = [which("pacat"), "--record", f"--device={source}", "--latency-msec=20", *_RAW]
        with tempfile.TemporaryFile() as file:
            with subprocess.Popen(command, env=self._env(), stdout=file, stderr=subprocess.DEVNULL) as recorder:
                try:
                    yield recording
                finally:
                    recorder.terminate()
            file.seek(0)
            data = file.read()
            recording.samples = np.frombuffer(data[: len(data) // 2 * 2], np.int16)

    @contextlib.contextmanager
    def listening(self, source: str = "spk.monitor") -> Iterator[Iterator[Int16]]:
        """What a source delivers from now on, as it comes, in blocks of 100 ms."""
        command = [which("pacat"), "--record", f"--device={source}", "--latency-msec=20", *_RAW]
        with subprocess.Popen(command, env=self._env(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as recorder:
            output = recorder.stdout
            assert output is not None
            try:
                yield (np.frombuffer(data, np.int16) for data in iter(lambda: output.read(RATE // 10 * 2), b""))
            finally:
                recorder.kill()

    @property
    def _socket(self) -> Path:
        return self._folder / "native"

    def _clients(self, kinds: Sequence[str]) -> set[str]:
        while True:
            lists = [self.control("list", "short", f"{kind}s").splitlines() for kind in kinds]
            if all(lists):
                return {line.split()[2] for lines in lists for line in lines}

    def _tell(self, commands: list[str]) -> str:
        """What the server answers, when it has done it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._folder / "cli"))
            connection.sendall("".join(f"{command}\n" for command in commands).encode())
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(4096), b"")).decode()

    def _command(self) -> list[str]:
        # Without norewinds the sinks sleep for up to two seconds, and their monitors are silent as long.
        sink = f"rate={RATE} channels=1 format=s16le norewinds=1"
        # The idle time ends a server that a crashed test process has left behind. Without the option for its limit, a
        # server ends itself when it has had the processor for 70 % of ten seconds, as when streams are killed again and
        # again.
        return [
            *(
                which("pulseaudio"),
                "-n",
                "--daemonize=no",
                "--exit-idle-time=300",
                "--use-pid-file=false",
                "--no-cpu-limit=true",
            ),
            *("--disable-shm=true", "--log-target=stderr", "--log-level=info"),
            *("-L", f"module-native-protocol-unix auth-anonymous=1 socket={self._socket}"),
            *("-L", f"module-cli-protocol-unix socket={self._folder / 'cli'}"),
            *("-L", f"module-null-sink sink_name=spk {sink}"),
            *("-L", f"module-null-sink sink_name=mic {sink}"),
        ]

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.variables()}

    def _run(self, program: str, *arguments: str, data: bytes | None = None) -> str:
        done = subprocess.run(
            [which(program), *arguments], env=self._env(), input=data, capture_output=True, check=False, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._log.append(line)
            if _READY in line:
                self._ready.set()
        self._ready.set()  # it has ended; `start` looks why


@contextlib.contextmanager
def _priority(niceness: int) -> Iterator[None]:
    """That of this thread, and of the threads and processes that it starts; does nothing without the right to it."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _reread_devices() -> None:
    """PortAudio and ALSA read their set-up once, when they are initialised."""
    sounddevice = sys.modules.get("sounddevice")
    if sounddevice is not None:
        sounddevice._terminate()
        sounddevice._initialize()
