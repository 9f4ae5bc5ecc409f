"""The 13 statements of Telnyx's Flutter page "Anonymous Login for AI Agents", each a test (api_parity.md, a.3).

With Flutter's spellings, `telnyx_agent.compat.TelnyxClient`, in an event loop where the page awaits.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from pathlib import Path

import pytest

from telnyx_agent import (
    AuthenticationError,
    ClientConfigurationError,
    GatewayError,
    LocalProtocolError,
    LogLevel,
    NetworkError,
    TranscriptionItem,
    TxError,
    TxServerConfiguration,
)
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.support.bad_servers import answering_server
from tests.support.seeds import (
    ASSISTANT,
    INVALID,
    NETWORK_FAILURES,
    SEED_VARIABLES,
    flutter_if,
    keywords_in,
    login_params,
    quiet_agent,
    run,
    unreachable,
)

SLOW = ("silent",)
NETWORK_CASES = [pytest.param(kind, marks=[pytest.mark.slow] if kind in SLOW else []) for kind in NETWORK_FAILURES]


def test_f_01_awaited_with_named_parameters(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`Future<void> anonymousLogin({...})`: named parameters, awaited, no value; blocking it is the same."""

    async def main() -> Sequence[object]:
        login = telnyx_client.anonymous_login_async(
            target_id=ASSISTANT,
            target_type="some_type",
            target_version_id="v1.2.0",
            user_variables={"a": "b"},
            reconnection=True,
            log_level=LogLevel.NONE,
            server_configuration=agent.configuration,
        )
        return await asyncio.gather(login)

    assert inspect.iscoroutinefunction(telnyx_client.anonymous_login_async)
    assert run(main) == [None]
    telnyx_client.disconnect().result(5)
    future = telnyx_client.anonymous_login(
        target_id=ASSISTANT,
        target_type="some_type",
        target_version_id="v1.2.0",
        user_variables={"a": "b"},
        reconnection=True,
        log_level=LogLevel.NONE,
        server_configuration=agent.configuration,
    )
    assert future.exception(10) is None
    values: list[object] = [future.result()]
    assert values == [None]
    varying = ("sessid", "User-Agent")
    first, second = ({k: v for k, v in login_params(agent, n).items() if k not in varying} for n in (1, 2))
    assert first == second
    assert first["target_version_id"] == "v1.2.0"


def test_f_02_the_target_id_is_required(telnyx_client: TelnyxClient) -> None:
    """`required String targetId`; a blank one is refused as well, at once."""

    async def without() -> None:
        await telnyx_client.anonymous_login_async()  # type: ignore[call-arg]

    async def blank() -> None:
        await telnyx_client.anonymous_login_async(target_id=" ")

    with pytest.raises(TypeError, match="target_id"):
        run(without)
    with pytest.raises(ClientConfigurationError, match="target_id"):
        run(blank)
    assert not telnyx_client.is_connected()


def test_f_03_the_defaults_of_flutter(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`targetType = 'ai_assistant'`, version and variables null, `reconnection = false`, `LogLevel.none`."""
    parameters = inspect.signature(telnyx_client.anonymous_login).parameters
    assert parameters["log_level"].default is LogLevel.NONE
    for count, variables in ((1, None), (2, {})):

        async def main(variables: dict[str, str] | None = variables) -> None:
            await telnyx_client.anonymous_login_async(
                ASSISTANT, user_variables=variables, server_configuration=agent.configuration
            )

        run(main)
        params = login_params(agent, count)
        assert params["target_type"] == "ai_assistant"
        assert params["reconnection"] is False
        assert "target_version_id" not in params
        assert not params.get("userVariables")
        telnyx_client.disconnect().result(5)


def test_f_04_the_log_level_is_the_sessions(agent: LocalAgent, capfd: pytest.CaptureFixture[str]) -> None:
    """`logLevel: LogLevel.debug`, "Log level for this session": not of other clients, not of the next session."""
    server = agent.configuration
    with TelnyxClient(audio=NullAudio()) as chatty, TelnyxClient(audio=NullAudio()) as silent:
        silent.anonymous_login(ASSISTANT, server_configuration=server).result(10)
        assert capfd.readouterr().err == ""
        chatty.anonymous_login(ASSISTANT, log_level=LogLevel.DEBUG, server_configuration=server).result(10)
        chatty.disconnect().result(5)
        assert "ready" in capfd.readouterr().err
        silent.disconnect().result(5)
        chatty.anonymous_login(ASSISTANT, server_configuration=server).result(10)
        chatty.disconnect().result(5)
    assert capfd.readouterr().err == ""


def test_f_05_connected_after_the_await(telnyx_client: TelnyxClient, delegate: RecordingDelegate) -> None:
    """`await ...anonymousLogin(...); // You are now connected and can make a call to the AI Assistant.`"""
    with quiet_agent(scenario=Scenario(gateway_delay=0.3)) as agent:

        async def main() -> tuple[bool, bool]:
            login = telnyx_client.anonymous_login_async(ASSISTANT, server_configuration=agent.configuration)
            before = telnyx_client.is_ready
            await login
            return before, telnyx_client.is_ready

        assert run(main) == (False, True)
        assert delegate.names.count("on_client_ready") == 1
        with telnyx_client.new_invite() as call:
            call.wait_until_active(15)


def test_f_06_a_failed_login_raises(
    agent: LocalAgent, telnyx_client: TelnyxClient, delegate: RecordingDelegate
) -> None:
    """`catch (e) { print('Login failed: $e'); }`: unlike the real Flutter SDK, a refused login does raise."""

    async def main() -> str:
        try:
            await telnyx_client.anonymous_login_async(target_id=INVALID, server_configuration=agent.configuration)
        except AuthenticationError as e:
            raised.append(e)
            return f"Login failed: {e}"
        return "You are now connected"

    raised: list[TxError] = []
    assert run(main).startswith("Login failed: ")
    assert delegate.calls_of("on_client_error") == [(raised[0],)]


def test_f_07_one_try_block_catches_authentication_errors(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Error Handling: "Always wrap the call in a try-catch block"; the blocking form raises in `.result()`."""
    future = telnyx_client.anonymous_login(INVALID, server_configuration=agent.configuration)  # does not raise itself
    with pytest.raises(AuthenticationError) as caught:
        future.result(10)
    assert caught.value.server_message == "Login Incorrect"
    assert future.exception() is caught.value
    assert not telnyx_client.is_ready


def test_f_08_the_word_authentication(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`e.toString().contains('authentication')` for `targetId: 'invalid_id'`."""

    async def main() -> None:
        await telnyx_client.anonymous_login_async(target_id="invalid_id", server_configuration=agent.configuration)

    with pytest.raises(TxError) as caught:
        run(main)
    assert flutter_if(caught.value) == "Invalid assistant ID or authentication failed"
    assert keywords_in(str(caught.value)) == {"authentication"}


@pytest.mark.parametrize("kind", NETWORK_CASES)
def test_f_09_the_word_network(kind: str, telnyx_client: TelnyxClient, tmp_path: Path) -> None:
    """`e.toString().contains('network')`: no server, no name, no TLS, no answer."""
    with unreachable(kind, tmp_path) as configuration:

        async def main() -> None:
            await telnyx_client.anonymous_login_async(ASSISTANT, server_configuration=configuration)

        with pytest.raises(NetworkError) as caught:
            run(main)
    assert flutter_if(caught.value) == "Network connection failed"
    assert keywords_in(str(caught.value)) == {"network"}


@pytest.mark.slow
def test_f_10_neither_word_in_other_errors(telnyx_client: TelnyxClient) -> None:
    """`print('Unexpected error: $e')`: a failed gateway, a server in trouble (5xx), a wrong argument."""
    with quiet_agent(scenario=Scenario.gateway("FAILED", speed=50)) as agent:
        gateway = telnyx_client.anonymous_login(ASSISTANT, server_configuration=agent.configuration).exception(10)
        telnyx_client.disconnect().result(5)
    with answering_server(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as (port, _):
        configuration = TxServerConfiguration(f"ws://127.0.0.1:{port}")
        trouble = telnyx_client.anonymous_login(ASSISTANT, server_configuration=configuration).exception(30)
    with pytest.raises(ClientConfigurationError) as argument:
        telnyx_client.anonymous_login("")
    assert isinstance(gateway, GatewayError)
    for error in (gateway, trouble, argument.value):
        assert isinstance(error, TxError)
        assert keywords_in(str(error)) == set()
        assert flutter_if(error) == f"Unexpected error: {error}"


def test_f_11_call_routing_session_lock_and_version(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Call Routing, Session Lock, Version Control: any destination, until the disconnection, the latest version."""

    async def main() -> None:
        await telnyx_client.anonymous_login_async(ASSISTANT, server_configuration=agent.configuration)

    run(main)
    assert "target_version_id" not in login_params(agent)
    assert telnyx_client.is_session_locked
    with pytest.raises(LocalProtocolError):
        run(main)
    with telnyx_client.new_invite("Ada", "+12125550101", "+12125550100") as call:
        call.wait_until_active(15)
        (record,) = agent.calls
        assert (record.target_id, record.destination_number) == (ASSISTANT, "+12125550100")
    telnyx_client.disconnect().result(5)
    assert not telnyx_client.is_session_locked


def test_f_12_the_example_of_user_variables(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`userVariables: {'user_id': '12345', 'session_context': 'support_chat', 'language': 'en-US'}`."""

    async def main() -> None:
        await telnyx_client.anonymous_login_async(
            target_id=ASSISTANT, user_variables=SEED_VARIABLES, server_configuration=agent.configuration
        )

    run(main)
    assert login_params(agent)["userVariables"] == SEED_VARIABLES


def test_f_13_next_new_invite_transcript_and_text_messages(
    telnyx_client: TelnyxClient, delegate: RecordingDelegate
) -> None:
    """Next: "Start a conversation using newInvite()", "Set up transcript updates", "Send text messages"."""
    replaced: list[Sequence[TranscriptionItem]] = []
    updates: list[Sequence[TranscriptionItem]] = []
    telnyx_client.on_transcript_update = replaced.append
    telnyx_client.on_transcript_update = updates.append
    answer = "You wrote: What is new?"
    with quiet_agent(brain=lambda text: f"You wrote: {text}", greeting="Hello.") as agent:
        telnyx_client.anonymous_login(ASSISTANT, server_configuration=agent.configuration).result(10)
        call = telnyx_client.new_invite("Ada", "+12125550101", "", "my state")
        call.wait_until_active(15)
        assert agent.wait_for_frame("telnyx_rtc.invite").params["dialogParams"]["clientState"] == "bXkgc3RhdGU="
        delegate.wait_for("on_transcription_updated", 10, predicate=lambda items: items[-1].content == "Hello.")
        call.send_conversation_message("What is new?").result(5)
        sent = agent.wait_for_frame("ai_conversation", direction="received").params
        assert sent["item"]["content"] == [{"type": "input_text", "text": "What is new?"}]
        delegate.wait_for("on_transcription_updated", 10, predicate=lambda items: items[-1].content == answer)
        call.end_call().result(5)
        telnyx_client.disconnect().result(5)
    assert tuple(updates[-1]) == telnyx_client.transcript
    assert [(item.role, item.content) for item in updates[-1]] == [
        ("assistant", "Hello."),
        ("user", "What is new?"),
        ("assistant", answer),
    ]
    # One slot, as on Flutter: the second handler replaced the first, and None empties it.
    assert replaced == []
    assert telnyx_client.on_transcript_update is not None
    telnyx_client.on_transcript_update = None
    assert telnyx_client.on_transcript_update is None
