"""The anonymous login of Telnyx's JavaScript pages, line by line: options, named events, a call, a message, a tool.

    python samples/from_javascript.py assistant-...
    python samples/from_javascript.py --offline

Beside each part stands the JavaScript that it comes from.
"""

from __future__ import annotations

import argparse
import threading
from typing import Any

from telnyx_agent import TxServerConfiguration
from telnyx_agent.compat import Notification, RtcErrorEvent, TelnyxRTC
from telnyx_agent.testing import LocalAgent


def run(assistant_id: str, server: TxServerConfiguration | None = None) -> None:
    done = threading.Event()
    login = {  # anonymous_login: {
        "target_type": "ai_assistant",  # target_type: 'ai_assistant',
        "target_id": assistant_id,  # target_id: 'YOUR_AI_ASSISTANT_ID',
    }
    client = TelnyxRTC({"anonymous_login": login}, server_configuration=server)  # const client = new TelnyxRTC({...});

    def ready() -> None:
        client.new_call({"destinationNumber": ""})  # client.newCall({ destinationNumber: '' });
        print("ready to call")

    def error(event: RtcErrorEvent) -> None:
        print("error", event)
        done.set()

    def notified(notification: Notification) -> None:
        if notification.type == "callUpdate":  # if (notification.type === 'callUpdate') {
            call = notification.call  # activeCall = notification.call;
            print("call", call.state)
            if call.state == "destroy":
                done.set()

    def conversed(message: dict[str, Any]) -> None:
        if message["params"]["type"] == "response.done":
            item = client.client.transcript[-1]
            print(item)
            for call in client.calls.values():  # there is only one
                if len(client.client.transcript) == 1:  # the agent's greeting
                    call.send_conversation_message("Where is my order?")  # call.sendConversationMessage('...');
                elif "shipped" in item.content:
                    call.hangup()  # call.hangup();

    client.on("telnyx.ready", ready)  # client.on('telnyx.ready', () => console.log('ready to call'))
    client.on("telnyx.error", error)  # .on('telnyx.error', () => console.log('error'))
    client.on("telnyx.notification", notified)  # .on('telnyx.notification', (notification) => {
    client.on("telnyx.ai.conversation", conversed)  # .on('telnyx.ai.conversation', (message) => {
    client.client.register_client_tool("lookup_order", lambda order_id: {"state": "shipped"})  # registerClientTool(...)

    with client:  # disconnects in the end: client.disconnect();
        client.connect()  # client.connect();
        while not done.wait(0.2):  # in slices: Windows lets no Ctrl-C into a wait
            pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="JavaScript's anonymous login in Python.")
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
