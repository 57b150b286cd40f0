"""From archives as downloaded to a tree on disk and its manifests.

Each function unpacks what the lists need, leaves alone what is there, and writes the manifest last: run again after an
interruption, it goes on. Without archives it writes the manifest of a tree that was unpacked before.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from lapdepth.data import kitti, kitti_benchmark, nyu, tum
from lapdepth.data.archive_formats import is_archive
from lapdepth.data.archives import Member, PlaceOf, list_members, unpack
from lapdepth.data.folder import Recording, list_rows
from lapdepth.data.kitti_calibration import RAW_LIDAR_WARNING, project_sweep, read_calibration, read_sweep, velodyne_projection
from lapdepth.data.lists import Listing, read_list, read_pairs
from lapdepth.data.manifest import Row, write_manifest
from lapdepth.errors import ConfigError, OutputError, ReadError
from lapdepth.io.depth import write_png16

Watch = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

Made = dict[Path, list[Row]]
"""Rows by the manifest that they were written to."""

_log = logging.getLogger(__name__)


def find_archives(inputs: Sequence[Path], suffix: str = "") -> list[Path]:
    """Archives, and files with `suffix`, that are named or lie, not hidden, in the folders that are named; sorted within each.

    Raises:
        ReadError: An input is not there, cannot be read or holds none.
    """
    found: list[Path] = []
    for path in inputs:
        try:
            # Hidden ones are the "._" companions that macOS leaves, which are no archives.
            files = sorted(file for file in path.iterdir() if not file.name.startswith(".")) if path.is_dir() else [path]
            usable = [file for file in files if file.is_file() and (is_archive(file) or (suffix and file.suffix == suffix))]
        except OSError as error:
            raise ReadError(f"cannot read {path}: {error.strerror}; expected an archive or a folder of them") from None
        if not usable:
            raise ReadError(
                f"{path}: no archive there; expected .zip, .tar or .tgz as downloaded{suffix and f', or a {suffix} file'}"
            )
        found += usable
    return found


def prepare_kitti(
    archives: Sequence[Path],
    root: Path,
    cameras: Sequence[str] | None = None,
    truth: kitti.Truth = "annotated",
    list_file: Path | None = None,
    allow_missing: bool = False,
    watch: Watch = lambda what, done, total: None,
) -> Made:
    """KITTI's Eigen splits: `manifest.csv` with the annotated depth, or `manifest_lidar.csv`, the test with raw LiDAR.

    Args:
        archives: Raw drives, calibrations and `data_depth_annotated.zip`, or folders of them.
        root: Where the tree of `kitti` is made.
        cameras: Of the training pictures; `None` is `image_02` alone, or what the list names.
        truth: What is scored; raw LiDAR comes with a warning in the log.
        list_file: A list of pairs to train on in place of the 23,158 (see `kitti.listed_rows`); the test stays as it is.
        allow_missing: Whether a part of the lists will do.
        watch: Progress.

    Raises:
        ConfigError: The list is no such list; or two of a list, raw LiDAR and `cameras` are asked for.
        ReadError: An archive is damaged or hostile, or files are missing.
        OutputError: A file cannot be written.
    """
    parts: tuple[kitti.Part, ...] = ("train", "test") if truth == "annotated" else ("test",)
    if list_file is not None and truth == "lidar":
        raise ConfigError("a list is of training pictures, and raw LiDAR is of the test alone; leave one of them out")
    if list_file is not None and cameras is not None:
        raise ConfigError(
            f"cameras are {', '.join(cameras)}, and {list_file} names the camera of each picture; leave one of them out"
        )
    if truth == "lidar" and cameras is not None:
        raise ConfigError(
            f"cameras are {', '.join(cameras)}, of training pictures, and raw LiDAR is of the test alone, which is of image_02; "
            "leave one of them out"
        )
    cameras = kitti.CAMERAS[:1] if cameras is None else cameras
    frames = frozenset(frame for part in parts for frame in kitti.eigen_frames(part, truth, cameras))
    if list_file is not None:
        frames = kitti.listed_frames(list_file) | frozenset(kitti.eigen_frames("test"))
    sweeps = frozenset((drive, number) for drive, _, number in frames) if truth == "lidar" else frozenset[tuple[str, int]]()
    _unpack_all(archives, root, lambda name: kitti.place_of(name, frames, sweeps), watch)
    if truth == "lidar":
        _log.warning(RAW_LIDAR_WARNING)
        _project_sweeps(root, sorted(frames), watch)
    listings = [kitti.eigen_rows(root, part, truth, cameras) for part in parts if part == "test" or list_file is None]
    if list_file is not None:
        listings.insert(0, kitti.listed_rows(root, list_file))
    listing = Listing([row for one in listings for row in one.rows], [path for one in listings for path in one.missing])
    return _written(root / ("manifest.csv" if truth == "annotated" else "manifest_lidar.csv"), listing.complete(allow_missing))


def prepare_kitti_selection(
    archives: Sequence[Path],
    root: Path,
    allow_missing: bool = False,
    watch: Watch = lambda what, done, total: None,
) -> Made:
    """KITTI's depth prediction benchmark: its test pictures, and `manifest_selection.csv` of the validation selection.

    Raises:
        ReadError: The archive is damaged or hostile, or files are missing.
        OutputError: A file cannot be written.
    """
    _unpack_all(archives, root, kitti_benchmark.place_of, watch)
    return _written(root / "manifest_selection.csv", kitti_benchmark.selection_rows(root).complete(allow_missing))


def prepare_nyu(
    archives: Sequence[Path],
    root: Path,
    list_file: Path | None = None,
    allow_missing: bool = False,
    watch: Watch = lambda what, done, total: None,
) -> Made:
    """NYU Depth V2: `manifest_labeled.csv` of the official file, and `manifest_sync.csv` of synchronised frames.

    Args:
        archives: `nyu_depth_v2_labeled.mat`, archives of synchronised frames, or folders of them.
        root: Where the tree of `nyu` is made.
        list_file: A list of pairs in place of the 24,231 (see `lists.read_pairs`).
        allow_missing: Whether a part of the list will do.
        watch: Progress.

    Raises:
        MissingExtraError: There is a `.mat` file, and h5py is not installed.
        ReadError: A file is damaged or hostile, or files are missing, or there is nothing to prepare.
        OutputError: A file cannot be written.
    """
    # splits.mat, which many download along with the pictures, is the official split; the package has its own copy of that.
    files = [file for file in find_archives(archives, ".mat") if file.name != "splits.mat"]
    made: Made = {}
    for mat in (file for file in files if file.suffix == ".mat"):
        _make_folder(root)
        rows = nyu.prepare_labeled(mat, root, lambda done, total: watch("unpacking pictures", done, total))
        made |= _written(root / "manifest_labeled.csv", rows)
    if list_file is None:
        frames = frozenset((scene, number) for scene, numbers in read_list("nyu_train").items() for number in numbers)

        def place_of(name: str) -> str | None:
            return nyu.sync_place_of(name, frames)
    else:
        listed = frozenset(name for pair in read_pairs(list_file) for name in pair if name)

        def place_of(name: str) -> str | None:
            tails = ("/".join(name.split("/")[i:]) for i in range(name.count("/") + 1))
            return next((f"sync/{tail}" for tail in tails if tail in listed), None)

    _unpack_all([file for file in files if file.suffix != ".mat"], root, place_of, watch)
    if (root / "sync").is_dir():
        camera = Recording(nyu.UNITS_PER_METRE, nyu.CAMERA[:2], nyu.CAMERA[2:])
        listing = nyu.sync_rows(root) if list_file is None else list_rows(list_file, root / "sync", camera)
        made |= _written(root / "manifest_sync.csv", listing.complete(allow_missing))
    if not made:
        raise ReadError(f"nothing to prepare in {root}; give nyu_depth_v2_labeled.mat or sync.zip (--archives)")
    return made


def prepare_tum(
    archives: Sequence[Path],
    root: Path,
    test: Collection[str] = (),
    allow_missing: bool = False,
    watch: Watch = lambda what, done, total: None,
) -> Made:
    """TUM RGB-D: `manifest.csv` of all sequences; those named in `test` are the split of that name.

    Raises:
        ReadError: An archive is damaged or hostile, or files are missing.
        ConfigError: `test` names what is not there.
        OutputError: A file cannot be written.
    """
    _unpack_all(archives, root, tum.place_of, watch)
    return _written(root / "manifest.csv", tum.tum_rows(root, test).complete(allow_missing))


def _unpack_all(archives: Sequence[Path], root: Path, place_of: PlaceOf, watch: Watch) -> None:
    """List all archives before the first is unpacked, so that a bad one is found at once."""
    _make_folder(root)
    listed: list[tuple[Path, list[Member]]] = []
    for archive in find_archives(archives):
        tell = partial(_tell_megabytes, watch, f"reading {archive.name} (MB)")
        listed.append((archive, list_members(archive, place_of, watch=tell)))
    for archive, members in listed:
        for done, _ in enumerate(unpack(archive, members, root), 1):
            watch(f"unpacking {archive.name}", done, len(members))


def _tell_megabytes(watch: Watch, what: str, done_bytes: int, total_bytes: int) -> None:
    watch(what, math.ceil(done_bytes / 1e6), math.ceil(total_bytes / 1e6))


def _project_sweeps(root: Path, frames: Sequence[kitti.Frame], watch: Watch) -> None:
    for done, (drive, camera, number) in enumerate(frames, 1):
        sweep, target = kitti.velodyne_path(root, drive, number), kitti.lidar_depth_path(root, drive, camera, number)
        if sweep.is_file() and not target.is_file():
            day = root / drive[:10]
            cameras, scanner = read_calibration(day / "calib_cam_to_cam.txt"), read_calibration(day / "calib_velo_to_cam.txt")
            depth_m = project_sweep(read_sweep(sweep), velodyne_projection(cameras, scanner, camera), cameras.size(camera))
            _make_folder(target.parent)
            write_png16(target, depth_m, depth_m >= 1 / kitti.UNITS_PER_METRE, kitti.UNITS_PER_METRE)
        watch("projecting sweeps", done, len(frames))


def _written(path: Path, rows: list[Row]) -> Made:
    write_manifest(path, rows)
    return {path: rows}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from None
