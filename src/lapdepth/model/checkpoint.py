"""Models on disk: a folder with `config.json` and `model.safetensors`, written whole and loaded strictly."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from lapdepth.config import ModelConfig
from lapdepth.errors import ConfigError, ModelError, OutputError
from lapdepth.model.network import LapDepth, build_network
from lapdepth.zoo import CONFIG_FILE, WEIGHTS_FILE, find_model, tell_licence_once


def load_model(model: str | Path, device: str = "cpu") -> LapDepth:
    """Load a model for PyTorch, in evaluation mode.

    Args:
        model: Name of an embedded model, a model folder, or a hub id.
        device: A torch device.

    Returns:
        The network: (B, 3, H, W) RGB in [0, 1] in, `DepthOutput` out.

    Raises:
        ModelError: No such model, or its files are damaged, of a newer format, do not fit each other or hold NaN.
    """
    folder = find_model(model)
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a model folder; PyTorch needs one with {CONFIG_FILE} and {WEIGHTS_FILE}")
    config = read_config(folder)
    try:
        network = build_network(config)
    except ConfigError as error:
        raise ModelError(f"{folder / CONFIG_FILE}: {error}") from None
    try:
        weights = load_file(folder / WEIGHTS_FILE, device="cpu")
    except (SafetensorError, OSError) as error:
        raise ModelError(f"cannot read {folder / WEIGHTS_FILE}: {error}") from None
    load_weights(network, weights, str(folder / WEIGHTS_FILE))
    tell_licence_once(config.name, config.licence)
    return network.to(device).eval()


def read_config(folder: Path) -> ModelConfig:
    """The configuration in a model folder."""
    path = folder / CONFIG_FILE
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; a model folder holds {CONFIG_FILE}") from None
    return ModelConfig.from_json(text, str(path))


def load_weights(network: LapDepth, weights: Mapping[str, Tensor], source: str) -> None:
    """Put tensors into a network: each name and shape must agree, and each value be finite.

    Half-precision tensors are widened; the network computes in float32.
    """
    own = network.state_dict()
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or unknown:
        example = f"missing '{missing[0]}'" if missing else f"unknown '{unknown[0]}'"
        raise ModelError(
            f"{source} does not fit its configuration: {len(missing)} tensors missing, {len(unknown)} unknown ({example})"
        )
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape:
            raise ModelError(f"{source}: '{name}' is {tuple(tensor.shape)}, expected {tuple(own[name].shape)}")
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{source}: '{name}' holds NaN or infinity; the model is damaged, get it again")
    network.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in weights.items()}, strict=True)


def save_model(network: LapDepth, folder: Path, half: bool = False) -> None:
    """Write a model folder, complete or not at all.

    Args:
        network: The network, with its configuration.
        folder: Made anew; an existing model folder is replaced.
        half: Store convolutions in half precision: half the size, each weight rounded by up to 0.05 %.

    Raises:
        OutputError: The folder cannot be written, or holds something that is not a model.
    """
    if folder.exists() and not (folder / CONFIG_FILE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and is not a model folder; choose another place")
    weights = {
        name: (tensor.half() if half and tensor.ndim == 4 else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            made = Path(scratch) / folder.name
            made.mkdir()
            (made / CONFIG_FILE).write_text(network.config.to_json(), encoding="utf-8")
            # Through bytes: the library's own writer makes files that only their owner may read.
            (made / WEIGHTS_FILE).write_bytes(save(weights, metadata={"format": "pt"}))
            replaced = Path(scratch) / "replaced"
            if folder.exists():
                folder.rename(replaced)
            try:
                made.rename(folder)
            except OSError:
                if replaced.exists():
                    replaced.rename(folder)
                raise
    except (OSError, SafetensorError) as error:
        raise OutputError(f"cannot write {folder}: {error}") from None
