"""A network's stages in the order of the tutorial, with shapes, parameters and multiply-adds."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lapdepth.errors import InputError
from lapdepth.model.network import LapDepth, check_size


@dataclass(frozen=True, slots=True)
class Stage:
    """One line of the listing.

    Attributes:
        name: What it is.
        shapes: Shapes (C, H, W) that it gives.
        parameters: Its parameters.
        multiply_adds: Multiply-adds of its convolutions for one picture.
    """

    name: str
    shapes: list[tuple[int, ...]]
    parameters: int
    multiply_adds: int


def describe(network: LapDepth, height: int, width: int) -> list[Stage]:
    """List the stages for one picture of `height` x `width`; nothing is computed, only shapes are.

    Raises:
        InputError: The size is not a multiple of the stride, or too large.
    """
    if not (0 < height <= 8192 and 0 < width <= 8192):
        raise InputError(f"size is {height}x{width}; each side must be from 1 to 8192")
    image = torch.empty(1, 3, height, width, device="meta")
    check_size(image, network.config.stride)
    network = copy.deepcopy(network).to("meta").eval()
    shapes: dict[str, list[tuple[int, ...]]] = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _module, _inputs, out, name=name: shapes.__setitem__(name, _shapes(out)))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        out = network(image)
    counts = {name.removeprefix("LapDepth."): sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items()}

    levels = network.config.levels
    laplacians: list[tuple[int, ...]] = [(3, height >> k, width >> k) for k in range(levels - 1)]
    stages: list[Stage] = []

    def add(text: str, name: str) -> None:
        module = network.get_submodule(name)
        stages.append(Stage(text, shapes[name], _parameters(module), counts.get(name, 0)))

    add("encoder features, finest first", "encoder")
    stages.append(Stage("Laplacian pyramid of RGB, finest first", laplacians, 0, 0))
    add("dense ASPP", "decoder.aspp")
    add(f"level {levels}: head, then sigmoid: coarsest residual", "decoder.head")
    for i in range(levels - 1):
        level, name = levels - 1 - i, f"decoder.levels.{i}"
        add(f"level {level}: features up", f"{name}.up")
        if f"{name}.skip" in shapes:
            add(f"level {level}: joined with the encoder's", f"{name}.skip")
        add(f"level {level}: fused with residual and Laplacian", f"{name}.fuse")
        add(f"level {level}: head, + 0.1 mean Laplacian, tanh: residual", f"{name}.head")
    stages.append(Stage("residuals added up, coarse to fine: depth in metres", _shapes(out.depth_m), 0, 0))
    total = counts.get("Global", 0)
    stages.append(Stage("whole network", [], _parameters(network), total))
    return stages


def _shapes(out: Any) -> list[tuple[int, ...]]:
    tensors = [out] if isinstance(out, Tensor) else [one for one in out if isinstance(one, Tensor)]
    return [tuple(tensor.shape[1:]) for tensor in tensors]


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
