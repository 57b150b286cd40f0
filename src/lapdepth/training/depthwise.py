"""Gradients of depthwise convolutions in float32, where a processor's bfloat16 ones are slow.

oneDNN has no quick bfloat16 gradient of a depthwise convolution on processors without AMX: on an EPYC with AVX-512 BF16 one of
stride 2 took 67 to 133 ms for its input, where float32 took 1 to 46 ms, and two to five times as long for its filters. They
were half of a training step of the default model. `scripts/benchmark_depthwise.py` times them. The forward pass is as before.

Legend: B batch, C channels, H and W height and width.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.places = stride, padding, dilation
        return F.conv2d(x, weight.to(x.dtype), None, stride, padding, dilation, x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.places
        wide = weight.dtype
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].to(wide),
            x.to(wide),
            weight,
            None,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            x.shape[1],
            [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False],
        )
        return (of_x.to(x.dtype) if of_x is not None else None), of_weight, None, None, None


def depthwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """What `conv(x)` gives, (B, C, H, W) to (B, C, H', W'); under autocast in its type, with gradients in the weights' own."""
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(torch.get_autocast_dtype(x.device.type))
    out: Tensor = _Depthwise.apply(x, conv.weight, list(conv.stride), list(conv.padding), list(conv.dilation))
    return out


def use_float32_gradients(network: nn.Module) -> int:
    """Let the network's depthwise convolutions compute their gradients so; returns how many there are."""
    found = [
        module
        for module in network.modules()
        if type(module) is nn.Conv2d
        and module.groups == module.in_channels == module.out_channels > 1
        and module.bias is None
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    ]
    for module in found:
        module.forward = partial(depthwise, module)  # type: ignore[method-assign]
    return len(found)
