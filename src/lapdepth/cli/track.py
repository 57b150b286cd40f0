"""`lapdepth track`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def track(
    scenarios: Annotated[str, typer.Option(help="Names or groups with commas between them, or all.")] = "T1,T2,T3",
    depth: Annotated[
        str, typer.Option(help="exact, noisy, model (a network on drawn pictures) or a folder of depth maps.")
    ] = "exact",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each scenario; the report says where a target asks for more.")] = 50,
    report: Annotated[Path, typer.Option(help="Folder for report.html, report.json and the runs.")] = Path("track"),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores if left out.")] = None,
    model: Annotated[str, typer.Option(help="Of --depth model: embedded name, model folder, .onnx file or hub id.")] = "default",
    write_pictures: Annotated[
        Path | None, typer.Option(help="Only write the pictures of the runs here, for another model to predict.")
    ] = None,
) -> None:
    """Drive the collision warning on its test track. Started again with the same folder, it goes on where it was.

    After a change of the code or of a model's weights take a fresh folder: the runs that lie there are not driven again.

    A folder of depth maps is made of the pictures of --write-pictures: in it, for each run's folder, a map for each picture, as
    NAME_depth.png (16 bits, metres x 256) or NAME.npy (metres).
    """
    import os

    from rich.console import Console
    from rich.progress import track as shown

    from lapdepth.cli.extras import needs_torch
    from lapdepth.collision.proving.campaign import COMPUTED, Setup, campaign, choose
    from lapdepth.collision.proving.measures import rows
    from lapdepth.collision.proving.report import write_report
    from lapdepth.collision.proving.scene import CAMERA_TO_FRONT_M
    from lapdepth.collision.settings import WarnerSettings
    from lapdepth.errors import InputError, OutputError

    kind = next((one for one in (*COMPUTED, "model") if one == depth), None)
    if kind is not None:
        setup = Setup(kind, model)
    elif Path(depth).is_dir():
        setup = Setup("folder", folder=Path(depth))
    else:
        raise InputError(f"--depth is '{depth}'; expected one of {', '.join(COMPUTED)}, model, or a folder of depth maps")
    for option, draws in (("--write-pictures", write_pictures is not None), ("--depth model", setup.depth == "model")):
        if draws:
            needs_torch(f"track {option}")
    drawn = setup.depth in ("model", "folder") or write_pictures is not None
    names = choose(scenarios, drawn)
    target = report if write_pictures is None else write_pictures
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {target}: {error.strerror}; give another folder") from error
    console = Console(stderr=True)
    total = len(names) * seeds
    if write_pictures is not None:
        from lapdepth.collision.proving.open_loop import write_pictures as written

        done = list(
            shown(written(names, seeds, target), "drawing", total=total, console=console, disable=not console.is_terminal)
        )
        typer.echo(f"{len(done)} runs in {target}, a folder each", err=True)
        return
    running = campaign(names, setup, seeds, report / f"runs-{setup.label}.jsonl", workers or os.cpu_count() or 1)
    runs = list(shown(running, "driving", total=total, console=console, disable=not console.is_terminal))
    runs.sort(key=lambda one: (names.index(one.scenario), one.seed))
    found = rows(runs, setup.depth)
    settings = WarnerSettings(camera_to_front_m=CAMERA_TO_FRONT_M).model_dump(mode="json")
    write_report(report, found, runs, setup.label, settings)
    for row in found:
        bounds = f"[{row.interval[0]:g}, {row.interval[1]:g}]"
        typer.echo(f"{row.scenario:14} {row.measure}: {row.result:g} {bounds}  {row.target or '-'}  {row.verdict}")
