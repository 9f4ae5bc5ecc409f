"""`AudioLevelSmoother`: from levels to the height of a bar that people like to look at."""

from __future__ import annotations

from ..errors import ClientConfigurationError

__all__ = ["AudioLevelSmoother"]


class AudioLevelSmoother:
    """Makes a meter rise fast and fall slowly, as the official widgets' visualizers do. For one thread at a time.

        bar = AudioLevelSmoother()
        call.on_audio_level = lambda inbound, outbound: draw(bar.update(inbound))

    Attributes:
        value: The height now, 0.0 to 1.0.
    """

    def __init__(self, attack: float = 0.6, release: float = 0.15, gain: float = 4.0) -> None:
        """A bar of height 0.

        Args:
            attack: Which part of the way up it goes with each level, over 0.0 and up to 1.0.
            release: The same for the way down.
            gain: Levels are multiplied with it and end at 1.0; speech is rarely louder than 0.25. The widgets have 4.

        Raises:
            ClientConfigurationError: One of them is out of its range.
        """
        if not 0.0 < attack <= 1.0 or not 0.0 < release <= 1.0 or not gain > 0.0:
            raise ClientConfigurationError("attack and release must be over 0 and at most 1, gain over 0")
        self._attack = attack
        self._release = release
        self._gain = gain
        self.value = 0.0

    def update(self, level: float) -> float:
        """Take the next level, 0.0 to 1.0, of `on_audio_level` for example. Returns the new height."""
        wanted = min(1.0, max(0.0, level * self._gain))
        share = self._attack if wanted > self.value else self._release
        self.value += share * (wanted - self.value)
        return self.value
