"""An evaluation as JSON: one model as one object, several as a list with their differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lapdepth.evaluation.evaluate import Evaluation
from lapdepth.evaluation.metrics import paired_differences
from lapdepth.evaluation.sky import NEAR_M


def record(name: str, flip: bool, done: Evaluation, **notes: object) -> dict[str, Any]:
    """One model.

    Args:
        name: Of the model.
        flip: Whether predictions were averaged with those of the mirrored picture.
        done: Its scores.
        notes: Further keys.
    """
    return {
        "model": name,
        "protocol": done.protocol,
        "cap_m": done.cap_m if math.isfinite(done.cap_m) else None,
        "flip": flip,
        "images": len(done.per_image),
        "metrics": done.metrics,
        "by_distance": [asdict(one) for one in done.by_distance],
        "confidence": _confidence(done),
        "sky": None if done.sky is None else {"near_m": NEAR_M, **asdict(done.sky)},
        "boundary_f1": None if done.boundary_f1 is None else asdict(done.boundary_f1),
        "per_image": done.per_image,
        **notes,
    }


def record_of_several(records: Sequence[dict[str, Any]], scenes_named: bool) -> dict[str, Any]:
    """Several models on the same pictures, and how each differs from the first.

    Args:
        records: What `record` gave.
        scenes_named: Whether scenes are drawn for the intervals, or pictures.
    """
    first, *others = records
    differences = [
        {
            "model": other["model"],
            "against": first["model"],
            "metrics": {name: asdict(one) for name, one in paired_differences(other["per_image"], first["per_image"]).items()},
        }
        for other in others
    ]
    shared = {key: first[key] for key in ("protocol", "cap_m", "images")}
    return {**shared, "resampled": "scenes" if scenes_named else "pictures", "models": records, "differences": differences}


def _confidence(done: Evaluation) -> dict[str, object] | None:
    if done.reliability is None or done.ranking is None or done.sparsification is None:
        return None
    return {
        "expected_calibration_error": done.reliability.calibration_error,
        "best_error_scale_factor": done.reliability.best_scale,
        "bins": done.reliability.bins.tolist(),
        "sparsification_error": done.ranking[0],
        "sparsification_error_random": done.ranking[1],
    }
