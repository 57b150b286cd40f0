"""Semi-dense depth of a drive from its pictures and true camera poses, as a data set that training reads.

Each picture is compared with its neighbours in time on a sweep of planes (Collins 1996): for each of many depths they are warped
as if all were at that depth, and where the windows agree best, there is the depth. Kept is only what is clear, and what the
depth maps of the next pictures confirm. What moves by itself is mostly not confirmed; what drives along at the own speed looks
infinitely far, so that far depths are left out.

    python scripts/depth_from_poses.py kitti_odometry_00/rgb --poses kitti_odometry_00/poses.txt \
        --intrinsics 240.97,244.72,203.54,63.06 --output rendered/odometry_00

The poses file has a 3x4 matrix a line, camera to world in metres, as in KITTI's odometry benchmark. Writes `images/` (copies),
`depth/` (16-bit PNG, metres x 256) and `manifest.csv`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import typer

from lapdepth.camera import FloatArray
from lapdepth.data.manifest import Row, write_manifest
from lapdepth.errors import InputError, LapDepthError
from lapdepth.io.depth import UNITS_PER_METRE
from lapdepth.io.files import PICTURE_SUFFIXES, atomic_path
from lapdepth.io.images import read_image

Matrix = npt.NDArray[np.float64]

NEAREST_M, FARTHEST_M = 2.5, 45.0
"""Depths that are kept. The sweep goes on to SWEPT_M, so that what is farther is not taken for the farthest."""
SWEPT_M = 150.0
PLANES = 72
"""Depths of the sweep, evenly spaced in inverse depth."""
STEPS = (-4, -2, -1, 1, 2, 4)
"""Neighbours in time that a picture is compared with."""
MOVED_M = (0.3, 8.0)
"""How far the camera must and may have moved to a neighbour."""
WINDOW = 7
"""Side of the windows in pixels."""
LEAST_CORRELATION = 0.8
"""Of the windows at the best depth."""
LEAST_LEAD = 0.04
"""By how much the best depth must beat all that are more than two planes away."""
LEAST_TEXTURE = 3.0
"""Standard deviation of a window's grey levels."""
TOLERANCE = 0.08
"""Relative difference at which another picture's depth map confirms."""


def main(
    pictures: Annotated[Path, typer.Argument(help="Folder of pictures; their names in order are the poses' order.")],
    poses: Annotated[Path, typer.Option(help="3x4 a line, camera to world, metres.")],
    intrinsics: Annotated[str, typer.Option(help="FX,FY,CX,CY in pixels of these pictures.")],
    output: Annotated[Path, typer.Option(help="Folder, made if missing.")],
    every: Annotated[int, typer.Option(min=1, help="Depth for every so many pictures.")] = 2,
    skip: Annotated[int, typer.Option(min=0, help="Leave out depth of the first so many, where poses are worse.")] = 0,
    count: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures.")] = None,
    scene: Annotated[
        str | None,
        typer.Option(help="Name in the manifest; the same as in other data sets of this drive. Default: the output's."),
    ] = None,
) -> None:
    """Write depth maps and a manifest."""
    try:
        run(pictures, poses, camera_matrix(intrinsics), output, scene or output.name, every, skip, count)
    except (LapDepthError, OSError) as error:
        typer.echo(f"depth_from_poses: {error}", err=True)
        raise typer.Exit(1) from None


def run(
    pictures: Path, poses: Path, camera: Matrix, output: Path, scene: str, every: int = 2, skip: int = 0, count: int | None = None
) -> None:
    """Sweep, confirm, write; the manifest comes last.

    Raises:
        InputError: Poses are missing, no picture is left, two would share a depth map, or sizes differ.
        ReadError: A picture cannot be read.
        OutputError: A file cannot be written.
    """
    files = sorted(path for path in pictures.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)[:count]
    to_world = read_poses(poses)
    if not files or len(files) > len(to_world):
        raise InputError(f"{pictures} has {len(files)} pictures, {poses} {len(to_world)} poses; expected at least as many poses")
    chosen = list(range(0, len(files), every))
    if skip > chosen[-1]:
        raise InputError(f"--skip {skip} leaves out all of {len(files)} pictures; expected at most {chosen[-1]}")
    first_of: dict[str, Path] = {}
    for path in files:
        if (first := first_of.setdefault(path.stem, path)) != path:
            raise InputError(f"{first} and {path} would share a depth map; expected names that differ. Rename one")
    images = [read_image(path).rgb for path in files]
    for path, pixels in zip(files, images, strict=True):
        if pixels.shape != images[0].shape:
            got, expected = (f"{one.shape[1]}x{one.shape[0]}" for one in (pixels, images[0]))
            raise InputError(f"{path} is {got}, {files[0]} {expected}; expected pictures of one size and camera")
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in images]
    swept = {}
    for done, i in enumerate(chosen):
        swept[i] = sweep(i, grey, to_world, camera)
        typer.echo(f"\r{done + 1} of {len(chosen)} swept", err=True, nl=done + 1 == len(chosen))
    for folder in ("images", "depth"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for i in (i for i in chosen if i >= skip):
        others = [j for j in (i - 2 * every, i - every, i + every, i + 2 * every) if j in swept]
        depth_m = confirmed(i, others, swept, to_world, camera)
        image, depth = output / "images" / files[i].name, output / "depth" / f"{files[i].stem}.png"
        shutil.copy(files[i], image)
        with atomic_path(depth) as scratch:
            scratch.write_bytes(cv2.imencode(".png", np.round(depth_m * UNITS_PER_METRE).astype(np.uint16))[1].tobytes())
        fx, fy, cx, cy = camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2]
        rows.append(Row(image, depth, UNITS_PER_METRE, fx, fy, cx, cy, "train", scene=scene))
    write_manifest(output / "manifest.csv", rows)
    print(f"{output}: {len(rows)} pictures")


def camera_matrix(text: str) -> Matrix:
    """`FX,FY,CX,CY` as a 3x3 matrix.

    Raises:
        InputError: They are not four finite numbers, the first two positive.
    """
    try:
        fx, fy, cx, cy = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--intrinsics is '{text}'; expected FX,FY,CX,CY in pixels") from None
    if not (np.isfinite([fx, fy, cx, cy]).all() and fx > 0 and fy > 0):
        raise InputError(f"--intrinsics is '{text}'; expected finite FX,FY,CX,CY in pixels, the first two positive")
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def read_poses(path: Path) -> list[Matrix]:
    """4x4 matrices, camera to world.

    Raises:
        InputError: They are not 12 finite numbers a line, or one does not turn without stretching.
    """
    try:
        rows = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise InputError(f"{path} is not a file of poses: {error}") from None
    if rows.shape[1] != 12:
        raise InputError(f"{path} has {rows.shape[1]} numbers a line; expected 12, a 3x4 matrix")
    turns = rows.reshape(-1, 3, 4)[:, :, :3]
    # A stretched camera would give other metres; all zeros, as lost tracking is written, would give none.
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2)) < 0.01) | ~np.isfinite(rows).all(axis=1)
    if wrong.any():
        number = int(wrong.argmax())
        raise InputError(f"{path}: pose {number} is {rows[number].tolist()}; expected a rotation and metres, all finite")
    return [np.vstack([row.reshape(3, 4), [0, 0, 0, 1]]) for row in rows]


def sweep(i: int, grey: list[FloatArray], to_world: list[Matrix], camera: Matrix) -> FloatArray:
    """Depth (H, W) in metres of picture i where it is clear, 0 elsewhere."""
    own, shape = grey[i], grey[i].shape
    inverse = np.linspace(1 / SWEPT_M, 1 / NEAREST_M, PLANES)
    best_past, best_ahead = (np.full((PLANES, *shape), -1.0, np.float32) for _ in range(2))
    mean, deviation = _moments(own)
    for step in STEPS:
        j = i + step
        if not 0 <= j < len(grey):
            continue
        move = np.linalg.inv(to_world[j]) @ to_world[i]
        if not MOVED_M[0] <= float(np.linalg.norm(move[:3, 3])) <= MOVED_M[1]:
            continue
        best = best_past if step < 0 else best_ahead
        for plane, nearness in enumerate(inverse):
            homography = camera @ (move[:3, :3] + np.outer(move[:3, 3], [0, 0, nearness])) @ np.linalg.inv(camera)
            # What comes from outside the neighbour is far from any grey level, and so correlates with nothing.
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            moved = cv2.warpPerspective(grey[j], homography, shape[::-1], flags=flags, borderValue=-1e3)
            warped = np.asarray(moved, np.float32)
            other_mean, other_deviation = _moments(warped)
            covariance = _window(own * warped) - mean * other_mean
            np.maximum(best[plane], covariance / (deviation * other_deviation), out=best[plane])
    # A surface is hidden from the pictures before or from those behind, seldom from both.
    score = np.maximum(best_past, best_ahead)
    place = score.argmax(axis=0)
    peak = np.take_along_axis(score, place[None], axis=0)[0]
    near_peak = np.abs(np.arange(PLANES)[:, None, None] - place) <= 2
    rival = np.where(near_peak, -1, score).max(axis=0)
    inside = np.clip(place, 1, PLANES - 2)
    left, right = (np.take_along_axis(score, (inside + side)[None], axis=0)[0] for side in (-1, 1))
    middle = np.take_along_axis(score, inside[None], axis=0)[0]
    curve = np.minimum(left + right - 2 * middle, -1e-6)
    fine = inside + np.clip((left - right) / (2 * curve), -0.5, 0.5)
    depth_m = 1 / np.interp(fine, np.arange(PLANES), inverse)
    clear = (peak > LEAST_CORRELATION) & (peak - rival > LEAST_LEAD) & (deviation > LEAST_TEXTURE) & (place == inside)
    return np.where(clear, depth_m, 0).astype(np.float32)


def confirmed(i: int, others: list[int], swept: dict[int, FloatArray], to_world: list[Matrix], camera: Matrix) -> FloatArray:
    """What is left of picture i's depth (H, W) once at least one other depth map agrees."""
    depth_m = swept[i]
    rows, columns = np.nonzero(depth_m)
    z = depth_m[rows, columns].astype(np.float64)
    rays = np.linalg.inv(camera) @ np.stack([columns, rows, np.ones_like(rows)])
    agree = np.zeros(len(z), int)
    for j in others:
        move = np.linalg.inv(to_world[j]) @ to_world[i]
        points = move[:3, :3] @ (rays * z) + move[:3, 3:]
        at = camera @ points
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = np.round(at[0] / at[2]), np.round(at[1] / at[2])
        seen = (at[2] > 0) & (u >= 0) & (v >= 0) & (u < depth_m.shape[1]) & (v < depth_m.shape[0])
        other_m = np.zeros(len(z))
        other_m[seen] = swept[j][v[seen].astype(int), u[seen].astype(int)]
        agree += (other_m > 0) & (np.abs(other_m / np.where(seen, points[2], 1) - 1) < TOLERANCE)
    kept = (agree > 0) & (z >= NEAREST_M) & (z <= FARTHEST_M)
    out = np.zeros_like(depth_m)
    out[rows[kept], columns[kept]] = z[kept]
    return out


def _window(values: FloatArray) -> FloatArray:
    return np.asarray(cv2.boxFilter(values, -1, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT_101), np.float32)


def _moments(grey: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each window."""
    mean = _window(grey)
    return mean, np.sqrt(np.maximum(_window(grey * grey) - mean * mean, 1e-2))


if __name__ == "__main__":
    typer.run(main)
