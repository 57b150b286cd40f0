"""Batches depend on the seed and a counter alone, whoever loads them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the loaders need the torch extra")

from data.pictures import CAMERA, UNCHANGED, write_pictures  # noqa: E402
from lapdepth.data.augment import AugmentSettings  # noqa: E402
from lapdepth.data.loader import CounterDataset, Source, batches  # noqa: E402
from lapdepth.data.manifest import read_manifest  # noqa: E402
from lapdepth.errors import ConfigError  # noqa: E402

SETTINGS = AugmentSettings(scale=(0.9, 1.4), rotate_deg=3, noise=4)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return read_manifest(write_pictures(tmp_path_factory.mktemp("pictures"), 6))


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def which(example):
    """The picture's number: its depth is one metre more, all over."""
    depth_m = example[1]
    return int(depth_m[depth_m > 0][0]) - 1


def test_shapes_and_types(rows):
    image, depth_m, sky, focal_px, guess_m = CounterDataset([Source(rows)], (64, 96), UNCHANGED, seed=0)[0]
    assert (image.shape, image.dtype) == ((3, 64, 96), torch.float32)
    assert (depth_m.shape, depth_m.dtype) == ((1, 64, 96), torch.float32)
    assert (sky.shape, sky.dtype) == ((1, 64, 96), torch.bool)
    assert (focal_px.shape, focal_px.dtype) == ((), torch.float32)
    assert (guess_m.shape, guess_m.dtype) == ((1, 64, 96), torch.float32)
    assert image.min() >= 0
    assert 0.5 < image.max() <= 1
    # 80 x 120 to 64 x 96 is a factor of 0.8.
    assert focal_px.item() == pytest.approx(0.8 * np.sqrt(CAMERA[0] * CAMERA[1]), rel=1e-6)


def test_one_counter_is_one_example(rows):
    one, other = (CounterDataset([Source(rows)], (64, 96), SETTINGS, seed=3) for _ in range(2))
    for counter in (7, 0, 3):
        assert equal(one[counter], other[counter])


def test_counters_and_seeds_differ(rows):
    dataset = CounterDataset([Source(rows[:1])], (64, 96), SETTINGS, seed=3)
    other = CounterDataset([Source(rows[:1])], (64, 96), SETTINGS, seed=4)
    assert not torch.equal(dataset[0][0], dataset[1][0])
    assert not torch.equal(dataset[0][0], other[0][0])


def test_an_epoch_has_each_row_as_often_as_asked_and_the_next_another_order(rows):
    dataset = CounterDataset([Source(rows[:4]), Source(rows[4:], repeat=3)], (64, 96), UNCHANGED, seed=1)
    assert len(dataset) == 10
    first, second = ([which(dataset[epoch * 10 + i]) for i in range(10)] for epoch in range(2))
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4, 4, 4, 5, 5, 5]
    assert first != second


def test_step_s_holds_the_counters_from_s_times_batch(rows):
    dataset = CounterDataset([Source(rows)], (64, 96), SETTINGS, seed=2)
    given = list(batches(dataset, batch=3, first_step=2, last_step=4, workers=0))
    assert len(given) == 2
    for step, batch in zip((2, 3), given, strict=True):
        expected = [dataset[3 * step + i] for i in range(3)]
        for i, (image, depth_m, sky, focal_px, guess_m) in enumerate(expected):
            assert torch.equal(batch.image[i], image)
            assert torch.equal(batch.depth_m[i], depth_m)
            assert torch.equal(batch.sky[i], sky)
            assert torch.equal(batch.focal_px[i], focal_px)
            assert torch.equal(batch.guess_m[i], guess_m)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # later Pythons warn of forks
def test_workers_change_nothing(rows):
    dataset = CounterDataset([Source(rows, sky=True)], (64, 96), SETTINGS, seed=2)
    alone, shared = (list(batches(dataset, 2, 1, 5, workers)) for workers in (0, 2))
    assert len(alone) == len(shared) == 4
    for a, b in zip(alone, shared, strict=True):
        assert equal((a.image, a.depth_m, a.sky, a.focal_px, a.guess_m), (b.image, b.depth_m, b.sky, b.focal_px, b.guess_m))


def test_a_window_cuts_picture_depth_and_camera(rows):
    window = (20, 10, 96, 64)
    dataset = CounterDataset([Source(rows[:1], window=window)], (64, 96), UNCHANGED, seed=0)
    whole = CounterDataset([Source(rows[:1])], (80, 120), UNCHANGED, seed=0)
    assert torch.equal(dataset[0][0], whole[0][0][:, 10:74, 20:116])
    assert dataset[0][3] == whole[0][3]


@pytest.mark.parametrize("window", [(30, 0, 96, 64), (0, 20, 96, 64), (-1, 0, 96, 64), (0, 0, 0, 64), (0, 0, 96, -4)])
def test_a_window_outside_the_picture_is_refused(rows, window):
    dataset = CounterDataset([Source(rows, window=window)], (64, 96), UNCHANGED, seed=0)
    with pytest.raises(ConfigError, match=r"window is .*must lie inside"):
        dataset[0]


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(ConfigError, match="no picture is left"):
        CounterDataset([Source([])], (64, 96), UNCHANGED, seed=0)
