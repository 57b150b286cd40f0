"""Depth as colour: near is warm, far is cold, and a colour bar says how many metres.

Colour runs over the logarithm of depth: equal steps of colour are equal ratios of distance, as the eye and the error of
the network go. Colours: Turbo (Mikhailov, Google AI, 2019).
"""

from __future__ import annotations

import io
import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from lapdepth.camera import FloatArray
from lapdepth.errors import InputError
from lapdepth.imaging import ByteArray
from lapdepth.io.depth import BoolArray, check_depth
from lapdepth.io.files import write_bytes, write_encoded

INVALID_RGB = (128, 128, 128)
WIDE_ASPECT = 2.0
"""Wider pictures are stacked by `compare`; others stand side by side."""

_FORMATS: dict[str, tuple[int, ...]] = {
    ".png": (),
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 92),
    ".jpeg": (cv2.IMWRITE_JPEG_QUALITY, 92),
}
_BACKGROUND, _INK = (24, 24, 24), (235, 235, 235)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def color_range(
    depth_m: FloatArray, valid: BoolArray, near_m: float | None = None, far_m: float | None = None
) -> tuple[float, float]:
    """The metres at both ends of the colours: as given, else the 2nd and 98th percentile of the valid depths.

    Args:
        depth_m: (H, W) float32, metres.
        valid: (H, W) bool.
        near_m: Depth of the warmest colour.
        far_m: Depth of the coldest colour. Give both for video, so that a colour keeps its meaning from frame to frame.

    Raises:
        InputError: The arrays do not fit each other, or not 0 < near_m < far_m.
    """
    check_depth(depth_m, valid)
    for name, value in (("near_m", near_m), ("far_m", far_m)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value}; expected a positive number of metres")
    if near_m is not None and far_m is not None and near_m >= far_m:
        raise InputError(f"near_m is {near_m}, far_m is {far_m}; near_m must be smaller")
    if near_m is not None and far_m is not None:
        return float(near_m), float(far_m)
    low, high = np.percentile(depth_m[valid], (2, 98)).tolist() if valid.any() else (1.0, 10.0)
    # One flat wall, or one end given beyond all depths, must leave a range too.
    if near_m is None:
        near_m = min(low, (far_m or math.inf) / 1.1)
    if far_m is None:
        far_m = max(high, near_m * 1.1)
    return float(near_m), float(far_m)


def colorize(depth_m: FloatArray, valid: BoolArray, near_m: float | None = None, far_m: float | None = None) -> ByteArray:
    """Depth as colour: near red, far dark blue, invalid grey. Arguments and errors are those of `color_range`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return paint(color_codes(depth_m, valid, near_m, far_m))


def color_codes(depth_m: FloatArray, valid: BoolArray, near_m: float | None = None, far_m: float | None = None) -> ByteArray:
    """Numbers of the colours of `colorize`, (H, W) uint8: 0 invalid, 1 far to 255 near."""
    near_m, far_m = color_range(depth_m, valid, near_m, far_m)
    codes = _codes(np.where(valid, depth_m, far_m), near_m, far_m)
    codes[~valid] = 0
    return codes


def paint(codes: ByteArray) -> ByteArray:
    """Codes (H, W) of `color_codes` as (H, W, 3) uint8 RGB."""
    return np.asarray(cv2.applyColorMap(codes, _palette()[:, None]), np.uint8)


def compare(image_rgb: ByteArray, colored: ByteArray, near_m: float, far_m: float) -> ByteArray:
    """Picture and depth side by side (wide pictures: one above the other) over a colour bar in metres.

    Args:
        image_rgb: (H, W, 3) uint8 RGB.
        colored: (H, W, 3) uint8 RGB, of `colorize`.
        near_m: Depth of the warmest colour, as given to or found by `color_range`.
        far_m: Depth of the coldest colour.

    Returns:
        (H', W', 3) uint8 RGB: H' = H + bar and W' = 2 W, or H' = 2 H + bar and W' = W.

    Raises:
        InputError: The pictures differ in size or type, or not 0 < near_m < far_m.
    """
    for name, rgb in (("image_rgb", image_rgb), ("colored", colored)):
        _check_rgb(name, rgb)
    if image_rgb.shape != colored.shape:
        raise InputError(f"picture is {image_rgb.shape}, colours are {colored.shape}; expected one size for both")
    if not (0 < near_m < far_m and math.isfinite(far_m)):
        raise InputError(f"colours run from {near_m} to {far_m} m; expected 0 < near_m < far_m")
    height, width = image_rgb.shape[:2]
    both = np.concatenate([image_rgb, colored], axis=0 if width > WIDE_ASPECT * height else 1)
    return np.concatenate([both, color_bar(both.shape[1], both.shape[0], near_m, far_m)], axis=0)


def write_picture(path: Path, rgb: ByteArray) -> None:
    """Write (H, W, 3) uint8 RGB as PNG or JPEG, by the suffix of `path`.

    Raises:
        InputError: Another suffix, shape or type.
        OutputError: The file cannot be written.
    """
    params = _FORMATS.get(path.suffix.lower())
    if params is None:
        raise InputError(f"cannot write {path}: the suffix is '{path.suffix}'; expected one of {', '.join(_FORMATS)}")
    _check_rgb("picture", rgb)
    write_encoded(path, np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8), params)


def write_codes(path: Path, codes: ByteArray) -> None:
    """Write codes (H, W) of `color_codes` as a PNG with a palette: the pixels of `paint`, smaller and sooner written.

    Raises:
        OutputError: The file cannot be written.
    """
    image, file = Image.fromarray(codes), io.BytesIO()
    image.putpalette(_palette().tobytes())
    image.save(file, "PNG", compress_level=1)
    write_bytes(path, file.getvalue())


@cache
def _palette() -> ByteArray:
    """(256, 3) RGB: grey, then Turbo in 255 steps from far to near."""
    turbo = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1]
    steps = turbo[np.rint(np.linspace(0, 255, 255)).astype(int)]
    return np.concatenate([np.array([INVALID_RGB]), steps]).astype(np.uint8)


def _codes(depth_m: FloatArray, near_m: float, far_m: float) -> ByteArray:
    """Positive depths of any shape to codes from 1 to 255."""
    warmth = np.log(np.float32(far_m) / depth_m) / np.float32(math.log(far_m / near_m))  # 1 near, 0 far
    codes: ByteArray = np.rint(1 + 254 * np.clip(warmth, 0, 1)).astype(np.uint8)
    return codes


def color_bar(width: int, height: int, near_m: float, far_m: float) -> ByteArray:
    """A strip of colour over its labels in metres, (bar, width, 3) uint8 RGB, for a picture of `width` x `height`."""
    text = max(9, round(math.sqrt(width * height) / 60))  # height of a digit in pixels
    scale, line = text / 22, max(1, text // 10)  # a digit of this font is 22 pixels high at scale 1
    bar = np.full((text * 7 // 2, width, 3), _BACKGROUND, np.uint8)
    span = math.log(far_m / near_m)
    depths = near_m * np.exp(np.linspace(0, span, width)).astype(np.float32)
    bar[:text] = paint(_codes(depths[None], near_m, far_m))
    free_from = 0
    for tick in _ticks(near_m, far_m):
        label = f"{tick:.3g} m"
        (label_width, _), _ = cv2.getTextSize(label, _FONT, scale, line)
        x = round(math.log(tick / near_m) / span * (width - 1))
        left = min(max(x - label_width // 2, 2), width - label_width - 2)
        if left < free_from:
            continue
        cv2.line(bar, (x, text), (x, text * 3 // 2), _INK, line)
        cv2.putText(bar, label, (left, text * 3), _FONT, scale, _INK, line, cv2.LINE_AA)
        free_from = left + label_width + text
    return bar


def _ticks(near_m: float, far_m: float) -> list[float]:
    """Round depths inside the range; both ends and the middle where these are too few to read a scale from."""
    decades = range(math.floor(math.log10(near_m)), math.ceil(math.log10(far_m)) + 1)
    for digits in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [digit * 10.0**decade for decade in decades for digit in digits]
        inside = [tick for tick in ticks if near_m <= tick <= far_m]
        if len(inside) >= 3:
            return inside
    return [near_m, math.sqrt(near_m * far_m), far_m]


def _check_rgb(name: str, rgb: ByteArray) -> None:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size or rgb.dtype != np.uint8:
        raise InputError(f"{name} is {rgb.dtype} {rgb.shape}; expected (H, W, 3) uint8 RGB")
