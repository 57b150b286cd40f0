"""Error by distance, in NumPy.

Legend: N measured pixels of one picture, D bins of distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapdepth.camera import FloatArray

EDGES_M = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, float("inf"))
"""Between bins, of the truth."""


@dataclass(frozen=True, slots=True)
class DistanceBin:
    """Pixels of all pictures whose truth lies between two distances, each pixel counting the same.

    Attributes:
        from_m: Beginning, included.
        to_m: End; `None` for the last, which has none.
        pixels: How many.
        abs_rel: Mean |p - t| / t.
        delta1: Share with max(p / t, t / p) < 1.25.
        bias: Mean (p - t) / t: below 0, predicted too near.
    """

    from_m: float
    to_m: float | None
    pixels: int
    abs_rel: float
    delta1: float
    bias: float


class DistanceCounter:
    """Adds up pictures."""

    def __init__(self) -> None:
        self._sums = np.zeros((4, len(EDGES_M) - 1))

    def add(self, predicted_m: FloatArray, truth_m: FloatArray) -> None:
        """Count one picture; both (N,) positive metres."""
        predicted, truth = predicted_m.astype(np.float64), truth_m.astype(np.float64)
        place = np.searchsorted(EDGES_M, truth, side="right") - 1
        bias = (predicted - truth) / truth
        near = np.maximum(predicted / truth, truth / predicted) < 1.25
        for row, weights in enumerate((np.ones(len(truth)), np.abs(bias), near, bias)):
            self._sums[row] += np.bincount(place, weights=weights, minlength=len(EDGES_M) - 1)

    def merge(self, other: DistanceCounter) -> None:
        """Add what another counted."""
        self._sums += other._sums

    def result(self) -> list[DistanceBin]:
        """Bins that have pixels, near to far."""
        found = []
        for i, (pixels, *sums) in enumerate(self._sums.T.tolist()):
            if pixels:
                far = EDGES_M[i + 1]
                means = (total / pixels for total in sums)
                found.append(DistanceBin(EDGES_M[i], far if np.isfinite(far) else None, int(pixels), *means))
        return found
