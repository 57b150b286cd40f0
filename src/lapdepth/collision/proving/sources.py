"""Exact depth, and exact depth with the noise that the collision specification states, as sources for the test track."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.collision.proving.scene import Seen, View, exact_depth

FARTHEST_M = 120.0
"""What is farther away counts as sky, as with a network of limited range. [D]"""

PICTURE = (24, 80)
"""Size of the grainy grey picture that stands for a camera that is alive."""


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """depth * s * (1 + w + c) * (1 + e), as the specification states it.

    Attributes:
        scale: s is uniform in 1 +- this, one value a run.
        white: Standard deviation of w, one value a frame for the whole picture.
        slow: Standard deviation of c, one value a frame, first-order autoregressive.
        slow_s: Correlation time of c.
        pixel: Standard deviation of e, one value a pixel.
    """

    scale: float = 0.1
    white: float = 0.03
    slow: float = 0.03
    slow_s: float = 1.0
    pixel: float = 0.03


class ExactSource:
    """Depth without error."""

    scale = 1.0

    def __init__(self, seed: int = 0) -> None:
        """`seed` only moves the grain of the picture."""
        self._rng = np.random.default_rng(seed)

    def __call__(self, view: View, camera: Intrinsics) -> Seen:
        """Exact depth and a grainy picture."""
        depth = exact_depth(view, camera)
        picture = self._rng.integers(90, 130, PICTURE, dtype=np.uint8)
        return Seen(depth, depth < FARTHEST_M, picture)


class NoisySource:
    """Depth with the specification's noise, one drawing a run."""

    def __init__(self, seed: int, noise: NoiseModel | None = None) -> None:
        """Draw what stays the same for a run."""
        self._noise = noise or NoiseModel()
        self._exact = ExactSource(seed)
        self._rng = np.random.default_rng((seed, 1))
        self.scale = float(self._rng.uniform(1 - self._noise.scale, 1 + self._noise.scale))
        self._slow = float(self._rng.normal(0, self._noise.slow))
        self._time_s: float | None = None

    def __call__(self, view: View, camera: Intrinsics) -> Seen:
        """Noisy depth and a grainy picture."""
        noise, seen = self._noise, self._exact(view, camera)
        if self._time_s is not None:
            keep = math.exp(-(view.time_s - self._time_s) / noise.slow_s)
            self._slow = keep * self._slow + float(self._rng.normal(0, noise.slow)) * math.sqrt(1 - keep**2)
        self._time_s = view.time_s
        factor = self.scale * (1 + float(self._rng.normal(0, noise.white)) + self._slow)
        grain = self._rng.standard_normal(seen.depth_m.shape, dtype=np.float32)
        depth = seen.depth_m * (np.float32(factor) * (1 + np.float32(noise.pixel) * grain))
        return Seen(depth, seen.valid, seen.image)
