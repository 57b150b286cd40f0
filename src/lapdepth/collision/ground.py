"""The ground plane: inverse depth is affine in the pixel's coordinates on any plane.

Legend: N samples, T tries; x, y a pixel's ray (X / Z, Y / Z).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.collision.settings import GroundSettings

Doubles = npt.NDArray[np.float64]
ROUNDS = 2
"""Rounds of least squares over what lies on the plane. [D]"""
SCORED = 4
"""Of the samples, one in so many judges the tries. [D]"""
RIDGE = 1e-6
"""Keeps the equations solvable where all samples on the plane lie in a line. [D]"""


@dataclass(frozen=True, slots=True)
class Ground:
    """A plane 1 / Z = a x + b y + c in the camera's frame.

    Attributes:
        a: Tilt to the side, 1/m.
        b: 1 / height for a level camera, 1/m.
        c: Tilt up or down, 1/m.
        share: Share of the samples that lie on it.
    """

    a: float
    b: float
    c: float
    share: float

    @property
    def camera_height_m(self) -> float:
        """Distance of the camera from the plane."""
        return 1 / math.sqrt(self.a**2 + self.b**2 + self.c**2)

    def horizon(self, camera: Intrinsics) -> float:
        """Row where the plane straight ahead ends, as a share of the height of a picture of this camera; it may lie outside."""
        return (camera.cy_px + 0.5 - camera.fy_px * self.c / self.b) / camera.height

    def relative_height(self, depth_m: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
        """Height above the ground in camera heights: no scale and no focal length matter to it. All broadcast to one shape."""
        row = np.float32(self.b) * y + np.float32(self.c)
        return 1 - depth_m * (np.float32(self.a) * x + row)


def fit_ground(
    depth_m: FloatArray, valid: npt.NDArray[np.bool_], camera: Intrinsics, settings: GroundSettings, before: Ground | None = None
) -> Ground | None:
    """The plane that most of the lower half of the picture lies on, and that little lies below.

    Args:
        depth_m: (H, W) metres.
        valid: (H, W) where depth may be used.
        camera: Camera of that size.
        settings: Bounds and tolerances.
        before: Plane of the frame before, tried as well.

    Returns:
        The plane, or `None` where no plausible one is found.
    """
    rows, columns = _grid(camera.height, camera.width, camera.cy_px, settings.samples)
    z: Doubles = depth_m[rows, columns].astype(np.float64)
    good = valid[rows, columns] & (z > 0) & (z < settings.max_depth_m)
    if np.count_nonzero(good) < settings.samples // 10:
        return None
    z = z[good]
    x = (columns[good] - camera.cx_px) / camera.fx_px
    y = (rows[good] - camera.cy_px) / camera.fy_px
    design = np.stack([x, y, np.ones_like(x)], axis=1)  # (N, 3)
    planes = _tries(design, z, settings.tries)
    if before is not None:
        planes = np.vstack([planes, [before.a, before.b, before.c]])
    planes = planes[_plausible(planes, settings)]
    if not len(planes):
        return None
    some = design[::SCORED] * z[::SCORED, None]
    off = planes @ some.T - 1  # (T, N / SCORED) relative depth, positive below the plane
    score = np.count_nonzero(np.abs(off) < settings.tolerance, axis=1) - np.count_nonzero(off > 2 * settings.tolerance, axis=1)
    plane = planes[int(np.argmax(score))]
    for _ in range(ROUNDS):
        on = np.abs(z * (design @ plane) - 1) < settings.tolerance
        if np.count_nonzero(on) < 3:
            return None
        rows_on = design[on] * z[on, None]
        plane = np.linalg.solve(rows_on.T @ rows_on + RIDGE * np.eye(3), rows_on.sum(axis=0))
    off = z * (design @ plane) - 1
    share = float(np.mean(np.abs(off) < settings.tolerance))
    below = float(np.mean(off > 2 * settings.tolerance))
    if not _plausible(plane[None], settings)[0] or share < settings.min_share or below > settings.max_below:
        return None
    return Ground(float(plane[0]), float(plane[1]), float(plane[2]), share)


def _plausible(planes: Doubles, settings: GroundSettings) -> npt.NDArray[np.bool_]:
    a, b, c = planes.T
    height = 1 / np.maximum(np.linalg.norm(planes, axis=1), 1e-9)
    tilt = (np.abs(a) < settings.max_roll * b) & (np.abs(c) < settings.max_pitch * b)
    return np.asarray(tilt & (height > settings.min_height_m) & (height < settings.max_height_m))


def _tries(design: Doubles, z: Doubles, tries: int) -> Doubles:
    """(T, 3) planes through three samples each, the same triples every time."""
    chosen = (_triples(tries) * len(z)).astype(np.intp)
    matrices = design[chosen]  # (T, 3, 3)
    usable = np.abs(np.linalg.det(matrices)) > 1e-6
    solved = np.linalg.solve(matrices[usable], 1 / z[chosen][usable][..., None])
    return np.asarray(solved[..., 0])


@lru_cache(maxsize=4)
def _triples(tries: int) -> Doubles:
    return np.random.default_rng(0).random((tries, 3))


@lru_cache(maxsize=4)
def _grid(height: int, width: int, cy_px: float, samples: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows and columns (N,) of an even grid over what is below the principal point."""
    top = min(max(int(cy_px) + 1, 0), height - 1)
    step = max(math.sqrt((height - top) * width / samples), 1.0)
    rows = np.arange(top, height, step).astype(np.intp)
    columns = np.arange(step / 2, width, step).astype(np.intp)
    grid = np.meshgrid(rows, columns, indexing="ij")
    return grid[0].ravel(), grid[1].ravel()
