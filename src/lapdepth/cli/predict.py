"""`lapdepth predict`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class EngineChoice(StrEnum):
    """Engines by name."""

    AUTO = "auto"
    ONNX = "onnx"
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
    device: Annotated[str | None, typer.Option(help="Device of the torch engine, such as cuda:0.")] = None,
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

    from lapdepth.errors import LapDepthError, OutputError
    from lapdepth.inference.batch import check_not_overwriting, check_options, output_names, parse_formats, write_result
    from lapdepth.inference.predictor import DepthPredictor
    from lapdepth.io.files import expand_inputs

    wanted = parse_formats(formats)
    check_options(focal_px, fov_deg, png_scale, near_m, far_m)
    paths = expand_inputs(inputs)
    stems = [output / name for name in output_names(paths)]
    check_not_overwriting(paths, stems, wanted)
    predictor = DepthPredictor.from_pretrained(model, engine.value, device)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {output}: {error.strerror}") from None
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("predicting", total=len(paths))
        for path, stem in zip(paths, stems, strict=True):
            try:
                result = predictor(path, focal_px=focal_px, fov_deg=fov_deg, native=native, flip=flip)
                write_result(result, stem, wanted, png_scale, near_m, far_m)
            except (LapDepthError, MemoryError) as error:
                failed += 1
                reason = str(error) or "out of memory"
                console.print(f"lapdepth: error: {reason}", markup=False, highlight=False, soft_wrap=True)
            progress.advance(task)
    typer.echo(f"{len(paths) - failed} of {len(paths)} pictures written to {output}")
    if failed:
        raise typer.Exit(1)
