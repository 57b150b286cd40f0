"""Score a function that predicts depth; knows no model.

Legend: H, W height and width of a picture; h, w of the part that the protocol shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.data.sample import Sample
from lapdepth.errors import InputError
from lapdepth.evaluation.confidence import STEPS, Reliability, ReliabilityCounter, areas, sparsification_curves
from lapdepth.evaluation.distance import DistanceBin, DistanceCounter
from lapdepth.evaluation.edges import BoundaryF1, boundary_f1, mean_boundary_f1
from lapdepth.evaluation.gallery import Gallery, Seen
from lapdepth.evaluation.metrics import depth_metrics, mean_metrics
from lapdepth.evaluation.protocols import MIN_TRUTH_M, BoolArray, Protocol
from lapdepth.evaluation.sky import Sky, SkyCounter, sky_of
from lapdepth.imaging import ByteArray

Predict = Callable[[ByteArray, Intrinsics], tuple[FloatArray, FloatArray | None, BoolArray]]
"""(h, w, 3) uint8 RGB and its camera to depth (h, w) in metres, confidence (h, w) or `None`, and where depth is valid (h, w).

Metrics score every depth, valid or not: a model cannot do better by calling what is hard sky."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a model on a data set under one protocol.

    Attributes:
        protocol: Name of the protocol.
        cap_m: Depths beyond were not scored.
        per_image: Metrics by picture, with its `name`, `scene` and number of scored `pixels`.
        metrics: Means over pictures.
        by_distance: Errors of all pixels by distance.
        reliability: Of the confidence, or `None` for models without.
        ranking: Mean area under the sparsification error by confidence and at random, or `None`.
        sparsification: (3, STEPS) means over pictures of the curves of `sparsification_curves`, or `None`.
        sky: How near the sky is painted; `None` where no picture is known to show any.
        boundary_f1: Of edges, over pictures whose truth is dense enough; `None` where there are none.
        gallery: Pictures to look at.
    """

    protocol: str
    cap_m: float
    per_image: list[dict[str, str | float]]
    metrics: dict[str, float]
    by_distance: list[DistanceBin]
    reliability: Reliability | None
    ranking: tuple[float, float] | None
    sparsification: npt.NDArray[np.float64] | None
    sky: Sky | None
    boundary_f1: BoundaryF1 | None
    gallery: Gallery


@dataclass(slots=True)
class Part:
    """What was counted of some pictures of a data set; parts of several processes add up to an `Evaluation`."""

    gallery: Gallery
    scores: dict[int, tuple[dict[str, str | float], dict[str, float]]] = field(default_factory=dict)
    distance: DistanceCounter = field(default_factory=DistanceCounter)
    reliability: ReliabilityCounter = field(default_factory=ReliabilityCounter)
    curves: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, STEPS)))
    sure_images: int = 0
    sky: SkyCounter = field(default_factory=SkyCounter)
    boundary: dict[int, tuple[str, float]] = field(default_factory=dict)


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
    return summed([evaluate_part(predict, enumerate(samples), protocol, cap_m)], protocol, cap_m)


def evaluate_part(
    predict: Predict,
    samples: Iterable[tuple[int, Sample]],
    protocol: Protocol,
    cap_m: float | None = None,
    gallery: Gallery | None = None,
) -> Part:
    """Score some samples of a data set; arguments and errors are those of `evaluate`.

    Args:
        predict: The model.
        samples: Place in the whole list, from 0, and picture with truth.
        protocol: What is shown and scored.
        cap_m: Farthest depth scored, in place of the protocol's.
        gallery: Takes pictures to look at; `None` takes none.
    """
    cap_m = _cap(protocol, cap_m)
    part = Part(gallery or Gallery(0))
    for place, sample in samples:
        top, left, height, width = protocol.seen(*sample.depth_m.shape)
        window = (slice(top, top + height), slice(left, left + width))
        shown = np.ascontiguousarray(sample.image[window])
        predicted_m, confidence, valid = predict(shown, sample.intrinsics.cropped(left, top, width, height))
        mask = protocol.mask(sample.depth_m, cap_m)
        if not mask.any():
            continue
        truth_m = sample.depth_m[mask]
        whole_m = protocol.paste(predicted_m, sample.depth_m.shape)
        # Where the protocol scores pixels that it did not show, nothing was predicted: the least depth stands in, as published.
        got_m = np.clip(whole_m[mask], MIN_TRUTH_M, cap_m)
        scores = depth_metrics(got_m, truth_m)
        part.scores[place] = ({"name": sample.name, "scene": sample.scene, "pixels": int(mask.sum())}, scores)
        part.distance.add(got_m, truth_m)
        part.gallery.add(Seen(place, sample.name, sample.scene, scores, sample.image, sample.depth_m, whole_m, mask))
        if confidence is not None:
            sure = protocol.paste(confidence, sample.depth_m.shape)[mask]
            part.reliability.add(sure, got_m, truth_m)
            part.curves += sparsification_curves(sure, got_m, truth_m)
            part.sure_images += 1
        far_where_none_m = np.where(valid & (predicted_m > 0), predicted_m, np.float32(np.inf))
        _count_sky_and_edges(part, place, sample, protocol, window, far_where_none_m)
    return part


def summed(parts: Sequence[Part], protocol: Protocol, cap_m: float | None = None) -> Evaluation:
    """One evaluation of parts that together hold each picture once.

    Raises:
        InputError: Not one picture has a pixel to score, or two parts hold the same one.
    """
    cap_m = _cap(protocol, cap_m)
    scores = {place: score for part in parts for place, score in part.scores.items()}
    if not scores:
        raise InputError(f"no picture has a measured pixel inside the window of '{protocol.name}' and below {cap_m} m")
    if len(scores) != sum(len(part.scores) for part in parts):
        raise InputError("a picture was scored twice; give each process pictures of its own")
    first, *others = parts
    for other in others:
        first.distance.merge(other.distance)
        first.reliability.merge(other.reliability)
        first.sky.merge(other.sky)
    ordered = [scores[place] for place in sorted(scores)]
    boundary = {place: f1 for part in parts for place, f1 in part.boundary.items()}
    sure = sum(part.sure_images for part in parts)
    curves = np.asarray(sum(part.curves for part in parts) / sure) if sure else None
    return Evaluation(
        protocol=protocol.name,
        cap_m=cap_m,
        per_image=[{**name, **score} for name, score in ordered],
        metrics=mean_metrics([score for _, score in ordered]),
        by_distance=first.distance.result(),
        reliability=first.reliability.result(),
        ranking=None if curves is None else areas(curves),
        sparsification=curves,
        sky=first.sky.result(),
        boundary_f1=mean_boundary_f1([boundary[place] for place in sorted(boundary)]),
        gallery=Gallery.merged([part.gallery for part in parts]),
    )


def _count_sky_and_edges(
    part: Part, place: int, sample: Sample, protocol: Protocol, window: tuple[slice, slice], predicted_m: FloatArray
) -> None:
    """Both in the whole window that the model was shown: the one that KITTI's protocols score leaves out what is above the road.

    `predicted_m` is (h, w), infinite where nothing valid was predicted.
    """
    truth_m = sample.depth_m[window]
    # Looked for in the whole picture: what reaches the window's top edge alone may be a wall.
    sky = sky_of(sample, protocol)
    if sky is not None:
        part.sky.add(predicted_m, truth_m, sky[window], by_looks=sample.sky is None)
    if sample.sky is not None:
        truth_m = np.where(sample.sky[window], np.float32(np.inf), truth_m)
    f1 = boundary_f1(predicted_m, truth_m)
    if f1 is not None:
        part.boundary[place] = (sample.scene, f1)


def _cap(protocol: Protocol, cap_m: float | None) -> float:
    cap_m = protocol.cap_m if cap_m is None else cap_m
    if not cap_m > MIN_TRUTH_M:
        raise InputError(f"cap is {cap_m} m; it must be above {MIN_TRUTH_M} m")
    return cap_m
