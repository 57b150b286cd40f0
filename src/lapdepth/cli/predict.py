"""`lapdepth predict`."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console


class EngineChoice(StrEnum):
    """Engines by name."""

    AUTO = "auto"
    ONNX = "onnx"
    OPENVINO = "openvino"
    TORCH = "torch"


def predict(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Pictures, folders or quoted patterns.")],
    output: Annotated[Path, typer.Option(help="Folder for the results; made if missing.")],
    model: Annotated[str, typer.Option(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
    formats: Annotated[
        str, typer.Option("--format", help="Comma-separated: png16, npz, exr, ply, color, compare.")
    ] = "png16,color",
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
) -> None:
    """Predict depth in metres for pictures.

    Of street.jpg come street_depth.png (16-bit), street_color.png and so on, and street.json with units, range, sizes,
    focal length, model and licence.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lapdepth.errors import InputError
    from lapdepth.inference import batch
    from lapdepth.inference.overlap import overlapped
    from lapdepth.inference.predictor import DepthPredictor
    from lapdepth.io.files import expand_inputs
    from lapdepth.io.images import read_image

    console = Console(stderr=True)
    wanted = batch.parse_formats(formats)
    batch.check_extras(wanted)
    batch.check_options(focal_px, fov_deg, png_scale, near_m, far_m)
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


def _print_error(console: Console, error: Exception) -> None:
    reason = str(error) or "out of memory"
    console.print(_printable(f"lapdepth: error: {reason}"), markup=False, highlight=False, soft_wrap=True)


def _printable(text: str) -> str:
    """Bytes of a file name that are no UTF-8 become escapes: a terminal takes nothing else."""
    return text.encode(errors="backslashreplace").decode()
