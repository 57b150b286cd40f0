"""How fast an obstacle's picture grows: its closing speed over its range, from the picture alone, without any depth.

A thing at depth Z whose depth was Z' a moment ago has grown by Z' / Z, whatever its size and the focal length, and however wrong
the network is. Time over that growth is the time to collision of cameras without depth (Lee 1976; Dagan, Mano, Stein, Shashua
2004).

Legend: N corners.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from lapdepth.collision.corners import follow_corners
from lapdepth.collision.settings import LoomingSettings
from lapdepth.imaging import ByteArray


@dataclass(frozen=True, slots=True)
class Growth:
    """What the picture of one thing did.

    Attributes:
        log_growth: Logarithm of its size now over its size then.
        sigma: Standard deviation of that.
        over_s: From then to now.
        drift: How far its middle moved to the right, as a share of the focal length.
    """

    log_growth: float
    sigma: float
    over_s: float
    drift: float


class LoomingEye:
    """Remembers the pictures of the last moment, and says how much a part of the newest one has grown since."""

    def __init__(self, settings: LoomingSettings) -> None:
        """Begin with nothing seen."""
        self._settings = settings
        self._seen: list[tuple[float, ByteArray]] = []

    def look(self, time_s: float, grey: ByteArray) -> None:
        """Take the next picture, (h, w); older ones than are needed are forgotten, and all of another size."""
        until = time_s - self._settings.over_s
        seen = [one for one in self._seen if one[1].shape == grey.shape and one[0] < time_s]
        first = max((i for i, one in enumerate(seen) if one[0] <= until + 1e-6), default=0)
        self._seen = [*seen[first:], (time_s, grey)]

    def growth(self, left: float, top: float, right: float, bottom: float, focal_px: float) -> Growth | None:
        """Growth of what is in a box of the newest picture; `None` where too few corners agree on one, or none is old enough.

        Args:
            left: In pixels of the picture, as the others.
            top: Upper side.
            right: Right side, excluded.
            bottom: Lower side, excluded.
            focal_px: Of the picture.
        """
        settings = self._settings
        if not self._seen:
            return None
        (then_s, then), (now_s, now) = self._seen[0], self._seen[-1]
        if now_s - then_s < settings.least_s:
            return None
        height, width = now.shape
        # Around the box as much again: what is there now may have been anywhere near.
        more = max(right - left, bottom - top, settings.margin_px)
        x0, y0 = max(int(left - more), 0), max(int(top - more), 0)
        x1, y1 = min(math.ceil(right + more), width), min(math.ceil(bottom + more), height)
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        mask[max(int(top) - y0, 0) : math.ceil(bottom) - y0, max(int(left) - x0, 0) : math.ceil(right) - x0] = 1
        start, end = follow_corners(
            now[y0:y1, x0:x1], then[y0:y1, x0:x1], settings.corners, 3, settings.window_px, settings.return_px, mask
        )
        if len(start) < settings.min_corners:
            return None
        fit, agree = cv2.estimateAffinePartial2D(start, end, method=cv2.RANSAC, ransacReprojThreshold=settings.agree_px)
        chosen = np.zeros(len(start), bool) if fit is None else agree[:, 0] > 0
        if fit is None or int(chosen.sum()) < max(settings.min_corners, settings.min_share * len(start)):
            return None
        start, end = start[chosen].astype(np.float64), end[chosen].astype(np.float64)
        off = end - (start @ fit[:, :2].T + fit[:, 2])
        radius = math.sqrt(float(np.mean(np.sum((start - start.mean(axis=0)) ** 2, axis=1))))
        noise = max(math.sqrt(float(np.mean(off**2))), settings.corner_px)
        scale = math.hypot(float(fit[0, 0]), float(fit[1, 0]))
        if radius <= 0 or scale <= 0:
            return None
        drift = float(np.mean(start[:, 0]) - np.mean(end[:, 0])) / focal_px
        return Growth(-math.log(scale), noise / (radius * math.sqrt(len(start))), now_s - then_s, drift)
