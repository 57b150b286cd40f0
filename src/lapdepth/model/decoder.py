"""Coarse-to-fine decoder of depth residuals (paper, section III-B; equations 1 to 3).

Each level sharpens the features of the one below with the encoder's feature, the upsampled residual of the coarser level and
the picture's Laplacian at this resolution, and predicts what its resolution adds to the depth.

Legend: B batch, H and W height and width of the picture, k the level, 1 the finest, at stride 2 ** (k - 1).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lapdepth.config import DecoderConfig
from lapdepth.errors import ConfigError
from lapdepth.model.blocks import BlockFactory, DenseASPP
from lapdepth.model.pyramid import up2

GUIDES = 4
"""Channels that join a level's features: one of upsampled residual and three of the RGB Laplacian."""


def published_decoder(encoder_channels: Sequence[int]) -> DecoderConfig:
    """The published widths: half the coarsest feature's channels, halving a level; the two finest levels are equally wide.

    Args:
        encoder_channels: Channels of the encoder's features, finest first: four of them, or five for six levels.

    Raises:
        ConfigError: The coarsest feature is so narrow that the finest level would have no room beside the guides.
    """
    top = encoder_channels[-1] // 2
    steps = len(encoder_channels)
    widths = [top >> i for i in range(steps)]
    narrow = widths[-1]
    if narrow <= GUIDES:
        least = 2 * (GUIDES + 1) << (steps - 1)
        raise ConfigError(
            f"the encoder's coarsest feature has {encoder_channels[-1]} channels; the published widths need {least} or more. "
            "Give the widths in model.decoder, or choose a wider encoder"
        )
    coarse_to_fine = [*widths, narrow]
    heads: list[tuple[int, ...]] = [tuple(width for width in widths if width < own) for own in coarse_to_fine]
    heads[0] = (*heads[0], narrow // 2)
    heads[-1] = (narrow // 2,)
    return DecoderConfig(widths=tuple(coarse_to_fine), heads=tuple(heads), aspp_width=top // 2)


class Level(nn.Module):
    """One level above the coarsest: features and residual at twice the resolution of the level below.

    Args:
        make: Factory of blocks.
        below: Channels of the coarser level's features.
        skip: Channels of the encoder's feature at this resolution; 0 at the picture's own, where there is none.
        width: Channels of this level's features.
        head: Hidden channels of the residual head.
        outputs: 1, or 2 where the level also predicts the uncertainty.
    """

    def __init__(self, make: BlockFactory, below: int, skip: int, width: int, head: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.up = make.pre_up(below, width if skip else width - GUIDES)
        self.skip = make.pre_conv(width + skip, width - GUIDES, 1) if skip else None
        self.fuse = make.pre_conv(width, width, 3)
        self.head = make.chain([width, *head, outputs])

    def forward(self, x: Tensor, skip: Tensor | None, residual: Tensor, laplacian: Tensor) -> tuple[Tensor, Tensor]:
        """One step finer.

        Args:
            x: (B, C_below, H/2, W/2) features of the coarser level.
            skip: (B, C_skip, H, W) encoder feature, `None` at the finest level.
            residual: (B, 1, H, W) upsampled residual of the coarser level.
            laplacian: (B, 3, H, W) Laplacian of the normalised picture.

        Returns:
            Features (B, C, H, W) and the head's output (B, 1 or 2, H, W), the RGB term of equation 2 added to its first channel.
        """
        x = self.up(x)
        if self.skip is not None and skip is not None:
            x = self.skip(torch.cat([x, skip], dim=1))
        x = self.fuse(torch.cat([x, residual, laplacian], dim=1))
        out = self.head(x)
        guided = out[:, :1] + 0.1 * laplacian.mean(dim=1, keepdim=True)
        return x, torch.cat([guided, out[:, 1:]], dim=1)


class ResidualDecoder(nn.Module):
    """Dense ASPP, then one level after another, coarse to fine.

    Args:
        encoder_channels: Channels of the encoder's features, finest first.
        config: Widths, one more than there are features.
        make: Factory of blocks.
        uncertainty: Whether the heads also predict the scale of the error, each level a part of it as with the depth.
    """

    def __init__(self, encoder_channels: Sequence[int], config: DecoderConfig, make: BlockFactory, uncertainty: bool) -> None:
        super().__init__()
        widths, heads = config.widths, config.heads
        self.aspp = DenseASPP(make, encoder_channels[-1], config.aspp_width, widths[0], config.dilations)
        outputs = 2 if uncertainty else 1
        self.head = make.chain([widths[0], *heads[0], outputs])
        skips = [*reversed(encoder_channels[:-1]), 0]
        self.levels = nn.ModuleList(
            Level(make, widths[i], skip, widths[i + 1], heads[i + 1], outputs) for i, skip in enumerate(skips)
        )

    def forward(self, features: Sequence[Tensor], laplacians: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Residuals of all levels.

        Args:
            features: Encoder features, finest (stride 2) first.
            laplacians: Laplacians of the picture, finest (stride 1) first, as many as features.

        Returns:
            Residuals (B, 1, h, w), coarsest first: the first in (0, 1), the others in (-1, 1); and what the heads say of the
            uncertainty, added up: (B, 1, H, W), or no channel for a model without.
        """
        x = self.aspp(features[-1])
        out = self.head(x)
        residuals, uncertainty = [torch.sigmoid(out[:, :1])], out[:, 1:]
        skips = [*reversed(features[:-1]), None]
        for level, skip, laplacian in zip(self.levels, skips, reversed(laplacians), strict=True):
            x, out = level(x, skip, up2(residuals[-1]), laplacian)
            residuals.append(torch.tanh(out[:, :1]))
            uncertainty = out[:, 1:] + up2(uncertainty) if out.shape[1] > 1 else uncertainty
        return residuals, uncertainty
