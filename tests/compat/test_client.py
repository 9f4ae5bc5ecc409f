"""A client by Android's and Flutter's names: logins with credentials, calls, flows, handlers, the transcript."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import attrs
import pytest

from telnyx_agent import CallError, CallState, ClientConfigurationError, TxServerConfiguration
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import (
    AnswerResponse,
    ByeResponse,
    CredentialConfig,
    InviteResponse,
    SocketMethod,
    TelnyxCall,
    TelnyxClient,
    TokenConfig,
    TranscriptItem,
)
from telnyx_agent.quality import SocketConnectionMetrics
from telnyx_agent.testing import LocalAgent, RecordingDelegate, Scenario

PATIENCE = 20.0
ALICE = CredentialConfig(sip_user="alice", sip_password="a-password-of-alice", sip_caller_id_name="Alice")
TOKEN = TokenConfig(sip_token="a.secret.token")


def connect_first(client: TelnyxClient, server: TxServerConfiguration) -> Any:
    """Android: `connect()` alone only says the servers."""
    client.connect(server).result(PATIENCE)
    assert not client.is_socket_connected()
    return client.credential_login(ALICE)


def no_auto_login(client: TelnyxClient, server: TxServerConfiguration) -> Any:
    """Android: and so does `autoLogin = false`."""
    client.connect(provided_server_config=server, credential_config=ALICE, auto_login=False)
    return client.token_login(TOKEN)


WAYS: dict[str, Callable[[TelnyxClient, TxServerConfiguration], Any]] = {
    "Android": lambda client, server: client.connect(server, ALICE),
    "Android by name": lambda client, server: client.connect(provided_server_config=server, token_config=TOKEN),
    "iOS": lambda client, server: client.connect(ALICE, server),
    "first connect": connect_first,
    "no auto login": no_auto_login,
    "Flutter": lambda client, server: client.connect_with_credential(ALICE, server),
    "Flutter with a token": lambda client, server: client.connect_with_token(TOKEN, server),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_log_in_with_credentials(way: str, agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """By user or by token, on the wire."""
    WAYS[way](telnyx_client, agent.configuration).result(PATIENCE)
    assert telnyx_client.is_socket_connected()
    assert telnyx_client.is_ready
    params = agent.wait_for_frame("login", direction="received").params
    is_by_token = way in ("Android by name", "no auto login", "Flutter with a token")
    assert (params.get("login"), "login_token" in params) == ((None, True) if is_by_token else ("alice", False))


def test_what_connect_refuses(telnyx_client: TelnyxClient) -> None:
    """Two logins or two servers at once; nothing is opened."""
    servers = TxServerConfiguration()
    with pytest.raises(ClientConfigurationError):
        telnyx_client.connect(ALICE, token_config=TOKEN)
    with pytest.raises(ClientConfigurationError):
        telnyx_client.connect(servers, ALICE, provided_server_config=servers)
    with pytest.raises(ClientConfigurationError):
        telnyx_client.connect("alice")  # type: ignore[arg-type]


def test_an_invitation_on_the_flow(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """README of Android, "Accepting a call": INVITE, `acceptCall(inviteResponse.callId, ...)`, ANSWER, BYE."""
    telnyx_client.connect(provided_server_config=agent.configuration, credential_config=ALICE).result(PATIENCE)
    agent.call_client("Bob", "+15550122", custom_headers={"X-Parcel": "42"})
    seen: list[Any] = []
    for response in telnyx_client.socket_responses(timeout=PATIENCE):
        data = response.data
        if data is None:
            continue
        if data.method == SocketMethod.INVITE.method_name:
            invite_response = data.result
            assert isinstance(invite_response, InviteResponse)
            call = telnyx_client.accept_call(invite_response.call_id, invite_response.caller_id_number)
        elif data.method == SocketMethod.ANSWER.method_name:
            assert isinstance(data.result, AnswerResponse)
            telnyx_client.end_call(data.result.call_id)
        elif data.method == SocketMethod.BYE.method_name:
            break
        seen.append(data.result)
    invite = next(one for one in seen if isinstance(one, InviteResponse))
    assert (invite.call_id, invite.caller_id_name, invite.caller_id_number) == (call.call_id, "Bob", "+15550122")
    assert invite.sessid == telnyx_client.sessid
    assert invite.custom_headers == {"X-Parcel": "42"}
    assert data is not None
    bye = data.result
    assert isinstance(bye, ByeResponse)
    assert (bye.call_id, bye.cause, bye.cause_code) == (call.call_id, "NORMAL_CLEARING", 16)
    assert "Bob" not in repr(invite)
    assert "0122" not in repr(invite)


def ringing(client: TelnyxClient, agent: LocalAgent, delegate: RecordingDelegate, count: int = 1) -> TelnyxCall:
    """The call that came in last, of so many."""
    agent.call_client("Bob", "+15550122")
    (call,) = delegate.wait_for("on_incoming_call", 10, count=count)
    return client.calls[call.call_id]


def test_a_call_is_accepted_and_ended_by_its_id(
    telnyx_client: TelnyxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """`acceptCall(callId, ...)`, the buttons in both forms, and `endCall(callId)`; of the client and of its `call`."""
    with pytest.raises(CallError):
        telnyx_client.call.end_call(uuid4())
    telnyx_client.connect(ALICE, talking_agent.configuration).result(10)
    call = ringing(telnyx_client, talking_agent, delegate)
    with pytest.raises(CallError, match="no audio path yet"):
        call.restart_ice()
    assert telnyx_client.call.accept_call(call.call_id, muted_mic_on_start=True) is call
    call.wait_until_active(15)
    assert call.get_is_mute_status()
    call.on_mute_unmute_pressed()
    assert not call.muted
    call.set_mute_state(True)
    assert call.muted
    call.on_hold_unhold_pressed().result(10)
    assert call.get_is_on_hold_status()
    call.on_hold_unhold_pressed(call.call_id).result(10)
    assert not call.get_is_on_hold_status()
    call.dtmf(call.call_id, "2").result(10)
    call.dtmf("3").result(10)
    assert talking_agent.calls[0].digits == "23"
    telnyx_client.end_call(call.call_id).result(10)
    assert call.call_state.is_terminal
    with pytest.raises(CallError, match="no call with this id"):
        telnyx_client.accept_call(call.call_id)


def test_another_call_is_taken_while_the_first_is_held(
    telnyx_client: TelnyxClient, talking_agent: LocalAgent, delegate: RecordingDelegate
) -> None:
    """Flutter's `holdCurrentAndAcceptIncoming`, then `endCurrentAndAcceptIncoming`, and `rejectCall`."""
    telnyx_client.connect(ALICE, talking_agent.configuration).result(10)
    first = ringing(telnyx_client, talking_agent, delegate)
    telnyx_client.accept_call(first, audio=NullAudio()).wait_until_active(15)

    second = ringing(telnyx_client, talking_agent, delegate, 2)
    telnyx_client.hold_current_and_accept_incoming(second.call_id, audio=NullAudio()).wait_until_active(15)
    first.call.wait_for_state(CallState.HELD, 10)

    third = ringing(telnyx_client, talking_agent, delegate, 3)
    telnyx_client.end_current_and_accept_incoming(third, audio=NullAudio()).wait_until_active(15)
    second.call.wait_until_ended(10)
    assert first.held

    fourth = ringing(telnyx_client, talking_agent, delegate, 4)
    telnyx_client.reject_call(fourth).result(10)
    assert fourth.call_state.is_terminal
    assert third.call_state == CallState.ACTIVE


def test_starting_a_conversation(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`client.call.newInvite` of the page, with all that Android's has, by name and by position."""
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
    by_name = telnyx_client.call.new_invite(
        caller_name="Customer",
        caller_number="+1234567890",
        destination_number="",
        client_state="ai_session",
        custom_headers={"X-Session-Context": "customer_support", "X-User-Tier": "premium"},
    )
    by_name.wait_until_active(PATIENCE)
    (record,) = agent.calls
    assert (record.caller_name, record.caller_number) == ("Customer", "+1234567890")
    assert dict(record.custom_headers) == {"X-Session-Context": "customer_support", "X-User-Tier": "premium"}
    call = telnyx_client.new_invite("Ann", "", "", "state", {"X-A": "1"}, True, ["PCMU"], False, None, True)
    call.wait_until_active(PATIENCE)
    assert call.muted
    dialog = agent.wait_for_frame("telnyx_rtc.invite", count=2).params["dialogParams"]
    assert dialog["custom_headers"] == [{"name": "X-A", "value": "1"}]
    assert [codec["mimeType"] for codec in dialog["preferred_codecs"]] == ["audio/PCMU"]


def test_flows_of_the_connection() -> None:
    """Its states, its frames, and its metrics, of which who comes later gets the last."""
    statuses: list[str] = []
    frames: list[Any] = []
    measured = threading.Event()

    def collect(metrics: SocketConnectionMetrics) -> None:
        if metrics.total_pings >= 2:
            measured.set()

    scenario = attrs.evolve(Scenario.fast(), ping_interval=0.2)
    with LocalAgent(voice="silent", ears="deaf", scenario=scenario, media=False) as agent:
        with TelnyxClient(audio=NullAudio()) as client:
            client.connection_status_flow.collect(lambda status: statuses.append(status.name))
            client.ws_messages_response_flow.collect(frames.append)
            client.socket_connection_metrics_flow.collect(collect)
            client.connect_anonymously(agent.configuration, "assistant-1").result(PATIENCE)
            assert measured.wait(PATIENCE)
            assert client.socket_connection_metrics_flow.replay is not None
            assert client.get_connection_metrics().total_pings >= 2
    assert statuses == ["CONNECTED", "CLIENT_READY", "DISCONNECTED"]
    assert SocketMethod.CLIENT_READY in [frame.get("method") for frame in frames]


JPEG = "/9j/4AAQSkZJRgABAQAAAQABAAD"
"""As Flutter's own test has it: base64 without its padding."""
GIF = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


class Updates:
    """Every transcript that was collected; waits for one."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self._changed = threading.Condition()

    def add(self, transcript: Sequence[TranscriptItem]) -> None:
        with self._changed:
            self.seen.append([f"{item.role}: {item.content}" for item in transcript])
            self._changed.notify_all()

    def wait(self, found: Callable[[list[str]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(found, self.seen)), PATIENCE), self.seen


def test_the_flow_of_the_transcript(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """`transcriptUpdateFlow`: the present transcript comes first, a message of one's own is confirmed by it, and
    `clearTranscript` empties it.
    """
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1")
    call = telnyx_client.new_invite("Ann", "", "", "state")
    assert call.call.ask("thank you", PATIENCE)
    present = [f"{item.role}: {item.content}" for item in telnyx_client.transcript]
    updates = Updates()
    with telnyx_client.transcript_update_flow.collect(updates.add):
        updates.wait(lambda items: items == present)
        assert updates.seen[0] == present
        call.send_conversation_message("Hello, can you help me with my account?")
        updates.wait(lambda items: "user: Hello, can you help me with my account?" in items)
        telnyx_client.clear_transcript()
        updates.wait(lambda items: items == [])
    settings = telnyx_client.current_widget_settings
    assert settings is not None
    assert settings.theme == "dark"


def test_images(agent: LocalAgent, telnyx_client: TelnyxClient) -> None:
    """Flutter's old name and its new one, Android's, and iOS's; base64 is prefixed with what it is, a URL is kept."""
    telnyx_client.connect_anonymously(agent.configuration, "assistant-1")
    call = telnyx_client.new_invite("Ann", "", "", "state")
    call.wait_until_active(PATIENCE)
    call.send_conversation_message("one", base64_image=JPEG).result(PATIENCE)
    telnyx_client.send_conversation_message("two", [JPEG], base64_image=JPEG).result(PATIENCE)
    telnyx_client.client.send_ai_assistant_message("one more", base64_images=[JPEG]).result(PATIENCE)
    telnyx_client.send_ai_assistant_message("a URL", images_urls=[GIF]).result(PATIENCE)
    *items, last = [item for item in telnyx_client.transcript if item.role == "user"]
    assert [(item.content, item.image_count) for item in items] == [("one", 1), ("two", 2), ("one more", 1)]
    assert all(url.startswith("data:image/jpeg;base64,/9j/") for item in items for url in item.image_urls)
    assert last.image_urls == (GIF,)
