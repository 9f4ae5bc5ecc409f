"""The program's look at a certificate, and a context that it changes."""

from __future__ import annotations

import functools
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from websockets.sync.server import ServerConnection

from telnyx_agent import ClientConfigurationError, NetworkError, TxServerConfiguration
from telnyx_agent._net.socket import Wire
from telnyx_agent._net.tls import check_certificate, check_tls_options, tls_context
from telnyx_agent._runtime.loop import LoopThread
from tests.net.sockets import Authority, Client, ws_server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("tls"))


async def coroutine(certificate: bytes) -> bool:
    return True


def drain(connection: ServerConnection) -> None:
    """Take whatever comes."""
    for _ in connection:
        pass


def leave(certificate: bytes) -> bool:
    raise SystemExit(3)


@pytest.mark.parametrize(
    "answer", [False, None, 1, "yes", np.True_, [True], object()], ids=lambda answer: type(answer).__name__
)
def test_only_true_is_a_yes(answer: Any) -> None:
    """What happens to be true has not looked."""
    check_certificate({"check_certificate": lambda der: True}, b"", "here")
    with pytest.raises(NetworkError, match="check_certificate"):
        check_certificate({"check_certificate": lambda der: answer}, b"", "here")


@pytest.mark.parametrize("check", [lambda der: coroutine(der), leave], ids=["coroutine", "SystemExit"])
def test_no_look_is_a_no(check: Callable[[bytes], Any]) -> None:
    """A coroutine comes back, and is closed; or whatever is raised."""
    with pytest.raises(NetworkError, match="check_certificate failed"):
        check_certificate({"check_certificate": check}, b"", "here")


class Asynchronous:
    async def __call__(self, certificate: bytes) -> bool:
        return True


@pytest.mark.parametrize(
    "check",
    [coroutine, functools.partial(coroutine), Asynchronous(), Asynchronous().__call__, bool, "pins", lambda: True],
    ids=["async def", "partial", "object", "method", "class", "text", "no parameter"],
)
def test_what_cannot_look_is_refused_when_it_is_given(check: Any) -> None:
    """Before anything is connected."""
    with pytest.raises(ClientConfigurationError, match="check_certificate"):
        TxServerConfiguration(check_certificate=check)


def test_a_check_that_hangs(loop: LoopThread, authority: Authority) -> None:
    """The connection ends in time all the same, and says why; one that is closed meanwhile ends at once."""
    gate = threading.Event()
    sslopt = {"ca_certs": str(authority.file), "check_certificate": lambda der: gate.wait(20)}
    try:
        with ws_server(drain, ssl=authority.server_context("localhost")) as port:
            url = f"wss://localhost:{port}"
            late = Client.to(url, loop, sslopt=sslopt, connect_timeout=0.8).closed(5.0)
            assert "check_certificate did not answer in time" in str(late.error)
            client = Client.to(url, loop, sslopt=sslopt)
            time.sleep(0.3)
            client.connection.close()
            assert client.closed(2.0).error is None
    finally:
        gate.set()


CHANGES: dict[str, Callable[[ssl.SSLContext], None]] = {
    "no verification": lambda context: (
        setattr(context, "check_hostname", False),
        setattr(context, "verify_mode", ssl.CERT_NONE),
    )[0],
    "optional": lambda context: setattr(context, "verify_mode", ssl.CERT_OPTIONAL),
    "any name": lambda context: setattr(context, "check_hostname", False),
    "TLS 1.0": lambda context: setattr(context, "minimum_version", ssl.TLSVersion.TLSv1),
}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("name", CHANGES)
def test_a_context_that_is_changed_later(name: str, loop: LoopThread, authority: Authority) -> None:
    """It is looked at again when the connection is made."""
    context = ssl.create_default_context(cafile=str(authority.file))
    check_tls_options({"context": context})
    CHANGES[name](context)
    with pytest.raises(ClientConfigurationError):
        tls_context({"context": context})


def test_what_was_not_verified_is_refused_after_the_handshake(loop: LoopThread, authority: Authority) -> None:
    """However it came to that."""
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    with ws_server(drain, ssl=authority.server_context("localhost")) as port:
        wire = Wire()
        try:
            wire.begin_phase(5.0)
            wire.connect("127.0.0.1", port, ())
            with pytest.raises(ClientConfigurationError, match="changed meanwhile"):
                wire.start_tls(careless, "localhost")
        finally:
            wire.release()


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread.acquire()
    yield thread
    thread.release()


@pytest.mark.parametrize(
    ("given", "least"),
    [
        (None, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
    ],
)
def test_the_least_version(given: ssl.TLSVersion | None, least: ssl.TLSVersion) -> None:
    """TLS 1.2, unless the program's context asks for more."""
    options = {}
    if given is not None:
        options["context"] = ssl.create_default_context()
        options["context"].minimum_version = given
    assert tls_context(options).minimum_version is least
