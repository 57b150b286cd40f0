"""`lapdepth export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lapdepth.model.network import LapDepth


class ExportFormat(StrEnum):
    """File formats of exported models."""

    ONNX = "onnx"


class Precision(StrEnum):
    """Precisions of exported models."""

    FLOAT32 = "float32"
    INT8 = "int8"


def export(
    model: Annotated[str, typer.Argument(help="Embedded name, model folder or hub id.")],
    output: Annotated[Path, typer.Option(help="File to write.")],
    file_format: Annotated[ExportFormat, typer.Option("--format", help="File format.")] = ExportFormat.ONNX,
    precision: Annotated[
        Precision, typer.Option(help="int8: convolutions in 8 bits, but what is sensitive.")
    ] = Precision.FLOAT32,
    max_change: Annotated[
        float | None,
        typer.Option(min=0, help="int8: largest mean change of the depth on the calibration pictures; inf sets no limit. [0.02]"),
    ] = None,
    calibration: Annotated[Path | None, typer.Option(help="int8: folder of pictures like those to be predicted.")] = None,
) -> None:
    """Write a model as one file that is all prediction needs, compared with PyTorch as it is written. Needs the torch extra.

    8 bits cost accuracy: measure it with lapdepth evaluate --model FILE before you use them. Without --calibration the
    ranges come from rendered rooms and roads.
    """
    from lapdepth.cli.extras import needs_torch

    needs_torch("export")
    from lapdepth.errors import InputError
    from lapdepth.export.onnx import MAX_RELATIVE_DIFFERENCE, export_onnx
    from lapdepth.io.files import check_folder
    from lapdepth.model.checkpoint import load_model

    check_folder(output)
    network = load_model(model)
    if (calibration is not None or max_change is not None) and precision is not Precision.INT8:
        raise InputError("--calibration and --max-change are for --precision int8")
    if precision is Precision.INT8:
        _export_int8(network, output, calibration, max_change)
        return
    difference = export_onnx(network, output)
    typer.echo(f"{output}: {file_format.value}, {output.stat().st_size / 1e6:.1f} MB")
    typer.echo(f"largest relative difference to PyTorch {difference:.1e} (at most {MAX_RELATIVE_DIFFERENCE:.0e} allowed)")


def _export_int8(network: LapDepth, output: Path, calibration: Path | None, max_change: float | None) -> None:
    import tempfile

    from lapdepth.cli.progress import progress_bar
    from lapdepth.export.calibration import pictures_of, rendered_pictures
    from lapdepth.export.onnx import export_onnx
    from lapdepth.export.quantise import MAX_CHANGE, export_int8

    with progress_bar() as progress, tempfile.TemporaryDirectory() as folder:
        pictures = rendered_pictures(network.config) if calibration is None else pictures_of(calibration, network.config)
        exact = Path(folder) / "float32.onnx"
        export_onnx(network, exact)
        made = export_int8(exact, output, pictures, progress, MAX_CHANGE if max_change is None else max_change)
    typer.echo(f"{output}: onnx, int8, {output.stat().st_size / 1e6:.1f} MB")
    typer.echo(
        f"{made.in_float} of {made.convolutions} convolutions stay in float32; depth changes by {made.change:.1%} on average"
    )
