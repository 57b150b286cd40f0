"""`lapdepth track`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def track(
    scenarios: Annotated[str, typer.Option(help="Names or groups with commas between them, or all.")] = "T1,T2,T3",
    depth: Annotated[str, typer.Option(help="exact or noisy.")] = "exact",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each scenario.")] = 50,
    report: Annotated[Path, typer.Option(help="Folder for report.html, report.json and the runs.")] = Path("track"),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores if left out.")] = None,
) -> None:
    """Drive the collision warning on its test track. Started again with the same folder, it goes on where it was."""
    import os

    from rich.console import Console
    from rich.progress import track as shown

    from lapdepth.collision.proving.campaign import SOURCES, campaign, choose
    from lapdepth.collision.proving.measures import rows
    from lapdepth.collision.proving.report import write_report
    from lapdepth.collision.proving.scene import CAMERA_TO_FRONT_M
    from lapdepth.collision.settings import WarnerSettings
    from lapdepth.errors import InputError, OutputError

    kind = next((one for one in SOURCES if one == depth), None)
    if kind is None:
        raise InputError(f"--depth is '{depth}'; expected one of {', '.join(SOURCES)}")
    names = choose(scenarios)
    try:
        report.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {report}: {error.strerror}; give another folder") from error
    console = Console(stderr=True)
    running = campaign(names, kind, seeds, report / f"runs-{kind}.jsonl", workers or os.cpu_count() or 1)
    runs = list(shown(running, "driving", total=len(names) * seeds, console=console, disable=not console.is_terminal))
    runs.sort(key=lambda one: (names.index(one.scenario), one.seed))
    found = rows(runs, kind)
    settings = WarnerSettings(camera_to_front_m=CAMERA_TO_FRONT_M).model_dump(mode="json")
    write_report(report, found, runs, kind, settings)
    for row in found:
        verdict = {True: "met", False: "NOT MET", None: "reported"}[row.passed]
        bounds = f"[{row.interval[0]:g}, {row.interval[1]:g}]"
        typer.echo(f"{row.scenario:14} {row.measure}: {row.result:g} {bounds}  {row.target or '-'}  {verdict}")
