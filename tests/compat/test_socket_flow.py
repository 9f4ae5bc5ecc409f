"""Android's flow of socket responses: who gets what, when, and until when."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import (
    AnswerResponse,
    ByeResponse,
    LoginResponse,
    ReceivedMessage,
    RingingResponse,
    SocketError,
    SocketFlowObserver,
    SocketMethod,
    SocketResponse,
    SocketStatus,
    TelnyxClient,
)
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario
from tests.support.pages import ASSISTANT, INVALID, login_params, quiet_agent

PATIENCE = 20.0


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


def test_the_flow_is_shared_and_replays_its_last_value(telnyx_client: TelnyxClient) -> None:
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


def test_messages_have_data_and_others_have_none(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
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


def test_login_means_success() -> None:
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


def test_a_collection_can_be_cancelled(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
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


def test_the_flow_in_a_for_loop(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """A whole call, with Android's results; the end of a hold is no second answer, and there is one BYE."""
    seen: list[tuple[str, Any]] = []
    is_hung_up = False
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1")
    for response in telnyx_client.socket_responses(timeout=PATIENCE):
        data = response.data
        if data is None:
            seen.append((response.status.name, None))
            continue
        method = SocketMethod(data.method)
        seen.append((method.name, data.result))
        if method is SocketMethod.CLIENT_READY:
            call = telnyx_client.new_invite("Ann", "", "", "state")
        elif method is SocketMethod.ANSWER:
            for _ in range(2):
                call.on_hold_unhold_pressed().result(PATIENCE)
            call.send_conversation_message("thank you")
        elif method is SocketMethod.AI_CONVERSATION:
            is_done = data.result.ai_conversation_params["type"] == "response.done"
            # The agent may have said its greeting before the call's media are there.
            if is_done and "ANSWER" in dict(seen) and not is_hung_up:
                agent.hang_up("USER_BUSY")
                is_hung_up = True
        elif method is SocketMethod.BYE:
            break
    names = [name for name, _ in seen]
    assert names[:4] == ["LOADING", "ESTABLISHED", "LOGIN", "CLIENT_READY"]
    assert ("RINGING", RingingResponse(call.call_id)) in seen
    ((_, answer),) = [one for one in seen if one[0] == "ANSWER"]
    assert isinstance(answer, AnswerResponse)
    assert (answer.call_id, answer.telnyx_call_control_id) == (call.call_id, call.telnyx_call_control_id)
    assert seen[-1] == ("BYE", ByeResponse(call.call_id, "USER_BUSY", 17, 486, "Busy Here"))


def test_one_bye_for_each_call(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Whoever ends it."""
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
    with collecting(telnyx_client) as collector:
        mine = telnyx_client.new_invite("", "", "", "")
        mine.wait_until_active(PATIENCE)
        mine.end_call().result(PATIENCE)
        theirs = telnyx_client.new_invite("", "", "", "")
        theirs.wait_until_active(PATIENCE)
        agent.hang_up("CALL_REJECTED")
        theirs.call.wait_until_ended(PATIENCE)
        telnyx_client.disconnect().result(PATIENCE)
        results = [response.data.result for response in collector.responses if response.data is not None]
    byes = [(bye.call_id, bye.cause) for bye in results if isinstance(bye, ByeResponse)]
    assert byes == [(mine.call_id, "NORMAL_CLEARING"), (theirs.call_id, "CALL_REJECTED")]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        pytest.param("NOREG", SocketError.GATEWAY_TIMEOUT_ERROR, marks=pytest.mark.slow),
        ("EXPIRED", SocketError.GATEWAY_TIMEOUT_ERROR),
        ("FAILED", SocketError.GATEWAY_FAILURE_ERROR),
        ("FAIL_WAIT", SocketError.GATEWAY_FAILURE_ERROR),
        ("DOWN", SocketError.GATEWAY_FAILURE_ERROR),
        ("an error", 500),
    ],
)
def test_the_codes_of_a_gateway_that_fails(telnyx_client: TelnyxClient, state: str, code: int) -> None:
    """-32003 for one that does not register in time, -32004 for one that failed; the server's own where it says one."""
    scenario = Scenario.silent("gateway", speed=50) if state == "an error" else Scenario.gateway(state, speed=50)
    with quiet_agent(scenario=scenario) as agent, collecting(telnyx_client) as collector:
        telnyx_client.connect_anonymously(agent.configuration, ASSISTANT)
        if state == "an error":
            asked = agent.wait_for_frame("telnyx_rtc.gatewayState", direction="received")
            agent.send({"jsonrpc": "2.0", "id": asked.message["id"], "error": {"code": 500, "message": "no"}})
        assert collector.wait_for_status(SocketStatus.ERROR).error_code == code


def test_an_observer_with_a_method_for_each_status(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`getSocketResponse().observe(this, object : SocketObserver<...>() { ... })`."""
    ready, gone = threading.Event(), threading.Event()

    class Observer(SocketFlowObserver):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_connection_established(self) -> None:
            self.seen.append("established")

        def on_loading(self) -> None:
            self.seen.append("loading")

        def on_message_received(self, data: ReceivedMessage) -> None:
            self.seen.append(data.method)
            if data.method == SocketMethod.CLIENT_READY.method_name:
                ready.set()

        def on_error(self, error_code: int | str | None, message: str | None) -> None:
            self.seen.append((error_code, message))

        def on_socket_disconnect(self) -> None:
            gone.set()

    observer = Observer()
    telnyx_client.get_socket_response().observe(observer)
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1")
    assert ready.wait(PATIENCE)
    telnyx_client.disconnect()
    assert gone.wait(PATIENCE)
    assert observer.seen[:4] == ["loading", "established", SocketMethod.LOGIN, SocketMethod.CLIENT_READY]
    observer.handle_response(SocketResponse.error("my error message", 0))
    assert observer.seen[-1] == (0, "my error message")
