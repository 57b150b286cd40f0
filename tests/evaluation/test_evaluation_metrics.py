"""Metrics against hand-made numbers and against what the authors' release computes."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from lapdepth.evaluation.metrics import METRICS, bootstrap_intervals, depth_metrics, mean_metrics
from lapdepth.evaluation.protocols import PROTOCOLS, Protocol

PARITY = Path(__file__).parents[1] / "data" / "parity"
THEIR_NAMES = {"abs_diff": "mae", "a1": "delta1", "a2": "delta2", "a3": "delta3"}


def metres(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize("cap_m", [80, 50])
def test_agrees_with_the_release(cap_m):
    arrays = np.load(PARITY / "metrics.npz")
    expected = json.loads((PARITY / "metrics.json").read_text())[f"garg_cap{cap_m}"]
    # The fixture is scored as it is: the crop of Garg et al. is taken of this very frame, not of a KITTI picture.
    garg = Protocol("garg of the frame", cap_m, seen=PROTOCOLS["plain"].seen, scored=PROTOCOLS["kitti-garg"].scored)
    scores = []
    for truth_m, predicted_m in zip(arrays["truth"][:, 0], arrays["prediction"][:, 0], strict=True):
        mask = garg.mask(truth_m, cap_m)
        scores.append(depth_metrics(np.clip(predicted_m[mask], 1e-3, cap_m), truth_m[mask]))
    mean = mean_metrics(scores)
    for name, value in expected.items():
        assert mean[THEIR_NAMES.get(name, name)] == pytest.approx(value, rel=1e-5), name


def test_by_hand():
    metrics = depth_metrics(metres(2, 4, 10), metres(1, 4, 20))
    assert tuple(metrics) == METRICS
    ln2 = math.log(2)  # errors in log depth: ln 2, 0, -ln 2
    expected = {
        "abs_rel": (1 + 0 + 0.5) / 3,
        "sq_rel": (1 + 0 + 5) / 3,
        "rmse": math.sqrt(101 / 3),
        "rmse_log": ln2 * math.sqrt(2 / 3),
        "log10": 2 / 3 * math.log10(2),
        "silog": 100 * ln2 * math.sqrt(2 / 3),  # their mean is 0
        "mae": 11 / 3,
        "delta1": 1 / 3,
        "delta2": 1 / 3,
        "delta3": 1 / 3,
    }
    assert metrics == pytest.approx(expected, rel=1e-6)


def test_silog_by_hand():
    # Errors in log depth 0 and ln 4: mean ln 2, mean square 2 ln(2)^2, so that what is left is ln(2)^2.
    assert depth_metrics(metres(3, 4), metres(3, 1))["silog"] == pytest.approx(100 * math.log(2))


def test_silog_forgives_a_wrong_scale():
    truth_m = np.random.default_rng(0).uniform(1, 80, 1000).astype(np.float32)
    metrics = depth_metrics(truth_m * np.float32(1.7), truth_m)
    assert metrics["silog"] == pytest.approx(0, abs=1e-3)
    assert metrics["rmse_log"] == pytest.approx(math.log(1.7), rel=1e-6)


@pytest.mark.parametrize(
    ("ratio", "deltas"),
    [(1.24, (1, 1, 1)), (1.25, (0, 1, 1)), (1.26, (0, 1, 1)), (1.5625, (0, 0, 1)), (1.953125, (0, 0, 0)), (2, (0, 0, 0))],
)
def test_delta_thresholds_are_exclusive_and_symmetric(ratio, deltas):
    for metrics in (depth_metrics(metres(ratio), metres(1)), depth_metrics(metres(1), metres(ratio))):
        assert (metrics["delta1"], metrics["delta2"], metrics["delta3"]) == deltas


def test_a_prediction_that_is_not_a_number_cannot_hide():
    metrics = depth_metrics(metres(1, math.nan), metres(1, 1))
    assert math.isnan(metrics["abs_rel"])
    assert metrics["delta1"] == 0.5


# --- means and intervals


def image(scene, value):
    return {"name": "a", "scene": scene, "pixels": 1} | dict.fromkeys(METRICS, value)


def test_mean_counts_each_picture_once():
    assert mean_metrics([dict.fromkeys(METRICS, value) for value in (1.0, 2.0, 6.0)]) == dict.fromkeys(METRICS, 3.0)


def test_intervals_hold_the_mean_and_are_the_same_each_time():
    rng = np.random.default_rng(0)
    images = [image(f"scene {i // 5}", float(rng.normal(0.1, 0.02))) for i in range(60)]
    intervals = bootstrap_intervals(images)
    assert intervals == bootstrap_intervals(images)
    assert intervals != bootstrap_intervals(images, seed=1)
    mean = float(np.mean([one["abs_rel"] for one in images]))
    low, high = intervals["abs_rel"]
    assert low < mean < high
    assert set(intervals) == set(METRICS)


def test_interval_agrees_with_the_standard_error():
    rng = np.random.default_rng(1)
    values = rng.normal(10, 2, 100)
    low, high = bootstrap_intervals([image(str(i), float(value)) for i, value in enumerate(values)])["rmse"]
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 10, rel=0.1)


def test_whole_scenes_are_drawn():
    # Within each scene all pictures are alike: 100 pictures tell no more than 4.
    each = bootstrap_intervals([image(str(i), float(i)) for i in range(4)])
    many = bootstrap_intervals([image(str(i), float(i)) for i in range(4) for _ in range(25)])
    assert many["mae"] == pytest.approx(each["mae"])


def test_a_larger_scene_weighs_more():
    low, high = bootstrap_intervals([image("a", 0.0)] * 9 + [image("b", 1.0)])["mae"]
    assert (low, high) == (0, 1)
    assert mean_metrics([image("a", 0.0)] * 9 + [image("b", 1.0)])["mae"] == pytest.approx(0.1)


def test_one_scene_has_no_interval():
    low, high = bootstrap_intervals([image("a", 1.0), image("a", 3.0)])["mae"]
    assert low == high == 2
