"""The tests of a module are found by its name: of `telnyx_agent/_runtime/loop.py`, `tests/runtime/test_loop.py`."""

from __future__ import annotations

from pathlib import PurePosixPath

from .modules import ROOT, Module, modules

FACADES = ("assistant", "call", "client")
"""What these do is what a client does: `tests/client`, a file for each thing."""

WITHOUT = """
_assistant_record _call_ids _call_media _call_record _drivers/futures _drivers/incoming _drivers/listener
_drivers/making _drivers/quality _drivers/session _drivers/sound _early _error_codes _event_stream _lazy _listeners
_login_state _login_wishes _media/codecs/pyav _media/codecs/table _media/rtc/srtp _media/stats _net/upgrade
_protocol/_frozen _protocol/calls/details _protocol/calls/dialog _protocol/conversation/transcript _protocol/outcomes
_protocol/session/liveness _protocol/session/pending _protocol/session/settings _protocol/wire/fields
_protocol/wire/inbound _publisher _report_upload _runtime/ids _runtime/milestones _runtime/streams
_runtime/third_party_logs _session_recording _tools/runner _version audio/_chain audio/_log audio/_null audio/_paced
audio/_sharing audio/_sound_run audio/_speaker audio/_stderr audio/_streams audio/_waits audio/device cli/exits
cli/extras cli/live_call cli/options cli/reporters cli/scripts cli/sound cli/summary cli/wav diagnosis/_results
testing/_checks testing/_credentials testing/_dialog_params testing/_dialogue testing/_events testing/_faulty_connection
testing/_frames testing/_live_call testing/_peer testing/_posts testing/_recogniser testing/_registry
testing/_send_queue testing/_server testing/_server_conversation testing/_server_handle testing/_server_protocol
testing/_server_thread testing/_settings testing/_sockets testing/scenario testing/server
"""
"""Modules without tests of their name: values, contracts, and parts that are tested where they are put together. This
list may only get shorter: whoever writes a new module writes its tests as well, under its name."""


def paths_of(module: Module) -> list[str]:
    """Where the tests of a module may be: folders in a folder need not be there, too. What a client can do may have its
    tests among the client's.
    """
    *folders, name = (part.lstrip("_") for part in PurePosixPath(module.short_name).parts)
    own = "/".join(["tests", *folders, f"test_{name}.py"])
    return [own, f"tests/{folders[0]}/test_{name}.py"] if folders else [own, f"tests/client/test_{name}.py"]


def test_the_tests_of_a_module_are_found_by_its_name() -> None:
    """Or it is on the list, from which it comes off when it has some, or when it is gone."""
    found = {
        module.short_name
        for module in modules()
        if module.path.name not in ("__init__.py", "__main__.py")
        and module.short_name not in FACADES
        and not any((ROOT / path).is_file() for path in paths_of(module))
    }
    listed = set(WITHOUT.split())
    new, gone = sorted(found - listed), sorted(listed - found)
    assert not new, f"write tests for these, under their names: {new}"
    assert not gone, f"take these off the list: {gone}"
