"""Draw the animated picture of the README: one run of the test track as the warning sees it, noisy depth under its overlay.

Run ``python scripts/draw_warning.py [--scenario T2] [--output docs/images/warn.gif]`` from the repository root.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from PIL import Image

from lapdepth.camera import Intrinsics
from lapdepth.collision.overlay import draw
from lapdepth.collision.proving.loop import FRAME_S, run
from lapdepth.collision.proving.scenarios import SCENARIOS
from lapdepth.collision.proving.scene import CAMERA_TO_FRONT_M, Seen, View
from lapdepth.collision.proving.sources import NoisySource
from lapdepth.collision.settings import WarnerSettings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.imaging import ByteArray
from lapdepth.io.files import write_bytes

CAMERA = Intrinsics.from_focal(480, 200, 278)
NEAREST_M, FARTHEST_M = 4.0, 120.0
SHADES = 48
"""Colours of the file: more are not seen, and make it large."""


class Recorded:
    """A source that keeps a picture of each depth it gave."""

    def __init__(self, seed: int) -> None:
        self.source = NoisySource(seed)
        self.scale = self.source.scale
        self.pictures: list[ByteArray] = []

    def __call__(self, view: View, camera: Intrinsics) -> Seen:
        """Depth of the view; near is bright."""
        seen = self.source(view, camera)
        smooth = cv2.medianBlur(np.where(seen.valid, seen.depth_m, FARTHEST_M).astype(np.float32), 5)
        near = 1 - np.log(np.clip(smooth, NEAREST_M, FARTHEST_M) / NEAREST_M) / np.log(FARTHEST_M / NEAREST_M)
        steps = np.rint(near * 24) / 24  # few steps of grey shrink the file
        self.pictures.append(np.repeat((30 + 190 * steps).astype(np.uint8)[..., None], 3, axis=2))
        return seen


def main(
    scenario: Annotated[str, typer.Option(help="Name in the test track.")] = "T2",
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    last_s: Annotated[float, typer.Option(help="Seconds shown, from the end.")] = 6.0,
    output: Annotated[Path, typer.Option(help="GIF to write.")] = Path("docs/images/warn.gif"),
) -> None:
    """Drive the scenario and write the picture."""
    if scenario not in SCENARIOS:
        typer.echo(f"error: --scenario is '{scenario}'; expected one of {', '.join(SCENARIOS)}", err=True)
        raise typer.Exit(1)
    settings = WarnerSettings(camera_to_front_m=CAMERA_TO_FRONT_M)
    source = Recorded(seed)
    steps = run(SCENARIOS[scenario], source, CollisionWarner(settings), seed, CAMERA).steps
    shown = list(zip(source.pictures, steps, strict=True))[-max(round(last_s / FRAME_S), 1) :]
    frames = [
        Image.fromarray(draw(picture, step.result, CAMERA, settings.path, CAMERA_TO_FRONT_M)).quantize(SHADES)
        for picture, step in shown
    ]
    write_gif(frames, output)


def write_gif(frames: list[Image.Image], output: Path) -> None:
    """All or nothing, as every file of the project."""
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 * FRAME_S), loop=0)
    write_bytes(output, buffer.getvalue())


if __name__ == "__main__":
    typer.run(main)
