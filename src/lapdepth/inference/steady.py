"""Depth of a video, steadier over time: each frame is mixed with the one before, moved along with what the picture shows.

Where a point was in the frame before is told by optical flow on a small picture (DIS, Kroeger et al. 2016). Between two frames
the camera moves, and the point's depth changes with it: the motion is fitted to the flow and the depth of the frame before
(perspective from n points), and the depth that it leads to is what is mixed in. Where picture or depth disagree, the new frame
alone counts; where most of the picture does, at a cut, all begins anew. Kept from frame to frame is one small picture and its
depth.

Legend: H, W height and width of a frame; h, w of the small one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.imaging import ByteArray

PIXELS = 256 * 80
"""Of the small picture."""
KEEP = 0.5
"""Share of the frame before."""
GREY_STEP = 16.0
"""Grey values by which a point's look may change from frame to frame."""
LOG_STEP = 0.15
"""By how much the logarithm of its depth may."""
FEWEST = 0.4
"""Share of points that must agree; else it is another scene."""
GRID = 6
"""Every sixth point of the small picture, each way, goes into the camera's motion."""


@dataclass(frozen=True, slots=True, eq=False)
class _Before:
    size: tuple[int, int]
    grey: ByteArray
    log_depth: FloatArray


class SteadyDepth:
    """Takes the frames of one video in order."""

    def __init__(self, keep: float = KEEP, follow_camera: bool = True) -> None:
        self._keep, self._follow = keep, follow_camera
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._before: _Before | None = None

    def __call__(self, rgb: ByteArray, depth_m: FloatArray, camera: Intrinsics) -> FloatArray:
        """Steadier depth (H, W) of the next frame.

        Args:
            rgb: (H, W, 3) uint8 RGB.
            depth_m: (H, W) metres, as predicted for this frame.
            camera: Of the frame.
        """
        height, width = depth_m.shape
        shrink = min(1.0, math.sqrt(PIXELS / (height * width)))
        size = max(16, round(width * shrink)), max(16, round(height * shrink))
        grey = np.asarray(cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY), np.uint8)
        log_depth = np.asarray(cv2.resize(np.log(depth_m), size, interpolation=cv2.INTER_AREA), np.float32)
        before, change = self._before, None
        if before is not None and before.size == (height, width):
            change = self._change(before, grey, log_depth, camera.resized(*size))
        if change is not None:
            log_depth = log_depth + change
            grown = cv2.resize(change, (width, height), interpolation=cv2.INTER_LINEAR)
            depth_m = np.asarray(depth_m * np.exp(grown), np.float32)
        self._before = _Before((height, width), grey, log_depth)
        return depth_m

    def _change(self, before: _Before, grey: ByteArray, log_depth: FloatArray, camera: Intrinsics) -> FloatArray | None:
        """What to add to the logarithm of the depth (h, w); `None` where the two frames show different scenes."""
        height, width = grey.shape
        flow = self._flow.calc(grey, before.grey, np.zeros((height, width, 2), np.float32))
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        x, y = columns + flow[..., 0], rows + flow[..., 1]  # where each point was
        seen = cv2.remap(before.grey, x, y, cv2.INTER_LINEAR).astype(np.float32)
        was = np.asarray(cv2.remap(before.log_depth, x, y, cv2.INTER_LINEAR), np.float32)
        agrees = (np.abs(seen - grey) < GREY_STEP) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        if self._follow:
            was = _after_motion(was, np.stack([x, y], -1), np.stack([columns, rows], -1), agrees, camera)
        agrees &= np.abs(was - log_depth) < LOG_STEP
        if agrees.mean() < FEWEST:
            return None
        change = np.where(agrees, np.float32(self._keep) * (was - log_depth), 0)
        return np.asarray(cv2.blur(change, (3, 3)), np.float32)


def _after_motion(
    was: FloatArray, was_at: FloatArray, now_at: FloatArray, good: npt.NDArray[np.bool_], camera: Intrinsics
) -> FloatArray:
    """The logarithm of the depth (h, w) that points have after the camera's motion, which is fitted to where they went.

    Args:
        was: (h, w) logarithm of each point's depth before.
        was_at: (h, w, 2) where it was in the picture, in pixels.
        now_at: (h, w, 2) where it is.
        good: (h, w) points to be trusted.
        camera: Of the small picture.
    """
    rays = np.dstack([(was_at[..., 0] - camera.cx_px) / camera.fx_px, (was_at[..., 1] - camera.cy_px) / camera.fy_px])
    depth_m = np.exp(was)
    points = np.dstack([rays * depth_m[..., None], depth_m])  # (h, w, 3)
    picked = np.zeros_like(good)
    picked[GRID // 2 :: GRID, GRID // 2 :: GRID] = True
    picked &= good
    if picked.sum() < 30:
        return was
    matrix = np.array([[camera.fx_px, 0, camera.cx_px], [0, camera.fy_px, camera.cy_px], [0, 0, 1]])
    found, turn, shift, inliers = cv2.solvePnPRansac(
        points[picked].astype(np.float64),
        now_at[picked].astype(np.float64),
        matrix,
        None,
        iterationsCount=50,
        reprojectionError=0.7,
    )
    if not found or inliers is None or len(inliers) < 0.5 * picked.sum():
        return was
    ahead = cv2.Rodrigues(turn)[0][2]  # the third row: what becomes of depth
    now_m = points @ ahead.astype(np.float32) + np.float32(shift[2, 0])
    return np.where(now_m > 0.5 * depth_m, np.log(np.maximum(now_m, 1e-3)), was).astype(np.float32)
