"""OpenVINO: runs the same `.onnx` file, often faster on Intel's processors and in 8 bits. The only file that imports it.

Legend: B batch, H and W height and width, multiples of the model's stride.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from lapdepth.camera import FloatArray
from lapdepth.config import ModelConfig
from lapdepth.errors import ModelError
from lapdepth.inference.onnx_engine import OUTPUT_DEPTH, OUTPUT_LOG_SCALE, read_onnx_config

SHAPES_KEPT = 4
"""A model is compiled for each shape, since dynamic shapes take three times as long; so many stay in memory."""


class OpenVinoEngine:
    """Runs an exported model.

    Args:
        path: The `.onnx` file.
        threads: Threads of one prediction; 0 lets OpenVINO choose.

    Attributes:
        name: `openvino`.
        config: The configuration stored in the file.

    Raises:
        ModelError: The file is damaged, or was not written by `lapdepth export`.
    """

    name = "openvino"

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.config: ModelConfig = read_onnx_config(path)
        self._path = path
        self._core = openvino.Core()
        # By default OpenVINO computes in bfloat16 where the processor can: those would not be the model's metres.
        self._settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def __call__(self, image: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """As `OnnxEngine.__call__`."""
        try:
            request = self._request(image.shape)
            request.infer({"image": image})
            depth_m = np.array(request.get_tensor(OUTPUT_DEPTH).data, np.float32)
            log_scale = np.array(request.get_tensor(OUTPUT_LOG_SCALE).data, np.float32) if self.config.uncertainty else None
        except RuntimeError as error:  # an operation or a size that it cannot do, or too little memory
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"model '{self.config.name}' failed on {image.shape} with OpenVINO: {reason}") from None
        return depth_m, log_scale

    def _request(self, shape: tuple[int, ...]) -> Any:
        if shape in self._compiled:
            self._compiled.move_to_end(shape)
            return self._compiled[shape]
        model = self._core.read_model(str(self._path))
        model.reshape(list(shape))
        self._compiled[shape] = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
        if len(self._compiled) > SHAPES_KEPT:
            self._compiled.popitem(last=False)
        return self._compiled[shape]
