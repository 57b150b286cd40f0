"""Sky by its looks: what reaches the top, is bright and smooth, and has nothing measured near or above."""

import numpy as np
import pytest

from lapdepth.data.sky import MARGIN, bright_sky, continue_upwards

HEIGHT, WIDTH, HORIZON = 120, 200, 50


@pytest.fixture
def street():
    """Light blue above the horizon, textured grey below, measured from 20 rows below the horizon on."""
    rng = np.random.default_rng(0)
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:HORIZON] = (170, 200, 240)
    image[HORIZON:] = rng.integers(40, 110, (HEIGHT - HORIZON, WIDTH, 1))
    depth_m = np.zeros((HEIGHT, WIDTH), np.float32)
    depth_m[HORIZON + 20 :: 3, ::3] = 10.0
    return image, depth_m


def test_sky_is_marked_up_to_the_horizon_and_nothing_below(street):
    sky = bright_sky(*street)
    assert sky.dtype == bool
    assert sky[: HORIZON - 5].all()
    assert not sky[HORIZON:].any()


def test_a_white_wall_at_the_bottom_is_no_sky(street):
    image, depth_m = street
    image[80:, 50:150] = 250
    depth_m[:] = 0
    sky = bright_sky(image, depth_m)
    assert not sky[HORIZON:].any()
    assert sky[: HORIZON - 5].all()


def test_dark_warm_or_textured_tops_are_no_sky(street):
    image, depth_m = street
    assert bright_sky(image, depth_m)[:30].all()
    for top in ((60, 80, 110), (240, 200, 170)):
        image[:HORIZON] = top
        assert not bright_sky(image, depth_m).any()
    image[:HORIZON] = (200 + 50 * np.sin(np.arange(WIDTH) * 2 * np.pi / 8))[None, :, None].astype(np.uint8)
    assert bright_sky(image, depth_m)[:HORIZON].mean() < 0.05


def test_nothing_measured_is_sky_nor_what_is_near_or_below_it(street):
    image, depth_m = street
    image[:] = (170, 200, 240)
    depth_m[:] = 0
    assert bright_sky(image, depth_m).all()
    depth_m[40, 100] = 30.0
    sky = bright_sky(image, depth_m)
    columns = slice(100 - MARGIN, 100 + MARGIN + 1)
    assert not sky[40 - MARGIN :, columns].any()
    assert sky[: 40 - MARGIN - 1].all()
    assert sky[:, : 100 - MARGIN - 1].all()


def test_what_stands_before_the_sky_takes_the_depth_of_what_is_measured_below_it():
    image = np.full((60, 90, 3), (170, 200, 240), np.uint8)
    depth_m = np.zeros((60, 90), np.float32)
    depth_m[40:, :] = 5.0
    depth_m[30, 20:50] = 12.0
    image[:30, 20:50] = (60, 90, 50)  # a dark tree above what was measured at 12 m
    image[:40, 60:80] = (220, 160, 120)  # a warm facade above what was measured at 5 m
    guess_m = continue_upwards(image, depth_m)
    assert (guess_m[:30, 25:45] == 12).all()
    assert (guess_m[:40, 60:80] == 5).all()
    assert not guess_m[:, :20].any()  # sky gets no guess
    assert not guess_m[depth_m > 0].any()  # nor what was measured
    assert not continue_upwards(image, np.zeros_like(depth_m)).any()
