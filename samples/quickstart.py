"""Quick start: call an assistant, talk to it, read along, in five lines (they are in `talk`).

    python samples/quickstart.py assistant-...    # yours, with your microphone; Ctrl-C hangs up
    python samples/quickstart.py --offline        # a local agent: no account, no network, no sound card

Needs only `pip install telnyx-agent`; the local agent needs `telnyx-agent[demo]`.
"""

from __future__ import annotations

import argparse

from telnyx_agent import TranscriptionItem, TxClient, TxError, TxServerConfiguration
from telnyx_agent.testing import LocalAgent, Scenario


def talk(assistant_id: str, server: TxServerConfiguration | None = None) -> None:
    with TxClient() as client:
        client.ai_assistant_manager.subscribe_to_transcript_item_updates(show)
        client.anonymous_login(assistant_id, server_configuration=server)
        call = client.new_call()  # rings as soon as the login is through
        print("The call ended:", call.wait_until_ended())


def show(item: TranscriptionItem) -> None:
    """Called whenever something was said; what is partial still grows."""
    if item.is_final:
        print(f"{item.role}: {item.content}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Talk to a Telnyx Voice AI assistant.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("assistant_id", nargs="?", help="your assistant's id")
    target.add_argument("--offline", action="store_true", help="talk to a local agent instead")
    args = parser.parse_args()
    if args.offline:
        with LocalAgent(scenario=Scenario.remote_hang_up(after=8.0)) as agent:  # in case nobody is there to hang up
            talk("assistant-local", agent.configuration)
    else:
        talk(args.assistant_id)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # the `with` block has hung up and logged out
        print("Bye.")
    except TxError as error:
        raise SystemExit(f"It did not work: {error}") from error
