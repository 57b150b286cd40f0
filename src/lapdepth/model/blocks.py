"""Building blocks of the decoder: standardised convolutions, pre-activation, dense ASPP (paper, sections III-B and III-C).

Legend: B batch, C channels, H and W height and width at the block's own level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapdepth.model.pyramid import up2

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "elu": nn.ELU,
    "mish": nn.Mish,
}


class WSConv2d(nn.Conv2d):
    """Convolution whose filters are standardised at every forward pass: zero mean, unit deviation.

    The unbiased standard deviation over a filter's inputs and taps, plus 1e-5, divides it (weight standardisation, Qiao et
    al. 2019). The published networks have no gain; with one, each filter's scale is learned, starting where the output keeps
    the input's variance, which spares sigmoid and tanh from starting saturated.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, dilation: int = 1, gain: bool = False) -> None:
        super().__init__(inputs, outputs, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)
        fan_in = inputs * kernel * kernel
        self.gain = nn.Parameter(torch.full((outputs, 1, 1, 1), fan_in**-0.5)) if gain else None

    def standardised_weight(self) -> Tensor:
        """The filters as the convolution applies them."""
        centred = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        weight = centred / (centred.std(dim=(1, 2, 3), keepdim=True) + 1e-5)
        return weight if self.gain is None else weight * self.gain

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H, W)."""
        return F.conv2d(x, self.standardised_weight(), None, self.stride, self.padding, self.dilation, self.groups)


class BlockFactory:
    """Makes a decoder's blocks, all with one norm, activation and gain.

    Args:
        norm: `bn` or `gn`.
        activation: A key of `ACTIVATIONS`.
        gain: Whether convolutions learn a gain.
        convolve_first: Whether upsampling blocks convolve before they upsample.
    """

    def __init__(self, norm: str, activation: str, gain: bool, convolve_first: bool = False) -> None:
        self.norm = norm
        self.activation = activation
        self.gain = gain
        self.convolve_first = convolve_first

    def make_norm(self, channels: int) -> nn.Module:
        """Batch norm, or group norm of 16 channels a group; where those do not go in, the most groups that do."""
        if self.norm == "bn":
            return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)
        most = max(channels // 16, 1)
        return nn.GroupNorm(next(groups for groups in range(most, 0, -1) if channels % groups == 0), channels)

    def conv(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> WSConv2d:
        """A bare standardised convolution."""
        return WSConv2d(inputs, outputs, kernel, dilation=dilation, gain=self.gain)

    def pre_conv(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> PreConv:
        """Norm, activation, convolution."""
        return PreConv(self, inputs, outputs, kernel, dilation)

    def pre_up(self, inputs: int, outputs: int) -> PreUp:
        """Norm, activation, twice the size, convolution."""
        return PreUp(self, inputs, outputs)

    def chain(self, widths: Sequence[int]) -> nn.Sequential:
        """3x3 pre-activated convolutions from each width to the next."""
        return nn.Sequential(*(self.pre_conv(a, b, 3) for a, b in pairwise(widths)))


class PreConv(nn.Module):
    """Norm, activation, standardised convolution."""

    def __init__(self, make: BlockFactory, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.norm = make.make_norm(inputs)
        self.act = ACTIVATIONS[make.activation]()
        self.conv = make.conv(inputs, outputs, kernel, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H, W)."""
        out: Tensor = self.conv(self.act(self.norm(x)))
        return out


class PreUp(nn.Module):
    """Norm, activation, bilinear to twice the size, standardised 3x3 convolution; or the last two the other way round.

    The published order is the first. Convolving before takes a quarter of the multiply-adds.
    """

    def __init__(self, make: BlockFactory, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = make.make_norm(inputs)
        self.act = ACTIVATIONS[make.activation]()
        self.conv = make.conv(inputs, outputs, 3)
        self.convolve_first = make.convolve_first

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, 2H, 2W)."""
        x = self.act(self.norm(x))
        return up2(self.conv(x)) if self.convolve_first else self.conv(up2(x))


class DenseASPP(nn.Module):
    """Dilated convolutions, each seeing the outputs of all smaller dilations.

    Args:
        make: Factory of blocks.
        inputs: Channels of the encoder's coarsest feature.
        width: Channels inside each branch.
        outputs: Channels given on.
        dilations: Smallest first.
    """

    def __init__(self, make: BlockFactory, inputs: int, width: int, outputs: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.reduce = make.conv(inputs, outputs, 1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                make.pre_conv(outputs + i * width, width, 1),
                make.pre_conv(width, width, 3, dilation),
            )
            for i, dilation in enumerate(dilations)
        )
        self.fuse = make.pre_conv(outputs + len(dilations) * width, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H, W)."""
        seen = self.reduce(x)
        for branch in self.branches:
            seen = torch.cat([seen, branch(seen)], dim=1)
        out: Tensor = self.fuse(seen)
        return out
