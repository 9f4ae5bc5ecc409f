"""`Backpressure` and `Inflow`: what waits is counted, the reader is held back, and the loop works on a little at a
time.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from telnyx_agent._net import backpressure
from telnyx_agent._net.backpressure import CALLBACK_WEIGHT, ITEM_WEIGHT, Backpressure, Inflow
from telnyx_agent._runtime.dispatch import Dispatcher, ExecutorDispatcher, PumpDispatcher, ThreadDispatcher


class SlowLoop:
    """A loop that runs what was posted when it is told to."""

    def __init__(self) -> None:
        self.posted: queue.Queue[tuple[Callable[..., None], tuple[Any, ...]]] = queue.Queue()
        self.has_ended = False

    def post(self, fn: Callable[..., None], *args: Any) -> None:
        if self.has_ended:
            raise RuntimeError("the loop has ended")
        self.posted.put((fn, args))

    def run_one(self) -> None:
        fn, args = self.posted.get(timeout=5)
        fn(*args)

    def run_all(self) -> int:
        turns = 0
        while not self.posted.empty():
            self.run_one()
            turns += 1
        return turns


def test_a_pause_is_called_back_once() -> None:
    """What it says is what happens: True where `go_on` will be called, False where there is room."""
    waiting = [1, 2, 3]
    pressure = Backpressure(lambda: len(waiting), 2 * CALLBACK_WEIGHT)
    told: list[str] = []
    assert pressure.has_too_many_callbacks is True
    assert pressure.is_awaited is False
    assert pressure.pause(lambda: told.append("now")) is True
    assert pressure.is_awaited is True
    ended = lambda: told.append("ended")  # noqa: E731 - its identity counts
    assert pressure.pause(ended) is True
    assert pressure.end_pause(ended) is True
    assert pressure.end_pause(ended) is False
    while waiting:
        waiting.pop()
        pressure.room_made(0)
    assert told == ["now"]
    assert pressure.is_awaited is False
    assert pressure.has_too_many_callbacks is False
    assert pressure.pause(lambda: told.append("late")) is False
    assert pressure.is_awaited is False


def test_a_callback_keeps_the_message_that_caused_it() -> None:
    """An ordinary one is a part of what each callback counts for; a longer one is counted until the callback begins."""
    pressure = Backpressure(lambda: 0)
    pressure.message_weight = CALLBACK_WEIGHT // 2
    assert (pressure.keep_message(), pressure.waiting) == (0, 0)
    pressure.message_weight = 1_000_000
    weights = [pressure.keep_message() for _ in range(3)]
    assert (weights, pressure.waiting) == ([1_000_000] * 3, 3_000_000)
    for weight in weights:
        pressure.room_made(weight)
    assert pressure.waiting == 0


def wait_for(condition: Callable[[], bool]) -> None:
    """For what another thread does."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_what_counts_to_the_byte() -> None:
    """Up to the limit there is room; callbacks count alike on both sides."""
    assert (backpressure.CALLBACK_WEIGHT, backpressure.ITEM_WEIGHT) == (4096, 512)
    assert (backpressure.TOGETHER, backpressure.SLICE) == (16, 0.005)
    callbacks = 1
    pressure = Backpressure(lambda: callbacks, 10_000)
    pressure.add_messages(10_000 - 4096)
    assert (pressure.waiting, pressure.is_full, pressure.has_too_many_callbacks) == (10_000, False, False)
    pressure.add_messages(1)
    assert (pressure.waiting, pressure.is_full, pressure.has_too_many_callbacks) == (10_001, True, False)
    pressure.take_messages(10_001 - 4096)
    callbacks = 2
    pressure.message_weight = 2049
    assert pressure.keep_message() == 2049
    assert (pressure.waiting, pressure.is_full, pressure.has_too_many_callbacks) == (10_241, True, True)
    pressure.room_made(2049)
    assert (pressure.waiting, pressure.is_full, pressure.has_too_many_callbacks) == (8192, False, False)
    pressure.message_weight = 2048
    assert pressure.keep_message() == 0
    assert Backpressure().waiting == 0
    assert Backpressure(lambda: 2048).is_full is False  # 8 MiB
    assert Backpressure(lambda: 2049).is_full is True


def test_a_reader_that_waits_is_known() -> None:
    """Callbacks tell of the room that they make only where somebody waits for it."""
    callbacks = 2
    pressure = Backpressure(lambda: callbacks, CALLBACK_WEIGHT)
    reader = threading.Thread(target=pressure.wait_for_room, args=(lambda: False,))
    reader.start()
    wait_for(lambda: pressure.is_awaited)
    pressure.room_made(0)
    reader.join(0.05)
    assert reader.is_alive()
    callbacks = 1
    pressure.room_made(0)
    reader.join(5)
    assert not reader.is_alive()
    assert pressure.is_awaited is False
    callbacks = 2
    is_stopped = False
    reader = threading.Thread(target=pressure.wait_for_room, args=(lambda: is_stopped,))
    reader.start()
    wait_for(lambda: pressure.is_awaited)
    is_stopped = True
    pressure.wake()
    reader.join(5)
    assert not reader.is_alive()
    assert pressure.is_awaited is False


def test_one_of_two_pauses_ends() -> None:
    """The other is called when there is room."""
    callbacks = 2
    pressure = Backpressure(lambda: callbacks, CALLBACK_WEIGHT)
    told: list[int] = []
    first, second = (lambda: told.append(1)), (lambda: told.append(2))
    assert pressure.pause(first) is pressure.pause(second) is True
    assert pressure.end_pause(first) is True
    assert pressure.is_awaited is True
    callbacks = 1
    pressure.room_made(0)
    assert (told, pressure.is_awaited) == ([2], False)


def test_the_end_of_a_connection_that_is_paused() -> None:
    """Callbacks that never run do not hold up the end of a connection that we close."""
    loop, callbacks = SlowLoop(), 2
    pressure = Backpressure(lambda: callbacks, CALLBACK_WEIGHT)
    got: list[str] = []
    inflow: Inflow[str] = Inflow(loop.post, lambda text: got.append(text), pressure)
    pressure.wait_for_room = lambda is_stopped: None  # type: ignore[method-assign]
    callbacks = 0
    inflow.deliver(["a", "b"])
    callbacks = 2
    assert loop.run_all() == 1
    assert (got, pressure.is_awaited) == ([], True)
    inflow.finish(lambda: got.append("end"))
    assert loop.run_all() == 0
    inflow.stop(drop=False)
    assert (loop.run_all(), pressure.is_awaited) == (0, True)
    inflow.stop(drop=True)
    assert loop.run_all() == 1
    assert (got, pressure.waiting, pressure.is_awaited) == (["end"], 2 * CALLBACK_WEIGHT, False)
    inflow.stop(drop=True)
    assert loop.run_all() == 0


def test_a_connection_that_is_paused_goes_on() -> None:
    """When the callbacks have room, from the message at which it stopped; every eighth is a place to stop."""
    loop, callbacks = SlowLoop(), 0
    pressure = Backpressure(lambda: callbacks, CALLBACK_WEIGHT)
    got: list[int] = []

    def handle(number: int) -> None:
        nonlocal callbacks
        callbacks += 1
        got.append(number)

    inflow: Inflow[int] = Inflow(loop.post, handle, pressure)
    inflow.deliver(range(20))
    loop.run_all()
    assert got == list(range(8))
    callbacks = 0
    pressure.room_made(0)
    loop.run_all()
    assert got == list(range(16))
    callbacks = 1
    pressure.room_made(0)
    loop.run_all()
    assert got == list(range(20))
    callbacks = 0
    inflow.deliver([20])
    loop.run_all()
    assert got == list(range(21))
    assert pressure.waiting == CALLBACK_WEIGHT


@pytest.fixture
def no_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message has a turn of its own."""
    monkeypatch.setattr(backpressure, "SLICE", 0.0)


def test_a_slow_loop_holds_the_reader_back() -> None:
    """No more is handed over than the limit and one delivery; the rest waits, and comes in order."""
    loop, pressure = SlowLoop(), Backpressure(limit=3 * 700)
    got: list[bytes] = []
    inflow: Inflow[bytes] = Inflow(loop.post, lambda text: got.append(text), pressure)
    delivered: list[bytes] = []
    texts = [bytes([number]) * 60 for number in range(10)]

    def receive() -> None:
        for text in texts:
            inflow.deliver((text,))
            delivered.append(text)

    thread = threading.Thread(target=receive)
    thread.start()
    while len(got) < 10:
        loop.run_one()
        assert len(delivered) <= len(got) + 5
    thread.join(5)
    assert got == texts
    assert pressure.waiting == 0


def test_every_message_has_a_weight() -> None:
    """Empty ones, too: the objects that they are made of fill the memory as well."""
    pressure = Backpressure()
    inflow: Inflow[str] = Inflow(SlowLoop().post, lambda text: None, pressure)
    inflow.deliver([""] * 100)
    assert pressure.waiting >= 100 * ITEM_WEIGHT
    inflow.deliver(["😀" * 1000])
    assert pressure.waiting >= 101 * ITEM_WEIGHT + 4000


def test_the_loop_has_turns_of_its_own_between_messages(no_slices: None) -> None:
    """However many wait, they are worked on in slices, and one turn is under way at a time."""
    loop = SlowLoop()
    got: list[int] = []
    inflow: Inflow[int] = Inflow(loop.post, lambda number: got.append(number), Backpressure())
    for numbers in itertools.batched(range(100), 16) if hasattr(itertools, "batched") else [range(50), range(50, 100)]:
        inflow.deliver(list(numbers))
    assert loop.posted.qsize() == 1
    for count in range(1, 101):
        loop.run_one()
        assert len(got) == count
        assert loop.posted.qsize() == 1
    loop.run_one()
    assert loop.posted.empty()
    assert got == list(range(100))


def test_one_message_in_steps(no_slices: None) -> None:
    """A message may be handled in parts; the next one begins when it is done, and it weighs until then."""
    loop, pressure = SlowLoop(), Backpressure()
    done: list[object] = []

    def handle(text: str) -> Iterator[None] | None:
        def steps() -> Iterator[None]:
            for number in range(3):
                done.append((text, number))
                assert pressure.message_weight > ITEM_WEIGHT
                yield

        return steps() if text == "long" else done.append(text)

    inflow = Inflow(loop.post, handle, pressure)
    inflow.deliver(["long", "short"])
    both = pressure.waiting
    loop.run_one()
    loop.run_one()
    assert done == [("long", 0)]
    assert pressure.waiting == both
    assert loop.run_all() >= 3
    assert done == [("long", 0), ("long", 1), ("long", 2), "short"]
    assert (pressure.waiting, pressure.message_weight) == (0, 0)


@pytest.mark.parametrize("in_steps", [False, True])
def test_messages_behind_one_that_raises_are_handled(in_steps: bool, caplog: pytest.LogCaptureFixture) -> None:
    """In order, and what was raised is in the log."""
    loop, pressure = SlowLoop(), Backpressure()
    got: list[int] = []

    def steps(number: int) -> Iterator[None]:
        yield
        raise RuntimeError("a bug")

    def handle(number: int) -> Iterator[None] | None:
        got.append(number)
        if number == 3 and in_steps:
            return steps(number)
        if number == 3:
            raise RuntimeError("a bug")
        return None

    inflow: Inflow[int] = Inflow(loop.post, handle, pressure)
    inflow.deliver(range(10))
    loop.run_all()
    assert got == list(range(10))
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a bug"]
    assert pressure.waiting == 0


def test_a_stopped_inflow_never_blocks() -> None:
    """After `stop` the reader is free, whatever the loop does; what it would block for is dropped."""
    loop = SlowLoop()
    got: list[str] = []
    inflow: Inflow[str] = Inflow(loop.post, lambda text: got.append(text), Backpressure(limit=100))
    inflow.deliver(("1" * 200,))
    thread = threading.Thread(target=inflow.deliver, args=(("2" * 200,),))
    thread.start()
    inflow.stop(drop=False)
    thread.join(5)
    assert not thread.is_alive()
    loop.run_all()
    inflow.deliver(("3",))
    loop.run_all()
    assert got == ["1" * 200, "3"]


def test_what_waits_is_dropped_when_we_close() -> None:
    """The end comes all the same, as the last thing, and nothing is counted any more."""
    loop, pressure = SlowLoop(), Backpressure()
    got: list[str] = []
    inflow: Inflow[str] = Inflow(loop.post, lambda text: got.append(text), pressure)
    inflow.deliver(["a"] * 1000)
    inflow.stop(drop=True)
    assert pressure.waiting == 0
    inflow.deliver(["late"])
    inflow.finish(lambda: got.append("end"))
    loop.run_all()
    assert got == ["end"]


def test_closing_in_the_middle_of_a_message(no_slices: None) -> None:
    """Its remaining steps are not done."""
    loop, pressure = SlowLoop(), Backpressure()
    done: list[int] = []

    def steps(message: str) -> Iterator[None]:
        for number in range(10):
            done.append(number)
            yield

    inflow = Inflow(loop.post, steps, pressure)
    inflow.deliver(["a", "b"])
    loop.run_one()
    loop.run_one()
    inflow.stop(drop=True)
    inflow.finish(lambda: done.append(99))
    loop.run_all()
    assert done == [0, 1, 99] or done == [0, 99]
    assert pressure.waiting == 0


def test_the_end_comes_after_everything(no_slices: None) -> None:
    """Also where the reader is done long before the loop."""
    loop = SlowLoop()
    got: list[object] = []
    inflow: Inflow[int] = Inflow(loop.post, lambda number: got.append(number), Backpressure())
    inflow.deliver(range(20))
    inflow.finish(lambda: got.append("end"))
    loop.run_all()
    assert got == [*range(20), "end"]


def test_the_end_without_a_message() -> None:
    """A connection that was refused."""
    loop = SlowLoop()
    got: list[str] = []
    inflow: Inflow[int] = Inflow(loop.post, lambda number: None, Backpressure())
    inflow.finish(lambda: got.append("end"))
    loop.run_all()
    assert got == ["end"]


def test_a_loop_that_ends_in_the_middle(no_slices: None) -> None:
    """Nobody is there any more for what waits; that is no error of the loop's."""
    loop = SlowLoop()
    inflow: Inflow[int] = Inflow(loop.post, lambda number: None, Backpressure())
    inflow.deliver(range(5))
    loop.has_ended = True
    loop.run_one()
    another: Inflow[int] = Inflow(loop.post, lambda number: None, Backpressure())
    with pytest.raises(RuntimeError, match="ended"):
        another.deliver([1])


def _thread() -> tuple[Dispatcher, Callable[[], object]]:
    dispatcher = ThreadDispatcher()

    def end() -> None:
        dispatcher.close()
        assert dispatcher.join(5)

    return dispatcher, end


def _pump() -> tuple[Dispatcher, Callable[[], object]]:
    dispatcher = PumpDispatcher()
    return dispatcher, dispatcher.process_events


def _executor() -> tuple[Dispatcher, Callable[[], object]]:
    jobs: list[Callable[[], Any]] = []

    class Later:
        def submit(self, fn: Callable[[], Any]) -> None:
            jobs.append(fn)

    def run() -> None:
        while jobs:
            jobs.pop(0)()

    return ExecutorDispatcher(Later()), run


@pytest.mark.parametrize("make", [_thread, _pump, _executor])
def test_callbacks_that_wait_hold_the_reader_back(make: Callable[[], tuple[Dispatcher, Callable[[], object]]]) -> None:
    """Each counts for the message that has caused it, and for itself, until it begins to run."""
    dispatcher, run = make()
    loop, pressure = SlowLoop(), dispatcher.pressure
    gate, begun = threading.Event(), threading.Event()

    def callback() -> None:
        begun.set()
        gate.wait(5)

    if make is _thread:
        dispatcher.submit(callback)
        assert begun.wait(5)
    inflow: Inflow[str] = Inflow(loop.post, lambda text: dispatcher.submit(lambda: None), pressure)
    text = "x" * 100_000
    delivered = 0

    def receive() -> None:
        nonlocal delivered
        for _ in range(200):
            inflow.deliver([text])
            delivered += 1

    reader = threading.Thread(target=receive)
    reader.start()
    while not pressure.is_full:
        loop.run_one()
    most = backpressure.MOST_WAITING // len(text) + 2
    assert delivered <= most
    assert pressure.waiting < backpressure.MOST_WAITING + 2 * len(text)
    gate.set()
    while reader.is_alive() or not loop.posted.empty():
        if not loop.posted.empty():
            loop.run_one()
        if make is not _thread:
            run()
        reader.join(0.001)
    assert delivered == 200

    def all_have_run() -> bool:
        run()
        return pressure.waiting == 0

    wait_for(all_have_run)


def test_callbacks_without_a_message_have_a_weight() -> None:
    """Such as those of timers."""
    pump = PumpDispatcher()
    for _ in range(3):
        pump.submit(lambda: None)
    assert pump.pressure.waiting == 3 * CALLBACK_WEIGHT
    pump.process_events()
    assert pump.pressure.waiting == 0
