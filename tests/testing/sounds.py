"""What ears are tried with: a tone, and silence with a little noise in it."""

from __future__ import annotations

import numpy as np

__all__ = ["silence", "tone"]


def tone(seconds: float, level: int = 8000, rate: int = 16000) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def silence(seconds: float, noise: int = 0) -> np.ndarray:
    samples = np.zeros(round(seconds * 16000))
    if noise:
        samples += np.random.default_rng(3).normal(0, noise, len(samples))
    return samples.astype(np.int16)
