r"""Time the warning stage: what one frame of 640x192 costs one core, in processor time.

    python scripts/time_warning.py [--recording motorway_lane.mp4]

A drive towards a car that stands (T1 of the test track), noisy depth, with the camera's height given; or a recording at its own
size with the depth of the default model, which has the warning look at the pictures too. Processor time of the one thread does
not count what other programs take of the machine, but a busy machine slows it still.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from lapdepth.collision.ego import EgoSpeed
from lapdepth.collision.frame import Frame, FrameResult
from lapdepth.collision.pipeline import open_predictor, warn_frames
from lapdepth.collision.proving.loop import PICTURE_CAMERA, run
from lapdepth.collision.proving.scenarios import SCENARIOS
from lapdepth.collision.proving.scene import CAMERA_HEIGHT_M, CAMERA_TO_FRONT_M
from lapdepth.collision.proving.sources import NoisySource
from lapdepth.collision.settings import warner_settings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import LapDepthError
from lapdepth.io.video import open_frames

FOCAL_PX, EGO_SPEED_MPS = 866.0, 25.0
"""Of a recording, which come without: the time hardly depends on them."""


class Timed(CollisionWarner):
    """A warner that notes the processor time of each frame."""

    def __init__(self) -> None:
        super().__init__(warner_settings(CAMERA_HEIGHT_M, CAMERA_TO_FRONT_M))
        self.seconds: list[float] = []

    def __call__(self, frame: Frame) -> FrameResult:
        """Judge one frame."""
        start = time.thread_time()
        result = super().__call__(frame)
        self.seconds.append(time.thread_time() - start)
        return result


def main(
    runs: Annotated[int, typer.Option(min=1, help="Drives.")] = 3,
    recording: Annotated[Path | None, typer.Option(help="Video, in place of drives.")] = None,
) -> None:
    """Print the cost of a frame."""
    cv2.setNumThreads(1)  # all of it in the thread that is timed
    seconds: list[float] = []
    size = f"{PICTURE_CAMERA.width}x{PICTURE_CAMERA.height}"
    if recording is not None:
        try:
            with open_frames(str(recording), None) as source:
                frames = list(source)
        except LapDepthError as error:
            typer.echo(f"time_warning: {error}", err=True)
            raise typer.Exit(1) from None
        timed = Timed()
        predictor = open_predictor("default")
        for _ in warn_frames(iter(frames), predictor, timed, EgoSpeed((), (EGO_SPEED_MPS,)), FOCAL_PX, live=False):
            pass
        seconds, size = timed.seconds, f"{recording.name}"
    for seed in range(runs if recording is None else 0):
        timed = Timed()
        run(SCENARIOS["T1"], NoisySource(seed), timed, seed, PICTURE_CAMERA)
        seconds += timed.seconds
    middle, late = (1000 * np.quantile(seconds, (0.5, 0.95))).tolist()
    typer.echo(f"warning stage: {middle:.1f} ms of processor time a frame of {size}, p95 {late:.1f} ms, {len(seconds)} frames")


if __name__ == "__main__":
    typer.run(main)
