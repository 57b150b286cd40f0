"""NYU Depth V2: the official labelled file, and lists of synchronised raw frames.

Labelled set, as downloaded: `nyu_depth_v2_labeled.mat`, 2.8 GB, MATLAB 7.3, that is HDF5, whose arrays are transposed: `images`
(1449, 3, 640, 480) uint8, `depths` (holes filled in) and `rawDepths` (1449, 640, 480) float32 in metres, `scenes` (1, 1449)
references to text. `prepare_labeled` makes of it, NNNNN counting from 0:

    ROOT/labeled/rgb/NNNNN.png           colour; the outer 8 pixels or so are white
    ROOT/labeled/depth_raw/NNNNN.png     16-bit, millimetres, 0 = not measured: what tests score
    ROOT/labeled/depth_filled/NNNNN.png  16-bit, millimetres: for the gradient loss

Split: the official 654 for test, the other 795 for training.

Synchronised raw frames (`sync.zip` of the published training lists):

    ROOT/sync/kitchen_0028b/rgb_00045.jpg, sync_depth_00045.png       16-bit, millimetres

Camera: the colour camera of the toolbox, at 640x480, for both.

Source: https://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html (Silberman et al. 2012). Licence of the data: none is stated;
published for research. Nothing of it is shipped but the lists.

The only file that imports h5py. Legend: H 480, W 640.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lapdepth.camera import FloatArray
from lapdepth.data.lists import Files, Listing, read_list
from lapdepth.data.manifest import Row
from lapdepth.errors import MissingExtraError, OutputError, ReadError
from lapdepth.imaging import ByteArray
from lapdepth.io.color import write_picture
from lapdepth.io.depth import write_png16

UNITS_PER_METRE = 1000.0
CAMERA = (518.8579, 519.4696, 325.5824, 253.7362)
"""fx, fy, cx, cy in pixels."""
PICTURES = 1449
MAX_DEPTH_M = 20.0
"""The sensor ends at 10 m: more is a damaged file, or one that is not in metres."""
MAX_CHUNK_BYTES, MAX_SCENE = 2**28, 200
"""Largest piece in which an array may be compressed, and longest name of a scene."""

_HEIGHT, _WIDTH = 480, 640
_SYNC = re.compile(r"(?:^|/)(\w+)/((?:rgb|sync_depth)_(\d{5})\.(?:jpg|png))$")


def sync_rows(root: Path) -> Listing:
    """Rows of the 24,231 synchronised frames, split `train`, as far as they are below `root`."""
    files, listing = Files(), Listing([], [])
    for scene, numbers in read_list("nyu_train").items():
        folder = root / "sync" / scene
        for number in numbers:
            image, depth = folder / f"rgb_{number:05}.jpg", folder / f"sync_depth_{number:05}.png"
            gone = next((path for path in (image, depth) if path not in files), None)
            if gone is None:
                listing.rows.append(Row(image, depth, UNITS_PER_METRE, *CAMERA, "train", scene))
            else:
                listing.missing.append(gone)
    return listing


def sync_place_of(name: str, frames: frozenset[tuple[str, int]]) -> str | None:
    """Where a member of `sync.zip` belongs below ROOT; `None` for frames (scene, number) that are not in `frames`."""
    match = _SYNC.search(name)
    return f"sync/{match[1]}/{match[2]}" if match and (match[1], int(match[3])) in frames else None


def prepare_labeled(mat: Path, root: Path, watch: Callable[[int, int], None] = lambda done, total: None) -> list[Row]:
    """Unpack the labelled file; pictures that are there already are left alone, so that an interrupted run goes on.

    Args:
        mat: `nyu_depth_v2_labeled.mat`.
        root: ROOT; `labeled/` is made in it.
        watch: Called with the number of pictures done and of all.

    Returns:
        Rows of the official splits `train` and `test`; the truth is the raw depth, the filled one is `dense_depth`.

    Raises:
        MissingExtraError: h5py is not installed.
        ReadError: Not that file, or damaged.
        OutputError: A file cannot be written.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("reading the labelled file of NYU Depth V2", "hdf5") from None
    folder = root / "labeled"
    try:
        for name in ("rgb", "depth_raw", "depth_filled"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make a folder in {folder}: {error.strerror}") from None
    test = {number for numbers in read_list("nyu_test").values() for number in numbers}
    rows: list[Row] = []
    try:
        with h5py.File(mat, "r") as file:
            _check_arrays(mat, file)
            for i in range(PICTURES):
                paths = [folder / name / f"{i:05}.png" for name in ("rgb", "depth_raw", "depth_filled")]
                if not all(path.is_file() for path in paths):
                    # MATLAB writes columns first: (3, W, H) and (W, H) as HDF5 sees them.
                    rgb: ByteArray = np.ascontiguousarray(file["images"][i].transpose(2, 1, 0))
                    write_picture(paths[0], rgb)
                    for path, array in zip(paths[1:], ("rawDepths", "depths"), strict=True):
                        _write_depth(path, np.ascontiguousarray(file[array][i].T), f"{mat}: {array}, picture {i}")
                scene = _scene(mat, file, i)
                rows.append(Row(paths[0], paths[1], UNITS_PER_METRE, *CAMERA, "test" if i in test else "train", scene, paths[2]))
                watch(i + 1, PICTURES)
    except (ReadError, OutputError):
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, OverflowError) as error:
        # What h5py makes of a damaged file, and chr of a code that is too large.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReadError(f"cannot read {mat}: {reason}; expected nyu_depth_v2_labeled.mat, whole. Download it again") from None
    return rows


def _check_arrays(mat: Path, file: Any) -> None:
    plane = (_WIDTH, _HEIGHT)
    wanted = {
        "images": ((PICTURES, 3, *plane), np.uint8),
        "depths": ((PICTURES, *plane), np.float32),
        "rawDepths": ((PICTURES, *plane), np.float32),
        "scenes": ((1, PICTURES), object),
    }
    for name, (shape, kind) in wanted.items():
        # What lies in another file, or is put together of others, would bring that file's bytes into the pictures.
        link = file.get(name, getlink=True)
        if link is not None and not (type(link).__name__ == "HardLink" and _is_plain(file[name])):
            raise ReadError(
                f"{mat} is refused: {name} does not lie in the file itself in usual pieces; download it again from its source"
            )
        if name not in file or file[name].shape != shape or file[name].dtype != kind:
            got = f"{file[name].dtype} {file[name].shape}" if name in file else "no such array"
            raise ReadError(f"{mat}: {name}: {got}; expected {np.dtype(kind)} {shape}, as in nyu_depth_v2_labeled.mat")


def _is_plain(array: Any) -> bool:
    """Whether the values of a dataset lie in its own file, in pieces that a computer can hold."""
    if array.external or array.is_virtual:
        return False
    return array.chunks is None or math.prod(array.chunks) * array.dtype.itemsize <= MAX_CHUNK_BYTES


def _scene(mat: Path, file: Any, i: int) -> str:
    """Name of a picture's scene: MATLAB keeps it as codes of characters behind a reference."""
    reference = file["scenes"][0, i]
    if isinstance(reference, (str, bytes)):  # text would be a path, which may lead into another file
        raise ReadError(f"{mat} is refused: the scene of picture {i} is no reference; download it again from its source")
    codes = file[reference]
    if codes.size > MAX_SCENE or not _is_plain(codes):
        raise ReadError(f"{mat} is refused: the scene of picture {i} is a name of {codes.size} characters")
    scene = "".join(map(chr, codes[()].ravel()))
    if not scene.isprintable():
        raise ReadError(f"{mat} is refused: the scene of picture {i} is {scene!r}")
    return scene


def _write_depth(path: Path, depth_m: FloatArray, what: str) -> None:
    measured = np.isfinite(depth_m) & (depth_m * UNITS_PER_METRE >= 0.5)
    if measured.any() and depth_m[measured].max() > MAX_DEPTH_M:
        raise ReadError(f"{what}: depth up to {depth_m[measured].max():g} m; expected metres, up to {MAX_DEPTH_M:g}")
    write_png16(path, depth_m, measured, UNITS_PER_METRE)
