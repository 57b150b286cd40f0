"""8-bit models: static quantisation of the convolutions, measured, with what is sensitive left in float32.

The file holds pairs of QuantizeLinear and DequantizeLinear, which ONNX Runtime and OpenVINO both turn into 8-bit kernels.
Weights get a scale a filter, activations a scale and a zero point a tensor (Jacob et al. 2018, arXiv 1712.05877).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process

from lapdepth.camera import FloatArray
from lapdepth.errors import InputError
from lapdepth.inference.onnx_engine import CONFIG_KEY
from lapdepth.io.files import atomic_path

MAX_CHANGE = 0.02
"""Mean change of log depth on the calibration pictures that is let through, about 2 % of the depth."""
NARROW = 16
"""Convolutions that read or make fewer channels stay in float32: there 8 bits cost the most depth, and no time is gained."""
GROUPS = 16
"""Runs of neighbouring convolutions that are tried apart from the others."""
TRIED_PICTURES = 4


@dataclass(frozen=True, slots=True)
class Quantised:
    """What became of a model.

    Attributes:
        convolutions: How many there are.
        in_float: How many of them stayed in float32.
        change: Mean of abs(log(8-bit depth / float32 depth)) over the pictures tried.
    """

    convolutions: int
    in_float: int
    change: float


def export_int8(
    source: Path,
    path: Path,
    pictures: Sequence[FloatArray],
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    max_change: float = MAX_CHANGE,
) -> Quantised:
    """Write an 8-bit copy of an exported model.

    Narrow convolutions are left out. Of the others each run of neighbours is quantised alone and its change of the depth
    measured; then all are quantised but the worst, as many as the change being at most `max_change` allows. So no layer is
    named, and new weights find their own.

    Args:
        source: The float32 `.onnx` file of `export_onnx`.
        path: Where to.
        pictures: (1, 3, H, W) float32 RGB in [0, 1], as the network shall see them: these set the ranges of the activations.
        progress: Called with what is done, how much of it, and the total.
        max_change: Mean change of log depth on the pictures that is let through; infinite puts all but the narrow in 8 bits.

    Raises:
        InputError: There are no pictures, or no convolution can be quantised within the limit.
        OutputError: The file cannot be written.
    """
    if not pictures:
        raise InputError("no pictures to calibrate with; give a folder that holds some")
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        progress("calibrating", 0, 1)
        ranges = _ranges(prepared, pictures, Path(folder))
        progress("calibrating", 1, 1)
        found = _Search(prepared, ranges, pictures[:: -(-len(pictures) // TRIED_PICTURES)], progress)
        model, result = found.everything() if math.isinf(max_change) else found.best(max_change)
    properties = {entry.key: entry.value for entry in onnx.load(source).metadata_props}
    onnx.helper.set_model_props(model, {CONFIG_KEY: properties[CONFIG_KEY]})
    with atomic_path(path) as scratch:
        onnx.save(model, scratch)
    return result


class _Search:
    def __init__(self, prepared: Path, ranges: Any, pictures: Sequence[FloatArray], progress: Callable[..., None]) -> None:
        self._prepared, self._ranges, self._pictures, self._progress = prepared, ranges, pictures, progress
        graph = onnx.load(prepared).graph
        self._total = sum(node.op_type == "Conv" for node in graph.node)
        self._names = _wide(graph)
        if not self._names:
            raise InputError(f"no convolution of the model has {NARROW} channels on both sides; keep it in float32")
        self._expected = self._depths(prepared.read_bytes())

    def everything(self) -> tuple[onnx.ModelProto, Quantised]:
        """The model with all but the narrow convolutions in 8 bits."""
        model = self._quantised(self._names)
        return model, Quantised(self._total, self._total - len(self._names), self._change(model))

    def best(self, max_change: float) -> tuple[onnx.ModelProto, Quantised]:
        """The model with the most 8-bit convolutions that the limit allows."""
        groups = [list(part) for part in np.array_split(np.array(self._names), min(GROUPS, len(self._names)))]
        changes = []
        for number, group in enumerate(groups, 1):
            changes.append(self._change(self._quantised(group)))
            self._progress("finding what is sensitive", number, len(groups))
        mildest_first = [groups[i] for i in np.argsort(changes)]
        # The change grows with the number of groups: bisect it.
        fits, too_many, best = 0, len(groups) + 1, None
        while too_many - fits > 1:
            count = len(groups) if too_many > len(groups) else (fits + too_many) // 2
            chosen = [name for group in mildest_first[:count] for name in group]
            model = self._quantised(chosen)
            change = self._change(model)
            self._progress("leaving out the worst", len(groups) - count, len(groups))
            if change <= max_change:
                fits, best = count, (model, Quantised(self._total, self._total - len(chosen), change))
            else:
                too_many = count
        if best is None:
            raise InputError(
                f"no part of the model stays within {max_change:.0%} of its float32 depth in 8 bits; keep it in float32"
            )
        return best

    def _quantised(self, names: Sequence[str]) -> onnx.ModelProto:
        quantiser = QDQQuantizer(
            onnx.load(self._prepared),
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=self._ranges,
            nodes_to_quantize=list(names),
            nodes_to_exclude=[],
            op_types_to_quantize=["Conv"],
            extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
        )
        quantiser.quantize_model()
        model: onnx.ModelProto = quantiser.model.model
        return model

    def _change(self, model: onnx.ModelProto) -> float:
        depths = self._depths(model.SerializeToString())
        return float(np.mean([np.abs(np.log(a / b)).mean() for a, b in zip(depths, self._expected, strict=True)]))

    def _depths(self, model: bytes) -> list[FloatArray]:
        session = onnxruntime.InferenceSession(model, _silent(), providers=["CPUExecutionProvider"])
        return [session.run(None, {"image": picture})[0] for picture in self._pictures]


def _wide(graph: onnx.GraphProto) -> list[str]:
    """Names of the convolutions that are not narrow."""
    shapes = {tensor.name: tensor.dims for tensor in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type == "Conv":
            groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
            made, read = shapes[node.input[1]][:2]
            if min(made, read * groups) >= NARROW:
                found.append(node.name)
    return found


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pictures: Sequence[FloatArray]) -> None:
        self._rest: Iterator[FloatArray] = iter(pictures)

    def get_next(self) -> dict[str, FloatArray] | None:
        """What the calibrator asks for."""
        picture = next(self._rest, None)
        return None if picture is None else {"image": picture}


def _ranges(model: Path, pictures: Sequence[FloatArray], folder: Path) -> Any:
    """Least and greatest value of each tensor that a convolution reads or makes."""
    calibrator = create_calibrator(
        str(model), ["Conv"], str(folder / "augmented.onnx"), calibrate_method=CalibrationMethod.MinMax
    )
    calibrator.collect_data(_Reader(pictures))
    return calibrator.compute_data()


def _silent() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return options
