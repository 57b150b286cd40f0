"""How fast the own vehicle turns, from two pictures and the depth between them: for recordings without a yaw rate.

A corner of a thing that stands, at (x, y) on the image plane and with depth Z, moves there between two pictures by

    dx = (x Tz - Tx) / Z + x y Rx - (1 + x^2) Ry + y Rz
    dy = (y Tz - Ty) / Z + (1 + y^2) Rx - x y Ry - x Rz

under the camera's own translation T and rotation R (Longuet-Higgins and Prazdny 1980), which is linear in both. Depth that is off
moves a corner to or from the point that the camera heads for and never across, and a network's may be off by a factor: so what
moves along that line counts little, what moves across it much, and T itself is not to be believed. Other vehicles fit
nothing, and count little.

Legend: H, W height and width of the depth map, N corners.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.collision.corners import follow_corners
from lapdepth.collision.frame import Frame
from lapdepth.collision.looming import Growth
from lapdepth.collision.settings import TurningSettings
from lapdepth.imaging import ByteArray

ROUNDS = 6
"""Rounds of reweighted least squares. [D]"""
AGREES = 3.0
"""Standard deviations within which a corner agrees with the motion. [D]"""


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A picture with its depth."""

    time_s: float
    grey: ByteArray
    depth_m: FloatArray
    good: npt.NDArray[np.bool_]


@dataclass(slots=True)
class TurningEye:
    """Follows the own yaw rate over the frames of a recording.

    Attributes:
        yaw_rate_rps: Radians a second, positive to the left; `None` until it is known and when not seen for a while.
    """

    settings: TurningSettings
    yaw_rate_rps: float | None = None
    _before: _Look | None = None
    _seen_s: float = -math.inf

    def look(self, frame: Frame, grey: ByteArray, good: npt.NDArray[np.bool_]) -> float | None:
        """The yaw rate after one more frame, whose picture `grey` (h, w) is."""
        height, width = frame.depth_m.shape
        while grey.shape[1] >= 2 * width and grey.shape[0] >= 2 * height:
            grey = np.asarray(cv2.pyrDown(grey), np.uint8)
        if grey.shape != (height, width):
            grey = np.asarray(cv2.resize(grey, (width, height)), np.uint8)
        before, self._before = self._before, _Look(frame.time_s, grey, frame.depth_m.copy(), good)
        if before is None or before.grey.shape != grey.shape or not 0 < frame.time_s - before.time_s <= self.settings.hold_s:
            self.yaw_rate_rps = None
            return None
        step_s = frame.time_s - before.time_s
        turned = turned_rad(before.grey, grey, before.depth_m, before.good, frame.intrinsics, self.settings)
        if turned is not None:
            keep = 0.0 if self.yaw_rate_rps is None else math.exp(-step_s / self.settings.memory_s)
            self.yaw_rate_rps = keep * (self.yaw_rate_rps or 0.0) + (1 - keep) * turned / step_s
            self._seen_s = frame.time_s
        elif frame.time_s - self._seen_s > self.settings.hold_s:
            self.yaw_rate_rps = None
        return self.yaw_rate_rps


def turned_rad(
    before: ByteArray,
    now: ByteArray,
    depth_before_m: FloatArray,
    good_before: npt.NDArray[np.bool_],
    camera: Intrinsics,
    settings: TurningSettings,
) -> float | None:
    """Angle that the camera turned to the left from one picture to the next; `None` where too few corners agree on one.

    Args:
        before: (H, W) grey, the earlier picture.
        now: (H, W) grey.
        depth_before_m: (H, W) of the earlier picture.
        good_before: (H, W) where that may be used.
        camera: Of both.
        settings: Of the estimate.
    """
    start, end = follow_corners(before, now, settings.corners, settings.apart_px, settings.window_px, settings.return_px)
    column, row = start.astype(np.intp).T
    usable = good_before[row, column] & (depth_before_m[row, column] > settings.nearest_m)
    start, end, column, row = start[usable], end[usable], column[usable], row[usable]
    if len(start) < settings.min_corners:
        return None
    focal = np.array([camera.fx_px, camera.fy_px])
    rays = (start - np.array([camera.cx_px, camera.cy_px])) / focal
    (x, y), moved = rays.T, (end - start) / focal
    near, zero = 1 / depth_before_m[row, column].astype(np.float64), np.zeros(len(rays))
    along_x = np.stack([-near, zero, x * near, x * y, -(1 + x * x), y], axis=1)
    along_y = np.stack([zero, -near, y * near, 1 + y * y, -x * y, -x], axis=1)
    noise = settings.corner_px / camera.focal_px
    motion, flow, off = np.zeros(6), moved, np.zeros(len(rays))
    for _ in range(ROUNDS):
        heading = np.clip(motion[:2] / motion[2], -settings.max_heading, settings.max_heading) if motion[2] > 0 else np.zeros(2)
        outward = rays - heading
        outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
        across = np.stack([-outward[:, 1], outward[:, 0]], axis=1)
        spread = np.hypot(noise, settings.depth_error * np.linalg.norm(flow, axis=1))
        trust = 1 / (1 + off**2)  # Cauchy's
        parts = [(outward, trust / spread), (across, trust / noise)]
        equations = np.concatenate([(along_x * to[:, :1] + along_y * to[:, 1:]) * weight[:, None] for to, weight in parts])
        motion = np.linalg.lstsq(equations, np.concatenate([np.sum(moved * to, axis=1) * w for to, w in parts]), rcond=None)[0]
        flow = np.stack([along_x[:, :3] @ motion[:3], along_y[:, :3] @ motion[:3]], axis=1)
        left = np.stack([along_x @ motion, along_y @ motion], axis=1) - moved
        off = np.hypot(np.sum(left * outward, axis=1) / spread, np.sum(left * across, axis=1) / noise)
    agree = int(np.sum(off < AGREES))
    return None if agree < max(settings.min_corners, settings.min_share * len(rays)) else -float(motion[4])


def stands(growth: Growth, right: float, yaw_rate_rps: float, settings: TurningSettings) -> bool:
    """Whether a thing stands, as far as its picture moves sideways while the own vehicle turns.

    What stands at X / Z = x and grows at a rate g moves by x g + yaw rate; what drives ahead in the own path is off that by the
    yaw rate times its speed over the own speed.

    Args:
        growth: Of its picture.
        right: Its x, of its middle.
        yaw_rate_rps: Of the own vehicle, positive to the left.
        settings: How well it must agree.
    """
    if abs(yaw_rate_rps) < settings.least_rps:
        return False
    off = (growth.drift - right * growth.log_growth) / growth.over_s - yaw_rate_rps
    return abs(off) < settings.standing_share * abs(yaw_rate_rps)
