"""What the warning sees, drawn over the picture: corridor, obstacle, distance, time to collision and level.

Legend: H, W height and width of the picture.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import Intrinsics
from lapdepth.collision.frame import FrameResult, Level
from lapdepth.collision.settings import PathSettings
from lapdepth.imaging import ByteArray

COLOURS: dict[Level, tuple[int, int, int]] = {
    Level.CLEAR: (60, 170, 90),
    Level.CAUTION: (240, 190, 30),
    Level.WARNING: (245, 120, 20),
    Level.CRITICAL: (225, 30, 30),
    Level.DEGRADED: (150, 60, 170),
    Level.UNKNOWN: (120, 125, 130),
}
"""Red, green, blue of each level; its name stands beside it, so that nothing hangs on the colour alone."""

NEAREST_M = 3.0
SMALLEST_LETTERS = 0.4
"""Of the font's own size: smaller ones run together."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(picture: ByteArray, result: FrameResult, camera: Intrinsics, path: PathSettings, camera_to_front_m: float) -> ByteArray:
    """A copy of the picture with what the warning says of it.

    Args:
        picture: (H, W, 3) uint8 RGB.
        result: Of the frame.
        camera: Camera of the picture at this size.
        path: Width of the corridor.
        camera_to_front_m: From the camera to the front of the vehicle.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    size = max(min(height, 0.75 * width) / 480, 0.5)  # of an upright picture the width is what the words must fit
    colour = COLOURS[result.level]
    away_m = None if result.range_m is None else result.range_m + camera_to_front_m
    if result.camera_height_m is not None and result.level is not Level.DEGRADED:
        far_m = min(away_m or path.horizon_m, path.horizon_m)
        _corridor(canvas, _corridor_outline(result, camera, path.half_width_m, far_m), colour)
        if result.box is not None:
            left, top, right, bottom = (round(share * side) for share, side in zip(result.box, (width, height) * 2, strict=True))
            cv2.rectangle(canvas, (left, top), (right, bottom), colour, max(round(3 * size), 2), cv2.LINE_AA)
    small, foot = max(0.6 * size, SMALLEST_LETTERS), round(34 * max(size, SMALLEST_LETTERS / 0.6))
    band = round(58 * size)
    canvas[:band] = np.asarray(colour, np.uint8)
    _text(canvas, result.level.value.upper(), (round(12 * size), round(42 * size)), 1.4 * size)
    _text(canvas, _numbers(result), (round(width * 0.36), round(40 * size)), size)
    remark = result.reason if not result.health else f"{result.reason} | {result.health[0]}"
    canvas[height - foot :] //= 3  # white on dark, whatever the road looks like
    left = round(12 * size)
    long_px = cv2.getTextSize(remark, _FONT, small, max(1, round(2 * small)))[0][0]
    small *= min((width - 3 * left) / max(long_px, 1), 1.0)  # rather small than cut off
    _text(canvas, remark, (left, height - round(0.35 * foot)), small)
    if result.level.alert:
        cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), colour, round(8 * size))
    return canvas


def _numbers(result: FrameResult) -> str:
    parts = []
    if result.range_m is not None:
        parts.append(f"{result.range_m:.0f} m")
    if result.closing_speed_mps is not None:
        parts.append(f"{result.closing_speed_mps * 3.6:+.0f} km/h")
    if result.ttc_s is not None:
        parts.append(f"TTC {result.ttc_s:.1f} s")
    return "  ".join(parts)


def _column(camera: Intrinsics, offset_m: float, z: float, curvature: float) -> float:
    return camera.cx_px + camera.fx_px * (offset_m - curvature / 2 * z * z) / z


def _corridor_outline(result: FrameResult, camera: Intrinsics, half_m: float, far_m: float) -> npt.NDArray[np.int32]:
    """The path on the road, up its left side and down its right one: (24, 2) columns and rows, from the road's own horizon."""
    depths = np.geomspace(NEAREST_M, max(far_m, NEAREST_M + 0.1), 12).tolist()
    height_m = (result.camera_height_m or 0.0) * result.scale_factor
    horizon_px = camera.cy_px if result.horizon is None else result.horizon * camera.height - 0.5
    rows = [horizon_px + camera.fy_px * height_m / z for z in depths]
    left = [(_column(camera, -half_m, z, result.curvature_1pm), row) for z, row in zip(depths, rows, strict=True)]
    right = [(_column(camera, half_m, z, result.curvature_1pm), row) for z, row in zip(depths, rows, strict=True)]
    return np.asarray(np.rint(np.array(left + right[::-1])), np.int32)


def _corridor(canvas: ByteArray, outline: npt.NDArray[np.int32], colour: tuple[int, ...]) -> None:
    low, high = (max(int(edge), 0) for edge in (outline[:, 1].min(), outline[:, 1].max() + 1))
    window = canvas[low:high]
    if window.size:
        filled = cv2.fillPoly(window.copy(), [outline - (0, low)], colour)
        window[:] = cv2.addWeighted(window, 0.65, filled, 0.35, 0)
    cv2.polylines(canvas, [outline], True, colour, 2, cv2.LINE_AA)


def _text(canvas: ByteArray, text: str, place: tuple[int, int], scale: float) -> None:
    """White with a dark edge, which is read on every colour."""
    thin = max(1, round(2 * scale))
    for right, down in ((-1, 0), (1, 0), (0, -1), (0, 1)):  # a thicker stroke would set the letters farther apart
        cv2.putText(canvas, text, (place[0] + right, place[1] + down), _FONT, scale, (20, 20, 20), thin, cv2.LINE_AA)
    cv2.putText(canvas, text, place, _FONT, scale, (255, 255, 255), thin, cv2.LINE_AA)
