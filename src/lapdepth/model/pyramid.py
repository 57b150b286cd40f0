"""Laplacian pyramid of the input picture: what each halving of the resolution loses (paper, section III-B).

Legend: B batch, C channels, H and W height and width.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def up2(x: Tensor) -> Tensor:
    """Bilinear to twice the height and width: (B, C, H, W) to (B, C, 2H, 2W)."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def laplacian_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """Differences between a picture and its next coarser copy, finest first.

    G1 = image, G(k+1) = G(k) at half the size, L(k) = G(k) - up(G(k+1)). Bilinear halving without antialiasing samples midway
    between four pixels, so that it equals their mean; average pooling says so and is faster.

    Args:
        image: (B, C, H, W), H and W divisible by 2 ** levels.
        levels: How many differences to return.

    Returns:
        L1 (B, C, H, W), L2 (B, C, H/2, W/2), and so on.
    """
    laplacians = []
    for _ in range(levels):
        half = F.avg_pool2d(image, 2)
        laplacians.append(image - up2(half))
        image = half
    return laplacians
