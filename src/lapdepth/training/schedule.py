"""Learning rate by step."""

from __future__ import annotations

import math

from lapdepth.training.config import OptimizerSettings


def learning_rate(step: int, steps: int, settings: OptimizerSettings) -> float:
    """Rate of step `step` of `steps`.

    `published`: lr falls to final_lr as (1 - progress) ** 0.5 and stays there for the last `tail` share of the steps.
    `cosine`: half a cosine over all steps. `flat`: lr, and half a cosine over the last `tail` share.
    """
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / settings.warmup_steps
    tail = settings.tail * steps
    if settings.schedule == "published":
        shape = math.sqrt(1 - _progress(step, steps - tail))
    elif settings.schedule == "cosine":
        shape = (1 + math.cos(math.pi * _progress(step, steps))) / 2
    else:
        shape = (1 + math.cos(math.pi * _progress(step - (steps - tail), tail))) / 2
    return settings.final_lr + (settings.lr - settings.final_lr) * shape


def _progress(step: float, steps: float) -> float:
    return min(max(step, 0.0) / max(steps, 1.0), 1.0)
