"""`lapdepth convert`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ActivationChoice(StrEnum):
    """Activations of the published decoders."""

    RELU = "relu"
    ELU = "elu"
    MISH = "mish"


def convert(
    checkpoint: Annotated[Path, typer.Argument(metavar="IN.pkl", help="A checkpoint as the LapDepth authors publish it.")],
    max_depth_m: Annotated[float, typer.Option(help="Range it was trained for: 80 for KITTI, 10 for NYU.")],
    output: Annotated[Path, typer.Option(help="Model folder to write.")],
    activation: Annotated[ActivationChoice, typer.Option(help="Activation of the decoder.")] = ActivationChoice.RELU,
) -> None:
    """Convert a published checkpoint into a model folder. A pickle that would run code is refused. Needs the torch extra."""
    from lapdepth.cli.extras import needs_torch

    needs_torch("convert")
    from lapdepth.model.checkpoint import save_model
    from lapdepth.model.published import convert_published

    network = convert_published(checkpoint, max_depth_m, activation.value)
    save_model(network, output)
    config = network.config
    camera = f"focal length {config.focal_px:g} px" if config.focal_px else "focal length unknown: metres will not follow it"
    size = "x".join(map(str, config.working_size))
    typer.echo(f"{output}: {config.encoder}, norm {config.norm}, up to {max_depth_m:g} m, working size {size}, {camera}")
