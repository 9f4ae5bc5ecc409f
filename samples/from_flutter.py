"""Telnyx's Flutter page "Anonymous Login for AI Agents", line by line, and its next steps: a call, a message. asyncio.

    python samples/from_flutter.py assistant-...
    python samples/from_flutter.py --offline

Beside each part stands the Dart that it comes from.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from telnyx_agent import LogLevel, TranscriptionItem, TxError, TxServerConfiguration
from telnyx_agent.compat import TelnyxClient
from telnyx_agent.testing import LocalAgent


async def run(assistant_id: str, server: TxServerConfiguration | None = None) -> None:
    _telnyx_client = TelnyxClient()
    try:  # try {
        await _telnyx_client.anonymous_login_async(  # await _telnyxClient.anonymousLogin(
            target_id=assistant_id,  # targetId: 'your_assistant_id',
            user_variables={"user_id": "12345"},  # userVariables: {'user_id': '12345'},
            log_level=LogLevel.NONE,  # logLevel: LogLevel.none,
            server_configuration=server,
        )
        # You are now connected and can make a call to the AI Assistant.
        await talk(_telnyx_client)
    except TxError as e:  # } catch (e) {
        if "authentication" in str(e):  # if (e.toString().contains('authentication')) {
            print("Invalid assistant ID or authentication failed")
        elif "network" in str(e):  # } else if (e.toString().contains('network')) {
            print("Network connection failed")
        else:  # } else {
            print(f"Unexpected error: {e}")  # print('Unexpected error: $e');
    finally:
        await asyncio.wrap_future(_telnyx_client.disconnect())  # _telnyxClient.disconnect();


async def talk(_telnyx_client: TelnyxClient) -> None:
    """Next steps: "Start a conversation using newInvite()", transcript updates, text messages."""
    loop = asyncio.get_running_loop()
    complete: asyncio.Queue[Sequence[TranscriptionItem]] = asyncio.Queue()

    def on_transcript_update(transcript: Sequence[TranscriptionItem]) -> None:
        if transcript and transcript[-1].is_final and transcript[-1].role == "assistant":
            loop.call_soon_threadsafe(complete.put_nowait, transcript)

    _telnyx_client.on_transcript_update = on_transcript_update  # _telnyxClient.onTranscriptUpdate = (transcript) {
    call = _telnyx_client.new_invite("Ada", "", "", "state")  # _telnyxClient.newInvite('Ada', '', '', 'state');
    print((await complete.get())[0])  # the agent's greeting
    call.send_conversation_message("What are your opening hours?")  # call.sendConversationMessage('...');
    print(*(await complete.get())[1:], sep="\n")
    call.end_call()  # call.endCall();


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The Flutter page in Python.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("assistant_id", nargs="?", help="your assistant's id")
    target.add_argument("--offline", action="store_true", help="talk to a local agent instead")
    args = parser.parse_args()
    try:
        if args.offline:
            with LocalAgent() as agent:
                asyncio.run(run("assistant-local", agent.configuration))
        else:
            asyncio.run(run(args.assistant_id))
    except KeyboardInterrupt:
        print("Bye.")
