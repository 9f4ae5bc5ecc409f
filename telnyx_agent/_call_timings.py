"""`CallTimings`: how long each step of a call's set-up took."""

from __future__ import annotations

import attrs

__all__ = ["CallTimings", "TimingStep", "timings"]


@attrs.frozen
class TimingStep:
    """One step of a call's set-up.

    Attributes:
        label: What happened.
        from_start: Seconds since the call was wanted.
        delta: Seconds since the step before.
    """

    label: str
    from_start: float
    delta: float


@attrs.frozen
class CallTimings:
    """What happened when, from `new_call` to the agent's first sound. iOS: `CallTimingBenchmark`, but for each call.

    The labels, each at most once and only as far as the call has come: `new_call` (of an incoming call: when you
    answered it), `media_started`, `offer_created` or `answer_created` (ICE candidates are gathered), `invite_sent`,
    `invite_accepted`, `ringing`, `remote_description_received`, `remote_description_applied`, `ice_connected`,
    `media_connected` (DTLS is done), `first_packet`, `answered`, `active`, `device_started`, `first_audio`.

    Attributes:
        steps: The steps in the order in which they happened.
    """

    steps: tuple[TimingStep, ...] = ()

    def get(self, label: str) -> float | None:
        """Seconds from the beginning to a step; None if it has not happened."""
        return next((step.from_start for step in self.steps if step.label == label), None)

    def between(self, first: str, last: str) -> float | None:
        """Seconds from one step to another; None if one of them has not happened."""
        begin, end = self.get(first), self.get(last)
        return None if begin is None or end is None else end - begin

    @property
    def call_setup(self) -> float | None:
        """Seconds from `new_call` to `ACTIVE`. Android: `callSetupLatencyMs`."""
        return self.get("active")

    @property
    def ice_gathering(self) -> float | None:
        """Seconds for making our description with its candidates. Android: `iceGatheringLatencyMs`."""
        made = self.between("media_started", "offer_created")
        return self.between("media_started", "answer_created") if made is None else made

    @property
    def signaling(self) -> float | None:
        """Seconds from the invite to the answer. Android: `signalingLatencyMs`."""
        return self.between("invite_sent", "answered")

    @property
    def media_establishment(self) -> float | None:
        """Seconds from the remote SDP to ICE and DTLS being up. Android: `mediaEstablishmentLatencyMs`."""
        return self.between("remote_description_received", "media_connected")

    @property
    def time_to_first_rtp(self) -> float | None:
        """Seconds from `new_call` to the first packet. Android: `timeToFirstRtpMs`."""
        return self.get("first_packet")

    @property
    def time_to_first_audio(self) -> float | None:
        """Seconds from `new_call` until something was to be heard: of an assistant, its greeting."""
        return self.get("first_audio")

    def format(self) -> str:
        """A table for people, in milliseconds. Android: `toFormattedString()`."""
        rows = [f"{1000 * s.from_start:9.1f} ms  +{1000 * s.delta:8.1f} ms  {s.label}" for s in self.steps]
        return "\n".join(rows)


def timings(marks: tuple[tuple[str, float], ...]) -> CallTimings:
    """From names and times, in order."""
    if not marks:
        return CallTimings()
    begin = before = marks[0][1]
    steps = []
    for label, time in marks:
        steps.append(TimingStep(label, time - begin, time - before))
        before = time
    return CallTimings(tuple(steps))
