"""Threads of the SDK: which are internal, and what a fork makes of that."""

from __future__ import annotations

import sys

import pytest

from .conftest import RunProgram


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="there is no fork on Windows")
def test_a_fork_of_an_internal_thread_is_the_programs(run_program: RunProgram) -> None:
    """The child has one thread, which may wait for the SDK; its parent goes on as it was."""
    outcome = run_program(
        """
        import os
        from telnyx_agent._runtime.threads import SdkThread, is_internal

        def fork():
            child = os.fork()
            if child == 0:
                os._exit(10 + is_internal())
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), is_internal())

        thread = SdkThread(fork, "telnyx-agent-test")
        thread.start()
        thread.join()
        print(is_internal())
        """
    )
    assert outcome.stdout.split() == ["10", "True", "False"], outcome.stderr
