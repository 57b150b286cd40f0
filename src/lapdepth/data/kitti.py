"""KITTI: the Eigen splits, on the raw drives with the annotated depth of the depth benchmark.

Layout, as the archives unpack (pictures may have been turned into JPEG):

    ROOT/2011_09_26/calib_cam_to_cam.txt, calib_velo_to_cam.txt
    ROOT/2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png          colour, left; image_03: right
    ROOT/2011_09_26/2011_09_26_drive_0001_sync/velodyne_points/data/0000000005.bin   only for raw-LiDAR truth
    ROOT/data_depth_annotated/{train,val}/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png

`train` and `val` may also stand in ROOT itself. Depth: 16-bit PNG, metres = value / 256, 0 = not measured; sparse, eleven LiDAR
sweeps accumulated and checked against stereo. It begins at the sixth frame of a drive, which is why 45 of the 697 test frames
have none, and 652 are scored.

Camera: P_rect of calib_cam_to_cam.txt, one calibration a day. A drive is a scene.

Source: https://www.cvlibs.net/datasets/kitti (Geiger et al. 2013; annotated depth: Uhrig et al. 2017). Licence of the data:
CC BY-NC-SA 3.0, no commercial use; nothing of it is shipped but the list of frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from lapdepth.data.kitti_calibration import Calibration, read_calibration
from lapdepth.data.lists import Files, Listing, read_list, read_pairs
from lapdepth.data.manifest import Row
from lapdepth.errors import ConfigError

UNITS_PER_METRE = 256.0
CAMERAS = ("image_02", "image_03")
LIDAR_FOLDER = "lidar_depth"
"""Where `prepare` puts projected Velodyne sweeps, below ROOT, as `DRIVE/image_02/0000000005.png`."""

Part = Literal["train", "test"]
Truth = Literal["annotated", "lidar"]
Frame = tuple[str, str, int]
"""Drive, camera and number of the frame."""


def eigen_frames(part: Part, truth: Truth = "annotated", cameras: Sequence[str] = ("image_02",)) -> Iterator[Frame]:
    """Frames of the split.

    Args:
        part: Training or test; published tests are on `image_02` alone, whatever `cameras` says.
        truth: The 45 test frames without annotated depth are in the test with `lidar` only.
        cameras: `image_02`, `image_03` or both: the right camera doubles the training pictures.

    Raises:
        ConfigError: There is no such camera.
    """
    if not cameras or not set(cameras) <= set(CAMERAS):
        raise ConfigError(f"cameras are {', '.join(cameras) or 'none'}; choose of {', '.join(CAMERAS)}")
    frames = read_list(f"kitti_eigen_{part}")
    if part == "test" and truth == "lidar":
        for drive, numbers in read_list("kitti_eigen_test_unannotated").items():
            frames[drive] = sorted([*frames.get(drive, []), *numbers])
    for drive, numbers in frames.items():
        for number in numbers:
            yield from ((drive, camera, number) for camera in (cameras if part == "train" else CAMERAS[:1]))


def eigen_rows(root: Path, part: Part, truth: Truth = "annotated", cameras: Sequence[str] = ("image_02",)) -> Listing:
    """Rows of the split whose files are below `root`; arguments as for `eigen_frames`.

    Raises:
        ConfigError: There is no such camera.
        ReadError: A calibration file is damaged.
    """
    calibrations: dict[str, Calibration] = {}
    listing, files = Listing([], []), Files()
    for drive, camera, number in eigen_frames(part, truth, cameras):
        image = files.first(image_paths(root, drive, camera, number))
        depth = files.first(
            annotated_paths(root, drive, camera, number)
            if truth == "annotated"
            else [lidar_depth_path(root, drive, camera, number)]
        )
        calibration = root / f"{drive[:10]}/calib_cam_to_cam.txt"
        gone = next((path for path in (image, depth, calibration) if path not in files), None)
        if gone is not None:
            listing.missing.append(gone)
            continue
        if drive[:10] not in calibrations:
            calibrations[drive[:10]] = read_calibration(calibration)
        fx_px, fy_px, cx_px, cy_px = calibrations[drive[:10]].intrinsics(camera)
        listing.rows.append(Row(image, depth, UNITS_PER_METRE, fx_px, fy_px, cx_px, cy_px, part, drive))
    return listing


def listed_rows(root: Path, list_file: Path) -> Listing:
    """Training rows of a published list of pairs (see `lists.read_pairs`) below `root`; drive and camera are read off the names.

    Depth, and filled-in depth where the list names it, may lie below `data_depth_annotated`, as published lists have it.

    Raises:
        ReadError: The list or a calibration file cannot be read.
        ConfigError: A line names no picture of a drive.
    """
    calibrations: dict[str, Calibration] = {}
    listing, files = Listing([], []), Files()
    for name, *maps in read_pairs(list_file):
        match = _LISTED.search(name)
        if match is None:
            raise ConfigError(f"{list_file}: '{name}' is no picture of a drive; expected .../DRIVE_sync/image_02/data/NUMBER.png")
        drive, date, camera, number = match.groups()
        image = files.first(image_paths(root, drive, camera, int(number)))
        depth, *dense = [files.first([root / top / one for top in _TOPS]) for one in maps if one is not None]
        calibration = root / f"{date}/calib_cam_to_cam.txt"
        gone = next((path for path in (image, depth, *dense, calibration) if path not in files), None)
        if gone is not None:
            listing.missing.append(gone)
            continue
        if date not in calibrations:
            calibrations[date] = read_calibration(calibration)
        camera_px = calibrations[date].intrinsics(camera)
        listing.rows.append(
            Row(image, depth, UNITS_PER_METRE, *camera_px, "train", drive, dense_depth=dense[0] if dense else None)
        )
    return listing


def listed_frames(list_file: Path) -> frozenset[Frame]:
    """Frames that a list of pairs asks for.

    Raises:
        ReadError: The list cannot be read.
        ConfigError: It is not such a list.
    """
    found = (_LISTED.search(name) for name, _, _ in read_pairs(list_file))
    return frozenset((match[1], match[3], int(match[4])) for match in found if match)


def image_paths(root: Path, drive: str, camera: str, number: int) -> list[Path]:
    """Where the picture of a frame may be: as published, or turned into JPEG."""
    stem = f"{drive[:10]}/{drive}/{camera}/data/{number:010}"
    return [root / f"{stem}.png", root / f"{stem}.jpg"]


def annotated_paths(root: Path, drive: str, camera: str, number: int) -> list[Path]:
    """Where the annotated depth of a frame may be: a drive is in one of the official parts."""
    inside = f"{drive}/proj_depth/groundtruth/{camera}/{number:010}.png"
    return [root / f"{top}{part}/{inside}" for top in ("data_depth_annotated/", "") for part in ("train", "val")]


def lidar_depth_path(root: Path, drive: str, camera: str, number: int) -> Path:
    """The projected Velodyne sweep of a frame."""
    return root / f"{LIDAR_FOLDER}/{drive}/{camera}/{number:010}.png"


def velodyne_path(root: Path, drive: str, number: int) -> Path:
    """The Velodyne sweep of a frame."""
    return root / f"{drive[:10]}/{drive}/velodyne_points/data/{number:010}.bin"


_TOPS = ("", "data_depth_annotated", "data_depth_annotated/train", "data_depth_annotated/val", "train", "val")
"""What published lists leave out before the name of a depth map."""
_DRIVE = r"((\d{4}_\d\d_\d\d)_drive_\d{4}_sync)"
_IMAGE = re.compile(rf"(?:^|/){_DRIVE}/(image_0[23])/data/(\d{{10}})\.png$")
_LISTED = re.compile(rf"(?:^|/){_DRIVE}/(image_0[23])/data/(\d{{10}})\.(?:png|jpg)$")
_VELODYNE = re.compile(rf"(?:^|/){_DRIVE}/velodyne_points/data/(\d{{10}})\.bin$")
_ANNOTATED = re.compile(rf"(?:^|/)(train|val)/{_DRIVE}/proj_depth/groundtruth/(image_0[23])/(\d{{10}})\.png$")
_CALIBRATION = re.compile(r"(?:^|/)(\d{4}_\d\d_\d\d)/(calib_(?:cam_to_cam|velo_to_cam)\.txt)$")


def place_of(name: str, frames: frozenset[Frame], sweeps: frozenset[tuple[str, int]]) -> str | None:
    """Where a member of an official archive belongs below ROOT; `None` for what is not needed.

    Args:
        name: Its name in the archive.
        frames: Whose pictures and annotated depth are needed.
        sweeps: Drive and frame of the Velodyne sweeps that are needed.
    """
    if match := _IMAGE.search(name):
        drive, date, camera, number = match.groups()
        return f"{date}/{drive}/{camera}/data/{number}.png" if (drive, camera, int(number)) in frames else None
    if match := _ANNOTATED.search(name):
        part, drive, _, camera, number = match.groups()
        place = f"data_depth_annotated/{part}/{drive}/proj_depth/groundtruth/{camera}/{number}.png"
        return place if (drive, camera, int(number)) in frames else None
    if match := _VELODYNE.search(name):
        drive, date, number = match.groups()
        return f"{date}/{drive}/velodyne_points/data/{number}.bin" if (drive, int(number)) in sweeps else None
    if match := _CALIBRATION.search(name):
        return f"{match[1]}/{match[2]}"
    return None
