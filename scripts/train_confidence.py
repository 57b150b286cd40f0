"""Teach a finished model its confidence anew and leave its depth as it is, to the last bit.

    python scripts/train_confidence.py configs/confidence.toml MODEL --output OUT --set data_root=DATA

Only what the heads say of the uncertainty is trained, on the groups and at the rate of the configuration, with every group's
errors taken `error_factor` times; the rest of the network, batch norms included, stays still. What `error_scale` fitted
the former uncertainty says nothing of this one: it becomes 1.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.progress import track
from torch import Tensor

from lapdepth.data.loader import CounterDataset, batches
from lapdepth.errors import ConfigError, LapDepthError
from lapdepth.model.checkpoint import load_model, save_model
from lapdepth.model.network import LapDepth
from lapdepth.training.config import load_train_config
from lapdepth.training.loop import TrainingStoppedError, group_loss, make_sources
from lapdepth.training.schedule import learning_rate


def uncertainty_parameters(network: LapDepth) -> list[Tensor]:
    """What may learn: the last convolution of every head, whose second filter alone gets a gradient; all else is frozen."""
    if not network.config.uncertainty:
        raise ConfigError(f"model '{network.config.name}' has no uncertainty channel; there is nothing to teach")
    network.requires_grad_(False).eval()
    learning: list[Tensor] = []
    for head in (network.decoder.head, *(level.get_submodule("head") for level in network.decoder.levels)):
        for parameter in list(head.children())[-1].get_submodule("conv").parameters():
            parameter.requires_grad_(True).register_hook(_second_filter_alone)
            learning.append(parameter)
    return learning


def _second_filter_alone(gradient: Tensor) -> Tensor:
    kept = torch.zeros_like(gradient)
    kept[1:] = gradient[1:]
    return kept


def main(
    config_file: Path,
    model: str,
    output: Annotated[Path, typer.Option(help="Folder of the model to write.")],
    changes: Annotated[list[str] | None, typer.Option("--set", help="As for lapdepth train.")] = None,
) -> None:
    """Train, and write the model."""
    try:
        config = load_train_config(config_file, [*(changes or []), f"start_from={model}"])
        if not config.loss.uncertainty:
            raise ConfigError("loss.uncertainty is 0, which is all that is taught here; give it a weight")
        torch.manual_seed(config.seed)
        network = load_model(model).to(memory_format=torch.channels_last)
        learning = uncertainty_parameters(network)
        # Without weight decay a filter whose gradient is zero stays as it is.
        optimizer = torch.optim.AdamW(learning, weight_decay=0.0)
        streams = [
            batches(
                CounterDataset(make_sources(g, config), g.crop, g.augment, config.seed), g.batch, 0, config.steps, config.workers
            )
            for g in config.groups
        ]
        losses = []
        for step in track(range(config.steps), "teaching confidence"):
            optimizer.param_groups[0]["lr"] = learning_rate(step, config.steps, config.optimizer)
            optimizer.zero_grad(set_to_none=True)
            parts = [
                group_loss(network, next(stream), config, error_factor=group.error_factor)["uncertainty"]
                for group, stream in zip(config.groups, streams, strict=True)
            ]
            total = torch.stack(parts).sum()
            total.backward()
            optimizer.step()
            if not all(math.isfinite(float(one.detach().sum())) for one in (total, *learning)):
                raise TrainingStoppedError(f"the loss or the weights are not finite after step {step}; nothing is written")
            losses.append([part.item() for part in parts])
            if (step + 1) % 25 == 0:
                recent = torch.tensor(losses[-25:]).mean(dim=0).tolist()
                typer.echo(", ".join(f"{g.name} {loss:.3f}" for g, loss in zip(config.groups, recent, strict=True)))
    except LapDepthError as error:
        typer.echo(f"train_confidence: {error}", err=True)
        raise typer.Exit(1) from None
    network.config = network.config.model_copy(
        update={
            "provenance": network.config.provenance | {"confidence": f"taught alone by {config_file.name}, {config.steps} steps"},
            "error_scale": 1.0,
        }
    )
    save_model(network.requires_grad_(True).to(memory_format=torch.contiguous_format), output)
    typer.echo(f"model written to {output}")


if __name__ == "__main__":
    typer.run(main)
