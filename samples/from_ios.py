"""Telnyx's iOS page "Anonymous Connection for AI Agents", line by line, and its next steps: a call, a message.

python samples/from_ios.py assistant-...
python samples/from_ios.py --offline
"""

from __future__ import annotations

import argparse
import threading

from telnyx_agent import TranscriptionItem, TxClient, TxClientDelegate, TxError, TxServerConfiguration
from telnyx_agent.testing import LocalAgent


class YourViewController(TxClientDelegate):
    """extension YourViewController: TxClientDelegate {"""

    def __init__(self) -> None:
        self.client, self.done = TxClient(delegate=self), threading.Event()
        self.said: list[str] = []  # ids; what was complete comes again if the assistant was interrupted in it

    # func onClientReady() { print("Anonymous connection successful") }
    def on_client_ready(self) -> None:
        print("Anonymous connection successful")

    # func onClientError(error: Error) { ... switch txError {
    def on_client_error(self, error: TxError) -> None:
        if isinstance(error, TxError.SocketFailure):  # case .socketFailure:
            print("Invalid assistant ID or authentication failed")
        elif isinstance(error, TxError.ClientConfigurationFailure):  # case .clientConfigurationFailure:
            print("Network connection failed")
        else:  # default:
            print(f"Unexpected error: {error}")
        self.done.set()

    # func onSocketDisconnected() { print("Disconnected from AI assistant") }
    def on_socket_disconnected(self) -> None:
        print("Disconnected from AI assistant")
        self.done.set()

    # Next steps: transcript updates, text messages during active calls
    def on_transcript_item_updated(self, item: TranscriptionItem) -> None:
        if item.is_final and item.id not in self.said:
            self.said.append(item.id)
            print(f"{item.role}: {item.content}")
            if len(self.said) == 1:  # its greeting
                self.client.send_ai_assistant_message("What are your opening hours?")
            elif item.role == "assistant":
                self.client.disconnect()


def run(assistant_id: str, server: TxServerConfiguration | None = None) -> None:
    controller = YourViewController()
    with controller.client as client:
        try:
            # client.anonymousLogin(targetId: "your_assistant_id", userVariables: ["user_id": "12345"])
            client.anonymous_login(assistant_id, user_variables={"user_id": "12345"}, server_configuration=server)
            client.new_call(caller_name="Ada")  # You are now connected and can make a call to the AI Assistant.
        except TxError as error:
            print(f"Connection failed: {error.localized_description}")
            return
        while not controller.done.wait(0.2):  # in slices: Windows lets no Ctrl-C into a wait
            pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The iOS page in Python.")
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
