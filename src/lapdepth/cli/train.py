"""`lapdepth train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="Settings of the run.")],
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
) -> None:
    """Train a model. Interrupted at any moment, it goes on with --resume. Needs the torch extra."""
    from lapdepth.cli.extras import needs_torch

    needs_torch("train")
    from lapdepth.training.config import load_train_config
    from lapdepth.training.loop import train as run

    typer.echo(f"model written to {run(load_train_config(config, changes), resume)}")
