"""What counts as an obstacle in the path, and what does not."""

import numpy as np
import pytest

from collision.roads import CAMERA, board, noisy, road
from lapdepth.collision.corridor import curvature_1pm, horizon_m, offset_m
from lapdepth.collision.frame import Box
from lapdepth.collision.ground import fit_ground
from lapdepth.collision.obstacle import find_obstacles
from lapdepth.collision.settings import GroundSettings, PathSettings

PATH = PathSettings()


def found(depth, curvature=0.0, boxes=()):
    good = depth < 120
    ground = fit_ground(depth, good, CAMERA, GroundSettings())
    return find_obstacles(
        depth, good, CAMERA, ground, PATH, curvature=curvature, horizon=80.0, camera_height_m=ground.camera_height_m, boxes=boxes
    )


@pytest.mark.parametrize("z_m", [5, 12, 30, 60, 75])
@pytest.mark.parametrize("share", [0, 0.03])
def test_car_is_found_at_its_range(z_m, share):
    obstacles = found(noisy(board(road(), z_m), seed=z_m, share=share))
    assert obstacles[0].depth_m == pytest.approx(z_m, rel=0.02 if share else 0.002)


@pytest.mark.parametrize(
    ("what", "z_m", "size"),
    [
        ("pedestrian", 20, {"width_m": 0.5, "top_m": 1.75}),
        ("cyclist", 30, {"width_m": 0.6, "top_m": 1.7}),
        ("half a car", 40, {"right_m": 0.9}),
    ],
)
def test_smaller_things_are_found(what, z_m, size):
    assert found(board(road(), z_m, **size))[0].depth_m == pytest.approx(z_m, rel=0.01), what


@pytest.mark.parametrize(
    ("what", "size"),
    [
        ("car in the next lane", {"right_m": 3.5}),
        ("car parked beside", {"right_m": 2.3}),
        ("kerb", {"width_m": 3.0, "top_m": 0.15}),
        ("sign above", {"width_m": 10.0, "bottom_m": 5.0, "top_m": 7.0}),
        ("post", {"width_m": 0.1, "top_m": 1.0}),
    ],
)
@pytest.mark.parametrize("z_m", [10, 40])
def test_what_is_no_obstacle(what, size, z_m):
    assert found(noisy(board(road(), z_m, **size), share=0.02)) == [], what


def test_empty_road_with_noise_has_no_obstacles():
    assert [one for seed in range(20) for one in found(noisy(road(), seed))] == []


def test_a_road_that_rises_is_no_obstacle():
    # Behind 40 m the road climbs by 8 %: 1.5 - 0.08 (Z - 40) = y Z.
    y = (np.arange(CAMERA.height)[:, None] - CAMERA.cy_px) / CAMERA.fy_px
    rising = np.broadcast_to((1.5 + 0.08 * 40) / np.maximum(y + 0.08, 1e-9), (CAMERA.height, CAMERA.width)).astype(np.float32)
    depth = np.where(road() > 40, np.where(y + 0.08 > 0.03, rising, np.inf), road()).astype(np.float32)
    assert found(depth) == []


def test_two_cars_nearest_first():
    depth = board(board(road(), 45, top_m=2.1), 15, width_m=1.0, top_m=1.0)
    assert [one.depth_m for one in found(depth)] == pytest.approx([15, 45], rel=0.01)


def test_curve_moves_the_path():
    # Left curve of 100 m radius: at 30 m the path is 30^2 / 200 = 4.5 m to the left.
    beside, ahead = board(road(), 30, right_m=0.0), board(road(), 30, right_m=-4.5)
    assert found(beside, curvature=0.01) == []
    assert found(ahead, curvature=0.01)[0].depth_m == pytest.approx(30, rel=0.01)


def test_box_needs_less_to_be_seen_and_names_it():
    depth = board(road(), 20, width_m=0.25, top_m=1.2)
    assert found(depth) == []
    boxes = (Box(150, 30, 170, 70, "child"),)
    assert [(one.label, round(one.depth_m)) for one in found(depth, boxes=boxes)] == [("child", 20)]


def test_box_names_what_is_found_without_it():
    obstacles = found(board(road(), 20), boxes=(Box(140, 30, 180, 70, "car"),))
    assert [one.label for one in obstacles] == ["car"]


@pytest.mark.parametrize(
    ("yaw_rate", "speed", "curvature"),
    [(0.1, 10, 0.01), (-0.2, 10, -0.02), (None, 10, 0), (0.1, None, 0), (0.1, 0.5, 0), (3, 3, 0)],
)
def test_curvature(yaw_rate, speed, curvature):
    assert curvature_1pm(yaw_rate, speed, PATH) == pytest.approx(curvature)


@pytest.mark.parametrize("radius_m", [50, -50, 100])
def test_offset_from_the_arc(radius_m):
    # A point 2 m to the right of the arc, 30 degrees along it: on a left bend that is farther from the centre.
    angle = np.radians(30)
    outside = radius_m + 2
    right, forward = outside * np.cos(angle) - radius_m, abs(outside) * np.sin(angle)
    assert offset_m(np.float32(right), np.float32(forward), 1 / radius_m) == pytest.approx(2, abs=1e-3)


@pytest.mark.parametrize(("speed", "metres"), [(None, 80), (10, 45), (30, 80), (1, 20)])
def test_horizon(speed, metres):
    assert horizon_m(speed, 0.0, PATH) == metres


def test_horizon_in_a_curve_ends_where_depth_cannot_tell_the_lanes_apart():
    reach = horizon_m(30, -0.01, PATH)
    assert 0.1 * reach**2 * 0.01 / 2 == pytest.approx(0.7)
    assert horizon_m(30, 0.2, PATH) == 20
