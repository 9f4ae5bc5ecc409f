"""`widget`: settings in every place and form, and those that are none."""

from __future__ import annotations

from typing import Any

import pytest

from telnyx_agent._protocol import outcomes
from telnyx_agent._protocol.conversation.widget import AudioVisualizerConfig, WidgetSettings
from telnyx_agent._protocol.outcomes import WidgetSettingsUpdated
from tests.protocol.script import Script


@pytest.mark.parametrize("state", ["opened", "ready", "talking"])
@pytest.mark.parametrize("kind", ["widget_settings", "something.else", ""])
def test_widget_settings_may_come_at_any_time_with_any_type(state: str, kind: str) -> None:
    """They replace earlier ones as a whole (R18, R39)."""
    script: Script = getattr(Script, state)()
    script.forget_events()
    script.ai(kind, widget_settings={"theme": "light", "start_call_text": "Go"})
    script.ai(kind, widget_settings={"start_call_text": "Talk", "unknown": 1})
    settings = script.session.conversation.widget_settings
    assert settings == WidgetSettings(start_call_text="Talk")
    assert settings.raw == {"start_call_text": "Talk", "unknown": 1}
    assert [change.settings.theme for change in script.events(WidgetSettingsUpdated)] == ["light", "dark"]


@pytest.mark.parametrize(
    "params",
    [
        {"ui_config": {"theme": "light"}},
        {"assistant_config": {"widget": {"theme": "light"}}},
        {"widget_settings": {"theme": "light"}, "ui_config": {"theme": "other"}},
        {"ui_config": {}, "assistant_config": {"widget": {"theme": "light"}}},
    ],
)
def test_widget_settings_have_other_places(params: dict[str, Any]) -> None:
    """iOS looks there, too; `widget_settings` comes first."""
    script = Script.ready()
    script.ai("something", **params)
    assert script.session.conversation.widget_settings is not None
    assert script.session.conversation.widget_settings.theme == "light"


@pytest.mark.parametrize("params", [{"ui_config": "light"}, {"assistant_config": {"widget": []}}, {"ui_config": {}}])
def test_other_places_in_another_form_are_no_widget_settings(params: dict[str, Any]) -> None:
    """Nor a mistake of the server's: the names are general ones."""
    script = Script.ready()
    script.ai("something", **params)
    assert script.session.conversation.widget_settings is None
    assert not [event for event in script.events() if isinstance(event, outcomes.Malformed)]


def test_widget_settings_of_wrong_types_are_missing_ones() -> None:
    """A colour must not cost the texts; iOS's other spellings are understood."""
    script = Script.talking()
    script.ai(
        "widget_settings",
        widget_settings={
            "theme": 5,
            "position": None,
            "auto_start": "yes",
            "autoStart": True,
            "showTranscript": False,
            "lang": "fr",
            "styles": {"a": 1},
            "audio_visualizer_config": {"color": 7, "preset": "wave", "enabled": True},
        },
    )
    assert script.session.conversation.widget_settings == WidgetSettings(
        auto_start=True,
        show_transcript=False,
        language="fr",
        custom_styles={"a": 1},
        audio_visualizer_config=AudioVisualizerConfig("verdant", "wave"),
    )
