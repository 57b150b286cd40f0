"""Random fields with the statistics of natural surfaces: periodic 1/f noise, and hashes that are alike on every device.

Legend: N points.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

TEXELS = 512
"""Side of a noise texture."""
LEVELS = 9


class Noise:
    """A periodic field with a power spectrum of 1 / f^(2 beta), zero mean and unit deviation, averaged down against aliasing."""

    def __init__(self, beta: float, seed: int, device: torch.device) -> None:
        """Draw the field."""
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(TEXELS), np.fft.fftfreq(TEXELS)))
        frequency[0, 0] = np.inf
        white = np.random.default_rng(seed).standard_normal((TEXELS, TEXELS))
        level = np.fft.ifft2(np.fft.fft2(white) * frequency**-beta).real
        level = (level / level.std()).astype(np.float32)
        parts = [level.ravel()]
        for _ in range(1, LEVELS):
            level = cv2.resize(level, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            parts.append(level.ravel())
        starts = np.cumsum([0] + [part.size for part in parts[:-1]])
        self.values = torch.from_numpy(np.concatenate(parts)).to(device)
        self.starts = torch.from_numpy(starts.astype(np.int64)).to(device)

    def __call__(self, u: Tensor, v: Tensor, period_m: float, foot_m: Tensor | None = None) -> Tensor:
        """Values (N,) at (u, v) metres; the field repeats every `period_m`.

        Args:
            u: (N,) float32.
            v: (N,) float32.
            period_m: Side of the whole texture.
            foot_m: (N,) size of a sample, over which it is averaged; `None` takes the nearest texel at its finest.
        """
        if foot_m is None:
            i = torch.floor(v * (TEXELS / period_m)).long() & (TEXELS - 1)
            j = torch.floor(u * (TEXELS / period_m)).long() & (TEXELS - 1)
            return self.values[i * TEXELS + j]
        level = torch.log2((foot_m * (TEXELS / period_m)).clamp(min=1)).round().clamp(max=LEVELS - 1).long()
        size = torch.bitwise_right_shift(torch.full_like(level, TEXELS), level)
        x, y = u / period_m * size - 0.5, v / period_m * size - 0.5
        j, i = torch.floor(x), torch.floor(y)
        fx, fy = x - j, y - i
        mask = size - 1
        j0, i0 = j.long() & mask, i.long() & mask
        j1, i1 = (j0 + 1) & mask, (i0 + 1) & mask
        start, values = self.starts[level], self.values
        upper = torch.lerp(values[start + i0 * size + j0], values[start + i0 * size + j1], fx)
        lower = torch.lerp(values[start + i1 * size + j0], values[start + i1 * size + j1], fx)
        return torch.lerp(upper, lower, fy)


@lru_cache(maxsize=16)
def rough(device: torch.device) -> Noise:
    """Grainy: asphalt, plaster."""
    return Noise(0.6, 1, device)


@lru_cache(maxsize=16)
def leafy(device: torch.device) -> Noise:
    """1/f: leaves, grain, cloth."""
    return Noise(1.0, 4, device)


@lru_cache(maxsize=16)
def soft(device: torch.device) -> Noise:
    """Soft: clouds, stains."""
    return Noise(1.6, 2, device)


def hashed(*numbers: Tensor) -> Tensor:
    """Whole numbers (N,) int64 to (N,) float32 in [0, 1), the same on every device."""
    state = torch.zeros_like(numbers[0])
    for number in numbers:
        state = ((state ^ number) * 0x27D4EB2F) & 0xFFFFFFFF
        state = (state ^ (state >> 15)) * 0x2C1B3C6D & 0xFFFFFFFF
        state = state ^ (state >> 12)
    return (state & 0xFFFFFF).float() / 0x1000000
