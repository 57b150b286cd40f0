"""Results of many pictures in one folder: which files, and under which names."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.errors import InputError, OutputError
from lapdepth.inference.result import DepthResult
from lapdepth.io.color import color_range, colorize, compare, write_picture

FORMATS = {
    "png16": "_depth.png",
    "npz": "_depth.npz",
    "exr": "_depth.exr",
    "ply": ".ply",
    "color": "_color.png",
    "compare": "_compare.png",
}
"""What a picture's name gets in each format. The first four are written by `DepthResult.save`."""

METADATA = ".json"


def parse_formats(text: str) -> list[str]:
    """Names of formats, comma-separated, each once.

    Raises:
        InputError: A name is unknown, or there is none.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise InputError(f"format '{unknown[0] if unknown else text}' is unknown; choose of {', '.join(FORMATS)}")
    return names


def check_options(
    focal_px: float | None, fov_deg: float | None, png_scale: float, near_m: float | None, far_m: float | None
) -> None:
    """Raise `InputError` for options that no picture could be predicted with, before the first one is."""
    if focal_px is not None and fov_deg is not None:
        raise InputError("both focal_px and fov_deg are given; give one of them")
    if focal_px is not None:
        Intrinsics.from_focal(1, 1, focal_px)
    if fov_deg is not None:
        Intrinsics.from_fov(1, 1, fov_deg)
    if not (math.isfinite(png_scale) and png_scale > 0):
        raise InputError(f"png_scale is {png_scale}; expected a positive number of codes for one metre")
    one = np.ones((1, 1), np.float32)
    color_range(one, one > 0, near_m, far_m)


def output_names(paths: Sequence[Path]) -> list[Path]:
    """A name without suffix for each picture: its path below the folder that all share.

    Where two pictures differ only in their suffix, the suffix joins the name: `a.jpg` and `a.png` become `a_jpg` and `a_png`.
    """
    if not paths:
        return []
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - Path.absolute keeps ".."
    shared = Path(os.path.commonpath([path.parent for path in absolute]))
    plain = [path.relative_to(shared).with_suffix("") for path in absolute]
    full = [name.with_name(f"{name.name}_{path.suffix[1:]}") for name, path in zip(plain, absolute, strict=True)]
    names = plain
    while True:  # once more where `a_jpg.png` stands beside `a.jpg` and `a.png`
        count = Counter(names)
        longer = [whole if count[name] > 1 else name for name, whole in zip(names, full, strict=True)]
        if longer == names:
            return names
        names = longer


def write_result(
    result: DepthResult,
    stem: Path,
    formats: Sequence[str],
    png_scale: float = 256.0,
    near_m: float | None = None,
    far_m: float | None = None,
) -> None:
    """Write a result in each of the formats, and its metadata beside them as JSON.

    Args:
        result: What to write.
        stem: Path without suffix; its folder is made.
        formats: Of `FORMATS`.
        png_scale: Codes for one metre in the 16-bit PNG.
        near_m: Depth of the warmest colour; `None` takes it from the picture.
        far_m: Depth of the coldest colour.

    Raises:
        InputError: Depth does not fit the PNG's 16 bits.
        OutputError: A file cannot be written.
    """
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {stem.parent}: {error.strerror}") from None
    files = result_files(stem, formats)
    for name in ("npz", "exr", "png16", "ply"):  # a depth too far for a PNG must not cost the others
        if name in files:
            result.save(files[name], png_scale)
    if "color" in files or "compare" in files:
        near_m, far_m = color_range(result.depth_m, result.valid, near_m, far_m)
        colored = colorize(result.depth_m, result.valid, near_m, far_m)
        if "color" in files:
            write_picture(files["color"], colored)
        if "compare" in files:
            write_picture(files["compare"], compare(result.image, colored, near_m, far_m))
    result.save(files["metadata"])


def result_files(stem: Path, formats: Sequence[str]) -> dict[str, Path]:
    """The files that `write_result` writes, by format, and `metadata`."""
    files = {name: stem.with_name(stem.name + FORMATS[name]) for name in formats}
    return {**files, "metadata": stem.with_name(stem.name + METADATA)}


def check_not_overwriting(paths: Sequence[Path], stems: Sequence[Path], formats: Sequence[str]) -> None:
    """Raise `InputError` where a result would replace one of the pictures it is made from."""
    pictures = {os.path.realpath(path) for path in paths}
    for stem in stems:
        for file in result_files(stem, formats).values():
            if os.path.realpath(file) in pictures:
                raise InputError(f"{file} is one of the inputs and would be overwritten; choose another --output")
