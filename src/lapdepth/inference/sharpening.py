"""Make a smeared edge of depth a step, where the picture has one: what is between two things in it is at neither's depth.

A network that is unsure by a few pixels where an edge is answers with what is in between, and enlarging its map to the picture's
size adds more of it. A point cloud then has points in the air behind every edge, and the rim of the sky comes near.

Two parts:

- A contrast-enhancing morphological filter: each pixel moves towards the nearest or the farthest of its neighbourhood, whichever
  its own value is closer to (Kramer and Bruckner 1975, "Iterations of a non-linear transformation for enhancement of digital
  images"). It works on 1 / depth, which is affine over every plane: a pixel of a slanted plane is halfway between the extremes of
  its neighbourhood and stays what it is.
- Which of the two it is closer to is told by the picture as well: a guided filter (He, Sun and Tang 2013, "Guided image
  filtering", which refines mattes so) fits the place between the extremes as a line in the grey value, around each pixel, and
  counts as far as the two go together there. Where the picture says nothing, or another thing, the depth alone decides.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.imaging import ByteArray

REACH = 2.0
"""Radius of the neighbourhood in pixels of the network's map."""
EDGE = (0.08, 0.12)
"""Farthest over nearest depth of a neighbourhood, less 1: up to the first there is no edge, from the second on there is one. In
between it is half one, so that engines that differ in the last digits do not differ by a whole step."""
GAIN = 3.0
"""What is more than 1 / (2 GAIN) of the step off its middle goes to its end. Infinite would let noise tear slanted planes."""
COARSE = 2.0
"""Pixels of the network's map by side for each at which the picture is asked (He and Sun 2015, "Fast guided filter")."""
WIDE = 2
"""Radius around each of these that it is asked in, in such pixels."""
NOISE = 2e-4
"""Variance of grey, black 0 and white 1, that says nothing: 3.6 steps of 255."""
FLAT = np.float32(1e-3)
"""Weight of what is not at an edge, and variance of places that there is nothing to explain in."""
TRUST = 1.5
"""Of the picture, as a factor on the correlation of grey and place; from 1 on it decides alone."""


def sharpen_edges(depth_m: FloatArray, rgb: ByteArray, enlarged: float) -> FloatArray:
    """Depth with its smeared edges made steps.

    Args:
        depth_m: (H, W) positive metres.
        rgb: (H, W, 3) uint8, the picture that they are of.
        enlarged: Pixels of `depth_m` by side for each of the network's map.

    Returns:
        (H, W) metres. Each is between the nearest and the farthest of its neighbourhood; without an edge in it, as it was.
    """
    nearness = 1 / depth_m
    radius = max(1, round(REACH * enlarged))
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    farthest = cv2.erode(nearness, kernel)
    step = cv2.dilate(nearness, kernel) - farthest
    share = np.clip((step / farthest - EDGE[0]) / (EDGE[1] - EDGE[0]), 0, 1)
    edge = share > 0
    if not edge.any():
        return depth_m.copy()
    low, step, share_there = farthest[edge], step[edge], share[edge]
    # From -1/2 at the farthest to 1/2 at the nearest.
    place: FloatArray = np.zeros(nearness.shape, np.float32)
    place[edge] = (nearness[edge] - low) / step - np.float32(0.5)
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY).astype(np.float32) * np.float32(1 / 255)
    slope, offset, counts = (fitted[edge] for fitted in _fit_to_grey(place, grey, share, enlarged * COARSE))
    there = place[edge]
    there += share_there * counts * (slope * grey[edge] + offset - there)
    sharpened = depth_m.copy()
    sharpened[edge] = 1 / (low + step * np.clip((1 + share_there * (GAIN - 1)) * there + 0.5, 0, 1))
    return sharpened


def _fit_to_grey(place: FloatArray, grey: FloatArray, edge: FloatArray, coarse: float) -> list[FloatArray]:
    """The place as a line in the grey value around each pixel.

    What is surely on either side of an edge counts most in a fit, what is not at an edge next to nothing.

    Args:
        place: (H, W) from -1/2 to 1/2.
        grey: (H, W) from 0 to 1.
        edge: (H, W) from 0 to 1, how much of an edge there is.
        coarse: Pixels by side for each that is fitted.

    Returns:
        Slope and offset of the line, and how much it counts, 0 to 1; all (H, W).
    """
    height, width = place.shape
    small = max(1, round(width / coarse)), max(1, round(height / coarse))
    place, grey, edge = (np.asarray(cv2.resize(x, small, interpolation=cv2.INTER_AREA), np.float32) for x in (place, grey, edge))

    def around(values: npt.NDArray[Any]) -> FloatArray:
        return np.asarray(cv2.boxFilter(values, -1, (2 * WIDE + 1, 2 * WIDE + 1)), np.float32)

    weight = edge * np.abs(place) + FLAT
    of_grey, of_place, total = weight * grey, weight * place, around(weight)
    mean_grey, mean_place = around(of_grey) / total, around(of_place) / total
    shared = around(of_grey * place) / total - mean_grey * mean_place
    slope = shared / (around(of_grey * grey) / total - mean_grey**2 + np.float32(NOISE))
    explained = slope * shared / (around(of_place * place) / total - mean_place**2 + FLAT)
    correlation: FloatArray = np.sqrt(np.clip(explained, np.float32(0), np.float32(1)))
    # A pixel is in the fits of all that are around it: their mean.
    offset = mean_place - slope * mean_grey
    means = [around(total * value) / around(total) for value in (slope, offset, correlation)]
    means[2] = np.minimum(np.float32(TRUST) * means[2], np.float32(1))
    return [np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32) for mean in means]
