r"""Time the warning stage: what one frame of 640x192 costs one core, in processor time.

    python scripts/time_warning.py

A drive towards a car that stands (T1 of the test track), noisy depth, with the camera's height given. Processor time of this
process does not count what other programs take of the machine, but a busy machine slows it still.
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import typer

from lapdepth.collision.frame import Frame, FrameResult
from lapdepth.collision.proving.loop import PICTURE_CAMERA, run
from lapdepth.collision.proving.scenarios import SCENARIOS
from lapdepth.collision.proving.scene import CAMERA_HEIGHT_M, CAMERA_TO_FRONT_M
from lapdepth.collision.proving.sources import NoisySource
from lapdepth.collision.settings import warner_settings
from lapdepth.collision.warner import CollisionWarner


class Timed:
    """A warner that notes the processor time of each frame."""

    def __init__(self) -> None:
        self.warner = CollisionWarner(warner_settings(CAMERA_HEIGHT_M, CAMERA_TO_FRONT_M))
        self.seconds: list[float] = []

    def __call__(self, frame: Frame) -> FrameResult:
        """Judge one frame."""
        start = time.process_time()
        result = self.warner(frame)
        self.seconds.append(time.process_time() - start)
        return result


def main(runs: Annotated[int, typer.Option(min=1, help="Drives.")] = 3) -> None:
    """Print the cost of a frame."""
    seconds: list[float] = []
    for seed in range(runs):
        timed = Timed()
        run(SCENARIOS["T1"], NoisySource(seed), timed, seed, PICTURE_CAMERA)
        seconds += timed.seconds
    middle, late = (1000 * np.quantile(seconds, (0.5, 0.95))).tolist()
    size = f"{PICTURE_CAMERA.width}x{PICTURE_CAMERA.height}"
    typer.echo(f"warning stage: {middle:.1f} ms of processor time a frame of {size}, p95 {late:.1f} ms, {len(seconds)} frames")


if __name__ == "__main__":
    typer.run(main)
