"""The published large network with random weights, on which speed does not depend; what 8 bits change is then a rough guide."""

from __future__ import annotations

import math
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from lapdepth.benchmark.speed import REFERENCE, Row, Timed, action, eager, engines_of, made
from lapdepth.config import ModelConfig
from lapdepth.export.onnx import to_onnx
from lapdepth.export.quantise import export_int8
from lapdepth.inference.engine import open_engine
from lapdepth.model.network import LapDepth, build_network

ENCODER = "resnext101_32x8d.tv_in1k"
SIZE = (352, 1216)


def large_network(encoder: str = ENCODER, size: tuple[int, int] = SIZE) -> LapDepth:
    """The network, its norms of the scale that training leaves: without, random layers would magnify all rounding without bound.

    Args:
        encoder: The published one, or a small one to rehearse with.
        size: Height and width.
    """
    torch.manual_seed(0)
    network = build_network(ModelConfig(name="ResNeXt101", encoder=encoder, max_depth_m=80.0, working_size=size)).eval()
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            # As the fixtures of tests/model/test_parity.py: standardised filters in the decoder have no fan-in to divide by.
            low, high = (0.01, 0.04) if name.startswith("decoder.") else (0.15, 0.35)
            nn.init.uniform_(module.weight, low, high)
            nn.init.normal_(module.bias, std=0.05)
    return network


def large_rows(repeats: int, peak: float) -> list[Row]:
    """Each engine with the float32 file and, all but the narrow convolutions in 8 bits, with another.

    Args:
        repeats: Of each row.
        peak: Of the machine, in billions of operations a second.
    """
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, SIZE[0] // 8, SIZE[1] // 8), np.float32).repeat(8, 2).repeat(8, 3)
    network = large_network()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        exact, rough = folder / "float32.onnx", folder / "int8.onnx"
        onnx.save(to_onnx(network), exact)
        corner = image[:, :, : SIZE[0] // 2 // 16 * 16, : SIZE[1] // 2 // 16 * 16]  # enough for ranges, and a quarter of the time
        export_int8(exact, rough, [corner], max_change=math.inf)
        run, multiply_adds = eager(network, image)
        timed: dict[str, Timed] = {}
        for file, model in ((exact, "ResNeXt101"), (rough, "ResNeXt101 int8")):
            for engine in engines_of(file):
                if file == exact or engine != "openvino-bf16":
                    opened = action(open_engine(file, engine), image)
                    timed[f"{model} {engine}"] = Timed(model, engine, opened, REFERENCE, multiply_adds)
        timed[REFERENCE] = Timed("ResNeXt101", REFERENCE, run, REFERENCE, multiply_adds)
        return made(timed, SIZE, repeats, peak)
