"""The own turning from pictures, against turning that is known."""

import numpy as np
import pytest

from collision.dots import Dots
from collision.roads import board, frame, road
from collision.test_collision_recordings import load
from lapdepth.camera import Intrinsics
from lapdepth.collision.frame import Frame
from lapdepth.collision.looming import Growth
from lapdepth.collision.settings import TurningSettings, WarnerSettings
from lapdepth.collision.turning import TurningEye, stands, turned_rad
from lapdepth.collision.warner import CollisionWarner

CAMERA = Intrinsics.from_focal(468, 263, 420)
SETTINGS = TurningSettings()
EVERYWHERE = np.ones((CAMERA.height, CAMERA.width), bool)


def country(seed=0, count=220):
    """Dots from 10 to 120 m ahead, below the horizon and above it."""
    rng = np.random.default_rng(seed)
    z = np.exp(rng.uniform(np.log(10), np.log(120), count))
    return Dots(np.stack([rng.uniform(-0.5, 0.5, count) * z, rng.uniform(-0.28, 0.28, count) * z, z], axis=1), seed)


@pytest.mark.parametrize("yaw_rad", [-0.004, 0.0, 0.002])
@pytest.mark.parametrize("forward_m", [0.0, 1.2])
def test_turning_that_depth_is_off_by_a_factor_for(yaw_rad, forward_m):
    dots, rng = country(), np.random.default_rng(1)
    depth = dots.depth(CAMERA, 0.6 * np.exp(rng.normal(0, 0.4, len(dots.points))))
    before, now = dots.picture(CAMERA), dots.picture(CAMERA, forward_m=forward_m, yaw_rad=yaw_rad)
    found = turned_rad(before, now, depth, EVERYWHERE, CAMERA, SETTINGS)
    assert found == pytest.approx(yaw_rad, abs=2.5e-4)


def test_vehicles_that_drive_along_change_little():
    dots = country()
    forward = np.where(np.arange(len(dots.points)) % 4 == 0, 0.2, 1.2)
    now = dots.picture(CAMERA, forward_m=forward, yaw_rad=0.003)
    found = turned_rad(dots.picture(CAMERA), now, dots.depth(CAMERA, np.ones(len(dots.points))), EVERYWHERE, CAMERA, SETTINGS)
    assert found == pytest.approx(0.003, abs=4e-4)


def test_pictures_without_corners_or_of_other_things_say_nothing():
    dots, other = country(), country(7)
    depth, blank = dots.depth(CAMERA, np.ones(len(dots.points))), np.full((CAMERA.height, CAMERA.width), 99, np.uint8)
    assert turned_rad(blank, blank, depth, EVERYWHERE, CAMERA, SETTINGS) is None
    assert turned_rad(dots.picture(CAMERA), other.picture(CAMERA), depth, EVERYWHERE, CAMERA, SETTINGS) is None
    assert turned_rad(dots.picture(CAMERA), dots.picture(CAMERA), depth, ~EVERYWHERE, CAMERA, SETTINGS) is None


def test_arrays_that_the_caller_fills_again_for_each_frame_make_no_difference():
    dots = country()
    grey, depth = np.empty((CAMERA.height, CAMERA.width), np.uint8), np.empty((CAMERA.height, CAMERA.width), np.float32)

    def lines(again):
        warner = CollisionWarner()
        for index in range(8):
            depth_m, image = road(CAMERA), dots.picture(CAMERA, forward_m=0.8 * index, yaw_rad=0.01 * index)
            if again:
                grey[:], depth[:] = image, depth_m
                depth_m, image = depth, grey
            yield warner(frame(depth_m, index * 0.1, camera=CAMERA, ego_speed_mps=8.0, image=image))

    fresh, refilled = list(lines(again=False)), list(lines(again=True))
    assert abs(fresh[-1].curvature_1pm) > 0.005
    assert [one.to_json() for one in refilled] == [one.to_json() for one in fresh]


def watch(eye, dots, times, yaw_of):
    depth, found = dots.depth(CAMERA, np.ones(len(dots.points))), []
    for time_s in times:
        grey = dots.picture(CAMERA, yaw_rad=yaw_of(time_s))
        found.append(eye.look(Frame(depth, time_s, CAMERA), grey, EVERYWHERE))
    return found


def test_the_rate_is_a_mean_over_time_and_a_pause_ends_it():
    eye, dots = TurningEye(SETTINGS), country()
    found = watch(eye, dots, np.arange(8) * 0.1, lambda time_s: 0.05 * time_s)
    assert found[0] is None
    assert found[1:] == pytest.approx([0.05] * 7, abs=0.003)
    slower = watch(eye, dots, 0.8 + np.arange(10) * 0.1, lambda time_s: 0.04 - 0.02 * (time_s - 0.8))
    assert 0 < slower[1] < 0.05  # on its way
    assert slower[-1] == pytest.approx(-0.02, abs=0.005)
    assert watch(eye, dots, [5.0], lambda time_s: 0.0) == [None]


@pytest.mark.parametrize(
    ("drift_rps", "right", "rate", "yaw_rate", "expected"),
    [
        (0.04, 0.0, 0.4, 0.04, True),  # straight ahead, stands
        (0.04 - 0.1 * 0.4, -0.1, 0.4, 0.04, True),  # to the left
        (0.01, -0.02, 0.25, 0.04, False),  # a lead in the own path at half the own speed
        (0.0, 0.0, 0.4, 0.04, False),
        (0.01, 0.0, 0.4, 0.01, False),  # hardly any turning
    ],
)
def test_what_stands_moves_with_the_turning(drift_rps, right, rate, yaw_rate, expected):
    growth = Growth(0.3 * rate, 0.01, 0.3, 0.3 * drift_rps)
    assert stands(growth, right, yaw_rate, SETTINGS) is expected


def test_the_script_sets_turning_against_poses():
    turning = load("score_turning")
    dots, angles = country(), np.array([0.0, 0.003, 0.001, -0.002])
    poses = np.array([[[np.cos(a), 0, -np.sin(a), 0], [0, 1, 0, 0], [np.sin(a), 0, np.cos(a), 0]] for a in angles])
    assert turning.true_turns_rad(poses) == pytest.approx(np.diff(angles))
    pictures = [np.repeat(dots.picture(CAMERA, yaw_rad=angle)[..., None], 3, axis=2) for angle in angles]
    depth = dots.depth(CAMERA, np.ones(len(dots.points)))
    seen = list(turning.seen_turns_rad(pictures, lambda _: (depth, EVERYWHERE), CAMERA))
    assert seen == pytest.approx(np.diff(angles), abs=3e-4)


@pytest.mark.parametrize("turns", [False, True])
def test_the_path_bends_as_the_pictures_turn(turns):
    # 15 m/s and 0.08 rad/s: the path is 4 m to the left of what is straight ahead at 40 m.
    dots, depth = country(), board(road(CAMERA), 40.0, camera=CAMERA)
    warner = CollisionWarner(WarnerSettings())
    for index in range(8):
        rgb = np.repeat(dots.picture(CAMERA, forward_m=1.5 * index, yaw_rad=0.008 * index * turns)[..., None], 3, axis=2)
        result = warner(frame(depth, index * 0.1, CAMERA, image=rgb))
    assert (result.range_m is None) == turns
    assert result.curvature_1pm == pytest.approx(0.08 / 15 * turns, abs=5e-4)
