"""Training data drawn by seed: the same for any number of workers, gone on with, read as training reads it."""

import dataclasses
import re
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the renderer needs the torch extra")

from typer.testing import CliRunner

from lapdepth.cli.main import app
from lapdepth.data.augment import AugmentSettings
from lapdepth.data.loader import CounterDataset, Source
from lapdepth.data.manifest import load_sample, read_manifest
from lapdepth.errors import InputError, OutputError
from lapdepth.synthetic import dataset
from lapdepth.synthetic.dataset import DatasetSettings, draw_scene, write_dataset
from lapdepth.synthetic.render import Renderer

ROADS = DatasetSettings("road", 3, (96, 64), (60.0, 120.0), views=2, seed=4, split="val")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


@pytest.fixture(scope="module")
def roads(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("roads")
    assert write_dataset(ROADS, folder) == folder / "manifest.csv"
    return folder


def test_rows_are_what_was_rendered(roads):
    rows = read_manifest(roads / "manifest.csv", "val")
    assert [row.scene for row in rows] == ["road_4000000", "road_4000000", "road_4000001"]
    assert len({row.fx_px for row in rows}) == 2
    assert all(60 <= row.fx_px <= 120 for row in rows)
    scene, times_s = draw_scene(ROADS, 0)
    assert len(times_s) == 2
    frame = Renderer(scene).frame(times_s[1])
    sample = load_sample(rows[1])
    assert sample.intrinsics == frame.intrinsics
    assert sample.sky is not None
    assert (sample.sky == np.isinf(frame.depth_m)).all()
    assert sample.sky.any()
    known = sample.depth_m > 0
    np.testing.assert_allclose(sample.depth_m[known], frame.depth_m[known], atol=1 / 256)
    assert (known | sample.sky | (frame.depth_m > 255.9)).all()
    assert np.abs(sample.image.astype(int) - frame.image.astype(int)).mean() < 6  # JPEG


def test_workers_and_interruptions_change_nothing(roads, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "BLOCK", 1)
    write_dataset(ROADS, tmp_path, workers=2)
    assert bytes_of(tmp_path) == bytes_of(roads)
    before = (tmp_path / "images/04000001_0.jpg").stat().st_mtime_ns
    for gone in ("depth/04000000_1.png", "images/04000000_0.jpg"):
        (tmp_path / gone).unlink()
    write_dataset(ROADS, tmp_path)
    assert bytes_of(tmp_path) == bytes_of(roads)
    assert (tmp_path / "images/04000001_0.jpg").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [(BrokenProcessPool, OutputError, "a process was ended.*use fewer --workers"), (KeyboardInterrupt, KeyboardInterrupt, "^$")],
)
def test_where_a_process_is_ended_all_are_and_nothing_half_written_stays(raised, expected, message, tmp_path, monkeypatch):
    ended = []

    class Worker:
        def terminate(self):
            ended.append(self)

    class Pool:
        def __init__(self, *_):
            children.append(Worker())

        def submit(self, *_):
            (tmp_path / "images/.lapdepth-0.jpg").touch()
            future = Future()
            future.set_exception(raised())
            return future

        def shutdown(self, **_):
            assert ended == children[1:]

    children = [Worker()]  # of somebody else
    monkeypatch.setattr(dataset, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(dataset, "active_children", lambda: list(children))
    with pytest.raises(expected, match=message):
        write_dataset(ROADS, tmp_path, workers=2)
    assert ended == children[1:]
    assert list(bytes_of(tmp_path)) == ["settings.json"]


def test_a_larger_count_goes_on(roads, tmp_path):
    write_dataset(dataclasses.replace(ROADS, count=1), tmp_path)
    before = (tmp_path / "images/04000000_0.jpg").stat().st_mtime_ns
    write_dataset(ROADS, tmp_path)
    assert bytes_of(tmp_path) == bytes_of(roads)
    assert (tmp_path / "images/04000000_0.jpg").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "changes",
    [{"maker": "room"}, {"size": (64, 96)}, {"focal_px": (60.0, 121.0)}, {"views": 3}, {"seed": 5}],
    ids=lambda changes: next(iter(changes)),
)
def test_pictures_of_other_settings_are_not_taken_for_these(changes, roads):
    before, key = bytes_of(roads), next(iter(changes))
    with pytest.raises(InputError, match=f"holds pictures of {key} .*, these settings have .*; give another --output"):
        write_dataset(dataclasses.replace(ROADS, **changes), roads)
    assert bytes_of(roads) == before


def test_pictures_of_another_release_are_not_taken_for_these(roads, monkeypatch):
    monkeypatch.setattr(dataset, "__version__", "99.0")
    with pytest.raises(InputError, match=r"holds pictures of release .*, these settings have '99\.0'"):
        write_dataset(ROADS, roads)


@pytest.mark.parametrize("there", ["[1]", "{", "[" * 9999], ids=["list", "cut", "deep"])
def test_settings_that_are_none_are_said(there, tmp_path):
    (tmp_path / "settings.json").write_text(there)
    with pytest.raises(InputError, match="holds no settings of a data set; give another --output"):
        write_dataset(ROADS, tmp_path)
    assert list(bytes_of(tmp_path)) == ["settings.json"]


def test_pictures_that_no_settings_tell_of_are_left_alone(tmp_path):
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth/04000000_0.png").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"holds pictures, but no settings\.json .*; give another --output"):
        write_dataset(ROADS, tmp_path)
    assert bytes_of(tmp_path) == {"depth/04000000_0.png": b"mine"}


def test_training_knows_the_sky_and_guesses_nothing(roads):
    rows = read_manifest(roads / "manifest.csv")
    settings = AugmentSettings(scale=(1.0, 1.3), rotate_deg=3.0)
    images = CounterDataset([Source(rows, sky=True)], (64, 96), settings, seed=1)
    for counter in range(3):
        _, depth_m, sky, _, guess_m, dense_m = images[counter]
        assert bool(sky.any())
        assert not bool((sky & (depth_m > 0)).any())
        assert float(depth_m.max()) < 256
        assert float(guess_m.max()) == 0
        assert bool((dense_m == depth_m).all())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"maker": "moon"}, "expected one of road, drive, motorway, open, room"),
        ({"count": 0}, "at least 1"),
        ({"views": 0}, "at least 1"),
        ({"size": (4, 64)}, "8 to 8192"),
        ({"focal_px": (200.0, 100.0)}, "two rising numbers"),
        ({"focal_px": (1e-9, 100.0)}, "two rising numbers from 0.1 to 1e5"),
        ({"seed": -1}, "at most"),
    ],
)
def test_what_cannot_be_drawn_is_said(changes, message):
    with pytest.raises(InputError, match=message):
        DatasetSettings(**{"maker": "road", "count": 1, "size": (64, 64), "focal_px": (50.0, 60.0)} | changes)


def test_command(tmp_path):
    where = ["--output", str(tmp_path / "rooms")]
    few = ["render", "room", "--count", "1", "--size", "48x32", "--focal-range", "30", "40", "--seed", "2", *where]
    result = CliRunner().invoke(app, few)
    assert result.exit_code == 0, result.output
    assert "1 pictures" in result.output
    assert len(read_manifest(tmp_path / "rooms/manifest.csv", "train")) == 1
    wrong = CliRunner().invoke(app, ["render", "room", "--count", "1", "--size", "48", *where])
    assert wrong.exit_code != 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["room"], r"name one, such as room:7, or add --count"),
        (["road:7", "--size", "48x32"], "--size goes with --count"),
        (["road:7", "--focal-range", "250", "400"], "--focal-range goes with --count"),
        (["road:7", "--seed", "0"], "--seed goes with --count"),
        (["road:7", "--views", "2"], "--views goes with --count"),
        (["road:7", "--workers", "1"], "--workers goes with --count"),
        (["room", "--count", "1", "--frames", "3"], "--frames is of one scene"),
        (["room", "--count", "1", "--set", "seed=1"], "--set is of one scene"),
        (["room", "--count", "1", "--jpeg"], "--jpeg is of one scene"),
        (["room", "--count", "1", "--device", "banana"], "cannot use device 'banana'"),
        (["room:1", "--device", "banana"], "cannot use device 'banana'"),
        (["room:1", "--frames", "99"], "frames is 99; 'room_000001' has 21"),
    ],
)
def test_what_cannot_be_done_is_refused_before_a_file_is_written(arguments, message, tmp_path):
    result = CliRunner().invoke(app, ["render", *arguments, "--output", str(tmp_path / "out")])
    assert result.exit_code != 0
    assert re.search(message, str(result.exception))
    assert not (tmp_path / "out").exists()
