import math

import numpy as np
import pytest

from lapdepth.evaluation.confidence import ERROR_SCALES, ReliabilityCounter, sparsification


def counted(*pictures):
    counter = ReliabilityCounter()
    for confidence, right in pictures:
        truth_m = np.full(len(right), 10, np.float32)
        counter.add(np.asarray(confidence, np.float32), np.where(right, 10.5, 12).astype(np.float32), truth_m)
    return counter.result()


def test_nothing_counted():
    assert ReliabilityCounter().result() is None


def test_bins_by_hand():
    found = counted(([0.05, 0.05, 0.95, 0.85], [True, False, True, False]))
    assert found.bins.shape == (10, 3)
    np.testing.assert_allclose(found.bins[0], [0.5, 0.05, 0.5], rtol=1e-6)
    np.testing.assert_allclose(found.bins[8], [0.25, 0.85, 0], rtol=1e-6)
    np.testing.assert_allclose(found.bins[9], [0.25, 0.95, 1], rtol=1e-6)
    assert not found.bins[1:8].any()
    assert found.calibration_error == pytest.approx(0.5 * 0.45 + 0.25 * 0.85 + 0.25 * 0.05, rel=1e-6)


def test_both_ends_fall_into_bins():
    found = counted(([0, 1], [False, True]))
    assert found.bins[0].tolist() == [0.5, 0, 0]
    assert found.bins[9].tolist() == [0.5, 1, 1]
    assert found.calibration_error == 0


def test_each_picture_counts_the_same():
    small, large = ([0.95], [True]), ([0.15] * 99, [False] * 99)
    found = counted(small, large)
    np.testing.assert_allclose(found.bins[[1, 9], 0], [0.5, 0.5])


def test_right_means_less_than_a_tenth_off():
    counter = ReliabilityCounter()
    predicted_m = np.array([10.9, 9.1, 11.1, 8.9], np.float32)
    counter.add(np.full(4, 0.5, np.float32), predicted_m, np.full(4, 10, np.float32))
    np.testing.assert_allclose(counter.result().bins[5], [1, 0.5, 0.5])


def test_honest_and_wrong_confidence():
    rng = np.random.default_rng(0)
    confidence = rng.random(100_000)
    assert counted((confidence, rng.random(100_000) < confidence)).calibration_error < 0.01
    # Sure where it is wrong: |c - (1 - c)| averages 1/2.
    assert counted((confidence, rng.random(100_000) > confidence)).calibration_error == pytest.approx(0.5, abs=0.01)


def laplace(factor, pixels=40_000, seed=0):
    """What a model told that takes its errors for `factor` times smaller than they are, and what it should have told.

    The relative error is under 10 % where that of the logarithm is between ln 0.9 and ln 1.1; for the model both ends are ln 1.1.
    """
    rng = np.random.default_rng(seed)
    told = np.exp(rng.uniform(np.log(0.02), np.log(0.3), pixels))
    error = rng.laplace(0, factor * told)
    truth_m = rng.uniform(1, 80, pixels)
    confidences = [(1 - 1.1 ** (-1 / scale)).astype(np.float32) for scale in (told, factor * told)]
    return *confidences, (truth_m * np.exp(error)).astype(np.float32), truth_m.astype(np.float32)


def reliability(confidence, predicted_m, truth_m):
    counter = ReliabilityCounter()
    counter.add(confidence, predicted_m, truth_m)
    return counter.result()


@pytest.mark.parametrize("factor", [0.6, 1.5, 2.0, 3.3])
def test_the_factor_of_a_model_that_misjudges_its_errors_is_found(factor):
    told, honest, predicted_m, truth_m = laplace(factor)
    found = reliability(told, predicted_m, truth_m)
    assert found.best_scale == pytest.approx(factor, rel=0.12)
    assert found.calibration_error > 0.05
    assert found.best_calibration_error < 0.3 * found.calibration_error
    # A model that had told its true errors would hardly have done better.
    assert found.best_calibration_error < reliability(honest, predicted_m, truth_m).calibration_error + 0.005


def test_a_model_that_knows_its_errors_needs_no_factor():
    told, _, predicted_m, truth_m = laplace(1.0)
    found = reliability(told, predicted_m, truth_m)
    assert found.best_scale == pytest.approx(1, rel=0.12)
    assert found.calibration_error < 0.02
    assert found.best_calibration_error <= found.calibration_error + 1e-6


def test_the_best_factor_is_the_best_of_those_tried():
    told, _, predicted_m, truth_m = laplace(1.8, pixels=3000)
    by_factor = {}
    for factor in ERROR_SCALES:
        scale = factor * math.log(1.1) / -np.log1p(-told.astype(np.float64))
        scaled = (1 - np.exp(-math.log(1.1) / scale)).astype(np.float32)
        by_factor[factor] = reliability(scaled, predicted_m, truth_m).calibration_error
    found = reliability(told, predicted_m, truth_m)
    assert found.best_calibration_error == pytest.approx(min(by_factor.values()), abs=1e-3)
    assert by_factor[found.best_scale] == pytest.approx(min(by_factor.values()), abs=1e-3)


def test_factors_by_hand():
    # Half are right and all say 0.75. A factor of 2 takes the root of 1 - 0.75: 1 - 0.5.
    found = counted(([0.75] * 4, [True, False, True, False]))
    assert found.calibration_error == pytest.approx(0.25)
    assert found.best_scale == pytest.approx(2)
    assert found.best_calibration_error == pytest.approx(0, abs=1e-6)
    # The bins are those of what was told.
    np.testing.assert_allclose(found.bins[7], [1, 0.75, 0.5])


def test_factors_are_tried_on_all_pictures_together():
    # The first is right where 0.75 is told, always; the second never. Together the factor of 2 is the best, for neither alone.
    found = counted(([0.75], [True]), ([0.75] * 50, [False] * 50))
    assert found.best_scale == pytest.approx(2)
    assert counted(([0.75], [True])).best_scale == pytest.approx(0.5)
    assert counted(([0.75] * 50, [False] * 50)).best_scale == pytest.approx(4)


def test_certainty_either_way_stays_whatever_the_factor():
    found = counted(([0, 1], [True, False]))
    assert (found.calibration_error, found.best_calibration_error) == (1, 1)


def test_the_factors_tried_go_from_a_half_to_four_and_hold_one():
    assert ERROR_SCALES[0] == pytest.approx(0.5)
    assert ERROR_SCALES[-1] == pytest.approx(4)
    assert min(abs(factor - 1) for factor in ERROR_SCALES) < 1e-9
    np.testing.assert_allclose(np.diff(np.log(ERROR_SCALES)), math.log(8) / 18)


def ranked(confidence, error):
    truth_m = np.full(len(error), 1, np.float64)
    return sparsification(np.asarray(confidence, np.float64), truth_m + error, truth_m)


def test_perfect_ranking_scores_0():
    error = np.random.default_rng(0).exponential(0.1, 5000)
    by_confidence, at_random = ranked(-error, error)
    assert by_confidence == pytest.approx(0, abs=1e-12)
    assert at_random > 0.02


def test_random_ranking_scores_as_random():
    rng = np.random.default_rng(1)
    error = rng.exponential(0.1, 100_000)
    by_confidence, at_random = ranked(rng.random(100_000), error)
    assert by_confidence == pytest.approx(at_random, rel=0.05)


def test_ranking_upside_down_is_worse_than_random():
    error = np.random.default_rng(2).exponential(0.1, 5000)
    by_confidence, at_random = ranked(error, error)
    assert by_confidence > 1.5 * at_random


def test_area_by_hand():
    # 20 pixels, one wrong by 100 %, and it is the surest: after removing k of the others its share is 1 / (20 - k).
    error = np.zeros(20)
    error[7] = 1
    confidence = np.zeros(20)
    confidence[7] = 1
    by_confidence, at_random = ranked(confidence, error)
    # The oracle removes it first, and is left with 1/20, 0, 0, ...
    assert by_confidence == pytest.approx((sum(1 / (20 - k) for k in range(20)) - 1 / 20) / 20)
    assert at_random == pytest.approx(1 / 20 - 1 / 20 / 20)


def test_one_pixel():
    assert ranked([0.5], np.array([0.3])) == pytest.approx((0, 0))
