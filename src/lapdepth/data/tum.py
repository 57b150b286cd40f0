"""TUM RGB-D: sequences of a hand-held Kinect or Xtion.

Layout, as the archives unpack:

    ROOT/rgbd_dataset_freiburg1_desk/rgb.txt, depth.txt              lines `SECONDS rgb/SECONDS.png`; `#` begins a comment
    ROOT/rgbd_dataset_freiburg1_desk/rgb/1305031452.791720.png       640x480 colour
    ROOT/rgbd_dataset_freiburg1_desk/depth/1305031453.374112.png     16-bit PNG, metres = value / 5000, 0 = not measured

Colour and depth have clocks of their own: a picture goes with the depth nearest in time, within 20 ms, each used once. Depth is
registered to colour, and the factor 5000 holds for all sequences (the sensors' own scale is corrected in the files).

Camera: the calibration that the data set publishes for each of its three sensors. Lens distortion is not removed; it moves
pixels at the corners of freiburg1 and freiburg2 by some pixels.

There is no official split: every sequence is a scene, and the caller names those for test. Sequences of one number were taken
in one room, so that `data check` may find pictures of both parts alike.

Source: https://cvg.cit.tum.de/data/datasets/rgbd-dataset (Sturm et al. 2012). Licence of the data: CC BY 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lapdepth.data.lists import Files, Listing
from lapdepth.data.manifest import Row
from lapdepth.errors import ConfigError, ReadError
from lapdepth.io.files import read_bytes

UNITS_PER_METRE = 5000.0
MAX_DIFFERENCE_S = 0.02
CAMERAS = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
"""fx, fy, cx, cy in pixels, by the sensor in the sequence's name."""

Times = npt.NDArray[np.float64]

_LINE = re.compile(r"(\d+(?:\.\d+)?)\s+((?:rgb|depth)/[\w.-]+\.png)")
_MEMBER = re.compile(r"(?:^|/)(rgbd_dataset_(?:freiburg[123])_\w+)/(rgb\.txt|depth\.txt|(?:rgb|depth)/[\d.]+\.png)$")


def tum_rows(root: Path, test: Collection[str] = ()) -> Listing:
    """Rows of all sequences in `root`.

    Args:
        root: Folder of the sequences.
        test: Names of the sequences of the split `test`; the others are `train`.

    Raises:
        ReadError: There is no sequence, or a list of files cannot be read.
        ConfigError: `test` names a sequence that is not there, or a sequence is of an unknown sensor.
    """
    folders = sorted(path.parent for path in root.glob("rgbd_dataset_*/rgb.txt"))
    if not folders:
        raise ReadError(f"no sequence in {root}; expected folders such as rgbd_dataset_freiburg1_desk with rgb.txt inside")
    unknown = set(test) - {folder.name for folder in folders}
    if unknown:
        raise ConfigError(f"no sequence {min(unknown)} in {root}; there are {', '.join(folder.name for folder in folders)}")
    files, listing = Files(), Listing([], [])
    for folder in folders:
        sensor = folder.name.split("_")[2]
        if sensor not in CAMERAS:
            raise ConfigError(f"{folder.name}: the camera of '{sensor}' is unknown; known are {', '.join(CAMERAS)}")
        images, depths = read_times(folder / "rgb.txt"), read_times(folder / "depth.txt")
        pairs = associate(np.array(list(images)), np.array(list(depths)))
        image_names, depth_names = list(images.values()), list(depths.values())
        for i, j in pairs:
            image, depth = folder / image_names[i], folder / depth_names[j]
            gone = next((path for path in (image, depth) if path not in files), None)
            if gone is None:
                split = "test" if folder.name in test else "train"
                listing.rows.append(Row(image, depth, UNITS_PER_METRE, *CAMERAS[sensor], split, folder.name))
            else:
                listing.missing.append(gone)
    return listing


def read_times(path: Path) -> dict[float, str]:
    """Files by time in seconds, in the order of `rgb.txt` or `depth.txt`.

    Raises:
        ReadError: The list cannot be read, or a line is not a time and a PNG in `rgb/` or `depth/`.
    """
    found: dict[float, str] = {}
    for number, line in enumerate(read_bytes(path, "a list of times and files").decode("utf-8", "replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ReadError(
                f"{path}:{number}: '{line[:80]}'; expected a time in seconds and a file such as rgb/1305031452.79.png"
            )
        found[float(match[1])] = match[2]
    return found


def associate(images_s: Times, depths_s: Times, max_difference_s: float = MAX_DIFFERENCE_S) -> list[tuple[int, int]]:
    """Pairs (picture, depth) of indices, the closest in time first, each used once; in the order of the pictures.

    Args:
        images_s: (N,) times in seconds.
        depths_s: (M,) times in seconds.
        max_difference_s: Farther apart is no pair.

    Example:
        >>> associate(np.array([0.0, 1.0]), np.array([0.99, 0.015, 1.005]))
        [(0, 1), (1, 2)]
    """
    order = np.argsort(depths_s, kind="stable")
    ordered_s = depths_s[order]
    close: list[tuple[float, int, int]] = []
    for i, time_s in enumerate(images_s):
        first, last = np.searchsorted(ordered_s, (time_s - max_difference_s, time_s + max_difference_s), side="left")
        close += [(abs(float(time_s - depths_s[j])), i, int(j)) for j in order[first:last]]
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in sorted(close):
        if i not in pairs and j not in used:
            pairs[i] = j
            used.add(j)
    return sorted(pairs.items())


def place_of(name: str) -> str | None:
    """Where a member of an official archive belongs below ROOT; `None` for trajectories and accelerometer."""
    match = _MEMBER.search(name)
    return f"{match[1]}/{match[2]}" if match else None
