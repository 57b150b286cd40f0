"""Data sets listed in a CSV manifest.

Layout: a CSV with a header and one picture a row, paths relative to the CSV's folder:

    image, depth, units_per_metre, fx_px, fy_px, cx_px, cy_px, split[, scene, dense_depth, sky_code, ...]

`depth` is a 16- or 8-bit one-channel PNG at the picture's own size; metres = value / units_per_metre along the optical axis,
0 is not measured. An 8-bit code v stands for the values from v to v + 1, so half a code is added. `split` is any word, such
as train or test. `scene` groups pictures that must not be divided between training and test; without it, neighbours in the
list are taken to be of one room or drive. `dense_depth` is a second map in the same code whose holes were filled in, for the
published gradient loss; it is never scored. `sky_code`, from 1 to 65535, is a code of both maps that stands for sky, not for a
distance; it is given where the sky is known, as in rendered pictures.

`k1`, `k2`, `p1`, `p2` and `k3`, OpenCV's distortion of the lens, must be 0 or empty where they are given: whatever reads pictures
here takes them for those of a pinhole, and would learn or score wrong rays. Further columns are ignored.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.data.sample import Sample
from lapdepth.errors import ConfigError, OutputError, ReadError
from lapdepth.io.depth import read_codes
from lapdepth.io.files import write_bytes
from lapdepth.io.images import read_image

BoolArray = npt.NDArray[np.bool_]

COLUMNS = ("image", "depth", "units_per_metre", "fx_px", "fy_px", "cx_px", "cy_px", "split")
DISTORTION = ("k1", "k2", "p1", "p2", "k3")
MAX_ROWS = 2_000_000
UNNAMED_GAP = 10
"""Rows left out of training on either side of a held-out block where no `scene` says where a room ends."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a manifest, checked; `listed` is the picture's path as it stands there."""

    image: Path
    depth: Path
    units_per_metre: float
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    split: str
    scene: str
    dense_depth: Path | None = None
    sky_code: int | None = None
    listed: str = field(default="", compare=False)


def read_manifest(path: Path, split: str | None = None) -> list[Row]:
    """Rows of a manifest, of one split or all.

    Raises:
        ReadError: The file cannot be read.
        ConfigError: A column is missing, a number is not one, a lens distorts, no row is of that split, or there are more than
            `MAX_ROWS`.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
            if missing:
                raise ConfigError(f"{path} lacks the column {missing[0]}; a manifest has {', '.join(COLUMNS)}")
            rows = [_row(path, reader.line_num, line) for line in itertools.islice(reader, MAX_ROWS + 1)]
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is not a CSV text file: {error}") from None
    if len(rows) > MAX_ROWS:
        raise ConfigError(f"{path} has more than {MAX_ROWS:,} rows; divide it into several manifests")
    splits = sorted({row.split for row in rows})
    rows = [row for row in rows if split is None or row.split == split]
    if not splits:
        raise ConfigError(f"{path} has no rows below its header")
    if not rows:
        raise ConfigError(f"{path} has no row of split '{split}'; it has {', '.join(splits)}")
    return rows


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """Write rows so that `read_manifest` gives them back; the paths become relative to the CSV's folder.

    Raises:
        OutputError: The file cannot be written, or a name is not UTF-8; what was there stays.
    """
    dense, sky = any(row.dense_depth is not None for row in rows), any(row.sky_code is not None for row in rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, "scene", *(["dense_depth"] if dense else []), *(["sky_code"] if sky else [])))
    for row in rows:
        numbers = (f"{value:.10g}" for value in (row.units_per_metre, row.fx_px, row.fy_px, row.cx_px, row.cy_px))
        files = [_seen_from(path.parent, file) if file else "" for file in (row.image, row.depth, row.dense_depth)]
        code = "" if row.sky_code is None else row.sky_code
        writer.writerow((*files[:2], *numbers, row.split, row.scene, *(files[2:] if dense else []), *([code] if sky else [])))
    try:
        data = text.getvalue().encode()
    except UnicodeEncodeError as error:
        before, after = error.object[: error.start], error.object[error.start :]
        line = ascii(before.rpartition("\n")[2] + after.partition("\n")[0])
        raise OutputError(f"cannot write {path}: a name is not UTF-8 in the row {line}; rename the file") from None
    write_bytes(path, data)


def divide(rows: list[Row], fold: int, folds: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows held out: the `fold`-th of `folds` contiguous blocks of scenes.

    Rows without a scene are divided by their place in the list, and `UNNAMED_GAP` rows either side of the block are in neither
    part.

    Raises:
        ConfigError: `fold` is not below `folds`, or there are fewer scenes than folds.
    """
    if not 0 <= fold < folds:
        raise ConfigError(f"fold is {fold} of {folds}; folds count from 0 to {folds - 1}")
    scenes = list(dict.fromkeys(row.scene for row in rows))
    units = scenes if all(scenes) else [str(i) for i in range(len(rows))]
    if len(units) < folds:
        raise ConfigError(f"{len(units)} scenes cannot be divided into {folds} folds")
    first, last = len(units) * fold // folds, len(units) * (fold + 1) // folds
    if all(scenes):
        held_out = set(units[first:last])
        train, test = [row for row in rows if row.scene not in held_out], [row for row in rows if row.scene in held_out]
    else:
        test = rows[first:last]
        held_out = {row.scene for row in test if row.scene}
        train = [row for row in rows[: max(first - UNNAMED_GAP, 0)] + rows[last + UNNAMED_GAP :] if row.scene not in held_out]
    return train, test


def load_sample(row: Row) -> Sample:
    """Read picture and depth of a row.

    Raises:
        ReadError: A file cannot be read, or picture and depth differ in size.
    """
    image = read_image(row.image).rgb
    height, width = image.shape[:2]
    depth_m, sky = _read_of_size(row.depth, row, (height, width))
    dense_m = None if row.dense_depth is None else _read_of_size(row.dense_depth, row, (height, width))[0]
    camera = Intrinsics(width, height, row.fx_px, row.fy_px, row.cx_px, row.cy_px)
    scene = row.scene or row.listed or row.image.as_posix()  # a name alone may repeat in another folder
    return Sample(row.image.stem, scene, image, depth_m, camera, dense_m, sky)


def _seen_from(folder: Path, file: Path) -> str:
    """Path of a file relative to a folder. As it is told below the folder, else of the real folders: `..` leads out of those."""
    if file.is_relative_to(folder) and os.pardir not in file.relative_to(folder).parts:
        return file.relative_to(folder).as_posix()
    return Path(os.path.relpath(Path(os.path.realpath(file.parent), file.name), os.path.realpath(folder))).as_posix()


def read_depth(path: Path, units_per_metre: float, sky_code: int | None = None) -> FloatArray:
    """Measured depth (H, W) float32 in metres, 0 where there is none, as in the sky, of an 8- or 16-bit PNG.

    Raises:
        ReadError: The file cannot be read or is not a one-channel PNG.
    """
    return _depth_and_sky(path, units_per_metre, sky_code)[0]


def _depth_and_sky(path: Path, units_per_metre: float, sky_code: int | None) -> tuple[FloatArray, BoolArray | None]:
    codes = read_codes(path)
    half = 0.5 if codes.dtype == np.uint8 else 0.0
    sky = None if sky_code is None else np.asarray(codes == sky_code, np.bool_)
    measured = codes > 0 if sky is None else (codes > 0) & ~sky
    return np.where(measured, (codes + np.float32(half)) / np.float32(units_per_metre), np.float32(0)), sky


def _read_of_size(path: Path, row: Row, size: tuple[int, int]) -> tuple[FloatArray, BoolArray | None]:
    depth_m, sky = _depth_and_sky(path, row.units_per_metre, row.sky_code)
    if depth_m.shape != size:
        raise ReadError(f"{path} is {depth_m.shape}, its picture {size}; they must be of one size")
    return depth_m, sky


def _row(path: Path, line: int, cells: dict[str, str]) -> Row:
    try:
        numbers = [float(cells[column]) for column in COLUMNS[2:7]]
        sky_code = float(code) if (code := cells.get("sky_code")) else None
        distortion = {name: float(cells.get(name) or 0) for name in DISTORTION}
    except (TypeError, ValueError):
        names = "units_per_metre, fx_px, fy_px, cx_px, cy_px, sky_code and the distortion k1 to k3"
        raise ConfigError(f"{path}:{line}: {names} must be numbers") from None
    if any(distortion.values()):
        got = ", ".join(f"{name} {value:g}" for name, value in distortion.items() if value)
        raise ConfigError(
            f"{path}:{line}: the lens distorts ({got}); expected the picture of a pinhole. Undistort pictures and depth, "
            "or render without camera.distortion"
        )
    wrong = [
        f"{name} {number:g}"
        for name, number in zip(COLUMNS[2:7], numbers, strict=True)
        if not math.isfinite(number) or (number <= 0 and name not in ("cx_px", "cy_px"))
    ]
    if wrong:
        raise ConfigError(
            f"{path}:{line}: {', '.join(wrong)}; units_per_metre, fx_px and fy_px must be positive and finite, "
            "cx_px and cy_px finite"
        )
    if sky_code is not None and not (1 <= sky_code <= 65535 and sky_code.is_integer()):
        raise ConfigError(f"{path}:{line}: sky_code is {code}; expected a code of the depth map, from 1 to 65535, or nothing")
    if not cells["image"] or not cells["depth"]:
        raise ConfigError(f"{path}:{line}: image and depth must name files")
    folder = path.parent
    return Row(
        folder / cells["image"],
        folder / cells["depth"],
        units_per_metre=numbers[0],
        fx_px=numbers[1],
        fy_px=numbers[2],
        cx_px=numbers[3],
        cy_px=numbers[4],
        split=cells["split"] or "",
        scene=cells.get("scene") or "",
        dense_depth=folder / dense if (dense := cells.get("dense_depth")) else None,
        sky_code=None if sky_code is None else int(sky_code),
        listed=cells["image"],
    )
