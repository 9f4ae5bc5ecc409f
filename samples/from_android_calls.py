"""Telnyx's Android README with credentials, line by line: log in, take a call that comes in, watch its states.

    python samples/from_android_calls.py your-sip-user
    python samples/from_android_calls.py --offline

Beside each part stands the Kotlin that it comes from. The password is in SIP_PASSWORD.
"""

from __future__ import annotations

import argparse
import os

from telnyx_agent import TxServerConfiguration
from telnyx_agent.compat import CallState, CredentialConfig, SocketMethod, SocketStatus, TelnyxCall, TelnyxClient
from telnyx_agent.testing import LocalAgent


def watch(call: TelnyxCall) -> None:
    """Quickstart, "Observe Call State Changes"."""

    def collect(call_state: CallState) -> None:
        if call_state == CallState.ACTIVE:  # is CallState.ACTIVE -> updateUi("Call is active")
            print("Call is active")
        elif call_state == CallState.DONE:  # is CallState.DONE -> { val reason = callState.reason
            reason = call_state.termination_reason
            print("Call ended." if reason is None else f"Call ended: {reason.cause or 'Unknown cause'}")
        elif call_state == CallState.DROPPED:  # is CallState.DROPPED -> {
            print(f"Call dropped: {call_state.get_reason()}")

    call.call_state_flow.collect(collect)  # ongoingCall.callStateFlow.collect { callState ->


def run(sip_user: str, sip_password: str, agent: LocalAgent | None = None) -> None:
    credential_config = CredentialConfig(  # val credentialConfig = CredentialConfig(
        sip_user=sip_user,  # sipUser = "your_sip_username",
        sip_password=sip_password,  # sipPassword = "your_sip_password",
        sip_caller_id_name="Your Name",  # sipCallerIDName = "Your Name",
    )
    server = TxServerConfiguration() if agent is None else agent.configuration
    with TelnyxClient() as telnyx_client:  # telnyxClient = TelnyxClient(context)
        telnyx_client.connect(
            provided_server_config=server, credential_config=credential_config
        )  # telnyxClient.connect(
        for response in telnyx_client.socket_responses():  # telnyxClient.socketResponseFlow.collect { response ->
            if response.status is SocketStatus.ERROR:  # SocketStatus.ERROR -> {
                print(f"Error: {response.error_message}, code: {response.error_code}")
                break
            if (data := response.data) is None:  # response.data?.let { data ->
                continue
            if data.method == SocketMethod.CLIENT_READY.method_name and agent is not None:
                agent.call_client("Bob", "+15550100", greeting="Hello, this is Bob.")
            elif data.method == SocketMethod.INVITE.method_name:  # SocketMethod.INVITE.methodName -> {
                invite = data.result  # val inviteResponse = data.result as InviteResponse
                print(f"Call from {invite.caller_id_name}")
                call = telnyx_client.accept_call(invite.call_id, invite.caller_id_number)  # telnyxClient.acceptCall(
                watch(call)
            elif data.method == SocketMethod.ANSWER.method_name:  # SocketMethod.ANSWER.methodName -> {
                telnyx_client.end_call(data.result.call_id)  # currentCall.endCall(callId: UUID)
            elif data.method == SocketMethod.BYE.method_name:  # SocketMethod.BYE.methodName -> {
                break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The Android README in Python.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("sip_user", nargs="?", help="the user of your SIP connection; the password is in SIP_PASSWORD")
    target.add_argument("--offline", action="store_true", help="have a local agent call instead")
    args = parser.parse_args()
    try:
        if args.offline:
            with LocalAgent() as local:
                run("alice", "secret", local)
        else:
            run(args.sip_user, os.environ.get("SIP_PASSWORD", ""))
    except KeyboardInterrupt:
        print("Bye.")
