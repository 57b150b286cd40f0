"""Scenes that are rendered while a network trains: repeated by the seed, never the same twice, never those of the evaluation."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from lapdepth.config import check_settings  # noqa: E402
from lapdepth.data.loader import CounterDataset, batches  # noqa: E402
from lapdepth.errors import ConfigError  # noqa: E402
from lapdepth.model.checkpoint import load_model  # noqa: E402
from lapdepth.synthetic.dataset import HELD_OUT_SEED, SEEDS  # noqa: E402
from lapdepth.training import scenes  # noqa: E402
from lapdepth.training.config import GroupSettings, SourceSettings  # noqa: E402
from lapdepth.training.loop import make_sources, train  # noqa: E402
from training.runs import make_run  # noqa: E402

SCENE = {"scene": "room", "count": 3, "focal_px": [30.0, 60.0], "size": [40, 56]}


def group_of(*sources, **changes):
    return {"name": "drawn", "crop": [32, 48], "batch": 2, "sources": list(sources)} | changes


def dataset_of(tmp_path, group, seed=3):
    config = make_run(tmp_path, groups=[group], seed=seed)
    return CounterDataset(make_sources(config.groups[0], config), config.groups[0].crop, config.groups[0].augment, config.seed)


@pytest.fixture
def seen(monkeypatch):
    """Seeds of the scenes that were drawn, in order."""
    seeds = []
    draw = scenes.draw_scene

    def spy(settings, number):
        seeds.append(settings.seed * SEEDS + number)
        return draw(settings, number)

    monkeypatch.setattr(scenes, "draw_scene", spy)
    return seeds


def test_examples_repeat_by_the_seed_and_differ_by_number_epoch_and_group(tmp_path, seen):
    first = dataset_of(tmp_path, group_of(SCENE))
    assert len(first) == 3
    examples = [first[counter] for counter in range(4)]  # the fourth is of the second epoch
    again = dataset_of(tmp_path, group_of(SCENE))[1]
    assert all(torch.equal(a, b) for a, b in zip(again, examples[1], strict=True))
    dataset_of(tmp_path, group_of(SCENE), seed=4)[1]
    dataset_of(tmp_path, group_of(SCENE, name="other"))[1]
    assert seen[4] == seen[1]
    assert len(set(seen)) == 6
    assert all(0 <= seed < HELD_OUT_SEED * SEEDS for seed in seen)
    assert not torch.equal(examples[0][0], examples[3][0])


def test_held_out_seeds_are_never_drawn(tmp_path, monkeypatch):
    asked = []

    def stop(settings, number):
        asked.append((settings.seed, number))
        raise StopIteration

    monkeypatch.setattr(scenes, "draw_scene", stop)
    (source,) = make_sources(GroupSettings.model_validate(group_of(SCENE)), make_run(tmp_path))
    for key in range(2000):
        with pytest.raises(StopIteration):
            source.draw(np.random.default_rng(key))
    seeds = [seed for seed, _ in asked]
    assert len(set(asked)) == 2000
    assert min(seeds) < 20
    assert HELD_OUT_SEED - 20 < max(seeds) < HELD_OUT_SEED


def test_workers_change_nothing(tmp_path):
    dataset = dataset_of(tmp_path, group_of(SCENE))
    alone, shared = (list(batches(dataset, 2, 0, 2, workers)) for workers in (0, 2))
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.depth_m, other.depth_m)
        assert torch.equal(one.focal_px, other.focal_px)


def test_a_road_teaches_its_sky_and_its_focal_length(tmp_path):
    road = SCENE | {"scene": "road", "count": 1, "focal_px": [50.0, 50.0]}
    dataset = dataset_of(tmp_path, group_of(road, augment={"flip": False}))
    image, depth_m, sky, focal_px, guess_m, _ = dataset[0]
    assert image.shape == (3, 32, 48)
    assert bool(sky.any())
    assert not bool((sky & (depth_m > 0)).any())
    assert 0 < float(depth_m.max()) < 256
    assert float(guess_m.max()) == 0
    # 40x56 becomes a picture of as many pixels as the crop has.
    assert float(focal_px) == pytest.approx(50 * (32 * 48 / (40 * 56)) ** 0.5, rel=0.03)


def test_without_a_size_pictures_have_the_crops(tmp_path):
    size = {key: value for key, value in SCENE.items() if key != "size"}
    (source,) = make_sources(GroupSettings.model_validate(group_of(size)), make_run(tmp_path))
    sample = source.draw(np.random.default_rng(0))
    assert sample.image.shape == (32, 48, 3)
    assert sample.depth_m.dtype == np.float32
    assert np.isfinite(sample.depth_m).all()
    again = pickle.loads(pickle.dumps(source)).draw(np.random.default_rng(0))
    assert np.array_equal(again.image, sample.image)


def test_a_run_mixes_scenes_with_pictures_and_says_so(tmp_path):
    config = make_run(tmp_path, groups=[group_of({"manifest": "manifest.csv"}, SCENE, crop=[64, 96])], steps=2)
    (group,) = config.groups
    assert len(CounterDataset(make_sources(group, config), group.crop, group.augment, 0)) == 4 + 3
    model = load_model(train(config))
    assert model.config.provenance["trained_on"] == "manifest.csv, rendered rooms"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "either manifest or scene"),
        (SCENE | {"manifest": "m.csv"}, "either manifest or scene"),
        ({"manifest": "m.csv", "count": 3}, "count is of a source with scene"),
        (SCENE | {"folds": 5}, "folds is of a source with manifest"),
        (SCENE | {"sky": True}, "sky is of a source with manifest"),
        ({"scene": "room", "count": 3}, "needs count and focal_px"),
        ({"scene": "road", "focal_px": [1.0, 2.0]}, "needs count and focal_px"),
        (SCENE | {"focal_px": [60.0, 30.0]}, "rising order"),
        (SCENE | {"size": [4, 64]}, "size"),
        (SCENE | {"count": 0}, "count"),
        (SCENE | {"scene": "moon"}, "scene"),
    ],
)
def test_sources_that_are_refused(source, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check_settings(source, SourceSettings, "run.toml")
    assert len(str(caught.value).splitlines()) == 1
