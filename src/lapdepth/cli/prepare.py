"""`lapdepth data prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lapdepth.data.kitti import Truth
    from lapdepth.data.prepare import Made

app = typer.Typer(
    help="Unpack a data set as downloaded and write its manifests; run again, it goes on.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Archives = Annotated[list[Path] | None, typer.Option(help="Archive as downloaded, or a folder of them; may be repeated.")]
Output = Annotated[Path, typer.Option(help="Folder for files and manifests; made if missing.")]
Partial = Annotated[bool, typer.Option("--partial", help="Leave out rows whose files are missing.")]


@app.command()
def kitti(
    output: Output,
    archives: Archives = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="Training camera: image_02 (default), image_03; may be repeated; not with --list or --lidar."),
    ] = None,
    lidar: Annotated[bool, typer.Option("--lidar", help="The 697 test pictures with raw LiDAR as truth, instead.")] = False,
    list_file: Annotated[
        Path | None,
        typer.Option("--list", help="Lines of picture, depth and filled-in depth to train on, in place of the 23,158."),
    ] = None,
    partial: Partial = False,
) -> None:
    """KITTI, Eigen splits: raw drives, calibrations and data_depth_annotated.zip. CC BY-NC-SA 3.0."""
    from lapdepth.cli.progress import progress_bar
    from lapdepth.data.prepare import prepare_kitti

    with progress_bar() as show:
        truth: Truth = "lidar" if lidar else "annotated"
        made = prepare_kitti(archives or [], output, camera or None, truth, list_file, partial, show)
    _tell(made)


@app.command()
def kitti_selection(output: Output, archives: Archives = None, partial: Partial = False) -> None:
    """KITTI's depth prediction benchmark: data_depth_selection.zip. CC BY-NC-SA 3.0."""
    from lapdepth.cli.progress import progress_bar
    from lapdepth.data.prepare import prepare_kitti_selection

    with progress_bar() as show:
        made = prepare_kitti_selection(archives or [], output, partial, show)
    _tell(made)


@app.command()
def nyu(
    output: Output,
    archives: Archives = None,
    list_file: Annotated[Path | None, typer.Option("--list", help="Lines of picture and depth, in place of the 24,231.")] = None,
    partial: Partial = False,
) -> None:
    """NYU Depth V2: nyu_depth_v2_labeled.mat (needs the hdf5 extra), sync.zip. For research."""
    from lapdepth.cli.progress import progress_bar
    from lapdepth.data.prepare import prepare_nyu

    with progress_bar() as show:
        made = prepare_nyu(archives or [], output, list_file, partial, show)
    _tell(made)


@app.command()
def tum(
    output: Output,
    archives: Archives = None,
    test: Annotated[list[str] | None, typer.Option(help="Sequence of the split 'test'; may be repeated.")] = None,
    partial: Partial = False,
) -> None:
    """TUM RGB-D: rgbd_dataset_freiburg*.tgz. CC BY 4.0."""
    from lapdepth.cli.progress import progress_bar
    from lapdepth.data.prepare import prepare_tum

    with progress_bar() as show:
        made = prepare_tum(archives or [], output, test or [], partial, show)
    _tell(made)


@app.command()
def folder(
    root: Annotated[Path, typer.Argument(help="Folder with rgb/ and depth/; manifest.csv is written into it.")],
    units_per_metre: Annotated[
        float, typer.Option(min=1e-3, help="Codes of the depth maps for one metre: 1000 for millimetres.")
    ],
    focal_px: Annotated[float, typer.Option(min=1, help="Focal length in pixels.")],
    center_px: Annotated[tuple[float, float] | None, typer.Option(help="Column and row of the principal point.")] = None,
    list_file: Annotated[
        Path | None, typer.Option("--list", help="Lines of picture and depth, in place of rgb/ and depth/.")
    ] = None,
    split: Annotated[str, typer.Option(help="What the pictures are for.")] = "train",
    partial: Partial = False,
) -> None:
    """One's own pictures with depth: the manifest alone."""
    from lapdepth.data.folder import Recording, folder_rows, list_rows
    from lapdepth.data.manifest import read_manifest, write_manifest
    from lapdepth.errors import InputError

    recording = Recording(units_per_metre, (focal_px, focal_px), center_px, split)
    rows = (list_rows(list_file, root, recording) if list_file else folder_rows(root, recording)).complete(partial)
    path = root / "manifest.csv"
    lost = {row.image for row in read_manifest(path)} - {row.image for row in rows} if path.is_file() else set()
    if lost:
        raise InputError(f"{path} lists {len(lost)} pictures that would be lost, such as {min(lost)}; move it away first")
    write_manifest(path, rows)
    _tell({path: rows})


def _tell(made: Made) -> None:
    from collections import Counter

    from lapdepth.cli.progress import printable

    for path, rows in made.items():
        splits = ", ".join(f"{count} {split}" for split, count in Counter(row.split for row in rows).items())
        typer.echo(printable(f"{path}: {splits}"))
