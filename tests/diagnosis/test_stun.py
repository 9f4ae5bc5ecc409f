"""Our STUN messages, read and answered by aioice's implementation; bytes only."""

from __future__ import annotations

import hashlib
import random

import aioice.stun
import pytest

from telnyx_agent.diagnosis import _stun

TRANSACTION = b"0123456789ab"
CREDENTIALS = _stun.Credentials("alice", "secret", b"telnyx.test", b"a-nonce")


def test_a_binding_request_is_one_to_others() -> None:
    """With a fingerprint that holds."""
    message = aioice.stun.parse_message(_stun.build_request(_stun.BINDING, TRANSACTION))
    assert message.message_method == aioice.stun.Method.BINDING
    assert message.message_class == aioice.stun.Class.REQUEST
    assert message.transaction_id == TRANSACTION


def test_an_allocation_is_signed_as_others_sign_it() -> None:
    """Long-term credentials: aioice comes to the same signature with the same key, to the byte."""
    data = _stun.build_request(_stun.ALLOCATE, TRANSACTION, CREDENTIALS)
    message = aioice.stun.parse_message(data)
    assert message.message_method == aioice.stun.Method.ALLOCATE
    assert message.attributes["USERNAME"] == "alice"
    assert message.attributes["REALM"] == "telnyx.test"
    assert message.attributes["NONCE"] == b"a-nonce"
    assert message.attributes["REQUESTED-TRANSPORT"] == 0x11000000
    assert CREDENTIALS.key == hashlib.md5(b"alice:telnyx.test:secret").digest()
    message.add_message_integrity(CREDENTIALS.key)
    assert bytes(message) == data
    message.add_message_integrity(b"another key")
    assert bytes(message) != data
    assert "secret" not in repr(CREDENTIALS)


@pytest.mark.parametrize("address", [("192.0.2.7", 4711), ("2001:db8:0:0:0:0:0:7", 4711)])
def test_an_answer_of_others_is_understood(address: tuple[str, int]) -> None:
    """The mapped address, XORed as it is, IPv4 and IPv6."""
    answer = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.RESPONSE, TRANSACTION)
    answer.attributes["XOR-MAPPED-ADDRESS"] = address
    found = _stun.parse_answer(bytes(answer), _stun.BINDING, TRANSACTION)
    assert found is not None
    assert not found.is_error
    assert found.address(TRANSACTION) == address
    assert "4711" in _stun.address_text(found.address(TRANSACTION))


def test_a_refusal_is_understood() -> None:
    """Code and reason; realm and nonce for the next attempt."""
    answer = aioice.stun.Message(aioice.stun.Method.ALLOCATE, aioice.stun.Class.ERROR, TRANSACTION)
    answer.attributes["ERROR-CODE"] = (401, "Unauthorized")
    answer.attributes["REALM"] = "telnyx.test"
    answer.attributes["NONCE"] = b"n"
    found = _stun.parse_answer(bytes(answer), _stun.ALLOCATE, TRANSACTION)
    assert found is not None
    assert (found.is_error, found.error_code, found.reason) == (True, 401, "Unauthorized")
    assert found.attributes[_stun.REALM] == b"telnyx.test"
    assert found.address(TRANSACTION) is None


def test_what_is_no_answer_is_none() -> None:
    """Another transaction, another method, a request, half a message, noise."""
    answer = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.RESPONSE, TRANSACTION)
    answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.7", 4711)
    data = bytes(answer)
    assert _stun.parse_answer(data, _stun.BINDING, b"x" * 12) is None
    assert _stun.parse_answer(data, _stun.ALLOCATE, TRANSACTION) is None
    assert _stun.parse_answer(_stun.build_request(_stun.BINDING, TRANSACTION), _stun.BINDING, TRANSACTION) is None
    for length in range(len(data)):
        assert _stun.parse_answer(data[:length], _stun.BINDING, TRANSACTION) is None
    dice = random.Random(1)
    for _ in range(2000):
        changed = bytearray(data)
        for _ in range(3):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        found = _stun.parse_answer(bytes(changed), _stun.BINDING, TRANSACTION)
        if found is not None:
            _stun.address_text(found.address(TRANSACTION))


def test_where_a_message_of_a_stream_ends() -> None:
    """After four bytes one knows."""
    data = _stun.build_request(_stun.BINDING, TRANSACTION)
    assert _stun.request_length(data[:3]) is None
    assert _stun.request_length(data) == len(data)
