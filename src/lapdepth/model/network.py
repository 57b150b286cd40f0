"""The LapDepth network (Song, Lim, Kim 2021): picture in, depth in metres and the residuals of each level out.

Legend: B batch, H and W height and width of the picture, both multiples of the stride (16; 32 with six levels).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lapdepth.config import ModelConfig
from lapdepth.errors import InputError
from lapdepth.model.blocks import BlockFactory
from lapdepth.model.decoder import ResidualDecoder, published_decoder
from lapdepth.model.encoder import Encoder, build_encoder
from lapdepth.model.pyramid import laplacian_pyramid, up2


class DepthOutput(NamedTuple):
    """What the network returns.

    Attributes:
        depth_m: (B, 1, H, W) metres along the optical axis, at the training focal length.
        residuals_m: Residuals times `max_depth_m`, coarsest (B, 1, H/16, W/16) first, with six levels (B, 1, H/32, W/32), finest
            (B, 1, H, W) last. The name and the factor are the published code's. They are no lengths, whichever the
            `depth_scale`: the residuals are parts of a logit, whose sum becomes metres only behind the sigmoid.
        log_scale: (B, 1, H, W), logarithm of the Laplace scale of the error in log depth; `None` for a model without.
    """

    depth_m: Tensor
    residuals_m: tuple[Tensor, ...]
    log_scale: Tensor | None


class LapDepth(nn.Module):
    """Encoder, Laplacian pyramid, residual decoder, restoration.

    Args:
        config: Architecture and range.
        encoder: Features with `channels` and `strides`; must be what `config.encoder` names.
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, config: ModelConfig, encoder: Encoder) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        widths = config.decoder or published_decoder(encoder.channels)
        make = BlockFactory(config.norm, config.activation, config.weight_gain, widths.convolve_first)
        self.decoder = ResidualDecoder(encoder.channels, widths, make, config.uncertainty)
        self.register_buffer("image_mean", torch.tensor(config.image_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(config.image_std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> DepthOutput:
        """Predict depth.

        Args:
            image: (B, 3, H, W) RGB in [0, 1]; values are not clamped.

        Raises:
            InputError: Height or width is not a multiple of the stride.
        """
        check_size(image, self.config.stride)
        x = (image - self.image_mean) / self.image_std
        residuals, uncertainty = self.decoder(self.encoder(x), laplacian_pyramid(x, self.config.levels - 1))
        depth_m = to_metres(restore(residuals), self.config)
        return DepthOutput(
            depth_m,
            tuple(residual * self.config.max_depth_m for residual in residuals),
            bounded_log_scale(uncertainty) if self.config.uncertainty else None,
        )


def restore(residuals: list[Tensor]) -> Tensor:
    """Add up the residuals, coarsest first, each sum upsampled to the next (paper, equation 3): (B, 1, H, W)."""
    total = residuals[0]
    for residual in residuals[1:]:
        total = residual + up2(total)
    return total


def to_metres(total: Tensor, config: ModelConfig) -> Tensor:
    """The sum of residuals to metres: over the range linearly, as published, or over its logarithm."""
    share = torch.sigmoid(total)
    if config.min_depth_m is None:
        return share * config.max_depth_m
    return config.min_depth_m * torch.exp(share * math.log(config.max_depth_m / config.min_depth_m))


def bounded_log_scale(x: Tensor) -> Tensor:
    """Keep the error's scale between 0.7 % and 270 %, so that no pixel's likelihood can run away."""
    return 3 * torch.tanh(x / 3) - 2


def check_size(image: Tensor, stride: int) -> None:
    """Raise `InputError` unless (B, 3, H, W) with H and W multiples of `stride`."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise InputError(f"image is {tuple(image.shape)}; expected (B, 3, H, W) RGB in [0, 1]")
    height, width = image.shape[2:]
    if height % stride or width % stride:
        padded = f"{height + -height % stride}x{width + -width % stride}"
        raise InputError(
            f"image is {height}x{width}; height and width must be divisible by {stride}. "
            f"Pad it to {padded} (see lapdepth.imaging.pad_to_stride)"
        )


def build_network(config: ModelConfig, pretrained: bool = False) -> LapDepth:
    """The network of a configuration; random weights, or timm's for the encoder where `pretrained`."""
    return LapDepth(config, build_encoder(config.encoder, config.levels, pretrained))
