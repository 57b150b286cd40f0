"""Draw the animated picture of the README: a rendered run of the test track under what the warning says of a network's depth.

Run ``python scripts/draw_warning.py [--scenario T2] [--output docs/images/warn.gif]`` from the repository root; it takes minutes.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from PIL import Image

from lapdepth.collision.frame import Frame, FrameResult
from lapdepth.collision.overlay import draw
from lapdepth.collision.pipeline import open_predictor
from lapdepth.collision.proving.loop import FRAME_S, PICTURE_CAMERA, Run, run
from lapdepth.collision.proving.pictures import ModelSource
from lapdepth.collision.proving.scenarios import SCENARIOS, can_draw
from lapdepth.collision.proving.scene import CAMERA_TO_FRONT_M
from lapdepth.collision.settings import WarnerSettings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError, LapDepthError
from lapdepth.imaging import ByteArray
from lapdepth.io.files import check_folder, write_bytes

SHADES = 192
"""Colours of the file: more are hardly seen, and make it large."""
SAME = 6
"""A pixel whose colours all change by no more keeps them: unchanged pixels cost the file next to nothing."""
HELD_S = 2.0
"""The last frame stays so long before the clip begins anew."""


def main(
    scenario: Annotated[str, typer.Option(help="Name in the test track.")] = "T2",
    seed: Annotated[int, typer.Option(help="Of the country beside the road.")] = 0,
    model: Annotated[str, typer.Option(help="Name, folder or file of the network.")] = "default",
    last_s: Annotated[float, typer.Option(help="Seconds shown, from the end.")] = 6.0,
    output: Annotated[Path, typer.Option(help="GIF to write.")] = Path("docs/images/warn.gif"),
) -> None:
    """Drive the scenario and write the picture."""
    can = [name for name, one in SCENARIOS.items() if can_draw(one)]
    try:
        if scenario not in can:
            raise InputError(f"--scenario is '{scenario}'; expected one of {', '.join(can)}")
        check_folder(output)  # before minutes of driving
        predictor = open_predictor(model)
    except LapDepthError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    settings = WarnerSettings(camera_to_front_m=CAMERA_TO_FRONT_M)
    warner, frames = CollisionWarner(settings), list[ByteArray]()

    def judge(frame: Frame) -> FrameResult:
        result = warner(frame)
        picture = cv2.medianBlur(np.asarray(frame.image), 3)  # the camera's noise would make the file large
        frames.append(draw(np.asarray(picture, np.uint8), result, PICTURE_CAMERA, settings.path, CAMERA_TO_FRONT_M))
        return result

    typer.echo(words(run(SCENARIOS[scenario], ModelSource(seed, predictor), judge, seed, PICTURE_CAMERA)))
    write_gif(frames[-max(round(last_s / FRAME_S), 1) :], output)


def words(drive: Run) -> str:
    """How it went: each change of the level, and the end."""
    parts, before = [], None
    for step in drive.steps:
        if step.result.level is not before:
            parts.append(f"{step.time_s:.2f} s {step.result.level.value}")
        before = step.result.level
    parts.append(
        "no collision" if drive.collided_s is None else f"{drive.collided_s:.2f} s collision at {drive.impact_mps:.1f} m/s"
    )
    gap_m = drive.steps[-1].gap_m
    return ", ".join(parts if gap_m is None else [*parts, f"last gap {gap_m:.1f} m"])


def write_gif(frames: list[ByteArray], output: Path) -> None:
    """Frames (H, W, 3) with one palette for all; all or nothing, as every file of the project."""
    palette = Image.fromarray(np.concatenate(frames[::6])).quantize(SHADES)
    shown = frames[:1]
    for frame in frames[1:]:
        change = np.abs(frame.astype(np.int16) - shown[-1]).max(axis=2, keepdims=True)
        shown.append(np.where(change <= SAME, shown[-1], frame))
    indexed = [Image.fromarray(one).quantize(palette=palette, dither=Image.Dither.NONE) for one in shown]
    times = [round(1000 * FRAME_S)] * (len(indexed) - 1) + [round(1000 * HELD_S)]
    buffer = io.BytesIO()
    indexed[0].save(buffer, "GIF", save_all=True, append_images=indexed[1:], duration=times, loop=0)
    write_bytes(output, buffer.getvalue())


if __name__ == "__main__":
    typer.run(main)
