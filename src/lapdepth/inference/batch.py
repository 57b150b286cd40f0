"""Results of many pictures in one folder: which files, and under which names."""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.errors import InputError, LapDepthError, MissingExtraError, OutputError, ReadError
from lapdepth.imaging import ByteArray
from lapdepth.inference.result import DepthResult, SkyAs
from lapdepth.io.color import color_codes, color_range, compare, paint, write_codes, write_picture
from lapdepth.io.files import read_bytes, write_json

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


def check_extras(formats: Sequence[str]) -> None:
    """Raise `MissingExtraError` where a format needs an optional dependency that is not installed."""
    if "exr" in formats and importlib.util.find_spec("OpenEXR") is None:
        raise MissingExtraError("format exr", "exr")


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

    A format that fails does not cost the others: all are tried, then the first error is raised.

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
    make_folder(stem.parent)
    files = result_files(stem, formats)
    earlier = _read_sidecar(files["metadata"])
    if earlier:
        # A kill from here on must not leave a sidecar that tells of files as they were.
        write_json(
            files["metadata"], {**earlier, **_notes_on_files(stem, [], earlier, set(earlier["formats"]) - set(formats), None)}
        )
    errors: list[LapDepthError | MemoryError] = []
    written: list[str] = []

    @cache
    def colors() -> tuple[ByteArray, float, float]:
        nearest_m, farthest_m = color_range(result.depth_m, result.valid, near_m, far_m)
        return color_codes(result.depth_m, result.valid, nearest_m, farthest_m), nearest_m, farthest_m

    for name in formats:
        try:
            if name == "color":
                write_codes(files[name], colors()[0])
            elif name == "compare":
                codes, *ends_m = colors()
                write_picture(files[name], compare(result.image, paint(codes), *ends_m))
            else:
                result.save(files[name], png_scale)
            written.append(name)
        except (LapDepthError, MemoryError) as error:
            errors.append(error)
    if written:
        settings = result.metadata()
        alike = all(earlier.get(name) == value for name, value in settings.items() if name != "predicted_at")
        kept = set(earlier["formats"]) - set(formats) if earlier and alike else set[str]()
        write_json(files["metadata"], {**settings, **_notes_on_files(stem, written, earlier, kept, png_scale)})
    if errors:
        raise errors[0]


def _notes_on_files(
    stem: Path, written: Sequence[str], earlier: Mapping[str, Any], kept: Set[str], png_scale: float | None
) -> dict[str, list[str] | float | None]:
    """Which formats beside the sidecar it tells of, `other_formats` that lie there as well, and the scale of the PNG.

    Args:
        stem: Path without suffix.
        written: Formats of this run.
        earlier: The sidecar of the run before, if any.
        kept: Formats of that run which the new sidecar tells of too, since all its settings were the same.
        png_scale: Codes for one metre of this run.
    """
    files = result_files(stem, list(FORMATS))
    there = [name for name in FORMATS if name in written or (name in listed(earlier) and files[name].exists())]
    told = [name for name in there if name in written or name in kept]
    old_scale = earlier.get("png_units_per_metre") if "png16" in told else None
    return {
        "formats": told,
        "other_formats": [name for name in there if name not in told],
        "png_units_per_metre": png_scale if "png16" in written else old_scale,
    }


def listed(notes: Mapping[str, Any]) -> set[str]:
    """Every format that a sidecar says lies beside it."""
    return {*notes.get("formats", []), *notes.get("other_formats", [])}


def _read_sidecar(path: Path) -> dict[str, Any]:
    """What `write_result` wrote; nothing if the file is missing or another program's."""
    try:
        return parse_sidecar(read_bytes(path, "a sidecar"))
    except ReadError:
        return {}


def parse_sidecar(data: bytes) -> dict[str, Any]:
    """What a file that `write_result` wrote says; nothing if it is damaged or another program's."""
    try:
        notes = json.loads(data)
        json.dumps(notes, allow_nan=False)  # what could not be written again is none of ours
    except (ValueError, RecursionError):
        return {}
    if not isinstance(notes, dict) or "predicted_at" not in notes or "formats" not in notes:
        return {}
    lists, scale = (notes["formats"], notes.get("other_formats", [])), notes.get("png_units_per_metre")
    sound = all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists)
    sound &= scale is None or isinstance(scale, int | float)
    return notes if sound else {}


def is_done(stem: Path, formats: Sequence[str], image: str, model: str, png_scale: float = 256.0, sky: SkyAs = "invalid") -> bool:
    """Whether all results of a picture are there, as an earlier run with the same model left them.

    Args:
        stem: Path without suffix of the results.
        formats: Wanted, of `FORMATS`.
        image: Name of the picture, as given to that run.
        model: Name in the model's configuration.
        png_scale: Codes for one metre in the 16-bit PNG.
        sky: What sky is in the map.
    """
    files = result_files(stem, formats)
    notes = _read_sidecar(files.pop("metadata"))
    return covers(notes, formats, image, model, png_scale, sky) and all(file.is_file() for file in files.values())


def covers(
    notes: Mapping[str, Any],
    formats: Sequence[str],
    image: str,
    model: str,
    png_scale: float = 256.0,
    sky: SkyAs = "invalid",
) -> bool:
    """Whether a sidecar tells of these results; the rest of its settings are not compared."""
    same = (notes.get("image"), notes.get("model"), notes.get("sky")) == (image, model, sky)
    return (
        same
        and set(formats) <= set(notes.get("formats", []))
        and ("png16" not in formats or notes.get("png_units_per_metre") == png_scale)
    )


def is_earlier_result(output: Path, top: Path, path: Path) -> bool:
    """Whether a picture found in a folder is what an earlier run left there, so that it is not to be predicted.

    Below `output` that is every picture if `output` is a sub-folder of the one searched. If it is the one searched, or holds
    it, pictures and results lie side by side: then results are those that a sidecar of ours lists.

    Args:
        output: Folder of the results.
        top: The folder searched.
        path: The picture.
    """
    target, start, folder = (Path(os.path.realpath(name)) for name in (output, top, path.parent))
    if not folder.is_relative_to(target):
        return False
    return (start in target.parents) or any(
        path.name.endswith(suffix) and name in listed(_read_sidecar(path.with_name(path.name.removesuffix(suffix) + METADATA)))
        for name, suffix in FORMATS.items()
    )


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, or raise `OutputError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from None


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
