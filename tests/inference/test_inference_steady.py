"""The filter over time: it calms what flickers, follows a camera that moves, and forgets what was before a cut."""

import cv2
import numpy as np
import pytest

from lapdepth.camera import Intrinsics
from lapdepth.inference.steady import SteadyDepth

HEIGHT, WIDTH = 120, 160
CAMERA = Intrinsics.from_focal(WIDTH, HEIGHT, 150)


def texture(seed=0):
    """Blots that optical flow can hold on to."""
    grey = cv2.GaussianBlur(np.random.default_rng(seed).uniform(0, 1, (HEIGHT, WIDTH)), (0, 0), 3)
    return np.repeat(cv2.normalize(grey, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)[..., None], 3, 2)


def wall(depth_m):
    return np.full((HEIGHT, WIDTH), depth_m, np.float32)


def test_depth_that_flickers_calms_down_around_the_same_mean():
    steady, picture = SteadyDepth(), texture()
    given = [10 * (1.04 if number % 2 else 0.96) for number in range(20)]
    made = np.array([steady(picture, wall(depth_m), CAMERA) for depth_m in given])[4:]
    assert np.abs(np.diff(np.log(made[:, 30:90, 40:120]), axis=0)).mean() < 0.6 * np.log(1.04 / 0.96)
    np.testing.assert_allclose(made.mean(), 10, rtol=0.01)


def test_one_frame_alone_is_left_as_it_is():
    np.testing.assert_array_equal(SteadyDepth()(texture(), wall(3.0), CAMERA), wall(3.0))


@pytest.mark.parametrize("follow", [True, False])
def test_a_camera_that_drives_towards_a_wall(follow):
    """3 % nearer with every frame; a filter that takes the old depth as it was is too far."""
    steady, picture = SteadyDepth(follow_camera=follow), texture()
    for number in range(8):
        depth_m = 10 * 0.97**number
        zoom = cv2.getRotationMatrix2D((CAMERA.cx_px, CAMERA.cy_px), 0, 10 / depth_m)
        made = steady(cv2.warpAffine(picture, zoom, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR), wall(depth_m), CAMERA)
    late = made[30:90, 40:120].mean() / depth_m - 1
    assert abs(late) < 0.005 if follow else late > 0.01


def test_a_cut_begins_anew():
    steady = SteadyDepth()
    steady(texture(), wall(10.0), CAMERA)
    np.testing.assert_array_equal(steady(255 - texture(1), wall(10.5), CAMERA), wall(10.5))


def test_depth_that_jumps_is_believed():
    steady = SteadyDepth()
    steady(texture(), wall(10.0), CAMERA)
    np.testing.assert_array_equal(steady(texture(), wall(20.0), CAMERA), wall(20.0))


def test_another_size_begins_anew():
    steady = SteadyDepth()
    steady(texture(), wall(10.0), CAMERA)
    small = np.full((60, 80), 10.5, np.float32)
    np.testing.assert_array_equal(steady(texture()[:60, :80], small, CAMERA.resized(80, 60)), small)


def test_where_the_picture_changes_the_new_frame_counts():
    steady, picture = SteadyDepth(), texture()
    steady(picture, wall(10.0), CAMERA)
    changed = picture.copy()
    changed[40:80, 60:100] = 0
    made = steady(changed, wall(10.5), CAMERA)
    assert np.median(made[50:70, 70:90]) == 10.5
    assert made[:30, :40].mean() < 10.4
