"""Are edges sharp and in place? The boundary F1 of Depth Pro, in NumPy.

Definition: Bochkovskii et al. 2024, section 3.3 on sharp boundaries. Between neighbours i and j in a row or a column, in both
directions, there is an occluding edge at threshold t where depth_j / depth_i > 1 + t. Precision and recall count the pairs at
which prediction and truth both have the edge; the F1 is averaged over ten thresholds from 5 % to 25 % with weights in proportion
to the threshold. No edge is thinned or moved: one pixel aside is a miss. Sky is infinitely far in the truth, and in the
prediction where it is not valid.

Only pairs whose truth is known at both pixels count, for the prediction as well. LiDAR hits too few neighbours for that.

Legend: H, W height and width of a map; N ordered pairs of neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.evaluation.metrics import bootstrap_intervals
from lapdepth.evaluation.protocols import BoolArray

THRESHOLDS = tuple(float(threshold) for threshold in np.linspace(0.05, 0.25, 10))
DENSE = 0.5
"""Least share of pixels whose truth is known. A LiDAR of 64 lines has 0.04 of a KITTI picture, an RGB-D camera about 0.7."""


@dataclass(frozen=True, slots=True)
class BoundaryF1:
    """Mean over pictures.

    Attributes:
        mean: Of the pictures' F1.
        low: Lower end of the 95 % interval from resampling whole scenes.
        high: Upper end.
        pictures: How many had truth that is dense enough, and edges.
    """

    mean: float
    low: float
    high: float
    pictures: int


def boundary_f1(predicted_m: FloatArray, truth_m: FloatArray) -> float | None:
    """F1 of occluding edges, as the head of this file defines it.

    Args:
        predicted_m: (H, W) positive metres, infinite where nothing valid was predicted.
        truth_m: (H, W) metres, infinite for sky, 0 where it is not known.

    Returns:
        0 to 1; `None` where less than `DENSE` of the truth is known, or it has no edge at the largest threshold.
    """
    known = truth_m > 0
    if known.mean() < DENSE:
        return None
    pairs = _pairs(predicted_m, known), _pairs(truth_m, known)
    # What is no edge at the least threshold is none at any, and most pairs are none: the rest is quick to count.
    some = np.logical_or(*(first > (1 + THRESHOLDS[0]) * second for first, second in pairs))
    predicted, truth = ((first[some], second[some]) for first, second in pairs)
    scores = []
    for threshold in THRESHOLDS:
        in_prediction, in_truth = (first > (1 + threshold) * second for first, second in (predicted, truth))
        if not in_truth.any():
            return None
        scores.append(2 * float((in_prediction & in_truth).sum()) / float(in_prediction.sum() + in_truth.sum()))
    return float(np.average(scores, weights=THRESHOLDS))


def mean_boundary_f1(of_pictures: Sequence[tuple[str, float]]) -> BoundaryF1 | None:
    """Mean over pictures, each told as its scene and its F1; `None` of none."""
    if not of_pictures:
        return None
    images: list[dict[str, str | float]] = [{"scene": scene, "boundary_f1": f1} for scene, f1 in of_pictures]
    low, high = bootstrap_intervals(images, names=("boundary_f1",))["boundary_f1"]
    return BoundaryF1(float(np.mean([f1 for _, f1 in of_pictures])), low, high, len(images))


def _pairs(depth_m: FloatArray, known: BoolArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """1 / depth of the first and of the second, (N,) each, for every ordered pair of neighbours whose truth is known.

    It is 0 in the sky, so that sky beside sky is no edge.
    """
    nearness = np.divide(1, depth_m, out=np.zeros(depth_m.shape), where=known)
    below, right = known[1:] & known[:-1], known[:, 1:] & known[:, :-1]
    one = np.concatenate([nearness[1:][below], nearness[:, 1:][right]])
    other = np.concatenate([nearness[:-1][below], nearness[:, :-1][right]])
    return np.concatenate([one, other]), np.concatenate([other, one])
