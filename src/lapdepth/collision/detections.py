"""Boxes of a torchvision detector for the warning, without importing PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lapdepth.collision.frame import Box
from lapdepth.errors import InputError


def boxes_of(
    output: Mapping[str, Any], names: Sequence[str] | None = None, min_score: float = 0.5, scale: tuple[float, float] = (1.0, 1.0)
) -> tuple[Box, ...]:
    """What a detection model of torchvision gives for one picture, as boxes of the warning.

    Args:
        output: `boxes` (N, 4) left, top, right, bottom in pixels, `labels` (N,) and `scores` (N,): tensors on any device,
            or arrays.
        names: Names of the labels, such as `weights.meta["categories"]`; without them a label is its number.
        min_score: Boxes of less score are left out.
        scale: What columns and rows are multiplied by, from the picture that was detected on to the depth map.

    Raises:
        InputError: A key is missing, or the shapes do not fit each other.
    """
    missing = [name for name in ("boxes", "labels", "scores") if name not in output]
    if missing:
        raise InputError(f"detections have no '{missing[0]}'; expected one picture's dict of boxes, labels and scores")
    boxes, labels, scores = (_array(output[name]) for name in ("boxes", "labels", "scores"))
    count = len(scores) if scores.ndim == 1 else -1
    if boxes.shape != (count, 4) or labels.shape != (count,):
        raise InputError(f"boxes are {boxes.shape}, labels {labels.shape}, scores {scores.shape}; expected (N, 4), (N,), (N,)")
    across, down = scale
    found = []
    for box, label, score in zip(boxes.astype(float), labels.astype(int).tolist(), scores.tolist(), strict=True):
        left, top, right, bottom = box.tolist()
        if not (score >= min_score and np.isfinite(box).all() and left < right and top < bottom):
            continue
        name = names[label] if names is not None and 0 <= label < len(names) else str(label)
        found.append(Box(left * across, top * down, right * across, bottom * down, name))
    return tuple(found)


def _array(values: Any) -> np.ndarray[Any, Any]:
    if hasattr(values, "detach"):  # a tensor that knows its gradient, or is on a GPU, is no array yet
        values = values.detach().cpu()
    return np.asarray(values)
