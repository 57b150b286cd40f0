"""Import of the authors' published checkpoints: the only file that knows their names.

A published checkpoint is a flat dictionary of tensors with the prefix `module.`, without configuration: encoder and norm are
found from the names and shapes, the activation and the range must be told. It is a pickle, so it is read by PyTorch's
restricted reader, which refuses whatever is not tensors and plain containers.
"""

from __future__ import annotations

import math
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from lapdepth.config import ModelConfig, as_line, check_settings
from lapdepth.errors import InputError, ModelError, ReadError
from lapdepth.model.checkpoint import load_weights
from lapdepth.model.network import LapDepth, build_network

KITTI = {"working_size": (352, 1216), "focal_px": 721.5377, "fov_deg": 80.0}
"""Crop and camera of the KITTI models (maximum 80 m); the picture is not scaled in training."""
NYU = {"working_size": (480, 640), "focal_px": 518.8579, "fov_deg": 63.0}
"""Size and camera of the NYU models (maximum 10 m)."""
UNKNOWN = {"working_size": (480, 640), "focal_px": None, "fov_deg": 60.0}
"""Another maximum: nothing is known of the camera, so metres do not follow the focal length."""

LICENCE = "converted from the LapDepth authors' release (GPL-3.0); its training data are for research use only"


def convert_published(path: Path, max_depth_m: float, activation: Literal["relu", "elu", "mish"]) -> LapDepth:
    """Read a published checkpoint.

    Args:
        path: The `.pkl` file.
        max_depth_m: Range it was trained for: 80 for KITTI, 10 for NYU. The file does not say.
        activation: Activation it was trained with; the file does not say.

    Returns:
        The network, in evaluation mode.

    Raises:
        InputError: The range is not a positive number.
        ReadError: The file cannot be read.
        ModelError: It holds code, is damaged or is not a published LapDepth checkpoint.
    """
    if not 0 < max_depth_m < math.inf:
        raise InputError(f"max_depth_m is {max_depth_m}; expected a positive number of metres, 80 for KITTI, 10 for NYU")
    tensors = {name.removeprefix("module."): tensor for name, tensor in _read(path).items()}
    config = check_settings(
        {
            "name": as_line(path.stem)[:80],
            "encoder": _encoder_of(tensors, path),
            "norm": "bn" if any(re.match(r"decoder\..*running_mean", name) for name in tensors) else "gn",
            "activation": activation,
            "max_depth_m": max_depth_m,
            "licence": LICENCE,
            "provenance": {"converted_from": as_line(path.name)},
            **({80.0: KITTI, 10.0: NYU}.get(max_depth_m, UNKNOWN)),
        },
        ModelConfig,
        f"the model of {path}",
    )
    renamed = {_rename(name): tensor for name, tensor in tensors.items() if not _unused(name)}
    network = build_network(config)
    load_weights(network, renamed, str(path))
    return network.eval()


def _read(path: Path) -> Mapping[str, Tensor]:
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ReadError(f"cannot read {path}: it is a pipe or a device; expected an ordinary file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on pickle protocols, which say nothing to the user
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise ReadError(f"cannot read {path}: {error.strerror or error}") from None
    except pickle.UnpicklingError:
        raise ModelError(
            f"{path} is not a plain checkpoint: it is damaged, or asks to run code, which is refused. "
            "Expected a dictionary of tensors as the LapDepth authors publish it"
        ) from None
    except Exception as error:  # PyTorch raises a dozen types on damaged bytes
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"{path} is not a PyTorch checkpoint: {reason}") from None
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items())
    ):
        raise ModelError(f"{path} holds {type(content).__name__}; expected a dictionary of tensors, name by name")
    return content


def _encoder_of(tensors: Mapping[str, Tensor], path: Path) -> str:
    """Timm's name of the encoder, from names and shapes."""
    first = tensors.get("encoder.encoder.layer1.0.conv1.weight")
    if first is not None:
        return "resnext101_32x8d.tv_in1k" if first.shape[:1] == (256,) else "resnet101.tv_in1k"
    if "encoder.encoder.features.denseblock3.denselayer36.conv2.weight" in tensors:
        return "densenet161"
    if "encoder.encoder.features.17.conv.2.weight" in tensors:
        return "mobilenetv2_100"
    raise ModelError(
        f"{path} has no encoder that is known; published checkpoints have ResNeXt101, ResNet101, DenseNet161 or MobileNetV2"
    )


def _unused(name: str) -> bool:
    """Parts of MobileNetV2 beyond stride 16, of a classifier, and what five levels never read; the release stores them."""
    mobile = re.match(r"encoder\.encoder\.features\.(\d+)\.", name)
    return bool(mobile and int(mobile[1]) > 13) or bool(
        re.match(r"encoder\.encoder\.(layer4|fc|classifier|features\.(denseblock4|norm5))\b", name)
    )


_ASPP = {"aspp_d3": 0, "aspp_d6": 1, "aspp_d12": 2, "aspp_d18": 3}
_MOBILE_STAGES = (1, 2, 3, 4, 3)
"""Blocks in the first five stages of MobileNetV2; the release counts blocks through, timm by stage."""


def _rename(name: str) -> str:
    """A published tensor's name to this project's."""
    if name.startswith("encoder.encoder."):
        name = name.removeprefix("encoder.encoder.")
        if re.match(r"features\.\d{1,3}\.", name):
            return f"encoder.body.{_rename_mobile(name.removeprefix('features.'))}"
        return f"encoder.{name}" if name.startswith("features.") else f"encoder.body.{name}"
    name = re.sub(r"\.module\.0\.", ".norm.", re.sub(r"\.module\.2\.", ".conv.", name))
    name = re.sub(r"ASPP\.reduction1", "aspp.reduce", re.sub(r"ASPP\.reduction2", "aspp.fuse", name))
    name = re.sub(r"ASPP\.(aspp_d\d+)", lambda m: f"aspp.branches.{_ASPP.get(m[1], m[1])}", name)
    name = name.replace("decoder.decoder1.", "decoder.head.")
    level = re.match(r"decoder\.decoder2((?:_1)*)_(up|reduc)?(\d+)\.(.*)", name)
    if level is None:
        return name
    ones, part, number, rest = level[1], level[2], int(level[3]), level[4]
    if part == "up":
        return f"decoder.levels.{number - 1}.up.{rest}"
    if part == "reduc":
        return f"decoder.levels.{number - 1}.skip.{rest}"
    depth = len(ones) // 2
    return f"decoder.levels.{depth}.fuse.{rest}" if number == 1 else f"decoder.levels.{depth}.head.{number - 2}.{rest}"


def _rename_mobile(name: str) -> str:
    number, rest = name.split(".", 1)
    block = int(number)
    if block == 0:
        return rest.replace("0.", "conv_stem.", 1) if rest.startswith("0.") else rest.replace("1.", "bn1.", 1)
    stage, first = 0, 1
    while stage < len(_MOBILE_STAGES) and block >= first + _MOBILE_STAGES[stage]:
        first += _MOBILE_STAGES[stage]
        stage += 1
    # The first block has no expansion; timm names its parts accordingly.
    parts = (
        {"conv.0.0.": "conv_dw.", "conv.0.1.": "bn1.", "conv.1.": "conv_pw.", "conv.2.": "bn2."}
        if block == 1
        else {
            "conv.0.0.": "conv_pw.",
            "conv.0.1.": "bn1.",
            "conv.1.0.": "conv_dw.",
            "conv.1.1.": "bn2.",
            "conv.2.": "conv_pwl.",
            "conv.3.": "bn3.",
        }
    )
    for old, new in parts.items():
        if rest.startswith(old):
            return f"blocks.{stage}.{block - first}.{new}{rest.removeprefix(old)}"
    return name
