"""`CallAnswering`: what can be done with a call that somebody else makes - take it, or turn it down."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ._call_base import CallBase
from ._checks import checked_headers
from ._protocol.states import CallDirection, CallState
from ._runtime.futures import CommandFuture
from .codecs import TxCodecCapability, checked_codecs

if TYPE_CHECKING:
    from .audio import AudioDevice, AudioProcessor
    from .audio.processing import AudioConstraints
    from .codecs import OpusSettings

__all__ = ["CallAnswering"]


class CallAnswering(CallBase):
    """Incoming calls. Any thread; nothing here blocks."""

    _debug: bool

    @property
    def direction(self) -> CallDirection:
        """Who called whom."""
        return self._options.direction

    def answer(
        self,
        custom_headers: Mapping[str, str] | None = None,
        debug: bool = False,
        *,
        audio: AudioDevice | None = None,
        muted: bool | None = None,
        audio_constraints: AudioConstraints | None = None,
        audio_processor: AudioProcessor | None = None,
        opus: OpusSettings | None = None,
        preferred_codecs: Iterable[TxCodecCapability | Mapping[str, Any] | str] | None = None,
    ) -> CommandFuture[None]:
        """Take the call. Returns at once; it is `CONNECTING`, then `ACTIVE`. iOS: `answer(customHeaders:debug:)`.

        Args:
            custom_headers: SIP headers for the caller; names start with `X-`.
            debug: Send the quality samples to Telnyx too, for its debugging tools, as `new_call(debug=True)` does.
            audio: The audio device of this call, in place of the client's. Each call opens its own: two calls at once
                are two microphones and loudspeakers, or one card that mixes.
            muted: Start muted, or not; when not given, as it is: `mute_audio()` may be called while it rings.
            audio_constraints: What is done about echo, noise and level, in place of the client's.
            audio_processor: Your own processor in place of what the constraints ask for; used for this call only.
            opus: How Opus is encoded, in place of the client's.
            preferred_codecs: Of the codecs that the caller offers, these come first in the answer, as in
                `TxClient.new_call`.

        Returns:
            A future that is done when the call is `ACTIVE`: the server has confirmed the answer. Its error says why the
            call ended before, or is a `LocalProtocolError` for a call that you make, or have answered already.

        Raises:
            ClientConfigurationError: An argument is unusable.
        """
        headers, codecs = checked_headers(custom_headers), checked_codecs(preferred_codecs)
        if codecs:
            self._options = attrs.evolve(self._options, preferred_codecs=codecs)
        self._debug = self._debug or debug
        if self.state == CallState.RINGING:
            # How long it rang is the user's time, not ours.
            self._started_at = time.monotonic()
            self._marks.restart("new_call")
        return self._port.answer(self, headers, muted, (audio, audio_constraints, audio_processor, opus))

    def reject(self, cause: str | None = None, cause_code: int | None = None) -> CommandFuture[None]:
        """Turn the call down; the same as `hangup()` before the answer. Flutter: `rejectCall`.

        Args:
            cause: What the caller is told: `"USER_BUSY"` (17) when not given, as in all official SDKs, which keeps
                TeXML from calling again; `"CALL_REJECTED"` (21) for "declined".
            cause_code: The number that goes with `cause`.

        Returns:
            A future that is done when the call is over.
        """
        self._bridge.is_ending = True
        return self._port.hangup(self._options.call_id, cause, cause_code)
