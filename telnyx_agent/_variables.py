"""Dynamic variables of an assistant, set through custom headers: `X-Account-Number` is `{{account_number}}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ._checks import checked_headers
from .errors import ClientConfigurationError

__all__ = ["dynamic_variable_headers"]

_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


def dynamic_variable_headers(
    variables: Mapping[str, str | int | float | bool], custom_headers: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The custom headers that set an assistant's dynamic variables, as `TxClient.new_call(dynamic_variables=...)` does.

    Telnyx makes the name of the variable from the header's: without `X-`, in lower case, with `_` for `-`. So
    `{"account_number": 1}` becomes `{"X-Account-Number": "1"}`.

    Args:
        variables: By name: lower-case letters and digits, words joined by one `_`. Truth values become `true` and
            `false`.
        custom_headers: Further headers, which come first.

    Returns:
        All headers.

    Raises:
        ClientConfigurationError: A name could not come back from its header, a value is no plain value or has a line
            break, or a header sets the same variable.
    """
    headers = dict(checked_headers(custom_headers))
    taken = {name.lower() for name in headers}
    for name, value in variables.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ClientConfigurationError(
                f"{name!r} cannot be set through a header; use lower-case letters and digits, with single '_' between"
            )
        if not isinstance(value, (str, int, float)):
            raise ClientConfigurationError(f"the dynamic variable {name} must be a text, a number or a truth value")
        header = "X-" + "-".join(word.capitalize() for word in name.split("_"))
        if header.lower() in taken:
            raise ClientConfigurationError(f"the dynamic variable {name} is set by a custom header already")
        headers[header] = str(value).lower() if isinstance(value, bool) else str(value)
    return dict(checked_headers(headers))
