"""`lapdepth predict`."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from lapdepth.imaging import ByteArray
    from lapdepth.inference.result import DepthResult


class EngineChoice(StrEnum):
    """Engines by name."""

    AUTO = "auto"
    ONNX = "onnx"
    OPENVINO = "openvino"
    OPENVINO_BF16 = "openvino-bf16"
    TORCH = "torch"


def predict(
    output: Annotated[Path, typer.Option(help="Folder for the results; made if missing.")],
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT...", help="Pictures, folders or quoted patterns; or videos.")
    ] = None,
    camera: Annotated[int | None, typer.Option(min=0, max=999, help="A camera's number, in place of INPUT.")] = None,
    model: Annotated[str, typer.Option(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Comma-separated: png16, npz, exr, ply, color, compare [png16,color]; of a video: color, png16 [color].",
        ),
    ] = None,
    focal_px: Annotated[float | None, typer.Option(help="Focal length in pixels at the picture's own size.")] = None,
    fov_deg: Annotated[float | None, typer.Option(help="Horizontal field of view in degrees, in place of --focal-px.")] = None,
    engine: Annotated[EngineChoice, typer.Option(help="What runs the model.")] = EngineChoice.AUTO,
    device: Annotated[
        str | None, typer.Option(help="Of the torch engine, such as cuda:0; of onnx: cpu, cuda or tensorrt.")
    ] = None,
    native: Annotated[bool, typer.Option("--native", help="Do not scale to the model's working size.")] = False,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirrored picture; takes twice as long.")] = False,
    png_scale: Annotated[float, typer.Option(help="png16: codes for one metre; 0 is invalid.")] = 256.0,
    near_m: Annotated[float | None, typer.Option(help="Depth of the warmest colour.")] = None,
    far_m: Annotated[float | None, typer.Option(help="Depth of the coldest colour.")] = None,
    range_m: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", metavar="NEAR FAR", help="Both at once; of a video 1 to 80 if left out."),
    ] = None,
) -> None:
    """Predict depth in metres for pictures, videos or a camera.

    Of street.jpg come street_depth.png (16-bit), street_color.png and so on, and street.json with units, range, sizes,
    focal length, model and licence. Of drive.mp4 come drive_depth.mp4 in colours that keep their metres, drive_times.csv with
    the time of each frame, drive.json, and with --format png16 the frames in drive_depth/. Ctrl-C leaves complete files.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lapdepth.errors import InputError
    from lapdepth.inference import batch, video
    from lapdepth.inference.overlap import overlapped
    from lapdepth.inference.predictor import DepthPredictor
    from lapdepth.io.files import expand_inputs
    from lapdepth.io.images import read_image

    console = Console(stderr=True)
    if range_m is not None:
        if near_m is not None or far_m is not None:
            raise InputError("both --range and --near-m or --far-m are given; give one of them")
        near_m, far_m = range_m
    inputs = inputs or []
    videos = [Path(text) for text in inputs if Path(text).suffix.lower() in video.SUFFIXES and not os.path.isdir(text)]  # noqa: PTH112
    if not inputs and camera is None:
        raise typer.BadParameter("Missing argument 'INPUT...': name pictures, folders or videos, or give --camera")
    if (videos or camera is not None) and len(inputs) > (0 if camera is not None else len(videos)):
        raise InputError("pictures, videos and a camera are given together; predict them one after the other")
    default = "color" if videos or camera is not None else "png16,color"
    wanted = batch.parse_formats(default if formats is None else formats)
    batch.check_extras(wanted)
    batch.check_options(focal_px, fov_deg, png_scale, near_m, far_m)
    if videos or camera is not None:
        colors_m = video.video_range(near_m, far_m)
        video.check_video_formats(wanted)
        stems = [output / name for name in (batch.output_names(videos) if camera is None else [Path(f"camera{camera}")])]
        video.check_not_replacing(videos, stems)
        predictor = DepthPredictor.from_pretrained(model, engine.value, device)
        predict_frame = partial(predictor, focal_px=focal_px, fov_deg=fov_deg, native=native, flip=flip)
        sources = [str(path) for path in videos] if camera is None else [f"/dev/video{camera}"]
        _predict_videos(console, sources, stems, predict_frame, wanted, colors_m, png_scale)
        return
    paths, unusable = expand_inputs(inputs, partial(batch.is_earlier_result, output))
    for problem in unusable:
        _print_error(console, problem)
    if not paths and unusable:
        raise typer.Exit(1)
    if not paths:
        raise InputError(
            f"nothing to do: all pictures found are results of an earlier run in {output}; name pictures or another --output"
        )
    stems = [output / name for name in batch.output_names(paths)]
    batch.check_not_overwriting(paths, stems, wanted)
    predictor = DepthPredictor.from_pretrained(model, engine.value, device)
    batch.make_folder(output)
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("predicting", total=len(paths))
        done = overlapped(
            zip(paths, stems, strict=True),
            lambda item: read_image(item[0]),
            lambda picture: predictor(picture, focal_px=focal_px, fov_deg=fov_deg, native=native, flip=flip),
            lambda item, result: batch.write_result(result, item[1], wanted, png_scale, near_m, far_m),
        )
        for _, error in done:
            if error is not None:
                failed += 1
                _print_error(console, error)
            progress.advance(task)
    typer.echo(_printable(f"{len(paths) - failed} of {len(paths)} pictures written to {output}"))
    if failed or unusable:
        raise typer.Exit(1)


def _predict_videos(
    console: Console,
    sources: list[str],
    stems: list[Path],
    predict_frame: Callable[[ByteArray], DepthResult],
    wanted: list[str],
    colors_m: tuple[float, float],
    png_scale: float,
) -> None:
    """Each source after the other; one that fails does not stop the rest."""
    from lapdepth.cli.progress import progress_bar
    from lapdepth.errors import LapDepthError
    from lapdepth.inference.video import predict_video
    from lapdepth.io.video import open_frames

    failed = False
    for name, stem in zip(sources, stems, strict=True):
        try:
            with open_frames(name) as source, progress_bar() as show:
                count = predict_video(
                    *(source, lambda frame: predict_frame(frame.rgb), stem, wanted, colors_m, png_scale),
                    progress=partial(_show, show, name, source.count),
                )
            typer.echo(_printable(f"{count} frames of {name} written to {stem.parent}"))
        except (LapDepthError, MemoryError) as error:
            failed = True
            _print_error(console, error)
    if failed:
        raise typer.Exit(1)


def _show(show: Callable[[str, int, int], None], name: str, total: int | None, done: int) -> None:
    show(name, done, max(total or done, done))  # a camera has no total


def _print_error(console: Console, error: Exception) -> None:
    reason = str(error) or "out of memory"
    console.print(_printable(f"lapdepth: error: {reason}"), markup=False, highlight=False, soft_wrap=True)


def _printable(text: str) -> str:
    """Bytes of a file name that are no UTF-8 become escapes: a terminal takes nothing else."""
    return text.encode(errors="backslashreplace").decode()
