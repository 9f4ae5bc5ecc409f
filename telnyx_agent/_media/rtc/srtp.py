"""Encrypting and decrypting RTP with aiortc's keys, without giving up the GIL for it. LOOP THREAD ONLY.

pylibsrtp gives the GIL up for each packet, for 3 us of work. In a busy process it takes milliseconds to get it back, so
the same function of libsrtp is called through ctypes, which keeps it; and that is cheaper, too. Where pylibsrtp turns
out to be built in another way, its own methods are used.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import pylibsrtp

__all__ = ["direct_functions", "make_protect", "make_unprotect"]

_TRAILER = 16 + 128  # bytes that libsrtp may append (SRTP_MAX_TRAILER_LEN)
_LARGEST = 2048


@functools.cache
def direct_functions() -> tuple[Any, Any] | None:
    """libsrtp's `srtp_protect` and `srtp_unprotect` for ctypes; `None` where they are not as expected."""
    ffi, lib = getattr(pylibsrtp, "ffi", None), getattr(pylibsrtp, "lib", None)
    if ffi is None or lib is None:
        return None
    try:
        addresses = [ffi.addressof(lib, name) for name in ("srtp_protect", "srtp_unprotect")]
        for address in addresses:
            session, packet, size = (kind.cname for kind in ffi.typeof(address).args)
            if not session.endswith("*") or packet != "void *" or size != "int *":
                return None
        # Not CFUNCTYPE: that would release the GIL just the same.
        kind = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        protect, unprotect = (kind(int(ffi.cast("uintptr_t", address))) for address in addresses)
    except (AttributeError, TypeError, ValueError, ffi.error):
        return None
    return protect, unprotect


def make_protect(session: pylibsrtp.Session) -> Callable[[bytes], bytes]:
    """What encrypts one RTP packet after the other. It raises `ValueError` for one that cannot be."""
    return _make(session, 0, session.protect)


def make_unprotect(session: pylibsrtp.Session) -> Callable[[bytes], bytes]:
    """What checks and decrypts one RTP packet after the other. It raises `ValueError` for a forged or repeated one."""
    return _make(session, 1, session.unprotect)


def _make(session: pylibsrtp.Session, which: int, method: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    functions = direct_functions()
    if functions is None or not hasattr(session, "_srtp"):
        return _with_value_error(method)
    function = functions[which]
    pointer = int(vars(pylibsrtp)["ffi"].cast("uintptr_t", session._srtp[0]))
    memory = ctypes.create_string_buffer(_LARGEST)
    size = ctypes.c_int()
    address, size_address = ctypes.addressof(memory), ctypes.addressof(size)
    view = memoryview(memory).cast("B")

    def process(packet: bytes, _owners: object = (session, memory)) -> bytes:
        length = len(packet)
        if length > _LARGEST - _TRAILER:
            raise ValueError(f"a packet of {length} bytes is too long")
        view[:length] = packet
        size.value = length
        status = function(pointer, address, size_address)
        if status:
            raise ValueError(f"libsrtp refused it ({status})")
        return view[: size.value].tobytes()

    return process


def _with_value_error(method: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def process(packet: bytes) -> bytes:
        try:
            return method(packet)
        except pylibsrtp.Error as exc:
            raise ValueError(str(exc)) from exc

    return process
