"""Pictures in bulk: as many at once as there are cores, what is done is left out, and the rest of an interrupted run."""

import json
import os

import cv2
import numpy as np
import pytest

from inference.fake_engine import FakeEngine, noise
from lapdepth.inference import many
from lapdepth.inference import predictor as predictor_module
from lapdepth.inference.batch import covers, is_done, write_result
from lapdepth.inference.many import MOST_AT_ONCE, Job, available_cores, predict_pictures
from lapdepth.inference.predictor import DepthPredictor


@pytest.fixture
def opened(monkeypatch):
    """What was asked of `open_engine`: model, engine, device, threads."""
    calls = []

    def open_engine(*asked):
        calls.append(asked)
        engine = FakeEngine()
        engine.name = "torch" if asked[1] == "torch" or asked[2] == "cuda:0" else asked[1].replace("auto", "onnx")
        return engine

    monkeypatch.setattr("lapdepth.inference.predictor.open_engine", open_engine)
    return calls


@pytest.mark.parametrize(
    ("job", "cores", "threads", "at_once"),
    [
        (Job(), 2, 1, 2),
        (Job(), 1, 1, 1),
        (Job(engine="onnx", device="cpu"), 4, 1, 4),
        (Job(), 4 * MOST_AT_ONCE, 4, MOST_AT_ONCE),
        (Job(engine="openvino"), 4, 0, 1),
        (Job(engine="torch"), 4, 0, 1),
        (Job(engine="onnx", device="cuda"), 4, 0, 1),
        (Job(native=True), 4, 0, 1),
    ],
)
def test_threads_and_pictures_at_once(opened, monkeypatch, job, cores, threads, at_once):
    monkeypatch.setattr(many, "available_cores", lambda: cores)
    assert job.open_for_many()[1] == at_once
    assert opened == [(job.model, job.engine, job.device, threads)]


def test_openvino_that_was_found_fastest_gets_all_threads(opened, monkeypatch):
    monkeypatch.setattr(many, "available_cores", lambda: 4)
    opens = predictor_module.open_engine

    def open_fastest(*asked):
        engine = opens(*asked)
        engine.name = "openvino"
        return engine

    monkeypatch.setattr(predictor_module, "open_engine", open_fastest)
    assert Job().open_for_many()[1] == 1
    assert opened[-1] == ("default", "openvino", None, 0)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_only_cores_that_may_be_used_count():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_a_thread_a_picture_gives_the_same_depths(tmp_path):
    rgb = noise(96, 128)
    one = DepthPredictor.from_pretrained(threads=1)(rgb, focal_px=100)
    two = DepthPredictor.from_pretrained(threads=2)(rgb, focal_px=100)
    np.testing.assert_allclose(one.depth_m, two.depth_m, rtol=1e-5)


def test_several_at_once_write_what_one_at_a_time_writes(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), noise(48, 64, number))
    job = Job(focal_px=50, formats=("npz",))
    predictor = DepthPredictor(FakeEngine(lambda image: 1 + image.mean()))
    for folder, at_once in (("one", 1), ("four", 4)):
        todo = [(path, tmp_path / folder / path.stem) for path in paths]
        assert list(predict_pictures(job, predictor, at_once, todo)) == [None] * 6
    for path in paths:
        one, four = (np.load(tmp_path / folder / f"{path.stem}_depth.npz")["depth_m"] for folder in ("one", "four"))
        np.testing.assert_array_equal(one, four)


@pytest.fixture
def result():
    return DepthPredictor(FakeEngine(2.0))(noise(48, 64), focal_px=50)


def test_done_is_what_a_sidecar_and_the_files_say(tmp_path, result):
    stem = tmp_path / "a"
    write_result(result, stem, ["png16", "color"], 500.0)
    assert is_done(stem, ["png16"], "None", "fake", 500.0) is False  # made of no file
    notes = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(notes | {"image": "a.jpg"}))
    assert is_done(stem, ["png16", "color"], "a.jpg", "fake", 500.0)
    assert is_done(stem, ["color"], "a.jpg", "fake", 256.0)
    assert not is_done(stem, ["png16"], "a.jpg", "fake", 256.0)
    assert not is_done(stem, ["png16", "npz"], "a.jpg", "fake", 500.0)
    assert not is_done(stem, ["png16"], "b.jpg", "fake", 500.0)
    assert not is_done(stem, ["png16"], "a.jpg", "another", 500.0)
    assert not is_done(stem, ["png16"], "a.jpg", "fake", 500.0, "far")
    (tmp_path / "a_depth.png").unlink()
    assert not is_done(stem, ["png16"], "a.jpg", "fake", 500.0)
    assert not is_done(tmp_path / "none", ["png16"], "a.jpg", "fake", 500.0)


def test_an_empty_sidecar_covers_nothing():
    assert not covers({}, [], "a.jpg", "fake")
