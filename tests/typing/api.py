"""What a type checker sees of the public names. `mypy` reads this file (`scripts/check`); nothing runs it.

A line that fails here is a type that has changed for programs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from typing_extensions import assert_type

from telnyx_agent import (
    AIAssistantManager,
    Call,
    CallState,
    CallTerminationReason,
    ServerError,
    TranscriptionItem,
    TxClient,
    TxClientDelegate,
    TxConfig,
    TxError,
)
from telnyx_agent.aio import AsyncTxClient
from telnyx_agent.audio import NullAudio
from telnyx_agent.compat import TelnyxCall, TelnyxClient
from telnyx_agent.events import CallStateUpdated, ClientError, Event, TranscriptItemUpdated


def logging_in(client: TxClient, config: TxConfig) -> None:
    """Commands give futures; what they wait for has no value."""
    assert_type(client.anonymous_login("assistant-1").result(10), None)
    assert_type(client.connect(config).result(), None)
    assert_type(client.disconnect().result(), None)
    assert_type(client.is_registered, bool)
    assert_type(client.connected_target_id, str | None)


def calling(client: TxClient) -> None:
    """A call, its state, and what its commands give."""
    with client.new_call(audio=NullAudio(), dynamic_variables={"account": 1}) as call:
        assert_type(call, Call)
    assert_type(client.calls, Mapping[UUID, Call])
    assert_type(client.active_call, Call | None)
    assert_type(call.wait_for_state([CallState.ACTIVE, CallState.DONE], timeout=5), CallState)
    assert_type(call.wait_until_ended(), CallTerminationReason)
    assert_type(call.hold().result(), None)
    assert_type(call.ask("Where is my order?"), str)
    assert_type(call.transcript, tuple[TranscriptionItem, ...])
    call.on_state_changed = lambda state: print(state.termination_reason)


def talking(client: TxClient) -> None:
    """Typed messages and the transcript."""
    manager = client.ai_assistant_manager
    assert_type(manager, AIAssistantManager)
    assert_type(manager.send_ai_assistant_message("Hello", images=[b"..."]).result(), str)
    with manager.subscribe_to_transcript_deltas(lambda item, delta: print(item.role, delta.upper())):
        assert_type(manager.transcript, tuple[TranscriptionItem, ...])


def offering_tools(client: TxClient) -> None:
    """A decorated function keeps its own type."""

    @client.tool
    def alone(order_id: str) -> int:
        return len(order_id)

    @client.tool(name="named", timeout=None)
    def with_options(order_id: str) -> int:
        return len(order_id)

    functions: list[Callable[[str], int]] = [alone, with_options]
    assert_type(functions[0]("1"), int)


def taking_events(client: TxClient) -> None:
    """`match` knows the members of each event."""
    for event in client.events(timeout=1):
        assert_type(event, Event)
        match event:
            case CallStateUpdated(call_state, call_id):
                assert_type(call_state, CallState)
                assert_type(call_id, UUID)
            case TranscriptItemUpdated(item):
                assert_type(item, TranscriptionItem)
            case ClientError(error):
                assert_type(error, TxError)
            case _:
                pass


def handling_errors(error: TxError) -> None:
    """Errors carry their data."""
    assert_type(error.call_id, UUID | None)
    if isinstance(error, ServerError):
        assert_type(error.server_message, str | None)


async def awaiting(client: AsyncTxClient) -> None:
    """The same client in an event loop."""
    assert_type(await client.anonymous_login("assistant-1"), None)


def porting(client: TelnyxClient) -> None:
    """Android's and Flutter's names."""
    assert_type(client.new_invite("me", "", ""), TelnyxCall)


class Delegate(TxClientDelegate):
    """Callbacks with the types of the base class."""

    def on_call_state_updated(self, call_state: CallState, call_id: UUID) -> None:
        """As in `TxClientDelegate`."""
        assert_type(call_state.termination_reason, CallTerminationReason | None)
