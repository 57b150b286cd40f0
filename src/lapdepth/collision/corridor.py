"""The path of the own vehicle: straight, or the arc that its yaw rate says."""

from __future__ import annotations

import math

import numpy as np

from lapdepth.camera import FloatArray
from lapdepth.collision.settings import PathSettings

SLOWEST_MPS = 2.0
"""Below this speed a yaw rate over a speed is no curvature. [D]"""


def curvature_1pm(yaw_rate_rps: float | None, ego_speed_mps: float | None, settings: PathSettings) -> float:
    """Curvature of the path in 1/m, positive to the left; 0 where it is not known or not believable."""
    if yaw_rate_rps is None or ego_speed_mps is None or ego_speed_mps < SLOWEST_MPS:
        return 0.0
    curvature = yaw_rate_rps / ego_speed_mps
    return curvature if abs(curvature) <= settings.max_curvature_1pm else 0.0


def offset_m(right_m: FloatArray, forward_m: FloatArray, curvature: float) -> FloatArray:
    """Metres to the right of the path's middle, an arc: the distance from its centre less its radius, written without the radius.

    Args:
        right_m: X in the camera's frame.
        forward_m: Z in the camera's frame.
        curvature: 1/m, positive to the left.
    """
    if curvature == 0:
        return right_m
    k = np.float32(curvature)
    root = np.hypot(1 + k * right_m, k * forward_m)
    return np.asarray((2 * right_m + k * (right_m * right_m + forward_m * forward_m)) / (1 + root), np.float32)


def horizon_m(ego_speed_mps: float | None, curvature: float, settings: PathSettings) -> float:
    """How far ahead obstacles are looked for; in a curve no farther than depth can tell the own lane from the next.

    A depth that is wrong by a share e moves a thing at Z sideways against an arc by e Z^2 curvature / 2.
    """
    horizon = settings.horizon_m
    if ego_speed_mps is not None:
        horizon = min(horizon, max(settings.min_horizon_m, settings.horizon_s * ego_speed_mps))
    if curvature:
        certain = math.sqrt(2 * settings.curve_margin_m / (settings.curve_depth_error * abs(curvature)))
        horizon = min(horizon, max(settings.min_horizon_m, certain))
    return horizon
