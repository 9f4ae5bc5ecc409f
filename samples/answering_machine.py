"""An answering machine: logs in with the credentials of a SIP connection, takes every call, records the message.

    SIP_PASSWORD=... python samples/answering_machine.py your-sip-user
    python samples/answering_machine.py --offline          # a local agent calls: no account, no network

Every call becomes a stereo WAV file: message-1.wav, message-2.wav ... Whoever calls meanwhile hears it ring.
"""

from __future__ import annotations

import argparse
import array
import contextlib
import math
import os
import queue
import time

from telnyx_agent import Call, TxClient, TxClientDelegate, TxConfig, TxError, TxTimeoutError
from telnyx_agent.audio import NullAudio
from telnyx_agent.testing import LocalAgent

BEEP = array.array("h", (int(9000 * math.sin(i * 0.13)) for i in range(24000))).tobytes()  # half a second at 48 kHz


class AnsweringMachine(TxClientDelegate):
    """Collects the calls that come in; the main thread takes one after the other."""

    def __init__(self) -> None:
        self.calls: queue.SimpleQueue[Call | TxError] = queue.SimpleQueue()

    def on_incoming_call(self, call: Call) -> None:
        print(f"Call from {call.call_info.caller_name} ({call.call_info.caller_number})")
        self.calls.put(call)  # rings on until it is its turn

    def on_client_error(self, error: TxError) -> None:
        self.calls.put(error)

    def next_call(self) -> Call:
        while self.calls.empty():
            time.sleep(0.2)  # in slices: Windows lets no Ctrl-C into a wait
        call = self.calls.get()
        if isinstance(call, TxError):
            raise call
        return call


def take(call: Call, path: str, longest: float) -> None:  # a caller who has given up meanwhile leaves no message
    try:
        call.answer({"X-Answered-By": "machine"}, audio=NullAudio()).result(10)
        with call, contextlib.suppress(TxTimeoutError):  # at the end of the block it hangs up
            call.record(path)
            call.play(BEEP)
            call.wait_until_ended(timeout=longest)
        print("Wrote", path)
    except TxError as error:
        print("No message:", error)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take calls and record what callers have to say.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("sip_user", nargs="?", help="the user of your SIP connection; the password is in SIP_PASSWORD")
    target.add_argument("--offline", action="store_true", help="have a local agent call instead")
    args, machine = parser.parse_args(), AnsweringMachine()
    try:
        with TxClient(machine) as client:
            if args.offline:
                with LocalAgent() as agent:
                    client.connect(TxConfig(sip_user="ada", password="ada"), agent.configuration).result(10)
                    agent.call_client("Bob", "+15550100", greeting="Hello, this is Bob. Please call me back.")
                    take(machine.next_call(), "message-1.wav", longest=5.0)
            else:
                client.connect(TxConfig(sip_user=args.sip_user, password=os.environ.get("SIP_PASSWORD"))).result(60)
                for number in range(1, 1000):
                    take(machine.next_call(), f"message-{number}.wav", longest=60.0)
    except KeyboardInterrupt:
        print("Bye.")
    except TxError as error:
        raise SystemExit(f"It did not work: {error}") from error
