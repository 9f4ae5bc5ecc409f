"""Embedding in a threaded program: worker threads with queues share one client and wait for answers. No asyncio.

python samples/legacy_threads.py assistant-...
python samples/legacy_threads.py --offline
"""

from __future__ import annotations

import argparse
import queue
import threading

from telnyx_agent import TranscriptionItem, TxClient, TxError, TxServerConfiguration
from telnyx_agent.testing import LocalAgent

ORDERS = ["What are your opening hours?", "Tell me a joke", "Repeat after me: one two three", "What is your name?"]


class Assistant:
    """A blocking front of the client for all threads: `ask(question)` returns the answer."""

    def __init__(self, client: TxClient) -> None:
        self.said: queue.Queue[str] = queue.Queue()
        self._noted: list[str] = []  # ids; what was complete comes again if the assistant was interrupted in it
        self._client = client
        self._one_at_a_time = threading.Lock()
        client.ai_assistant_manager.subscribe_to_transcript_item_updates(self._note)

    def _note(self, item: TranscriptionItem) -> None:
        if item.role == "assistant" and item.is_final and item.id not in self._noted:
            self._noted.append(item.id)
            self.said.put(item.content)  # on the SDK's thread for callbacks: only hand over

    def ask(self, question: str) -> str:
        with self._one_at_a_time:
            self._client.send_ai_assistant_message(question).result(timeout=5)  # blocks this thread, and no other
            return self.said.get(timeout=60)


def work(assistant: Assistant, orders: queue.Queue[str | None], done: queue.Queue[str]) -> None:
    """What such programs are full of: take an order, work on it, pass it on; None is the end of the day."""
    for order in iter(orders.get, None):
        try:
            done.put(f"{order} -> {assistant.ask(order)}")
        except (TxError, queue.Empty) as error:
            done.put(f"{order} -> no answer: {error}")


def run(assistant_id: str, server: TxServerConfiguration | None = None) -> None:
    orders: queue.Queue[str | None] = queue.Queue()
    done: queue.Queue[str] = queue.Queue()
    with TxClient() as client:
        client.anonymous_login(assistant_id, server_configuration=server).result(timeout=30)  # raises what went wrong
        assistant = Assistant(client)
        client.new_call().wait_until_active(timeout=30)
        print("Assistant:", assistant.said.get(timeout=30))
        for _ in range(3):
            threading.Thread(target=work, args=(assistant, orders, done), daemon=True).start()
        for order in ORDERS:
            orders.put(order)
        for _ in ORDERS:
            print(done.get(timeout=120))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Let worker threads ask an assistant.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("assistant_id", nargs="?", help="your assistant's id")
    target.add_argument("--offline", action="store_true", help="ask a local agent instead")
    args = parser.parse_args()
    try:
        if args.offline:
            with LocalAgent() as agent:
                run("assistant-local", agent.configuration)
        else:
            run(args.assistant_id)
    except KeyboardInterrupt:
        print("Bye.")
    except TxError as error:
        raise SystemExit(f"It did not work: {error}") from error
