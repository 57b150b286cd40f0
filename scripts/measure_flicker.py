"""Flicker and error of depth on rendered video whose depth is exact, without and with the filter over time.

    python scripts/measure_flicker.py                      # a drive and a room with a standing camera
    python scripts/measure_flicker.py road:{7..12} room:{3..6} --frames 20

Error is abs_rel, the mean of |predicted / true - 1| over points up to 80 m. Flicker is the mean absolute change of
log(predicted / true) from one frame to the next at the same point, over points that do not move in the world: where a point is in
the frame before follows from its exact depth and the camera's exact motion, and it counts where the exact depth found there is
its own within 2 %. A model that is always wrong by the same factor has no flicker. Milliseconds are the filter's, of processor
time, the median over frames. The last lines are means over the scenes of a kind, with the difference that the filter makes and
its standard error over scenes.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import typer

from lapdepth.camera import FloatArray
from lapdepth.errors import LapDepthError
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.inference.steady import SteadyDepth
from lapdepth.synthetic.makers import find_scene
from lapdepth.synthetic.render import Frame, Renderer
from lapdepth.synthetic.scene import Scene

CAP_M = 80.0


@dataclass(slots=True)
class Score:
    """Sums over the frames of one scene with one filter, or none."""

    filter: SteadyDepth | None
    errors: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    before: FloatArray | None = None

    def add(self, frame: Frame, depth_m: FloatArray, same: tuple[FloatArray, ...] | None) -> None:
        """Score a frame; `same` are rows and columns of points here, and in the frame before."""
        if self.filter is not None:
            start = time.process_time()
            depth_m = self.filter(frame.image, depth_m, frame.intrinsics)
            self.seconds.append(time.process_time() - start)
        counts = frame.depth_m <= CAP_M
        wrong = np.log(depth_m / frame.depth_m, where=counts, out=np.zeros_like(depth_m))
        self.errors.append(float(np.abs(np.expm1(wrong[counts])).mean()))
        if same is not None and self.before is not None:
            rows, columns, old_rows, old_columns = same
            self.changes.append(float(np.abs(wrong[rows, columns] - self.before[old_rows, old_columns]).mean()))
        self.before = wrong


def same_points(now: Frame, before: Frame, still: np.ndarray) -> tuple[np.ndarray, ...]:
    """Rows and columns of points of a frame that the frame before shows too, and theirs in that one."""
    rows, columns = np.nonzero((now.depth_m <= CAP_M) & still[now.ids])
    z = now.depth_m[rows, columns].astype(np.float64)
    camera = now.intrinsics
    points = np.stack([(columns - camera.cx_px) / camera.fx_px * z, (rows - camera.cy_px) / camera.fy_px * z, z, np.ones_like(z)])
    x, y, old_z, _ = np.linalg.inv(before.pose) @ now.pose @ points
    ahead = old_z > 0.1
    old_columns = np.rint(np.where(ahead, x / np.where(ahead, old_z, 1) * camera.fx_px + camera.cx_px, -1)).astype(int)
    old_rows = np.rint(np.where(ahead, y / np.where(ahead, old_z, 1) * camera.fy_px + camera.cy_px, -1)).astype(int)
    height, width = now.depth_m.shape
    inside = ahead & (old_columns >= 0) & (old_columns < width) & (old_rows >= 0) & (old_rows < height)
    rows, columns, old_rows, old_columns, old_z = (part[inside] for part in (rows, columns, old_rows, old_columns, old_z))
    same = np.abs(before.depth_m[old_rows, old_columns] / old_z - 1) < 0.02
    return rows[same], columns[same], old_rows[same], old_columns[same]


def measure(
    name: str, scene: Scene, predictor: DepthPredictor, frames: int, fps: float, filters: dict[str, SteadyDepth | None]
) -> list[tuple[float, float]]:
    """Render, predict and print a line for each filter; returns error and flicker of each."""
    renderer = Renderer(scene)
    still = np.ones(len(renderer.standing) + 1, bool)
    still[[k + 1 for k in renderer.moving]] = False
    scores = {used: Score(one) for used, one in filters.items()}
    before: Frame | None = None
    for number in range(frames):
        frame = renderer.frame(number / fps)
        result = predictor(frame.image, focal_px=frame.intrinsics.focal_px)
        same = None if before is None else same_points(frame, before, still)
        for score in scores.values():
            score.add(frame, result.depth_m, same)
        before = frame
    made = []
    for used, score in scores.items():
        made.append((float(np.mean(score.errors)), float(np.mean(score.changes))))
        cost = f"{1e3 * statistics.median(score.seconds):.1f} ms" if score.seconds else ""
        print(f"{name:10} {used:14} abs_rel {made[-1][0]:.4f}  flicker {made[-1][1]:.4f}  {cost}", flush=True)
    return made


def main(
    scenes: Annotated[list[str] | None, typer.Argument(help="Of lapdepth render.")] = None,
    frames: Annotated[int, typer.Option(min=2)] = 40,
    fps: Annotated[float, typer.Option(min=0.1, help="Frames a second.")] = 25.0,
    model: Annotated[str, typer.Option()] = "default",
) -> None:
    """Measure and print."""
    logging.disable()
    try:
        known = [(name, find_scene(name)) for name in scenes or ["road:7", "room:3"]]
        compare(known, DepthPredictor.from_pretrained(model), frames, fps)
    except LapDepthError as error:
        typer.echo(f"measure_flicker: {error}", err=True)
        raise typer.Exit(1) from None


def compare(scenes: Sequence[tuple[str, Scene]], predictor: DepthPredictor, frames: int, fps: float) -> None:
    """Measure scenes, each told with its name, and print them and the means over those of a kind."""
    found: dict[str, list[list[tuple[float, float]]]] = {}
    for scene_name, scene in scenes:
        filters = {
            "none": None,
            "0.5": SteadyDepth(0.5),
            "0.7": SteadyDepth(0.7),
            "0.85": SteadyDepth(0.85),
            "0.5 no camera": SteadyDepth(0.5, follow_camera=False),
        }
        made = measure(scene_name, scene, predictor, frames, fps, filters)
        found.setdefault(scene_name.partition(":")[0], []).append(made)
    for kind, scores in found.items():
        every = np.array(scores)  # (scenes, filters, 2)
        errors, flickers = every[..., 0], every[..., 1].mean(0)
        change = errors - errors[:, :1]
        spread = change.std(0, ddof=1) / len(every) ** 0.5 if len(every) > 1 else np.full(len(change[0]), np.nan)
        for k, name in enumerate(filters):
            print(
                f"{len(every)} x {kind:5} {name:14} abs_rel {errors[:, k].mean():.4f} ({change[:, k].mean():+.4f}, standard "
                f"error {spread[k]:.4f})  flicker {flickers[k]:.4f} ({flickers[k] / flickers[0] - 1:+.0%})"
            )


if __name__ == "__main__":
    typer.run(main)
