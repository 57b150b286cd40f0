"""`lapdepth info`."""

from __future__ import annotations

from typing import Annotated

import typer


def info(
    model: Annotated[str, typer.Argument(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
) -> None:
    """Say what a model is: architecture, range, camera, licence, provenance. Needs no PyTorch."""
    from lapdepth.inference.engine import read_model_config

    config, files = read_model_config(model)
    for name, value in config.model_dump(mode="json", exclude={"provenance", "decoder"}).items():
        typer.echo(f"{name:15} {value}")
    typer.echo(f"{'decoder':15} {config.decoder.model_dump(mode='json') if config.decoder else 'as published'}")
    for name, text in config.provenance.items():
        typer.echo(f"{name:15} {text}")
    for path in files:
        typer.echo(f"{'file':15} {path} ({path.stat().st_size / 1e6:.1f} MB)")
