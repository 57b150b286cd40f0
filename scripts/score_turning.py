r"""How well the warning sees the own turning in pictures, against the true poses of a drive.

    python scripts/score_turning.py kitti_odometry_00/rgb --poses kitti_odometry_00/poses.txt \
        --intrinsics 240.97,244.72,203.54,63.06 --skip 16 --count 300

The poses file has a 3x4 matrix a line, camera to world, as in KITTI's odometry benchmark. Each picture with its predicted depth
is set against the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
import typer

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.collision.settings import TurningSettings
from lapdepth.collision.turning import turned_rad
from lapdepth.errors import InputError, LapDepthError
from lapdepth.imaging import ByteArray
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.io.images import read_image

Doubles = npt.NDArray[np.float64]
Depth = Callable[[ByteArray], tuple[FloatArray, npt.NDArray[np.bool_]]]


def true_turns_rad(poses: Doubles) -> Doubles:
    """(N - 1,) angles to the left from each of (N, 3, 4) poses to the next."""
    turns = poses[:-1, :, :3].transpose(0, 2, 1) @ poses[1:, :, :3]
    return np.asarray(-np.arctan2(turns[:, 0, 2], turns[:, 2, 2]))


def seen_turns_rad(pictures: Iterable[ByteArray], depth_of: Depth, camera: Intrinsics) -> Iterator[float]:
    """The same as seen in pictures (H, W, 3); not a number where nothing is seen."""
    looks = ((cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), *depth_of(rgb)) for rgb in pictures)
    for (before, depth_m, valid), (now, _, _) in pairwise(looks):
        turned = turned_rad(np.asarray(before, np.uint8), np.asarray(now, np.uint8), depth_m, valid, camera, TurningSettings())
        yield np.nan if turned is None else turned


def main(
    pictures: Annotated[Path, typer.Argument(help="Folder of pictures; their names in order are the poses' order.")],
    poses: Annotated[Path, typer.Option(help="3x4 a line, camera to world.")],
    intrinsics: Annotated[str, typer.Option(help="FX,FY,CX,CY in pixels of these pictures.")],
    skip: Annotated[int, typer.Option(min=0, help="Leave out the first so many.")] = 0,
    count: Annotated[int, typer.Option(min=2, help="Pictures.")] = 300,
    fps: Annotated[float, typer.Option(min=0.1, help="Pictures a second.")] = 10.0,
    model: Annotated[str, typer.Option(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
) -> None:
    """Print errors of the yaw rate."""
    try:
        files = sorted(path for path in pictures.iterdir() if path.suffix.lower() in (".jpg", ".png"))[skip : skip + count]
        matrices = np.loadtxt(poses).reshape(-1, 3, 4)[skip : skip + count]
        if len(files) < 2 or len(files) != len(matrices):
            raise InputError(
                f"{len(files)} pictures and {len(matrices)} poses; expected as many of one as of the other, at least 2"
            )
        images = [read_image(file).rgb for file in files]
        height, width = images[0].shape[:2]
        camera = Intrinsics(width, height, *map(float, intrinsics.split(",")))
        predictor = DepthPredictor.from_pretrained(model, sharpen_edges=False)  # as the warning takes it

        def depth_of(rgb: ByteArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
            found = predictor(rgb, focal_px=camera.focal_px)
            return found.depth_m, found.valid

        off = (np.array(list(seen_turns_rad(images, depth_of, camera))) - true_turns_rad(matrices)) * fps
    except (LapDepthError, OSError, ValueError, TypeError) as error:
        typer.echo(f"score_turning: {error}", err=True)
        raise typer.Exit(1) from None
    seen = np.abs(off[np.isfinite(off)])
    typer.echo(f"yaw rate seen in {len(seen)} of {len(off)} pairs of pictures")
    if len(seen):
        middle, late = np.quantile(seen, (0.5, 0.95))
        typer.echo(f"error: median {middle:.4f} rad/s, p95 {late:.4f} rad/s, rms {np.sqrt(np.mean(seen**2)):.4f} rad/s")
        typer.echo(f"true yaw rate: rms {np.sqrt(np.mean((true_turns_rad(matrices) * fps) ** 2)):.3f} rad/s")


if __name__ == "__main__":
    typer.run(main)
