"""Results of many pictures in one folder: which files, and under which names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lapdepth.errors import InputError, OutputError
from lapdepth.inference.result import DepthResult
from lapdepth.io.color import color_range, colorize, compare, write_picture

FORMATS = ("png16", "npz", "exr", "ply", "color", "compare")


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


def output_names(paths: Sequence[Path]) -> list[Path]:
    """A name without suffix for each picture: its path below the folder that all share.

    Where two pictures differ only in their suffix, the suffix joins the name: `a.jpg` and `a.png` become `a_jpg` and `a_png`.
    """
    if not paths:
        return []
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - Path.absolute keeps ".."
    shared = Path(os.path.commonpath([path.parent for path in absolute]))
    names = [path.relative_to(shared).with_suffix("") for path in absolute]
    count = Counter(names)
    return [
        name.with_name(f"{name.name}_{path.suffix[1:]}") if count[name] > 1 else name
        for name, path in zip(names, absolute, strict=True)
    ]


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
    for name, suffix in (("npz", "_depth.npz"), ("exr", "_depth.exr"), ("png16", "_depth.png"), ("ply", ".ply")):
        if name in formats:
            result.save(_beside(stem, suffix), png_scale)
    if "color" in formats or "compare" in formats:
        near_m, far_m = color_range(result.depth_m, result.valid, near_m, far_m)
        colored = colorize(result.depth_m, result.valid, near_m, far_m)
        if "color" in formats:
            write_picture(_beside(stem, "_color.png"), colored)
        if "compare" in formats:
            write_picture(_beside(stem, "_compare.png"), compare(result.image, colored, near_m, far_m))
    result.save(_beside(stem, ".json"))


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)
