"""`WidgetSettings`: how the assistant's owner wants a widget to look. Values only; nothing here acts on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

__all__ = ["MAX_SETTING", "MAX_SETTINGS", "AudioVisualizerConfig", "WidgetSettings"]

MAX_SETTING = 4096
"""Characters of one text. URLs are the longest of them."""

MAX_SETTINGS = 65536
"""Characters of all settings together, the keys included: what is kept of them beside the fields below."""

_T = TypeVar("_T")


@attrs.frozen
class AudioVisualizerConfig:
    """The audio visualizer's colour and form. iOS: `AudioVisualizerConfig`."""

    color: str = "verdant"
    preset: str = "roundBars"


@attrs.frozen
class WidgetSettings:
    """Texts, theme and URLs for a widget. iOS: `WidgetSettings`; defaults are iOS's.

    Attributes:
        raw: The settings as the server sent them, with whatever this class does not know; empty if too many.
    """

    agent_thinking_text: str | None = None
    audio_visualizer_config: AudioVisualizerConfig | None = None
    default_state: str = "collapsed"
    give_feedback_url: str | None = None
    logo_icon_url: str | None = None
    position: str = "fixed"
    report_issue_url: str | None = None
    speak_to_interrupt_text: str | None = None
    start_call_text: str | None = None
    theme: str = "dark"
    view_history_url: str | None = None
    language: str | None = None
    auto_start: bool = False
    show_transcript: bool = True
    custom_styles: Mapping[str, Any] | None = attrs.field(default=None, hash=False)
    raw: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    @classmethod
    def from_wire(cls, raw: Mapping[str, Any]) -> WidgetSettings:
        """Settings from the wire. A member of a wrong type, or one that is too long, counts as missing: a colour must
        not cost the rest.
        """

        def text(*names: str) -> str | None:
            return _first(raw, names, str)

        def flag(default: bool, *names: str) -> bool:
            found = _first(raw, names, bool)
            return default if found is None else found

        styles: Mapping[str, Any] | None = _first(raw, ("custom_styles", "styles"), dict)
        visualizer: Mapping[str, Any] | None = _first(raw, ("audio_visualizer_config",), dict)
        return cls(
            agent_thinking_text=text("agent_thinking_text"),
            audio_visualizer_config=None if visualizer is None else _visualizer(visualizer),
            default_state=text("default_state") or "collapsed",
            give_feedback_url=text("give_feedback_url"),
            logo_icon_url=text("logo_icon_url"),
            position=text("position") or "fixed",
            report_issue_url=text("report_issue_url"),
            speak_to_interrupt_text=text("speak_to_interrupt_text"),
            start_call_text=text("start_call_text"),
            theme=text("theme") or "dark",
            view_history_url=text("view_history_url"),
            language=text("language", "lang"),
            auto_start=flag(False, "auto_start", "autoStart"),
            show_transcript=flag(True, "show_transcript", "showTranscript"),
            custom_styles=styles if styles is not None and _is_small(styles) else None,
            raw=raw if _is_small(raw) else {},
        )


def _first(raw: Mapping[str, Any], names: tuple[str, ...], kind: type[_T]) -> _T | None:
    for name in names:
        value = raw.get(name)
        if isinstance(value, kind) and not (isinstance(value, str) and len(value) > MAX_SETTING):
            return value
    return None


def _is_small(settings: Mapping[str, Any]) -> bool:
    """Whether settings are no more than `MAX_SETTINGS`; looks no further than that."""
    left = MAX_SETTINGS
    waiting: list[Any] = [settings]
    while waiting:
        one = waiting.pop()
        left -= len(one) if isinstance(one, str) else 8
        if left < 0:
            return False
        if isinstance(one, Mapping):
            waiting += one.keys()
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return True


def _visualizer(raw: Mapping[str, Any]) -> AudioVisualizerConfig:
    color = _first(raw, ("color",), str)
    preset = _first(raw, ("preset",), str)
    default = AudioVisualizerConfig()
    return AudioVisualizerConfig(color or default.color, preset or default.preset)
