r"""Score the collision warning on a real drive behind a lead car, against its LiDAR.

    python scripts/score_lead_car.py --manifest drive/manifest.csv --camera-height-m 1.65 --fps 10

The manifest's rows are consecutive frames. The truth of a frame is the nearest heap of LiDAR points in the own path that stand
above the road, for a level camera at the given height; its closing speed is the slope of a line through the ranges half a second
to each side. It is for drives in which no alert is due: every alert counts as false. Prints one line for each figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.collision.ego import EgoSpeed
from lapdepth.collision.frame import FrameResult, Level
from lapdepth.collision.pipeline import open_predictor, warn_frames
from lapdepth.collision.settings import PathSettings, WarnerSettings, warner_settings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.data.manifest import load_sample, read_manifest
from lapdepth.errors import ConfigError, InputError, LapDepthError
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.io.video import VideoFrame

HEAP_POINTS, HEAP_LOG = 30, 0.1
"""LiDAR points that make a thing, and the log depth that one takes."""
SLOPE_S = 0.5
"""To each side of a frame, for the true closing speed."""


def true_range_m(depth_m: FloatArray, camera: Intrinsics, camera_height_m: float, path: PathSettings) -> float | None:
    """Median depth of the nearest heap of points in the path, above the road; `None` where there is none.

    Args:
        depth_m: (H, W) metres, 0 where there is no point.
        camera: Of that size.
        camera_height_m: Of a level camera.
        path: Width and height of the own path.
    """
    rows, columns = np.nonzero((depth_m > 0) & (depth_m < path.horizon_m))
    z = depth_m[rows, columns].astype(np.float64)
    right = (columns - camera.cx_px) / camera.fx_px * z
    height = camera_height_m - (rows - camera.cy_px) / camera.fy_px * z
    z = np.sort(z[(np.abs(right) < path.half_width_m) & (height > path.lowest_m) & (height < path.highest_m)])
    counts = np.searchsorted(z, z * math.exp(HEAP_LOG)) - np.arange(len(z))
    first = next(iter(np.flatnonzero(counts >= HEAP_POINTS).tolist()), None)
    return None if first is None else float(np.median(z[first : first + int(counts[first])]))


def true_closing_mps(times_s: list[float], ranges_m: list[float | None]) -> list[float | None]:
    """How fast the range shrinks at each frame, `None` where ranges are missing to one side."""
    found: list[float | None] = []
    for middle_s in times_s:
        near = [(t, r) for t, r in zip(times_s, ranges_m, strict=True) if r is not None and abs(t - middle_s) <= SLOPE_S + 1e-6]
        both = any(t < middle_s for t, _ in near) and any(t > middle_s for t, _ in near)
        times, ranges = np.array(near).reshape(-1, 2).T
        found.append(-float(np.polyfit(times, ranges, 1)[0]) if both else None)
    return found


@dataclass(frozen=True, slots=True)
class Score:
    """Figures of one drive."""

    frames: int
    leads: int
    seen: int
    range_errors: list[float]
    closing_errors_mps: list[float]
    alerts: int
    degraded: int

    def lines(self) -> list[str]:
        """One for each figure."""
        degraded = f"degraded {self.degraded} of {self.frames} frames ({self.degraded / self.frames:.0%})"
        return [
            f"lead car in LiDAR in {self.leads} of {self.frames} frames, with a range of the warning in {self.seen} of these",
            f"range error: {_spread([100 * one for one in self.range_errors], '%')}",
            f"closing-speed error: {_spread(self.closing_errors_mps, 'm/s')}",
            f"false alerts: {self.alerts}",
            degraded,
        ]


def _spread(errors: list[float], unit: str) -> str:
    if not errors:
        return "no frame to judge"
    middle, large = np.quantile(np.abs(errors), (0.5, 0.95)).tolist()
    return f"median {middle:.2f} {unit}, p95 {large:.2f} {unit}, mean with sign {np.mean(errors):+.2f} {unit}"


def compare(results: list[FrameResult], ranges_m: list[float | None]) -> Score:
    """What the warning said against the truth, frame by frame; ranges are from the camera."""
    closing = true_closing_mps([one.time_s for one in results], ranges_m)
    pairs = [(one, true_m) for one, true_m in zip(results, ranges_m, strict=True) if true_m is not None]
    range_errors = [one.range_m / true_m - 1 for one, true_m in pairs if one.range_m is not None]
    closing_errors = [
        one.closing_speed_mps - true_mps
        for one, true_mps in zip(results, closing, strict=True)
        if one.closing_speed_mps is not None and true_mps is not None
    ]
    alerts = [one.level.alert for one in results]
    begun = sum(now and not before for now, before in zip(alerts, [False, *alerts], strict=False))
    degraded = sum(one.level is Level.DEGRADED for one in results)
    return Score(len(results), len(pairs), len(range_errors), range_errors, closing_errors, begun, degraded)


def score(manifest: Path, predictor: DepthPredictor, settings: WarnerSettings, fps: float) -> Score:
    """Run the warning on a drive.

    Raises:
        ConfigError: Frames of the manifest differ in their camera, or the manifest is none.
        ReadError: A file cannot be read.
    """
    rows = read_manifest(manifest)
    height_m = settings.camera_height_m
    if height_m is None:
        raise ConfigError("the camera's height is not given; LiDAR points cannot be told from the road without it")
    if len({(row.fx_px, row.fy_px, row.cx_px, row.cy_px) for row in rows}) > 1:
        raise ConfigError(f"{manifest} has more than one camera; give consecutive frames of one drive")
    ranges_m: list[float | None] = []

    def frames() -> Iterator[VideoFrame]:
        for number, row in enumerate(rows):
            sample = load_sample(row)
            ranges_m.append(true_range_m(sample.depth_m, sample.intrinsics, height_m, settings.path))
            yield VideoFrame(number / fps, sample.image)

    warner = CollisionWarner(settings)
    warned = warn_frames(frames(), predictor, warner, EgoSpeed(), rows[0].fx_px, live=False)
    return compare([one.result for one in warned], ranges_m)


def main(
    manifest: Annotated[Path, typer.Option(help="CSV of consecutive frames with LiDAR depth.")],
    camera_height_m: Annotated[float, typer.Option(help="Height of the camera above the road.")] = 1.65,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 10.0,
    model: Annotated[str, typer.Option(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
) -> None:
    """Print range error, closing-speed error, false alerts and degraded frames of a real drive."""
    try:
        if not 1 <= fps <= 1000:
            raise InputError(f"--fps is {fps}; expected 1 to 1000 frames a second")
        found = score(manifest, open_predictor(model), warner_settings(camera_height_m, 0.0), fps)
    except LapDepthError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    for line in found.lines():
        typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
