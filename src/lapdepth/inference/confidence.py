"""Confidence: the probability that the relative error of a depth is under 10 %."""

from __future__ import annotations

import math

import numpy as np

from lapdepth.camera import FloatArray

TOLERANCE = math.log(1.1)
MIN_FLIP_SCALE = 0.02
"""Two views of one network agree by more than they are right; below this, agreement says nothing."""


def from_log_scale(log_scale: FloatArray, factor: float = 1.0) -> FloatArray:
    """From the logarithm of the Laplace scale b of the error in log depth: 1 - exp(-ln(1.1) / (factor * b))."""
    return np.asarray(1 - np.exp(-TOLERANCE / factor * np.exp(-log_scale)), np.float32)


def from_flip(depth_m: FloatArray, flipped_m: FloatArray, factor: float = 1.0) -> FloatArray:
    """From how much the depths of the picture and of its mirror image, turned back, differ: factor * log ratio serves as b.

    A stand-in for models without an uncertainty channel: it ranks errors, and is not calibrated.
    """
    scale = np.maximum(np.abs(np.log(depth_m) - np.log(flipped_m)), MIN_FLIP_SCALE)
    return np.asarray(1 - np.exp(-TOLERANCE / (factor * scale)), np.float32)
