"""The error tree: one root, the two promised words, the iOS page's case names, nothing lost."""

from __future__ import annotations

import inspect
from uuid import UUID

import pytest

from telnyx_agent import errors
from telnyx_agent.errors import (
    AuthenticationError,
    CallError,
    ClientConfigurationError,
    ErrorCode,
    FailureReason,
    GatewayError,
    NetworkError,
    ServerError,
    TxError,
    TxTimeoutError,
)

ALL = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, TxError)]
NASTY = "Authentication of network.example failed: NETWORK unreachable, not authenticated, Networks"


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_the_two_words_belong_to_two_classes(cls: type[TxError]) -> None:
    """Whatever text goes in, only an AuthenticationError says "authentication" and only a NetworkError "network"."""
    for text in (NASTY, "plain", "", "AUTHENTICATION", "network"):
        said = str(cls(text)).lower()

        assert ("authentication" in said) == issubclass(cls, AuthenticationError)
        assert ("network" in said) == issubclass(cls, NetworkError)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_the_ios_page_names_are_real_classes(cls: type[TxError]) -> None:
    """`except TxError.SocketFailure` catches refused logins only, `.ClientConfigurationFailure` the network's."""

    def caught_by(case: type[TxError]) -> bool:
        try:
            raise cls("x")
        except case:
            return True
        except TxError:
            return False

    assert caught_by(TxError.SocketFailure) == issubclass(cls, (AuthenticationError, TxError.SocketFailure))
    assert caught_by(TxError.ClientConfigurationFailure) == issubclass(
        cls, (NetworkError, TxError.ClientConfigurationFailure)
    )
    assert caught_by(TxError.CallFailure) == issubclass(cls, CallError)


def test_the_data_is_on_the_exception() -> None:
    """The server's code and text survive unchanged beside the readable message."""
    error = ServerError(
        "refused",
        server_code=-32002,
        server_message="network CALL ERROR",
        data={"cause": "GATEWAY_DOWN"},
        call_id="074e7e59-6859-4b8b-8743-83df82e7f776",
    )

    assert (error.server_code, error.server_message, error.data["cause"]) == (
        -32002,
        "network CALL ERROR",
        "GATEWAY_DOWN",
    )
    assert (error.code, error.call_id, error.message, error.localized_description) == (
        49001,
        UUID("074e7e59-6859-4b8b-8743-83df82e7f776"),
        "refused",
        "refused",
    )


def test_builtin_relatives() -> None:
    """Time-outs are TimeoutErrors and bad arguments ValueErrors, so that plain Python handlers work."""
    assert issubclass(TxTimeoutError, TimeoutError)
    assert issubclass(ClientConfigurationError, ValueError)


def test_codes_are_the_official_ones() -> None:
    """Each class has the official SDKs' number for its situation unless another is given."""
    assert AuthenticationError("x").code == 46001
    assert NetworkError("x").code == 45001
    assert CallError("x", code=48501).code == 48501


@pytest.mark.parametrize("code", ErrorCode, ids=lambda code: code.name)
def test_every_number_has_a_text_causes_and_solutions(code: ErrorCode) -> None:
    """Flutter: `TelnyxError(code, name, description, causes, solutions, fatal)`."""
    error = TxError("something", code=int(code))
    assert (error.name, error.description, error.fatal) == (code.name, code.message, code.is_fatal)
    assert (error.causes, error.solutions) == (code.causes, code.solutions)
    assert len(code.message) > 10
    assert all(len(text) > 5 for text in (*code.causes, *code.solutions))
    assert code.causes
    assert code.solutions
    assert code.causes != code.solutions


def test_an_error_without_a_number() -> None:
    """Has the name of its class, and no advice."""
    error = TxTimeoutError("too late")
    assert (error.name, error.description, error.fatal) == ("TxTimeoutError", "too late", True)
    assert (error.causes, error.solutions, error.session_id) == ((), (), None)
    assert NetworkError("gone").name == "WEBSOCKET_CONNECTION_FAILED"


def test_the_cases_of_ioss_source() -> None:
    """One of the four for each error that iOS knows, with iOS's reason where it has one."""
    cases = (TxError.SocketConnectionFailed, TxError.ClientConfigurationFailed, TxError.CallFailed, TxError.ServerError)
    known = [NetworkError("x"), ClientConfigurationError("x"), CallError("x"), GatewayError("x")]
    assert [[isinstance(error, case) for case in cases] for error in known] == [
        [error is other for other in known] for error in known
    ]
    assert not isinstance(TxError("x"), cases)
    assert GatewayError("x").reason is FailureReason.GATEWAY_NOT_REGISTERED
    assert ServerError("x").reason is FailureReason.SIGNALING_SERVER_ERROR


ERRORS = """
40001 SDP_CREATE_OFFER_FAILED
40002 SDP_CREATE_ANSWER_FAILED
40003 SDP_SET_LOCAL_DESCRIPTION_FAILED
40004 SDP_SET_REMOTE_DESCRIPTION_FAILED
40005 SDP_SEND_FAILED
42001 MEDIA_MICROPHONE_PERMISSION_DENIED
42002 MEDIA_DEVICE_NOT_FOUND
42003 MEDIA_GET_USER_MEDIA_FAILED
44001 HOLD_FAILED
44002 INVALID_CALL_PARAMETERS
44003 BYE_SEND_FAILED
44004 SUBSCRIBE_FAILED
44005 PEER_CLOSED_DURING_INIT
45001 WEBSOCKET_CONNECTION_FAILED
45002 WEBSOCKET_ERROR
45003 RECONNECTION_EXHAUSTED
45004 GATEWAY_FAILED
46001 LOGIN_FAILED
46002 INVALID_CREDENTIALS
46003 AUTHENTICATION_REQUIRED
47001 ICE_RESTART_FAILED
48001 NETWORK_OFFLINE
48501 SESSION_NOT_REATTACHED
49001 UNEXPECTED_ERROR
"""


def test_the_numbers_are_the_official_ones() -> None:
    """Those of the JavaScript SDK (protocol.md 8.1), all and no others."""
    assert [f"{code.value} {code.name}" for code in sorted(ErrorCode)] == ERRORS.split("\n")[1:-1]


def test_which_errors_are_fatal() -> None:
    """The column of protocol.md 8.1."""
    harmless = {code.value for code in ErrorCode if not code.is_fatal}
    assert harmless == {44001, 44003, 44004, 45002, 45004, 46003, 47001, 48001}
