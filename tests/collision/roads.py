"""Depth of roads by hand, apart from the test track's own ray casting: a level camera over a flat road, and flat boards on it."""

import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.collision.frame import Frame

CAMERA = Intrinsics.from_focal(320, 96, 185.5)
HEIGHT_M = 1.5


def road(camera=CAMERA, height_m=HEIGHT_M):
    """Z = h f / (v - cy) below the horizon, infinite above."""
    rows = np.arange(camera.height) - camera.cy_px
    z = np.where(rows > 0, height_m * camera.fy_px / np.where(rows > 0, rows, 1), np.inf)
    return np.repeat(z[:, None], camera.width, axis=1).astype(np.float32)


def board(depth_m, z_m, right_m=0.0, width_m=1.8, bottom_m=0.0, top_m=1.5, camera=CAMERA, height_m=HEIGHT_M):
    """Stands a board across the road at depth z; what is nearer stays in front of it."""
    x = (np.arange(camera.width) - camera.cx_px) / camera.fx_px * z_m
    y = (np.arange(camera.height) - camera.cy_px) / camera.fy_px * z_m
    columns = np.abs(x - right_m) <= width_m / 2
    rows = (y >= height_m - top_m) & (y <= height_m - bottom_m)
    out = depth_m.copy()
    window = rows[:, None] & columns[None]
    out[window] = np.minimum(out[window], np.float32(z_m))
    return out


def frame(depth_m, time_s=0.0, camera=CAMERA, **known):
    known.setdefault("ego_speed_mps", 15.0)
    return Frame(depth_m, time_s, camera, valid=depth_m < 120, **known)


def noisy(depth_m, seed=0, share=0.03):
    return depth_m * (1 + share * np.random.default_rng(seed).standard_normal(depth_m.shape).astype(np.float32))
