r"""Play a recording in which no alert is due under many guesses of focal length, own speed and camera height.

    python scripts/play_guesses.py motorway_lane.mp4 [--model default]

For a recording that comes without these numbers: whatever the guess, an alert is a false one. Prints a line for each guess with
the number of alerts, and at the end how many guesses raised any. With `--verbose` each alert says when and why.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from lapdepth.collision.ego import EgoSpeed
from lapdepth.collision.frame import FrameResult
from lapdepth.collision.pipeline import Predictor, open_predictor, warn_frames
from lapdepth.collision.settings import warner_settings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import LapDepthError
from lapdepth.imaging import ByteArray
from lapdepth.inference.result import DepthResult
from lapdepth.io.video import VideoFrame, open_frames

FOCALS_PX = (700.0, 866.0, 1050.0)
SPEEDS_MPS: tuple[float | None, ...] = (None, 10.0, 15.0, 20.0, 25.0, 30.0, 36.0)
HEIGHTS_M: tuple[float | None, ...] = (None, 1.3)
"""The guesses; `None` leaves the number out."""


class Replay:
    """A predictor that computes each frame of a recording once, and gives it again for every play."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.config = predictor.config
        self.known: list[DepthResult] = []
        self.next = 0

    def rewind(self) -> None:
        """The next frame is the recording's first."""
        self.next = 0

    def __call__(self, image: ByteArray, /, *, focal_px: float) -> DepthResult:
        """Depth of the next frame."""
        if self.next == len(self.known):
            self.known.append(self.predictor(image, focal_px=focal_px))
        self.next += 1
        return self.known[self.next - 1]


def alerts_of(results: Iterator[FrameResult]) -> list[FrameResult]:
    """The frames with which an alert begins."""
    found: list[FrameResult] = []
    before = False
    for result in results:
        if result.level.alert and not before:
            found.append(result)
        before = result.level.alert
    return found


def play(
    frames: list[VideoFrame], predictor: Predictor, focal_px: float
) -> Iterator[tuple[float | None, float | None, list[FrameResult]]]:
    """Speed, height and alerts of every guess at one focal length."""
    replay = Replay(predictor)
    for height_m, speed_mps in itertools.product(HEIGHTS_M, SPEEDS_MPS):
        replay.rewind()
        ego = EgoSpeed() if speed_mps is None else EgoSpeed((), (speed_mps,))
        warner = CollisionWarner(warner_settings(height_m, 0.0))
        warned = warn_frames(iter(frames), replay, warner, ego, focal_px, live=False)
        yield speed_mps, height_m, alerts_of(one.result for one in warned)


def main(
    recording: Annotated[Path, typer.Argument(help="Video or folder of pictures without any danger.")],
    model: Annotated[str, typer.Option(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
    fps: Annotated[float | None, typer.Option(help="Frames a second, of a folder.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say when and why.")] = False,
) -> None:
    """Count the guesses that raise an alert."""
    try:
        with open_frames(str(recording), fps) as source:
            frames = list(source)
        predictor = open_predictor(model)
        false = total = 0
        for focal_px in FOCALS_PX:
            for speed_mps, height_m, alerts in play(frames, predictor, focal_px):
                total, false = total + 1, false + bool(alerts)
                speed = "no speed" if speed_mps is None else f"{speed_mps:g} m/s"
                height = "no height" if height_m is None else f"height {height_m:g} m"
                typer.echo(f"{focal_px:g} px, {speed}, {height}: {len(alerts)} alerts")
                for one in alerts if verbose else ():
                    where = "" if one.range_m is None else f" at {one.range_m:.1f} m"
                    typer.echo(f"    {one.time_s:.2f} s: {one.level.value}{where}, {one.reason}")
    except LapDepthError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{false} of {total} guesses raise an alert, {len(frames)} frames, model {model}")


if __name__ == "__main__":
    typer.run(main)
