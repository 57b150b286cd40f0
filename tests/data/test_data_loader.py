"""Batches depend on the seed and a counter alone, whoever loads them."""

from dataclasses import fields

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the loaders need the torch extra")

from data.pictures import CAMERA, UNCHANGED, write_dense, write_manifest, write_pictures  # noqa: E402
from lapdepth.data.augment import AugmentSettings  # noqa: E402
from lapdepth.data.loader import CounterDataset, Source, batches  # noqa: E402
from lapdepth.data.manifest import load_sample, read_manifest  # noqa: E402
from lapdepth.errors import ConfigError, LapDepthError, ReadError  # noqa: E402
from lapdepth.evaluation.protocols import PROTOCOLS  # noqa: E402

SETTINGS = AugmentSettings(scale=(0.9, 1.4), rotate_deg=3, noise=4)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return read_manifest(write_pictures(tmp_path_factory.mktemp("pictures"), 6))


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def tensors_of(batch):
    return [getattr(batch, field.name) for field in fields(batch)]


def which(example):
    """The picture's number: its depth is one metre more, all over."""
    depth_m = example[1]
    return int(depth_m[depth_m > 0][0]) - 1


def test_shapes_and_types(rows):
    image, depth_m, sky, focal_px, guess_m, dense_m = CounterDataset([Source(rows)], (64, 96), UNCHANGED, seed=0)[0]
    assert (image.shape, image.dtype) == ((3, 64, 96), torch.float32)
    assert (depth_m.shape, depth_m.dtype) == ((1, 64, 96), torch.float32)
    assert (sky.shape, sky.dtype) == ((1, 64, 96), torch.bool)
    assert (focal_px.shape, focal_px.dtype) == ((), torch.float32)
    assert (guess_m.shape, guess_m.dtype) == ((1, 64, 96), torch.float32)
    assert (dense_m.shape, dense_m.dtype) == ((1, 64, 96), torch.float32)
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


def test_other_pictures_come_in_front_of_some_and_nothing_else_changes(rows):
    plain, half, all_ = (
        CounterDataset([Source(rows)], (64, 96), UNCHANGED.model_copy(update={"composite": share}), seed=1)
        for share in (0, 0.5, 1)
    )
    backs, some, fronts = ([which(dataset[counter]) for counter in range(24)] for dataset in (plain, half, all_))
    # Each picture is at one depth all over, so that the nearer of two is all that is left.
    assert all(front <= back for front, back in zip(fronts, backs, strict=True))
    assert sum(front < back for front, back in zip(fronts, backs, strict=True)) > 4
    assert all(got in (front, back) for got, front, back in zip(some, fronts, backs, strict=True))
    assert backs != some != fronts
    for counter in range(24):
        assert equal(all_[counter], all_[counter])
        if some[counter] == backs[counter]:
            assert torch.equal(half[counter][1], plain[counter][1])


def test_strips_come_from_the_same_source_scaled_and_cut_alike(rows):
    settings = UNCHANGED.model_copy(update={"scale": (1.0, 1.4), "flip": True})
    sources = [Source(rows[:3]), Source(rows[3:])]
    plain, striped = (
        CounterDataset(sources, (64, 96), settings.model_copy(update={"strip": share}), seed=1) for share in (0.0, 1.0)
    )
    pairs = set()
    for counter in range(24):
        (_, before, *_, focal_px, _, _), (_, after, *_, same_focal_px, _, _) = plain[counter], striped[counter]
        assert focal_px == same_focal_px
        changed = (before != after)[0].any(0)
        assert torch.equal((before != after)[0].all(0), changed)  # from top to bottom
        if changed.any():
            columns = torch.nonzero(changed)[:, 0]
            assert len(columns) == columns[-1] - columns[0] + 1
            assert 0.2 * 96 - 1 <= len(columns) <= 0.5 * 96 + 1
            pairs.add((int(before[0, 0, columns[0]]), int(after[0, 0, columns[0]])))
    assert len(pairs) > 5
    assert all((one <= 3) == (other <= 3) for one, other in pairs)


def test_step_s_holds_the_counters_from_s_times_batch(rows):
    dataset = CounterDataset([Source(rows)], (64, 96), SETTINGS, seed=2)
    given = list(batches(dataset, batch=3, first_step=2, last_step=4, workers=0))
    assert len(given) == 2
    for step, batch in zip((2, 3), given, strict=True):
        expected = [dataset[3 * step + i] for i in range(3)]
        for i, (image, depth_m, sky, focal_px, guess_m, dense_m) in enumerate(expected):
            assert torch.equal(batch.image[i], image)
            assert torch.equal(batch.depth_m[i], depth_m)
            assert torch.equal(batch.sky[i], sky)
            assert torch.equal(batch.focal_px[i], focal_px)
            assert torch.equal(batch.guess_m[i], guess_m)
            assert torch.equal(batch.dense_m[i], dense_m)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # later Pythons warn of forks
def test_workers_change_nothing(rows):
    dataset = CounterDataset([Source(rows, sky=True)], (64, 96), SETTINGS, seed=2)
    alone, shared = (list(batches(dataset, 2, 1, 5, workers)) for workers in (0, 2))
    assert len(alone) == len(shared) == 4
    for a, b in zip(alone, shared, strict=True):
        assert equal(tensors_of(a), tensors_of(b))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # later Pythons warn of forks
@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_keeps_its_type_and_message_whoever_loads(tmp_path, workers):
    rows = read_manifest(write_pictures(tmp_path, 3))
    rows[1].image.write_bytes(rows[1].image.read_bytes()[:60])
    with pytest.raises(LapDepthError) as expected:
        load_sample(rows[1])
    with pytest.raises(ReadError) as caught:
        list(batches(CounterDataset([Source(rows)], (64, 96), UNCHANGED, seed=0), 1, 0, 3, workers))
    assert type(caught.value) is type(expected.value)
    assert str(caught.value) == str(expected.value)


class Telling(CounterDataset):
    """In place of an example, tells the number of OpenCV's threads in the process that loads it."""

    def __getitem__(self, counter):
        raise LapDepthError(f"{cv2.getNumThreads()} threads")


@pytest.fixture
def two_threads():
    """OpenCV with two threads that have worked, as after scoring."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    cv2.resize(np.zeros((500, 500, 3), np.uint8), (1500, 1500))
    yield
    cv2.setNumThreads(before)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # later Pythons warn of forks
@pytest.mark.usefixtures("two_threads")
def test_workers_are_forked_without_the_threads_of_opencv(rows):
    # With threads asleep at the fork, the worker's own cv2.setNumThreads(1) would wait for ever for what was not forked.
    with pytest.raises(LapDepthError, match=r"^1 threads$"):
        list(batches(Telling([Source(rows)], (64, 96), UNCHANGED, seed=0), 1, 0, 1, workers=1))
    assert cv2.getNumThreads() == 2


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


def write_places(folder, height, width):
    """A noise picture whose depth is its rows, and whose filled-in depth its columns, in metres counted from 1."""
    folder.mkdir(parents=True)
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    cv2.imwrite(str(folder / "a.png"), image)
    rows, columns = np.indices((height, width), np.uint16)
    cv2.imwrite(str(folder / "a-depth.png"), rows + 1)
    cv2.imwrite(str(folder / "a-dense.png"), columns + 1)
    write_manifest(
        folder / "manifest.csv",
        [["a.png", "a-depth.png", 1, *CAMERA, "train", "s", "a-dense.png"]],
        "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split,scene,dense_depth",
    )
    return image[..., ::-1], read_manifest(folder / "manifest.csv")


@pytest.mark.parametrize(
    ("height", "width", "left", "top"),
    [
        (375, 1242, 13, 23),  # by hand: (1242 - 1216) / 2 and 375 - 352
        (370, 1225, 4, 18),
        (352, 1216, 0, 0),
    ],
)
def test_the_kb_window_is_at_the_bottom_middle(tmp_path, height, width, left, top):
    image, rows = write_places(tmp_path / "kb", height, width)
    (_, depth_m, _, focal_px, _, dense_m) = example = CounterDataset([Source(rows, window="kb")], (352, 1216), UNCHANGED, 0)[0]
    assert torch.equal(depth_m[0, :, 0], torch.arange(top + 1.0, top + 353))
    assert torch.equal(dense_m[0, 0], torch.arange(left + 1.0, left + 1217))
    shown = (example[0].numpy().transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)
    assert np.array_equal(shown, image[top : top + 352, left : left + 1216])
    assert focal_px.item() == pytest.approx(np.sqrt(CAMERA[0] * CAMERA[1]), rel=1e-6)
    # What is trained on is what the protocol of the benchmark shows.
    assert PROTOCOLS["kitti-garg"].seen(height, width) == (top, left, 352, 1216)


@pytest.mark.parametrize(("height", "width"), [(375, 1215), (351, 1242), (80, 120)])
def test_a_picture_too_small_for_the_kb_window_is_refused(tmp_path, height, width):
    rows = read_manifest(write_pictures(tmp_path, 1, height, width))
    with pytest.raises(ConfigError, match=rf"1216, 352.*picture '0' {width}x{height}; .*must lie inside") as caught:
        CounterDataset([Source(rows, window="kb")], (64, 96), UNCHANGED, seed=0)[0]
    assert len(str(caught.value).splitlines()) == 1


def test_filled_in_depth_goes_into_the_batch_where_there_is_any(tmp_path, rows):
    filled = read_manifest(write_dense(tmp_path / "filled", 2))
    dataset = CounterDataset([Source(filled), Source(rows[:2])], (64, 96), SETTINGS, seed=2)
    (batch,) = batches(dataset, batch=4, first_step=0, last_step=1, workers=0)
    kinds = set()
    for depth_m, dense_m in zip(batch.depth_m, batch.dense_m, strict=True):
        measured = depth_m > 0
        filled_in = not torch.equal(dense_m, depth_m)
        kinds.add(filled_in)
        # The filled-in maps tell 50 m more and have no holes; the others have no map of their own.
        assert torch.equal(dense_m[measured], depth_m[measured] + 50 * filled_in)
        assert ((dense_m > 0) & ~measured).any() == filled_in
    assert kinds == {True, False}


def test_a_window_cuts_filled_in_depth_as_well(tmp_path):
    _, rows = write_places(tmp_path / "places", 80, 120)
    _, depth_m, _, _, _, dense_m = CounterDataset([Source(rows, window=(20, 10, 96, 64))], (64, 96), UNCHANGED, seed=0)[0]
    assert torch.equal(depth_m[0, :, 5], torch.arange(11.0, 75))
    assert torch.equal(dense_m[0, 5], torch.arange(21.0, 117))


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(ConfigError, match="no picture is left"):
        CounterDataset([Source([])], (64, 96), UNCHANGED, seed=0)
