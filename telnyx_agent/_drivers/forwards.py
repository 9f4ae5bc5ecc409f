"""`FORWARDS`: the events of the pure core that the driver has nothing to do for but to pass them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._protocol import outcomes
from .listener import SessionListener

__all__ = ["FORWARDS"]

FORWARDS: dict[type, Callable[[SessionListener, Any], None]] = {
    outcomes.SessionUpdated: lambda listener, event: listener.session_updated(event.session_id),
    outcomes.ServerLocated: lambda listener, event: listener.server_located(event.datacenter, event.region),
    outcomes.CallUpdated: lambda listener, event: listener.call_updated(event.call_id, event.details),
    outcomes.CallProgress: lambda listener, event: listener.call_progress(event.call_id, event.step.value),
    outcomes.RingingReceived: lambda listener, event: listener.ringing(event.call_id),
    outcomes.TranscriptChanged: lambda listener, event: listener.transcript_changed(event),
    outcomes.WidgetSettingsChanged: lambda listener, event: listener.widget_settings_changed(event.settings),
    outcomes.AiMessage: lambda listener, event: listener.ai_message(event),
    outcomes.FunctionCallReceived: lambda listener, event: listener.function_call(event),
    outcomes.QuestionSettled: lambda listener, event: listener.question_settled(event),
    outcomes.Warned: lambda listener, event: listener.warned(event.code, event.call_id, is_cleared=event.is_cleared),
    outcomes.MessageReceived: lambda listener, event: listener.socket_message(event.frame),
}
"""What becomes of each such event (loop thread)."""
