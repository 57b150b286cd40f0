"""Boundary F1 by hand: steps that are met, moved, smeared and lost."""

import numpy as np
import pytest

from lapdepth.evaluation.edges import THRESHOLDS, BoundaryF1, boundary_f1, mean_boundary_f1


def step(at=4, near_m=10.0, far_m=20.0, size=(4, 8)):
    """`near_m` left of column `at`, `far_m` from there on."""
    depth_m = np.full(size, near_m, np.float32)
    depth_m[:, at:] = far_m
    return depth_m


@pytest.mark.parametrize("far_m", [20.0, np.inf])
def test_a_step_in_its_place(far_m):
    assert boundary_f1(step(far_m=far_m), step(far_m=far_m)) == 1
    assert boundary_f1(step(far_m=1000.0), step(far_m=far_m)) == 1  # how high it is does not matter
    assert boundary_f1(3 * step(far_m=far_m), step(far_m=far_m)) == 1  # nor the scale


def test_a_step_one_pixel_aside_is_a_miss():
    assert boundary_f1(step(at=5), step()) == 0


def test_a_step_the_wrong_way_is_a_miss():
    assert boundary_f1(step(near_m=20.0, far_m=10.0), step()) == 0


def test_flat_predictions_have_no_edge():
    assert boundary_f1(np.full((4, 8), 10, np.float32), step()) == 0
    assert boundary_f1(np.full((4, 8), np.inf, np.float32), step()) == 0


def test_a_smeared_step_is_found_at_low_thresholds_and_one_too_many_at_each():
    """10 to 20 m in two steps of sqrt(2): each row has the true edge, and another."""
    smeared_m = step()
    smeared_m[:, 3] = 10 * 2**0.5
    assert boundary_f1(smeared_m, step()) == pytest.approx(2 * 1 / (2 + 1))
    # In five steps of 2^(1/5), 14.87 %, none is left above that threshold.
    smeared_m[:, 2:6] = 10 * 2 ** (np.arange(1, 5) / 5)
    found = sum(threshold for threshold in THRESHOLDS if threshold < 0.1487)
    assert boundary_f1(smeared_m, step()) == pytest.approx(2 * 1 / (5 + 1) * found / sum(THRESHOLDS))


def test_thresholds_weigh_in_proportion():
    """A step of 15 % where the truth has one of 30 %: found up to the threshold of 15 %."""
    truth_m, soft_m = np.array([[10, 13]], np.float32), np.array([[10, 11.5]], np.float32)
    found = [threshold for threshold in THRESHOLDS if threshold < 0.15]
    assert boundary_f1(soft_m, truth_m) == pytest.approx(sum(found) / sum(THRESHOLDS))


def test_rows_and_columns_count():
    truth_m = step(at=2, size=(2, 4), far_m=np.inf)
    half_m = truth_m.copy()
    half_m[1] = 10
    # Predicted pairs: 1 across and 2 down; true pairs: 2; both: 1.
    assert boundary_f1(half_m, truth_m) == pytest.approx(2 * 1 / (3 + 2))


def test_truth_without_an_edge():
    assert boundary_f1(step(), np.full((4, 8), 5, np.float32)) is None
    assert boundary_f1(step(), step(near_m=10, far_m=12)) is None  # 20 %: none at the largest threshold


def test_pairs_with_an_unknown_pixel_do_not_count():
    truth_m = step()
    truth_m[0, 3] = 0  # beside the step: a hole is no edge
    assert boundary_f1(step(), truth_m) == 1
    wrong_m = step()
    wrong_m[0, 3] = 500
    assert boundary_f1(wrong_m, truth_m) == 1  # what is predicted in the hole is not asked


def test_sparse_truth_has_none():
    truth_m = step()
    truth_m[1:3] = 0
    assert boundary_f1(step(), truth_m) == 1  # half is known
    truth_m[0, 0] = 0
    assert boundary_f1(step(), truth_m) is None
    truth_m[1] = np.inf  # sky is known
    assert boundary_f1(truth_m, truth_m) == 1


def test_mean_and_interval_over_scenes():
    assert mean_boundary_f1([]) is None
    assert mean_boundary_f1([("a", 0.2), ("a", 0.4)]) == BoundaryF1(pytest.approx(0.3), pytest.approx(0.3), pytest.approx(0.3), 2)
    two = mean_boundary_f1([("a", 0.2), ("a", 0.4), ("b", 0.9)])
    assert (two.mean, two.low, two.high, two.pictures) == pytest.approx((0.5, 0.3, 0.9, 3))
