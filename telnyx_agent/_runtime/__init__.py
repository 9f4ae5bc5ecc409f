"""Threads and waiting: the loop, the dispatchers, futures, waiters, worker threads, logs.

Nothing in here knows the protocol.
"""

import logging

# Without a handler, `logging.lastResort` would print the warnings of an SDK that was told to be silent.
logging.getLogger("telnyx_agent").addHandler(logging.NullHandler())
