"""What a picture's EXIF tells of its camera: the way up and the focal length in pixels.

Tags: EXIF 2.32 (CIPA DC-008), sections 4.6.4 and 4.6.5. The 35 mm equivalent compares diagonals (CIPA DCG-001).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from lapdepth.imaging import ByteArray

FILM_DIAGONAL_MM = 43.2666
"""Diagonal of 24 x 36 mm film."""

_UNIT_MM: dict[float, float] = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # FocalPlaneResolutionUnit: inch, cm, mm, um
_ORIENTATION, _EXIF_IFD = 0x0112, 0x8769
_FOCAL_MM, _FOCAL_35MM = 0x920A, 0xA405
_PIXELS_X, _PIXELS_Y, _PLANE_X, _PLANE_Y, _PLANE_UNIT = 0xA002, 0xA003, 0xA20E, 0xA20F, 0xA210


def orientation(exif: Image.Exif) -> int:
    """How the stored pixels lie, 1 to 8; 1 (as stored) when unknown."""
    value = _number(exif, _ORIENTATION)
    return int(value) if value in range(1, 9) else 1


def orient(rgb: ByteArray, how: int) -> ByteArray:
    """Turn stored pixels (H, W, 3) the right way up.

    Args:
        rgb: Pixels as stored.
        how: EXIF orientation, 1 to 8. 5 to 8 swap height and width.
    """
    if how >= 5:
        rgb = rgb.transpose(1, 0, 2)
    # After the swap of axes, each case is a mirror in one axis, both or none.
    if how in (3, 4, 7, 8):
        rgb = rgb[::-1]
    if how in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(rgb)


def focal_px(exif: Image.Exif, width: int, height: int) -> float | None:
    """Focal length in pixels of the picture at its own size, the 35 mm equivalent first.

    Args:
        exif: As Pillow reads it.
        width: Width in pixels of the picture the right way up.
        height: Height in pixels.

    Returns:
        Pixels, or `None` where the tags are missing or beyond belief (below 0.1 or over 50 picture widths).
    """
    tags = exif.get_ifd(_EXIF_IFD)
    for value in (_from_film(tags, width, height), _from_focal_plane(tags, width, height)):
        if math.isfinite(value) and 0.1 * width <= value <= 50 * width:
            return value
    return None


def _from_film(tags: Mapping[int, Any], width: int, height: int) -> float:
    return _number(tags, _FOCAL_35MM) / FILM_DIAGONAL_MM * math.hypot(width, height)


def _from_focal_plane(tags: Mapping[int, Any], width: int, height: int) -> float:
    """Focal length over the pitch of the pixels, brought from the camera's picture size to this one's; else NaN."""
    unit_mm = _UNIT_MM.get(_number(tags, _PLANE_UNIT, default=2))  # inch where the tag is missing, says the standard
    camera_px = [_number(tags, _PIXELS_X), _number(tags, _PIXELS_Y)]
    per_unit = [value for value in (_number(tags, _PLANE_X), _number(tags, _PLANE_Y)) if value > 0]
    if unit_mm is None or not per_unit or not all(value >= 1 for value in camera_px):
        return math.nan
    # Long side to long side: a picture that was turned and then resized may carry the sides in the old order.
    scale = max(width, height) / max(camera_px)
    if abs(min(width, height) - min(camera_px) * scale) > 1 + 0.01 * min(width, height):
        return math.nan  # cropped: the picture's own share of the sensor is unknown
    return _number(tags, _FOCAL_MM) * math.prod(per_unit) ** (1 / len(per_unit)) / unit_mm * scale


def _number(tags: Mapping[int, Any], tag: int, default: float = math.nan) -> float:
    """A tag as a number; NaN where it is something else."""
    try:
        return float(tags.get(tag, default))
    except (TypeError, ValueError, ZeroDivisionError):
        return math.nan
