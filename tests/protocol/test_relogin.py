"""`Relogin`: which of the server's announcements belong to an exchange of credentials."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from telnyx_agent._protocol.outcomes import CredentialsRefused, CredentialsUpdated
from telnyx_agent._protocol.session.relogin import Relogin
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.states import SessionState
from telnyx_agent._protocol.wire.credentials import CredentialLogin
from telnyx_agent._protocol.wire.inbound import Refusal

ALICE, OTHER = CredentialLogin(token="alice"), CredentialLogin(token="other")


class Made:
    """One of a session that is ready."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.reported: list[Any] = []
        self.deadlines: list[float] = []
        self.registration = SimpleNamespace(login=ALICE, state=SessionState.READY, session_id="s", is_ready=True)
        channel = SimpleNamespace(expect=self._expect, send=self.sent.append)
        settings = SessionSettings(login_timeout=7.0)
        self.relogin = Relogin(cast("Any", channel), cast("Any", self.registration), settings, self.reported.append)

    def _expect(self, pending: Any, deadline: float) -> str:
        self.deadlines.append(deadline)
        return "id"


def test_one_announcement_for_each_exchange() -> None:
    """Whether it comes before the answer or after it."""
    made = Made()
    assert made.relogin.explains_announcement() is False
    for _ in range(2):
        made.relogin.start(OTHER, 100.0)
        made.relogin.accepted()
    assert (made.deadlines, made.reported) == ([107.0, 107.0], [CredentialsUpdated(), CredentialsUpdated()])
    assert (made.registration.login.token, made.registration.login.reconnection) == ("other", True)
    assert [made.relogin.explains_announcement() for _ in range(3)] == [True, True, False]
    made.relogin.accepted()
    made.relogin.refused(None)
    assert len(made.reported) == 2


def test_a_session_that_is_not_ready_is_announced_for_itself() -> None:
    """Until it is."""
    made = Made()
    made.relogin.start(OTHER, 0.0)
    made.registration.is_ready = False
    assert made.relogin.explains_announcement() is False
    made.registration.is_ready = True
    assert made.relogin.explains_announcement() is True


def test_refused_credentials_are_not_announced() -> None:
    """Those without an answer may be."""
    for refusal, announced in ((Refusal(-32001, "no"), False), (None, True)):
        made = Made()
        made.relogin.start(OTHER, 0.0)
        made.relogin.refused(refusal)
        (reported,) = made.reported
        assert isinstance(reported, CredentialsRefused)
        assert made.registration.login is ALICE
        assert made.relogin.explains_announcement() is announced


def test_nothing_is_announced_after_a_lost_connection() -> None:
    """The next connection's announcement is its own, whether an answer was awaited or not."""
    made = Made()
    made.relogin.start(OTHER, 0.0)
    made.relogin.connection_lost()
    assert made.relogin.explains_announcement() is False
    made.relogin.start(OTHER, 0.0)
    made.relogin.accepted()
    made.relogin.connection_lost()
    assert made.relogin.explains_announcement() is False
