"""Augmentation changes picture, depth and camera together: points in space stay where they are."""

import itertools

import numpy as np
import pytest

from data.pictures import UNCHANGED, sample_of
from lapdepth.camera import Intrinsics
from lapdepth.config import check_settings, read_toml
from lapdepth.data.augment import AugmentSettings, Example, augment, composite, resize_depth, strip
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


@pytest.mark.parametrize("seed", SEEDS)
def test_filled_in_depth_moves_with_measured_depth(seed):
    depth_m = numbered(90, 160, 1.0)
    settings = AugmentSettings(scale=(0.7, 1.6), rotate_deg=5, noise=5, blur_px=1)
    example = augment(sample_of(depth_m, dense_m=depth_m + 50), (64, 96), settings, np.random.default_rng(seed))
    measured = example.depth_m > 0
    assert measured.any()
    assert np.array_equal(example.dense_m, np.where(measured, example.depth_m + 50, 0))
    assert (example.dense_m.shape, example.dense_m.dtype) == ((64, 96), np.float32)
    # The rest is as without the map.
    alone = augment(sample_of(depth_m), (64, 96), settings, np.random.default_rng(seed))
    assert alone.dense_m is None
    assert alone.intrinsics == example.intrinsics
    assert np.array_equal(alone.image, example.image)
    assert np.array_equal(alone.depth_m, example.depth_m)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_filled_in_depth_stays_under_the_points_that_were_measured(seed, scale):
    whole = numbered(90, 160, 1.0)
    sample = sample_of(numbered(90, 160, 0.1), dense_m=whole)
    example = augment(sample, (64, 96), with_(fit=False, scale=(scale, scale), flip=True), np.random.default_rng(seed))
    rows, columns = np.nonzero(example.depth_m)
    assert len(rows) > 100
    # Depths are numbered along the rows: each tells the place that it comes from.
    places = [np.rint((depth[rows, columns] - 5) * 90 * 160) for depth in (example.depth_m, example.dense_m)]
    (row, column), (dense_row, dense_column) = (np.divmod(place, 160) for place in places)
    reach = 0 if scale >= 1 else 1  # shrinking moves points, and takes of a full map the nearest
    assert np.abs(row - dense_row).max() <= reach
    assert np.abs(column - dense_column).max() <= reach


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [1.0, 0.2])
def test_without_fit_a_picture_of_scale_1_is_only_cut(seed, share):
    image = np.random.default_rng(8).integers(0, 256, (90, 160, 3), np.uint8)
    depth_m = numbered(90, 160, share)
    sample = sample_of(depth_m, image)
    example = augment(sample, (64, 96), with_(fit=False), np.random.default_rng(seed))
    seen = np.argwhere(example.depth_m > 0)[0]
    source = np.argwhere(depth_m == example.depth_m[tuple(seen)])[0]
    top, left = (source - seen).tolist()
    assert np.array_equal(example.image, image[top : top + 64, left : left + 96])
    assert np.array_equal(example.depth_m, depth_m[top : top + 64, left : left + 96])
    before, after = sample.intrinsics, example.intrinsics
    assert (after.fx_px, after.fy_px) == (before.fx_px, before.fy_px)
    assert (after.cx_px, after.cy_px) == pytest.approx((before.cx_px - left, before.cy_px - top))


def test_without_fit_the_scale_is_of_the_pictures_own_size():
    sample = sample_of(numbered(90, 160, 1.0))
    for fit, factor in ((False, 1.5), (True, 1.5 * 0.5)):
        # 45x80 has half the height and width of 90x160.
        example = augment(sample, (45, 80), with_(fit=fit, scale=(1.5, 1.5)), np.random.default_rng(0))
        assert example.intrinsics.fx_px == pytest.approx(sample.intrinsics.fx_px * factor, rel=1e-2)
    assert AugmentSettings().fit


def test_without_fit_a_small_picture_is_padded():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    dense_m = numbered(40, 60, 1.0)
    example = augment(sample_of(dense_m, image, dense_m=dense_m), (64, 96), with_(fit=False), np.random.default_rng(0))
    assert np.array_equal(example.image[:40, :60], image)
    assert (example.image[40:, :60] == image[39]).all()
    for depth_m in (example.depth_m, example.dense_m):
        assert np.array_equal(depth_m[:40, :60], dense_m)
        assert not depth_m[40:].any()
        assert not depth_m[:, 60:].any()


def orders(settings, seeds):
    """Which of red, green and blue went where, by seed; the depth is the same for all."""
    image = np.empty((32, 48, 3), np.uint8)
    image[:] = (10, 100, 200)
    depth_m = numbered(32, 48, 0.5)
    found = []
    for seed in seeds:
        example = augment(sample_of(depth_m, image), (32, 48), settings, np.random.default_rng(seed))
        assert np.array_equal(example.depth_m, depth_m)
        assert (example.image == example.image[0, 0]).all()
        found.append(tuple(example.image[0, 0].tolist()))
    return found


def test_colours_change_places_in_all_six_orders():
    found = orders(with_(permute_channels=1.0), range(60))
    assert set(found) == set(itertools.permutations((10, 100, 200)))
    # About ten of each in 60.
    assert max(found.count(order) for order in found) < 25


def test_colours_change_places_as_often_as_asked():
    changed = [order != (10, 100, 200) for order in orders(with_(permute_channels=0.5), range(200))]
    # One of the six orders is the old one: 5 / 12 of 200 are 83, with a deviation of 7.
    assert 55 < sum(changed) < 111
    assert set(orders(UNCHANGED, range(20))) == {(10, 100, 200)}


class Recorded:
    """A random generator that tells what was drawn."""

    def __init__(self):
        self.drawn = []
        self._rng = np.random.default_rng(0)

    def __getattr__(self, name):
        def draw(*arguments):
            self.drawn.append(name)
            return getattr(self._rng, name)(*arguments)

        return draw


def test_without_permutation_the_draws_are_what_they_were():
    scale_and_angle, cut_and_flip = ["uniform"] * 2, ["integers", "integers", "random"]
    colours = ["random", "uniform", "uniform", "random", "uniform", "random", "uniform"]
    blur_and_noise = ["random", "uniform", "random", "uniform", "normal"]
    every = AugmentSettings(saturation=0.3, noise=4, blur_px=1, probability=1.0)
    for share, permutation in ((0.0, []), (1.0, ["random", "permutation"])):
        rng = Recorded()
        augment(sample_of(numbered(64, 96, 1.0)), (64, 96), every.model_copy(update={"permute_channels": share}), rng)
        assert rng.drawn == scale_and_angle + cut_and_flip + colours + permutation + blur_and_noise


@pytest.mark.parametrize(
    "text",
    [
        "scale = [0.0, 1.0]",
        "scale = [1.0]",
        "scale = [2.0, 1.0]",
        "scale = [1000.0, 1000.0]",
        "scale = [0.05, 1.0]",
        "scale = [1.0, nan]",
        "rotate_deg = -1.0",
        "noise = -1.0",
        "noise = 256.0",
        "blur_px = 1e9",
        "probability = 1.5",
        "gamma = inf",
        "hue = 0.1",
        "permute_channels = 1.1",
        "fit = 3",
    ],
)
def test_settings_out_of_range_are_refused_when_read(tmp_path, text):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError, match=text.split(" ", maxsplit=1)[0]):
        check_settings(read_toml(tmp_path / "a.toml"), AugmentSettings, "a.toml")


def plane(depth_m, focal_px, grey, dense_m=None):
    """A picture of one grey, 40 x 60, with the depth given, by a camera of that focal length."""
    depth_m = np.broadcast_to(np.asarray(depth_m, np.float32), (40, 60)).copy()
    return Example(np.full((40, 60, 3), grey, np.uint8), depth_m, Intrinsics(60, 40, focal_px, focal_px, 29.5, 19.5), dense_m)


LEFT = np.arange(60) < 30


def test_what_is_near_in_another_picture_comes_in_front_at_the_distance_at_which_it_looks_the_same():
    # Seen with half the focal length, 2 m look like 4 m.
    made = composite(plane(5, 100.0, 10), plane(np.where(LEFT, 2, 2.2), 50.0, 200), share=0.5)
    assert np.array_equal(made.depth_m, np.broadcast_to(np.where(LEFT, np.float32(4), np.float32(5)), (40, 60)))
    assert np.array_equal(made.image[:, :, 0], np.broadcast_to(np.where(LEFT, 200, 10), (40, 60)))
    assert made.intrinsics.focal_px == 100


def test_what_is_behind_stays_hidden():
    back = plane(np.where(LEFT, 1, 3), 100.0, 10)
    made = composite(back, plane(2, 100.0, 200), share=0.5)
    assert np.array_equal(made.depth_m, np.broadcast_to(np.where(LEFT, np.float32(1), np.float32(2)), (40, 60)))
    assert np.array_equal(made.image[0, :, 0], np.where(LEFT, 10, 200))


def test_sky_is_behind_everything_and_never_comes_in_front():
    rows = np.arange(40)[:, None] < 10
    made = composite(plane(np.where(rows, np.inf, 5), 100.0, 10), plane(np.where(LEFT, np.inf, 3), 100.0, 200), share=1.0)
    expected = np.where(LEFT, np.where(rows, np.inf, 5), 3).astype(np.float32)
    assert np.array_equal(made.depth_m, expected)
    assert np.array_equal(made.image[:, :, 0], np.where(LEFT, np.full((40, 1), 10), 200))


def test_what_was_not_measured_never_comes_in_front_and_hides_nothing():
    columns = np.arange(60)
    back, front = plane(np.where(columns % 3, 5, 0), 100.0, 10), plane(np.where(columns > 5, 3, 0), 100.0, 200)
    expected = np.where(columns > 5, 3, np.where(columns % 3, 5, 0)).astype(np.float32)
    assert np.array_equal(composite(back, front, share=1.0).depth_m, np.broadcast_to(expected, (40, 60)))


@pytest.mark.parametrize("which", ["back", "front"])
@pytest.mark.parametrize("how", ["sparse", "filled in"])
def test_without_dense_depth_nothing_is_put_in_front(which, how):
    sparse = np.arange(60) % 3 == 0
    poor = plane(np.where(sparse, 2, 0), 100.0, 90) if how == "sparse" else plane(2, 100.0, 90, np.full((40, 60), 2, np.float32))
    back, front = (poor, plane(1, 100.0, 10)) if which == "back" else (plane(5, 100.0, 10), poor)
    assert composite(back, front, share=0.5) is back


def test_a_strip_brings_its_picture_and_its_depth_to_the_focal_length_of_the_other():
    sparse = np.arange(40)[:, None] % 4 == 0
    made = strip(plane(5, 100.0, 10), plane(np.where(sparse, 2, 0), 50.0, 200), slice(10, 30))
    within = (np.arange(60) >= 10) & (np.arange(60) < 30)
    assert np.array_equal(made.image[:, :, 1], np.broadcast_to(np.where(within, 200, 10), (40, 60)))
    assert np.array_equal(made.depth_m, np.where(within, np.where(sparse, 4, 0), 5).astype(np.float32))
    assert made.intrinsics.focal_px == 100
    assert made.dense_m is None


def test_a_strip_has_filled_in_depth_where_both_have():
    filled = [np.full((40, 60), metres, np.float32) for metres in (6, 3)]
    made = strip(plane(5, 100.0, 10, filled[0]), plane(2, 100.0, 200, filled[1]), slice(0, 20))
    assert np.array_equal(made.dense_m[0], np.where(np.arange(60) < 20, 3, 6))
    assert strip(plane(5, 100.0, 10), plane(2, 100.0, 200, filled[1]), slice(0, 20)).dense_m is None
    assert np.array_equal(filled[0], np.full((40, 60), 6))  # what was given is not written to
