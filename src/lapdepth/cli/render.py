"""`lapdepth render`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from lapdepth.errors import InputError

ONE_SCENE = {"frames": "--frames", "changes": "--set", "jpeg": "--jpeg"}
"""Options of one scene."""
MANY_SCENES = {"size": "--size", "focal_range": "--focal-range", "views": "--views", "seed": "--seed", "workers": "--workers"}
"""Options of many, with --count."""


def render(
    context: typer.Context,
    scene: Annotated[
        str,
        typer.Argument(metavar="SCENE", help="A TOML file or KIND:SEED, with --count KIND: road, drive, motorway, open, room."),
    ],
    output: Annotated[Path, typer.Option(help="Folder for pictures, depth and manifest.csv; made if missing.")],
    frames: Annotated[int | None, typer.Option(help="Only so many pictures of the scene's, from time 0 on.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the scene.")
    ] = None,
    split: Annotated[str, typer.Option(help="Word for the manifest's column.")] = "train",
    jpeg: Annotated[bool, typer.Option("--jpeg", help="Pictures as JPEG instead of PNG.")] = False,
    count: Annotated[int | None, typer.Option(help="Draw so many pictures of many scenes of a kind.")] = None,
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="With --count: size of the pictures.")] = "384x288",
    focal_range: Annotated[
        tuple[float, float], typer.Option(help="With --count: smallest and largest focal length in pixels.")
    ] = (250.0, 400.0),
    views: Annotated[int, typer.Option(help="With --count: pictures of each scene.")] = 2,
    seed: Annotated[int, typer.Option(help="With --count: decides everything.")] = 0,
    workers: Annotated[int, typer.Option(help="With --count: processes.")] = 1,
    device: Annotated[str, typer.Option(help="Device of PyTorch, such as cuda:0.")] = "cpu",
) -> None:
    """Render a scene: pictures with exact depth, as training reads them. Needs the torch extra."""
    from lapdepth.cli.extras import needs_torch

    needs_torch("render")
    from rich.console import Console
    from rich.progress import Progress

    from lapdepth.synthetic.dataset import DatasetSettings, write_dataset
    from lapdepth.synthetic.files import write_sequence
    from lapdepth.synthetic.makers import MAKERS, find_scene

    given = [name for name in context.params if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"]
    if count is None and scene in MAKERS:
        raise InputError(f"'{scene}' is a kind of scene; name one, such as {scene}:7, or add --count N for pictures of many")
    for name in given:
        if count is None and name in MANY_SCENES:
            raise InputError(f"{MANY_SCENES[name]} goes with --count, which draws many scenes; leave it out or add --count N")
        if count is not None and name in ONE_SCENE:
            raise InputError(f"{ONE_SCENE[name]} is of one scene and does not go with --count; leave one of them out")
    console = Console(stderr=True)
    if count is not None:
        settings = DatasetSettings(scene, count, _size(size), focal_range, views, seed, split)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("rendering")
            manifest = write_dataset(
                settings, output, workers, device, lambda done, total: progress.update(task, completed=done, total=total)
            )
        typer.echo(f"{manifest}: {count} pictures")
        return
    described = find_scene(scene, changes)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("rendering")
        manifest = write_sequence(
            described, output, frames, split, jpeg, device, lambda done, total: progress.update(task, completed=done, total=total)
        )
    typer.echo(f"{manifest}: {frames or described.frames} pictures of {described.name}")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise InputError(f"--size is '{text}'; expected WIDTHxHEIGHT, such as 384x288")
    return int(match[1]), int(match[2])
