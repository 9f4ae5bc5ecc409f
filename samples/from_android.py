"""Telnyx's Android page "Anonymous Connection for AI Agents", line by line, and its next steps: a call, a message.

    python samples/from_android.py assistant-...
    python samples/from_android.py --offline

Beside each part stands the Kotlin that it comes from.
"""

from __future__ import annotations

import argparse

from telnyx_agent import TxError, TxServerConfiguration
from telnyx_agent.compat import SocketMethod, SocketStatus, TelnyxClient
from telnyx_agent.testing import LocalAgent


def run(assistant_id: str, server: TxServerConfiguration | None = None) -> None:
    with TelnyxClient() as telnyx_client:
        try:
            telnyx_client.connect_anonymously(  # telnyxClient.connectAnonymously(
                provided_server_config=server,  # providedServerConfig = TxServerConfiguration(...),
                target_id=assistant_id,  # targetId = "your_assistant_id",
                user_variables={"user_id": "12345"},  # userVariables = mapOf("user_id" to "12345")
            )
            # You are now connected and can make a call to the AI Assistant.
        except TxError as e:  # } catch (e: Exception) {
            print(f"Connection failed: {e}")  # Log.e("TelnyxClient", "Connection failed: ${e.message}")
            return

        for response in telnyx_client.socket_responses():  # telnyxClient.socketResponseFlow.collect { response ->
            match response.status:  # when (response.status) {
                case SocketStatus.MESSAGERECEIVED:  # SocketStatus.MESSAGERECEIVED -> {
                    if data := response.data:  # response.data?.let { data ->
                        match data.method:  # when (data.method) {
                            case SocketMethod.LOGIN.method_name:  # SocketMethod.LOGIN.methodName -> {
                                print("Anonymous connection successful")
                                telnyx_client.new_invite("Ada", "", "", "state")  # newInvite(...)
                            case SocketMethod.AI_CONVERSATION.method_name:
                                if not go_on(telnyx_client, data.result.ai_conversation_params["type"]):
                                    break
                            case SocketMethod.BYE.method_name:
                                break
                case SocketStatus.ERROR:  # SocketStatus.ERROR -> {
                    message = response.error_message or ""
                    if "authentication" in message:  # response.errorMessage?.contains("authentication") == true -> {
                        print("Invalid assistant ID or authentication failed")
                    elif "network" in message:  # response.errorMessage?.contains("network") == true -> {
                        print("Network connection failed")
                    else:  # else -> {
                        print(f"Unexpected error: {message}")
                    break


def go_on(telnyx_client: TelnyxClient, what: str) -> bool:
    """Next step: "Send text messages during active calls"; False when the answer is complete."""
    if what != "response.done":
        return True
    transcript = telnyx_client.transcript
    print(transcript[-1])
    if len(transcript) == 1:  # the agent's greeting
        telnyx_client.send_ai_assistant_message("What are your opening hours?")
    return len(transcript) == 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The Android page in Python.")
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
