"""The plots of an evaluation report: error by distance, honesty and ranking of the confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lapdepth.evaluation.confidence import STEPS, TOLERANCE
from lapdepth.evaluation.distance import DistanceBin
from lapdepth.evaluation.evaluate import Evaluation
from lapdepth.io.plots import GREY, Axis, Series, plot

Named = Sequence[tuple[str, Evaluation]]
"""Models of one report: short name and scores; all were scored on the same pixels."""
NEAR_M = 0.5
"""Where the first bin of distance begins as drawn: the logarithm has no zero."""


def distance_charts(models: Named) -> list[str]:
    """abs_rel, delta1 and bias against distance, over how many pixels lie there."""
    bins = models[0][1].by_distance
    last_m = _end(bins[-1])
    across = Axis("distance of the truth, m", max(bins[0].from_m, NEAR_M), last_m, log=True)
    pixels = sum(one.pixels for one in bins)
    tallest = max(one.pixels for one in bins)

    def chart(title: str, metric: str, low: float, high: float) -> str:
        room = high - low
        heights: list[tuple[float, float | None]] = [
            (max(one.from_m, NEAR_M), low + 0.6 * room * one.pixels / tallest) for one in bins
        ]
        # A bin between two that hold nothing would be drawn as wide as the gap.
        counted = Series(_with_gaps(heights, bins), "share of pixels", GREY, "bars")
        lines = [
            Series([(_middle(one), getattr(one, metric)) for one in done.by_distance], name, i, "dots")
            for i, (name, done) in enumerate(models)
        ]
        return plot(title, across, Axis("", low, high), [counted, *lines])

    errors = [one.abs_rel for _, done in models for one in done.by_distance]
    skew = max(abs(one.bias) for _, done in models for one in done.by_distance)
    return [
        chart(f"abs_rel by distance, {pixels:,} pixels", "abs_rel", 0, _above(max(errors))),
        chart("delta1 by distance", "delta1", 0, 1),
        chart("bias by distance: below 0 is too near", "bias", -_above(skew), _above(skew)),
    ]


def reliability_chart(models: Named) -> str:
    """Share of pixels that are right to 10 % against how sure the model was, over how often it was so."""
    series = [Series([(0, 0), (1, 1)], "honest", GREY, "dashed")]
    for i, (name, done) in enumerate(models):
        if done.reliability is None:
            continue
        bins = done.reliability.bins
        steps = 1 / len(bins)
        if len(models) == 1:
            shares: list[tuple[float, float | None]] = [(k * steps, float(one[0])) for k, one in enumerate(bins)]
            series.append(Series([*shares, (1.0, None)], "share of pixels", GREY, "bars"))
        series.append(Series([(float(mean), float(right)) for share, mean, right in bins if share > 0], name, i, "dots"))
    title = f"Reliability: how often right to {TOLERANCE:.0%}"
    return plot(title, Axis("confidence", 0, 1), Axis("", 0, 1), series, size=(430, 300))


def sparsification_chart(models: Named) -> str:
    """Error left against the share of pixels removed."""
    series = []
    for i, (name, done) in enumerate(models):
        if done.sparsification is not None:
            by_confidence, oracle, at_random = (
                [(step / STEPS, float(value)) for step, value in enumerate(curve)] for curve in done.sparsification
            )
            series.append(Series(by_confidence, name, i))
            series.append(Series(oracle, "oracle" if len(models) == 1 else "", i, "dashed"))
            series.append(Series(at_random, "at random" if len(models) == 1 else "", GREY, "dashed"))
    most = max(point[1] or 0 for one in series for point in one.points)
    title = "Sparsification: abs_rel left, least sure first"
    return plot(title, Axis("share of pixels removed", 0, 1), Axis("", 0, _above(most)), series, size=(430, 300))


def _end(one: DistanceBin) -> float:
    return 1.5 * max(one.from_m, NEAR_M) if one.to_m is None else one.to_m


def _middle(one: DistanceBin) -> float:
    return math.sqrt(max(one.from_m, NEAR_M) * _end(one))


def _with_gaps(heights: list[tuple[float, float | None]], bins: Sequence[DistanceBin]) -> list[tuple[float, float | None]]:
    points: list[tuple[float, float | None]] = []
    for i, (point, one) in enumerate(zip(heights, bins, strict=True)):
        points.append(point)
        if i + 1 == len(bins) or bins[i + 1].from_m != one.to_m:
            points.append((_end(one), None))
    return points


def _above(value: float) -> float:
    """A round number above, so that the highest point is inside."""
    if not (math.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * digit for digit in (1, 1.5, 2, 3, 4, 5, 7.5, 10) if power * digit >= 1.05 * value or digit == 10)
