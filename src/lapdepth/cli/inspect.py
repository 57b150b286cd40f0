"""`lapdepth inspect`."""

from __future__ import annotations

import re
from typing import Annotated

import typer


def inspect(
    model: Annotated[str, typer.Argument(help="Embedded name, model folder, or a timm encoder for the published design.")],
    size: Annotated[str, typer.Option(metavar="HxW", help="Size of the network's input.")] = "352x1216",
) -> None:
    """Print each stage in the tutorial's order: shapes, parameters, multiply-adds. Needs the torch extra."""
    from lapdepth.cli.extras import needs_torch
    from lapdepth.errors import InputError

    needs_torch("inspect")
    from lapdepth.model.catalogue import find_network
    from lapdepth.model.stages import describe

    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", size)
    if match is None:
        raise InputError(f"--size is '{size}'; expected height and width, such as 352x1216")
    stages = describe(find_network(model), int(match[1]), int(match[2]))
    typer.echo(f"{'stage':56} {'shapes (C, H, W)':50} {'parameters':>12} {'multiply-adds':>16}")
    for stage in stages:
        shapes = [" x ".join(map(str, shape)) for shape in stage.shapes] or [""]
        typer.echo(f"{stage.name:56} {shapes[0]:50} {stage.parameters:12,} {stage.multiply_adds:16,}")
        for shape in shapes[1:]:
            typer.echo(f"{'':56} {shape}")
