"""Augmentation changes picture, depth and camera together: points in space stay where they are."""

import numpy as np
import pytest

from data.pictures import UNCHANGED, sample_of
from lapdepth.camera import Intrinsics
from lapdepth.config import check_settings, read_toml
from lapdepth.data.augment import AugmentSettings, augment, resize_depth
from lapdepth.errors import ConfigError

SEEDS = range(6)


def with_(**changes):
    return UNCHANGED.model_copy(update=changes)


def points_by_depth(depth_m, camera):
    """(X, Y) in metres of every measured pixel, by its depth."""
    rows, columns = np.nonzero(depth_m)
    z = depth_m[rows, columns]
    x = (columns - camera.cx_px) / camera.fx_px * z
    y = (rows - camera.cy_px) / camera.fy_px * z
    return list(zip(z.tolist(), x.tolist(), y.tolist(), strict=True))


def numbered(height, width, share):
    """A depth map in which each measured pixel has a depth of its own, `share` of them measured."""
    rng = np.random.default_rng(3)
    depth_m = (5 + np.arange(height * width, dtype=np.float32) / (height * width)).reshape(height, width)
    return np.where(rng.random((height, width)) < share, depth_m, 0).astype(np.float32)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [1.0, 0.2])
def test_a_constant_depth_stays_that_constant(seed, share):
    depth_m = np.where(numbered(90, 160, share) > 0, np.float32(7.25), np.float32(0))
    settings = AugmentSettings(scale=(0.7, 1.6), rotate_deg=5, noise=5, blur_px=1, saturation=0.3)
    example = augment(sample_of(depth_m), (64, 96), settings, np.random.default_rng(seed))
    assert set(np.unique(example.depth_m)) <= {0.0, 7.25}
    assert (example.depth_m > 0).any()
    assert example.image.shape == (64, 96, 3)
    assert example.image.dtype == np.uint8
    assert example.depth_m.shape == (64, 96)
    assert example.depth_m.dtype == np.float32
    assert (example.intrinsics.height, example.intrinsics.width) == (64, 96)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [1.0, 0.1])
@pytest.mark.parametrize("scale", [0.45, 0.8, 1.3, 2.0])
def test_points_in_space_stay_where_they_are(seed, share, scale):
    sample = sample_of(numbered(90, 160, share))
    example = augment(sample, (90, 160), with_(scale=(scale, scale), flip=True), np.random.default_rng(seed))
    flipped = seed_flips(sample, scale, seed)
    before = {z: (x, y) for z, x, y in points_by_depth(sample.depth_m, sample.intrinsics)}
    after = points_by_depth(example.depth_m, example.intrinsics)
    # A moved point lies in the pixel that its place falls into: half of a pixel of the new picture. A resampled map has in
    # each pixel the nearest of the old: half of an old pixel.
    old, new = sample.intrinsics, example.intrinsics
    f_x, f_y = (min(old.fx_px, new.fx_px), min(old.fy_px, new.fy_px)) if share < 0.5 else (old.fx_px, old.fy_px)
    assert len(after) > 20
    for z, x, y in after:
        expected_x, expected_y = before[z]
        assert abs((-x if flipped else x) - expected_x) <= 0.5001 * z / f_x
        assert abs(y - expected_y) <= 0.5001 * z / f_y


def seed_flips(sample, scale, seed):
    """Whether the seed mirrors: the picture of a ramp then falls to the right."""
    ramp = np.broadcast_to(np.linspace(0, 255, sample.image.shape[1])[None, :, None], sample.image.shape).astype(np.uint8)
    shown = sample_of(sample.depth_m, ramp, sample.intrinsics)
    row = augment(shown, sample.depth_m.shape, with_(scale=(scale, scale), flip=True), np.random.default_rng(seed)).image[0, :, 0]
    return int(row[0]) > int(row[-1])


def test_some_seeds_mirror_and_some_do_not():
    flips = {seed_flips(sample_of(numbered(90, 160, 1.0)), 1.3, seed) for seed in SEEDS}
    assert flips == {True, False}


@pytest.mark.parametrize("size", [(45, 80), (90, 160), (180, 320)])
def test_the_focal_length_follows_the_size(size):
    camera = Intrinsics(160, 90, 150.0, 140.0, 70.0, 50.0)
    example = augment(sample_of(np.ones((90, 160)), camera=camera), size, UNCHANGED, np.random.default_rng(0))
    factor = size[0] / 90
    got = example.intrinsics
    assert got.fx_px == pytest.approx(150 * factor)
    assert got.fy_px == pytest.approx(140 * factor)
    # Pixel centres: the left edge of the picture is at -0.5.
    assert got.cx_px == pytest.approx(70.5 * factor - 0.5)
    assert got.cy_px == pytest.approx(50.5 * factor - 0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_mirroring_mirrors_all_three(seed):
    rng = np.random.default_rng(8)
    image = rng.integers(0, 256, (90, 160, 3), np.uint8)
    sample = sample_of(numbered(90, 160, 1.0), image)
    plain = augment(sample, (64, 96), with_(scale=(1.3, 1.3)), np.random.default_rng(seed))
    other = augment(sample, (64, 96), with_(scale=(1.3, 1.3), flip=True), np.random.default_rng(seed))
    if seed_flips(sample, 1.3, seed):
        assert np.array_equal(other.image, plain.image[:, ::-1])
        assert np.array_equal(other.depth_m, plain.depth_m[:, ::-1])
        assert other.intrinsics.cx_px == pytest.approx(95 - plain.intrinsics.cx_px)
        assert other.intrinsics.cy_px == plain.intrinsics.cy_px
    else:
        assert np.array_equal(other.image, plain.image)
        assert other.intrinsics == plain.intrinsics


def test_rotation_turns_points_about_the_optical_axis():
    sample = sample_of(numbered(90, 160, 1.0), camera=Intrinsics(160, 90, 150.0, 150.0, 70.0, 50.0))
    before = {z: (x, y) for z, x, y in points_by_depth(sample.depth_m, sample.intrinsics)}
    means = []
    for seed in SEEDS:
        example = augment(sample, (90, 160), with_(rotate_deg=10.0), np.random.default_rng(seed))
        assert example.intrinsics == sample.intrinsics
        turns = []
        for z, x, y in points_by_depth(example.depth_m, example.intrinsics):
            old_x, old_y = before[z]
            # The nearest pixel is up to 0.71 away, and OpenCV rounds to 1/32.
            assert abs(np.hypot(x, y) - np.hypot(old_x, old_y)) <= 0.8 * z / 150.0
            if np.hypot(old_x, old_y) > 1:
                turns.append(np.degrees(np.arctan2(x * old_y - y * old_x, x * old_x + y * old_y)))
        assert len(turns) > 1000
        assert np.std(turns) < 1.0
        means.append(np.mean(turns))
    assert max(np.abs(means)) <= 10.0
    assert min(means) < -2
    assert max(means) > 2


@pytest.mark.parametrize("seed", SEEDS)
def test_picture_and_depth_stay_on_each_other(seed):
    depth_m = np.full((90, 160), 20.0, np.float32)
    depth_m[30:70, 40:110] = 5.0
    image = np.where(depth_m[..., None] == 5.0, 255, 0).astype(np.uint8).repeat(3, axis=2)
    settings = with_(scale=(0.8, 1.5), rotate_deg=8.0, flip=True)
    example = augment(sample_of(depth_m, image), (64, 96), settings, np.random.default_rng(seed))
    measured = example.depth_m > 0
    bright = example.image[..., 0] > 127
    differ = (bright != (example.depth_m == 5.0)) & measured
    # Only pixels on the border of the two may differ by rounding.
    assert differ.sum() < 0.01 * measured.sum()
    assert 0.05 < bright.mean() < 0.95


def test_a_picture_smaller_than_the_window_is_padded_without_depth():
    image = np.random.default_rng(0).integers(0, 256, (40, 200, 3), np.uint8)
    example = augment(sample_of(numbered(40, 200, 1.0), image), (80, 100), UNCHANGED, np.random.default_rng(0))
    # 80 x 100 has as many pixels as 40 x 200: nothing is scaled.
    assert (example.depth_m[:40] > 0).all()
    assert not example.depth_m[40:].any()
    assert (example.image[40:] == example.image[39]).all()
    left = next(i for i in range(101) if np.array_equal(example.image[:40], image[:, i : i + 100]))
    assert example.intrinsics.cx_px == pytest.approx(0.48 * 200 - left)


def test_colour_is_left_alone_when_nothing_is_asked():
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    example = augment(sample_of(np.ones((64, 96)), image), (64, 96), UNCHANGED, np.random.default_rng(0))
    assert np.array_equal(example.image, image)


def test_brightness_is_a_factor():
    image = np.full((64, 96, 3), 100, np.uint8)
    settings = with_(brightness=0.5, probability=1.0)
    values = [augment(sample_of(np.ones((64, 96)), image), (64, 96), settings, np.random.default_rng(s)).image for s in range(20)]
    assert all(len(np.unique(value)) == 1 for value in values)
    levels = [int(value[0, 0, 0]) for value in values]
    assert 50 <= min(levels) < 80
    assert 120 < max(levels) <= 150


def test_of_points_that_meet_the_nearest_stays():
    depth_m = np.zeros((8, 8), np.float32)
    depth_m[0, 0], depth_m[1, 1], depth_m[0, 1] = 9.0, 3.0, 6.0
    depth_m[7, 6] = 4.0
    expected = np.zeros((4, 4), np.float32)
    expected[0, 0], expected[3, 3] = 3.0, 4.0
    assert np.array_equal(resize_depth(depth_m, 4, 4), expected)


def test_shrinking_sparse_depth_loses_only_what_meets():
    depth_m = np.zeros((30, 30), np.float32)
    depth_m[::6, ::6] = numbered(5, 5, 1.0)
    small = resize_depth(depth_m, 10, 10)
    assert sorted(small[small > 0]) == sorted(depth_m[depth_m > 0])


def test_dense_depth_takes_the_pixel_in_the_middle():
    depth_m = numbered(9, 15, 1.0)
    assert np.array_equal(resize_depth(depth_m, 3, 5), depth_m[1::3, 1::3])
    assert np.array_equal(resize_depth(depth_m, 18, 30), depth_m.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    "text",
    ["scale = [0.0, 1.0]", "scale = [1.0]", "rotate_deg = -1.0", "noise = -1.0", "probability = 1.5", "gamma = inf", "hue = 0.1"],
)
def test_settings_out_of_range_are_refused_when_read(tmp_path, text):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError, match=text.split(" ", maxsplit=1)[0]):
        check_settings(read_toml(tmp_path / "a.toml"), AugmentSettings, "a.toml")
