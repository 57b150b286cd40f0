"""What is wrong with a manifest's files, found before a training run finds it.

Every row is read as training reads it. What is looked for: files that are missing or unreadable, sizes that differ, depth
without measurements, a unit or a camera that can hardly be right, pictures listed twice, and pictures or scenes that are in more
than one split. The splits of two manifests are two, also where they have one name.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lapdepth.camera import FloatArray
from lapdepth.data.likeness import BITS, Hashes, find_alike, picture_hash
from lapdepth.data.manifest import Row, load_sample, read_depth
from lapdepth.errors import LapDepthError
from lapdepth.imaging import ByteArray
from lapdepth.io.images import read_image

MIN_MEDIAN_M, MAX_MEDIAN_M = 0.1, 150.0
"""Where the middle of a measured depth map may lie."""
MIN_MEASURED = 1e-4
"""Least share of pixels with depth; a single LiDAR sweep has 5 %."""
MAX_SATURATED = 0.01
"""Largest share of pixels with the highest code, which some sensors write for "not measured"."""
FOCAL_SHARES = (0.2, 10.0)
"""Least and largest focal length as a share of the picture's width: 136 and 6 degrees of view."""
MAX_OFF_CENTER = 0.25
"""How far the principal point may lie from the middle, as a share of the picture's width and height."""
MAX_DENSE_RATIO = 1.25
"""How far the median of filled-in depth over measured depth may be from 1."""
COMPARED, MIN_COMPARED = 16, 8
"""Pictures of each unit whose depth is compared with what a network expects, and the fewest that tell something."""
MAX_EXPECTED, MOSTLY = 2.0, 1.5
"""Factor between them that makes the unit suspect, in the median, and in three of four pictures. The network of the package is
seldom off by half, and the usual units, 256, 1000 and 5000 a metre, are a factor of 4 to 20 apart."""
USUAL_UNITS = (1.0, 100.0, 256.0, 1000.0, 5000.0)
"""Units per metre of known data sets: metres, centimetres, KITTI, millimetres, TUM."""

Expect = Callable[[ByteArray, float], FloatArray]
"""(H, W, 3) uint8 RGB and its focal length in pixels to the depth (H, W) in metres that it looks to have."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        row: Index of the row, from 0.
        place: What to call the row in messages, such as `row 3`.
        image: Its picture.
        kind: `missing`, `unreadable`, `size`, `empty`, `unit`, `camera`, `duplicate` or `leak`.
        text: What was found, what was expected.
    """

    row: int
    place: str
    image: Path
    kind: str
    text: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.place}: {self.image}: {self.kind}: {self.text}"


_Part = tuple[int, str]
"""Number of a manifest, and one of its splits."""
_Found = list[tuple[int, str, str]]
"""Index of a row, kind and text of its problem."""


@dataclass(frozen=True, slots=True)
class _Seen:
    found: list[tuple[str, str]]
    digest: bytes
    likeness: Hashes


def check_rows(
    rows: Sequence[Row],
    places: Sequence[str] | None = None,
    watch: Callable[[int, int], None] = lambda done, total: None,
    jobs: int = 0,
    expect: Expect | None = None,
    manifests: Sequence[int] | None = None,
) -> list[Problem]:
    """All problems of the rows of one or several manifests, in the order of the rows.

    Args:
        rows: Of `read_manifest`, all splits.
        places: What to call each row; `None` is `row 1` and so on, the first below the header being 1.
        watch: Called with the number of rows read and of all.
        jobs: Threads that read; 0 is one for each processor.
        expect: What tells wrong units by what pictures look like, on `COMPARED` pictures of each unit.
        manifests: Number of each row's manifest; `None` is one for all.
    """
    places = [f"row {i + 1}" for i in range(len(rows))] if places is None else places
    seen: list[_Seen] = []
    pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
    try:
        for one in pool.map(_inspect, rows):
            seen.append(one)
            watch(len(seen), len(rows))
    finally:
        pool.shutdown(cancel_futures=True)
    found = [(i, *what) for i, one in enumerate(seen) for what in one.found]
    found += _mixed_units(rows)
    found += [] if expect is None else _unexpected(rows, seen, expect)
    parts = [(number, row.split) for number, row in zip(manifests or [0] * len(rows), rows, strict=True)]
    for look in (_duplicates, _shared_scenes, _alike):
        found += look(rows, seen, places, parts)
    return [Problem(i, places[i], rows[i].image, kind, text) for i, kind, text in sorted(found, key=lambda one: one[0])]


def _inspect(row: Row) -> _Seen:
    nothing = np.zeros(BITS, np.bool_)
    try:
        gone = [path for path in (row.image, row.depth, row.dense_depth) if path is not None and not path.is_file()]
        if gone:
            return _Seen([("missing", f"there is no file {path}") for path in gone], b"", nothing)
        image = read_image(row.image).rgb
        digest = hashlib.blake2b(row.image.read_bytes(), digest_size=16).digest()
    except (LapDepthError, OSError) as error:
        return _Seen([("unreadable", str(error))], b"", nothing)
    found = _camera(row, *image.shape[:2])
    try:
        depth_m = read_depth(row.depth, row.units_per_metre, row.sky_code)
        dense_m = None if row.dense_depth is None else read_depth(row.dense_depth, row.units_per_metre, row.sky_code)
        saturated = float((depth_m == np.float32(65535) / np.float32(row.units_per_metre)).mean())
    except LapDepthError as error:
        return _Seen([*found, ("unreadable", str(error))], digest, picture_hash(image))
    for path, array in ((row.depth, depth_m), (row.dense_depth, dense_m)):
        if array is not None and array.shape != image.shape[:2]:
            found.append(("size", f"{path} is {array.shape}, the picture {image.shape[:2]}; they must be of one size"))
    return _Seen([*found, *_depth(row, depth_m, dense_m, saturated)], digest, picture_hash(image))


def _camera(row: Row, height: int, width: int) -> list[tuple[str, str]]:
    least, largest = (share * width for share in FOCAL_SHARES)
    found = []
    if not (least <= row.fx_px <= largest and 0.5 <= row.fy_px / row.fx_px <= 2):
        found.append(
            f"focal lengths are {row.fx_px:g} and {row.fy_px:g} px for a width of {width}; expected {least:g} to {largest:g} px"
        )
    off = (abs(row.cx_px - (width - 1) / 2) / width, abs(row.cy_px - (height - 1) / 2) / height)
    if not max(off) <= MAX_OFF_CENTER:
        found.append(
            f"principal point is ({row.cx_px:g}, {row.cy_px:g}) in a picture of {width}x{height}; expected it near the middle. "
            "Are the numbers those of another size?"
        )
    return [("camera", text) for text in found]


def _depth(row: Row, depth_m: FloatArray, dense_m: FloatArray | None, saturated: float) -> list[tuple[str, str]]:
    measured = depth_m[depth_m > 0]
    if measured.size <= MIN_MEASURED * depth_m.size:
        return [("empty", f"{row.depth} has {measured.size} of {depth_m.size} pixels measured")]
    found = []
    median_m = float(np.median(measured))
    if not MIN_MEDIAN_M <= median_m <= MAX_MEDIAN_M:
        found.append(
            f"the median depth is {median_m:.4g} m at {row.units_per_metre:g} units per metre; expected {MIN_MEDIAN_M:g} to "
            f"{MAX_MEDIAN_M:g} m"
        )
    if saturated > MAX_SATURATED:
        found.append(f"{saturated:.0%} of {row.depth} have the code 65535; if that is 'not measured', write 0")
    if dense_m is not None and dense_m.shape == depth_m.shape:
        both = (depth_m > 0) & (dense_m > 0)
        ratio = float(np.median(dense_m[both] / depth_m[both])) if both.any() else float("nan")
        if not 1 / MAX_DENSE_RATIO <= ratio <= MAX_DENSE_RATIO:
            found.append(f"filled-in depth is {ratio:.3g} times the measured one; expected about 1")
    return [("unit", text) for text in found]


def _mixed_units(rows: Sequence[Row]) -> _Found:
    """Maps of one folder with different units: one of them is wrong, most likely the rarer."""
    counts: dict[Path, Counter[float]] = {}
    for row in rows:
        counts.setdefault(row.depth.parent, Counter())[row.units_per_metre] += 1
    found = []
    for i, row in enumerate(rows):
        usual, _ = counts[row.depth.parent].most_common(1)[0]
        if row.units_per_metre != usual:
            found.append((i, "unit", f"{row.units_per_metre:g} units per metre, most of {row.depth.parent} have {usual:g}"))
    return found


def _unexpected(rows: Sequence[Row], seen: Sequence[_Seen], expect: Expect) -> _Found:
    """Units with which depth is a factor away from what the pictures look like, each told once."""
    found = []
    sound: dict[float, list[int]] = {}
    for i, (row, one) in enumerate(zip(rows, seen, strict=True)):
        if not one.found:
            sound.setdefault(row.units_per_metre, []).append(i)
    for units, members in sound.items():
        if len(members) < MIN_COMPARED:
            continue
        chosen = [members[k * len(members) // COMPARED] for k in range(COMPARED)] if len(members) > COMPARED else members
        ratios = np.array([_ratio(rows[i], expect) for i in chosen])
        ratios = ratios[np.isfinite(ratios)]
        if len(ratios) < MIN_COMPARED:
            continue
        for side in (ratios, 1 / ratios):
            if np.median(side) > MAX_EXPECTED and np.quantile(side, 0.25) > MOSTLY:
                ratio = float(np.median(ratios))
                usual = min(USUAL_UNITS, key=lambda one: abs(math.log(one * ratio / units)))
                near = abs(math.log(usual * ratio / units)) < math.log(MAX_EXPECTED) and usual != units
                hint = f"; {usual:g} units per metre would fit" if near else ""
                text = (
                    f"depth at {units:g} units per metre is {1 / ratio:.2g} times what the pictures look like, in the median of "
                    f"{len(ratios)}{hint}"
                )
                found.append((chosen[0], "unit", text))
    return found


def _ratio(row: Row, expect: Expect) -> float:
    """Median of expected over measured depth."""
    sample = load_sample(row)
    measured = sample.depth_m > 0
    return float(np.median(expect(sample.image, row.fx_px)[measured] / sample.depth_m[measured]))


def _duplicates(rows: Sequence[Row], seen: Sequence[_Seen], places: Sequence[str], parts: Sequence[_Part]) -> _Found:
    """A picture that is listed twice, byte for byte, which in two splits is a leak; or a depth map that two pictures share."""
    found = []
    pictures: dict[bytes, int] = {}
    depths: dict[Path, int] = {}
    for i, (row, one) in enumerate(zip(rows, seen, strict=True)):
        first = pictures.setdefault(one.digest, i) if one.digest else i
        if first != i:
            leak = parts[first] != parts[i]
            other_split = f" of '{rows[first].split}'" if leak else ""
            text = f"the same picture as {places[first]}{other_split}, {rows[first].image}"
            found.append((i, "leak" if leak else "duplicate", text))
        other = depths.setdefault(row.depth, i)
        if other != i and first == i:
            found.append((i, "duplicate", f"shares {row.depth} with {places[other]}, {rows[other].image}"))
    return found


def _shared_scenes(rows: Sequence[Row], _: Sequence[_Seen], places: Sequence[str], parts: Sequence[_Part]) -> _Found:
    """Scenes in two splits, each told once."""
    found = []
    first: dict[str, int] = {}
    told: set[tuple[str, _Part]] = set()
    for i, row in enumerate(rows):
        before = first.setdefault(row.scene, i)
        if row.scene and parts[before] != parts[i] and (row.scene, parts[i]) not in told:
            told.add((row.scene, parts[i]))
            text = f"scene '{row.scene}' is in '{row.split}' and, from {places[before]} on, in '{rows[before].split}'"
            found.append((i, "leak", text))
    return found


def _alike(rows: Sequence[Row], seen: Sequence[_Seen], places: Sequence[str], parts: Sequence[_Part]) -> _Found:
    """Pictures of one split that are all but those of another."""
    found = []
    members: dict[_Part, list[int]] = {}
    for i, part in enumerate(parts):
        members.setdefault(part, []).append(i)
    splits = list(members)
    for k, split in enumerate(splits[1:], 1):
        earlier = [i for other in splits[:k] for i in members[other]]
        own, others = (np.stack([seen[i].likeness for i in some]) for some in (members[split], earlier))
        for a, b, bits in find_alike(own, others):
            i, j = members[split][a], earlier[b]
            if seen[i].digest == seen[j].digest:  # told already
                continue
            text = f"looks like {places[j]} of '{rows[j].split}', {rows[j].image} ({bits} of {BITS} bits of the hash differ)"
            found.append((i, "leak", text))
    return found
