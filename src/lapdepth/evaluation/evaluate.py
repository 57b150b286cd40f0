"""Score a function that predicts depth; knows no model.

Legend: H, W height and width of a picture; h, w of the part that the protocol shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.data.sample import Sample
from lapdepth.errors import InputError
from lapdepth.evaluation.confidence import Reliability, ReliabilityCounter, sparsification
from lapdepth.evaluation.metrics import depth_metrics, mean_metrics
from lapdepth.evaluation.protocols import MIN_TRUTH_M, Protocol
from lapdepth.imaging import ByteArray

Predict = Callable[[ByteArray, Intrinsics], tuple[FloatArray, FloatArray | None]]
"""(h, w, 3) uint8 RGB and its camera to depth (h, w) in metres and confidence (h, w) or `None`."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a model on a data set under one protocol.

    Attributes:
        protocol: Name of the protocol.
        cap_m: Depths beyond were not scored.
        per_image: Metrics by picture, with its `name`, `scene` and number of scored `pixels`.
        metrics: Means over pictures.
        reliability: Of the confidence, or `None` for models without.
        ranking: Mean area under the sparsification error by confidence and at random, or `None`.
    """

    protocol: str
    cap_m: float
    per_image: list[dict[str, str | float]]
    metrics: dict[str, float]
    reliability: Reliability | None
    ranking: tuple[float, float] | None


def evaluate(predict: Predict, samples: Iterable[Sample], protocol: Protocol, cap_m: float | None = None) -> Evaluation:
    """Score predictions for samples.

    Args:
        predict: The model.
        samples: Pictures with truth.
        protocol: What is shown and scored.
        cap_m: Farthest depth scored, in place of the protocol's.

    Raises:
        InputError: A picture does not fit the protocol, or not one picture has a pixel to score.
    """
    cap_m = protocol.cap_m if cap_m is None else cap_m
    if not cap_m > MIN_TRUTH_M:
        raise InputError(f"cap is {cap_m} m; it must be above {MIN_TRUTH_M} m")
    names: list[dict[str, str | float]] = []
    scores: list[dict[str, float]] = []
    areas: list[tuple[float, float]] = []
    counter = ReliabilityCounter()
    for sample in samples:
        top, left, height, width = protocol.seen(*sample.depth_m.shape)
        shown = np.ascontiguousarray(sample.image[top : top + height, left : left + width])
        predicted_m, confidence = predict(shown, sample.intrinsics.cropped(left, top, width, height))
        mask = protocol.mask(sample.depth_m, cap_m)
        if not mask.any():
            continue
        truth_m = sample.depth_m[mask]
        # Where the protocol scores pixels that it did not show, nothing was predicted: the least depth stands in, as published.
        got_m = np.clip(protocol.paste(predicted_m, sample.depth_m.shape)[mask], MIN_TRUTH_M, cap_m)
        scores.append(depth_metrics(got_m, truth_m))
        names.append({"name": sample.name, "scene": sample.scene, "pixels": int(mask.sum())})
        if confidence is not None:
            sure = protocol.paste(confidence, sample.depth_m.shape)[mask]
            counter.add(sure, got_m, truth_m)
            areas.append(sparsification(sure, got_m, truth_m))
    if not scores:
        raise InputError(f"no picture has a measured pixel inside the window of '{protocol.name}' and below {cap_m} m")
    by_confidence, at_random = (np.mean(areas, axis=0).tolist()) if areas else (0.0, 0.0)
    return Evaluation(
        protocol=protocol.name,
        cap_m=cap_m,
        per_image=[{**name, **score} for name, score in zip(names, scores, strict=True)],
        metrics=mean_metrics(scores),
        reliability=counter.result(),
        ranking=(by_confidence, at_random) if areas else None,
    )
