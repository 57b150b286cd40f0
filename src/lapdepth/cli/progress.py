"""A progress bar on a terminal, and text that every terminal takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Yields a function that takes what is being done, how much is done and the total; each `what` gets a bar of its own."""
    from rich.console import Console  # here, since one picture needs neither, and should be there quickly
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(printable(what))
            progress.update(tasks[what], completed=done, total=total)

        yield show


def printable(text: str) -> str:
    """Bytes of a file name that are no UTF-8 become escapes: a terminal takes nothing else."""
    return text.encode(errors="backslashreplace").decode()


def print_error(reason: str) -> None:
    """One line on stderr, as long as it is."""
    from rich.console import Console

    Console(stderr=True).print(printable(f"lapdepth: error: {reason}"), markup=False, highlight=False, soft_wrap=True)
