"""What is constant at inference, computed once: standardised filters and frozen norms become plain convolutions."""

from __future__ import annotations

import copy

import torch
from torch import nn

from lapdepth.errors import ModelError
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


def absorb_norms(encoder: nn.Module) -> None:
    """Move what each batch norm of an encoder does into the convolution before it, in place, in half precision.

    The norms stay, and now only add a bias: the same tensors under the same names, and the filters are those that run, rounded
    once. A file that holds them in half precision therefore loses nothing more, whoever folds the norms.

    Raises:
        ModelError: The encoder is not made of convolutions each followed by its norm.
    """
    before: nn.Module | None = None
    for name, module in encoder.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            if not isinstance(before, nn.Conv2d) or before.bias is not None or before.out_channels != module.num_features:
                raise ModelError(f"norm '{name}' does not follow a convolution of its own; this encoder cannot be packed")
            assert module.running_mean is not None
            assert module.running_var is not None
            with torch.no_grad():
                factor = module.weight / torch.sqrt(module.running_var + module.eps)
                module.bias.sub_(module.running_mean * factor)
                before.weight.copy_((before.weight * factor[:, None, None, None]).half())
                module.running_mean.zero_()
                module.running_var.fill_(1)
                # What divides is the root of the variance and eps: the same number here makes the factor 1 to the last bit.
                module.weight.copy_(torch.sqrt(module.running_var + module.eps))
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            before = module


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
