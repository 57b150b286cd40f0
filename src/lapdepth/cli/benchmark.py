"""`lapdepth benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def benchmark(
    models: Annotated[
        list[str] | None, typer.Option("--model", help="Embedded name, folder or .onnx file; give several to compare them.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only at 640x192, and no large network.")] = False,
    repeats: Annotated[int, typer.Option(min=1, max=1000, help="Of each row.")] = 15,
    manifest: Annotated[Path | None, typer.Option(help="CSV of pictures with measured depth: what each engine costs.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Of --manifest: nyu-eigen, kitti-garg, kitti-lapdepth or plain. [plain]")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of --manifest: only rows of this split.")] = None,
    pictures: Annotated[int | None, typer.Option(min=1, help="Of --manifest: so many at most, evenly spread. [100]")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all numbers here.")] = None,
) -> None:
    """Time models on this machine with every engine that is installed, in turns. Arrays in, arrays out; files are aside.

    The fastest in float32 is remembered, and --engine auto takes it from then on.
    """
    from rich.console import Console

    from lapdepth.benchmark.speed import measure
    from lapdepth.errors import InputError
    from lapdepth.io.files import check_folder, write_json

    if json_file is not None:
        check_folder(json_file)
    score = None
    if manifest is not None:
        from lapdepth.benchmark.cost import Cost

        score = Cost(manifest, protocol or "plain", split, pictures or 100)
    elif (protocol, split, pictures) != (None, None, None):
        raise InputError("--protocol, --split and --pictures are of --manifest; give one, or leave them out")
    console = Console(stderr=True)
    with console.status("timing") as status:
        done = measure(models or ["default"], quick, repeats, score, lambda what: status.update(f"timing {what}"))
    machine = done["machine"]
    typer.echo(f"{machine['processor']}, {machine['threads']} threads, float32 matrix product {machine['peak_gflops']:g} GFLOP/s")
    head = f"{'model':24} {'size':>9}  {'engine':14} {'ms':>8} {'a second':>8} {'x eager':>8} {'of peak':>8} {'change':>8}"
    typer.echo(head + ("" if score is None else f" {'abs_rel':>8} {'delta1':>8}"))
    for row in done["rows"]:
        size = f"{row['width']}x{row['height']}"
        line = f"{row['model'][-24:]:24} {size:>9}  {row['engine']:14} {row['median_ms']:8.1f} {row['pictures_per_s']:8.1f}"
        for name, form in (("times_eager", ".2f"), ("share_of_peak", ".0%"), ("change", ".1e")):
            line += f" {'' if row[name] is None else format(row[name], form):>8}"
        if score is not None:
            line += "".join(f" {'' if row[name] is None else format(row[name], '.4f'):>8}" for name in ("abs_rel", "delta1"))
        typer.echo(line.rstrip())
    if json_file is not None:
        write_json(json_file, done)
