"""`lapdepth predict` on videos, one after the other, or on a camera until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer

from lapdepth.cli.progress import print_error, printable, progress_bar
from lapdepth.errors import LapDepthError
from lapdepth.inference import batch, video
from lapdepth.inference.many import Job
from lapdepth.io.video import open_frames


def predict_videos(job: Job, videos: list[Path], camera: int | None, output: Path, steady: bool) -> None:
    """Each source after the other; one that fails does not stop the rest, and makes exit status 1."""
    colors_m = video.video_range(job.near_m, job.far_m)
    video.check_video_formats(job.formats)
    stems = [output / name for name in (batch.output_names(videos) if camera is None else [Path(f"camera{camera}")])]
    video.check_not_replacing(videos, stems)
    sources = [str(path) for path in videos] if camera is None else [f"/dev/video{camera}"]
    predictor, at_once = job.open_for_many() if camera is None else (job.open(), 1)
    failed = False
    for name, stem in zip(sources, stems, strict=True):
        try:
            source = open_frames(name)  # closed by what reads it, unless it hangs
            with progress_bar() as show:
                count = video.predict_video(
                    source,
                    lambda frame: job.predict(predictor, frame.rgb),
                    stem,
                    job.formats,
                    colors_m,
                    job.png_scale,
                    progress=partial(_show, show, name, source.count),
                    at_once=at_once,
                    steady=steady,
                )
            typer.echo(printable(f"{count} frames of {name} written to {stem.parent}"))
        except (LapDepthError, MemoryError) as error:
            failed = True
            print_error(str(error) or "out of memory")
    if failed:
        raise typer.Exit(1)


def _show(show: Callable[[str, int, int], None], name: str, total: int | None, done: int) -> None:
    show(name, done, max(total or done, done))  # a camera has no total
