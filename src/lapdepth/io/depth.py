"""Depth maps in files: 16-bit PNG and NPZ. EXR is in `io.exr`, point clouds are in `io.ply`.

Everywhere a map is (H, W) float32 metres with its own (H, W) bool `valid`. What is read back is 0 where invalid.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.errors import InputError, ReadError
from lapdepth.io.files import atomic_path, read_bytes, write_encoded
from lapdepth.io.images import MAX_PIXELS

BoolArray = npt.NDArray[np.bool_]
Metadata = Mapping[str, str | int | float | bool | None]

UNITS_PER_METRE = 256.0
"""Codes of a 16-bit PNG for one metre, as in KITTI: steps of 3.9 mm, up to 255.996 m."""

_PNG = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY)
"""Runs of equal codes are rare in depth: not looking for them takes a tenth less time, and the file is no larger."""


@dataclass(frozen=True, slots=True, eq=False)
class DepthFile:
    """What an NPZ file of `write_npz` holds.

    Attributes:
        depth_m: (H, W) float32, metres, 0 where invalid.
        valid: (H, W) bool.
        confidence: (H, W) float32, or `None`.
        intrinsics: Camera of the map.
        metadata: As given to `write_npz`.
    """

    depth_m: FloatArray
    valid: BoolArray
    confidence: FloatArray | None
    intrinsics: Intrinsics
    metadata: dict[str, Any]


def check_depth(depth_m: FloatArray, valid: BoolArray) -> None:
    """Raise `InputError` unless both are (H, W), float and bool, and every valid depth is positive and finite."""
    for name, array, kind in (("depth_m", depth_m, np.floating), ("valid", valid, np.bool_)):
        if not isinstance(array, np.ndarray) or array.ndim != 2 or not array.size or not np.issubdtype(array.dtype, kind):
            got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise InputError(f"{name} is {got}; expected an (H, W) array of {'bool' if name == 'valid' else 'float32'}")
    if depth_m.shape != valid.shape:
        raise InputError(f"depth_m is {depth_m.shape}, valid is {valid.shape}; expected one size for both")
    wrong = int(np.count_nonzero(valid & ~(np.isfinite(depth_m) & (depth_m > 0))))
    if wrong:
        raise InputError(f"{wrong} valid pixels are not positive and finite; mark them False in valid")


def write_png16(path: Path, depth_m: FloatArray, valid: BoolArray, units_per_metre: float = UNITS_PER_METRE) -> None:
    """Write depth as a 16-bit grey PNG: code = round(metres * units_per_metre), 0 where invalid.

    Args:
        path: A `.png` file.
        depth_m: (H, W) float32, metres.
        valid: (H, W) bool.
        units_per_metre: Codes for one metre.

    Raises:
        InputError: The arrays do not fit each other, or a valid depth does not fit the codes 1 to 65535.
        OutputError: The file cannot be written.
    """
    check_depth(depth_m, valid)
    _check_scale(units_per_metre)
    if path.suffix.lower() != ".png":
        raise InputError(f"cannot write {path} as 16-bit PNG; expected a name that ends in .png")
    codes = np.rint(np.where(valid, depth_m, 0).astype(np.float64) * units_per_metre)
    if valid.any() and (codes.max() > 65535 or codes[valid].min() < 1):
        raise InputError(_misfit(float(depth_m[valid].min()), float(depth_m[valid].max()), units_per_metre))
    write_encoded(path, codes.astype(np.uint16), _PNG)


def read_png16(path: Path, units_per_metre: float = UNITS_PER_METRE) -> tuple[FloatArray, BoolArray]:
    """Read a depth PNG: metres = code / units_per_metre.

    Args:
        path: A grey PNG of 8 or 16 bits.
        units_per_metre: Codes for one metre.

    Returns:
        depth_m (H, W) float32 in metres, 0 where invalid; valid (H, W) bool.

    Raises:
        InputError: `units_per_metre` is not a positive number.
        ReadError: As `read_codes`.
    """
    _check_scale(units_per_metre)
    codes = read_codes(path)
    return (codes / np.float32(units_per_metre)).astype(np.float32), codes > 0


def read_codes(path: Path) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Read the bare codes (H, W), uint8 or uint16, of a grey PNG.

    Raises:
        ReadError: Missing, damaged, not such a PNG, or larger than `MAX_PIXELS`.
    """
    expected = "a 16-bit or 8-bit grey PNG"
    data = read_bytes(path, expected)
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 33:
        raise ReadError(f"{path} is not a PNG: it begins with {data[:12]!r}; expected {expected}")
    width, height, bits, kind = struct.unpack(">IIBB", data[16:26])
    if not 0 < width * height <= MAX_PIXELS:
        raise ReadError(f"{path} is {width}x{height}; expected 1 to {MAX_PIXELS:,} pixels")
    if kind != 0 or bits not in (8, 16):
        what = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}.get(kind, f"kind {kind}")
        raise ReadError(f"{path} is a PNG of {bits}-bit {what}; expected {expected}")
    codes = _decode(data) if b"IEND" in data else None  # without its end, some releases of OpenCV give half a map
    if codes is None or codes.shape != (height, width):
        raise ReadError(f"cannot decode {path}: the file is damaged or incomplete; expected {expected}")
    return codes


def write_npz(
    path: Path,
    depth_m: FloatArray,
    valid: BoolArray,
    confidence: FloatArray | None,
    intrinsics: Intrinsics,
    metadata: Metadata,
) -> None:
    """Write depth, camera and notes as a compressed NPZ.

    It holds `depth_m` (H, W) float32 (0 where invalid), `valid` (H, W) bool, `confidence` (H, W) float32 where given,
    `intrinsics` (fx, fy, cx, cy) float64 in pixels and `metadata`, a JSON text.

    Raises:
        InputError: The arrays or the camera do not fit each other, or `metadata` is not JSON.
        OutputError: The file cannot be written.
    """
    check_depth(depth_m, valid)
    for name, shape in (
        ("confidence", depth_m.shape if confidence is None else confidence.shape),
        ("camera", (intrinsics.height, intrinsics.width)),
    ):
        if shape != depth_m.shape:
            raise InputError(f"{name} is for {shape}, depth_m is {depth_m.shape}; expected one size for both")
    try:
        notes = json.dumps(dict(metadata), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"metadata is not JSON: {error}; expected text and finite numbers") from error
    camera = (intrinsics.fx_px, intrinsics.fy_px, intrinsics.cx_px, intrinsics.cy_px)
    arrays = {
        "depth_m": np.where(valid, depth_m, 0).astype(np.float32),
        "valid": valid,
        "intrinsics": np.array(camera, np.float64),
        "metadata": np.array(notes),
    }
    if confidence is not None:
        arrays["confidence"] = confidence.astype(np.float32)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)  # to a file: by name, NumPy would add a suffix


def read_npz(path: Path) -> DepthFile:
    """Read what `write_npz` wrote. Nothing in the file is run: pickles are refused.

    Raises:
        ReadError: Missing, damaged, too large, or not such a file.
    """
    expected = "an NPZ written by lapdepth"
    data = read_bytes(path, expected)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > 12 * MAX_PIXELS:  # two float32 maps and one of bool take 9 bytes a pixel
            raise ReadError(f"{path} unpacks to {size:,} bytes; expected at most {12 * MAX_PIXELS:,}")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return _depth_file({name: arrays[name] for name in arrays.files})
    except ReadError:
        raise
    except Exception as error:  # NumPy, zipfile, zlib and json raise a dozen types on damaged bytes
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ReadError(f"cannot read {path}: {reason}; expected {expected}") from error


def _depth_file(arrays: dict[str, npt.NDArray[Any]]) -> DepthFile:
    depth_m, valid, confidence = arrays["depth_m"], arrays["valid"], arrays.get("confidence")
    if depth_m.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what another tool wrote as float64 may be infinite as float32, and is refused then
            depth_m = depth_m.astype(np.float32)
    check_depth(depth_m, valid)
    depth_m = np.where(valid, depth_m, np.float32(0))
    if confidence is not None and (confidence.shape != depth_m.shape or confidence.dtype != np.float32):
        raise InputError(f"confidence is {confidence.dtype} {confidence.shape}, not float32 {depth_m.shape}")
    fx, fy, cx, cy = (float(value) for value in arrays["intrinsics"])
    intrinsics = Intrinsics(depth_m.shape[1], depth_m.shape[0], fx, fy, cx, cy)
    return DepthFile(depth_m, valid, confidence, intrinsics, dict(json.loads(str(arrays["metadata"]))))


def _decode(data: bytes) -> npt.NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def _check_scale(units_per_metre: float) -> None:
    if not (math.isfinite(units_per_metre) and units_per_metre > 0):
        raise InputError(f"units_per_metre is {units_per_metre}; expected a positive number, such as {UNITS_PER_METRE:g}")


def _misfit(nearest_m: float, farthest_m: float, units_per_metre: float) -> str:
    """Why the range does not fit 16 bits, and the finest power of two that does."""
    fits = 2.0 ** math.floor(math.log2(65535 / farthest_m))
    advice = f"use {fits:g} units per metre" if nearest_m * fits > 0.5 else "write .npz or .exr instead"
    return (
        f"depth from {nearest_m:g} to {farthest_m:g} m does not fit 16 bits at {units_per_metre:g} units per metre "
        f"({0.5 / units_per_metre:g} to {65535 / units_per_metre:g} m); {advice}"
    )
