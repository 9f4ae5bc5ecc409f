"""The closing lines of `demo`: how the call went, in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .reporters import is_typed

if TYPE_CHECKING:
    from .._media.stats import MediaStats
    from .._protocol.conversation.transcription import TranscriptionItem
    from .console import Console
    from .live_call import LiveCall

__all__ = ["print_files", "print_summary", "spoken_by_user"]

_NOT_AVAILABLE = "n/a"


def print_summary(console: Console, live: LiveCall) -> None:
    """Print set-up time, quality and turns of a call that is over."""
    console.result()
    console.result("Summary", strong=True)
    for name, value in (*_set_up(live), *_quality(live.stats), *_turns(live)):
        console.result(f"  {name:<12} {value}")


def print_files(console: Console, files: Iterable[tuple[Path, str]]) -> None:
    """Print which files were written, and what is in them."""
    for number, (path, content) in enumerate(files):
        console.result(f"  {'files' if number == 0 else '':<12} {path}  ({content})")


def spoken_by_user(items: Sequence[TranscriptionItem]) -> list[str]:
    """What the agent understood of what the caller said aloud."""
    return [item.content for item in items if item.role == "user" and not is_typed(item)]


def _set_up(live: LiveCall) -> list[tuple[str, str]]:
    call = live.call
    answered = _seconds(None if call is None else call.setup_time)
    audible = _seconds(None if call is None else call.media_setup_time)
    return [
        ("set-up", f"{answered} from new_call() to ACTIVE, {audible} until audio could flow"),
        ("duration", _seconds(live.duration, digits=1)),
    ]


def _quality(stats: MediaStats | None) -> list[tuple[str, str]]:
    if stats is None:
        return [("quality", _NOT_AVAILABLE)]
    expected = stats.packets_received + stats.packets_lost
    loss = f"{100 * stats.packets_lost / expected:.1f} %" if expected else _NOT_AVAILABLE
    return [
        ("codec", stats.codec or _NOT_AVAILABLE),
        ("packets", f"{stats.packets_sent} sent, {stats.packets_received} received"),
        ("loss", f"{stats.packets_lost} packets ({loss})"),
        ("jitter", _milliseconds(stats.jitter)),
        ("rtt", _milliseconds(stats.rtt)),
        ("MOS", _NOT_AVAILABLE if stats.mos is None else f"{stats.mos:.2f}"),
    ]


def _turns(live: LiveCall) -> list[tuple[str, str]]:
    items = live.client.transcript
    said = len(spoken_by_user(items))
    typed = sum(item.role == "user" for item in items) - said
    answers = sum(item.role == "assistant" for item in items)
    return [("turns", f"{said + typed} of yours ({said} spoken, {typed} typed), {answers} of the agent")]


def _seconds(value: float | None, digits: int = 2) -> str:
    return _NOT_AVAILABLE if value is None else f"{value:.{digits}f} s"


def _milliseconds(value: float | None) -> str:
    return _NOT_AVAILABLE if value is None else f"{1000 * value:.1f} ms"
