"""Losses, as functions of tensors. None of them is NaN where nothing was measured or the fit is exact.

Sums run over the examples of all processes that train together (`total`).

Legend: B batch, H and W height and width.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lapdepth.training.ranks import total

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
    count = total(mask).clamp(min=1)
    mean = total(error) / count
    mean_square = total(error.square()) / count
    return 10 * torch.sqrt((mean_square - variance_focus * mean.square()).clamp(min=1e-10))


def l1_loss(error: Tensor, mask: Tensor) -> Tensor:
    """10 * mean(|d|) over all measured pixels of the batch: it asks for the median depth, where squares ask for the mean."""
    return 10 * total(error.abs()) / total(mask).clamp(min=1)


def gradient_loss(error: Tensor, mask: Tensor, scales: int = 4) -> Tensor:
    """Mean absolute difference of neighbouring errors, at `scales` spacings: edges where the truth has them, none elsewhere.

    As in MegaDepth (Li and Snavely 2018) and MiDaS, on log depth. Useful where the truth is dense.
    """
    means = error.new_zeros(())
    for spacing in (2**k for k in range(scales)):
        for axis in (2, 3):
            size = error.shape[axis] - spacing
            if size < 1:
                continue
            pairs = mask.narrow(axis, 0, size) & mask.narrow(axis, spacing, size)
            steps = (error.narrow(axis, spacing, size) - error.narrow(axis, 0, size)).abs()
            means = means + total(steps * pairs) / total(pairs).clamp(min=1)
    return means / scales


def sobel_loss(predicted_m: Tensor, dense_m: Tensor, measured: Tensor, band: tuple[float, float] | None = None) -> Tensor:
    """The published gradient loss: mean |Sobel(prediction) - Sobel(filled-in truth)| of metres, along x plus along y.

    The release's terms, whose 3x3 Sobel filters are not normalised; what was filled in and not measured weighs a tenth. Here
    pixels next to a hole or the border, where the filter has no truth, do not count.

    Args:
        predicted_m: (B, 1, H, W).
        dense_m: (B, 1, H, W), 0 = nothing even filled in.
        measured: (B, 1, H, W) bool, where the truth was measured.
        band: Shares of the height between which everything counts as measured; (0.332, 0.992) as published on KITTI.
    """
    filled = dense_m > MIN_TRUTH_M
    error = torch.where(filled, predicted_m - dense_m, torch.zeros_like(predicted_m))
    kernel = error.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    slopes = F.conv2d(error, torch.stack([kernel, kernel.T])[:, None])
    known = F.max_pool2d((~filled).float(), 3, stride=1) == 0
    trusted = measured.clone()
    if band is not None:
        rows = torch.arange(measured.shape[2], device=measured.device)
        trusted |= ((rows >= int(band[0] * len(rows))) & (rows < int(band[1] * len(rows))))[:, None]
    weight = torch.where(trusted[..., 1:-1, 1:-1], 1.0, 0.1) * known
    return total(slopes.abs() * weight) / total(known).clamp(min=1)


def uncertainty_loss(error: Tensor, mask: Tensor, log_scale: Tensor) -> Tensor:
    """Negative log likelihood of the error under a Laplace distribution of the predicted scale; the depth is not moved by it."""
    likelihood = error.detach().abs() * torch.exp(-log_scale) + log_scale
    return total(likelihood * mask) / total(mask).clamp(min=1)


def sky_loss(depth_m: Tensor, sky: Tensor, far_m: float) -> Tensor:
    """How far, in log depth, sky is predicted nearer than `far_m`."""
    short = F.relu(torch.log(torch.as_tensor(far_m, dtype=depth_m.dtype)) - torch.log(depth_m))
    return total(short * sky) / total(sky).clamp(min=1)


def guess_loss(error: Tensor, mask: Tensor, tolerance: float = math.log(4 / 3)) -> Tensor:
    """Mean of how far the error in log depth goes beyond `tolerance` either way, where there is a guess."""
    return total(F.relu(error.abs() - tolerance) * mask) / total(mask).clamp(min=1)
