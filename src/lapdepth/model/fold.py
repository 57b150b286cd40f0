"""What is constant at inference, computed once: standardised filters become plain convolutions."""

from __future__ import annotations

import copy

import torch
from torch import nn

from lapdepth.model.blocks import WSConv2d
from lapdepth.model.network import LapDepth


def fold(network: LapDepth) -> LapDepth:
    """A copy whose standardised convolutions are plain ones with the same filters. It computes the same, and cannot be trained.

    Batch norms that follow a convolution are left to the exporter, which sees the whole graph and so knows where a norm is
    the only reader of a convolution.
    """
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, WSConv2d):
                setattr(module, name, _plain(child))
    return folded.requires_grad_(False)


def _plain(conv: WSConv2d) -> nn.Conv2d:
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        (conv.kernel_size[0], conv.kernel_size[1]),
        padding=(int(conv.padding[0]), int(conv.padding[1])),
        dilation=(conv.dilation[0], conv.dilation[1]),
        bias=False,
    )
    with torch.no_grad():
        plain.weight.copy_(conv.standardised_weight())
    return plain
