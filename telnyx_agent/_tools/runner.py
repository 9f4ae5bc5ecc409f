"""Client-side tools: functions of your program that the agent may ask for during a call.

The agent asks with a function call; the function runs on a worker thread of its own, and what it returns goes back as
the output (protocol.md 5.1, R49, R51). Whatever happens - an unknown tool, arguments
that do not fit, an exception, a time-out, no thread, too many requests, a result that is too large - the agent gets an
answer and never waits in vain.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from .._arguments import MESSAGE_LIMIT
from .._callables import is_generator
from .._runtime.dispatch import report
from .._runtime.threads import NoThreadError
from .._runtime.workers import DaemonPool
from ..errors import ClientConfigurationError, LocalProtocolError, TxError, in_words

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .._protocol.wire.ai_inbound import FunctionCall
    from .._runtime.futures import CommandFuture
    from .arguments import Signature

__all__ = [
    "AT_ONCE",
    "DEFAULT_TIMEOUT",
    "MAX_ERROR",
    "MAX_OPEN",
    "Tool",
    "ToolRunner",
    "check_not_inside_tool",
    "inside_tool",
    "make_tool",
]

AT_ONCE = 16
"""Tools that run at the same time, per client; further requests wait for one to end."""

MAX_OPEN = 64
"""Requests that run or wait, per client; one more is answered with an error at once. Agents ask for one or a few."""

MAX_ERROR = 10_000
"""Characters of an error that the agent is told; the rest of a longer one is cut off."""

DEFAULT_TIMEOUT = 30.0
"""Seconds that a tool may take, from the agent's request."""

_logger = logging.getLogger("telnyx_agent.tools")
_is_tool: contextvars.ContextVar[bool] = contextvars.ContextVar("telnyx_agent.is_tool", default=False)


def _no_arguments() -> Signature:
    from .arguments import Signature

    return Signature(())


@attrs.frozen(eq=False)
class Tool:
    """A function that the agent may ask for.

    Attributes:
        name: What the agent calls it.
        function: The function; its type hints say what the arguments are.
        timeout: Seconds from the agent's request to the answer; None for as long as it takes.
        description: For the agent; the first paragraph of the docstring unless given.
    """

    name: str
    function: Callable[..., Any]
    timeout: float | None = DEFAULT_TIMEOUT
    description: str = ""
    signature: Signature = attrs.field(repr=False, factory=_no_arguments)

    def definition(self) -> dict[str, Any]:
        """Name, description and parameters as JSON Schema: what the assistant's tool is set up with at Telnyx."""
        return {"name": self.name, "description": self.description, "parameters": self.signature.schema()}


def make_tool(
    function: Callable[..., Any], name: str | None, timeout: float | None, description: str | None = None
) -> Tool:
    """A tool of a function.

    Raises:
        ClientConfigurationError: It cannot be one; the text says why.
    """
    if isinstance(function, type) or not callable(function):
        what = f"the class {function.__name__}" if isinstance(function, type) else type(function).__name__
        raise ClientConfigurationError(f"a tool must be a function, not {what}")
    if is_generator(function) or inspect.isasyncgenfunction(function):
        raise ClientConfigurationError("a tool must not have a 'yield' in it; return what the agent is to get")
    known: object = getattr(getattr(function, "func", function), "__name__", "") if name is None else name
    if not isinstance(known, str) or not known.strip() or known == "<lambda>":
        raise ClientConfigurationError("the tool needs a name: give name='...'")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0):
        raise ClientConfigurationError(f"the time-out of the tool {known} must be more than 0 seconds, or None")
    from .arguments import Signature

    paragraph = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    return Tool(
        known, function, timeout, paragraph if description is None else description, Signature.of(function, known)
    )


@attrs.define(eq=False)
class _Request:
    """One request of the agent's that has no answer yet.

    Attributes:
        answers: How often it was made, word for word: each time is answered, and the tool runs once.
    """

    call: FunctionCall
    tool: Tool
    answers: int = 1


class ToolRunner:
    """The tools of one client, and the requests for them. Any thread, unless it says otherwise.

    Args:
        answer: Sends an output, given the id of the function call.
    """

    def __init__(self, answer: Callable[[str, str], CommandFuture[None]]) -> None:
        self.answers_unknown = True
        self._answer = answer
        # Tools come and go on any thread while the loop reads them: a mapping that is replaced under a lock.
        self._lock = threading.Lock()
        self._tools: Mapping[str, Tool] = MappingProxyType({})
        # Whoever takes a request out, under the lock, answers it: the worker or the timer.
        self._requests: set[_Request] = set()
        self._pool: DaemonPool | None = None

    @property
    def tools(self) -> Mapping[str, Tool]:
        """An immutable snapshot, by name."""
        return self._tools

    def add(self, tool: Tool) -> None:
        """Take a tool in, in the place of one of the same name."""
        with self._lock:
            self._tools = MappingProxyType({**self._tools, tool.name: tool})

    def remove(self, name: str) -> bool:
        """Forget a tool; what runs goes on. False if there is none."""
        with self._lock:
            known = name in self._tools
            self._tools = MappingProxyType({other: tool for other, tool in self._tools.items() if other != name})
        return known

    # -- one request -------------------------------------------------------------------------------------------------

    def requested(self, call: FunctionCall) -> None:
        """The agent asks for a tool (loop thread). It gets an answer, whatever it has asked for."""
        tool = self._tools.get(call.name)
        if not call.name:
            _logger.warning("the agent asked for a tool without saying which")
            self._send(call, "unknown", _error("the function call has no usable name"))
        elif tool is None:
            if self.answers_unknown:
                # Not its name: what comes from the server is no text for a log.
                _logger.warning("the agent asked for a tool that this program does not have")
                self._send(call, "unknown", _error(f"there is no tool named {call.name}"))
        elif not self._is_asked_again(call):
            self._begin(_Request(call, tool))

    def _is_asked_again(self, call: FunctionCall) -> bool:
        """Whether the same request is open already; then it is answered as often, but the tool does not run twice."""
        with self._lock:
            same_id = [one for one in self._requests if one.call.call_id == call.call_id]
            same = next((one for one in same_id if one.call == call and one.answers < MAX_OPEN), None)
            if same is not None:
                same.answers += 1
        if same_id:
            what = "the same request; it runs once" if same is not None else "another request"
            _logger.warning("the agent used the id of a function call again, for %s; each is answered", what)
        return same is not None

    def _begin(self, request: _Request) -> None:
        call, tool = request.call, request.tool
        if len(self._requests) >= MAX_OPEN:
            _logger.warning("tool %s: not run, because %d requests are open already", tool.name, MAX_OPEN)
            self._send(call, tool.name, _error(f"{MAX_OPEN} function calls are open already; ask again later"))
            return
        with self._lock:
            self._requests.add(request)
        if self._pool is None:
            self._pool = DaemonPool(AT_ONCE, "telnyx-agent-tool")
        try:
            job = self._pool.submit(self._run, request)
        except NoThreadError as exc:
            self._not_run(request, exc)
            return
        job.add_done_callback(functools.partial(self._job_done, request))
        if tool.timeout is not None:
            asyncio.get_running_loop().call_later(tool.timeout, self._expired, request)

    def _job_done(self, request: _Request, job: Future[None]) -> None:
        """A job that no worker was found for, because all of them hang, ends with an error."""
        if not job.cancelled() and (error := job.exception()) is not None:
            self._not_run(request, error)

    def _not_run(self, request: _Request, why: BaseException) -> None:
        tool = request.tool
        if self._answer_with(request, _error(f"the tool {tool.name} cannot be run now")):
            _logger.error("tool %s: not run: %s", tool.name, why)

    def call_over(self) -> None:
        """Nobody waits for answers any more (loop thread). Tools that run go on; their results are dropped."""
        with self._lock:
            self._requests.clear()

    def finished(self) -> None:
        """The login is over: the threads end when their tools do (loop thread)."""
        self.call_over()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _run(self, request: _Request) -> None:
        """Worker thread."""
        tool = request.tool
        if request not in self._requests:
            _logger.info("tool %s: not run, because the call was over", tool.name)
            return
        with inside_tool():
            output = _output_of(tool, request.call.arguments)
        if not self._answer_with(request, output):
            _logger.info("tool %s: the result came too late and was dropped", tool.name)

    def _expired(self, request: _Request) -> None:
        """Loop thread."""
        tool = request.tool
        if self._answer_with(request, _error(f"the tool {tool.name} did not answer within {tool.timeout:g} seconds")):
            _logger.warning("tool %s did not answer within %g s; the agent was told so", tool.name, tool.timeout)

    def _answer_with(self, request: _Request, output: str) -> bool:
        """Send the answer, as often as there was asked; False if somebody else has, or the call is over."""
        with self._lock:
            if request not in self._requests:
                return False
            self._requests.discard(request)
            answers = request.answers
        for _ in range(answers):
            self._send(request.call, request.tool.name, output)
        return True

    def _send(self, call: FunctionCall, name: str, output: str) -> None:
        self._answer(call.call_id, output).add_done_callback(functools.partial(_look_at, name))


@contextlib.contextmanager
def inside_tool() -> Iterator[None]:
    """What runs in this block, and the coroutines that it starts, is a tool."""
    token = _is_tool.set(True)
    try:
        yield
    finally:
        _is_tool.reset(token)


def check_not_inside_tool() -> None:
    """Refuse to wait for the agent, who waits for the tool.

    Raises:
        LocalProtocolError: This is a tool.
    """
    if _is_tool.get():
        raise LocalProtocolError("ask() inside a tool cannot be answered: the agent waits for the tool's result")


def _look_at(name: str, sent: Any) -> None:
    error = sent.exception()
    if isinstance(error, TxError):
        _logger.info("tool %s: the result was dropped: %s", name, error)


def _output_of(tool: Tool, arguments: str) -> str:
    """Run a tool; what it comes to, as the agent gets it."""
    from .arguments import ToolArgumentError
    from .results import to_output

    try:
        values = tool.signature.read(arguments)
    except ToolArgumentError as exc:
        _logger.warning("tool %s was asked for with arguments that do not fit", tool.name)
        return _error(str(exc))
    try:
        result = tool.function(**values)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
    except BaseException as exc:  # noqa: BLE001 - whatever it is, the agent waits for an answer
        report(_logger, f"tool {tool.name} raised {type(exc).__name__}; the agent was told so", exc)
        return _error(in_words(exc).removesuffix(": "))
    try:
        output = to_output(result)
    except BaseException as exc:  # noqa: BLE001 - the result's own code runs in it
        _logger.error("tool %s returned what JSON cannot express: %s", tool.name, in_words(exc).removesuffix(": "))
        return _error(f"the tool {tool.name} returned something that cannot be expressed as JSON")
    if len(output) > MESSAGE_LIMIT:
        _logger.error("tool %s returned more than %d characters", tool.name, MESSAGE_LIMIT)
        return _error(f"the tool {tool.name} returned more than {MESSAGE_LIMIT} characters")
    return output


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _error(text: str) -> str:
    return json.dumps({"error": text if len(text) <= MAX_ERROR else text[:MAX_ERROR] + "..."}, ensure_ascii=False)
