"""`lapdepth data`: check, preview and prepare data sets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapdepth.cli import prepare

if TYPE_CHECKING:
    from lapdepth.camera import FloatArray, Intrinsics
    from lapdepth.imaging import ByteArray

app = typer.Typer(help="Check, preview and prepare data sets.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(prepare.app, name="prepare")


@app.command()
def check(
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="CSV of pictures with measured depth.")],
    jobs: Annotated[int, typer.Option(min=0, help="Threads that read; 0 is one for each processor.")] = 0,
    look: Annotated[
        bool, typer.Option(help="Compare a few pictures' depth with what the embedded network expects, to find wrong units.")
    ] = True,
) -> None:
    """Read every file and name what is wrong: one line a problem, exit status 1 if there is any.

    Give the manifests of training and test together, to find pictures and scenes that are in both, whatever the splits are
    called. Pictures that look like no photograph of
    a room or a road, such as those of a microscope, need --no-look.
    """
    from collections import Counter
    from functools import cache, partial

    from lapdepth.cli.progress import printable, progress_bar
    from lapdepth.data.check import check_rows
    from lapdepth.data.manifest import read_manifest
    from lapdepth.inference.predictor import DepthPredictor

    read = [(manifest, read_manifest(manifest)) for manifest in manifests]
    rows = [row for _, some in read for row in some]
    places = [f"{f'{path} ' if len(read) > 1 else ''}row {i}" for path, some in read for i in range(1, len(some) + 1)]
    numbers = [number for number, (_, some) in enumerate(read) for _ in some]
    network = cache(DepthPredictor.from_pretrained)  # not loaded for too few pictures

    def expect(image: ByteArray, focal_px: float) -> FloatArray:
        return network("open")(image, focal_px=focal_px, sky="far").depth_m

    with progress_bar() as show:
        problems = check_rows(rows, places, partial(show, "checking"), jobs, expect if look else None, numbers)
    for problem in problems:
        typer.echo(printable(str(problem)))
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(problem.kind for problem in problems).items())
    names = ", ".join(map(str, manifests))
    told = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}{f' ({kinds})' if kinds else ''}"
    typer.echo(printable(f"{names}: {len(rows)} row{'' if len(rows) == 1 else 's'}, {told}"))
    if problems:
        raise typer.Exit(1)


@app.command()
def preview(
    manifest: Annotated[Path, typer.Argument(help="CSV of pictures with measured depth.")],
    output: Annotated[Path, typer.Option(help="Sheet to write, .png or .jpg.")],
    count: Annotated[int, typer.Option(help="Pictures to show, spread evenly over the manifest.")] = 12,
    split: Annotated[str | None, typer.Option(help="Only rows of this split.")] = None,
) -> None:
    """Draw a contact sheet: pictures beside their depth, all in one scale of colours, over a histogram of depth."""
    from lapdepth.cli.progress import printable
    from lapdepth.data.manifest import read_manifest
    from lapdepth.data.preview import choose, contact_sheet
    from lapdepth.errors import InputError
    from lapdepth.io.color import write_picture

    files = [path for row in read_manifest(manifest) for path in (row.image, row.depth, row.dense_depth) if path is not None]
    if os.path.realpath(output) in set(map(os.path.realpath, files)):
        raise InputError(f"{output} is a file of {manifest} and would be overwritten; choose another --output")
    rows = choose(read_manifest(manifest, split), count)
    write_picture(output, contact_sheet(rows))
    typer.echo(printable(f"{output}: {len(rows)} pictures of {manifest}"))


@app.command()
def submission(
    root: Annotated[Path, typer.Argument(help="Folder that holds depth_selection/ of data_depth_selection.zip.")],
    output: Annotated[Path, typer.Option(help="ZIP to write.")],
    model: Annotated[str, typer.Option(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirrored picture.")] = False,
) -> None:
    """Predict the 500 test pictures of KITTI's depth prediction benchmark: 16-bit PNG, value = metres x 256, in one ZIP."""
    from functools import partial

    from lapdepth.cli.progress import printable, progress_bar
    from lapdepth.data.kitti_benchmark import write_submission
    from lapdepth.inference.predictor import DepthPredictor

    predictor = DepthPredictor.from_pretrained(model)

    def predict(image: ByteArray, camera: Intrinsics) -> FloatArray:
        return predictor(image, focal_px=camera.focal_px, flip=flip).depth_m

    with progress_bar() as show:
        count = write_submission(root, predict, output, partial(show, "predicting"))
    typer.echo(printable(f"{output}: {count} pictures, {predictor.config.name}, flip {flip}"))
