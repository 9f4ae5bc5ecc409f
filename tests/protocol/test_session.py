"""`session` and `inbox`: frames of every kind, in every state, and the order of what comes out."""

from __future__ import annotations

import json
import random
import re
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.calls.hold import HoldWish
from telnyx_agent._protocol.outcomes import CallUpdated, LoginFailed, Malformed, MessageReceived, TranscriptChanged
from telnyx_agent._protocol.session.pending import MOST_REQUESTS, Pending, RequestKind
from telnyx_agent._protocol.session.session import Session
from telnyx_agent._protocol.session.settings import SessionSettings
from telnyx_agent._protocol.states import SessionState
from telnyx_agent._protocol.wire.inbound import MOST_HEADER_CHARACTERS, MOST_HEADERS
from telnyx_agent._protocol.wire.jsonrpc import MOST_FRAMES
from telnyx_agent.errors import AuthenticationError, GatewayError, RemoteProtocolError
from tests.protocol.malformed import CALL_ID, MALFORMED
from tests.protocol.script import ANSWER, VECTORS, Script, ack, vector


def snapshot(session: Session) -> Any:
    """All that one can see of a session."""
    return (
        session.registration.state,
        session.registration.session_id,
        session.registration.voice_sdk_id,
        session.conversation.widget_settings,
        session.conversation.transcript.items,
        session.conversation.agent.state,
        session.get_timer(),
    )


# -- frames that make no sense -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_malformed_frames_change_nothing(text: str | bytes) -> None:
    """They are reported once for each kind, without what they contain."""
    for start in (Script.opened, Script.ready, Script.talking):
        script = start()
        script.forget()
        before = snapshot(script.session)
        script.text(text)
        script.text(text)
        assert snapshot(script.session) == before
        (malformed,) = script.events()
        assert isinstance(malformed, Malformed)
        assert "secret" not in str(malformed.error)
        assert len(str(malformed.error)) < 150


@pytest.mark.parametrize("text", ['{"id":"@","error":false}', '{"id":["@"],"result":{}}', '{"id":"@","result":NaN}'])
def test_malformed_replies_settle_nothing(text: str) -> None:
    """What cannot be told to be a reply is none: a good one may still come."""
    script = Script.opened()
    login_id = script.expect("anonymous_login")["id"]
    script.text(text.replace("@", login_id))
    assert not script.events(outcomes.LoginFailed)
    script.frame({"id": login_id, "result": {"sessid": "s"}})
    assert script.session.registration.session_id == "s"


@pytest.mark.parametrize("result", [None, "secret", 5, True, ["secret"], {}])
def test_a_result_of_any_form_is_one(result: Any) -> None:
    """Whoever waits hears of it at once, and not that nothing came in time."""
    script = Script.opened()
    script.frame({"id": script.expect("anonymous_login")["id"], "result": result})
    assert script.session.registration.state is SessionState.REGISTERING
    script = Script.talking()
    ticket = script.session.calls.hold(CALL_ID, HoldWish.HOLD, script.now)
    script.frame({"id": script.expect("telnyx_rtc.modify")["id"], "result": result})
    assert script.event(outcomes.CommandSettled) == outcomes.CommandSettled(ticket, None)


@pytest.mark.parametrize("error", [5, True, ["secret"], {}, "", "no", {"message": ["secret"], "code": {"a": "secret"}}])
@pytest.mark.parametrize("request_id", ["@", 0, "", ["@"], {"a": 1}, False, None])
def test_an_error_of_any_form_is_one(error: Any, request_id: Any) -> None:
    """The same for a refusal; an id that names nothing is none."""
    script = Script.opened()
    login_id = script.expect("anonymous_login")["id"]
    script.frame({"id": login_id if request_id == "@" else request_id, "error": error})
    failure = script.event(LoginFailed).error
    assert isinstance(failure, AuthenticationError)
    assert "secret" not in str(failure)


ODD = "\x1b[2J\n2026-01-01 INFO all is well\r\u202e\ud83d\x9b"


def test_words_of_the_server_are_one_line() -> None:
    """They go to logs and terminals: no log can be forged with them, and none gets megabytes."""
    script = Script.opened()
    script.refuse("anonymous_login", ODD, ODD + "x" * 1_000_000, data={"x": ODD})
    error = script.event(LoginFailed).error
    assert str(error).isprintable() or "\ufffd" in str(error)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e\ud800-\udfff]", str(error))
    assert len(str(error)) < 10_000
    script = Script.calling()
    script.say("telnyx_rtc.bye", callID=CALL_ID, cause=ODD, sipReason=ODD, sipCode=ODD)
    ended = script.end().termination_reason
    assert ended is not None
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e\ud800-\udfff]", f"{ended} {ended.cause} {ended.sip_reason}")
    script = Script.opened()
    script.reply("anonymous_login", sessid=ODD)
    assert "\x1b" not in script.session.registration.session_id


def test_a_call_survives_the_whole_corpus() -> None:
    """Everything in a row; the call goes on as if nothing had been."""
    script = Script.talking()
    for text in MALFORMED.values():
        script.text(text)
    script.forget()
    script.ai("response.text.delta", delta="Hello", item_id="r1")
    script.hang_up()
    assert script.states() == ["DONE"]
    assert script.sent_methods() == ["telnyx_rtc.bye"]


def test_a_malicious_server_does_not_fill_the_log() -> None:
    """Nor the memory: after a hundred kinds of mistakes it is known what it is."""
    script = Script.ready()
    for number in range(500):
        script.say(f"nonsense.{number}")
    assert len(script.events(Malformed)) == 100


def test_nothing_is_read_before_the_socket_opens_or_after_the_end() -> None:
    """There is nothing to read then."""
    for script in (Script(), Script.ready()):
        script.session.disconnect(script.now)
        script.forget()
        script.text("garbage")
        script.text(json.dumps(vector("bye_remote_normal")))
        assert (script.events(MessageReceived), script.sent()) == ([], [])


def test_every_frame_is_shown_before_what_it_causes() -> None:
    """As it was decoded (the raw flow of Android's users)."""
    script = Script.calling()
    frame = vector("ringing")
    script.frame(frame)
    first = script.session.next_event()
    assert first == MessageReceived(frame)
    assert isinstance(script.session.next_event(), outcomes.RingingAckReceived)


def test_frames_are_shown_to_those_who_ask() -> None:
    """To make it known costs a good part of a frame; what the frame causes stays the same."""
    script = Script.calling()
    script.session.inbox.shows_frames = False
    script.frame(vector("ringing"))
    assert isinstance(script.session.next_event(), outcomes.RingingAckReceived)
    script.forget()
    script.session.inbox.shows_frames = True
    script.frame(vector("ringing"))
    assert isinstance(script.session.next_event(), MessageReceived)


# -- ids ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", [138417, "a text", 0, -1, 1.5, 2**40])
def test_an_acknowledgement_has_the_id_in_its_type(request_id: Any) -> None:
    """R4."""
    script = Script.ready()
    script.frame({"id": request_id, "method": "telnyx_rtc.bye", "params": {"callID": CALL_ID}})
    (answer,) = script.sent()
    assert answer == ack(request_id, "telnyx_rtc.bye")
    assert type(answer["id"]) is type(request_id)


def test_a_reply_needs_the_id_in_its_type() -> None:
    """And comes once: the second is to nobody."""
    script = Script.opened()
    login_id = script.expect("anonymous_login")["id"]
    for stranger in (5, "x", login_id.upper() + " ", None, login_id, login_id):
        script.frame({"id": stranger, "result": {"sessid": "s"}})
    assert script.events() == [outcomes.SessionUpdated("s")]
    for stranger in (5, "x", login_id, None):
        script.frame({"id": stranger, "error": {"code": -32001, "message": "no"}})
    # Told of once, and of no consequence.
    assert [type(event) for event in script.events()] == [Malformed]


def test_a_frame_that_came_twice_is_taken_once() -> None:
    """It is acknowledged again, since that may be what the server missed, and reported."""
    script = Script.talking()
    delta = {"id": "d1", "method": "ai_conversation", "params": {"type": "response.text.delta", "delta": "ha"}}
    script.frame(delta)
    script.frame(delta)
    assert script.transcript() == ["assistant: ha..."]
    assert "twice" in str(script.event(Malformed).error)
    bye = vector("bye_remote_normal")
    script.frame(bye)
    script.frame(bye)
    assert script.sent() == [ack(bye["id"], "telnyx_rtc.bye")] * 2
    assert script.states() == ["DONE"]


def test_a_server_may_number_as_it_likes() -> None:
    """The same id with another content is another frame: to lose it would be worse."""
    script = Script.talking()
    for text in ("ha", " ha", "!"):
        params = {"type": "response.text.delta", "delta": text, "item_id": "r1"}
        script.frame({"id": 1, "method": "ai_conversation", "params": params})
    assert script.transcript() == ["assistant: ha ha!..."]


def test_pings_may_be_equal() -> None:
    """One pong for each."""
    script = Script.ready()
    for _ in range(3):
        script.frame({"id": 1, "method": "telnyx_rtc.ping", "params": {}})
    assert script.sent_methods() == ["telnyx_rtc.ping"] * 3


def test_old_ids_are_forgotten() -> None:
    """A long call has many frames."""
    script = Script.talking()
    frames = [{"id": n, "method": "telnyx_rtc.bye", "params": {"callID": "x"}} for n in range(1000)]
    for frame in frames:
        script.frame(frame)
    assert script.events(Malformed) == []
    assert len(script.session.inbox._recent._hashes) <= 512


# -- batches -----------------------------------------------------------------------------------------------------------


def test_an_array_is_several_frames() -> None:
    """Taken in order (S21); a bad one does not cost the others."""
    script = Script.calling()
    frames = [
        {"id": 1, "method": "telnyx_rtc.ringing", "params": {"callID": CALL_ID}},
        {"id": 2, "method": "telnyx_rtc.answer", "params": {}},
        {"id": 3, "method": "telnyx_rtc.answer", "params": {"callID": CALL_ID, "sdp": ANSWER}},
    ]
    script.text(json.dumps(frames))
    script.apply_sdp()
    assert script.states() == ["RINGING", "ACTIVE"]
    assert len(script.events(Malformed)) == 1


def test_an_array_ends_with_the_session() -> None:
    """What stands behind the end is not read."""
    script = Script.talking()
    ping = {"id": 2, "method": "telnyx_rtc.ping", "params": {}}
    script.text(json.dumps([{"id": 1, "method": "telnyx_rtc.punt", "params": {}}, ping]))
    assert script.sent() == []


# -- outputs -----------------------------------------------------------------------------------------------------------


def test_what_is_handed_out_is_handed_out_once() -> None:
    """Frames, and events."""
    script = Script.opened()
    assert len(script.session.texts_to_send()) == 1
    assert script.session.texts_to_send() == []
    assert script.session.next_event() is None


def test_a_timer_that_fires_early_does_no_harm() -> None:
    """It is asked for again."""
    script = Script.opened()
    deadline = script.session.get_timer()
    assert deadline is not None
    script.session.handle_timer(deadline - 0.001)
    assert script.session.get_timer() == deadline
    assert script.events() == []


def test_a_timer_that_fires_late_fires_once() -> None:
    """A laptop that slept: all deadlines have passed, and there is still one error."""
    script = Script.opened()
    script.session.handle_timer(script.now + 10_000)
    assert len(script.events(outcomes.LoginFailed)) == 1
    script = Script.calling()
    script.session.handle_timer(script.now + 10_000)
    script.end()


def test_replies_that_never_come_are_not_waited_for_for_ever() -> None:
    """A server that answers no ping costs no memory."""
    script = Script.ready()
    for _ in range(100):
        script.say("telnyx_rtc.ping", serno=1)
        script.wait(15)
    assert not script.session._channel._pending


def test_settings_are_seconds() -> None:
    """All time-outs can be made short."""
    script = Script.opened(settings=SessionSettings(login_timeout=0.5))
    script.wait(0.6)
    assert script.events(outcomes.LoginFailed)


# -- anything at all ---------------------------------------------------------------------------------------------------

TEXT = st.sampled_from([CALL_ID, "", "x", "REGED", "FAILED", "user", "assistant", "in_progress", ANSWER])
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=5,
)
KEYS = sorted({key for one in VECTORS for key in one["json"].get("params", {})})
METHODS = sorted({one["method"] for one in VECTORS})
TYPES = ["conversation.item.created", "response.text.delta", "response.created", "response.done", "response.text.done"]
PARAMS = st.dictionaries(st.sampled_from(KEYS), VALUE, max_size=4)
ITEM = st.fixed_dictionaries({"role": TEXT, "content": VALUE, "id": VALUE, "status": VALUE})


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(METHODS), PARAMS, st.sampled_from(TYPES), ITEM | VALUE, st.booleans()), max_size=5
    )
)
def test_whatever_arrives_the_call_can_be_ended(frames: list[Any]) -> None:
    """Nothing is raised, and there is exactly one end."""
    script = Script.calling()
    for method, params, kind, item, is_ai in frames:
        if is_ai:
            script.ai(kind, item=item, **{key: value for key, value in params.items() if key not in ("type", "item")})
        else:
            script.frame({"id": 1, "method": method, "params": {"callID": CALL_ID, **params}})
    script.hang_up()
    script.session.disconnect(script.now)
    assert all(change.item is None or change.item.content is not None for change in script.events(TranscriptChanged))
    script.end()


REPLIES = (
    {"result": {"sessid": "s", "params": {"state": "REGED"}}},
    {"error": {"code": -32000, "message": "Authentication Required"}},
    {"error": {"code": -32002, "message": "CALL ERROR"}},
)
PUSHES = ("ringing", "media", "answer", "attach", "bye", "clientReady", "gatewayState", "ping", "modify")
NOTHING_MORE = 200
"""Seconds: more than any phase may take."""
SETTLED = ("ACTIVE", "HELD", "DONE")


def _push(script: Script, name: str, with_sdp: bool) -> None:
    params: dict[str, Any] = {"callID": CALL_ID, "state": "REGED", "reattached_sessions": [CALL_ID]}
    script.say(f"telnyx_rtc.{name}", **params, **({"sdp": ANSWER} if with_sdp else {}))


def _advance(script: Script, media: bool) -> None:
    """What the driver does: media make and apply descriptions, or they hang."""
    for event in script.events():
        if media and isinstance(event, outcomes.MediaOffered):
            script.session.calls.set_answer(CALL_ID, ANSWER, script.now)
        elif media and isinstance(event, outcomes.RemoteDescription):
            script.apply_sdp()
        elif isinstance(event, outcomes.OpenConnection):
            script.session.connection_opened(script.now)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("ending", ["falls silent", "repeats itself"])
def test_no_phase_lasts_for_ever(seed: int, ending: str) -> None:
    """Whatever a server has said before, in whatever order: when it says nothing more, or the same again and again, the
    login and the call come to something.
    """
    dice = random.Random(seed)
    media = dice.random() < 0.8
    script: Script = getattr(Script, dice.choice(("ready", "calling", "talking")))()
    if not script.session.calls._dialogs:
        script.place_call()
    for _ in range(dice.randrange(12)):
        requests = [frame["id"] for frame in script.sent() if "method" in frame]
        if requests and dice.random() < 0.6:
            script.frame({"id": dice.choice(requests), **dice.choice(REPLIES)})
        else:
            _push(script, dice.choice(PUSHES), dice.random() < 0.5)
        script.wait(dice.choice((0.0, 0.5, 5.0)))
        _advance(script, media)
    last = dice.choice([name for name in PUSHES if name not in ("attach", "bye")]), dice.random() < 0.5
    answers = dice.random() < 0.5
    for _ in range(NOTHING_MORE):
        if ending == "repeats itself":
            _push(script, *last)
        script.wait(1.0, answer_probes=answers)
        _advance(script, media)
    for dialog in script.session.calls._dialogs.values():
        assert dialog.state.value in SETTLED, last
    assert script.session.registration.is_ready or script.session.registration.is_over


def test_a_login_that_is_lost_while_a_call_is_taken_up() -> None:
    """The answer to the server's offer is gone with the login: the server offers again, or the call has an end."""
    for offers_again in (True, False):
        script = Script.talking()
        script.say("telnyx_rtc.attach", callID=CALL_ID, sdp=ANSWER)
        script.session.calls.set_answer(CALL_ID, ANSWER, script.now)
        script.refuse("telnyx_rtc.attach", -32000, "Authentication Required")
        script.accept_login()
        script.say("telnyx_rtc.clientReady", reattached_sessions=[CALL_ID])
        script.gateway("REGED")
        if offers_again:
            script.say("telnyx_rtc.attach", callID=CALL_ID, sdp=ANSWER)
            script.session.calls.set_answer(CALL_ID, ANSWER, script.now)
            script.reply("telnyx_rtc.attach")
        script.wait(15)
        assert script.states()[-2:] == (["RECONNECTING", "ACTIVE"] if offers_again else ["RECONNECTING", "DONE"])


# -- bounds against what comes from outside ----------------------------------------------------------------------------


def _pings(count: int) -> str:
    return json.dumps([{"id": 1, "method": "telnyx_rtc.ping"}] * count)


def test_pings_without_end() -> None:
    """Each is answered, but one answer to ours is waited for, so that neither requests nor timers pile up."""
    script = Script.talking()
    for _ in range(50):
        script.text(_pings(MOST_FRAMES))
    assert len(script.sent_methods()) == 50 * MOST_FRAMES
    assert len(script.session._channel._pending) == 1
    assert len(script.session._timers) < 10
    assert len(script.session._timers._heap) < 100
    script.wait(60)
    script.session.disconnect(script.now)
    assert script.states()[-1] == "DONE"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (_pings(MOST_FRAMES + 1), "a batch of more than 100 frames"),
        (_pings(20_000), "a message of more than 32768 values"),
        ("[" + "{}," * 1_700_000 + "{}]", "a message of more than 32768 values"),
        ('{"a":' + "[" * 40_000, "a message of more than 32768 values"),
        (
            '{"id":1,"params":{' + ",".join(f'"{n}":1' for n in range(20_000)) + "}}",
            "a message of more than 32768 values",
        ),
        ('{"id":' + "1" * 1_000_000 + "}", "a frame that is not JSON"),
        ('{"id":0.' + "1" * 1_000_000 + "}", "a frame that is not JSON"),
        ('{"id":"' + "x" * 129 + '","method":"telnyx_rtc.ping"}', "a frame whose id has more than 128 characters"),
        (
            '{"id":"1","method":"telnyx_rtc.bye","params":{"callID":"' + "x" * 5000 + '"}}',
            "telnyx_rtc.bye whose callID has more than 4096 characters",
        ),
    ],
    ids=lambda value: value[:40],
)
def test_what_would_take_too_long_or_too_much(text: str, complaint: str) -> None:
    """Discarded with one complaint; the session goes on."""
    script = Script.talking()
    script.text(text)
    script.text(text)
    assert [event.error.message for event in script.events(Malformed)] == [complaint]
    script.say("telnyx_rtc.ping")
    assert script.sent_methods() == ["telnyx_rtc.ping"]


def test_as_much_as_is_allowed() -> None:
    """A batch of a hundred, and a long text with all kinds of characters."""
    script = Script.talking()
    script.text(_pings(MOST_FRAMES))
    assert script.sent_methods() == ["telnyx_rtc.ping"] * MOST_FRAMES
    text = "Well, {this} is [long]: " * 8_000
    script.ai("conversation.item.created", item={"id": "i", "type": "message", "role": "user", "content": text})
    assert script.items[-1].content == text
    assert script.events(Malformed) == []


def test_a_batch_is_worked_on_frame_by_frame() -> None:
    """Other things may be done with the session in between, such as to end it."""
    script = Script.ready()
    frames = iter(script.session.frames_of(_pings(10), script.now))
    script.session.receive(next(frames), script.now)
    assert script.sent_methods() == ["telnyx_rtc.ping"]
    script.session.disconnect(script.now)
    for frame in frames:
        script.session.receive(frame, script.now)
    assert script.sent_methods() == []


def test_a_message_that_was_skipped() -> None:
    """It is a sign of life, and a complaint, once."""
    script = Script.talking()
    script.wait(19)
    for _ in range(3):
        script.session.message_skipped(RemoteProtocolError("a message of more than 5 bytes"), script.now)
    assert [event.error.message for event in script.events(Malformed)] == ["a message of more than 5 bytes"]
    script.wait(19)
    assert script.sent_methods() == []


def test_a_connection_that_is_not_read_is_not_dead() -> None:
    """Where our own program is too slow, what the server says waits: no reason for another connection."""
    script = Script.talking()
    for _ in range(100):
        script.session.liveness.confirmed(script.now)
        script.wait(5, answer_probes=False)
    assert script.sent_methods() == []
    script.wait(60, answer_probes=False)
    assert "DROPPED" in script.states()


def test_requests_that_are_never_answered() -> None:
    """A program that asks faster than it is answered: the oldest fail, and there are never more than the bound."""
    script = Script.talking()
    channel = script.session._channel
    for _ in range(3 * MOST_REQUESTS):
        channel.expect(Pending(RequestKind.BYE, CALL_ID), script.now + 10)
        script.session.handle_timer(script.now)
        assert len(channel._pending) <= MOST_REQUESTS + 1
    script.wait(11)
    assert not channel._pending


def test_messages_that_are_never_answered() -> None:
    """Each costs as much as the first: a thousand behind it are not looked through."""
    script = Script.talking()

    def steps() -> int:
        taken = 0

        def count(frame: Any, event: str, argument: Any) -> Any:
            nonlocal taken
            taken += event == "line"
            return count

        before = sys.gettrace()
        sys.settrace(count)
        try:
            script.write("x")
        finally:
            sys.settrace(before)
        return taken

    for _ in range(5):
        script.write("x")
    first = steps()
    for _ in range(900):
        script.write("x")
    assert steps() < 2 * first


@pytest.mark.parametrize("state", ["opened", "logged_in", "ready", "calling", "talking"])
def test_an_error_without_an_id(state: str) -> None:
    """JSON-RPC 2.0, section 5: the request could not be read. It belongs to the login, or to the only request there
    is.
    """
    script: Script = getattr(Script, state)()
    script.frame({"id": None, "error": {"code": -32001, "message": "Login Incorrect"}})
    if state == "opened":
        error = script.event(LoginFailed).error
        assert isinstance(error, AuthenticationError)
        assert "Login Incorrect" in str(error)
    elif state == "logged_in":
        assert isinstance(script.event(LoginFailed).error, GatewayError)
    elif state == "calling":
        assert script.states() == ["DONE"]
    else:
        (complaint,) = script.events(Malformed)
        assert complaint.error.message == "an error reply (-32001) that answers no request"


def test_an_error_without_an_id_among_several_requests() -> None:
    """Nobody knows which one is meant."""
    script = Script.calling()
    script.place_call("11111111-2222-4333-8444-555555555555")
    script.forget()
    script.frame({"error": {"code": -32600, "message": "Invalid Request"}})
    assert [type(event) for event in script.events()] == [Malformed]


def test_ids_of_calls_are_uuids() -> None:
    """What is about anything else is acknowledged, as for calls that we do not know (R27), and that is all."""
    for method in ("ringing", "media", "answer", "bye", "attach"):
        script = Script.talking()
        script.say(f"telnyx_rtc.{method}", callID="not-a-uuid", sdp="v=0")
        assert script.sent_methods() == [f"ack telnyx_rtc.{method}"]
        assert script.events() == []


def test_headers_without_end() -> None:
    """A hundred are kept, and 32 KiB of them."""
    script = Script.talking()
    many = [{"name": f"X-{n}", "value": "x"} for n in range(1000)]
    script.say("telnyx_rtc.bye", callID=CALL_ID, dialogParams={"custom_headers": many})
    (updated,) = script.events(CallUpdated)
    assert len(updated.details.bye_custom_headers) == MOST_HEADERS
    script = Script.talking()
    long = [{"name": f"X-{n}", "value": "x" * 4000} for n in range(100)]
    script.say("telnyx_rtc.bye", callID=CALL_ID, dialogParams={"custom_headers": long})
    (updated,) = script.events(CallUpdated)
    kept = updated.details.bye_custom_headers
    assert len(kept) > 5
    assert sum(len(name) + len(value) for name, value in kept) <= MOST_HEADER_CHARACTERS


def test_half_a_character() -> None:
    """JSON can write half of a UTF-16 pair: in ids and reasons it is replaced, so that all of them can be printed."""
    script = Script.talking()
    script.text(
        json.dumps(
            {
                "id": "\ud83d",
                "method": "telnyx_rtc.bye",
                "voice_sdk_id": "\ud83d",
                "params": {"callID": CALL_ID, "cause": "\ud83d", "sipReason": "\ude00", "telnyx_leg_id": "\udfff"},
            }
        )
    )
    ended = script.events()[-1].state.termination_reason
    assert (ended.cause, ended.sip_reason) == ("\ufffd", "\ufffd")
    str(ended).encode()
    assert script.session.registration.voice_sdk_id is None
