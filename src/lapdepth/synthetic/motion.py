"""Poses over time, in closed form. NumPy, no PyTorch.

World axes are the camera's at rest: X right, Y down, Z ahead, in metres; the ground passes through the origin. Poses are 4x4
matrices from the object's or camera's frame to the world.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

from lapdepth.synthetic.scene import Camera, Ground, Key, Motion, Road, Thing

Matrix = npt.NDArray[np.float64]
Place = tuple[float, float, float]
"""(x_m, z_m, yaw in radians) on the ground."""

STANDS_UPRIGHT = frozenset({"pedestrian", "tree", "bush", "pole", "lamp", "sign", "gantry", "bridge", "house", "wall", "room"})
"""Kinds that do not lean with a slope."""


def elevation_m(ground: Ground, x_m: npt.ArrayLike, z_m: npt.ArrayLike) -> Matrix:
    """Height of the ground above the origin, of any shape."""
    x, z = np.asarray(x_m, np.float64), np.asarray(z_m, np.float64)
    height = ground.grade * z + ground.camber * x  # of a level ground: 0
    for wave in ground.waves:
        heading, phase = math.radians(wave.heading_deg), math.radians(wave.phase_deg)
        along = x * math.sin(heading) + z * math.cos(heading)
        height = height + wave.amplitude_m * (np.sin(2 * math.pi * along / wave.length_m + phase) - math.sin(phase))
    return np.asarray(height, np.float64)


def follow_arc(place: Place, length_m: float, curvature_per_m: float) -> Place:
    """Where a path of one curvature leads; a negative length goes back."""
    x, z, yaw = place
    if abs(curvature_per_m * length_m) < 1e-9:
        return x + length_m * math.sin(yaw), z + length_m * math.cos(yaw), yaw
    end = yaw + curvature_per_m * length_m
    dx = (math.cos(yaw) - math.cos(end)) / curvature_per_m
    dz = (math.sin(end) - math.sin(yaw)) / curvature_per_m
    return x + dx, z + dz, end


def road_place(road: Road, along_m: float, offset_m: float = 0.0) -> Place:
    """The place `along_m` down the reference line and `offset_m` to its right, and the road's heading there."""
    place: Place = (road.x_m, road.z_m, math.radians(road.yaw_deg))
    left = along_m
    for arc in road.arcs if along_m > 0 else ():
        step = min(left, arc.length_m)
        place, left = follow_arc(place, step, arc.curvature_per_m), left - step
        if left <= 0:
            break
    x, z, yaw = follow_arc(place, left, 0.0)
    return x + offset_m * math.cos(yaw), z - offset_m * math.sin(yaw), yaw


def travelled(motion: Motion, time_s: float) -> tuple[float, float]:
    """Metres travelled since time 0 (negative before it) and the speed in m/s."""
    distance_m, speed, left_s = 0.0, motion.speed_mps, time_s
    for leg in motion.legs if time_s > 0 else ():
        step_s = min(left_s, leg.duration_s)
        moving_s = min(step_s, speed / -leg.acceleration_mps2) if leg.acceleration_mps2 < 0 else step_s
        distance_m += speed * moving_s + leg.acceleration_mps2 * moving_s**2 / 2
        speed = max(0.0, speed + leg.acceleration_mps2 * moving_s) if moving_s == step_s else 0.0
        left_s -= step_s
        if left_s <= 0:
            break
    return distance_m + speed * max(left_s, 0.0) + motion.speed_mps * min(time_s, 0.0), speed


def walked_m(motion: Motion, time_s: float) -> float:
    """Metres gone along its path since time 0, or since its first key."""
    if not motion.keys:
        return travelled(motion, time_s)[0]
    gone_m = 0.0
    for start, end in itertools.pairwise(motion.keys):
        share = min(max((time_s - start.time_s) / (end.time_s - start.time_s), 0.0), 1.0)
        gone_m += share * math.hypot(end.x_m - start.x_m, end.z_m - start.z_m)
    return gone_m


def place_at(motion: Motion, road: Road | None, time_s: float) -> Place:
    """Where a motion is at a time, in the world."""
    if motion.keys:
        key = _between(motion.keys, time_s)
        own: Place = (key.x_m, key.z_m, math.radians(key.yaw_deg))
    else:
        distance_m, speed = travelled(motion, time_s)
        own = follow_arc((motion.x_m, motion.z_m, math.radians(motion.yaw_deg)), distance_m, motion.curvature_per_m)
        aside_m, drift_mps = _sway(motion.sway, time_s)
        x, z, yaw = own
        turned = yaw + (math.atan2(drift_mps, speed) if speed > 0 else 0.0)
        own = (x + aside_m * math.cos(yaw), z - aside_m * math.sin(yaw), turned)
    if motion.on == "world" or road is None:
        return own
    x, z, yaw = road_place(road, own[1], own[0])
    return x, z, yaw + own[2]


def object_pose(thing: Thing, ground: Ground, road: Road | None, time_s: float) -> Matrix:
    """Pose of an object (right, down, forward) whose origin is in the middle of its underside."""
    place = place_at(thing.motion, road, time_s)
    upright = thing.kind in STANDS_UPRIGHT if thing.upright is None else thing.upright
    pose = _on_ground(place, ground, thing.base_m, upright)
    roll, pitch = (math.radians(angle) for angle in thing.tilt_deg)
    pose[:3, :3] = pose[:3, :3] @ _pitched(pitch) @ _rolled(roll)
    return pose


def camera_pose(camera: Camera, ground: Ground, road: Road | None, time_s: float) -> Matrix:
    """Pose of the camera, camera to world; on a slope it leans with what carries it."""
    motion = camera.motion
    pose = _on_ground(place_at(motion, road, time_s), ground, camera.height_m, upright=False)
    pitch_deg = camera.pitch_deg + (_between(motion.keys, time_s).pitch_deg if motion.keys else 0.0)
    pose[:3, :3] = pose[:3, :3] @ _pitched(math.radians(pitch_deg)) @ _rolled(math.radians(camera.roll_deg))
    return pose


def _on_ground(place: Place, ground: Ground, base_m: float, upright: bool) -> Matrix:
    x, z, yaw = place
    right = np.array([math.cos(yaw), 0.0, -math.sin(yaw)])
    forward = np.array([math.sin(yaw), 0.0, math.cos(yaw)])
    if not upright and (ground.grade or ground.camber or ground.waves):
        for way in (right, forward):
            step = way[[0, 2]]
            ends = [float(elevation_m(ground, x + sign * step[0], z + sign * step[1])) for sign in (1, -1)]
            way[1] = -(ends[0] - ends[1]) / 2
        forward /= np.linalg.norm(forward)
        right -= forward * (right @ forward)
        right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = right, np.cross(forward, right), forward
    pose[:3, 3] = x, -float(elevation_m(ground, x, z)) - base_m, z
    return pose


def _pitched(angle: float) -> Matrix:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


def _rolled(angle: float) -> Matrix:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _sway(sway: tuple[tuple[float, float], ...], time_s: float) -> tuple[float, float]:
    """Metres to the right, and their rate."""
    if not sway or time_s <= sway[0][0]:
        return (sway[0][1] if sway else 0.0), 0.0
    for (t0, x0), (t1, x1) in itertools.pairwise(sway):
        if time_s < t1:
            phase = math.pi * (time_s - t0) / (t1 - t0)
            rate = (x1 - x0) / 2 * math.sin(phase) * math.pi / (t1 - t0)
            return x0 + (x1 - x0) * (1 - math.cos(phase)) / 2, rate
    return sway[-1][1], 0.0


def _between(keys: tuple[Key, ...], time_s: float) -> Key:
    times = [key.time_s for key in keys]
    parts = {
        name: float(np.interp(time_s, times, [getattr(key, name) for key in keys]))
        for name in ("x_m", "z_m", "yaw_deg", "pitch_deg")
    }
    return Key(time_s=time_s, **parts)
