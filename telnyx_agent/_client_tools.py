"""`ClientTools`: the part of `TxClient` that lends the agent functions of your program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from ._client_base import ClientBase
from ._tools import DEFAULT_TIMEOUT, Tool, make_tool

__all__ = ["ClientTools"]

_F = TypeVar("_F", bound=Callable[..., Any])


class ClientTools(ClientBase):
    """See `TxClient`."""

    @overload
    def tool(self, function: _F, /) -> _F: ...

    @overload
    def tool(
        self,
        function: str | None = None,
        /,
        *,
        name: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        description: str | None = None,
    ) -> Callable[[_F], _F]: ...

    def tool(
        self,
        function: Callable[..., Any] | str | None = None,
        /,
        *,
        name: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        description: str | None = None,
    ) -> Any:
        """Lend the agent a function, as a decorator. The assistant must have a client-side tool of that name.

            @client.tool
            def lookup_order(order_id: str) -> dict[str, str]: ...

            @client.tool(name="lookup_order", timeout=10)
            def look_up(order_id: str) -> dict[str, str]: ...

        The agent's arguments are checked and converted to what the type hints say: texts, numbers, truth values, lists,
        dicts, `Optional`, unions, `Literal`, enums, dataclasses, attrs classes, `TypedDict`, dates, UUIDs. The function
        runs on the thread `telnyx-agent-tool`, several at once, and may block; a coroutine function runs in an event
        loop of its own there. What it returns goes back: a text as it is, all else as JSON. An exception (logged to
        `telnyx_agent.tools`), arguments that do not fit, or a time-out become an error that the agent is told. When
        the call is over meanwhile, the result is dropped. Tools last over calls and logins.

        Args:
            function: The function, where the decorator stands alone; or the name, as the first argument.
            name: What the agent calls it; the function's own name unless given.
            timeout: Seconds from the agent's request to the answer; None for as long as it takes. A function that is
                late goes on, and its result is dropped.
            description: For `Tool.definition`; the docstring's first paragraph unless given.

        Returns:
            The function, unchanged.

        Raises:
            ClientConfigurationError: The function has no name, an argument that has no name, or a type hint that no
                JSON value can become.
        """
        if callable(function):
            self.add_tool(function)
            return function
        chosen = function if name is None else name

        def register(decorated: _F) -> _F:
            self.add_tool(decorated, name=chosen, timeout=timeout, description=description)
            return decorated

        return register

    def add_tool(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        description: str | None = None,
    ) -> Tool:
        """Lend the agent a function; as `tool`, but not as a decorator. A tool of the same name is replaced.

        Raises:
            ClientConfigurationError: As for `tool`.
        """
        tool = make_tool(function, name, timeout, description)
        self._assistant._tools.add(tool)
        return tool

    def remove_tool(self, name: str) -> bool:
        """Take a tool back; what runs goes on. False if there is none of that name."""
        return self._assistant._tools.remove(name)

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools, by name: an immutable snapshot."""
        return self._assistant._tools.tools

    @property
    def conversation_id(self) -> str | None:
        """The id of the conversation: the one that the login joined, or that a message of the server's has told.

        Give it to a later `anonymous_login(conversation_id=...)` to go on with this conversation.
        """
        return self._assistant._conversation_id
