"""Depth metrics, once, in NumPy. Each is computed per picture; a result is the mean over pictures.

Legend: N measured pixels of one picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lapdepth.camera import FloatArray
from lapdepth.errors import InputError

METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "mae", "delta1", "delta2", "delta3")
"""Of a picture: p predicted, t true, d = ln p - ln t.

abs_rel mean |p-t|/t; sq_rel mean (p-t)^2/t, m; rmse m; rmse_log root mean d^2; log10 mean |log10 p - log10 t|; silog
100 sqrt(mean d^2 - (mean d)^2), as in the KITTI benchmark; mae mean |p-t|, m; delta_k share with max(p/t, t/p) < 1.25^k.
"""


def depth_metrics(predicted_m: FloatArray, truth_m: FloatArray) -> dict[str, float]:
    """All metrics of one picture.

    Args:
        predicted_m: (N,) positive metres.
        truth_m: (N,) positive metres, N at least 1.

    Returns:
        Value by name, for each of `METRICS`.

    Example:
        >>> metrics = depth_metrics(np.array([1.1, 2.0], np.float32), np.array([1.0, 2.0], np.float32))
        >>> round(metrics["abs_rel"], 3), metrics["delta1"]
        (0.05, 1.0)
    """
    predicted, truth = predicted_m.astype(np.float64), truth_m.astype(np.float64)
    error = predicted - truth
    log_error = np.log(predicted) - np.log(truth)
    ratio = np.maximum(predicted / truth, truth / predicted)
    values = {
        "abs_rel": np.mean(np.abs(error) / truth),
        "sq_rel": np.mean(error**2 / truth),
        "rmse": np.sqrt(np.mean(error**2)),
        "rmse_log": np.sqrt(np.mean(log_error**2)),
        "log10": np.mean(np.abs(log_error)) / np.log(10),
        # Rounding can push a variance of zero a little below it.
        "silog": 100 * np.sqrt(max(np.mean(log_error**2) - np.mean(log_error) ** 2, 0.0)),
        "mae": np.mean(np.abs(error)),
        "delta1": np.mean(ratio < 1.25),
        "delta2": np.mean(ratio < 1.25**2),
        "delta3": np.mean(ratio < 1.25**3),
    }
    return {name: float(value) for name, value in values.items()}


def mean_metrics(per_image: list[dict[str, float]]) -> dict[str, float]:
    """Mean over pictures of each metric."""
    return {name: float(np.mean([metrics[name] for metrics in per_image])) for name in METRICS}


def bootstrap_intervals(
    per_image: Sequence[Mapping[str, str | float]], seed: int = 0, draws: int = 2000, names: Sequence[str] = METRICS
) -> dict[str, tuple[float, float]]:
    """95 % interval of each metric's mean, from resampling whole scenes: pictures of one scene are not independent.

    Args:
        per_image: Metrics and `scene` by picture.
        seed: Seed of the resampling.
        draws: Resamplings.
        names: Of the metrics.
    """
    values = np.array([[float(image[name]) for name in names] for image in per_image])
    _, scene = np.unique([str(image["scene"]) for image in per_image], return_inverse=True)
    sums = np.stack([np.bincount(scene, weights=column) for column in values.T], axis=1)
    sizes = np.bincount(scene)
    chosen = np.random.default_rng(seed).integers(len(sizes), size=(draws, len(sizes)))
    means = sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1, keepdims=True)
    low, high = np.percentile(means, (2.5, 97.5), axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}


@dataclass(frozen=True, slots=True)
class Difference:
    """How two models differ in the mean of a metric on the same pictures.

    Attributes:
        mean: The one's mean less the other's.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


def paired_differences(
    images: Sequence[Mapping[str, str | float]], against: Sequence[Mapping[str, str | float]]
) -> dict[str, Difference]:
    """Differences of two models by metric, each with the interval of `bootstrap_intervals`.

    Each resampling draws the same scenes for both, so that what makes a scene hard for both does not widen the interval.

    Args:
        images: Metrics, `name` and `scene` by picture.
        against: The same pictures of the other model, in the same order.

    Raises:
        InputError: They are not the same pictures.
    """
    if [(one["name"], one["scene"]) for one in images] != [(one["name"], one["scene"]) for one in against]:
        raise InputError("two models were scored on different pictures; score both on the same to compare them")
    pairs = [
        {"scene": one["scene"], **{name: float(one[name]) - float(other[name]) for name in METRICS}}
        for one, other in zip(images, against, strict=True)
    ]
    intervals = bootstrap_intervals(pairs)
    return {name: Difference(float(np.mean([float(pair[name]) for pair in pairs])), *intervals[name]) for name in METRICS}
