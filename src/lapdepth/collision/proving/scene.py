"""What the camera of the test track sees: a road, boxes and upright cylinders, their depth by ray casting, exact to rounding.

Any other source of depth, such as a renderer with a network behind it, is a callable of the same shape: `DepthSource`.

Legend: H, W height and width of the depth map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics

CAMERA_HEIGHT_M = 1.5
CAMERA_TO_FRONT_M = 1.5
"""The track's vehicle: a camera behind the windscreen of a car. [D]"""

NEAREST_M = 0.2


@dataclass(frozen=True, slots=True)
class Solid:
    """A thing in the camera's frame; boxes lie along its axes.

    Attributes:
        kind: Name of what it is, such as "car", for sources that draw it.
        right_m: X of its middle.
        near_m: Z of its nearest face.
        width_m: Across.
        length_m: Along Z.
        bottom_m: Height of its lower side above the road.
        top_m: Height of its upper side above the road.
        round: An upright cylinder of diameter `width_m` instead of a box.
        number: Tells things of one kind apart, for sources that draw them.
        oncoming: Whether it faces the camera.
    """

    kind: str
    right_m: float
    near_m: float
    width_m: float
    length_m: float
    bottom_m: float
    top_m: float
    round: bool = False
    number: int = 0
    oncoming: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """All that is there at one time.

    Attributes:
        time_s: The time.
        solids: Things on and over the road.
        bend_m: Z at which the road bends up or down; infinite for a flat road.
        grade: Slope behind the bend, positive upwards.
        ego_m: How far the own vehicle has come, for sources that draw the road.
        curvature_1pm: Of the road, positive to the left; the solids lie along it already.
    """

    time_s: float
    solids: tuple[Solid, ...]
    bend_m: float = math.inf
    grade: float = 0.0
    ego_m: float = 0.0
    curvature_1pm: float = 0.0

    def road_m(self, z: float) -> float:
        """Height of the road at depth `z`, over the road under the camera."""
        return self.grade * max(z - self.bend_m, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a source gives for one view.

    Attributes:
        depth_m: (H, W) float32 metres.
        valid: (H, W) bool, false in the sky.
        image: (h, w) or (h, w, 3) uint8 for the checks of the camera, `None` where there is none.
        confidence: (H, W) float32, `None` where there is none.
    """

    depth_m: FloatArray
    valid: npt.NDArray[np.bool_]
    image: npt.NDArray[np.uint8] | None = None
    confidence: FloatArray | None = None


class DepthSource(Protocol):
    """Anything that turns a view into depth for a camera."""

    def __call__(self, view: View, camera: Intrinsics) -> Seen:
        """Depth of `view` as `camera` sees it, `CAMERA_HEIGHT_M` above the road and level."""


def exact_depth(view: View, camera: Intrinsics) -> FloatArray:
    """(H, W) float32 depth of a view, infinite in the sky."""
    x, y, road = _rays(camera)
    depth = road.copy()
    if math.isfinite(view.bend_m):
        # Behind the bend: height - grade (Z - bend) = y Z.
        with np.errstate(divide="ignore"):
            slope = (CAMERA_HEIGHT_M + view.grade * view.bend_m) / (y + np.float32(view.grade))
        bent = (road > view.bend_m) & (slope > view.bend_m)
        depth = np.where(bent, slope, np.where(road > view.bend_m, np.float32(np.inf), road)).astype(np.float32)
    for solid in sorted(view.solids, key=lambda one: -one.near_m):
        _draw(depth, solid, view, camera, x, y)
    return depth


def _draw(depth: FloatArray, solid: Solid, view: View, camera: Intrinsics, x: FloatArray, y: FloatArray) -> None:
    near = max(solid.near_m, NEAREST_M)
    far = solid.near_m + solid.length_m
    if far <= NEAREST_M:
        return
    ground = CAMERA_HEIGHT_M - view.road_m(solid.near_m + solid.length_m / 2)
    left, right = solid.right_m - solid.width_m / 2, solid.right_m + solid.width_m / 2
    top, bottom = ground - solid.top_m, ground - solid.bottom_m
    columns = _span(left, right, near, far, camera.fx_px, camera.cx_px, camera.width)
    rows = _span(top, bottom, near, far, camera.fy_px, camera.cy_px, camera.height)
    if columns.start >= columns.stop or rows.start >= rows.stop:
        return
    x, y = x[:, columns], y[rows]
    if solid.round:
        enter, leave = _cylinder(x, solid.right_m, solid.near_m + solid.width_m / 2, solid.width_m / 2)
    else:
        enter, leave = _slab(x, left, right)
        enter, leave = np.maximum(enter, np.float32(near)), np.minimum(leave, np.float32(far))
    enter_y, leave_y = _slab(y, top, bottom)
    enter, leave = np.maximum(enter, enter_y), np.minimum(leave, leave_y)
    window = depth[rows, columns]
    hit = (enter <= leave) & (enter > 0) & (enter < window)
    np.copyto(window, enter, where=hit)


def _slab(ray: FloatArray, low: float, high: float) -> tuple[FloatArray, FloatArray]:
    """Depths between which a ray is between two planes across one axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = np.float32(low) / ray, np.float32(high) / ray
    return np.minimum(first, second) if low * high > 0 else np.zeros_like(ray), np.fmax(first, second)


def _cylinder(x: FloatArray, right_m: float, forward_m: float, radius_m: float) -> tuple[FloatArray, FloatArray]:
    """Depths between which a ray is in an upright cylinder: |(x t, t) - (right, forward)| = radius."""
    a = 1 + x * x
    half = x * np.float32(right_m) + np.float32(forward_m)
    inside = half * half - a * np.float32(right_m**2 + forward_m**2 - radius_m**2)
    root = np.sqrt(np.maximum(inside, 0))
    enter = np.where(inside > 0, (half - root) / a, np.float32(np.inf))
    return enter.astype(np.float32), np.where(inside > 0, (half + root) / a, np.float32(0)).astype(np.float32)


def _span(low: float, high: float, near: float, far: float, focal_px: float, centre_px: float, size: int) -> slice:
    """Pixels that can see a thing between two planes."""
    first = min(low / near, low / far) * focal_px + centre_px
    last = max(high / near, high / far) * focal_px + centre_px
    return slice(min(max(math.floor(first), 0), size), min(max(math.ceil(last) + 1, 0), size))


@lru_cache(maxsize=4)
def _rays(camera: Intrinsics) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Ray slopes x (1, W) and y (H, 1), and the depth (H, W) of a flat road, infinite above the horizon."""
    x = ((np.arange(camera.width)[None] - camera.cx_px) / camera.fx_px).astype(np.float32)
    y = ((np.arange(camera.height)[:, None] - camera.cy_px) / camera.fy_px).astype(np.float32)
    with np.errstate(divide="ignore"):
        road = np.where(y > 0, np.float32(CAMERA_HEIGHT_M) / y, np.float32(np.inf))
    return x, y, np.broadcast_to(road, (camera.height, camera.width)).astype(np.float32)
