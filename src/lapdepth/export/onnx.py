"""ONNX writer: folded, with dynamic sizes, the configuration inside, and compared with PyTorch before the file appears.

Legend: B batch, H and W height and width, multiples of the stride.
"""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.export import Dim

from lapdepth.errors import ModelError
from lapdepth.inference.onnx_engine import CONFIG_KEY, OUTPUT_DEPTH, OUTPUT_LOG_SCALE
from lapdepth.io.files import atomic_path
from lapdepth.model.fold import fold
from lapdepth.model.network import LapDepth

MAX_RELATIVE_DIFFERENCE = 1e-4
OPSET = 18
SMALL = 256
"""Weights of fewer numbers stay as they are: a cast costs more than it saves."""


class _Outputs(nn.Module):
    """The network with only the outputs that prediction uses."""

    def __init__(self, network: LapDepth) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) to depth (B, 1, H, W) and, where predicted, the logarithm of the error's scale."""
        out = self.network(image)
        return (out.depth_m,) if out.log_scale is None else (out.depth_m, out.log_scale)


def export_onnx(network: LapDepth, path: Path, compact: bool = False) -> float:
    """Write a model as one ONNX file that is all prediction needs.

    Args:
        network: The network.
        path: An `.onnx` file.
        compact: Keep large weights that half precision holds exactly in it: about half the size, the same numbers. The engine
            widens them once, and standardises filters once, when it reads the file.

    Returns:
        Largest difference to PyTorch's, as `compare_with_torch` gives it.

    Raises:
        ModelError: The difference is above 1e-4; no file is left.
        OutputError: The file cannot be written.
    """
    with atomic_path(path) as scratch:
        onnx.save(to_onnx(network, compact), scratch)
        difference = compare_with_torch(network, scratch)
        if not difference <= MAX_RELATIVE_DIFFERENCE:
            raise ModelError(
                f"the export differs from PyTorch by {difference:.1e} relative, more than {MAX_RELATIVE_DIFFERENCE:.0e}; "
                "nothing was written. Untrained weights can magnify rounding so far; otherwise please report this model and the "
                "versions of torch and onnxruntime"
            )
    return difference


def compare_with_torch(network: LapDepth, path: Path) -> float:
    """Largest difference between an ONNX file and the network it was made from; NaN where either gives one.

    It is relative for depth, and absolute for the logarithm of the error's scale, which comes to the same. The
    pictures are noise of two shapes and scales, so that neither a fixed size nor a flat picture can hide a difference.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    reference = _Outputs(copy.deepcopy(network).to("cpu")).eval()
    stride = network.config.stride
    differences = []
    for seed, (height, width) in enumerate(((4 * stride, 6 * stride), (7 * stride, 5 * stride))):
        rng = np.random.default_rng(seed)
        smooth = torch.from_numpy(rng.random((1, 3, height // 8, width // 8), np.float32))
        image = nn.functional.interpolate(smooth, size=(height, width), mode="bilinear").numpy()
        image = np.clip(image + 0.05 * rng.standard_normal(image.shape, np.float32), 0, 1)
        with torch.inference_mode():
            expected = [output.numpy() for output in reference(torch.from_numpy(image))]
        got = session.run(_output_names(network), {"image": image})
        differences.append(np.max(np.abs(got[0] - expected[0]) / expected[0]))
        differences += [np.max(np.abs(a - b)) for a, b in zip(got[1:], expected[1:], strict=True)]
    return float(np.max(differences))  # unlike `max`, this keeps a NaN


def _output_names(network: LapDepth) -> list[str]:
    return [OUTPUT_DEPTH, OUTPUT_LOG_SCALE] if network.config.uncertainty else [OUTPUT_DEPTH]


def to_onnx(network: LapDepth, compact: bool = False) -> onnx.ModelProto:
    """The network as ONNX, with dynamic sizes and its configuration; not yet compared with PyTorch.

    Standardised filters are folded, unless `compact`, which then stores what half precision holds exactly in it.
    """
    stride = network.config.stride
    module = _Outputs(
        (copy.deepcopy(network) if compact else fold(network)).to("cpu").to(memory_format=torch.contiguous_format)
    ).eval()
    sizes = {0: Dim("batch"), 2: stride * Dim("height_in_strides"), 3: stride * Dim("width_in_strides")}
    # A batch of two: PyTorch would take a size of one for a constant.
    with _quiet():
        program = torch.onnx.export(
            module,
            (torch.zeros(2, 3, 4 * stride, 6 * stride),),
            dynamo=True,
            input_names=["image"],
            output_names=_output_names(network),
            dynamic_shapes=(sizes,),
            opset_version=OPSET,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        # The exporter's traces of PyTorch code: half a megabyte that no one reads, with paths of this machine.
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    if compact:
        _store_half(model.graph)
    onnx.helper.set_model_props(model, {CONFIG_KEY: network.config.model_dump_json()})
    return model


def _store_half(graph: onnx.GraphProto) -> None:
    """Store large float32 weights that half precision holds exactly in it, each with a cast that engines fold on reading."""
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or math.prod(tensor.dims) < SMALL:
            continue
        wide = onnx.numpy_helper.to_array(tensor)
        half = wide.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), wide):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's notes on its own internals."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
