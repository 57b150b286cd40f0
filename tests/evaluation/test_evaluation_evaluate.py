import math

import numpy as np
import pytest

from lapdepth.camera import Intrinsics
from lapdepth.data.sample import Sample
from lapdepth.errors import InputError
from lapdepth.evaluation.evaluate import evaluate
from lapdepth.evaluation.metrics import METRICS
from lapdepth.evaluation.protocols import PROTOCOLS

PLAIN, KITTI, NYU = PROTOCOLS["plain"], PROTOCOLS["kitti-garg"], PROTOCOLS["nyu-eigen"]


def sample(size=(20, 30), low=1, high=60, seed=0, measured=1.0, scene="one"):
    """Truth is told by the picture: red is metres."""
    rng = np.random.default_rng(seed)
    depth_m = rng.integers(low, high, size).astype(np.float32)
    image = np.repeat(depth_m[..., None], 3, axis=2).astype(np.uint8)
    depth_m[rng.random(size) >= measured] = 0
    height, width = size
    return Sample(f"picture {seed}", scene, image, depth_m, Intrinsics.from_focal(width, height, 40.0))


def perfect(image, camera):
    assert image.shape[:2] == (camera.height, camera.width)
    return image[..., 0].astype(np.float32), None, np.ones(image.shape[:2], bool)


def changed(change):
    """Predicts what `change` makes of the truth; changing it in place will do."""

    def predict(image, camera):
        depth_m, confidence, valid = perfect(image, camera)
        made = change(depth_m)
        return depth_m if made is None else made, confidence, valid

    return predict


def times(factor):
    return changed(lambda depth_m: depth_m * np.float32(factor))


PERFECT = dict.fromkeys(METRICS, 0.0) | {"delta1": 1.0, "delta2": 1.0, "delta3": 1.0}


@pytest.mark.parametrize(("protocol", "size"), [(PLAIN, (20, 30)), (KITTI, (375, 1242))])
def test_perfect_prediction(protocol, size):
    done = evaluate(perfect, [sample(size, measured=0.3)], protocol)
    assert done.metrics == PERFECT
    assert (done.reliability, done.ranking) == (None, None)
    assert (done.protocol, done.cap_m) == (protocol.name, protocol.cap_m)


def test_all_too_far_by_a_fifth():
    done = evaluate(times(1.2), [sample(), sample(seed=1)], PLAIN)
    assert done.metrics["abs_rel"] == pytest.approx(0.2, rel=1e-5)
    assert done.metrics["rmse_log"] == pytest.approx(math.log(1.2), rel=1e-5)
    assert done.metrics["silog"] == pytest.approx(0, abs=1e-3)
    assert done.metrics["delta1"] == 1


def test_predictions_are_clamped_to_the_cap():
    # Truth 40, prediction 200: clamped to 50 it is a quarter off.
    done = evaluate(times(5), [sample(low=40, high=41)], PLAIN, cap_m=50)
    assert done.metrics["abs_rel"] == pytest.approx(0.25, rel=1e-6)
    assert done.cap_m == 50


@pytest.mark.parametrize("nothing", [0.0, -3.0])
def test_depths_that_are_none_are_clamped_to_a_millimetre(nothing):
    def half(depth_m):
        depth_m[:10] = nothing

    done = evaluate(changed(half), [sample(low=2, high=3)], PLAIN)
    assert done.metrics["abs_rel"] == pytest.approx(0.5 * (2 - 0.001) / 2, rel=1e-5)
    assert done.metrics["delta3"] == 0.5


def test_missing_depths_do_not_vanish_from_the_mean():
    def half(depth_m):
        depth_m[:10] = math.nan

    assert math.isnan(evaluate(changed(half), [sample()], PLAIN).metrics["abs_rel"])


def test_unmeasured_pixels_do_not_count():
    whole = sample()
    whole.image[:, :15] = 255  # wrong on the left ...
    whole.depth_m[:, :15] = 0  # ... where nothing was measured
    done = evaluate(perfect, [whole], PLAIN)
    assert done.metrics == PERFECT
    assert done.per_image[0]["pixels"] == 20 * 15


def test_the_model_is_shown_the_window_and_its_camera():
    seen = []

    def watch(image, camera):
        seen.append((image, camera))
        return perfect(image, camera)

    given = sample((480, 640), high=9)
    done = evaluate(watch, [given], NYU)
    image, camera = seen[0]
    np.testing.assert_array_equal(image, given.image[42:474, 40:616])
    assert camera == Intrinsics(576, 432, 40.0, 40.0, 319.5 - 40, 239.5 - 42)
    assert done.per_image[0]["pixels"] == 426 * 560
    assert done.metrics == PERFECT


def test_pictures_without_a_measured_pixel_are_left_out():
    done = evaluate(perfect, [sample(seed=1), sample(seed=2, measured=0), sample(seed=3, scene="two")], PLAIN)
    assert [(one["name"], one["scene"]) for one in done.per_image] == [("picture 1", "one"), ("picture 3", "two")]


def test_mean_is_over_pictures_not_pixels():
    done = evaluate(
        changed(lambda depth_m: depth_m + np.float32(len(depth_m) == 8)),
        [sample((8, 8), low=2, high=3), sample((40, 50), low=2, high=3)],
        PLAIN,
    )
    assert done.metrics["mae"] == pytest.approx(0.5)
    assert [one["mae"] for one in done.per_image] == [1, 0]


@pytest.mark.parametrize("samples", [[], [sample(measured=0)], [sample(low=30)]], ids=["none", "unmeasured", "beyond the cap"])
def test_nothing_to_score(samples):
    with pytest.raises(InputError, match="no picture has a measured pixel inside the window of 'plain' and below 30 m"):
        evaluate(perfect, samples, PLAIN, cap_m=30)


@pytest.mark.parametrize("cap_m", [0, 0.001, -5, math.nan])
def test_wrong_cap(cap_m):
    with pytest.raises(InputError, match=r"cap is .* must be above"):
        evaluate(perfect, [sample()], PLAIN, cap_m)


def test_picture_that_does_not_fit_the_protocol():
    with pytest.raises(InputError, match="picture is 20x30; the NYU protocol takes 480x640"):
        evaluate(perfect, [sample()], NYU)


def test_confidence_is_scored():
    def sure_of_the_top(image, camera):
        depth_m, _, valid = perfect(image, camera)
        depth_m[10:] *= 2
        confidence = np.full(depth_m.shape, 0.05, np.float32)
        confidence[:10] = 0.95
        return depth_m, confidence, valid

    done = evaluate(sure_of_the_top, [sample(), sample(seed=1)], PLAIN)
    assert done.reliability.calibration_error == pytest.approx(0.05, rel=1e-4)
    np.testing.assert_allclose(done.reliability.bins[[0, 9]], [[0.5, 0.05, 0], [0.5, 0.95, 1]], rtol=1e-5)
    assert done.ranking[0] == pytest.approx(0, abs=1e-9)
    # At random half the error of 100 % is left at every step; the oracle leaves (n - 10) / n of it for n of 20 twentieths.
    oracle = sum(max(n - 10, 0) / n for n in range(1, 21)) / 20
    assert done.ranking[1] == pytest.approx(0.5 - oracle, rel=1e-5)
