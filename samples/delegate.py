"""The iOS way: a delegate that is told what happens and says what to do next. Asks one question and hangs up.

    python samples/delegate.py assistant-...
    python samples/delegate.py --offline

All callbacks, and when they come: `telnyx_agent.TxClientDelegate`.
"""

from __future__ import annotations

import argparse
import threading
from uuid import UUID

from telnyx_agent import CallState, TranscriptionItem, TxClient, TxClientDelegate, TxError, TxServerConfiguration
from telnyx_agent.testing import LocalAgent


class Conversation(TxClientDelegate):
    """One conversation. All `on_...` methods run on one thread, one at a time; they may block and call anything."""

    def __init__(self) -> None:
        self.client = TxClient(delegate=self)
        self.over = threading.Event()
        self.said: list[str] = []  # ids; what was complete comes again if the assistant was interrupted in it

    def on_client_ready(self) -> None:
        self.client.new_call(caller_name="Ada")
        print("Anonymous connection successful")

    def on_call_state_updated(self, call_state: CallState, call_id: UUID) -> None:
        print("Call:", call_state)
        if call_state == CallState.DONE:
            self.over.set()

    def on_transcript_item_updated(self, item: TranscriptionItem) -> None:
        if item.is_final and item.id not in self.said:
            self.said.append(item.id)
            print(f"{item.role}: {item.content}")
            if len(self.said) == 1:  # that was its greeting
                self.client.send_ai_assistant_message("What are your opening hours?")
            elif item.role == "assistant":
                self.client.disconnect()  # hangs up, too

    def on_client_error(self, error: TxError) -> None:
        if isinstance(error, TxError.SocketFailure):
            print("Invalid assistant ID or authentication failed:", error)
        elif isinstance(error, TxError.ClientConfigurationFailure):
            print("Network connection failed:", error)
        else:
            print("Unexpected error:", error)
        self.over.set()

    def on_socket_disconnected(self) -> None:
        print("Disconnected from AI assistant")


def converse(assistant_id: str, server: TxServerConfiguration | None = None) -> None:
    conversation = Conversation()
    with conversation.client as client:  # in the end it hangs up, logs out and delivers the last callbacks
        client.anonymous_login(assistant_id, server_configuration=server)
        while not conversation.over.wait(0.2):  # in slices: Windows lets no Ctrl-C into a wait
            pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ask an assistant a question, with a delegate.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("assistant_id", nargs="?", help="your assistant's id")
    target.add_argument("--offline", action="store_true", help="ask a local agent instead")
    args = parser.parse_args()
    try:
        if args.offline:
            with LocalAgent() as agent:
                converse("assistant-local", agent.configuration)
        else:
            converse(args.assistant_id)
    except KeyboardInterrupt:
        print("Bye.")
