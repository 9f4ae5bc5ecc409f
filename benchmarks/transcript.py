"""What a delta of the transcript costs, from the socket through to the delegate, and whether a long answer stays cheap.

    python -m benchmarks.transcript

One answer of 2,500 to 20,000 deltas comes as fast as the server, a process of its own, can send it over loopback. For
each the delegate gets `on_transcription_updated` on its thread and reads the item's text. "Without the socket" the same
texts are handed to the loop by the benchmark. Wanted: at most 50 us a delta, and as much for the last as for the first.
"""

from __future__ import annotations

import functools
import gc
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence

import attrs

from telnyx_agent import Call, TranscriptionItem, TxClient, TxClientDelegate, TxServerConfiguration
from telnyx_agent._net.backpressure import TOGETHER, Backpressure, Inflow
from telnyx_agent.audio import NullAudio

from ._child import Child
from ._deltas import delta_frame, opening_frame
from ._report import Report, command

LENGTHS = (2_500, 5_000, 10_000, 20_000)
WANTED = 50.0
ROUNDS = 5


@attrs.frozen
class Measured:
    """One answer. Microseconds per delta.

    Attributes:
        wall: From the first callback to the last.
        cpu: Of the whole process, all threads.
        last_tenth: As `wall`, of the last tenth of the deltas.
    """

    wall: float
    cpu: float
    last_tenth: float


class Listener(TxClientDelegate):
    """Counts the deltas that have come through; optionally reads the text each time, as a screen would."""

    def __init__(self) -> None:
        self.reads = False
        self.times: list[float] = []
        self.expected = 0
        self.done = threading.Event()

    def expect(self, deltas: int, *, reads: bool) -> None:
        """Begin again."""
        self.reads = reads
        self.times = []
        self.expected = deltas
        self.done.clear()

    def on_transcription_updated(self, items: Sequence[TranscriptionItem]) -> None:
        if not items:
            return  # it was cleared
        if self.reads:
            len(items[-1].content)
        self.times.append(time.perf_counter())
        if len(self.times) == self.expected:
            self.done.set()


def measure(listener: Listener, deltas: int, send: Callable[[], None], *, reads: bool) -> Measured:
    """Have the deltas sent and wait until the last has come through."""
    gc.collect()
    listener.expect(deltas, reads=reads)
    cpu = time.process_time()
    begin = time.perf_counter()
    send()
    if not listener.done.wait(60):
        raise RuntimeError(f"{len(listener.times)} of {deltas} deltas came through")
    cpu = time.process_time() - cpu
    times = listener.times
    tenth = deltas // 10
    return Measured(
        (times[-1] - begin) / deltas * 1e6, cpu / deltas * 1e6, (times[-1] - times[-1 - tenth]) / tenth * 1e6
    )


def without_socket(client: TxClient, response: str, deltas: int) -> Callable[[], None]:
    """What hands the same texts to the loop, as the connection's reader does."""
    texts = [opening_frame(response), *(delta_frame(response, number) for number in range(deltas))]
    session = client._logins.handle
    assert session.loop is not None
    assert session.driver is not None
    inflow: Inflow[str] = Inflow(session.loop.post, session.driver.message_received, Backpressure(limit=1 << 30))

    def send() -> None:
        for begin in range(0, len(texts), TOGETHER):
            inflow.deliver(texts[begin : begin + TOGETHER])

    return send


def run(quick: bool = False) -> Report:
    """All lengths, both ways, in turns."""
    lengths = (500, 1_000) if quick else LENGTHS
    rounds = 1 if quick else ROUNDS
    listener = Listener()
    server = Child("benchmarks._deltas")
    found: dict[tuple[str, int, bool], list[Measured]] = {}
    try:
        with TxClient(listener, audio=NullAudio()) as client:
            configuration = TxServerConfiguration(server.ask("url"))
            client.anonymous_login("assistant-benchmark", server_configuration=configuration).result(10)
            call = client.new_call()
            call.wait_until_active(15)
            warm_up(listener, client, call)
            for turn in range(rounds):
                for deltas in lengths:
                    for reads in (True, False):
                        name = f"r{turn}-{deltas}-{reads}"
                        server.ask("prepare", name, deltas)
                        measured = measure(listener, deltas, functools.partial(server.ask, "burst"), reads=reads)
                        found.setdefault(("socket", deltas, reads), []).append(measured)
                        send = without_socket(client, name + "-direct", deltas)
                        measured = measure(listener, deltas, send, reads=reads)
                        found.setdefault(("no socket", deltas, reads), []).append(measured)
                        client.ai_assistant_manager.clear_transcriptions().result(5)
    finally:
        server.end()
    return report(found)


def warm_up(listener: Listener, client: TxClient, call: Call) -> None:
    """The first deltas pay for what is done once."""
    measure(listener, 300, without_socket(client, f"warm-up-{call.call_id}", 300), reads=True)


def report(found: dict[tuple[str, int, bool], list[Measured]]) -> Report:
    """Medians."""
    rounds = len(next(iter(found.values())))
    rows: list[tuple[object, ...]] = []
    worst = 0.0
    for (way, deltas, reads), measured in sorted(found.items()):
        wall, cpu, last = (
            statistics.median(getattr(one, name) for one in measured) for name in ("wall", "cpu", "last_tenth")
        )
        worst = max(worst, wall)
        rows.append((way, deltas, "yes" if reads else "no", wall, cpu, last))
    verdict = "met" if worst <= WANTED else "missed"
    return Report(
        name="transcript",
        title="A delta of the transcript, from the socket to the delegate",
        columns=("way", "deltas", "text read", "us per delta", "CPU us per delta", "us, last tenth"),
        rows=rows,
        notes=(
            f"Wanted: at most {WANTED:.0f} us a delta, whatever the length: {verdict}, {worst:.1f} in the slowest row.",
            f"From the first message to the last callback on the delegate's thread; medians of {rounds} rounds.",
        ),
        raw={
            f"{way} {deltas} {reads}": [attrs.asdict(one) for one in many]
            for (way, deltas, reads), many in found.items()
        },
    )


if __name__ == "__main__":
    sys.exit(command(run, __doc__))
