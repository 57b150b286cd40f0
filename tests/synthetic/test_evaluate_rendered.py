"""The script that scores a model on rendered roads: its measures by hand, and a whole run of tiny pictures."""

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the renderer needs the torch extra")

from typer.testing import CliRunner

from inference.fake_engine import FakeEngine
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.synthetic.dataset import HELD_OUT_SEED, DatasetSettings

ROADS = DatasetSettings("road", 2, (64, 48), (40.0, 40.0), views=1, seed=HELD_OUT_SEED)


@pytest.fixture(scope="module")
def module():
    path = Path(__file__).parents[2] / "scripts" / "evaluate_rendered.py"
    spec = importlib.util.spec_from_file_location("evaluate_rendered", path)
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # dataclasses look their module up
    spec.loader.exec_module(made)
    yield made
    del sys.modules[spec.name]


@dataclass
class Answer:
    depth_m: np.ndarray
    valid: np.ndarray
    confidence: np.ndarray | None


def knowing(module, monkeypatch, answer):
    """A prediction that is made of the truth of the very frame."""
    shown = []
    render = module._frame

    def spy(*arguments):
        shown.append(render(*arguments))
        return shown[-1]

    monkeypatch.setattr(module, "_frame", spy)

    def predict(image, focal_px):
        frame = shown[-1]
        assert image is frame.image
        assert focal_px == frame.intrinsics.focal_px
        return answer(frame)

    return predict


def finite(frame):
    return np.where(np.isinf(frame.depth_m), np.float32(100), frame.depth_m)


def test_the_truth_scores_full_marks(module, monkeypatch):
    def truth(frame):
        return Answer(finite(frame), np.isfinite(frame.depth_m), np.ones(frame.depth_m.shape, np.float32))

    report = module.evaluate_roads(knowing(module, monkeypatch, truth), ROADS, (1.0, 1.8))
    assert [(one.factor, one.focal_px) for one in report.at_focal] == [(1.0, 40.0), (1.8, 72.0)]
    for one in report.at_focal:
        assert one.error == module.Mean(0.0, 0.0, 0.0, 2)
        assert one.ratio.mean == 1
    assert report.boundary_f1.mean == 1
    assert report.calibration_error == pytest.approx(0, abs=1e-6)
    assert report.sky_pixels > 100
    assert (report.near_sky_share, report.inner_near_sky_share) == (0, 0)


def test_what_is_wrong_is_counted(module, monkeypatch):
    """A fifth too far at the base focal length alone, sky half near, sure of itself."""

    def wrong(frame):
        factor = 1.2 if frame.intrinsics.focal_px == 40 else 1.0
        near = np.zeros(frame.depth_m.shape, np.float32) + 50
        near[:, ::2] = 90
        sky = np.isinf(frame.depth_m)
        return Answer(
            np.where(sky, near, frame.depth_m * np.float32(factor)), np.ones(sky.shape, bool), np.ones(sky.shape, np.float32)
        )

    report = module.evaluate_roads(knowing(module, monkeypatch, wrong), ROADS, (1.0, 0.8))
    base, other = report.at_focal
    assert base.error.mean == pytest.approx(0.2, rel=1e-4)
    assert base.ratio.mean == pytest.approx(1.2, rel=1e-4)
    assert other.error.mean == pytest.approx(0, abs=1e-6)
    assert report.calibration_error == pytest.approx(1)
    assert report.near_sky_share == pytest.approx(0.5, abs=0.1)
    assert report.inner_near_sky_share == pytest.approx(0.5, abs=0.1)
    assert 0 < report.boundary_f1.mean < 1


def test_command(module, monkeypatch):
    monkeypatch.setattr(DepthPredictor, "from_pretrained", lambda model: DepthPredictor(FakeEngine(depth=20.0)))
    app = module.typer.Typer()
    app.command()(module.main)
    few = ["fake", "--count", "1", "--width", "64", "--height", "48", "--focal", "40"]
    result = CliRunner().invoke(app, few)
    assert result.exit_code == 0, result.output
    assert "1 rendered roads of 64x48, seed 2000" in result.output
    assert result.output.count("5 to 40 m: median error") == 5
    assert "none: the model has no confidence" in result.output
    assert "100.00 % of" in result.output
    found = json.loads(CliRunner().invoke(app, [*few, "--json"]).stdout)
    assert [one["factor"] for one in found["at_focal"]] == [1.0, 0.6, 0.8, 1.3, 1.8]
    assert found["model"] == "fake"
    wrong = CliRunner().invoke(app, [*few, "--seed", "9999"])
    assert wrong.exit_code == 1
    assert "evaluate_rendered: seed is 9999" in wrong.output
