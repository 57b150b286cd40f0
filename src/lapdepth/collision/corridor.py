"""The path of the own vehicle: straight, or the arc that its yaw rate says."""

from __future__ import annotations

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
    """Metres to the right of the path's middle; a parabola stands for the arc (0.3 % off at 15 degrees).

    Args:
        right_m: X in the camera's frame.
        forward_m: Z in the camera's frame.
        curvature: 1/m, positive to the left.
    """
    return right_m + curvature / 2 * forward_m * forward_m


def horizon_m(ego_speed_mps: float | None, settings: PathSettings) -> float:
    """How far ahead obstacles are looked for."""
    if ego_speed_mps is None:
        return settings.horizon_m
    return min(settings.horizon_m, max(settings.min_horizon_m, settings.horizon_s * ego_speed_mps))
