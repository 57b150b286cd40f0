"""Small networks to test with, by name."""

import copy
import functools
import tomllib
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lapdepth.config import DecoderConfig, ModelConfig
from lapdepth.model.blocks import PreConv, PreUp
from lapdepth.model.network import LapDepth, build_network

DEFAULT_TOML = Path(__file__).parents[2] / "configs" / "default.toml"
OPEN_TOML = DEFAULT_TOML.with_name("open.toml")
"""Has the architecture of both shipped models, where the default starts from the other."""
SMALL = {
    "encoder": "mobilenetv2_100",
    "decoder": DecoderConfig(widths=(16, 12, 8, 8, 6), heads=((8,), (), (), (), ()), aspp_width=8, dilations=(1, 2)),
    "weight_gain": True,
}
"""The cheapest to run: for tests of what happens around a network."""

SHALLOW = {
    "encoder": "resnet10t",
    "norm": "gn",
    "decoder": DecoderConfig(widths=(16, 12, 8, 8, 6), heads=((), (), (), (), ()), aspp_width=8, dilations=(1,)),
    "weight_gain": True,
    "uncertainty": True,
    "depth_scale": "log",
    "min_depth_m": 0.5,
}
"""The cheapest to export, which takes its time by the layer."""

DESIGNS = {
    "resnet18-bn": {"encoder": "resnet18"},
    "resnet18-gn": {"encoder": "resnet18", "norm": "gn"},
    "resnet18-6": {"encoder": "resnet18", "levels": 6},
    "mobilenetv2": {"encoder": "mobilenetv2_100"},
    "mobilenetv2-6": {"encoder": "mobilenetv2_100", "levels": 6},
    "mobilenetv2-elu": {"encoder": "mobilenetv2_100", "activation": "elu"},
    "mobilenetv2-gn-mish": {"encoder": "mobilenetv2_100", "norm": "gn", "activation": "mish"},
    "densenet161": {"encoder": "densenet161"},
    "small": SMALL,
    "shallow": SHALLOW,
    "default": tomllib.loads(OPEN_TOML.read_text(encoding="utf-8"))["model"],
}
SLOW = {"densenet161"}


def config_of(name: str, **changes) -> ModelConfig:
    return ModelConfig.model_validate(
        {"name": name, "max_depth_m": 80.0, "working_size": (64, 96), "focal_px": 100.0} | DESIGNS[name] | changes
    )


def build(name: str) -> LapDepth:
    """The network with random weights that keep away from saturation, as trained ones do."""
    return copy.deepcopy(_built(name))


@functools.cache
def _built(name: str) -> LapDepth:
    torch.manual_seed(0)
    network = build_network(config_of(name))
    calibrate(network)
    return network


def calibrate(network: LapDepth) -> None:
    """Let batch norms take their statistics from one batch, and scale what they give to suit the next convolution.

    Standardised filters multiply the deviation by the root of their inputs. Fresh from the constructor the sum of all that drives
    sigmoid and tanh into saturation, where nothing depends on anything.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for module in network.decoder.modules():
        if isinstance(module, PreConv | PreUp):
            gain = 1.0 if network.config.weight_gain else module.conv.weight[0].numel() ** -0.5
            nn.init.constant_(module.norm.weight, 0.5 * gain)
    for norm in norms:
        if not norm.weight.any():  # timm's ResNets begin with blocks that add nothing
            nn.init.ones_(norm.weight)
        norm.momentum, norm.own_momentum = None, norm.momentum
    with torch.no_grad():
        network.train()(picture(2, 4 * network.config.stride, 4 * network.config.stride, seed=99))
    for norm in norms:
        norm.momentum = norm.own_momentum


def soften(network: LapDepth) -> LapDepth:
    """Make the residuals small, so that rounding in an untrained network is not magnified to what looks like a mistake."""
    for head in (network.decoder.head, *(level.head for level in network.decoder.levels)):
        nn.init.constant_(head[-1].norm.weight, 0.05 * head[-1].norm.weight[0].item())
    return network


def picture(batch: int, height: int, width: int, seed: int = 1) -> torch.Tensor:
    """Noise (B, 3, H, W) in [0, 1], the same for the same seed."""
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))
