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
"""Pixels of the network's map by side for each cell that the picture is asked in (He and Sun 2015, "Fast guided filter")."""
WIDE = 2
"""Radius around each cell that it is asked in, in cells."""
NOISE = 2e-4
"""Variance of grey, black 0 and white 1, that says nothing: 3.6 steps of 255."""
FLAT = 1e-3
"""Share of a cell at edges, and variance of places, that says nothing."""
TRUST = 1.75
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
    radius = max(1, round(REACH * enlarged))
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    farthest_m, nearest_m = cv2.dilate(depth_m, kernel), cv2.erode(depth_m, kernel)
    ratio = np.divide(farthest_m, nearest_m, out=farthest_m)
    at = np.flatnonzero(ratio > 1 + EDGE[0])
    sharpened = depth_m.copy()
    if not len(at):
        return sharpened
    # From here on N pixels at edges, (N,) each, in 1 / depth. Place is from -1/2 at the farthest to 1/2 at the nearest.
    ratio = ratio.ravel()[at]
    high = 1 / nearest_m.ravel()[at]
    low = high / ratio
    step = high - low
    edge: FloatArray = np.clip((ratio - 1 - EDGE[0]) / (EDGE[1] - EDGE[0]), 0, 1)
    place = (1 / depth_m.ravel()[at] - low) / step - np.float32(0.5)
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY).ravel()[at] * np.float32(1 / 255)
    told, counts = _told_by_picture(place, grey, edge, at, depth_m.shape, COARSE * enlarged)
    place += edge * counts * (told - place)
    sharpened.ravel()[at] = 1 / (low + step * np.clip((1 + edge * (GAIN - 1)) * place + 0.5, 0, 1))
    return sharpened


def _told_by_picture(
    place: npt.NDArray[Any], grey: FloatArray, edge: FloatArray, at: npt.NDArray[np.intp], size: tuple[int, ...], side: float
) -> tuple[FloatArray, FloatArray]:
    """Where the picture puts each pixel that is at an edge, from a line fitted to place over grey around it.

    What is surely on either side of an edge counts most in a fit.

    Args:
        place: (N,) from -1/2 to 1/2.
        grey: (N,) from 0 to 1.
        edge: (N,) from 0 to 1, how much of an edge there is.
        at: (N,) which pixels they are.
        size: (height, width) of the picture.
        side: Of a cell, in pixels.

    Returns:
        (N,) places, and (N,) how much they count, 0 to 1.
    """
    rows, columns = ((np.arange(length) / side).astype(np.intp) for length in size)
    height, width = int(rows[-1]) + 1, int(columns[-1]) + 1
    y, x = np.divmod(at, size[1])
    cell = rows[y] * width + columns[x]

    def around(cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(cv2.boxFilter(cells, -1, (2 * WIDE + 1, 2 * WIDE + 1)))

    def summed(values: FloatArray) -> npt.NDArray[Any]:
        return around(np.bincount(cell, values, height * width).reshape(height, width) / side**2)

    weight = edge * np.abs(place)
    of_grey, of_place, total = weight * grey, weight * place, summed(weight) + FLAT
    mean_grey, mean_place = summed(of_grey) / total, summed(of_place) / total
    shared = summed(of_grey * place) / total - mean_grey * mean_place
    slope = shared / (summed(of_grey * grey) / total - mean_grey**2 + NOISE)
    explained = slope * shared / (summed(of_place * place) / total - mean_place**2 + FLAT)
    fits = slope, mean_place - slope * mean_grey, np.sqrt(np.clip(explained, 0, 1))
    # A pixel is in the fits of all that are around it: their mean.
    all_around = around(total)
    slope, offset, correlation = ((around(total * fit) / all_around).astype(np.float32).ravel()[cell] for fit in fits)
    return slope * grey + offset, np.minimum(TRUST * correlation, 1)
