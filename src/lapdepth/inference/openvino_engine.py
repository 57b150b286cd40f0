"""OpenVINO: runs the same `.onnx` file, often faster on Intel's processors and in 8 bits. The only file that imports it.

Legend: B batch, H and W height and width, multiples of the model's stride.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset8

from lapdepth.camera import FloatArray
from lapdepth.config import ModelConfig
from lapdepth.errors import ModelError
from lapdepth.inference.onnx_engine import OUTPUT_DEPTH, OUTPUT_LOG_SCALE, read_onnx_config

SHAPES_KEPT = 4
"""A model is compiled for each shape, since dynamic shapes take three times as long; so many stay in memory."""
FEW_CHANNELS = 4
"""Up to so many, OpenVINO doubles a picture's size faster as a transposed convolution than by its own interpolation."""
BILINEAR_TAPS = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
"""What a pixel gives to the four nearest of twice the resolution, along each axis."""


class OpenVinoEngine:
    """Runs an exported model.

    Args:
        path: The `.onnx` file.
        threads: Threads of one prediction; 0 lets OpenVINO choose.
        half: Compute in bfloat16, OpenVINO's own default where the processor has it: faster, and not quite the model's metres.

    Attributes:
        name: `openvino`, or `openvino-bf16`.
        config: The configuration stored in the file.

    Raises:
        ModelError: The file is damaged, or was not written by `lapdepth export`.
    """

    def __init__(self, path: Path, threads: int = 0, half: bool = False) -> None:
        self.name = "openvino-bf16" if half else "openvino"
        self.config: ModelConfig = read_onnx_config(path)
        self._path = path
        self._core = openvino.Core()
        self._settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
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
        _double_by_convolution(model)
        self._compiled[shape] = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
        if len(self._compiled) > SHAPES_KEPT:
            self._compiled.popitem(last=False)
        return self._compiled[shape]


def _double_by_convolution(model: openvino.Model) -> None:
    """Replace each doubling of few channels by a transposed convolution that gives the same numbers, to rounding.

    Its edge pixels are repeated once around, as bilinear interpolation clamps at the edge. In 8-bit models only single
    channels gain.
    """
    quantised = any(node.get_type_name() in ("FakeQuantize", "QuantizeLinear") for node in model.get_ops())
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Interpolate":
            continue
        channels, height, width = list(node.get_input_shape(0))[1:]
        how = node.get_attributes()
        doubles = list(node.get_output_shape(0))[2:] == [2 * height, 2 * width]
        linear = str(how["mode"]).startswith("linear") and how["coordinate_transformation_mode"] == "half_pixel"
        if not doubles or not linear or channels > (1 if quantised else FEW_CHANNELS):
            continue
        once = opset8.constant(np.array([0, 0, 1, 1]))
        taps = np.tile(np.outer(BILINEAR_TAPS, BILINEAR_TAPS), (channels, 1, 1, 1, 1))
        doubled = opset8.group_convolution_backprop_data(
            opset8.pad(node.input_value(0), once, once, "edge"),
            opset8.constant(taps),
            strides=[2, 2],
            pads_begin=[3, 3],
            pads_end=[3, 3],
            dilations=[1, 1],
        )
        node.output(0).replace(doubled.output(0))
    model.validate_nodes_and_infer_types()
