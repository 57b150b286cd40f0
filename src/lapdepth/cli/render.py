"""`lapdepth render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def render(
    scene: Annotated[str, typer.Argument(metavar="SCENE", help="A scene's TOML file, or road:SEED, or room:SEED.")],
    output: Annotated[Path, typer.Option(help="Folder for pictures, depth and manifest.csv; made if missing.")],
    frames: Annotated[int | None, typer.Option(help="Only so many pictures, from time 0 on.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the file.")] = None,
    split: Annotated[str, typer.Option(help="Word for the manifest's column.")] = "train",
    jpeg: Annotated[bool, typer.Option("--jpeg", help="Pictures as JPEG instead of PNG.")] = False,
    device: Annotated[str, typer.Option(help="Device of PyTorch, such as cuda:0.")] = "cpu",
) -> None:
    """Render a scene: pictures with exact depth, as training reads them. Needs the torch extra."""
    from lapdepth.cli.extras import needs_torch

    needs_torch("render")
    from rich.console import Console
    from rich.progress import Progress

    from lapdepth.synthetic.files import write_sequence
    from lapdepth.synthetic.makers import find_scene

    described = find_scene(scene, changes)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("rendering")
        manifest = write_sequence(
            described, output, frames, split, jpeg, device, lambda done, total: progress.update(task, completed=done, total=total)
        )
    typer.echo(f"{manifest}: {frames or described.frames} pictures of {described.name}")
