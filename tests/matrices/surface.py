"""Everything public that a user can do with a client, a call and the assistant's manager, found by introspection.

A new method or property is in the matrices by itself. Where it needs arguments, or cannot simply be called, it needs a
line in one of the tables below; `test_every_public_method_has_a_recipe` says so.
"""

from __future__ import annotations

import inspect
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import attrs

from telnyx_agent import (
    AIAssistantManager,
    Call,
    CallState,
    LogLevel,
    SessionRecording,
    TranscriptionItem,
    TxClient,
    TxConfig,
    TxError,
    WidgetSettings,
)
from telnyx_agent.audio import AudioDevice, NullAudio
from telnyx_agent.config import TxServerConfiguration

__all__ = ["CREDENTIALS", "ELSEWHERE", "ENDING", "RECIPES", "SURFACE", "SURPRISES", "Bench", "Member", "Report"]

CLASSES: Mapping[str, type] = {"TxClient": TxClient, "Call": Call, "AIAssistantManager": AIAssistantManager}

SHORT = 0.02
"""Seconds that a waiter is given in a matrix: they are called to see that they come back."""

LIMIT = 8.0
"""Seconds after which a method that should return at once, or a future, hangs; the machine may be busy."""


@attrs.define
class Bench:
    """What the methods are called on."""

    client: TxClient
    call: Call
    server_configuration: TxServerConfiguration
    folder: Path
    make_device: Callable[[], AudioDevice] = NullAudio
    further_calls: list[Call] = attrs.field(factory=list)
    recordings: list[SessionRecording] = attrs.field(factory=list)

    def owner(self, class_name: str) -> Any:
        """The object whose methods are meant."""
        return {"TxClient": self.client, "Call": self.call, "AIAssistantManager": self.client.ai_assistant_manager}[
            class_name
        ]


@attrs.frozen
class Member:
    """A public method or property.

    Attributes:
        name: With its class, such as `"Call.hangup"`; a property that can be set is there twice, once with `"="`.
        attribute: Without.
        kind: `"method"`, `"property"` or `"setter"`.
        required: The names of the parameters of a method that have no default.
        takes_timeout: Whether it has a parameter `timeout`.
    """

    name: str
    attribute: str
    kind: str
    required: tuple[str, ...] = ()
    takes_timeout: bool = False


def _members(class_name: str, cls: type) -> list[Member]:
    found = []
    for attribute in sorted(dir(cls)):
        value = inspect.getattr_static(cls, attribute)
        if attribute.startswith("_"):
            continue
        name = f"{class_name}.{attribute}"
        if isinstance(value, property):
            found.append(Member(name, attribute, "property"))
            if value.fset is not None:
                found.append(Member(f"{name}=", attribute, "setter", required=("value",)))
        elif callable(value):
            parameters = list(inspect.signature(value).parameters.values())[1:]
            required = tuple(
                p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            )
            takes_timeout = any(p.name == "timeout" for p in parameters)
            found.append(Member(name, attribute, "method", required, takes_timeout))
        else:
            # Another kind of descriptor: it is read as a property is.
            found.append(Member(name, attribute, "property"))
    return found


SURFACE: tuple[Member, ...] = tuple(member for name, cls in CLASSES.items() for member in _members(name, cls))
"""Every public method and property; a compat layer's further spellings are not in it."""

_PCM = bytes(9600)
CREDENTIALS = TxConfig(sip_user="alice", password="a-password-of-alice")


def _tool(query: str) -> str:
    """Looks something up."""
    return query


def _item() -> TranscriptionItem:
    return TranscriptionItem(id=str(uuid.uuid4()), role="user", content="from elsewhere")


Recipe = Callable[[Bench], tuple[tuple[Any, ...], dict[str, Any]]]
"""From what is there to the arguments: positional, by keyword. For a setter, the value is the one argument."""


def args(*positional: Any, **keywords: Any) -> Recipe:
    """Always the same arguments."""
    return lambda bench: (positional, keywords)


RECIPES: Mapping[str, Recipe] = {
    "TxClient.anonymous_login": lambda bench: (
        ("assistant-2",),
        {"server_configuration": bench.server_configuration},
    ),
    "TxClient.add_tool": args(_tool, name="lookup"),
    "TxClient.call_soon": args(lambda: None),
    "TxClient.connect": lambda bench: ((CREDENTIALS, bench.server_configuration), {}),
    "TxClient.delegate=": lambda bench: ((bench.client.delegate,), {}),
    "TxClient.get_call": lambda bench: ((bench.call.call_id,), {}),
    "TxClient.new_call": lambda bench: ((), {"destination_number": "second", "audio": NullAudio()}),
    "TxClient.process_events": args(SHORT),
    "TxClient.record_session": lambda bench: ((bench.folder / f"{uuid.uuid4()}.ndjson",), {}),
    "TxClient.remove_tool": args("lookup"),
    "TxClient.send_ai_assistant_message": args("a typed question"),
    "TxClient.set_log_level": args(LogLevel.NONE),
    "TxClient.set_logger": args(None),
    "TxClient.tool": args(_tool, name="search"),
    "Call.ask": args("a question", SHORT),
    "Call.dtmf": args("1"),
    "Call.on_call_quality_change=": args(lambda metrics: None),
    "Call.on_audio_level=": args(lambda inbound, outbound: None),
    "Call.on_state_changed=": args(lambda state: None),
    "Call.play": args(_PCM),
    "Call.record": lambda bench: ((bench.folder / f"{uuid.uuid4()}.wav",), {}),
    "Call.set_audio_device": lambda bench: ((bench.make_device(),), {}),
    "Call.set_audio_in_device": args(None),
    "Call.set_audio_out_device": args(None),
    "Call.wait_for_state": args(CallState.HELD, SHORT),
    "AIAssistantManager.delegate=": lambda bench: ((bench.client.ai_assistant_manager.delegate,), {}),
    "AIAssistantManager.add_transcription": lambda bench: ((_item(),), {}),
    "AIAssistantManager.answers_unknown_tools=": args(True),
    "AIAssistantManager.clear_transcriptions_by_role": args("user"),
    "AIAssistantManager.get_transcriptions_by_role": args("user"),
    "AIAssistantManager.send_ai_assistant_message": args("another typed question"),
    "AIAssistantManager.send_function_call_output": args("call-1", "{}"),
    "AIAssistantManager.subscribe_to_transcript_deltas": args(lambda item, delta: None),
    "AIAssistantManager.subscribe_to_transcript_item_updates": args(lambda item: None),
    "AIAssistantManager.subscribe_to_transcript_updates": args(lambda items: None),
    "AIAssistantManager.update_widget_settings": lambda bench: ((WidgetSettings(),), {}),
    "AIAssistantManager.wait_for_agent_state": args(None, SHORT),
}
"""The arguments of what cannot be called without. `timeout` is filled in where there is such a parameter."""

ENDING = ("Call.hangup", "Call.reject", "TxClient.disconnect")
"""What ends the call or the session: they come alone, after all others were called."""

ELSEWHERE: Mapping[str, str] = {
    "Call.ice_restart": "it makes the connection anew; tests/client/test_reconnect.py",
}
"""What is not called in the matrix, and why."""

SURPRISES: Mapping[str, tuple[type[Exception], ...]] = {}
"""Exceptions of a method that are not a `TxError`, and are right nevertheless."""


@attrs.frozen
class Report:
    """What became of one call of one method.

    Attributes:
        member: Which.
        problem: What was wrong; None if nothing was.
    """

    member: str
    problem: str | None


def _use(member: Member, bench: Bench) -> Any:
    owner = bench.owner(member.name.split(".")[0])
    positional, keywords = RECIPES[member.name](bench) if member.name in RECIPES else ((), {})
    if member.kind == "property":
        return getattr(owner, member.attribute)
    if member.kind == "setter":
        return setattr(owner, member.attribute, *positional)
    if member.takes_timeout and "timeout" not in keywords and not positional:
        keywords = {**keywords, "timeout": SHORT}
    result = getattr(owner, member.attribute)(*positional, **keywords)
    if isinstance(result, Call) and result is not bench.call:
        bench.further_calls.append(result)
    if isinstance(result, SessionRecording):
        bench.recordings.append(result)
    return result


def use(member: Member, bench: Bench) -> Report | tuple[Member, Future[Any]]:
    """Call it, or read it, or set it. Its future, if it returned one, is still to be looked at by `settled`."""
    begin = time.monotonic()
    try:
        result = _use(member, bench)
    except Exception as exc:  # noqa: BLE001 - whatever it is, it belongs into the report
        expected = member.kind == "method" and isinstance(exc, (TxError, *SURPRISES.get(member.name, ())))
        if not expected:
            return Report(member.name, f"raised {type(exc).__name__}: {exc}")
        result = None
    taken = time.monotonic() - begin
    if taken > LIMIT:
        return Report(member.name, f"came back after {taken:.1f} s only")
    return (member, result) if isinstance(result, Future) else Report(member.name, None)


def settled(member: Member, future: Future[Any]) -> Report:
    """Wait for the outcome of a command: in time, and with a `TxError` if with any."""
    try:
        error = future.exception(LIMIT)
    except Exception as exc:  # noqa: BLE001 - a time-out, most likely
        return Report(member.name, f"its future did not settle within {LIMIT:g} s: {exc}")
    if error is not None and not isinstance(error, TxError):
        return Report(member.name, f"its future has {type(error).__name__}: {error}")
    return Report(member.name, None)


def use_all(bench: Bench, *, together: bool = False) -> list[Report]:
    """Use everything that does not end the call, one after the other, and wait for every future.

    Args:
        bench: What there is.
        together: Wait for the futures only after everything was called.
    """
    reports, waiting = [], []
    for member in SURFACE:
        if member.name in ENDING or member.name in ELSEWHERE:
            continue
        outcome = use(member, bench)
        if isinstance(outcome, Report):
            reports.append(outcome)
        elif together:
            waiting.append(outcome)
        else:
            reports.append(settled(*outcome))
    reports += [settled(*outcome) for outcome in waiting]
    for call in bench.further_calls:
        call.hangup()
    for recording in bench.recordings:
        recording.stop()
    return reports


def use_one(name: str, bench: Bench) -> list[Report]:
    """Use one member and wait for its future."""
    (member,) = (member for member in SURFACE if member.name == name)
    outcome = use(member, bench)
    return [outcome if isinstance(outcome, Report) else settled(*outcome)]
