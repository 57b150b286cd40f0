"""Pinhole camera geometry in NumPy.

Pixel (u, v) = (0, 0) is the centre of the top-left pixel. X points right, Y down, Z along the optical axis, in metres.
Depth is Z, the coordinate along the optical axis; distance is the length of the ray to the point.

Legend: H, W height and width in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapdepth.errors import InputError

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole camera without distortion, for pictures of one size.

    Attributes:
        width: Picture width in pixels.
        height: Picture height in pixels.
        fx_px: Horizontal focal length in pixels.
        fy_px: Vertical focal length in pixels.
        cx_px: Column of the principal point.
        cy_px: Row of the principal point.
    """

    width: int
    height: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float

    def __post_init__(self) -> None:
        """Check sizes and focal lengths.

        Raises:
            InputError: A size is below one pixel or a focal length is not positive and finite.
        """
        if self.width < 1 or self.height < 1:
            raise InputError(f"camera is {self.height}x{self.width}; height and width must be at least 1 pixel")
        for name in ("fx_px", "fy_px"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}; a focal length must be a positive number of pixels")
        if not (math.isfinite(self.cx_px) and math.isfinite(self.cy_px)):
            raise InputError(f"principal point is ({self.cx_px}, {self.cy_px}); it must be finite")

    @classmethod
    def from_focal(cls, width: int, height: int, focal_px: float) -> Intrinsics:
        """Square pixels and a principal point in the middle of the picture."""
        return cls(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)

    @classmethod
    def from_fov(cls, width: int, height: int, fov_deg: float) -> Intrinsics:
        """From the horizontal field of view in degrees, between 1 and 179.

        Example:
            >>> round(Intrinsics.from_fov(640, 480, 90).fx_px)
            320
        """
        if not (math.isfinite(fov_deg) and 1 <= fov_deg <= 179):
            raise InputError(f"field of view is {fov_deg} degrees; give the horizontal angle, between 1 and 179 degrees")
        return cls.from_focal(width, height, width / (2 * math.tan(math.radians(fov_deg) / 2)))

    @property
    def focal_px(self) -> float:
        """One focal length for both axes: their geometric mean."""
        return math.sqrt(self.fx_px * self.fy_px)

    @property
    def fov_deg(self) -> float:
        """Horizontal field of view in degrees."""
        return math.degrees(2 * math.atan(self.width / (2 * self.fx_px)))

    def resized(self, width: int, height: int) -> Intrinsics:
        """The camera of the same picture resized to `width` x `height`."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            width,
            height,
            self.fx_px * sx,
            self.fy_px * sy,
            (self.cx_px + 0.5) * sx - 0.5,
            (self.cy_px + 0.5) * sy - 0.5,
        )

    def cropped(self, left: int, top: int, width: int, height: int) -> Intrinsics:
        """The camera of a window of the picture; a negative `left` or `top` pads it instead."""
        return Intrinsics(width, height, self.fx_px, self.fy_px, self.cx_px - left, self.cy_px - top)

    def flipped(self) -> Intrinsics:
        """The camera of the picture mirrored left to right."""
        return Intrinsics(self.width, self.height, self.fx_px, self.fy_px, self.width - 1 - self.cx_px, self.cy_px)

    def rays(self) -> FloatArray:
        """Points (H, W, 3) at depth 1 m: multiply by depth to back-project.

        Returns:
            (H, W, 3) float32, the last axis (X, Y, Z) with Z = 1.
        """
        x = (np.arange(self.width, dtype=np.float32) - np.float32(self.cx_px)) / np.float32(self.fx_px)
        y = (np.arange(self.height, dtype=np.float32) - np.float32(self.cy_px)) / np.float32(self.fy_px)
        rays = np.ones((self.height, self.width, 3), np.float32)
        rays[..., 0] = x
        rays[..., 1] = y[:, None]
        return rays


def back_project(depth_m: FloatArray, intrinsics: Intrinsics) -> FloatArray:
    """Depth along the optical axis to points in the camera's frame.

    Args:
        depth_m: (H, W) float32, metres.
        intrinsics: Camera of that very picture size.

    Returns:
        (H, W, 3) float32, metres: X right, Y down, Z forward.

    Raises:
        InputError: The depth map and the camera differ in size.

    Example:
        >>> back_project(np.full((3, 5), 2, np.float32), Intrinsics.from_focal(5, 3, 10))[1, 2].tolist()
        [0.0, 0.0, 2.0]
    """
    _check_size(depth_m, intrinsics)
    return intrinsics.rays() * depth_m[..., None]


def distance_from_depth(depth_m: FloatArray, intrinsics: Intrinsics) -> FloatArray:
    """Depth along the optical axis to distance along each pixel's ray, both (H, W) in metres.

    The two agree in the middle of the picture and differ by 1 / cos(angle off axis) elsewhere: 15 % at 30 degrees.
    """
    _check_size(depth_m, intrinsics)
    return depth_m * np.asarray(np.linalg.norm(intrinsics.rays(), axis=-1), np.float32)


def _check_size(depth_m: FloatArray, intrinsics: Intrinsics) -> None:
    if depth_m.shape != (intrinsics.height, intrinsics.width):
        raise InputError(
            f"depth map is {depth_m.shape}, the camera is for ({intrinsics.height}, {intrinsics.width}); "
            "use Intrinsics.resized to bring the camera to the map's size"
        )
