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
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all numbers here.")] = None,
) -> None:
    """Time models on this machine with every engine that is installed, in turns. Arrays in, arrays out; files are aside."""
    from rich.console import Console

    from lapdepth.benchmark.speed import measure
    from lapdepth.errors import OutputError
    from lapdepth.io.files import write_json

    if json_file is not None and not json_file.parent.is_dir():
        raise OutputError(f"cannot write {json_file}: the folder {json_file.parent} does not exist; make it first")
    console = Console(stderr=True)
    with console.status("timing") as status:
        done = measure(models or ["default"], quick, repeats, lambda what: status.update(f"timing {what}"))
    machine = done["machine"]
    typer.echo(f"{machine['processor']}, {machine['threads']} threads, float32 matrix product {machine['peak_gflops']:g} GFLOP/s")
    typer.echo(f"{'model':24} {'size':>9}  {'engine':12} {'ms':>9} {'pictures/s':>10} {'x eager':>8} {'of peak':>8}")
    for row in done["rows"]:
        eager = "" if row["times_eager"] is None else f"{row['times_eager']:.2f}"
        share = "" if row["share_of_peak"] is None else f"{row['share_of_peak']:.0%}"
        size = f"{row['width']}x{row['height']}"
        typer.echo(
            f"{row['model'][-24:]:24} {size:>9}  {row['engine']:12} {row['median_ms']:9.1f} {row['pictures_per_s']:10.1f} "
            f"{eager:>8} {share:>8}"
        )
    if json_file is not None:
        write_json(json_file, done)
