"""The 20 statements of Telnyx's Android page "Anonymous Connection for AI Agents", each a test (api_parity.md, a.2).

With Android's spellings, `telnyx_agent.compat.TelnyxClient`. "live" marks what only the live service could show.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telnyx_agent import (
    CallState,
    LocalProtocolError,
    LogLevel,
    TxClient,
    TxError,
    TxServerConfiguration,
)
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import LoginResponse, SocketMethod, SocketResponse, SocketStatus, TelnyxClient
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.support.bad_servers import answering_server, self_signed_server
from tests.support.seeds import (
    ASSISTANT,
    INVALID,
    NETWORK_FAILURES,
    SEED_VARIABLES,
    SoundCard,
    android_when,
    keywords_in,
    login_params,
    quiet_agent,
    unreachable,
)

SLOW = ("silent",)
NETWORK_CASES = [pytest.param(kind, marks=[pytest.mark.slow] if kind in SLOW else []) for kind in NETWORK_FAILURES]


class Collector(RecordingDelegate):
    """Collects a flow: `client.socket_response_flow.collect(collector.on_response)`."""

    on_response: Callable[[SocketResponse], None]

    @property
    def responses(self) -> list[SocketResponse]:
        """Everything so far."""
        return [response for (response,) in self.calls_of("on_response")]

    def wait_for_status(self, status: SocketStatus, method: SocketMethod | None = None) -> SocketResponse:
        """The first response with this status and method."""

        def matches(response: SocketResponse) -> bool:
            is_method = method is None or (response.data is not None and response.data.method == method.method_name)
            return response.status is status and is_method

        # A first login is tried again for 15 s while the server says 503.
        response: SocketResponse = self.wait_for("on_response", 30, predicate=matches)[0]
        return response


@contextlib.contextmanager
def collecting(client: TelnyxClient) -> Iterator[Collector]:
    """Collect the client's flow until the end of the block."""
    collector = Collector()
    with client.socket_response_flow.collect(collector.on_response):
        yield collector


def kinds(responses: list[SocketResponse]) -> list[str]:
    """What the responses are, in words."""
    return [r.status.name if r.data is None else f"{r.status.name} {r.data.method}" for r in responses]


# -- the method and its arguments --------------------------------------------------------------------------------------


def test_a_01_the_method_is_called_connect_anonymously(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`connectAnonymously` is "the first step in establishing communication with a Telnyx AI Agent"."""
    telnyx_client.connect_anonymously(agent.configuration, ASSISTANT).result(10)
    assert telnyx_client.is_ready
    assert login_params(agent)["target_id"] == ASSISTANT
    assert isinstance(telnyx_client.client, TxClient)


def test_a_02_parameters_in_the_order_of_android(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`providedServerConfig, targetId, targetType, targetVersionId, userVariables, reconnection, logLevel`."""
    parameters = list(inspect.signature(TelnyxClient.connect_anonymously).parameters.values())[1:]
    assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == [
        "provided_server_config",
        "target_id",
        "target_type",
        "target_version_id",
        "user_variables",
        "reconnection",
        "log_level",
    ]
    # By position, each value where it belongs ...
    given = (agent.configuration, ASSISTANT, "some_type", "v1.2.0", {"a": "b"}, True, LogLevel.NONE)
    telnyx_client.connect_anonymously(*given).result(10)
    telnyx_client.disconnect().result(5)
    # ... and by name, in the order of the page's last example.
    telnyx_client.connect_anonymously(
        log_level=LogLevel.NONE,
        reconnection=True,
        user_variables={"a": "b"},
        target_version_id="v1.2.0",
        target_type="some_type",
        target_id=ASSISTANT,
        provided_server_config=agent.configuration,
    ).result(10)
    for count in (1, 2):
        params = login_params(agent, count)
        assert params["target_id"] == ASSISTANT
        assert params["target_type"] == "some_type"
        assert params["target_version_id"] == "v1.2.0"
        assert params["userVariables"] == {"a": "b"}
        assert params["reconnection"] is True


def test_a_03_the_target_id_is_required_although_second(telnyx_client: TelnyxClient) -> None:
    """`providedServerConfig` has a default although it comes first; `targetId` has none although it comes second."""
    with pytest.raises(TypeError, match="target_id"):
        telnyx_client.connect_anonymously()
    with pytest.raises(TypeError, match="target_id"):
        telnyx_client.connect_anonymously(TxServerConfiguration())
    bound = inspect.signature(TelnyxClient.connect_anonymously).bind(telnyx_client, target_id="x")
    bound.apply_defaults()
    assert bound.arguments["provided_server_config"] is None
    # That None means Telnyx's servers is i-09; that it is None which is handed on, is seen by what it refuses.
    with pytest.raises(TxError, match="target_id"):
        telnyx_client.connect_anonymously(target_id=" ")


def test_a_04_the_defaults_of_android(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`targetType = "ai_assistant"`, `targetVersionId = null`, `userVariables = null`, `reconnection = false`."""
    parameters = inspect.signature(TelnyxClient.connect_anonymously).parameters
    assert parameters["target_type"].default == "ai_assistant"
    assert parameters["target_version_id"].default is None
    assert parameters["user_variables"].default is None
    assert parameters["reconnection"].default is False
    telnyx_client.connect_anonymously(agent.configuration, ASSISTANT).result(10)
    params = login_params(agent)
    assert params["target_type"] == "ai_assistant"
    assert params["reconnection"] is False
    assert "target_version_id" not in params
    assert not params.get("userVariables")


@pytest.mark.parametrize("level", [None, LogLevel.NONE, LogLevel.ERROR, LogLevel.INFO, LogLevel.VERTO, LogLevel.ALL])
def test_a_05_the_log_level(
    level: LogLevel | None, agent: LocalAgent, telnyx_client: TelnyxClient, capfd: pytest.CaptureFixture[str]
) -> None:
    """`logLevel: LogLevel = LogLevel.NONE`, "Logging level configuration": NONE is silent, VERTO shows frames."""
    connect = functools.partial(telnyx_client.connect_anonymously, agent.configuration)
    if level is not None:
        connect = functools.partial(connect, log_level=level)
    connect(ASSISTANT).result(10)
    with telnyx_client.new_invite() as call:
        call.wait_until_active(15)
    telnyx_client.disconnect().result(5)
    connect(INVALID).exception(10)
    telnyx_client.disconnect().result(5)
    captured = capfd.readouterr()
    assert captured.out == ""
    if level is None or level is LogLevel.NONE:
        assert captured.err == ""
        return
    assert "authentication" in captured.err
    assert ("ready" in captured.err) is (level >= LogLevel.INFO)
    assert ("telnyx_rtc.invite" in captured.err) is (level >= LogLevel.VERTO)


def test_a_06_the_exception_has_a_message(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`catch (e: Exception) { Log.e("TelnyxClient", "Connection failed: ${e.message}") }`."""
    with pytest.raises(Exception, match="authentication") as caught:
        telnyx_client.connect_anonymously(agent.configuration, INVALID).result(10)
    assert isinstance(caught.value, TxError)
    assert caught.value.message == str(caught.value)


def test_a_07_connected_and_ready_for_a_call(telnyx_client: TelnyxClient) -> None:
    """After it, "you are now connected and can make a call to the AI Assistant": at once, nothing awaited."""
    with quiet_agent(scenario=Scenario(client_ready_delay=0.5)) as agent:
        telnyx_client.connect_anonymously(provided_server_config=agent.configuration, target_id=ASSISTANT)
        call = telnyx_client.new_invite()
        assert not telnyx_client.is_ready
        call.wait_until_active(15)
        assert telnyx_client.is_ready


def test_a_08_the_examples_of_variables_and_version(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`userVariables = mapOf("user_id" to "12345", ...)`, `targetVersionId = "v1.2.0" // Use specific version`."""
    telnyx_client.connect_anonymously(
        agent.configuration, target_id=ASSISTANT, target_version_id="v1.2.0", user_variables=SEED_VARIABLES
    ).result(10)
    assert login_params(agent)["userVariables"] == SEED_VARIABLES
    assert login_params(agent)["target_version_id"] == "v1.2.0"


def test_a_09_host_and_port(telnyx_client: TelnyxClient, tmp_path: Path) -> None:
    """`TxServerConfiguration(host = "your-custom-host", port = 443)`."""
    seed = TxServerConfiguration(host="your-custom-host", port=443)
    assert seed.socket_url == "wss://your-custom-host:443/"
    assert TxServerConfiguration(host="your-custom-host").socket_url == "wss://your-custom-host:443/"
    assert seed.ice_servers == TxServerConfiguration().ice_servers
    # Host and port are where TLS goes: this server's certificate is what the client complains about.
    with self_signed_server(tmp_path) as port:
        configuration = TxServerConfiguration(host="127.0.0.1", port=port)
        error = telnyx_client.connect_anonymously(configuration, ASSISTANT).exception(10)
    assert f"127.0.0.1:{port}" in str(error)
    assert "certificate" in str(error)


# -- important notes ---------------------------------------------------------------------------------------------------


def test_a_10_call_routing_session_lock_and_version(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Call Routing, Session Lock, Version Control: any destination, until the disconnection, the latest version."""
    telnyx_client.connect_anonymously(agent.configuration, ASSISTANT).result(10)
    assert "target_version_id" not in login_params(agent)
    assert telnyx_client.client.connected_target_id == ASSISTANT
    with pytest.raises(LocalProtocolError):
        telnyx_client.connect_anonymously(agent.configuration, "assistant-other")
    for destination in ("", "+12125550100"):
        with telnyx_client.new_invite("Ada", "+12125550101", destination) as call:
            call.wait_until_active(15)
    assert [record.target_id for record in agent.calls] == [ASSISTANT, ASSISTANT]
    assert agent.calls[1].destination_number == "+12125550100"
    telnyx_client.disconnect().result(5)
    assert not telnyx_client.is_session_locked


# -- the socket responses ----------------------------------------------------------------------------------------------


def test_a_11_authentication_errors_are_socket_responses(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Error Handling: "Monitor socket responses for authentication errors": `ERROR` with message and code."""
    with collecting(telnyx_client) as collector:
        telnyx_client.connect_anonymously(agent.configuration, INVALID)
        response = collector.wait_for_status(SocketStatus.ERROR)
        telnyx_client.disconnect().result(5)
        assert response.error_message
        assert response.error_code == -32001  # the server's, as on Android
        assert response.data is None
        assert kinds(collector.responses) == ["LOADING", "ESTABLISHED", "ERROR", "DISCONNECT"]


def test_a_12_the_flow_is_shared_and_replays_its_last_value(telnyx_client: TelnyxClient) -> None:
    """`telnyxClient.socketResponseFlow.collect { response -> ... }`, "Using SharedFlow (Recommended)"."""
    expected = ["LOADING", "ESTABLISHED", "MESSAGERECEIVED login", "MESSAGERECEIVED telnyx_rtc.clientReady"]
    with contextlib.ExitStack() as stack:
        # Without widget settings, which come at any time after the login, CLIENT_READY is the last value.
        agent = stack.enter_context(quiet_agent(scenario=Scenario.fast(widget_settings=None)))
        first, second = (stack.enter_context(collecting(telnyx_client)) for _ in range(2))
        assert first.responses == []
        telnyx_client.connect_anonymously(agent.configuration, ASSISTANT).result(10)
        for collector in (first, second):
            collector.wait_for_status(SocketStatus.MESSAGERECEIVED, SocketMethod.CLIENT_READY)
        late = stack.enter_context(collecting(telnyx_client))
        late.wait_for_status(SocketStatus.MESSAGERECEIVED, SocketMethod.CLIENT_READY)
        telnyx_client.disconnect().result(5)
        assert first.responses == second.responses
        assert kinds(first.responses) == [*expected, "DISCONNECT"]
        # The last value, once, where callbacks run; then what all get.
        assert late.responses == first.responses[-2:]
        assert {event.thread for event in late.events} == {"telnyx-agent-delegate"}
        # After the end a new collector still gets the last value.
        last = stack.enter_context(collecting(telnyx_client))
        last.wait_for("on_response")
        assert kinds(last.responses) == ["DISCONNECT"]


def test_a_13_messages_have_data_and_others_have_none(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`SocketStatus.MESSAGERECEIVED -> response.data?.let { data -> when (data.method) ... }`."""
    with collecting(telnyx_client) as collector:
        telnyx_client.connect_anonymously(agent.configuration, ASSISTANT).result(10)
        collector.wait_for_status(SocketStatus.MESSAGERECEIVED, SocketMethod.CLIENT_READY)
        telnyx_client.disconnect().result(5)
        for response in collector.responses:
            assert (response.data is not None) is (response.status is SocketStatus.MESSAGERECEIVED)
            assert response.error_message is None
            if response.data is not None:
                assert SocketMethod(response.data.method).method_name == response.data.method
    assert SocketStatus.MESSAGERECEIVED is SocketStatus.MESSAGE_RECEIVED  # type: ignore[comparison-overlap]
    assert {"ESTABLISHED", "MESSAGERECEIVED", "ERROR", "LOADING", "DISCONNECT"} <= set(SocketStatus.__members__)


def test_a_14_login_means_success() -> None:
    """`SocketMethod.LOGIN.methodName -> // Handle successful anonymous connection`: after REGED, with session id."""
    registered_before: list[bool] = []
    scenarios = [Scenario(gateway_delay=0.3), Scenario.gateway("FAILED", speed=50)]
    with quiet_agent(scenario=scenarios) as agent, TelnyxClient(audio=NullAudio()) as client:

        def look(response: SocketResponse) -> None:
            if response.data is not None and response.data.method == SocketMethod.LOGIN.method_name:
                sent = [str(frame.data) for frame in agent.frames if frame.direction == "sent"]
                registered_before.append(any('"REGED"' in data for data in sent))

        with collecting(client) as collector, client.socket_response_flow.collect(look):
            client.connect_anonymously(agent.configuration, ASSISTANT).result(10)
            response = collector.wait_for_status(SocketStatus.MESSAGERECEIVED, SocketMethod.LOGIN)
            assert response.data is not None
            assert response.data.result == LoginResponse(client.sessid)
            assert client.sessid == login_params(agent)["sessid"]
            client.disconnect().result(5)
            collector.clear()
            for target in (ASSISTANT, INVALID):  # the gateway fails; the login is refused
                client.connect_anonymously(agent.configuration, target).exception(10)
                client.disconnect().result(5)
            statuses = {response.status for response in collector.responses}
            assert SocketStatus.ERROR in statuses
            assert SocketStatus.MESSAGERECEIVED not in statuses
    assert registered_before == [True]


def test_a_15_errors_have_a_message(telnyx_client: TelnyxClient, tmp_path: Path) -> None:
    """`SocketStatus.ERROR -> Log.e("TelnyxClient", "Connection error: ${response.errorMessage}")`."""
    with collecting(telnyx_client) as collector, unreachable("refused", tmp_path) as configuration:
        error = telnyx_client.connect_anonymously(configuration, ASSISTANT).exception(10)
        response = collector.wait_for_status(SocketStatus.ERROR)
        telnyx_client.disconnect().result(5)
        assert response.error_message == str(error)
        assert isinstance(response.error_message, str)
        assert response.error_message.strip()
        assert kinds(collector.responses) == ["LOADING", "ERROR"]


def test_a_16_the_word_authentication(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`errorMessage?.contains("authentication") -> "Invalid assistant ID or authentication failed"`."""
    with collecting(telnyx_client) as collector:
        telnyx_client.connect_anonymously(agent.configuration, INVALID)
        message = collector.wait_for_status(SocketStatus.ERROR).error_message
    assert android_when(message) == "Invalid assistant ID or authentication failed"
    assert keywords_in(message or "") == {"authentication"}


@pytest.mark.parametrize("kind", NETWORK_CASES)
def test_a_17_the_word_network(kind: str, telnyx_client: TelnyxClient, tmp_path: Path) -> None:
    """`errorMessage?.contains("network") -> "Network connection failed"`."""
    with collecting(telnyx_client) as collector, unreachable(kind, tmp_path) as configuration:
        telnyx_client.connect_anonymously(configuration, ASSISTANT)
        message = collector.wait_for_status(SocketStatus.ERROR).error_message
    assert android_when(message) == "Network connection failed"
    assert keywords_in(message or "") == {"network"}


@pytest.mark.parametrize("kind", ["gateway", "HTTP 503"])
def test_a_18_neither_word_in_other_errors(kind: str, telnyx_client: TelnyxClient) -> None:
    """`else -> "Unexpected error: ${response.errorMessage}"`: a failed gateway, and a server in trouble (5xx)."""
    with contextlib.ExitStack() as stack:
        if kind == "gateway":
            configuration = stack.enter_context(quiet_agent(scenario=Scenario.gateway("FAILED"))).configuration
        else:
            port, _ = stack.enter_context(answering_server(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"))
            configuration = TxServerConfiguration(f"ws://127.0.0.1:{port}")
        collector = stack.enter_context(collecting(telnyx_client))
        telnyx_client.connect_anonymously(configuration, ASSISTANT)
        message = collector.wait_for_status(SocketStatus.ERROR).error_message
    assert message
    assert android_when(message) == f"Unexpected error: {message}"
    assert keywords_in(message) == set()


def test_a_19_the_collection_can_be_cancelled(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`lifecycleScope.launch { ... collect ... }`: a collection ends with its scope; nothing more is delivered."""
    staying = Collector()
    telnyx_client.socket_response_flow.collect(staying.on_response)
    cancelled = Collector()
    collection = telnyx_client.socket_response_flow.collect(cancelled.on_response)
    with collecting(telnyx_client) as scoped:
        telnyx_client.connect_anonymously(agent.configuration, ASSISTANT).result(10)
        assert scoped.responses
        assert cancelled.responses
    collection.cancel()
    collection.cancel()
    before = (len(scoped.responses), len(cancelled.responses), len(staying.responses))
    telnyx_client.disconnect().result(5)
    staying.wait_for_status(SocketStatus.DISCONNECT)
    assert (len(scoped.responses), len(cancelled.responses)) == before[:2]
    assert len(staying.responses) > before[2]


# -- next steps --------------------------------------------------------------------------------------------------------


def test_a_20_next_new_invite_transcript_and_text_messages(
    telnyx_client: TelnyxClient, delegate: RecordingDelegate
) -> None:
    """Next: `newInvite()`, transcript updates, "text messages during active calls" (Android's order of arguments)."""
    parameters = list(inspect.signature(TelnyxClient.new_invite).parameters)[1:5]
    assert parameters == ["caller_name", "caller_number", "destination_number", "client_state"]
    card = SoundCard()
    card.speak()
    with quiet_agent(
        brain=lambda text: f"You wrote: {text}", greeting="Hello.", voice="tones", barge_in=False
    ) as agent:
        telnyx_client.connect_anonymously(agent.configuration, ASSISTANT).result(10)
        call = telnyx_client.new_invite("Ada", "+12125550101", "", "my state", audio=card.device)
        call.wait_until_active(15)
        dialog = agent.wait_for_frame("telnyx_rtc.invite").params["dialogParams"]
        assert dialog["caller_id_name"] == "Ada"
        assert dialog["clientState"] == "bXkgc3RhdGU="  # base64, as on Android
        delegate.wait_for("on_transcription_updated", 10, predicate=lambda items: items[-1].content == "Hello.")
        telnyx_client.send_ai_assistant_message("What is new?").result(5)
        answer = "You wrote: What is new?"
        delegate.wait_for("on_transcription_updated", 10, predicate=lambda items: items[-1].content == answer)
        assert card.heard.wait(5)
        agent.wait_for_call(lambda record: record.seconds_heard > 0.2, 10)
        call.end_call().result(5)
        assert call.call_state == CallState.DONE
    assert "What is new?" in [item.content for item in telnyx_client.transcript]
