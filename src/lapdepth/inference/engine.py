"""Engines: one interface, and the choice between them.

Legend: B batch, H and W height and width, multiples of the model's stride.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Literal, Protocol

from lapdepth.camera import FloatArray
from lapdepth.config import ModelConfig
from lapdepth.errors import InputError, MissingExtraError, ModelError
from lapdepth.inference.ranking import fastest
from lapdepth.zoo import ONNX_FILE, WEIGHTS_FILE, find_model, read_config, tell_licence_once

EngineName = Literal["auto", "onnx", "openvino", "openvino-bf16", "torch"]

TORCH = ("torch", "timm", "safetensors")
"""Packages that the torch engine needs."""

logger = logging.getLogger("lapdepth")


class Engine(Protocol):
    """Runs one model."""

    @property
    def name(self) -> str:
        """Short name, as `--engine` takes it."""

    @property
    def config(self) -> ModelConfig:
        """The model's configuration."""

    def __call__(self, image: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """(B, 3, H, W) RGB in [0, 1] to depth (B, 1, H, W) in metres and, or `None`, the log of the error's scale."""


def open_engine(model: str | Path, engine: EngineName = "auto", device: str | None = None, threads: int = 0) -> Engine:
    """Open a model with the engine asked for.

    `auto` takes the engine that `lapdepth benchmark` found fastest for this model on this machine, and says so; where it has not
    run, ONNX Runtime where the model has an ONNX file and no torch device is asked for. It never takes half precision.

    Args:
        model: Embedded name, model folder, `.onnx` file or hub id.
        engine: Which engine.
        device: A torch device, such as `cuda:0`; or, with `onnx`, a provider of ONNX Runtime: `cpu`, `cuda` or `tensorrt`.
        threads: Threads of one prediction with ONNX Runtime or OpenVINO; 0 takes all cores.

    Raises:
        InputError: `device` is given with OpenVINO, which runs on the CPU, or there is no such device.
        ModelError: No such model, or it has not the file that the engine needs.
        MissingExtraError: PyTorch or OpenVINO is needed and not installed.
    """
    by_openvino = engine in ("openvino", "openvino-bf16")
    if device is not None and by_openvino:
        raise InputError(f"device '{device}' is for the torch and onnx engines; openvino runs on the CPU. Leave one of them out")
    path = find_model(model)
    onnx_file = path / ONNX_FILE if path.is_dir() else path
    if engine == "auto" and device is None and onnx_file.is_file():
        engine = _measured(onnx_file, path.is_dir())
        by_openvino = engine == "openvino"
    if engine == "onnx" or by_openvino:
        if not onnx_file.is_file():
            raise ModelError(f"{path} has no {ONNX_FILE}; make one with: lapdepth export {path} --output {onnx_file}")
        if by_openvino:
            if not _installed("openvino"):
                raise MissingExtraError("engine openvino", "openvino")
            from lapdepth.inference.openvino_engine import OpenVinoEngine

            opened: Engine = OpenVinoEngine(onnx_file, threads, half=engine == "openvino-bf16")
        else:
            from lapdepth.inference.onnx_engine import OnnxEngine

            opened = OnnxEngine(onnx_file, threads, device or "cpu")
    else:
        if not path.is_dir():
            raise ModelError(f"{path} is a file; the torch engine needs a model folder with {WEIGHTS_FILE}")
        if not _installed(*TORCH):
            raise MissingExtraError(f"model {path}, which has no {ONNX_FILE}," if engine == "auto" else "engine torch", "torch")
        from lapdepth.inference.torch_engine import TorchEngine

        opened = TorchEngine(path, device)
    tell_licence_once(opened.config.name, opened.config.licence)
    return opened


def _measured(onnx_file: Path, in_folder: bool) -> EngineName:
    """The engine that was measured to be the fastest, if it is still installed, else ONNX Runtime."""
    best, date = fastest(onnx_file) or ("", "")
    if best == "openvino" and _installed("openvino"):
        chosen: EngineName = "openvino"
    elif best == "torch" and in_folder and _installed(*TORCH):
        chosen = "torch"
    else:
        return "onnx"
    logger.warning("engine %s: the fastest for this model when lapdepth benchmark ran on %s", chosen, date)
    return chosen


def _installed(*packages: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in packages)


def read_model_config(model: str | Path) -> tuple[ModelConfig, list[Path]]:
    """The configuration of a model, and its files, without PyTorch.

    Raises:
        ModelError: No such model, or it cannot be read.
    """
    path = find_model(model)
    if path.is_dir():
        return read_config(path), sorted(file for file in path.iterdir() if file.is_file())
    from lapdepth.inference.onnx_engine import read_onnx_config

    return read_onnx_config(path), [path]
