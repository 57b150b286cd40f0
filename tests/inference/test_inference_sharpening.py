"""Smeared edges become steps in the right place, the picture's where it has one; planes, however slanted, stay what they are."""

import cv2
import numpy as np
import pytest

from inference.fake_engine import FakeEngine, noise
from lapdepth.collision.pipeline import open_predictor
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.inference.sharpening import EDGE, sharpen_edges


def step(near_m, far_m, width=40, at=20):
    depth_m = np.full((30, width), far_m, np.float32)
    depth_m[:, :at] = near_m
    return depth_m


def smeared(depth_m, sigma):
    """As a network smears that is unsure of an edge by `sigma` pixels: a mean of nearness."""
    return 1 / cv2.GaussianBlur(1 / depth_m, (0, 0), sigma)


def picture(depth_m, near=100, far=100):
    """In one grey where things are nearer than halfway between, in another where they are farther; with neither, in one alone."""
    grey = np.where(depth_m < np.sqrt(depth_m.min() * depth_m.max()), near, far)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def in_the_air(depth_m, near_m, far_m):
    """How many pixels of a row are at neither side's depth, by more than 5 %."""
    row = depth_m[15]
    return int(((row > 1.05 * near_m) & (row < far_m / 1.05)).sum())


@pytest.mark.parametrize(("near_m", "far_m"), [(2.0, 3.0), (2.0, 10.0), (20.0, 120.0)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_smeared_edge_becomes_a_step_in_its_place(near_m, far_m, turned):
    truth_m = step(near_m, far_m)
    before_m = smeared(truth_m, 1.0)
    given_m = np.ascontiguousarray(before_m.T) if turned else before_m
    after_m = sharpen_edges(given_m, picture(given_m), 1.0)
    assert after_m.dtype == np.float32
    after_m = after_m.T if turned else after_m
    assert in_the_air(before_m, near_m, far_m) >= 2
    assert in_the_air(after_m, near_m, far_m) == 0
    np.testing.assert_array_equal(after_m < np.sqrt(near_m * far_m), truth_m < np.sqrt(near_m * far_m))


@pytest.mark.parametrize("aside", [-2, -1, 1, 2])
@pytest.mark.parametrize(("near", "far"), [(60, 140), (140, 60)])
@pytest.mark.parametrize("enlarged", [1, 3])
def test_an_edge_that_is_aside_goes_where_the_picture_has_it(aside, near, far, enlarged):
    """The network is unsure where the edge is, and a little aside; the picture has texture, but an edge that is larger."""
    size = (30 * enlarged, 40 * enlarged)
    truth_m, given_m = (step(2.0, 6.0, at=at) for at in (20, 20 + aside))
    truth_m = cv2.resize(truth_m, size[::-1], interpolation=cv2.INTER_NEAREST)
    given_m = cv2.resize(smeared(given_m, 2.0), size[::-1], interpolation=cv2.INTER_LINEAR)
    rgb = picture(truth_m, near, far) + noise(*size) // 16
    # Halfway between the two in 1 / depth.
    by_picture, by_nothing = (
        int(((sharpen_edges(given_m, shown, enlarged) < 3) != (truth_m < 3))[15].sum()) for shown in (rgb, picture(truth_m))
    )
    assert by_nothing == abs(aside) * enlarged
    assert by_picture <= (0 if abs(aside) == 1 else by_nothing / 2)


@pytest.mark.parametrize("enlarged", [2, 4])
def test_what_enlarging_smears_is_made_a_step_too(enlarged):
    truth_m = step(2.0, 10.0)
    size = (enlarged * truth_m.shape[1], enlarged * truth_m.shape[0])
    large_m = cv2.resize(truth_m, size, interpolation=cv2.INTER_LINEAR)
    sharp_m = sharpen_edges(large_m, picture(large_m), enlarged)
    assert in_the_air(large_m, 2.0, 10.0) >= enlarged - 1
    assert in_the_air(sharp_m, 2.0, 10.0) <= enlarged // 2


@pytest.mark.parametrize("enlarged", [1.0, 3.0])
def test_slanted_planes_stay(enlarged):
    """A road up to near its horizon, a wall along it and one that leans."""
    rows, columns = np.mgrid[0:120, 0:140].astype(np.float32)
    for nearness in (0.002 * (rows + 2), 0.01 + 0.004 * columns, 0.5 - 0.003 * rows - 0.001 * columns):
        depth_m = 1 / nearness
        border = round(14 * enlarged)  # there a neighbourhood has one side only, or the picture is asked beside such
        inner = np.s_[border:-border, border:-border]
        side = 2 * round(2 * enlarged) + 1
        nearest, farthest = (change(nearness, np.ones((side, side)))[inner] for change in (cv2.dilate, cv2.erode))
        assert (nearest > (1 + EDGE[1]) * farthest).any()
        np.testing.assert_allclose(sharpen_edges(depth_m, noise(120, 140), enlarged)[inner], depth_m[inner], rtol=1e-5)


def test_small_steps_are_left_as_they_are():
    depth_m = smeared(step(2.0, 2.0 * (1 + 0.9 * EDGE[0])), 1.0)
    np.testing.assert_array_equal(sharpen_edges(depth_m, picture(step(2.0, 10.0), 200), 1.0), depth_m)


@pytest.mark.parametrize(("near", "far", "largest_m", "end_m"), [(100, 100, 1e-3, 2.0), (60, 200, 2e-3, 2.6)])
def test_an_edge_a_little_larger_is_sharpened_a_little_more(near, far, largest_m, end_m):
    """Else engines that differ in the last digits would differ by a step."""
    between_m = []
    for ratio in np.arange(1.0, 1.3, 1e-4):
        depth_m = step(2.0, 2.0 * ratio)
        depth_m[:, 20] = 1 / (0.8 / 2.0 + 0.2 / (2.0 * ratio))
        between_m.append(sharpen_edges(depth_m, picture(step(2.0, 10.0), near, far), 1.0)[15, 20])
    assert np.abs(np.diff(between_m)).max() < largest_m
    assert between_m[-1] == pytest.approx(end_m)


@pytest.mark.parametrize("enlarged", [0.1, 1.0, 2.6, 30.0])
def test_no_depth_appears_that_was_not_beside_it(enlarged):
    depth_m = np.exp(np.random.default_rng(0).normal(1, 1, (24, 31))).astype(np.float32)
    given_m = depth_m.copy()
    sharp_m = sharpen_edges(depth_m, noise(24, 31), enlarged)
    np.testing.assert_array_equal(depth_m, given_m)
    radius = max(1, round(2 * enlarged))
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    assert (sharp_m >= cv2.erode(depth_m, kernel) * (1 - 1e-6)).all()
    assert (sharp_m <= cv2.dilate(depth_m, kernel) * (1 + 1e-6)).all()


def two_sides(image):
    """(1, 1, H', W'): 4 m on the left, 80 m on the right, at 50 px, and what lies between in two columns."""
    columns = np.arange(image.shape[3], dtype=np.float32)
    nearness = np.interp(columns, [30.5, 33.5], [1 / 4, 1 / 80])
    return np.broadcast_to((1 / nearness).astype(np.float32), (1, 1, *image.shape[2:]))


def test_a_models_edges_are_sharpened_where_it_says_so():
    plain, sharp = (
        DepthPredictor(FakeEngine(two_sides, sharpen_edges=asked))(noise(96, 128), focal_px=100.0) for asked in (False, True)
    )
    assert in_the_air(plain.depth_m, 4.0, 80.0) >= 5
    assert in_the_air(sharp.depth_m, 4.0, 80.0) <= 2
    for model, asked, same in ((True, False, plain), (False, True, sharp)):
        result = DepthPredictor(FakeEngine(two_sides, sharpen_edges=model), asked)(noise(96, 128), focal_px=100.0)
        np.testing.assert_array_equal(result.depth_m, same.depth_m)


def test_the_warning_takes_depth_as_the_network_gives_it():
    assert DepthPredictor.from_pretrained("default").sharpens_edges
    assert not open_predictor("default").sharpens_edges


def test_the_rim_of_the_sky_becomes_sky_or_the_thing_before_it():
    def between(sharpen):
        engine = FakeEngine(lambda image: np.minimum(two_sides(image), 79.0), far_m=70.0, sharpen_edges=sharpen)
        rgb = picture(two_sides(np.empty((1, 3, 48, 64)))[0, 0], 60, 140)
        result = DepthPredictor(engine)(rgb, focal_px=50.0)
        return int((result.valid[20] & (result.depth_m[20] > 4.4)).sum())

    assert between(False) == 3
    assert between(True) == 0
