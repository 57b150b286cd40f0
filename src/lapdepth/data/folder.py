"""One's own pictures with depth: a folder of pictures beside a folder of depth maps, or a list of pairs.

Layout; the part below `rgb/` and `depth/` must be the same, and a folder there is a scene:

    ROOT/rgb/kitchen/0001.jpg
    ROOT/depth/kitchen/0001.png      one-channel PNG of 8 or 16 bits, metres = value / units_per_metre, 0 = not measured

Coding, source and licence are the owner's to know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lapdepth.data.lists import Files, Listing, read_pairs
from lapdepth.data.manifest import Row
from lapdepth.errors import InputError, ReadError
from lapdepth.io.files import expand_inputs


@dataclass(frozen=True, slots=True)
class Recording:
    """What the files themselves do not tell.

    Attributes:
        units_per_metre: Codes of the depth maps for one metre: 1000 for millimetres, 256 for KITTI's.
        focal_px: Horizontal and vertical focal length in pixels.
        center_px: Column and row of the principal point; `None` is the middle of each picture.
        split: What the rows are for.
    """

    units_per_metre: float
    focal_px: tuple[float, float]
    center_px: tuple[float, float] | None = None
    split: str = "train"

    def __post_init__(self) -> None:
        """Check what a manifest would be refused for.

        Raises:
            InputError: A number is not finite, or a unit or focal length not positive.
        """
        if not 0 < self.units_per_metre < math.inf:
            raise InputError(
                f"the depth maps have {self.units_per_metre:g} codes a metre; expected a positive number, such as 1000"
            )
        if not all(0 < focal_px < math.inf for focal_px in self.focal_px):
            raise InputError(f"the focal length is {self.focal_px} pixels; expected positive numbers")
        if not all(map(math.isfinite, self.center_px or ())):
            raise InputError(f"the principal point is {self.center_px}; expected a column and a row in pixels")


def folder_rows(root: Path, recording: Recording) -> Listing:
    """Rows of the pictures in `root/rgb` whose depth is in `root/depth`.

    Raises:
        ReadError: There is no picture.
    """
    pictures, errors = expand_inputs([f"{root / 'rgb'}/"])
    if errors:
        raise errors[0]
    places = [path.relative_to(root / "rgb") for path in pictures]
    return _rows(root, [(Path("rgb", place), Path("depth", place).with_suffix(".png"), None) for place in places], recording)


def list_rows(list_file: Path, root: Path, recording: Recording) -> Listing:
    """Rows of a list of pairs (see `lists.read_pairs`) of files below `root`; the picture's folder is the scene.

    Raises:
        ReadError: The list cannot be read.
        ConfigError: It is not such a list.
    """
    pairs = [(Path(image), Path(depth), Path(dense) if dense else None) for image, depth, dense in read_pairs(list_file)]
    return _rows(root, pairs, recording)


def _rows(root: Path, pairs: list[tuple[Path, Path, Path | None]], recording: Recording) -> Listing:
    files, listing = Files(), Listing([], [])
    for image, depth, dense in pairs:
        gone = next((root / path for path in (image, depth, dense) if path is not None and root / path not in files), None)
        if gone is not None:
            listing.missing.append(gone)
            continue
        cx_px, cy_px = recording.center_px or _center(root / depth)
        scene = image.parent.relative_to("rgb") if image.is_relative_to("rgb") else image.parent
        listing.rows.append(
            Row(
                root / image,
                root / depth,
                recording.units_per_metre,
                *recording.focal_px,
                cx_px,
                cy_px,
                recording.split,
                "" if scene == Path() else scene.as_posix(),
                None if dense is None else root / dense,
            )
        )
    return listing


def _center(depth: Path) -> tuple[float, float]:
    """Middle of a depth map, by its header: it must be of the picture's size."""
    try:
        with Image.open(depth, formats=("PNG",)) as header:
            return (header.width - 1) / 2, (header.height - 1) / 2
    except Exception as error:  # decoders raise anything on hostile bytes
        raise ReadError(f"cannot read {depth}: it is not a PNG; expected a one-channel PNG of 8 or 16 bits") from error
