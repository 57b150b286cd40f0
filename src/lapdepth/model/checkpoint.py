"""Models on disk: a folder with `config.json` and `model.safetensors`, written whole and loaded strictly."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from lapdepth.errors import ConfigError, ModelError, OutputError
from lapdepth.model.network import LapDepth, build_network
from lapdepth.zoo import CONFIG_FILE, EMBEDDED, ONNX_FILE, WEIGHTS_FILE, find_model, read_config, tell_licence_once

_SCRATCH = ".lapdepth-"
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)


def load_model(model: str | Path, device: str = "cpu") -> LapDepth:
    """Load a model for PyTorch, in evaluation mode.

    Args:
        model: Name of an embedded model, a model folder, or a hub id.
        device: A torch device.

    Returns:
        The network: (B, 3, H, W) RGB in [0, 1] in, H and W multiples of `config.stride`, `DepthOutput` out.

    Raises:
        ModelError: No such model, or its files are damaged, of a newer format, do not fit each other or hold NaN.
    """
    folder = find_model(model)
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a model folder; PyTorch needs one with {CONFIG_FILE} and {WEIGHTS_FILE}")
    config = read_config(folder)
    path = folder / WEIGHTS_FILE
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise ModelError(f"cannot read {path}: it is a folder, a pipe or a device; expected an ordinary file")
    try:
        weights = load_file(path, device="cpu")
    except (SafetensorError, OSError) as error:
        raise ModelError(f"cannot read {path}: {error}") from None
    try:
        if model not in EMBEDDED:
            # Without memory at first: a stranger's configuration of 2 kB can ask for more than the machine has.
            with torch.device("meta"):
                _check_fit(build_network(config).state_dict(), weights, str(path))
        network = build_network(config)
    except ConfigError as error:
        raise ModelError(f"{folder / CONFIG_FILE}: {error}") from None
    load_weights(network, weights, str(path))
    tell_licence_once(config.name, config.licence)
    return network.to(device).eval()


def load_weights(network: LapDepth, weights: Mapping[str, Tensor], source: str) -> None:
    """Put tensors into a network: each name and shape must agree, and each value be finite.

    Half-precision tensors are widened; the network computes in float32.

    Raises:
        ModelError: A tensor is missing, unknown, of another shape, not a plain one of an ordinary type, or not finite.
    """
    own = network.state_dict()
    _check_fit(own, weights, source)
    plain = {}
    for name, tensor in weights.items():
        if tensor.dtype not in _DTYPES or tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise ModelError(
                f"{source}: '{name}' is {tensor.dtype}, {tensor.layout} on {tensor.device}; expected plain tensors on the CPU "
                "of float16, bfloat16, float32, float64 or int64"
            )
        plain[name] = tensor.to(own[name].dtype)
        if not torch.isfinite(plain[name]).all():
            raise ModelError(f"{source}: '{name}' holds NaN or infinity; the model is damaged, get it again")
    network.load_state_dict(plain, strict=True)


def _check_fit(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], source: str) -> None:
    """Raise `ModelError` where names or shapes are not those of a network."""
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or unknown:
        example = f"missing '{missing[0]}'" if missing else f"unknown '{unknown[0]}'"
        raise ModelError(
            f"{source} does not fit its configuration: {len(missing)} tensors missing, {len(unknown)} unknown ({example})"
        )
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape:
            raise ModelError(f"{source}: '{name}' is {tuple(tensor.shape)}, expected {tuple(own[name].shape)}")


def save_model(network: LapDepth, folder: Path, half: bool = False) -> None:
    """Write a model folder: `config.json` and `model.safetensors`, both or neither.

    A model that is in the folder is replaced. Other files stay, but a `model.onnx` is removed: it was made from the old
    weights and would no longer belong to the new ones.

    Args:
        network: The network, with its configuration.
        folder: A new or empty folder, or that of a model.
        half: Store convolutions in half precision: half the size, each weight rounded by up to 0.05 %.

    Raises:
        OutputError: The folder cannot be written, or holds something that is not a model.
    """
    weights = {
        name: (tensor.half() if half and tensor.ndim == 4 else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    try:
        _check_is_model_or_empty(folder)
        # Through bytes: the library's own writer makes files that only their owner may read.
        data = save(weights, metadata={"format": "pt"})
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _replace(folder, network.config.to_json(), data)
        except OSError:
            if is_new:
                folder.rmdir()
            raise
    except OutputError:
        raise
    except (OSError, SafetensorError) as error:
        raise OutputError(f"cannot write {folder}: {error}") from None


def _check_is_model_or_empty(folder: Path) -> None:
    # What a killed run left of its own does not count.
    if not folder.exists() or (folder.is_dir() and all(path.name.startswith(_SCRATCH) for path in folder.iterdir())):
        return
    try:
        read_config(folder)
    except ModelError as error:
        raise OutputError(f"{folder} exists and is not a model folder ({error}); choose another place") from None


def _replace(folder: Path, config: str, weights: bytes) -> None:
    """Write both files aside, then rename both; when that fails, put back what was there."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH) as scratch:
        new, old = Path(scratch, "new"), Path(scratch, "old")
        new.mkdir()
        old.mkdir()
        (new / CONFIG_FILE).write_text(config, encoding="utf-8")
        (new / WEIGHTS_FILE).write_bytes(weights)
        had_config = (folder / CONFIG_FILE).exists()
        if had_config:
            shutil.copyfile(folder / CONFIG_FILE, old / CONFIG_FILE)
        try:
            if (folder / ONNX_FILE).exists():
                (folder / ONNX_FILE).rename(old / ONNX_FILE)
            (new / CONFIG_FILE).replace(folder / CONFIG_FILE)
            (new / WEIGHTS_FILE).replace(folder / WEIGHTS_FILE)
        except OSError:
            if not had_config:
                (folder / CONFIG_FILE).unlink(missing_ok=True)
            for path in old.iterdir():
                path.replace(folder / path.name)
            raise
