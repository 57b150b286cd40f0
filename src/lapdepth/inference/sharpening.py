"""Make a smeared edge of depth a step: what lies between two things in a smeared edge is at neither's depth.

A network that is unsure by a few pixels where an edge is answers with what is in between, and enlarging its map to the picture's
size adds more of it. A point cloud then has points in the air behind every edge, and the rim of the sky comes near.

A contrast-enhancing morphological filter: each pixel moves towards the nearest or the farthest of its neighbourhood, whichever
its own value is closer to (Kramer and Bruckner 1975, "Iterations of a non-linear transformation for enhancement of digital
images"). It works on 1 / depth, which is affine over every plane: a pixel of a slanted plane is halfway between the extremes of
its neighbourhood and stays what it is.
"""

from __future__ import annotations

import cv2
import numpy as np

from lapdepth.camera import FloatArray

REACH = 2.0
"""Radius of the neighbourhood in pixels of the network's map."""
EDGE = (0.08, 0.12)
"""Farthest over nearest depth of a neighbourhood, less 1: up to the first there is no edge, from the second on there is one. In
between it is half one, so that engines that differ in the last digits do not differ by a whole step."""
GAIN = 3.0
"""What is more than 1 / (2 GAIN) of the step off its middle goes to its end. Infinite would let noise tear slanted planes."""


def sharpen_edges(depth_m: FloatArray, enlarged: float) -> FloatArray:
    """Depth with its smeared edges made steps.

    Args:
        depth_m: (H, W) positive metres.
        enlarged: Pixels of `depth_m` by side for each of the network's map.

    Returns:
        (H, W) metres. Each is between the nearest and the farthest of its neighbourhood; without an edge in it, as it was.
    """
    nearness = 1 / depth_m
    radius = max(1, round(REACH * enlarged))
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    nearest, farthest = cv2.dilate(nearness, kernel), cv2.erode(nearness, kernel)
    edge = nearest > (1 + EDGE[0]) * farthest
    low, step = farthest[edge], nearest[edge] - farthest[edge]
    share = np.clip((step / low - EDGE[0]) / (EDGE[1] - EDGE[0]), 0, 1)
    place = (1 + share * (GAIN - 1)) * ((nearness[edge] - low) / step - 0.5) + 0.5
    sharpened = depth_m.copy()
    sharpened[edge] = 1 / (low + step * np.clip(place, 0, 1))
    return sharpened
