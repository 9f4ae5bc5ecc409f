"""Embedding in a threaded program: worker threads with queues share one client and wait for answers. No asyncio.

    python samples/legacy_threads.py assistant-...
    python samples/legacy_threads.py --offline
"""

from __future__ import annotations

import argparse
import queue
import threading

from telnyx_agent import TranscriptionItem, TxClient, TxError, TxServerConfiguration

ORDERS = ["What are your opening hours?", "Tell me a joke", "Repeat after me: good weather today", "What is your name?"]


class Assistant:
    """A blocking front of the client for all threads: `ask(question)` returns the answer."""

    def __init__(self, client: TxClient) -> None:
        self._client = client
        self._one_at_a_time = threading.Lock()
        self._said: queue.Queue[str] = queue.Queue()
        client.ai_assistant_manager.subscribe_to_transcript_item_updates(self._note)

    def _note(self, item: TranscriptionItem) -> None:
        """Runs on the SDK's delegate thread, so it only hands over."""
        if item.role == "assistant" and item.is_final:
            self._said.put(item.content)

    def greet(self) -> str:
        self._client.new_call().wait_until_active(timeout=30)
        return self._said.get(timeout=30)

    def ask(self, question: str) -> str:
        with self._one_at_a_time:
            self._client.send_ai_assistant_message(question).result(timeout=5)
            return self._said.get(timeout=60)


def work(assistant: Assistant, orders: queue.Queue[str | None], done: queue.Queue[str]) -> None:
    """What such programs are full of: take an order, work on it, pass it on; None is the end of the day."""
    while (order := orders.get()) is not None:
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
        print("Assistant:", assistant.greet())
        workers = [threading.Thread(target=work, args=(assistant, orders, done), daemon=True) for _ in range(3)]
        for item in (*ORDERS, *(None for _ in workers)):
            orders.put(item)
        for worker in workers:
            worker.start()
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
            from telnyx_agent.testing import LocalAgent

            with LocalAgent() as agent:
                run("assistant-local", agent.configuration)
        else:
            run(args.assistant_id)
    except KeyboardInterrupt:
        print("Bye.")
