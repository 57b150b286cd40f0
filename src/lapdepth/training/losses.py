"""Losses, as functions of tensors. None of them is NaN where nothing was measured or the fit is exact.

Legend: B batch, H and W height and width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_TRUTH_M = 1e-3
"""Truth at or below this is not measured, as published."""


def log_error(predicted_m: Tensor, truth_m: Tensor) -> tuple[Tensor, Tensor]:
    """ln(prediction) - ln(truth), 0 where not measured, and the mask of where it was: both (B, 1, H, W)."""
    mask = truth_m > MIN_TRUTH_M
    error = torch.log(predicted_m) - torch.log(torch.where(mask, truth_m, predicted_m.detach()))
    return torch.where(mask, error, torch.zeros_like(error)), mask


def scale_invariant_loss(error: Tensor, mask: Tensor, variance_focus: float = 0.85) -> Tensor:
    """10 * sqrt(mean(d^2) - variance_focus * mean(d)^2) over all measured pixels of the batch (paper, equation 4).

    The value is clamped a little above 0 before the root, where the root's slope would be infinite.
    """
    count = mask.sum().clamp(min=1)
    mean = error.sum() / count
    mean_square = error.square().sum() / count
    return 10 * torch.sqrt((mean_square - variance_focus * mean.square()).clamp(min=1e-10))


def gradient_loss(error: Tensor, mask: Tensor, scales: int = 4) -> Tensor:
    """Mean absolute difference of neighbouring errors, at `scales` spacings: edges where the truth has them, none elsewhere.

    As in MegaDepth (Li and Snavely 2018) and MiDaS, on log depth. Useful where the truth is dense.
    """
    total = error.new_zeros(())
    for spacing in (2**k for k in range(scales)):
        for axis in (2, 3):
            size = error.shape[axis] - spacing
            if size < 1:
                continue
            pairs = mask.narrow(axis, 0, size) & mask.narrow(axis, spacing, size)
            steps = (error.narrow(axis, spacing, size) - error.narrow(axis, 0, size)).abs()
            total = total + (steps * pairs).sum() / pairs.sum().clamp(min=1)
    return total / scales


def uncertainty_loss(error: Tensor, mask: Tensor, log_scale: Tensor) -> Tensor:
    """Negative log likelihood of the error under a Laplace distribution of the predicted scale; the depth is not moved by it."""
    likelihood = error.detach().abs() * torch.exp(-log_scale) + log_scale
    return (likelihood * mask).sum() / mask.sum().clamp(min=1)


def sky_loss(depth_m: Tensor, sky: Tensor, far_m: float) -> Tensor:
    """How far, in log depth, sky is predicted nearer than `far_m`."""
    short = F.relu(torch.log(torch.as_tensor(far_m, dtype=depth_m.dtype)) - torch.log(depth_m))
    return (short * sky).sum() / sky.sum().clamp(min=1)


def guess_loss(error: Tensor, mask: Tensor, tolerance: float = math.log(4 / 3)) -> Tensor:
    """Mean of how far the error in log depth goes beyond `tolerance` either way, where there is a guess."""
    return (F.relu(error.abs() - tolerance) * mask).sum() / mask.sum().clamp(min=1)
