"""Tell the rooms of NYU's labelled pictures apart, so that they can be held out by room and not by kind of room.

The pictures are numbered room by room, and the official split gives whole rooms to training or to the test: where the numbers of
the training pictures leave a gap, pictures of the test lie between, and another room begins. A run without a gap is one room or a
few; it becomes one scene of the manifest that this writes.

The rooms also come kind by kind, bathrooms after bookshops and kitchens after bathrooms. A contiguous fifth of the list holds out
whole kinds, which the official test, drawn from between the training rooms, does not. So the runs are written in another order,
every `--folds`-th run after each other: ``fold = K``, ``folds = FOLDS`` then holds out runs from everywhere in the list.

    python scripts/nyu_rooms.py DATA/nyu_labeled_train/manifest.csv --output DATA/nyu_rooms
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lapdepth.data.manifest import Row, read_manifest, write_manifest
from lapdepth.errors import ConfigError, InputError, LapDepthError


def runs(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows in runs of consecutive numbers, each row with its run as its scene.

    Raises:
        ConfigError: A picture's name is not its number, or the numbers do not rise.
    """
    found: list[list[Row]] = []
    before = None
    for row in rows:
        name = row.image.stem
        if not name.isdecimal() or (before is not None and int(name) <= before):
            raise ConfigError(f"{row.image} is not the next number; expected NYU's labelled pictures, named by index, in order")
        if before is None or int(name) != before + 1:
            found.append([])
        scene = found[-1][0].scene if found[-1] else f"from_{name}"
        found[-1].append(replace(row, scene=scene))
        before = int(name)
    return found


def main(
    manifest: Annotated[Path, typer.Argument(help="Manifest of the labelled pictures, named by their index.")],
    output: Annotated[Path, typer.Option(help="Folder for the new manifest.csv; made if missing.")],
    folds: Annotated[int, typer.Option(min=2, help="In so many folds they will be divided.")] = 5,
) -> None:
    """Write the manifest, of the same files."""
    try:
        if (output / "manifest.csv").resolve() == manifest.resolve():
            raise InputError(f"{manifest} is the input and would be overwritten; choose another --output")
        rooms = runs(read_manifest(manifest))
        rows = [row for first in range(folds) for room in rooms[first::folds] for row in room]
        output.mkdir(parents=True, exist_ok=True)
        write_manifest(output / "manifest.csv", rows)
    except (LapDepthError, OSError) as error:
        typer.echo(f"nyu_rooms: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{len(rows)} pictures in {len(rooms)} runs: {output / 'manifest.csv'}")


if __name__ == "__main__":
    typer.run(main)
