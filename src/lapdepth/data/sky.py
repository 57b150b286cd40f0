"""What LiDAR never measures above a road: the sky, found by its looks, and what stands before it, guessed from below.

Without the second, a network learns that all above the highest measurement is sky. Sky is found by a weak teacher on purpose:
it marks only what is bright, smooth, not warm in colour, reaches the picture's top edge and has no measurement near or above
it. Sky that it misses costs little, a facade that it took for sky would cost much.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.imaging import ByteArray

MIN_BRIGHTNESS = 140
"""Of 255, the least value of the blue channel."""
MAX_EDGE = 12.0
"""Largest local gradient, in levels a pixel."""
MARGIN = 15
"""Pixels that sky keeps away from measured points, at the crop's own scale."""
MAX_DARKNESS = 110
"""Of 255, the largest value of the blue channel of what is surely not sky by day."""
REACH = 4
"""Columns either way in which the highest measurement is looked for."""


def bright_sky(image: ByteArray, depth_m: FloatArray) -> npt.NDArray[np.bool_]:
    """Mark sky.

    Args:
        image: (H, W, 3) uint8 RGB, the right way up.
        depth_m: (H, W) float32, 0 = not measured.

    Returns:
        (H, W) bool.
    """
    red, blue = image[..., 0].astype(np.int16), image[..., 2].astype(np.int16)
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.0)
    edge = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125))
    candidate = (blue >= MIN_BRIGHTNESS) & (blue >= red - 6) & (edge < MAX_EDGE)
    near_points = cv2.dilate((depth_m > 0).astype(np.uint8), np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)) > 0
    # Nothing below a measured point of the same column is sky.
    candidate &= ~np.logical_or.accumulate(near_points, axis=0)
    candidate = cv2.morphologyEx(candidate.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    count, labels = cv2.connectedComponents(candidate.astype(np.uint8), connectivity=4)
    reaches_top = np.zeros(count, bool)
    reaches_top[np.unique(labels[:2])] = True
    reaches_top[0] = False
    return np.asarray(reaches_top[labels], np.bool_)


def continue_upwards(image: ByteArray, depth_m: FloatArray) -> FloatArray:
    """Guess the depth of trees and houses above the measured part: that of the highest measurement below them.

    Only what is dark or warm in colour, and so no sky, gets a guess; it holds for what stands upright.

    Args:
        image: (H, W, 3) uint8 RGB, the right way up.
        depth_m: (H, W) float32, 0 = not measured.

    Returns:
        (H, W) float32 metres, 0 = no guess.
    """
    height, width = depth_m.shape
    measured = depth_m > 0
    top_row = np.where(measured.any(axis=0), measured.argmax(axis=0), height)
    top_m = np.where(top_row < height, depth_m[np.minimum(top_row, height - 1), np.arange(width)], 0)
    highest_m = np.array([_median(top_m[max(0, x - REACH) : x + REACH + 1]) for x in range(width)], np.float32)
    red, blue = image[..., 0].astype(np.int16), image[..., 2].astype(np.int16)
    no_sky = (blue < MAX_DARKNESS) | (blue < red - 20)
    above = np.arange(height)[:, None] < top_row[None, :]
    return np.where(above & no_sky, highest_m[None, :], np.float32(0)).astype(np.float32)


def _median(values: FloatArray) -> float:
    found = values[values > 0]
    return float(np.median(found)) if len(found) else 0.0
