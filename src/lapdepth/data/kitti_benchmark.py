"""KITTI's benchmark of single-picture depth prediction: its validation selection, and submissions.

Layout of `data_depth_selection.zip`; all pictures are cut to 1216x352 and come with their own camera:

    ROOT/depth_selection/val_selection_cropped/image/2011_09_26_drive_0002_sync_image_0000000005_image_02.png            1000
    ROOT/depth_selection/val_selection_cropped/groundtruth_depth/..._sync_groundtruth_depth_0000000005_image_02.png
    ROOT/depth_selection/val_selection_cropped/intrinsics/..._sync_image_0000000005_image_02.txt     9 numbers, row by row
    ROOT/depth_selection/test_depth_prediction_anonymous/image/0000000000.png, intrinsics/0000000000.txt                  500

Depth: 16-bit PNG, metres = value / 256, 0 = not measured. A submission is a ZIP of 500 such PNG, named as the test pictures, with
a depth in every pixel; the server scores SILog and, in metres, the rest.

The validation selection is from drives of which the Eigen split trains on some: it is no test for a model trained on that split.

Source and licence of the data: see `kitti`.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.data.kitti import UNITS_PER_METRE
from lapdepth.data.lists import Files, Listing
from lapdepth.data.manifest import Row
from lapdepth.errors import InputError, ReadError
from lapdepth.imaging import ByteArray
from lapdepth.io.files import check_folder, read_bytes, write_bytes
from lapdepth.io.images import read_image

TEST_PICTURES = 500
SIZE = (352, 1216)
"""Height and width."""

_MEMBER = re.compile(
    r"(?:^|/)(depth_selection/(?:val_selection_cropped/(?:image|groundtruth_depth|intrinsics)"
    r"|test_depth_prediction_anonymous/(?:image|intrinsics))/\w+\.(?:png|txt))$"
)

Predict = Callable[[ByteArray, Intrinsics], FloatArray]
"""(352, 1216, 3) uint8 RGB and its camera to depth (352, 1216) in metres."""


def selection_rows(root: Path) -> Listing:
    """Rows of the validation selection, split `val`; a drive is a scene.

    Raises:
        ReadError: There are no pictures, or a camera cannot be read.
    """
    folder = root / "depth_selection" / "val_selection_cropped"
    files, listing = Files(), Listing([], [])
    for image in _pictures(folder):
        drive, _, rest = image.stem.partition("_image_")
        depth = folder / "groundtruth_depth" / f"{drive}_groundtruth_depth_{rest}.png"
        camera_file = folder / "intrinsics" / f"{image.stem}.txt"
        gone = next((path for path in (depth, camera_file) if path not in files), None)
        if gone is not None:
            listing.missing.append(gone)
            continue
        camera = read_camera(camera_file)
        numbers = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
        listing.rows.append(Row(image, depth, UNITS_PER_METRE, *numbers, "val", drive))
    return listing


def place_of(name: str) -> str | None:
    """Where a member of `data_depth_selection.zip` belongs below ROOT; `None` for the depth completion benchmark."""
    match = _MEMBER.search(name)
    return match[1] if match else None


def read_camera(path: Path) -> Intrinsics:
    """The camera of a picture of the selection.

    Raises:
        ReadError: Not nine numbers of a camera matrix.
    """
    text = read_bytes(path, "nine numbers of a camera").decode("ascii", "replace")
    try:
        fx_px, _, cx_px, _, fy_px, cy_px, _, _, _ = (float(word) for word in text.split())
        return Intrinsics(SIZE[1], SIZE[0], fx_px, fy_px, cx_px, cy_px)
    except ValueError:
        raise ReadError(f"{path} holds '{text[:80].strip()}'; expected the nine numbers of a camera matrix, row by row") from None


def write_submission(
    root: Path, predict: Predict, output: Path, watch: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Predict the test pictures and write the ZIP that the benchmark takes.

    Args:
        root: Folder that holds `depth_selection`.
        predict: The model.
        output: The ZIP; it appears when it is complete.
        watch: Called with the number of pictures done and of all.

    Returns:
        Number of pictures.

    Raises:
        ReadError: A picture or a camera is missing or of another size.
        InputError: `output` is not called `.zip`, or a prediction has another size or is not positive and finite.
        OutputError: The ZIP cannot be written.
    """
    if output.suffix.lower() != ".zip":
        raise InputError(f"cannot write {output}: a submission is a ZIP; expected a name that ends in .zip")
    check_folder(output)
    folder = root / "depth_selection" / "test_depth_prediction_anonymous"
    images = _pictures(folder)
    if len(images) != TEST_PICTURES:
        raise ReadError(
            f"{folder} has {len(images)} pictures, the benchmark {TEST_PICTURES}; unpack data_depth_selection.zip again"
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
        for done, image in enumerate(images, 1):
            rgb, camera = read_image(image).rgb, read_camera(folder / "intrinsics" / f"{image.stem}.txt")
            if rgb.shape[:2] != SIZE:
                raise ReadError(f"{image} is {rgb.shape[:2]}; the pictures of the benchmark are {SIZE}")
            archive.writestr(image.name, encode_depth(predict(rgb, camera), image.name))
            watch(done, len(images))
    write_bytes(output, packed.getvalue())
    return len(images)


def encode_depth(depth_m: FloatArray, name: str) -> bytes:
    """A 16-bit PNG as the benchmark takes it: every pixel has a depth, within what the codes 1 to 65535 hold.

    Args:
        depth_m: (352, 1216) float32 metres.
        name: For messages.

    Raises:
        InputError: Another size, or depth that is not positive and finite.
    """
    if depth_m.shape != SIZE:
        raise InputError(f"the prediction for {name} is {depth_m.shape}; the benchmark takes {SIZE}")
    if not (np.isfinite(depth_m).all() and (depth_m > 0).all()):
        raise InputError(
            f"the prediction for {name} has pixels that are not positive and finite; the benchmark takes a depth in each"
        )
    codes = np.clip(np.rint(depth_m.astype(np.float64) * UNITS_PER_METRE), 1, 65535).astype(np.uint16)
    _, data = cv2.imencode(".png", codes)
    return data.tobytes()


def _pictures(folder: Path) -> Sequence[Path]:
    found = sorted((folder / "image").glob("*.png"))
    if not found:
        raise ReadError(f"no pictures in {folder / 'image'}; unpack data_depth_selection.zip there")
    return found
