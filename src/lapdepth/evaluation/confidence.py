"""Is the confidence honest, and does it rank errors? Both in NumPy.

Legend: N measured pixels of one picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray

BINS = 10
ERROR_SCALES = tuple(float(scale) for scale in np.geomspace(0.5, 4, 19))
"""Factors on the predicted scale of the error that are tried for a more honest confidence."""
TOLERANCE = 0.1
STEPS = 20


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often depths of a given confidence are right to 10 %.

    Attributes:
        bins: (BINS, 3) for each tenth of confidence: share of pixels, mean confidence, share that is right to 10 %.
        calibration_error: Mean over pixels of |mean confidence - share that is right| of their bin.
        best_scale: The one of `ERROR_SCALES` that, as a factor on the predicted scale of the error, gives the least
            calibration error on these very pictures; 1 needs no change. See `ModelConfig.error_scale`.
        best_calibration_error: What it would be with that factor.
    """

    bins: npt.NDArray[np.float64]
    calibration_error: float
    best_scale: float
    best_calibration_error: float


class ReliabilityCounter:
    """Adds up pictures; each counts the same, whatever its number of measured pixels."""

    def __init__(self) -> None:
        self._sums = np.zeros((1 + len(ERROR_SCALES), BINS, 3))
        self._images = 0

    def add(self, confidence: FloatArray, predicted_m: FloatArray, truth_m: FloatArray) -> None:
        """Count one picture; all three (N,), N at least 1."""
        right = np.abs(predicted_m - truth_m) < TOLERANCE * truth_m
        # A scale s times as large takes the Laplace probability of a larger error, 1 - confidence, to the power 1 / s.
        for sums, scale in zip(self._sums, (1.0, *ERROR_SCALES), strict=True):
            scaled = confidence if scale == 1 else 1 - (1 - confidence) ** np.float32(1 / scale)
            place = np.clip((scaled * BINS).astype(np.intp), 0, BINS - 1)
            for column, weights in enumerate((np.ones(len(place)), scaled, right)):
                sums[:, column] += np.bincount(place, weights=weights, minlength=BINS) / len(place)
        self._images += 1

    def merge(self, other: ReliabilityCounter) -> None:
        """Add what another counted."""
        self._sums += other._sums
        self._images += other._images

    def result(self) -> Reliability | None:
        """What was counted; `None` before the first picture."""
        if not self._images:
            return None
        share = self._sums[..., :1] / self._images
        counted = np.broadcast_to(self._sums[..., :1], (*self._sums.shape[:2], 2))
        within = np.divide(self._sums[..., 1:], counted, out=np.zeros(counted.shape), where=counted > 0)
        errors = np.sum(share[..., 0] * np.abs(within[..., 0] - within[..., 1]), axis=1)
        best = int(np.argmin(errors[1:]))
        return Reliability(np.hstack([share[0], within[0]]), float(errors[0]), ERROR_SCALES[best], float(errors[1 + best]))


def sparsification_curves(confidence: FloatArray, predicted_m: FloatArray, truth_m: FloatArray) -> npt.NDArray[np.float64]:
    """What mean abs_rel is left while pixels are removed, 0 %, 5 %, ... 95 % of them (Ilg et al. 2018).

    Args:
        confidence: (N,).
        predicted_m: (N,) metres.
        truth_m: (N,) metres.

    Returns:
        (3, STEPS): the least sure first; the worst first, as an oracle would; and at random, which a useless confidence does.
    """
    error = np.abs(predicted_m - truth_m) / truth_m
    by_confidence = _remaining(error[np.argsort(-confidence, kind="stable")])
    oracle = _remaining(np.sort(error))
    return np.stack([by_confidence, oracle, np.full(STEPS, error.mean(), np.float64)])


def sparsification(confidence: FloatArray, predicted_m: FloatArray, truth_m: FloatArray) -> tuple[float, float]:
    """How well confidence ranks errors: see `sparsification_curves`, whose arguments these are.

    Returns:
        The area between the curve by confidence and the oracle's; and the same area for removing at random. 0 is perfect.
    """
    return areas(sparsification_curves(confidence, predicted_m, truth_m))


def areas(curves: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Of curves (3, STEPS): the areas that `sparsification` gives."""
    by_confidence, oracle, at_random = curves
    return float(np.mean(by_confidence - oracle)), float(np.mean(at_random - oracle))


def _remaining(error: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Mean error of the first 100 %, 95 %, ... 5 % of the pixels."""
    kept = np.maximum(len(error) * (STEPS - np.arange(STEPS)) // STEPS, 1)
    return np.asarray(np.cumsum(error, dtype=np.float64)[kept - 1] / kept, np.float64)
