"""What users pass in cannot become somebody else's header, and what is too much is refused with the numbers."""

from __future__ import annotations

import pytest

from telnyx_agent import ClientConfigurationError
from telnyx_agent._arguments import MESSAGE_LIMIT
from telnyx_agent._checks import check_message, checked_call, checked_headers
from telnyx_agent._images import DEFAULT_IMAGE_LIMIT, image_urls

LINE_ENDS = [
    "\r\nX-Evil: 1",
    "\n",
    "\r",
    "\x00",
    "\x0b",
    "\x0c",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b",
    "\x7f",
    "\x9f",
    "\ud800",
]
"""What some reader or other takes for the end of a line, or cannot carry at all."""


@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
def test_nothing_is_smuggled_into_headers(end: str) -> None:
    """Neither in names nor in values, neither in the middle nor at the end; and the value is not quoted."""
    for value in (f"canary{end}", f"canary{end}canary", end):
        with pytest.raises(ClientConfigurationError) as caught:
            checked_headers({"X-A": value})
        assert "canary" not in str(caught.value)
    for name in (f"X-A{end}", f"X-{end}A", f"{end}X-A"):
        with pytest.raises(ClientConfigurationError, match="custom header"):
            checked_headers({name: "1"})


@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
@pytest.mark.parametrize("argument", ["caller_name", "caller_number", "destination_number"])
def test_nothing_is_smuggled_in_with_names_and_numbers(end: str, argument: str) -> None:
    """They become SIP headers as well."""
    arguments = {"caller_name": "", "caller_number": "", "destination_number": "", argument: f"canary{end}x"}
    with pytest.raises(ClientConfigurationError, match=argument) as caught:
        checked_call(**arguments, call_id=None, client_state=None, custom_headers=None, taken=(), new_id=str)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", "A", "X", "X-", "X-A:", "X-A B", "X-Ä", "X-\N{CYRILLIC SMALL LETTER A}", "Via", "-X-A"]
)
def test_names_of_headers(name: str) -> None:
    """Only tokens that begin with X-."""
    with pytest.raises(ClientConfigurationError, match="must start with 'X-'"):
        checked_headers({name: "1"})


def test_good_headers_stay_as_they_are() -> None:
    """Other languages, punctuation, numbers."""
    headers = {"X-Name": "Jörg 李 \N{GRINNING FACE}", "x-a_b.c": 'a, "b"; <c>', "X-N": "7"}
    assert dict(checked_headers(headers)) == headers


def test_limits_are_said_with_numbers() -> None:
    """One message, one image."""
    check_message("x" * MESSAGE_LIMIT, ())
    with pytest.raises(ClientConfigurationError, match=r"4,194,305 characters.*limit of 4,194,304"):
        check_message("x" * MESSAGE_LIMIT, ("y",))
    with pytest.raises(ClientConfigurationError, match="nothing to send"):
        check_message(" \n", ())
    with pytest.raises(ClientConfigurationError, match=f"limit of {DEFAULT_IMAGE_LIMIT:,}"):
        image_urls([b"\x89PNG\r\n\x1a\n" + bytes(DEFAULT_IMAGE_LIMIT)])
