"""Learning rate by step."""

from __future__ import annotations

import math

from lapdepth.training.config import OptimizerSettings


def learning_rate(step: int, steps: int, settings: OptimizerSettings) -> float:
    """Rate of step `step` of `steps`.

    `published`: lr falls to final_lr as (1 - progress) ** 0.5 and stays there for the last `tail` share of the steps.
    """
    if step < settings.warmup_steps:
        return settings.lr * (step + 1) / settings.warmup_steps
    falling = max(steps * (1 - settings.tail if settings.schedule == "published" else 1), 1)
    progress = min(step / falling, 1.0)
    shape = math.sqrt(1 - progress) if settings.schedule == "published" else (1 + math.cos(math.pi * progress)) / 2
    return settings.final_lr + (settings.lr - settings.final_lr) * shape
