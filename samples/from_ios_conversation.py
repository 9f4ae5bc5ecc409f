"""Telnyx's iOS pages on conversations, transcript updates and text messages with AI agents, line by line.

python samples/from_ios_conversation.py assistant-...
python samples/from_ios_conversation.py --offline
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from uuid import UUID, uuid4

from telnyx_agent import Call, CallState, TranscriptionItem, TxClient, TxClientDelegate, TxError, TxServerConfiguration
from telnyx_agent.testing import LocalAgent


class AIConversation(TxClientDelegate):
    """class AIAssistantManager { private let client = TxClient()"""

    def __init__(self) -> None:
        self.client = TxClient(delegate=self)  # client.delegate = self
        self.current_call: Call | None = None  # private var currentCall: Call?
        self.ended, self.shown = threading.Event(), ""  # the id of what was shown last

    def on_client_ready(self) -> None:  # func onClientReady() { startCall() }
        headers = {"X-Session-Context": "customer_support", "X-User-Tier": "premium"}  # customHeaders: [
        # currentCall = try client.newCall(callerName: "Customer", destinationNumber: "", callId: UUID(), ...
        self.current_call = self.client.new_call("Customer", call_id=uuid4(), custom_headers=headers)

    def on_client_error(self, error: TxError) -> None:  # func onClientError(error: Error) {
        print(f"Connection error: {error.localized_description}")
        self.ended.set()

    def on_call_state_updated(self, call_state: CallState, call_id: UUID) -> None:
        if self.current_call is None or self.current_call.call_id != call_id:  # guard currentCall?.callId == callId
            return
        match call_state:  # switch callState {
            case CallState.ACTIVE:  # case .ACTIVE: setupTranscriptListener()
                print("Connected to AI Assistant")
                self.client.ai_assistant_manager.subscribe_to_transcript_updates(self.update_conversation_ui)
            case CallState.DONE:  # case .DONE:
                print("AI conversation ended")
                self.ended.set()

    def update_conversation_ui(self, transcript: Sequence[TranscriptionItem]) -> None:
        if not transcript or transcript[-1].is_partial or transcript[-1].id == self.shown:  # guard !transcripts.isEmpty
            return
        self.shown = transcript[-1].id
        print(f"{transcript[-1].role}: {transcript[-1].content}")
        if len(transcript) == 1:  # let success = client.sendAIAssistantMessage(...)
            success = self.client.send_ai_assistant_message("What are your opening hours?")
            print("Message sent successfully" if success else "Failed to send message")  # if success {
        elif transcript[-1].role == "assistant" and self.current_call is not None:
            self.current_call.hangup()  # activeCall.hangup()


def run(assistant_id: str, server: TxServerConfiguration | None = None) -> None:
    conversation = AIConversation()
    with conversation.client as client:
        # client.anonymousLogin(targetId: assistantId)
        client.anonymous_login(assistant_id, server_configuration=server)
        while not conversation.ended.wait(0.2):  # in slices: Windows lets no Ctrl-C into a wait
            pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Three iOS pages in Python.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("assistant_id", nargs="?", help="your assistant's id")
    target.add_argument("--offline", action="store_true", help="talk to a local agent instead")
    args = parser.parse_args()
    try:
        if args.offline:
            with LocalAgent() as agent:
                run("assistant-local", agent.configuration)
        else:
            run(args.assistant_id)
    except KeyboardInterrupt:
        print("Bye.")
