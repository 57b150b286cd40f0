"""The exact source against points worked out by hand, and the noise against what it is said to be."""

import math

import numpy as np
import pytest

from collision.roads import CAMERA, road
from lapdepth.camera import Intrinsics
from lapdepth.collision.proving.scene import Solid, View, exact_depth
from lapdepth.collision.proving.sources import ExactSource, NoisySource

FINE = Intrinsics(641, 193, 371.0, 371.0, 320.0, 96.0)
"""Its principal point is a pixel, so that rays along the axis can be worked out by hand."""


def car(near_m=20.0, right_m=0.0):
    return Solid("car", right_m, near_m, 1.8, 4.5, 0.0, 1.5)


def at(depth, x, y):
    return float(depth[round(96 + y * 371), round(320 + x * 371)])


def test_flat_road():
    assert exact_depth(View(0, ()), CAMERA) == pytest.approx(road(), rel=1e-5)


def test_rear_roof_and_road_behind_a_car():
    depth = exact_depth(View(0, (car(),)), FINE)
    row = 100  # slope 4 / 371: meets the rear at 20 m, 1.5 - 0.216 m high
    assert float(depth[row, 320]) == pytest.approx(20)
    assert float(depth[row, 320 + 20]) == pytest.approx(1.5 * 371 / 4 if 20 / 371 * 20 > 0.9 else 20)
    assert math.isinf(float(depth[95, 320]))  # the car is as high as the camera: above it there is sky


def test_side_of_a_car_beside():
    # Its left side is 1.1 m to the right; the ray of slope 0.05 meets it at 22 m, between 20 and 24.5 m.
    depth = exact_depth(View(0, (car(right_m=2.0),)), FINE)
    column = 320 + round(0.05 * 371)
    slope = (column - 320) / 371
    assert float(depth[100, column]) == pytest.approx(1.1 / slope, rel=1e-5)
    assert 20 < float(depth[100, column]) < 24.5


def test_cylinder():
    depth = exact_depth(View(0, (Solid("pedestrian", 0, 9.75, 0.5, 0.5, 0, 1.75, round=True),)), FINE)
    assert float(depth[100, 320]) == pytest.approx(9.75)
    assert float(depth[96 + 37, 320]) == pytest.approx(9.75)  # 0.97 m below the camera
    # 0.2 m beside the axis of a cylinder of radius 0.25 its surface is sqrt(0.25^2 - 0.2^2) = 0.15 m before it.
    column = 320 + round(0.2 / 9.85 * 371)
    right = (column - 320) / 371 * float(depth[100, column])
    assert float(depth[100, column]) == pytest.approx(10 - math.sqrt(0.0625 - right**2), abs=0.01)


def test_sign_is_overhead_only():
    depth = exact_depth(View(0, (Solid("sign", 0, 30, 12, 0.4, 5.0, 7.0),)), FINE)
    assert at(depth, 0, -0.15) == pytest.approx(30)  # 4.5 m above the camera
    assert math.isinf(at(depth, 0, -0.09))  # 2.7 m above it
    assert float(depth[116, 320]) == pytest.approx(1.5 * 371 / 20)


def test_nearer_hides_farther_whatever_the_order():
    for solids in ((car(20), car(40)), (car(40), car(20))):
        assert float(exact_depth(View(0, solids), FINE)[100, 320]) == pytest.approx(20)


def test_what_is_behind_the_camera_is_not_seen():
    assert exact_depth(View(0, (car(-6.0),)), FINE) == pytest.approx(exact_depth(View(0, ()), FINE))


@pytest.mark.parametrize("grade", [-0.06, 0.06])
def test_road_that_bends(grade):
    depth = exact_depth(View(0, (), bend_m=40.0, grade=grade), FINE)
    rows = np.array([98, 100, 104, 116])
    for row in rows:
        z = float(depth[row, 320])
        if math.isfinite(z):
            height = 1.5 - (row - 96) / 371 * z
            assert height == pytest.approx(grade * max(z - 40, 0), abs=1e-3)
    assert float(depth[116, 320]) == pytest.approx(1.5 * 371 / 20)


def test_noise_is_as_stated():
    """One factor a frame, 3 % from frame to frame beside a slow one of 3 % and 1 s, and 3 % a pixel."""
    factors, pixels, scales = [], [], []
    for seed in range(60):
        source, exact = NoisySource(seed), exact_depth(View(0, ()), CAMERA)
        ground = np.isfinite(exact)
        scales.append(source.scale)
        for index in range(12):
            ratio = source(View(index * 0.1, ()), CAMERA).depth_m[ground] / exact[ground]
            factors.append(ratio.mean() / source.scale)
            pixels.append(ratio.std() / ratio.mean())
    table = np.array(factors).reshape(60, 12) - 1
    assert np.std(table) == pytest.approx(math.hypot(0.03, 0.03), rel=0.12)
    assert np.std(np.diff(table, axis=1)) == pytest.approx(math.sqrt(2 * 0.03**2 + 2 * 0.03**2 * (1 - math.exp(-0.1))), rel=0.12)
    assert np.mean(pixels) == pytest.approx(0.03, rel=0.05)
    assert 0.9 <= min(scales) < 0.93
    assert 1.07 < max(scales) <= 1.1


def test_sources_repeat_with_their_seed():
    views = [View(0.1 * index, (car(),)) for index in range(3)]
    first, second = NoisySource(7), NoisySource(7)
    assert all(np.array_equal(first(view, CAMERA).depth_m, second(view, CAMERA).depth_m) for view in views)
    assert not ExactSource()(views[0], CAMERA).valid[0].any()  # the sky
