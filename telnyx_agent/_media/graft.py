"""What we take from inside aiortc and aioice. The only module that touches names they do not promise to keep.

- Packets: an object with `add(packet)` in place of the audio receiver's jitter buffer sees every RTP packet in order of
  arrival and gives aiortc nothing to decode. aiortc's decoder thread, which then has nothing to do, is sent home.
- Candidates: an instance attribute in place of the ICE connection's `get_component_candidates`, so that gathering ends
  in time whatever the servers do, and finds loopback where there is nothing else.
- The negotiated codecs, and the sockets when closing takes too long.
- Each packet's way through aiortc, which `rtp.py` shortens.

`check()` compares all of it with the installed versions before the first call.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import ipaddress
import logging
import re
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aioice
import aioice.ice
import aiortc
from aiortc import RTCIceServer, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcicetransport import RTCIceGatherer, connection_kwargs
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket

from ..config import IceServer
from ..errors import MediaError
from . import rtp

__all__ = ["abort", "bound_gathering", "check", "intercept", "negotiated_codecs", "path_answers", "release_decoder"]
__all__ += ["described_candidates", "used_servers"]

_log = logging.getLogger("telnyx_agent.media")

AIORTC_RANGE = ((1, 14), (1, 17))
AIOICE_RANGE = ((0, 10), (0, 14))

_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_THREAD = "_RTCRtpReceiver__decoder_thread"
_QUEUE = "_RTCRtpReceiver__decoder_queue"
_RELAY = {
    *("component", "protocol_factory", "turn_server", "turn_username", "turn_password", "turn_ssl", "turn_transport")
}
_LOOPBACK = "127.0.0.1"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _names(function: Callable[..., Any]) -> set[str]:
    """All names that a function's code mentions."""
    return set(inspect.unwrap(function).__code__.co_names)


def _differences() -> list[str]:
    """What is not as we need it."""
    ice, module = aioice.Connection, aioice.ice
    handle = RTCRtpReceiver._handle_rtp_packet
    wanted = (
        ("RTCRtpReceiver has no private jitter buffer", {_BUFFER, _THREAD, _QUEUE} <= _names(RTCRtpReceiver.__init__)),
        ("RTCRtpReceiver does not give packets to its jitter buffer", {_BUFFER, "add"} <= _names(handle)),
        ("RTCRtpReceiver does not guard its decoder thread", _THREAD in _names(handle)),
        ("RTCRtpTransceiver has no _codecs", "_codecs" in _names(RTCRtpTransceiver.__init__)),
        ("RTCIceGatherer has no _connection", "_connection" in _names(RTCIceGatherer.__init__)),
        ("get_component_candidates has changed", _takes(ice.get_component_candidates, {"component", "addresses"})),
        (
            "server_reflexive_candidate has changed",
            _takes(module.server_reflexive_candidate, {"protocol", "stun_server"}),
        ),
        ("relayed_candidate has changed", _takes(module.relayed_candidate, _RELAY)),
        ("aioice.Connection does not call it", "get_component_candidates" in _inner_names(ice.gather_candidates)),
        ("aioice.Connection has no stun_server", {"stun_server", "turn_server"} <= _names(ice.__init__)),
        ("aioice.Connection has no _protocols", "_protocols" in _names(ice.__init__)),
        ("aioice.Connection has no build_request", _takes(ice.build_request, {"pair", "nominate"})),
        ("aioice's StunProtocol has no request", _takes(module.StunProtocol.request, {"addr", "integrity_key"})),
    )
    return [text for text, holds in (*wanted, *rtp.requirements(_names)) if not holds]


def _takes(function: Callable[..., Any], parameters: set[str]) -> bool:
    return parameters <= set(inspect.signature(function).parameters)


def _inner_names(function: Callable[..., Any]) -> set[str]:
    """As `_names`, with those of comprehensions inside, which are functions of their own before Python 3.12."""
    names = _names(function)
    for constant in inspect.unwrap(function).__code__.co_consts:
        if inspect.iscode(constant):
            names |= set(constant.co_names)
    return names


@functools.cache
def check() -> None:
    """Make sure that aiortc and aioice have inside what this module takes.

    Raises:
        MediaError: They have not; the message names the versions found and the range that was tested.
    """
    try:
        different = _differences()
    except AttributeError as exc:
        different = [str(exc)]
    found = f"aiortc {aiortc.__version__} with aioice {aioice.__version__}"
    tested = f"aiortc from {_text(AIORTC_RANGE)}, aioice from {_text(AIOICE_RANGE)}"
    if different:
        raise MediaError(
            f"{found} cannot be used: {'; '.join(different)}. This SDK was tested with {tested}: "
            "install one of these versions"
        )
    for text, (low, high) in ((aiortc.__version__, AIORTC_RANGE), (aioice.__version__, AIOICE_RANGE)):
        if not low <= _version(text) < high:
            _log.warning("%s was not tested with this SDK (%s); it looks usable", found, tested)
            break


def _text(versions: tuple[tuple[int, int], tuple[int, int]]) -> str:
    (low, high) = versions
    return f"{low[0]}.{low[1]} to before {high[0]}.{high[1]}"


class _Sink:
    """Stands where aiortc's jitter buffer was."""

    def __init__(self, on_packet: Callable[[RtpPacket], None]) -> None:
        self._on_packet = on_packet

    capacity = 0

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Pass the packet on; (no picture is lost, no frame is complete) for aiortc."""
        try:
            self._on_packet(packet)
        except Exception:  # noqa: BLE001 - aiortc would take it for a broken connection and end the call
            _log.exception("a received packet could not be taken")
        return False, None


def intercept(receiver: RTCRtpReceiver, on_packet: Callable[[RtpPacket], None]) -> None:
    """Give all RTP packets of an audio receiver to `on_packet`, on the loop, in order of arrival."""
    check()
    if not hasattr(receiver, _BUFFER):
        raise MediaError(f"aiortc {aiortc.__version__} has no {_BUFFER}; install a version from {_text(AIORTC_RANGE)}")
    setattr(receiver, _BUFFER, _Sink(on_packet))


def release_decoder(receiver: RTCRtpReceiver) -> bool:
    """Tell aiortc's decoder thread to end, for nothing will ever be decoded there.

    aiortc would join it, on the loop, when the call ends.

    Returns:
        Whether there was such a thread. It ends the receiver's track and then itself.
    """
    if getattr(receiver, _THREAD, None) is None:
        return False
    getattr(receiver, _QUEUE).put(None)
    setattr(receiver, _THREAD, None)
    return True


def negotiated_codecs(transceiver: RTCRtpTransceiver) -> list[RTCRtpCodecParameters]:
    """The codecs that both sides have, the one to be sent first; after the remote description was applied."""
    return list(transceiver._codecs)


def used_servers(servers: Sequence[IceServer]) -> list[RTCIceServer]:
    """The servers that aiortc will use: the first STUN and the first TURN server that it can; the others are logged."""
    used: dict[str, RTCIceServer] = {}
    for server in servers:
        for url in server.urls:
            scheme = "turn" if url.startswith("turn") else "stun"
            candidate = RTCIceServer(url, server.username, server.credential)
            if scheme in used:
                _log.debug("ICE server %s is not used: one %s server is enough", url, scheme.upper())
            elif not _can_use(candidate):
                _log.debug("ICE server %s is not used: this kind is not supported", url)
            else:
                used[scheme] = candidate
    return list(used.values())


def _can_use(server: RTCIceServer) -> bool:
    try:
        return bool(connection_kwargs([server]))
    except ValueError:  # it cannot read the URL
        return False


def bound_gathering(receiver: RTCRtpReceiver, timeout: float, *, loopback: bool) -> None:
    """Make the receiver's ICE connection gather for at most `timeout` seconds, and stop at once when it is cancelled.

    aioice binds the sockets; we ask the servers. aioice alone asks from each address of the machine and waits 5 s for
    all to answer, which those of containers and virtual machines never do; its queries go on when gathering is
    cancelled; and it resolves names on the loop's executor, where one that hangs holds up the end of the process.

    Args:
        receiver: Of the peer connection's only transceiver.
        timeout: Seconds. Host candidates are there in any case.
        loopback: Offer 127.0.0.1 too; it is offered anyway where there is no other address.
    """
    check()
    connection = receiver.transport.transport.iceGatherer._connection
    bind_hosts = connection.get_component_candidates

    async def get_component_candidates(component: int, addresses: list[str], **_: object) -> list[aioice.Candidate]:
        stun, turn = connection.stun_server, connection.turn_server
        connection.stun_server = connection.turn_server = None
        local = [_LOOPBACK] if (loopback or not addresses) and _has_loopback() else []
        binding = asyncio.ensure_future(bind_hosts(component=component, addresses=[*addresses, *local]))
        try:
            found = await asyncio.shield(binding)
        except asyncio.CancelledError:
            # Only when all are bound does aioice note the sockets, so that closing the connection closes them.
            await binding
            raise
        queries = []
        if stun is not None:
            queries.append(_ask_stun(connection, stun))
        if turn is not None:
            queries.append(_ask_turn(connection, component, turn))
        return found + await _answers(queries, timeout)

    connection.get_component_candidates = get_component_candidates  # type: ignore[method-assign, assignment]


async def _answers(
    queries: Sequence[Coroutine[Any, Any, aioice.Candidate | None]], timeout: float
) -> list[aioice.Candidate]:
    """What the queries have found when all are done or the time is up."""
    tasks = [asyncio.create_task(query) for query in queries]
    if not tasks:
        return []
    try:
        done, late = await asyncio.wait(tasks, timeout=timeout)
    finally:
        for task in tasks:
            task.cancel()
    if late:
        _log.debug("%d of %d ICE servers did not answer within %.1f s", len(late), len(tasks), timeout)
    found = []
    for task in tasks:
        if task in done:
            if (exc := task.exception()) is not None:
                _log.debug("an ICE server was of no use: %r", exc)
            elif (candidate := task.result()) is not None:
                found.append(candidate)
    return found


async def _ask_stun(connection: aioice.Connection, server: tuple[str, int]) -> aioice.Candidate | None:
    """Our address as the server sees it, asked from where the system would send to it."""
    resolved = (await _resolve(server[0]), server[1])
    own = _address_towards(resolved)
    for protocol in connection._protocols:
        if protocol.local_candidate.host == own:
            return (await aioice.ice.server_reflexive_candidate(protocol, resolved))[0]
    return None


async def _ask_turn(connection: aioice.Connection, component: int, server: tuple[str, int]) -> aioice.Candidate:
    """An address at the server that passes everything on."""
    address = await _resolve(server[0])
    options: dict[str, Any] = {"hide_related_address": False}  # since aioice 0.12
    known = inspect.signature(aioice.ice.relayed_candidate).parameters
    candidate, protocol = await aioice.ice.relayed_candidate(
        component=component,
        protocol_factory=lambda: aioice.ice.StunProtocol(connection),
        # TLS needs the name, to check the certificate; that it can be resolved is known now.
        turn_server=server if connection.turn_ssl else (address, server[1]),
        turn_username=connection.turn_username,
        turn_password=connection.turn_password,
        turn_ssl=connection.turn_ssl,
        turn_transport=connection.turn_transport,
        **{name: value for name, value in options.items() if name in known},
    )
    connection._protocols.append(protocol)
    return candidate


async def _resolve(host: str) -> str:
    """The IPv4 address of a host; on a thread of its own that nobody has to wait for. Raises `OSError`."""
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        pass  # a name
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def settle(address: str | None, error: OSError | None) -> None:
        if answer.done():
            return
        if address is not None:
            answer.set_result(address)
        else:
            answer.set_exception(error or OSError(f"{host} has no address"))

    def work() -> None:
        address, error = None, None
        try:
            address = str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0])
        except OSError as exc:
            error = exc
        except UnicodeError as exc:
            error = OSError(f"{host!r} is not a host name: {exc}")
        try:
            loop.call_soon_threadsafe(settle, address, error)
        except RuntimeError:
            pass  # the loop is closed, so nobody waits any more

    threading.Thread(target=work, name="telnyx-agent-resolver", daemon=True).start()
    return await answer


def _address_towards(server: tuple[str, int]) -> str:
    """Our own address on the way to a server. Raises `OSError` when there is no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        probe.connect(server)  # sends nothing
        return str(probe.getsockname()[0])


def _has_loopback() -> bool:
    """Whether loopback is up; one can bind to it even where it is not."""
    try:
        return _address_towards((_LOOPBACK, 9)) == _LOOPBACK
    except OSError:
        return False


def abort(connection: RTCPeerConnection) -> None:
    """Let go of all that still waits for a server while `connection.close()` does not come to its end.

    A TURN server that does not answer any more is asked for half a minute to delete its allocation.
    """
    for transceiver in connection.getTransceivers():
        ice = transceiver.receiver.transport.transport.iceGatherer._connection
        for protocol in ice._protocols:
            inner = getattr(protocol.transport, "_TurnTransport__inner_protocol", None)
            if inner is None:
                protocol.transport.abort()
                continue
            for task in asyncio.all_tasks():
                owner = _owner(task)
                if owner is inner or owner is protocol.transport:
                    task.cancel()
            inner.transport.close()


def _owner(task: asyncio.Task[Any]) -> object:
    """The object whose method a task runs."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    return None if frame is None else frame.f_locals.get("self")


async def path_answers(sender: RTCRtpSender, timeout: float) -> bool:
    """Whether the other end of the ICE path answers a STUN request within `timeout` seconds.

    True also where there is no path to ask yet or any more: what becomes of that, the peer's state tells.
    """
    ice: Any = sender.transport.transport._connection
    pairs = list(ice._nominated.values())
    if not pairs or ice.remote_password is None:
        return True
    key = ice.remote_password.encode()
    asking = [
        asyncio.ensure_future(
            pair.protocol.request(ice.build_request(pair, nominate=False), pair.remote_addr, integrity_key=key)
        )
        for pair in pairs
    ]
    done, late = await asyncio.wait(asking, timeout=timeout)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
    # An error response, such as "role conflict", is an answer too; aioice's own time-out has none.
    return any(_is_answer(task.exception()) for task in done)


def described_candidates(sender: RTCRtpSender) -> tuple[dict[str, str], ...]:
    """The candidates of both sides without addresses: `side`, `type`, `protocol`, and `selected` of those in use."""
    ice: Any = sender.transport.transport._connection
    used = set()
    for pair in ice._nominated.values():
        used |= {("local", *pair.local_addr[:2]), ("remote", *pair.remote_addr[:2])}
    return tuple(
        {
            "side": side,
            "type": candidate.type,
            "protocol": candidate.transport,
            "selected": "true" if (side, candidate.host, candidate.port) in used else "false",
        }
        for side, candidates in (("local", ice.local_candidates), ("remote", ice.remote_candidates))
        for candidate in candidates
    )


def _is_answer(error: BaseException | None) -> bool:
    return error is None or getattr(error, "response", None) is not None
