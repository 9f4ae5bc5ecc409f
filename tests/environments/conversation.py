"""A conversation with the local agent, as programs in all kinds of environments hold it; run by `test_environments.py`.

It needs nothing but the SDK, so that it can be frozen into a program, and raises whatever goes wrong.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from telnyx_agent import CallState, TxClient, TxClientDelegate, TxServerConfiguration
from telnyx_agent.audio import NullAudio

__all__ = ["ANSWER", "hold"]

QUESTION = "Repeat after me: one two three"
ANSWER = "one two three"
PATIENCE = 30.0


class _App(TxClientDelegate):
    def __init__(self) -> None:
        self.states: list[CallState] = []
        self.threads: set[str] = set()
        self.heard = threading.Event()

    def on_call_state_updated(self, call_state: CallState, call_id: object) -> None:
        self.states.append(call_state)
        self.threads.add(threading.current_thread().name)

    def on_audio_level(self, inbound: float, outbound: float, call_id: object) -> None:
        if inbound > 0.0:
            self.heard.set()


def hold(url: str, between: Callable[[], object] = lambda: None) -> str:
    """Log in, call, ask, hear the agent's voice, and hang up.

    Args:
        url: Of the local agent.
        between: Called in the middle of the call, after which the agent is asked once more.

    Returns:
        The agent's answer.

    Raises:
        RuntimeError: Something was not as it has to be.
    """
    app = _App()
    with TxClient(app, audio=NullAudio()) as client:
        client.anonymous_login("assistant-1", server_configuration=TxServerConfiguration(url)).result(PATIENCE)
        call = client.new_call()
        call.wait_until_active(PATIENCE)
        for pause in (between, lambda: None):
            end = time.monotonic() + PATIENCE
            while not app.heard.is_set():
                require(time.monotonic() < end, "no sound came")
                # After a long pause the media may have to be made anew; the words come at once, their sound does not.
                require(call.ask(QUESTION, timeout=PATIENCE) == ANSWER, "the answer is a different one")
                app.heard.wait(5)
            pause()
            app.heard.clear()
        call.hangup().result(PATIENCE)
        call.wait_until_ended(PATIENCE)
    require(app.states[-1] == CallState.DONE, f"the delegate was told {app.states}")
    require(app.threads == {"telnyx-agent-delegate"}, f"callbacks came on {app.threads}")
    for thread in threading.enumerate():
        if thread.name.startswith("telnyx-agent"):
            thread.join(PATIENCE)
            require(not thread.is_alive(), f"{thread} is left")
    return ANSWER


def require(holds: bool, otherwise: str) -> None:
    """`assert` does nothing with `-O`."""
    if not holds:
        raise RuntimeError(otherwise)


if __name__ == "__main__":
    print(hold(sys.argv[1]), flush=True)
