"""Every argument of everything public is looked at when it is given: it is taken, or refused by its name."""

from __future__ import annotations

import enum
import functools
import inspect
import math
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from telnyx_agent import (
    AgentState,
    AIAssistantManager,
    AudioVisualizerConfig,
    Call,
    CallState,
    ClientConfigurationError,
    IceServer,
    LocalProtocolError,
    SessionRecording,
    TranscriptionItem,
    TxClient,
    TxConfig,
    TxError,
    TxServerConfiguration,
    WidgetSettings,
)
from telnyx_agent._arguments import MESSAGE_LIMIT, check_argument, plain
from telnyx_agent._checks import encoded_client_state
from telnyx_agent.audio import AudioConstraints, NullAudio
from telnyx_agent.codecs import OpusSettings, TxCodecCapability
from telnyx_agent.testing import LocalAgent, Scenario

WRONG: tuple[Any, ...] = (None, "x", b"x", 7, -1, math.nan, object(), [], {}, ["x"], True)
"""What is given for each argument in turn; for some of them one or the other is right."""

PATIENCE = 20.0


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of what is given is the name of a file, which is written."""
    monkeypatch.chdir(tmp_path)


CLASSES: Mapping[str, type] = {"TxClient": TxClient, "Call": Call, "AIAssistantManager": AIAssistantManager}

ELSEWHERE = {
    "Call.hangup": "it ends the call",
    "Call.ice_restart": "it takes no argument, and makes the connection anew",
    "Call.play": "tests/media/test_player.py",
    "Call.reject": "it ends the call",
    "TxClient.disconnect": "it takes no argument, and ends the session",
    "TxClient.process_events": "for clients whose callbacks are pumped",
}

WAITS = frozenset({"timeout"})
"""Arguments for which a right value would make the test wait."""


def right(folder: Path, configuration: TxServerConfiguration) -> dict[str, dict[str, Any]]:
    """The other arguments of each method that needs some."""
    return {
        "add_tool": {"function": lambda q: q, "name": "n"},
        "add_transcription": {"item": TranscriptionItem("i", "user", "x")},
        "anonymous_login": {"target_id": "a", "server_configuration": configuration},
        "ask": {"text": "q", "timeout": 0.01},
        "call_soon": {"function": lambda: None},
        "clear_transcriptions_by_role": {"role": "user"},
        "connect": {
            "tx_config": TxConfig(sip_user="a", password="b"),
            "server_configuration": configuration,
        },
        "dtmf": {"digits": "1"},
        "get_call": {"call_id": str(uuid.uuid4())},
        "get_transcriptions_by_role": {"role": "user"},
        "new_call": {"destination_number": "x", "audio": NullAudio()},
        "record": {"path": str(folder / "call.wav")},
        "record_session": {"path": str(folder / "session.ndjson")},
        "remove_tool": {"name": "n"},
        "send_ai_assistant_message": {"message": "hi"},
        "send_function_call_output": {"call_id": "c", "output": "{}"},
        "set_audio_device": {"device": NullAudio()},
        "set_audio_in_device": {"device": None},
        "set_audio_out_device": {"device": None},
        "set_log_level": {"level": 0},
        "set_logger": {"logger": None},
        "subscribe_to_transcript_deltas": {"handler": lambda item, delta: None},
        "subscribe_to_transcript_item_updates": {"handler": lambda item: None},
        "subscribe_to_transcript_updates": {"handler": lambda items: None},
        "update_credentials": {"token": "x"},
        "update_widget_settings": {"settings": WidgetSettings()},
        "wait_for_agent_state": {"state": AgentState.IDLE, "timeout": 0.01},
        "wait_for_state": {"state": CallState.HELD, "timeout": 0.01},
    }


def problem(argument: str, attempt: Callable[[], Any]) -> tuple[str | None, Any]:
    """What is wrong with how an argument was taken or refused, and what came of it."""
    try:
        result = attempt()
        if isinstance(result, Future):
            error = result.exception(PATIENCE)
            if error is not None and not isinstance(error, TxError):
                return f"its future has {type(error).__name__}: {error}", result
    except ClientConfigurationError as exc:
        return (None if argument in str(exc) or "image" in argument else f"does not name it: {exc}"), exc
    except TxError:
        return None, None
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is the finding
        return f"{type(exc).__name__}: {exc}", None
    return None, result


@pytest.fixture
def agent() -> Iterator[LocalAgent]:
    """Text only."""
    with LocalAgent(voice="silent", ears="deaf", greeting="", scenario=Scenario.fast(), media=False) as agent:
        yield agent


@pytest.mark.parametrize("class_name", CLASSES)
def test_arguments_of_methods(class_name: str, client: TxClient, agent: LocalAgent, tmp_path: Path) -> None:
    """Of client, call and assistant's manager, in the middle of a call."""
    client.anonymous_login("a", server_configuration=agent.configuration).result(PATIENCE)
    call = client.new_call()
    call.wait_until_active(PATIENCE)
    other = TxClient()
    owner = {"TxClient": client, "Call": call, "AIAssistantManager": client.ai_assistant_manager}[class_name]
    found: list[str] = []
    for attribute in sorted(dir(CLASSES[class_name])):
        member = inspect.getattr_static(CLASSES[class_name], attribute)
        if attribute.startswith("_") or f"{class_name}.{attribute}" in ELSEWHERE:
            continue
        if isinstance(member, property) and member.fset is not None:
            before = getattr(owner, attribute)
            for wrong in WRONG:
                said, _ = problem(attribute, functools.partial(setattr, owner, attribute, wrong))
                found += [] if said is None else [f"{attribute} = {wrong!r}: {said}"]
                setattr(owner, attribute, before)
        if isinstance(member, property) or not callable(member):
            continue
        target = other if attribute in ("anonymous_login", "connect") else owner
        for parameter in list(inspect.signature(member).parameters.values())[1:]:
            for wrong in WRONG:
                if parameter.name == "server_configuration" and wrong is None:
                    continue  # Telnyx's
                if parameter.name in WAITS and (wrong is None or wrong == 7 or wrong is True):
                    continue
                given = {**right(tmp_path, agent.configuration).get(attribute, {}), parameter.name: wrong}
                args = (given.pop(parameter.name),) if parameter.kind is parameter.POSITIONAL_ONLY else ()

                method = functools.partial(getattr(target, attribute), *args, **given)

                said, result = problem(parameter.name, method)
                found += [] if said is None else [f"{attribute}({parameter.name}={wrong!r}): {said}"]
                if isinstance(result, Call):
                    result.hangup()
                elif isinstance(result, SessionRecording):
                    result.stop()
                if target is other:
                    other.disconnect().result(PATIENCE)
        if attribute == "record":
            call.stop_recording()
    assert not found, "\n" + "\n".join(found)


RIGHT_VALUES: Mapping[type, Mapping[str, Any]] = {
    TxCodecCapability: {"mime_type": "audio/x", "clock_rate": 8000},
    IceServer: {"urls": "stun:127.0.0.1:9"},
    TranscriptionItem: {"id": "i", "role": "user", "content": "x"},
}


@pytest.mark.parametrize(
    "kind",
    [
        TxClient,
        TxServerConfiguration,
        TxConfig,
        IceServer,
        OpusSettings,
        AudioConstraints,
        TxCodecCapability,
        AudioVisualizerConfig,
        TranscriptionItem,
        WidgetSettings,
    ],
)
def test_arguments_of_values(kind: type) -> None:
    """Of the client and of all configuration, when it is made."""
    found = []
    for name in inspect.signature(kind).parameters:
        for wrong in WRONG:
            given = {**RIGHT_VALUES.get(kind, {}), name: wrong}
            said, _ = problem(name, functools.partial(kind, **given))
            # Of a URL, the text is about the URL.
            if said is not None and not (isinstance(wrong, (str, list)) and "URL" in said):
                found.append(f"{name}={wrong!r}: {said}")
    assert not found, "\n" + "\n".join(found)


def test_the_rows_of_the_faults(client: TxClient, agent: LocalAgent) -> None:
    """As they were found."""
    with pytest.raises(
        ClientConfigurationError, match=r"server_configuration must be a TxServerConfiguration\(.*not str"
    ):
        TxClient().anonymous_login("a", server_configuration="ws://localhost")  # type: ignore[arg-type]
    client.anonymous_login("a", server_configuration=agent.configuration)
    call = client.new_call()
    call.wait_until_active(PATIENCE)
    with pytest.raises(ClientConfigurationError, match=r"state must be a CallState, such as CallState.ACTIVE.*not str"):
        call.wait_for_state("active")  # type: ignore[arg-type]
    with pytest.raises(ClientConfigurationError, match="message must be a text, not None"):
        client.send_ai_assistant_message(None)  # type: ignore[arg-type]
    with pytest.raises(ClientConfigurationError, match="timeout must be 0 or more seconds, or None, not nan"):
        call.wait_until_active(math.nan)
    with pytest.raises(ClientConfigurationError, match="allow_insecure must be True or False, not str"):
        TxServerConfiguration("ws://example.com", allow_insecure="no")  # type: ignore[arg-type]
    with pytest.raises(ClientConfigurationError, match=r"item.id must be a text, not list"):
        client.ai_assistant_manager.add_transcription(TranscriptionItem([], "user", "x"))  # type: ignore[arg-type]
    assert not [frame for frame in agent.frames if frame.method == "ai_conversation" and frame.direction == "received"]
    with pytest.raises(LocalProtocolError):
        client.anonymous_login("a", server_configuration=agent.configuration)


def of_the_programs(base: type, ran: set[str]) -> type:
    """A subclass whose every method notes where it runs."""

    def noting(name: str) -> Callable[..., Any]:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            ran.add(threading.current_thread().name)
            return getattr(base, name)(self, *args, **kwargs)

        return method

    kept = {"__new__", "__init__", "__class__", "__doc__", "__getattribute__", "__init_subclass__", "__subclasshook__"}
    methods = {name for name in dir(base) if name not in kept and inspect.isroutine(getattr(base, name))}
    methods -= {name for name in methods if isinstance(inspect.getattr_static(base, name), (classmethod, staticmethod))}
    return type(f"Odd{base.__name__}", (base,), {name: noting(name) for name in methods})


def test_values_of_classes_of_the_programs(agent: LocalAgent) -> None:
    """Texts, numbers and dictionaries of subclasses are taken; what their classes do never runs on the SDK's threads,
    and the server gets what they are.
    """
    ran: set[str] = set()
    text, number, real, mapping, several = (of_the_programs(kind, ran) for kind in (str, int, float, dict, list))
    local = agent.configuration
    assert type(IceServer(several([text("stun:127.0.0.1:9")]), text("u")).urls[0]) is str
    configuration = TxServerConfiguration(text(local.signaling_server), several(), region=text("auto"), proxy=text(""))
    with TxClient(audio=NullAudio(), reconnect_timeout=real(30), switch_interval=real(0.001)) as client:
        client.anonymous_login(
            text("a"),
            target_version_id=text("v"),
            user_variables=mapping({text("k"): mapping(v=several([number(1), real(2.5), text("x")]))}),
            server_configuration=configuration,
            conversation_id=text("c"),
        ).result(PATIENCE)
        client.add_tool(lambda: mapping(a=number(1)), name=text("tool"), timeout=real(9))
        with client.new_call(
            text("name"),
            call_id=text(uuid.uuid4()),
            client_state=text("state"),
            custom_headers=mapping({text("X-A"): text("a")}),
            dynamic_variables=mapping({text("b"): number(1)}),
            preferred_codecs=several(
                [TxCodecCapability(text("audio/PCMU"), number(8000)), {"mimeType": text("audio/opus")}]
            ),
            invite_timeout=real(20),
            quality_interval=real(0.5),
        ) as call:
            call.wait_until_active(PATIENCE)
            client.send_ai_assistant_message(text("hello"), [text("https://a.test/b.png")]).result(PATIENCE)
            client.ai_assistant_manager.add_transcription(
                TranscriptionItem(text("i"), text("user"), text("x"))
            ).result()
            agent.call_function("tool", {})
            agent.wait_for_frame("ai_conversation", predicate=lambda frame: "function_call_output" in str(frame))
            client.ai_assistant_manager.send_function_call_output(text("c"), text("o")).result(PATIENCE)
            call.dtmf(text("12"), gap=real(0.05)).result(PATIENCE)
            call.hangup(text("NORMAL_CLEARING"), number(16), mapping({text("X-B"): text("b")})).result(PATIENCE)
    (login,) = (frame for frame in agent.frames if frame.method == "anonymous_login")
    assert login.message["params"]["userVariables"] == {"k": {"v": [1, 2.5, "x"]}}
    assert "MainThread" in ran
    assert not {name for name in ran if name.startswith("telnyx-agent-") and name != "telnyx-agent-tool"}


def test_what_is_too_long_to_be_sent(client: TxClient, agent: LocalAgent) -> None:
    """Said at the call, before the connection is given up because of it."""
    client.anonymous_login("a", server_configuration=agent.configuration).result(PATIENCE)
    manager = client.ai_assistant_manager
    long = "x" * (MESSAGE_LIMIT + 1)
    attempts: Mapping[str, Callable[[], object]] = {
        "target_id": lambda: TxClient().anonymous_login(long),
        "user_variables": lambda: TxClient().anonymous_login("a", user_variables={"a": long}),
        "password": lambda: TxConfig(sip_user="a", password=long),
        "caller_name": lambda: client.new_call(long),
        "client_state": lambda: client.new_call(client_state=long),
        "custom_headers": lambda: client.new_call(custom_headers={"X-A": long[1:], "X-B": "x"}),
        "preferred_codecs": lambda: client.new_call(preferred_codecs=[{"mimeType": "audio/opus", "a": long}]),
        "call_id": lambda: manager.send_function_call_output(long, ""),
        "output": lambda: manager.send_function_call_output("c", long),
    }
    for name, attempt in attempts.items():
        with pytest.raises(ClientConfigurationError, match=f"^{name} .*characters, more than the limit of 4,194,304"):
            attempt()
    assert client.is_registered


def test_what_cannot_be_expressed() -> None:
    """Deeper than JSON goes, containing itself, half a character."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    around: dict[str, Any] = {}
    around["a"] = around
    values: tuple[Any, ...] = ({"a": deep}, around, {1: "a"}, {"a": math.inf}, {"a": object()})
    for value in values:
        with pytest.raises(ClientConfigurationError, match=r"^user_variables must"):
            TxClient().anonymous_login("a", user_variables=value)
    with pytest.raises(ClientConfigurationError, match=r"^client_state cannot be sent: surrogates.*give bytes"):
        encoded_client_state("\ud800")
    for wrong in (mock.Mock(spec=str), mock.MagicMock(spec=str)):
        with pytest.raises(ClientConfigurationError, match=r"^target_id must be a text"):
            TxClient().anonymous_login(wrong)


def test_user_variables_are_copied(agent: LocalAgent) -> None:
    """The program may change its own while the login is under way, or before the next one of the same session."""
    variables: dict[str, Any] = {"a": [1]}
    with TxClient() as client:
        login = client.anonymous_login("a", user_variables=variables, server_configuration=agent.configuration)
        variables["a"].append(variables)
        login.result(PATIENCE)


def test_what_a_refusal_says() -> None:
    """Never the value of a text or an object: it may be a secret, or what was said."""
    with pytest.raises(ClientConfigurationError) as caught:
        check_argument("port", "canary", "int | None")
    assert str(caught.value) == "port must be a whole number, or None, not str"
    secret: Any = 4711
    for attempt in (lambda: TxConfig(password=secret), lambda: IceServer("stun:127.0.0.1:9", "u", secret)):
        with pytest.raises(ClientConfigurationError) as caught:
            attempt()
        assert "4711" not in str(caught.value)
    check_argument("port", None, "int | None")
    check_argument("anything", object(), "Whatever")


def test_our_own_enums_stay_what_they_are() -> None:
    """Members are compared by identity; one of the program's own enums is a plain text."""

    class Theirs(str, enum.Enum):
        IDLE = "idle"

    assert plain(AgentState.IDLE) is AgentState.IDLE
    assert type(plain(Theirs.IDLE)) is str
    TxClient().ai_assistant_manager.wait_for_agent_state(AgentState.IDLE, 0)
