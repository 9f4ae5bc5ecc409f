"""The delegate's base class: no-ops, and a guard against misspelt callbacks."""

from __future__ import annotations

import inspect

import pytest

from telnyx_agent import TxClientDelegate
from telnyx_agent.delegate import CALLBACK_NAMES


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("on_client_redy", "on_client_ready"),
        ("on_transcript_updated", "on_transcription_updated"),
        ("on_socket_disconnect", "on_socket_disconnected"),
        ("on_error", "on_client_error"),
    ],
)
def test_a_misspelt_callback_is_refused_with_the_nearest_name(wrong: str, right: str) -> None:
    """A callback that would never be called is an error when the class is defined."""
    with pytest.raises(TypeError, match=f"{wrong} .*did you mean {right}"):
        type("Delegate", (TxClientDelegate,), {wrong: lambda self: None})


def test_own_methods_may_look_like_callbacks() -> None:
    """Methods of one's own that begin with on_ can be declared."""

    class App(TxClientDelegate, own_methods=["on_button"]):
        def on_button(self) -> str:
            return "pressed"

        def on_client_ready(self) -> None: ...

    assert App().on_button() == "pressed"


def test_every_callback_is_a_documented_no_op() -> None:
    """All methods exist, do nothing and say when they are called."""
    delegate = TxClientDelegate()
    for name in CALLBACK_NAMES:
        method = getattr(delegate, name)
        arguments = [None] * len(inspect.signature(method).parameters)

        assert method(*arguments) is None
        assert len(inspect.getdoc(method) or "") > 40
