"""What we take from inside aiortc and aioice. The only module that touches names they do not promise to keep.

- Packets: `rtp.py` takes them where they are read. aiortc's decoder thread, which then has nothing to do, is sent home.
- Candidates: an instance attribute in place of the ICE connection's `get_component_candidates`, so that gathering ends
  in time whatever the servers do, and finds loopback where there is nothing else.
- The negotiated codecs, the checks that still go on when a call ends, the sockets when closing takes too long, and the
  tasks that would be started after it.
- Which of several fingerprints the other side's certificate must have.
- Why a connection has failed, which aiortc knows and does not say.
- aioice's parser of STUN messages, out of which only a `ValueError` may come, as its callers expect.

`check()` compares all of it with the installed versions before the first call.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import re
import struct
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aioice
import aioice.ice
import aioice.stun
import aiortc
from aiortc import (
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
)
from aiortc.rtcdtlstransport import certificate_digest
from aiortc.rtcicetransport import RTCIceGatherer
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from ...errors import MediaError
from . import rtp
from .ice_servers import GRACE, Server, address_towards, first_answer, resolve, turn_tls_context
from .rtp import MOST_PAIRS

__all__ = [
    *(
        "abort",
        "accept_one_fingerprint",
        "bound_gathering",
        "check",
        "described_candidates",
        "hear_failure",
        "most_candidates",
    ),
    *("negotiated_codecs",),
    *("path_answers", "release_decoder", "start_no_more", "stop_checks", "why_not_connected"),
]

_log = logging.getLogger("telnyx_agent.media")

AIORTC_RANGE = ((1, 14), (1, 17))
AIOICE_RANGE = ((0, 10), (0, 14))

MOST_ADDRESSES = 20
"""Addresses of this machine that are offered, the one that the system would send from first."""

_CONNECT = "_RTCPeerConnection__connect"
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
        ("RTCRtpReceiver has no decoder thread", {_THREAD, _QUEUE} <= _names(RTCRtpReceiver.__init__)),
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
        ("aioice.Connection has no _protocols", "_protocols" in _names(ice.__init__)),
        ("aioice.Connection has no build_request", _takes(ice.build_request, {"pair", "nominate"})),
        (
            "aioice.Connection keeps other books about its checks",
            _takes(ice.check_start_task, {"pair"}) and "_check_list" in _names(ice.__init__),
        ),
        (
            "RTCPeerConnection starts its media otherwise",
            {"start", "send", "receive"} <= _names(_connect_of(RTCPeerConnection)),
        ),
        ("aioice.Connection keeps consent otherwise", "query_consent" in _names(ice.connect)),
        ("aioice has no parse_message", "parse_message" in _names(module.StunProtocol.datagram_received)),
        ("RTCDtlsTransport keeps its handshake otherwise", {"_ssl", "encrypted"} <= _names(RTCDtlsTransport.__init__)),
        (
            "RTCDtlsTransport checks certificates otherwise",
            "_validate_peer_identity" in _names(RTCDtlsTransport.start)
            and {"fingerprints", "certificate_digest"} <= _names(RTCDtlsTransport._validate_peer_identity),
        ),
        ("aioice's StunProtocol has no request", _takes(module.StunProtocol.request, {"addr", "integrity_key"})),
    )
    return [text for text, holds in (*wanted, *rtp.requirements(_names)) if not holds]


def _connect_of(connection: type[RTCPeerConnection] | RTCPeerConnection) -> Callable[..., Any]:
    """What aiortc runs in a task of its own once both descriptions are known."""
    found: Callable[..., Any] = getattr(connection, _CONNECT)
    return found


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


def bound_gathering(
    receiver: RTCRtpReceiver,
    servers: Sequence[Server],
    timeout: float,
    *,
    loopback: bool,
    relay_only: bool = False,
    ca_file: str | None = None,
    on_late: Callable[[], None] = lambda: None,
    on_socket: Callable[[Any], object] = lambda protocol: None,
) -> None:
    """Make the receiver's ICE connection gather for at most `timeout` seconds, and stop at once when it is cancelled.

    aioice binds the sockets; we ask the servers. aioice alone knows one server of each kind; it asks from each address
    of the machine and waits 5 s for all to answer, which those of containers and virtual machines never do; its queries
    go on when gathering is cancelled; and it resolves names on the loop's executor, where one that hangs holds up the
    end of the process.

    Args:
        receiver: Of the peer connection's only transceiver. The connection itself must have no servers.
        servers: STUN and TURN servers in order of preference; the first of each kind that answers is used.
        timeout: Seconds. Host candidates are there in any case.
        loopback: Offer 127.0.0.1 too; it is offered anyway where there is no other address.
        ca_file: CA certificates that TURN servers may be verified with beside the system's.
        on_late: Called when the time was up and a server had not answered.
        on_socket: Called with each of aioice's protocols that has a socket, before anything is sent from it.
        relay_only: Bind no address of this machine: only a TURN server's is offered and used (RFC 8829 4.1.1).
    """
    check()
    connection = receiver.transport.transport.iceGatherer._connection
    bind_hosts = connection.get_component_candidates

    async def get_component_candidates(component: int, addresses: list[str], **_: object) -> list[aioice.Candidate]:
        addresses = _preferred(addresses, min(MOST_ADDRESSES, MOST_PAIRS // max(1, _remote_count(connection))))
        local = [_LOOPBACK] if (loopback or not addresses) and _has_loopback() else []
        if relay_only:
            addresses, local = [], []
        binding = asyncio.ensure_future(bind_hosts(component=component, addresses=[*addresses, *local]))
        try:
            found = await asyncio.shield(binding)
        except asyncio.CancelledError:
            # Only when all are bound does aioice note the sockets, so that closing the connection closes them.
            await binding
            raise
        for protocol in connection._protocols:
            on_socket(protocol)
        queries = [] if relay_only else [server for server in servers if not server.is_turn]
        stun = [functools.partial(_ask_stun, connection, server) for server in queries]
        ask_turn = functools.partial(_ask_turn, connection, component, ca_file, relay_only, on_socket)
        turn = [functools.partial(ask_turn, server) for server in servers if server.is_turn]
        return found + await _answers(first_answer(stun), first_answer(turn), timeout, on_late)

    connection.get_component_candidates = get_component_candidates  # type: ignore[method-assign, assignment]


def _preferred(addresses: list[str], most: int) -> list[str]:
    """So many of them, those that the system itself would send from first."""
    if len(addresses) <= most:
        return addresses
    first: list[str] = []
    for somewhere in ("192.0.2.1", "2001:db8::1"):  # RFC 5737 and RFC 3849: nobody has them
        try:
            first.append(address_towards((somewhere, 9)))
        except OSError:
            continue  # this machine has no way to anywhere by that version of IP
    _log.debug("only %d of this machine's %d addresses are offered", most, len(addresses))
    return sorted(addresses, key=lambda address: address not in first)[:most]


def _remote_count(connection: aioice.Connection) -> int:
    """How many candidates of the other side one of ours may be paired with."""
    versions = [":" in candidate.host for candidate in connection.remote_candidates]
    return max(versions.count(True), versions.count(False))


def most_candidates(receiver: RTCRtpReceiver) -> int:
    """How many of the other side's candidates of each version of IP can be used with as many as we have ourselves."""
    return max(1, MOST_PAIRS // max(1, len(receiver.transport.transport.iceGatherer._connection._protocols)))


async def _answers(
    stun: Coroutine[Any, Any, aioice.Candidate | None],
    turn: Coroutine[Any, Any, aioice.Candidate | None],
    timeout: float,
    on_late: Callable[[], None],
) -> list[aioice.Candidate]:
    """What both have found when they are done or the time is up; with a relay, nobody waits long for STUN."""
    tasks = [asyncio.ensure_future(stun), asyncio.ensure_future(turn)]
    clock = asyncio.get_running_loop().time
    began = clock()
    deadline = began + timeout
    late = set(tasks)
    try:
        while late and (left := deadline - clock()) > 0:
            _, late = await asyncio.wait(late, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if tasks[1].done() and tasks[1].result() is not None:
                deadline = min(deadline, clock() + GRACE)
    finally:
        for task in tasks:
            task.cancel()
    if late:
        _log.debug("%d of 2 kinds of ICE servers did not answer in time", len(late))
        if clock() >= began + timeout:  # and not because a relay was there first
            on_late()
    answers = [task.result() for task in tasks if task not in late]
    return [answer for answer in answers if answer is not None]


async def _ask_stun(connection: aioice.Connection, server: Server) -> aioice.Candidate | None:
    """Our address as the server sees it, asked from where the system would send to it."""
    resolved = (await resolve(server.host), server.port)
    own = address_towards(resolved)
    for protocol in connection._protocols:
        if protocol.local_candidate.host == own:
            return (await aioice.ice.server_reflexive_candidate(protocol, resolved))[0]
    return None


async def _ask_turn(
    connection: aioice.Connection,
    component: int,
    ca_file: str | None,
    hidden: bool,
    on_socket: Callable[[Any], object],
    server: Server,
) -> aioice.Candidate:
    """An address at the server that passes everything on."""
    address = await resolve(server.host, ipv6=True)
    tls: Any = False
    if server.tls:
        tls = await asyncio.get_running_loop().run_in_executor(None, turn_tls_context, ca_file)
    options: dict[str, Any] = {"hide_related_address": hidden}  # since aioice 0.12
    known = inspect.signature(aioice.ice.relayed_candidate).parameters
    candidate, protocol = await aioice.ice.relayed_candidate(
        component=component,
        protocol_factory=lambda: aioice.ice.StunProtocol(connection),
        # TLS needs the name, to check the certificate; that it can be resolved is known now.
        turn_server=(server.host if server.tls else address, server.port),
        turn_username=server.username,
        turn_password=server.password,
        turn_ssl=tls,  # asyncio takes a context as well
        turn_transport=server.transport,
        **{name: value for name, value in options.items() if name in known},
    )
    if hidden and "hide_related_address" not in known:  # as aioice does since (RFC 8839 5.1)
        candidate.related_address, candidate.related_port = "::" if ":" in candidate.host else "0.0.0.0", 9
    _log.debug("the relay is %s", server.url)
    on_socket(protocol)
    connection._protocols.append(protocol)
    return candidate


def _has_loopback() -> bool:
    """Whether loopback is up; one can bind to it even where it is not."""
    try:
        return address_towards((_LOOPBACK, 9)) == _LOOPBACK
    except OSError:
        return False


async def stop_checks(connection: RTCPeerConnection) -> None:
    """End the connectivity checks of a connection that is about to be closed, and begin no more.

    In versions that Python 3.10 has to live with, such as 0.10.2, aioice closes the sockets first and goes on with its
    checks for a moment: each sends to a closed socket, and fails in a task that nobody looks at.
    """

    def refuse(pair: Any) -> None:
        pair.state = aioice.ice.CandidatePair.State.FAILED

    stopped: list[asyncio.Task[None]] = []
    for transceiver in connection.getTransceivers():
        ice: Any = transceiver.receiver.transport.transport.iceGatherer._connection
        ice.check_start_task = refuse
        for pair in ice._check_list:
            if pair.task is not None and not pair.task.done():
                pair.task.cancel()
                stopped.append(pair.task)
            refuse(pair)
    if stopped:
        await asyncio.wait(stopped)


def start_no_more(connection: RTCPeerConnection) -> None:
    """Let nothing of a connection that is about to be closed begin: transports, sender, receiver, consent checks.

    aiortc connects in a task that `connection.close()` neither stops nor awaits. Where ICE or the DTLS handshake comes
    to its end meanwhile, that task would start them after they were stopped, and nobody would ever stop them again; a
    transport that is closed before its start makes the task fail with nobody there to hear it.
    """

    async def refuse(*parameters: object) -> None:
        """In the place of `start`, `send`, `receive` and `query_consent`."""

    for transceiver in connection.getTransceivers():
        sender: Any = transceiver.sender
        receiver: Any = transceiver.receiver
        sender.send = receiver.receive = refuse
        dtls: Any = receiver.transport
        dtls.start = dtls.transport.start = refuse
        dtls.transport.iceGatherer._connection.query_consent = refuse


def hear_failure(connection: RTCPeerConnection, on_failure: Callable[[Exception], None]) -> None:
    """Tell what aiortc's task that connects ends with, if it fails. Nobody waits for that task."""
    connect = _connect_of(connection)

    async def guarded() -> None:
        try:
            await connect()
        except Exception as exc:  # noqa: BLE001 - whatever a library raises, the call must know
            on_failure(exc)

    setattr(connection, _CONNECT, guarded)


def accept_one_fingerprint(receiver: RTCRtpReceiver) -> None:
    """Let the other side's certificate have any one of the fingerprints that its strongest hash function made.

    RFC 8122 section 5.1: a description names those of all certificates that may be used, so of several made by one hash
    function only one can fit. aiortc wants all to fit.
    """
    dtls: Any = receiver.transport
    validate = dtls._validate_peer_identity

    def validate_one(parameters: RTCDtlsParameters) -> None:
        length = max(len(one.value) for one in parameters.fingerprints)
        strongest = [one for one in parameters.fingerprints if len(one.value) == length]
        certificate = dtls._ssl.get_peer_certificate(as_cryptography=True)
        fitting = [one for one in strongest if one.value.upper() == certificate_digest(certificate, one.algorithm)]
        validate(RTCDtlsParameters(fingerprints=fitting or strongest, role=parameters.role))

    dtls._validate_peer_identity = validate_one


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

    Where it is ours to choose the path, the request says so again (RFC 8445 8.1.1): when a router on the way has given
    us another address since, the other end learns it from the request and sends there from now on.
    """
    ice: Any = sender.transport.transport._connection
    pairs = list(ice._nominated.values())
    if not pairs or ice.remote_password is None:
        return True
    key = ice.remote_password.encode()
    asking = [
        asyncio.ensure_future(
            pair.protocol.request(
                ice.build_request(pair, nominate=ice.ice_controlling), pair.remote_addr, integrity_key=key
            )
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


def why_not_connected(sender: RTCRtpSender) -> str:
    """What a connection that has failed, or takes too long, has got stuck in.

    Returns:
        `"path"`: no pair of addresses works; `"silence"`: one does, and the other end does not answer the DTLS
        handshake; `"handshake"`: it has been refused; `"fingerprint"`: the certificate is not the one that the
        description names; `"encryption"`: no SRTP profile in common.
    """
    dtls: Any = sender.transport
    if dtls.transport.state not in ("connected", "completed") or dtls._ssl is None:
        return "path"
    if not dtls.encrypted:
        return "handshake" if dtls.state == "failed" else "silence"
    return "fingerprint" if dtls._ssl.get_selected_srtp_profile() else "encryption"


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


def _strict(parse: Callable[..., Any]) -> Callable[..., Any]:
    """A parser that fails with `ValueError` only."""

    @functools.wraps(parse)
    def parse_message(*args: Any, **kwargs: Any) -> Any:
        try:
            return parse(*args, **kwargs)
        except struct.error as exc:
            raise ValueError(f"an attribute of a STUN message has the wrong length: {exc}") from exc

    return parse_message


# For everybody in the process, because a TURN client reads what comes before there is an object to reach it by.
if not hasattr(aioice.stun.parse_message, "__wrapped__"):  # or this module was imported before
    aioice.stun.parse_message = _strict(aioice.stun.parse_message)


def _is_answer(error: BaseException | None) -> bool:
    return error is None or getattr(error, "response", None) is not None
