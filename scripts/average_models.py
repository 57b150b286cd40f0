"""Average the weights of models that were trained one from the other (model soups, Wortsman et al. 2022, arXiv 2203.05482).

    python scripts/average_models.py runs/open/model runs/open-more/model --output runs/open-average

They must be of one architecture, and have a common ancestor, or the mean of their weights is no network at all. The configuration
is that of the first; its provenance names them all, and so does its licence where theirs differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from lapdepth.errors import ConfigError, LapDepthError
from lapdepth.model.checkpoint import load_model, save_model
from lapdepth.model.network import LapDepth

LABELS = {"name", "licence", "provenance", "error_scale"}
"""What models of one architecture may differ in."""


def average(networks: list[LapDepth]) -> dict[str, Tensor]:
    """The mean of their tensors, in float64 until the end; counters are those of the first.

    Raises:
        ConfigError: They are not of one architecture.
    """
    shapes = [network.config.model_dump(exclude=LABELS) for network in networks]
    if any(shape != shapes[0] for shape in shapes):
        raise ConfigError("the models are not of one architecture; expected configurations that differ in name and licence alone")
    states = [network.state_dict() for network in networks]
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(own.dtype) if own.is_floating_point() else own
        for name, own in states[0].items()
    }


def main(
    models: Annotated[list[str], typer.Argument(help="Names or folders of models, two or more.")],
    output: Annotated[Path, typer.Option(help="Folder of the model to write.")],
) -> None:
    """Write the mean of the models."""
    try:
        if len(models) < 2:
            raise ConfigError(f"{len(models)} model is given; expected two or more to average")
        networks = [load_model(model) for model in models]
        mean = average(networks)
        network, (first, *others) = networks[0], [one.config.provenance for one in networks]
        network.load_state_dict(mean)
        earlier = sum(key.startswith("averaged_with_") for key in first)  # of a first that is a mean itself
        told = [" ".join(f"{key}={value}" for key, value in one.items()) for one in others]
        notes = first | {f"averaged_with_{number}": text for number, text in enumerate(told, 2 + earlier)}
        licence = "; and ".join(dict.fromkeys(one.config.licence for one in networks))
        network.config = network.config.model_copy(update={"provenance": notes, "licence": licence})
        save_model(network, output)
    except LapDepthError as error:
        typer.echo(f"average_models: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"mean of {len(models)} models written to {output}")


if __name__ == "__main__":
    typer.run(main)
