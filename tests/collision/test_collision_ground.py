"""The ground plane: found among obstacles and noise, refused where there is none."""

import math

import numpy as np
import pytest

from collision.roads import CAMERA, board, noisy, road
from lapdepth.collision.ground import fit_ground
from lapdepth.collision.settings import GroundSettings

SETTINGS = GroundSettings()


def tilted(pitch, roll, height_m):
    """Depth of the plane whose normal is (sin roll, cos roll cos pitch, cos roll sin pitch)."""
    normal = np.array([math.sin(roll), math.cos(roll) * math.cos(pitch), math.cos(roll) * math.sin(pitch)])
    along = CAMERA.rays() @ normal
    return np.where(along > 0, height_m / np.where(along > 0, along, 1), np.inf).astype(np.float32)


@pytest.mark.parametrize(("pitch", "roll", "height_m"), [(0, 0, 1.5), (0.03, 0, 1.2), (-0.03, 0.05, 1.7), (0, -0.08, 0.4)])
def test_plane_gives_camera_height(pitch, roll, height_m):
    depth = tilted(pitch, roll, height_m)
    ground = fit_ground(depth, depth < 120, CAMERA, SETTINGS)
    assert ground.camera_height_m == pytest.approx(height_m, rel=1e-3)
    assert ground.share == 1


def test_noise_of_three_percent_is_averaged_away():
    depth = noisy(road())
    ground = fit_ground(depth, depth < 120, CAMERA, SETTINGS)
    assert ground.camera_height_m == pytest.approx(1.5, rel=0.01)


def test_cars_all_around_do_not_tilt_it():
    depth = road()
    for z, right in ((6, -3), (8, 0), (9, 4), (20, -7)):
        depth = board(depth, z, right, width_m=2.5)
    ground = fit_ground(depth, depth < 120, CAMERA, SETTINGS)
    assert ground.camera_height_m == pytest.approx(1.5, rel=0.01)


def test_relative_height_is_that_of_the_point():
    depth = road()
    ground = fit_ground(depth, depth < 120, CAMERA, SETTINGS)
    # At 30 m straight ahead on the optical axis: as high as the camera, 1 camera height.
    assert float(ground.relative_height(np.float32(30), np.float32(0), np.float32(0))) == pytest.approx(1, abs=1e-3)
    # A point 0.5 m above the road at 30 m lies 1 m below the camera.
    assert float(ground.relative_height(np.float32(30), np.float32(0), np.float32(1 / 30))) == pytest.approx(1 / 3, abs=1e-3)


@pytest.mark.parametrize(
    "depth",
    [
        np.full((96, 320), 10, np.float32),  # a wall
        np.exp(np.random.default_rng(0).uniform(0, 4, (96, 320))).astype(np.float32),
        road(height_m=9.0),  # a camera on a mast, or depth that is six times too much
    ],
    ids=["wall", "noise", "too high"],
)
def test_no_plausible_ground(depth):
    assert fit_ground(depth, depth < 120, CAMERA, SETTINGS) is None


def test_too_few_pixels():
    depth = road()
    assert fit_ground(depth, np.zeros(depth.shape, bool), CAMERA, SETTINGS) is None
