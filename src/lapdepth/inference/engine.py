"""Engines: one interface, and the choice between them.

Legend: B batch, H and W height and width, multiples of the model's stride.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal, Protocol

from lapdepth.camera import FloatArray
from lapdepth.config import ModelConfig
from lapdepth.errors import InputError, MissingExtraError, ModelError
from lapdepth.zoo import ONNX_FILE, WEIGHTS_FILE, find_model, read_config, tell_licence_once

EngineName = Literal["auto", "onnx", "openvino", "torch"]


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

    `auto` takes ONNX Runtime where the model has an ONNX file and no torch device is asked for: of float32 it was as fast as
    OpenVINO or faster (docs/performance.md).

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
    if device is not None and engine == "openvino":
        raise InputError(f"device '{device}' is for the torch and onnx engines; openvino runs on the CPU. Leave one of them out")
    path = find_model(model)
    onnx_file = path / ONNX_FILE if path.is_dir() else path
    if engine in ("onnx", "openvino") or (engine == "auto" and device is None and onnx_file.is_file()):
        if not onnx_file.is_file():
            raise ModelError(f"{path} has no {ONNX_FILE}; make one with: lapdepth export {path} --output {onnx_file}")
        if engine == "openvino":
            if importlib.util.find_spec("openvino") is None:
                raise MissingExtraError("engine openvino", "openvino")
            from lapdepth.inference.openvino_engine import OpenVinoEngine

            opened: Engine = OpenVinoEngine(onnx_file, threads)
        else:
            from lapdepth.inference.onnx_engine import OnnxEngine

            opened = OnnxEngine(onnx_file, threads, device or "cpu")
    else:
        if not path.is_dir():
            raise ModelError(f"{path} is a file; the torch engine needs a model folder with {WEIGHTS_FILE}")
        if any(importlib.util.find_spec(name) is None for name in ("torch", "timm", "safetensors")):
            raise MissingExtraError(f"model {path}, which has no {ONNX_FILE}," if engine == "auto" else "engine torch", "torch")
        from lapdepth.inference.torch_engine import TorchEngine

        opened = TorchEngine(path, device)
    tell_licence_once(opened.config.name, opened.config.licence)
    return opened


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
