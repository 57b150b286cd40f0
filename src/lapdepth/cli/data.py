"""`lapdepth data`: check, preview and prepare data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Check, preview and prepare data sets.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def check(
    manifest: Annotated[Path, typer.Argument(help="CSV of pictures with measured depth.")],
    jobs: Annotated[int, typer.Option(min=0, help="Threads that read; 0 is one for each processor.")] = 0,
) -> None:
    """Read every file and name what is wrong: one line a problem, exit status 1 if there is any."""
    from collections import Counter

    from lapdepth.data.check import check_rows
    from lapdepth.data.manifest import read_manifest

    rows = read_manifest(manifest)
    with _bar("checking") as watch:
        problems = check_rows(rows, watch, jobs)
    for problem in problems:
        typer.echo(_printable(str(problem)))
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(problem.kind for problem in problems).items())
    typer.echo(_printable(f"{manifest}: {len(rows)} rows, {len(problems)} problems{f' ({kinds})' if kinds else ''}"))
    if problems:
        raise typer.Exit(1)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; the function that moves it takes what is done and the total."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _printable(text: str) -> str:
    """Bytes of a file name that are no UTF-8 become escapes: a terminal takes nothing else."""
    return text.encode(errors="backslashreplace").decode()
