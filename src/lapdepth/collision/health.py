"""Is the input fit to be judged? A picture that says nothing must never look like an empty road.

Legend: H, W height and width of the depth map; h, w of the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.collision.frame import Frame
from lapdepth.collision.settings import HealthSettings

INTERVALS = 5
"""Times between frames from which jitter is judged. [D]"""
BLOCKS = (6, 12)
"""Rows and columns of blocks that the lower half of a picture is judged in. [D]"""
COARSE = (40, 24)
"""Columns and rows of blocks in whose means a picture is compared with one before: no noise is left in them. [D]"""


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """What must be remembered of the frames before.

    Attributes:
        time_s: Of the last frame, `None` before the first.
        intervals: The last times between frames.
        changed_s: When the picture last changed.
        glimpse: A few pixels of the last picture, or of its depth where there is no picture.
        moved_s: When the picture was last seen to differ in the large.
        coarse: Means of its blocks then.
    """

    time_s: float | None = None
    intervals: tuple[float, ...] = ()
    changed_s: float = 0.0
    glimpse: npt.NDArray[np.generic] | None = None
    moved_s: float = 0.0
    coarse: FloatArray | None = None


def usable(frame: Frame, min_confidence: float) -> npt.NDArray[np.bool_]:
    """(H, W) where depth is finite, positive, valid and not given up by its own confidence."""
    with np.errstate(invalid="ignore"):
        good = (frame.depth_m > 0) & (frame.depth_m < np.inf)
        if frame.valid is not None:
            good &= frame.valid
        if frame.confidence is not None:
            good &= frame.confidence >= min_confidence
    return good


def check_time(watch: Watch, time_s: float, settings: HealthSettings) -> tuple[str | None, tuple[float, ...]]:
    """The fault of a time stamp, if any, and the intervals to remember."""
    if not math.isfinite(time_s):
        return "time stamp is not a number", ()
    if watch.time_s is None:
        return None, ()
    step = time_s - watch.time_s
    if step <= 0:
        return "time stamp goes back or stands still", ()
    if step > settings.max_gap_s:
        return f"time stamp jumps by {step:.2f} s", ()
    intervals = (*watch.intervals, step)[-INTERVALS:]
    most = np.sort(intervals)[:-1]
    if len(intervals) == INTERVALS and np.std(most) > settings.jitter * np.median(intervals):
        return "time stamps jitter", intervals
    return None, intervals


def check_depth(depth_m: FloatArray, good: npt.NDArray[np.bool_], settings: HealthSettings) -> str | None:
    """The fault of a depth map in its lower half, where the road is."""
    half = depth_m.shape[0] // 2
    if float(np.mean(np.isnan(depth_m[half:]))) > settings.nan_share:
        return "depth is not a number"
    if float(np.mean(~good[half:])) > settings.invalid_share:
        return "too little of the road has depth"
    return None


def check_picture(image: npt.NDArray[np.uint8], settings: HealthSettings) -> str | None:
    """The fault of a picture (h, w) or (h, w, 3): dark, or its lower half shows nothing."""
    step = max(image.shape[1] // 640, 1)
    small = np.ascontiguousarray(image[::step, ::step])
    grey = (small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)).astype(np.float32)
    if float(grey.mean()) < settings.dark_level and float(np.percentile(grey[::2, ::2], 99)) < settings.bright_level:
        return "picture is dark"
    lower = grey[grey.shape[0] // 2 :]
    steps = np.abs(np.diff(lower, axis=1))
    rows, columns = BLOCKS
    high, wide = steps.shape[0] // rows, steps.shape[1] // columns
    if high < 1 or wide < 1:
        return None  # too small to be judged
    blocks = steps[: rows * high, : columns * wide].reshape(rows, high, columns, wide).mean(axis=(1, 3))
    if float(np.mean(blocks < settings.detail)) > settings.blind_share:
        return "lens covered or dirty"
    return None


def watch_on(watch: Watch, frame: Frame, settings: HealthSettings) -> tuple[Watch, str | None, bool]:
    """Time stamps, and whether the picture still changes.

    Returns:
        What to remember, the fault if any, and whether this frame is only the last one again, which has nothing new to tell.
    """
    fault, intervals = check_time(watch, frame.time_s, settings)
    if not math.isfinite(frame.time_s):
        return watch, fault, True
    glimpse: npt.NDArray[np.generic] = (frame.depth_m[::4, ::4] if frame.image is None else frame.image[::4, ::4]).copy()
    standing = frame.ego_speed_mps is not None and frame.ego_speed_mps < settings.moving_mps
    same = watch.glimpse is not None and not standing and np.array_equal(glimpse, watch.glimpse, equal_nan=frame.image is None)
    broken = watch.time_s is None or frame.time_s <= watch.time_s
    changed = watch.changed_s if same and not broken else frame.time_s
    coarse = None if frame.image is None else _coarse(frame.image)
    moved = broken or _moved(frame, coarse, watch.coarse, settings)
    moved_s, coarse = (frame.time_s, coarse) if moved else (watch.moved_s, watch.coarse)
    if fault is None and frame.time_s - min(changed, moved_s) >= settings.frozen_s - 1e-6:
        fault = "picture is frozen"
    return Watch(frame.time_s, intervals, changed, glimpse, moved_s, coarse), fault, same


def _coarse(image: npt.NDArray[np.uint8]) -> FloatArray:
    """Grey levels of a picture (h, w) or (h, w, 3) in `COARSE` blocks."""
    small = cv2.resize(image, COARSE, interpolation=cv2.INTER_AREA)
    return (small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)).astype(np.float32)


def _moved(frame: Frame, coarse: FloatArray | None, before: FloatArray | None, settings: HealthSettings) -> bool:
    """Whether a picture differs in the large from the one before, or need not: slow, or of unknown speed, it may look the same.

    A frozen picture that comes through a compressed video is not the same to the bit: its details are coded anew.
    """
    if coarse is None or before is None or frame.ego_speed_mps is None or frame.ego_speed_mps < settings.surely_moving_mps:
        return True
    return float(np.mean(np.abs(coarse - before))) >= settings.frozen_share * float(np.std(coarse))
