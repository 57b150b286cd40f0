"""The growth of a picture, against growth that is known, and what a track makes of it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from collision.dots import Dots
from lapdepth.camera import Intrinsics
from lapdepth.collision.looming import Growth, LoomingEye
from lapdepth.collision.obstacle import Obstacle
from lapdepth.collision.scale import HeightHistory
from lapdepth.collision.settings import GroundSettings, LoomingSettings, TrackSettings
from lapdepth.collision.tracker import follow, grow

CAMERA = Intrinsics.from_focal(640, 192, 500)
SETTINGS = LoomingSettings()


def car(depth_m=25.0, count=60, right_m=0.0, seed=0):
    """Dots on the back of a car, 1.8 m wide and 1.4 m high."""
    rng = np.random.default_rng(seed)
    x, y = right_m + rng.uniform(-0.9, 0.9, count), rng.uniform(-0.7, 0.7, count)
    return Dots(np.stack([x, y, np.full(count, depth_m)], axis=1), seed)


def box(dots, forward_m):
    places, _ = dots.seen(CAMERA, forward_m=forward_m)
    return (*places.min(axis=0), *places.max(axis=0))


def looked(dots, speed_mps, times, yaw_rps=0.0):
    eye = LoomingEye(SETTINGS)
    for time_s in times:
        eye.look(time_s, dots.picture(CAMERA, forward_m=speed_mps * time_s, yaw_rad=yaw_rps * time_s))
    return eye.growth(*box(dots, speed_mps * times[-1]), CAMERA.focal_px)


@pytest.mark.parametrize("speed_mps", [-5.0, 0.0, 8.0, 15.0])
@pytest.mark.parametrize("right_m", [0.0, 1.0])
def test_growth_is_that_of_the_depth(speed_mps, right_m):
    found = looked(car(right_m=right_m), speed_mps, np.arange(7) * 0.05)
    assert found.over_s == pytest.approx(0.3)
    assert found.log_growth == pytest.approx(math.log(25 / (25 - 0.3 * speed_mps)), abs=0.01)
    assert 0 < found.sigma < 0.02
    moved = right_m / (25 - 0.3 * speed_mps) - right_m / 25
    assert found.drift == pytest.approx(moved, abs=0.002)


def test_turning_drifts_and_does_not_grow():
    found = looked(car(), 0.0, np.arange(4) * 0.1, yaw_rps=0.05)
    assert found.log_growth == pytest.approx(0, abs=0.01)
    assert found.drift == pytest.approx(0.015, abs=0.001)


def test_nothing_is_said_without_corners_or_a_picture_old_enough():
    assert looked(car(), 8.0, [0.0]) is None
    assert looked(car(), 8.0, [0.0, 0.1]) is None
    assert looked(car(count=3), 8.0, [0.0, 0.1, 0.2, 0.3]) is None
    assert LoomingEye(SETTINGS).growth(10, 10, 50, 50, 500) is None


def test_another_thing_in_its_place_has_not_grown():
    eye = LoomingEye(SETTINGS)
    eye.look(0.0, car(seed=3).picture(CAMERA))
    eye.look(0.3, car(seed=4).picture(CAMERA))
    assert eye.growth(*box(car(), 0.0), CAMERA.focal_px) is None


def test_only_the_last_moment_is_remembered():
    eye, dots = LoomingEye(SETTINGS), car()
    for index in range(40):
        eye.look(index * 0.04, dots.picture(CAMERA))
    assert eye.growth(*box(dots, 0.0), CAMERA.focal_px).over_s == pytest.approx(0.32)
    eye.look(2.0, np.zeros((50, 60), np.uint8))  # a picture of another size begins anew
    assert eye.growth(1, 1, 40, 40, CAMERA.focal_px) is None


def followed(depths, growths, ego_mps=20.0):
    tracks, heights = [], HeightHistory()
    for index, (depth_m, growth) in enumerate(zip(depths, growths, strict=True)):
        heights = heights.add(0.1 * index, 1.5, GroundSettings())
        thing = Obstacle(depth_m, 0.01, 2.0, 0.0, growth=growth)
        tracks = follow(tracks, [thing], 0.1 * index, ego_mps, heights, TrackSettings(), SETTINGS)
    return tracks[0]


def growth_of(rate, over_s=0.3, sigma=0.005):
    """Of a thing that stands, `1 / rate` seconds away."""
    return Growth(math.log(1 + rate * over_s), sigma, over_s, 0.0)


def test_growth_steadies_a_speed_that_depth_wavers_in():
    # It stands, 20 m/s nearer every second, and its depth wavers by 4 %.
    times = np.arange(12) * 0.1
    truth, alone, both = 60 - 20 * times, [], []
    for seed in range(20):
        depths = truth * np.exp(np.random.default_rng(seed).normal(0, 0.04, len(times)))
        growths = [None if t < 0.2 else growth_of(20 / z, sigma=0.01) for t, z in zip(times, truth, strict=True)]
        alone.append(followed(depths, [None] * len(times)).state[1])
        both.append(followed(depths, growths).state[1])
    assert np.median(np.abs(both)) < 0.75 * np.median(np.abs(alone))


def test_growth_that_depth_agrees_with_leaves_the_speed():
    times = np.arange(15) * 0.1
    depths = 60 - 12 * times
    track = followed(depths, [None if t < 0.2 else growth_of(12 / z) for t, z in zip(times, depths, strict=True)])
    assert track.state[1] == pytest.approx(8, abs=0.3)
    assert track.grows(TrackSettings(), SETTINGS)


def test_growth_that_is_wild_is_not_believed():
    times = np.arange(10) * 0.1
    track = followed(50 - 20 * times, [None] * 10)
    after = grow(track, growth_of(-3.0), SETTINGS)
    assert after.state == pytest.approx(track.state)
    assert after.agreed == (False,)


def test_a_heap_whose_picture_grows_now_and_then_raises_no_alert():
    times = np.arange(12) * 0.1
    depths = 50 - 15 * times
    growths = [growth_of(15 / z if index % 3 == 0 else -0.02) for index, z in enumerate(depths)]
    track = followed(depths, growths)
    assert not track.grows(TrackSettings(), SETTINGS)
    assert followed(depths, [growth_of(15 / z) for z in depths]).grows(TrackSettings(), SETTINGS)


@pytest.mark.parametrize(("brakes_mps2", "believed"), [(6.0, True), (0.0, False)])
def test_a_lead_that_has_just_begun_to_brake_need_not_have_come_nearer_for_long(brakes_mps2, believed):
    """Depth hardly shrank over the last second: right of one that has braked for 0.6 s, wrong at a steady 3.6 m/s."""
    times = np.arange(30) * 0.1
    depths = 13.5 - 3 * np.maximum(times - 2.3, 0) ** 2
    track = followed(depths, [growth_of(0.0)] * len(times))
    closing = track.ego_mps - 3.6
    track = replace(track, state=np.array([depths[-1], closing, -brakes_mps2]), agreed=(True,) * 10)
    assert track.grows(TrackSettings(), SETTINGS) is believed
