"""Obstacles in the path: the first heaps of pixels in the histogram of log depth that stand upright on the road.

Legend: H, W height and width of the depth map; N pixels in the path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.collision.corridor import offset_m
from lapdepth.collision.frame import Box
from lapdepth.collision.ground import Ground
from lapdepth.collision.looming import Growth
from lapdepth.collision.settings import PathSettings

NEAREST_M = 0.5
"""Nearer depth is the own vehicle, or none. [D]"""
EDGE_PERCENT = 2
"""Of an obstacle's pixels, on each side of its box: stray ones. [D]"""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that stands in the path.

    Attributes:
        depth_m: Mean depth, in the logarithm, of its pixels without the nearest and the farthest tenth.
        spread: Scatter of its pixels: median absolute deviation of log depth, as a standard deviation.
        area_m2: Area of it that is seen in the corridor.
        right_m: Its middle as seen in the corridor, metres to the right of the path.
        label: What a detector called it.
        box: Left, top, right and bottom of what is seen of it in and beside the path, pixels of the depth map.
        growth: What its picture did, where that is known.
    """

    depth_m: float
    spread: float
    area_m2: float
    right_m: float
    label: str | None = None
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    growth: Growth | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Pixels:
    """Pixels in and beside the path: (N,) each."""

    log_depth: FloatArray
    height_m: FloatArray
    right_m: FloatArray
    area_m2: FloatArray
    row: npt.NDArray[np.intp]
    column: npt.NDArray[np.intp]


def find_obstacles(
    depth_m: FloatArray,
    valid: npt.NDArray[np.bool_],
    camera: Intrinsics,
    ground: Ground,
    settings: PathSettings,
    *,
    curvature: float = 0.0,
    horizon: float,
    camera_height_m: float,
    boxes: tuple[Box, ...] = (),
) -> list[Obstacle]:
    """Obstacles in the corridor, nearest first.

    Args:
        depth_m: (H, W) metres, scale corrected.
        valid: (H, W) where depth may be used.
        camera: Camera of that size.
        ground: Plane in the metres of `depth_m`.
        settings: Corridor and gates.
        curvature: Of the path, 1/m, positive to the left.
        horizon: Farthest depth, metres.
        camera_height_m: What one relative height is worth.
        boxes: From a detector.
    """
    pixels = _in_path(depth_m, valid, camera, ground, settings, curvature, horizon, camera_height_m)
    found = _peaks(pixels, settings, settings.min_area_m2)
    for box in boxes:
        inside = (pixels.column >= box.left) & (pixels.column < box.right) & (pixels.row >= box.top) & (pixels.row < box.bottom)
        found += _peaks(_take(pixels, inside), settings, settings.min_area_boxed_m2, box.label or None)[:1]
    return _apart(found, settings)


def _in_path(
    depth_m: FloatArray,
    valid: npt.NDArray[np.bool_],
    camera: Intrinsics,
    ground: Ground,
    settings: PathSettings,
    curvature: float,
    horizon: float,
    camera_height_m: float,
) -> _Pixels:
    x = ((np.arange(camera.width) - camera.cx_px) / camera.fx_px).astype(np.float32)
    y = ((np.arange(camera.height)[:, None] - camera.cy_px) / camera.fy_px).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        near = valid & (depth_m > NEAREST_M) & (depth_m < horizon)
        height = ground.relative_height(depth_m, x, y)
        near &= (height > settings.lowest_m / camera_height_m) & (height < settings.highest_m / camera_height_m)
        row, column = np.nonzero(near)
    z = depth_m[row, column]
    right = offset_m(x[column] * z, z, curvature)
    beside = np.abs(right) < settings.measure_half_width_m
    row, column, z, right = row[beside], column[beside], z[beside], right[beside]
    area = z * z / np.float32(camera.fx_px * camera.fy_px)
    return _Pixels(np.log(z), height[row, column] * np.float32(camera_height_m), right, area, row, column)


def _take(pixels: _Pixels, which: npt.NDArray[np.bool_]) -> _Pixels:
    return _Pixels(*(getattr(pixels, name)[which] for name in _Pixels.__slots__))


def _peaks(pixels: _Pixels, settings: PathSettings, min_area_m2: float, label: str | None = None) -> list[Obstacle]:
    """Heaps in the histogram of log depth, nearest first."""
    inside = _take(pixels, np.abs(pixels.right_m) < settings.half_width_m)
    if not len(inside.log_depth):
        return []
    start = math.log(NEAREST_M)
    place = ((inside.log_depth - start) / settings.bin).astype(np.intp)
    area = np.bincount(place, weights=inside.area_m2, minlength=int(place.max()) + 3)
    heap = np.convolve(area, np.ones(3), mode="same")
    found: list[Obstacle] = []
    bin_ = 0
    while bin_ < len(heap) and len(found) < settings.max_obstacles:
        if heap[bin_] < min_area_m2:
            bin_ += 1
            continue
        while bin_ + 1 < len(heap) and heap[bin_ + 1] > heap[bin_]:
            bin_ += 1
        obstacle = _upright(pixels, inside, start + (bin_ + 0.5) * settings.bin, settings, min_area_m2, label)
        if obstacle is not None:
            found.append(obstacle)
        bin_ += 1 if obstacle is None else math.ceil(2 * settings.spread / settings.bin) + 1
    return found


def _upright(
    pixels: _Pixels, inside: _Pixels, middle: float, settings: PathSettings, min_area_m2: float, label: str | None
) -> Obstacle | None:
    """The obstacle around a log depth, or `None` where it is too small, too flat or leans like a slope.

    What is inside the path decides that; its range is the mean over what is beside the path too, which is the same thing or as
    far away. Without the nearest and the farthest tenth edges do not pull it, and it wavers a fifth less than a median.
    """
    own = np.abs(inside.log_depth - middle) < settings.spread
    area = float(np.sum(inside.area_m2[own]))
    if area < min_area_m2:
        return None
    log_depth, height = inside.log_depth[own], inside.height_m[own]
    low, high = np.percentile(height, (5, 95))
    if high - low < settings.min_rise_m:
        return None
    off = height - height.mean()
    if abs(math.exp(middle) * float(np.mean(off * log_depth)) / float(np.mean(off * off))) > settings.max_lean:
        return None
    beside = np.abs(pixels.log_depth - middle) < settings.spread
    near = np.sort(pixels.log_depth[beside])
    edge = len(near) // 10
    centre = float(np.mean(near[edge : len(near) - edge]))
    spread = 1.4826 * float(np.median(np.abs(near - centre)))
    left, right = np.percentile(pixels.column[beside], (EDGE_PERCENT, 100 - EDGE_PERCENT))
    top, bottom = np.percentile(pixels.row[beside], (EDGE_PERCENT, 100 - EDGE_PERCENT))
    box = (float(left), float(top), float(right) + 1, float(bottom) + 1)
    return Obstacle(math.exp(centre), spread, area, float(np.mean(inside.right_m[own])), label, box)


def _apart(found: list[Obstacle], settings: PathSettings) -> list[Obstacle]:
    """Nearest first, each thing once; of two sightings the one that a detector named."""
    kept: list[Obstacle] = []
    for obstacle in sorted(found, key=lambda one: one.depth_m):
        same = bool(kept) and abs(math.log(obstacle.depth_m / kept[-1].depth_m)) < 2 * settings.spread
        if not same:
            kept.append(obstacle)
        elif kept[-1].label is None and obstacle.label is not None:
            kept[-1] = obstacle
    return kept[: settings.max_obstacles]
