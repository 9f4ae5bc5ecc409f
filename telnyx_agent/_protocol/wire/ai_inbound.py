"""What the assistant says: the `ai_conversation` frames (protocol.md 5), one parser per `params.type`, in one table.

These are the types that an official SDK or widget knows. Names of classes are those of the types; all are public, in
`telnyx_agent.events`, and what was said is in none of their reprs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ...errors import RemoteProtocolError
from .._frozen import frozen
from ..conversation.transcription import MAX_TEXT, whole
from ..conversation.widget import WidgetSettings
from .fields import Fields

__all__ = [
    "MAX_ID",
    "MAX_ITEMS_IN_FRAME",
    "AiConversation",
    "AiEvent",
    "ContentPartAdded",
    "FunctionCall",
    "FunctionCallOutput",
    "MessageItem",
    "OtherAi",
    "OutputItemAdded",
    "ResponseCreated",
    "ResponseDone",
    "TextDelta",
    "TextDone",
    "Transcripts",
    "parse_ai_conversation",
    "parse_transcription",
]


MAX_ID = 256
"""Characters of an id, a role or a name in a frame. Those that were captured have 40 at most."""

MAX_ITEMS_IN_FRAME = 100
"""Transcript items that one frame may bring. Those that were captured bring one."""


@attrs.frozen
class MessageItem:
    """Something that was said or typed, by the role.

    Attributes:
        item_id: None if the server gave none.
        role: `"user"`, `"assistant"` or another.
        is_partial: The status is `in_progress`: more of it will come under the same id.
        text: The texts and transcripts of all parts, joined with one space (R41).
        image_urls: The images of all parts.
    """

    item_id: str | None
    role: str
    is_partial: bool
    text: str = attrs.field(repr=False)
    image_urls: tuple[str, ...] = attrs.field(default=(), repr=False)


@attrs.frozen
class FunctionCall:
    """The assistant wants a client-side tool.

    Attributes:
        call_id: The id of this request (not of the voice call): what the output must carry.
        name: Which tool.
        arguments: JSON as text, exactly as the server sent it (R51); empty where it sent none. An object in its place
            is written as JSON.
    """

    call_id: str
    name: str
    arguments: str = attrs.field(repr=False)

    def parsed_arguments(self) -> dict[str, Any]:
        """The arguments, decoded; an empty text stands for none.

        Raises:
            ValueError: They are no JSON object.
        """
        values = json.loads(self.arguments) if self.arguments.strip() else {}
        if not isinstance(values, dict):
            raise ValueError("the arguments are no JSON object")
        return values


@attrs.frozen
class FunctionCallOutput:
    """The server repeats the output of a tool."""

    call_id: str
    output: str = attrs.field(repr=False)


@attrs.frozen
class OutputItemAdded:
    """The assistant's response gets another item (known from Flutter's widget)."""

    item_id: str | None
    response_id: str | None


@attrs.frozen
class ContentPartAdded:
    """An item of the assistant's gets another part (known from Flutter's widget)."""

    item_id: str | None
    response_id: str | None


@attrs.frozen
class ResponseCreated:
    """The assistant begins to respond."""

    response_id: str | None


@attrs.frozen
class TextDelta:
    """More text of the assistant's."""

    item_id: str | None
    response_id: str | None
    delta: str = attrs.field(repr=False)


@attrs.frozen
class TextDone:
    """An item of the assistant's is complete; `text` is all of it, if the server says so."""

    item_id: str | None
    response_id: str | None
    text: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class ResponseDone:
    """A response is complete, or was cut short."""

    response_id: str | None
    is_cancelled: bool = False


@attrs.frozen
class Transcripts:
    """Items in one of the other forms that iOS reads (`transcript`, `transcriptions`, `conversation`)."""

    items: tuple[MessageItem, ...]


@attrs.frozen
class OtherAi:
    """A type that is of no consequence to us, or unknown."""

    type: str


AiEvent = (
    MessageItem
    | FunctionCall
    | FunctionCallOutput
    | ResponseCreated
    | OutputItemAdded
    | ContentPartAdded
    | TextDelta
    | TextDone
    | ResponseDone
    | Transcripts
    | OtherAi
)


@frozen
class AiConversation:
    """An `ai_conversation` frame.

    Attributes:
        params: As the server sent them, for the application (R40).
        content: What they mean.
        widget_settings: May come with any type (R39).
        conversation_id: The id of the conversation, if the frame tells it.
        call_id: The id of the voice call, if the frame tells it; none that was captured does.
    """

    params: Mapping[str, Any] = attrs.field(repr=False)
    content: AiEvent
    widget_settings: WidgetSettings | None = None
    conversation_id: str | None = None
    call_id: str | None = None


def parse_ai_conversation(fields: Fields) -> AiConversation:
    """The event that an `ai_conversation` frame is.

    Raises:
        RemoteProtocolError: The type is known, and lacks what it needs or has it in a wrong type.
    """
    kind = fields.text("type") or ""
    parser = _PARSERS.get(kind)
    content = _other(kind, fields) if parser is None else parser(fields)
    if _RARE.isdisjoint(fields.values):  # as in nearly all of many
        return AiConversation(fields.values, content)
    settings = _widget_settings(fields)
    return AiConversation(
        fields.values,
        content,
        None if settings is None else WidgetSettings.from_wire(settings.values),
        _short(fields.loose_text("conversation_id") or _conversation_id(fields)),
        _short(fields.loose_text("callID", "callId", "call_id")),
    )


_RARE = frozenset(
    {
        *("widget_settings", "ui_config", "assistant_config"),
        *("conversation_id", "target_params", "conversation"),
        *("callID", "callId", "call_id"),
    }
)
"""Members that may come with any type."""


def _widget_settings(fields: Fields) -> Fields | None:
    settings = fields.object("widget_settings")
    if settings is None:
        # iOS takes them from there, too; what stands there in another form is not about a widget.
        others = (fields.loose_object("ui_config"), fields.loose_object("assistant_config").loose_object("widget"))
        settings = next((one for one in others if one.values), None)
    return settings


def _short(text: str | None) -> str | None:
    """An id; one that is too long counts as missing."""
    return None if text is None or len(text) > MAX_ID else text


def _too_long(what: str, text: str, most: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"{what} of {len(text)} characters, more than {most}")


def _id(fields: Fields, name: str = "id") -> str | None:
    """The id of something that is kept under it; what has one that is too long is not understood."""
    found = fields.loose_text(name)
    if found is not None and len(found) > MAX_ID:
        raise _too_long(f"an {name}", found, MAX_ID)
    return found


def _text(text: str) -> str:
    """A text for the transcript."""
    if len(text) > MAX_TEXT:
        raise _too_long("a text", text, MAX_TEXT)
    return whole(text)


def _conversation_id(fields: Fields) -> str | None:
    """Where the login has it (R8), or as the realtime protocol that these frames follow spells it."""
    return fields.loose_object("target_params").loose_text("conversation_id") or fields.loose_object(
        "conversation"
    ).loose_text("id")


def parse_transcription(fields: Fields) -> AiConversation:
    """A `telnyx_rtc.transcription` frame, which only iOS's tests know."""
    return AiConversation(fields.values, _other("transcription", fields))


def _other(kind: str, fields: Fields) -> AiEvent:
    """Items in iOS's other forms, if there are any. None of these was ever captured."""
    conversation = fields.loose_object("conversation")
    found = [fields.loose_object("transcript"), fields.loose_object("transcription"), conversation]
    found += [conversation.loose_object("transcript"), *fields.loose_objects("transcriptions")]
    found += [*conversation.loose_objects("events"), *conversation.loose_objects("messages")]
    items = [item for one in found if (item := _transcript(one)) is not None]
    if (text := fields.loose_text("transcription", is_content=True)) is not None:
        items.append(MessageItem(_id(fields), _role(fields), _is_partial(fields), _text(text)))
    if len(items) > MAX_ITEMS_IN_FRAME:
        raise RemoteProtocolError(f"a frame with {len(items)} transcript items, more than {MAX_ITEMS_IN_FRAME}")
    return Transcripts(tuple(items)) if items else OtherAi(kind)


def _transcript(fields: Fields) -> MessageItem | None:
    text = fields.loose_text("content", "text", is_content=True)
    if text is None:
        return None
    return MessageItem(_id(fields), _role(fields), _is_partial(fields), _text(text))


def _role(fields: Fields) -> str:
    return (_short(fields.loose_text("role", "speaker")) or "user").lower()


def _is_partial(fields: Fields) -> bool:
    return fields.raw("isPartial") is True or fields.raw("isFinal") is False


def _item_created(fields: Fields) -> AiEvent:
    item = fields.object("item")
    if item is None:
        raise RemoteProtocolError("conversation.item.created without item")
    kind = item.text("type") or "message"
    if kind == "function_call":
        return _function_call(item)
    if kind == "function_call_output":
        return FunctionCallOutput(item.required("call_id"), item.text("output", is_content=True) or "")
    if kind != "message":
        return OtherAi(f"conversation.item.created {kind}")
    text, image_urls = _content(item.raw("content"))
    return MessageItem(
        _id(item),
        (_id(item, "role") or item.required("role")).lower(),
        item.loose_text("status") == "in_progress",
        text,
        image_urls,
    )


def _function_call(item: Fields) -> FunctionCall:
    """Whatever has an id gets an answer, so nothing but the id is needed: the tool's runner says what is wrong."""
    call_id = item.raw("call_id")
    if isinstance(call_id, int) and not isinstance(call_id, bool) and abs(call_id) < 2**63:
        call_id = str(call_id)
    if not isinstance(call_id, str) or not call_id:
        raise RemoteProtocolError("a function_call without call_id")
    if len(call_id) > MAX_ID:
        raise _too_long("a call_id", call_id, MAX_ID)
    call_id = whole(call_id)
    arguments = item.raw("arguments")
    if arguments is None:
        arguments = ""
    elif not isinstance(arguments, str):
        arguments = json.dumps(arguments)
    name = item.loose_text("name") or ""
    return FunctionCall(call_id, name if len(name) <= MAX_ID else "", arguments)


def _content(content: object) -> tuple[str, tuple[str, ...]]:
    """Text and images of an item's content, which is a text or a list of parts (both were captured)."""
    if content is None or isinstance(content, str):
        return _text(content or ""), ()
    if not isinstance(content, list):
        raise RemoteProtocolError("conversation.item.created whose content is neither a text nor a list")
    texts: list[str | None] = []
    image_urls: list[str | None] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            fields = Fields("a part of the content", part)
            texts.append(fields.loose_text("transcript", "text", is_content=True))
            url = fields.loose_object("image_url").loose_text("url", is_content=True)
            image_urls.append(url or fields.loose_text("image_url", is_content=True))
    return _text(" ".join(filter(None, texts))), tuple(filter(None, image_urls))


def _output_item_added(fields: Fields) -> OutputItemAdded:
    return OutputItemAdded(_id(fields.loose_object("item")), _response_id(fields))


def _content_part_added(fields: Fields) -> ContentPartAdded:
    return ContentPartAdded(_id(fields, "item_id"), _response_id(fields))


def _response_created(fields: Fields) -> ResponseCreated:
    return ResponseCreated(_response_id(fields))


def _text_delta(fields: Fields) -> TextDelta:
    delta = fields.text("delta", is_content=True)
    if delta is None:
        raise RemoteProtocolError("response.text.delta without delta")
    if len(delta) > MAX_TEXT:
        raise _too_long("a delta", delta, MAX_TEXT)
    return TextDelta(_id(fields, "item_id"), _response_id(fields), delta)


def _text_done(fields: Fields) -> TextDone:
    text = fields.loose_text("text", is_content=True)
    return TextDone(_id(fields, "item_id"), _response_id(fields), None if text is None else _text(text))


def _output_item_done(fields: Fields) -> TextDone:
    return TextDone(_id(fields.loose_object("item")), _response_id(fields))


def _response_done(fields: Fields) -> ResponseDone:
    status = fields.loose_object("response").loose_text("status")
    return ResponseDone(_response_id(fields), status in ("cancelled", "incomplete"))


def _response_id(fields: Fields) -> str | None:
    found = _id(fields, "response_id")
    return _id(fields.loose_object("response")) if found is None else found


_PARSERS: Mapping[str, Callable[[Fields], AiEvent]] = {
    "conversation.item.created": _item_created,
    "response.created": _response_created,
    "response.output_item.added": _output_item_added,
    "response.content_part.added": _content_part_added,
    "response.text.delta": _text_delta,
    "response.text.done": _text_done,
    "response.output_item.done": _output_item_done,
    "response.done": _response_done,
}
