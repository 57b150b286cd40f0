"""KITTI's calibration files and the projection of Velodyne sweeps into a camera.

`calib_cam_to_cam.txt` and `calib_velo_to_cam.txt` hold lines `NAME: numbers`. A Velodyne sweep is little-endian float32 rows of
(x forward, y left, z up, reflectance) in metres. A point goes to camera c by P_rect_c @ R_rect_00 @ [R | T].

Licence of the data and its source: see `kitti`.

Legend: N points; H, W height and width of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.errors import ReadError
from lapdepth.io.files import read_bytes

RAW_LIDAR_WARNING = (
    "raw-LiDAR truth: one sweep as projected, not checked against stereo. The scanner stands above the camera and sees past the "
    "edges of near things, moving things are smeared, and some 5 % of the pixels have a value. Numbers on it (697 pictures) are "
    "not those on the annotated depth (652 pictures): never mix them in one table"
)
PIXEL_OFFSET = 1
"""The published raw-LiDAR evaluations count pixels as KITTI's MATLAB kit does, from 1: column = round(u) - 1."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Numbers of a calibration file by name, such as `P_rect_02`."""

    path: Path
    values: dict[str, Matrix]

    def matrix(self, name: str, rows: int, columns: int) -> Matrix:
        """An entry as a matrix.

        Raises:
            ReadError: It is missing, has another number of values, or one that is not finite.
        """
        value = self.values.get(name)
        if value is None or value.size != rows * columns or not np.isfinite(value).all():
            got = "no such line" if value is None else f"{value.size} values"
            raise ReadError(f"{self.path}: {name}: {got}; expected {rows * columns} finite numbers of a KITTI calibration")
        return value.reshape(rows, columns)

    def intrinsics(self, camera: str) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy in pixels of the rectified `image_02` or `image_03`."""
        projection = self.matrix(f"P_rect_{camera[-2:]}", 3, 4)
        fx_px, fy_px = float(projection[0, 0]), float(projection[1, 1])
        if min(fx_px, fy_px) <= 0:
            raise ReadError(
                f"{self.path}: focal lengths of {camera} are {fx_px} and {fy_px}; expected positive numbers of pixels"
            )
        return fx_px, fy_px, float(projection[0, 2]), float(projection[1, 2])

    def size(self, camera: str) -> tuple[int, int]:
        """(H, W) of the rectified pictures."""
        width, height = (int(value) for value in self.matrix(f"S_rect_{camera[-2:]}", 1, 2)[0])
        if not (0 < width <= 4096 and 0 < height <= 4096):
            raise ReadError(f"{self.path}: pictures of {camera} are {width}x{height}; expected a camera of KITTI, about 1242x375")
        return height, width


def read_calibration(path: Path) -> Calibration:
    """Read a calibration file; entries that are not numbers (dates) are left out.

    Raises:
        ReadError: The file cannot be read.
    """
    values: dict[str, Matrix] = {}
    for line in read_bytes(path, "a KITTI calibration").decode("ascii", "replace").splitlines():
        name, _, numbers = line.partition(":")
        try:
            values[name.strip()] = np.array([float(word) for word in numbers.split()])
        except ValueError:
            continue
    return Calibration(path, values)


def velodyne_projection(cameras: Calibration, scanner: Calibration, camera: str) -> Matrix:
    """The (3, 4) matrix from scanner to pixels: (u z, v z, z) = matrix @ (x, y, z, 1), in pixels and metres.

    Args:
        cameras: Of `calib_cam_to_cam.txt`.
        scanner: Of `calib_velo_to_cam.txt`.
        camera: `image_02` or `image_03`.

    Raises:
        ReadError: A matrix is missing.
    """
    to_camera = np.eye(4)
    to_camera[:3, :3], to_camera[:3, 3] = scanner.matrix("R", 3, 3), scanner.matrix("T", 3, 1)[:, 0]
    rectify = np.eye(4)
    rectify[:3, :3] = cameras.matrix("R_rect_00", 3, 3)
    return np.asarray(cameras.matrix(f"P_rect_{camera[-2:]}", 3, 4) @ rectify @ to_camera, np.float64)


def read_sweep(path: Path) -> FloatArray:
    """A Velodyne sweep: (N, 3) float32 metres, x forward, y left, z up.

    Raises:
        ReadError: The file cannot be read, or is not made of rows of four finite float32.
    """
    data = read_bytes(path, "a Velodyne sweep")
    if len(data) % 16:
        raise ReadError(f"{path} has {len(data):,} bytes; expected rows of 16 bytes (x, y, z, reflectance as float32)")
    points = np.frombuffer(data, "<f4").reshape(-1, 4)[:, :3]
    if not np.isfinite(points).all():
        raise ReadError(f"{path} holds values that are not finite; the file is damaged, download it again")
    return np.asarray(points, np.float32)


def project_sweep(points_m: FloatArray, projection: Matrix, size: tuple[int, int]) -> FloatArray:
    """Depth along the optical axis of what a sweep hit; of several points in one pixel the nearest.

    Args:
        points_m: (N, 3), in the scanner's frame. Points behind the scanner are left out.
        projection: (3, 4), of `velodyne_projection`.
        size: (H, W).

    Returns:
        (H, W) float32 metres, 0 where nothing was hit.
    """
    height, width = size
    ahead = points_m[points_m[:, 0] >= 0].astype(np.float64)
    pixels = ahead @ projection[:, :3].T + projection[:, 3]
    pixels = pixels[pixels[:, 2] > 0]
    depth_m = pixels[:, 2]
    columns, rows = (np.rint(pixels[:, axis] / depth_m) - PIXEL_OFFSET for axis in (0, 1))
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    order = np.argsort(-depth_m[inside], kind="stable")  # the nearest is written last
    out = np.zeros(size, np.float32)
    out[rows[inside].astype(np.intp)[order], columns[inside].astype(np.intp)[order]] = depth_m[inside][order]
    return out
