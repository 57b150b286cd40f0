"""`lapdepth export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ExportFormat(StrEnum):
    """File formats of exported models."""

    ONNX = "onnx"


def export(
    model: Annotated[str, typer.Argument(help="Embedded name, model folder or hub id.")],
    output: Annotated[Path, typer.Option(help="File to write.")],
    file_format: Annotated[ExportFormat, typer.Option("--format", help="File format.")] = ExportFormat.ONNX,
) -> None:
    """Write a model as one file that is all prediction needs, compared with PyTorch as it is written. Needs the torch extra."""
    from lapdepth.cli.extras import needs_torch

    needs_torch("export")
    from lapdepth.export.onnx import MAX_RELATIVE_DIFFERENCE, export_onnx
    from lapdepth.model.checkpoint import load_model

    difference = export_onnx(load_model(model), output)
    typer.echo(f"{output}: {file_format.value}, {output.stat().st_size / 1e6:.1f} MB")
    typer.echo(f"largest relative difference to PyTorch {difference:.1e} (at most {MAX_RELATIVE_DIFFERENCE:.0e} allowed)")
