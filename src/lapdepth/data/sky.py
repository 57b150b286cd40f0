"""Find the sky in pictures of roads by its looks, to teach what LiDAR never measures.

A weak teacher on purpose: it marks only what is bright, smooth, not warm in colour, reaches the picture's top edge and has no
measurement near or above it. Sky that it misses costs little, a facade that it took for sky would cost much.
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
