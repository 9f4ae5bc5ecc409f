"""`make_driver`: makes the `Session` of a login, with a real clock and random numbers, and its driver."""

from __future__ import annotations

import functools
import random
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import attrs

from .._net.connection import SignalingConnection
from .._protocol.session.session import Session
from .._protocol.session.settings import SessionSettings
from .._runtime.ids import new_id
from .listener import SessionListener
from .session import SessionDriver

if TYPE_CHECKING:
    from .._net.backpressure import Backpressure
    from .._protocol.outcomes import OpenConnection
    from .._protocol.wire.credentials import Login
    from .._runtime.log import ClientLog
    from .._runtime.loop import LoopThread
    from ..config import TxServerConfiguration

__all__ = ["make_driver"]


def make_driver(
    login: Login,
    configuration: TxServerConfiguration,
    reconnect_timeout: float,
    listener: SessionListener,
    log: ClientLog,
    loop: LoopThread,
    pressure: Backpressure,
) -> SessionDriver:
    """A driver that has not started. `pressure` counts what waits in its login. Any thread."""
    settings = SessionSettings(reconnect_timeout=reconnect_timeout, has_fallback=configuration.has_fallback)
    session = Session(login, new_id=new_id, random=random.random, wall_clock=_utc_now, settings=settings)

    def url_of(connection: OpenConnection) -> str:
        return configuration.connection_url(**attrs.asdict(connection))

    connect = functools.partial(
        SignalingConnection,
        post=loop.post,
        sslopt=configuration.tls_options,
        proxy=configuration.proxy,
        pressure=pressure,
    )
    return SessionDriver(session, url_of, listener, log, loop.loop, connect, is_local=configuration.is_local)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)
