"""Predictions that another tool saved, scored as a model is: depth, inverse depth, or either up to scale.

One file a picture: a grey PNG (value / units_per_metre, 0 = nothing predicted), an NPY, or an NPZ with `depth_m`, `depth` or one
array only. Its size is the picture's, or that of the window which the protocol shows.

What is only right up to scale is aligned to the truth, picture by picture, on the very pixels that are scored; such numbers say
nothing about metres and belong beside no metric ones, so the alignment is part of every report.

Legend: H, W height and width of the picture; h, w of the part that the protocol shows; N scored pixels.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.data.manifest import Row, load_sample
from lapdepth.data.sample import Sample
from lapdepth.errors import ConfigError, InputError, ReadError
from lapdepth.evaluation.protocols import MIN_TRUTH_M, BoolArray, Protocol
from lapdepth.imaging import ByteArray
from lapdepth.io.depth import read_codes
from lapdepth.io.files import read_bytes
from lapdepth.io.images import MAX_PIXELS

KINDS = ("depth", "inverse")
ALIGNMENTS = ("none", "median", "scale", "scale-shift")
"""median: the ratio of the medians of depth. scale, scale-shift: least squares, in depth or, for inverse depth, in 1 / metres."""

FAR_M = 1000.0
"""Where inverse depth of zero or less is put."""
SUFFIXES = (".png", ".npz", ".npy")
ENDINGS = ("", "_depth")
"""What may follow the picture's name; `lapdepth predict` writes NAME_depth.png."""


@dataclass(frozen=True, slots=True)
class Coding:
    """What the saved numbers mean.

    Attributes:
        kind: Depth, or one over depth.
        units: What they are divided by to give metres (or 1 / metres), such as 256 for KITTI's PNG. `None` is 1, and is not
            allowed for PNG that are not aligned.
        alignment: How they are brought to the truth's scale.
    """

    kind: str = "depth"
    units: float | None = None
    alignment: str = "none"

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ConfigError: A word is unknown or `units` is not positive.
        """
        for name, value, known in (("kind", self.kind, KINDS), ("alignment", self.alignment, ALIGNMENTS)):
            if value not in known:
                raise ConfigError(f"{name} of the predictions is '{value}'; choose of {', '.join(known)}")
        if self.units is not None and not (np.isfinite(self.units) and self.units > 0):
            raise ConfigError(f"units of the predictions are {self.units}; expected a positive number, such as 256")

    def __str__(self) -> str:
        """For reports."""
        how = {
            "none": "not aligned",
            "median": "aligned by the median of each picture",
            "scale": "aligned by a scale for each picture",
            "scale-shift": "aligned by a scale and a shift for each picture",
        }
        return f"{'inverse depth' if self.kind == 'inverse' else 'depth'}, {how[self.alignment]}"


class SavedPredictions:
    """Stands in for a model in `evaluate`: give it `samples()`, and the object itself as the function that predicts.

    Args:
        folder: Where the predictions are.
        rows: What is scored. A prediction has the place of its picture relative to `root`, or, where no two pictures have one
            name, only its name. Of a picture that is not below `root` only the name tells.
        root: Folder of the manifest.
        coding: What the numbers mean.
        protocol: What is scored.
        cap_m: Farthest depth scored.

    Raises:
        ReadError: A row has no prediction, or not one of its own.
        ConfigError: A PNG is to be metric, and its unit is not told.
    """

    def __init__(
        self, folder: Path, rows: Sequence[Row], root: Path, coding: Coding, protocol: Protocol, cap_m: float | None = None
    ) -> None:
        self._coding, self._protocol = coding, protocol
        self._cap_m = protocol.cap_m if cap_m is None else cap_m
        self._files = dict(zip(rows, _find(folder, rows, root), strict=True))
        png = next((file for file in self._files.values() if file.suffix == ".png"), None)
        if png is not None and coding.units is None and coding.alignment == "none":
            raise ConfigError(f"{png} holds codes; say how many are one metre (--units 256 in KITTI's coding), or align them")
        self._current: tuple[Sample, Path] | None = None

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """Pictures with truth, of rows given before; what is predicted next is for the one that came last."""
        for row in rows:
            sample = load_sample(row)
            self._current = (sample, self._files[row])
            yield sample

    def __call__(self, image: ByteArray, camera: Intrinsics) -> tuple[FloatArray, None, BoolArray]:
        """Depth (h, w) in metres for the window of the current picture that the protocol shows, 0 where nothing was predicted.

        No confidence; valid (h, w) is where something was predicted.

        Raises:
            ReadError: The file cannot be read.
            InputError: It has another size.
        """
        if self._current is None:
            raise InputError("no picture is being scored; draw from samples() first")
        sample, file = self._current
        size = sample.depth_m.shape
        top, left, height, width = self._protocol.seen(*size)
        values = read_values(file)
        if values.shape == size:
            values = values[top : top + height, left : left + width]
        if values.shape != (height, width):
            raise InputError(
                f"{file} is {values.shape}, its picture {size}; expected that or the window {(height, width)}. Resize it"
            )
        window = (slice(top, top + height), slice(left, left + width))
        mask = self._protocol.mask(sample.depth_m, self._cap_m)[window]
        depth_m = to_metres(values, sample.depth_m[window], mask, self._coding)
        return depth_m, None, depth_m > 0


def to_metres(values: FloatArray, truth_m: FloatArray, mask: BoolArray, coding: Coding) -> FloatArray:
    """Saved numbers to metres.

    Args:
        values: (h, w) as saved; not finite, or 0 and less for depth, is where nothing was predicted, as is what float32 cannot
            hold in metres.
        truth_m: (h, w) metres.
        mask: (h, w) bool, scored pixels: alignment sees no others.
        coding: What the numbers mean.

    Returns:
        (h, w) float32 metres, 0 where nothing was predicted.
    """
    inverse = coding.kind == "inverse"
    scaled = values.astype(np.float64) / (coding.units or 1.0)
    predicted = np.isfinite(scaled) & ((scaled > 0) | inverse)
    scaled = np.where(predicted, scaled, 0)
    used = mask & predicted
    if coding.alignment in ("scale", "scale-shift") and used.any():
        target = truth_m[used].astype(np.float64)
        scale, shift = _least_squares(scaled[used], 1 / target if inverse else target, coding.alignment == "scale-shift")
        scaled = scaled * scale + shift
    depth_m = np.divide(1, scaled, out=np.full(scaled.shape, np.inf), where=scaled > 0) if inverse else scaled
    used &= np.isfinite(depth_m)
    if coding.alignment == "median" and used.any():
        depth_m = depth_m * (np.median(truth_m[used]) / np.median(depth_m[used]))
    clipped = np.where(predicted, np.clip(depth_m, MIN_TRUTH_M, FAR_M if inverse else None), 0)
    return np.where(clipped <= np.finfo(np.float32).max, clipped, 0).astype(np.float32)


def read_values(path: Path) -> FloatArray:
    """The numbers (H, W) of a saved prediction, float32, as they are; infinite where they are larger than float32 holds.

    Raises:
        ReadError: Missing, damaged, or not one map.
    """
    if path.suffix.lower() == ".png":
        return read_codes(path).astype(np.float32)
    data = read_bytes(path, "an NPY or NPZ with a map of depth")
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > 12 * MAX_PIXELS:
                raise ReadError(f"{path} unpacks to {size:,} bytes; expected at most {12 * MAX_PIXELS:,}")
        loaded = np.load(io.BytesIO(data), allow_pickle=False)  # a pickle would run code
        array = loaded if isinstance(loaded, np.ndarray) else _one_array(path, loaded)
    except ReadError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib raise a dozen types on damaged bytes
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ReadError(f"cannot read {path}: {reason}; expected an NPY or NPZ with a map of depth") from error
    squeezed = np.squeeze(array)
    if squeezed.ndim != 2 or squeezed.dtype.kind not in "fiu" or not squeezed.size:
        raise ReadError(f"{path} holds {array.dtype} {array.shape}; expected one map (H, W) of numbers")
    with np.errstate(over="ignore"):
        return np.asarray(squeezed, np.float32)


def _one_array(path: Path, arrays: Any) -> npt.NDArray[Any]:
    names = list(arrays.files)
    name = next((name for name in ("depth_m", "depth") if name in names), names[0] if len(names) == 1 else None)
    if name is None:
        raise ReadError(f"{path} holds {', '.join(names) or 'nothing'}; expected 'depth_m', 'depth' or one array only")
    return np.asarray(arrays[name])


def _find(folder: Path, rows: Sequence[Row], root: Path) -> list[Path]:
    # Of absolute paths, so that a picture named by one has its place below a relative manifest too.
    places = {row.image: Path(os.path.relpath(row.image, root)) for row in rows}
    names = Counter(place.stem for place in set(places.values()))
    owners: dict[Path, Path] = {}
    found: list[Path] = []
    missing: list[Path] = []
    for row in rows:
        place = places[row.image]
        # What leads out of the manifest's folder would lead out of the folder of predictions, even to the truth.
        stems = [] if place.parts[0] == os.pardir else [place.with_suffix("")]
        stems += [Path(place.stem)] if names[place.stem] == 1 else []
        if not stems:
            raise ReadError(
                f"{row.image} is not below {root}, the manifest's folder, and another picture is named {place.stem} too; "
                "expected names that tell which prediction is whose. Put the manifest into a folder above all pictures"
            )
        files = [folder / f"{stem}{ending}{suffix}" for stem in stems for ending in ENDINGS for suffix in SUFFIXES]
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            missing.append(files[0])
            continue
        if (other := owners.setdefault(file, place)) != place:
            raise ReadError(
                f"{file} would be scored for {place} and for {other}; expected a prediction for each. Name them apart"
            )
        found.append(file)
    if missing:
        raise ReadError(
            f"{len(missing)} of {len(rows)} pictures have no prediction in {folder}: no {missing[0]}, nor .npz or .npy, for one"
        )
    return found


def _least_squares(values: npt.NDArray[np.float64], target: npt.NDArray[np.float64], with_shift: bool) -> tuple[float, float]:
    """Scale and shift that bring values (N,) closest to the target (N,)."""
    columns = [values, np.ones_like(values)] if with_shift else [values]
    solved = np.linalg.lstsq(np.stack(columns, axis=1), target, rcond=None)[0].tolist()
    return solved[0], solved[1] if with_shift else 0.0
