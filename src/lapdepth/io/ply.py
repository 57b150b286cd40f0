"""Coloured point clouds out as PLY, which CloudCompare, MeshLab, Blender and Open3D read.

Legend: N number of points.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lapdepth.camera import FloatArray
from lapdepth.errors import InputError
from lapdepth.imaging import ByteArray
from lapdepth.io.files import atomic_path

_VERTEX = np.dtype([("xyz", "<f4", (3,)), ("rgb", "u1", (3,))])  # 15 bytes, unpadded, as the format wants
_HEADER = """ply
format binary_little_endian 1.0
comment lapdepth: metres; X right, Y down, Z forward from the camera
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def write_ply(path: Path, points: FloatArray, rgb: ByteArray) -> None:
    """Write points with colours as binary little-endian PLY.

    Args:
        path: A `.ply` file.
        points: (N, 3) float32, metres, finite: X right, Y down, Z forward (see `camera.back_project`).
        rgb: (N, 3) uint8.

    Raises:
        InputError: Another shape or type, or a point that is not finite.
        OutputError: The file cannot be written.
    """
    if points.ndim != 2 or points.shape[1] != 3 or not np.issubdtype(points.dtype, np.floating):
        raise InputError(f"points is {points.dtype} {points.shape}; expected (N, 3) float32")
    if rgb.shape != points.shape or rgb.dtype != np.uint8:
        raise InputError(f"rgb is {rgb.dtype} {rgb.shape}; expected uint8 {points.shape}, one colour a point")
    wrong = len(points) - int(np.count_nonzero(np.isfinite(points).all(axis=1)))
    if wrong:
        raise InputError(f"{wrong} of {len(points)} points are not finite; leave out the invalid pixels")
    vertices = np.empty(len(points), _VERTEX)
    vertices["xyz"] = points
    vertices["rgb"] = rgb
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(_HEADER.format(count=len(points)).encode("ascii"))
        file.write(vertices.tobytes())
