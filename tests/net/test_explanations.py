"""Words for what went wrong on the way to a server."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import websocket

from telnyx_agent import ServerError
from telnyx_agent._net.explanations import explain


@pytest.mark.parametrize("status", [302, 307, 400, 401, 403, 404, 407, 408, 418, 426, 429, 500, 502, 503, 504, 599])
def test_each_status_has_its_words(status: int) -> None:
    """The number, what it means, and what to do."""
    exc = websocket.WebSocketBadStatusException("status %d", status, None, {"retry-after": "7"})
    error = explain(exc, "here", 443, 5.0)
    assert isinstance(error, ServerError)
    assert (error.server_code, error.retry_after) == (status, 7.0)
    assert f"here:443 answered with HTTP status {status}: " in str(error)


def test_statuses_differ() -> None:
    """401 and 503 are told apart, and so are all others that mean something."""
    texts = {
        str(explain(websocket.WebSocketBadStatusException("%d", status), "h", 1, 5.0)).partition(": ")[2]
        for status in (302, 400, 401, 403, 404, 407, 408, 426, 429, 500, 502, 503, 504)
    }
    assert len(texts) == 13


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 0.0), ("120", 120.0), ("soon", None), ("", None), ("-5", None), ("9" * 20, None)]
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """Seconds; other things are none."""
    exc = websocket.WebSocketBadStatusException("%d", 503, None, {"retry-after": header})
    assert explain(exc, "h", 1, 5.0).retry_after == seconds  # type: ignore[attr-defined]


def test_retry_after_a_date() -> None:
    """HTTP knows both forms."""
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True)
    exc = websocket.WebSocketBadStatusException("%d", 503, None, {"retry-after": date})
    assert 55 < explain(exc, "h", 1, 5.0).retry_after < 61  # type: ignore[attr-defined]
