"""How fast models run on this machine: engines in turns, so that ratios hold where single times swing.

Arrays in, arrays out; files are aside.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lapdepth.camera import FloatArray
from lapdepth.inference.engine import Engine, EngineName, open_engine
from lapdepth.zoo import find_model

PRODUCT_SIDE = 2048
"""Of the matrices whose product measures the machine's peak."""
LARGE = "resnext101_32x8d.tv_in1k"
REFERENCE = "torch eager"


@dataclass(frozen=True, slots=True)
class Row:
    """One engine with one model at one size.

    Attributes:
        model: Which.
        height: Of the network's input.
        width: Of the network's input.
        engine: Which; `torch eager` is the plain network as a user would write it.
        median_ms: Of one prediction.
        pictures_per_s: The same the other way round.
        times_eager: How many times as fast as plain PyTorch in the same run; `None` without PyTorch.
        share_of_peak: Of the machine's measured peak in float32; `None` where the multiply-adds are not known (without PyTorch).
            8-bit rows may be above 1.
    """

    model: str
    height: int
    width: int
    engine: str
    median_ms: float
    pictures_per_s: float
    times_eager: float | None
    share_of_peak: float | None


def interleaved(actions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each action, the actions taking turns; two turns before warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(repeats + 2):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if turn >= 2:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_gflops() -> float:
    """Billions of operations a second in a large float32 matrix product with NumPy's threads, a multiply-add counting as two."""
    a, b = np.random.default_rng(0).random((2, PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
    return 2 * PRODUCT_SIDE**3 / interleaved({"product": lambda: a @ b}, 5)["product"] / 1e9


def measure(
    models: list[str], quick: bool = False, repeats: int = 15, progress: Callable[[str], None] = lambda what: None
) -> dict[str, Any]:
    """Time models with every engine that is installed.

    Args:
        models: Embedded names, model folders or `.onnx` files; they share the runs, so that an 8-bit file is timed in
            turns with the float32 model it was made from.
        quick: Only at 640x192, and no large network.
        repeats: Of each row.
        progress: Called with what is being timed.

    Returns:
        `machine`, and `rows` as `Row` in plain data.

    Raises:
        ModelError: A model cannot be read.
    """
    for model in models:
        find_model(model)  # a wrong name shall not cost the time of the others
    progress("matrix product")
    peak = peak_gflops()
    rows: list[Row] = []
    for height, width in ((192, 640),) if quick else ((192, 640), (480, 640)):
        progress(f"{', '.join(models)} at {width}x{height}")
        rows += _rows(models, height, width, repeats, peak)
    if not quick and _has("torch", "timm", "onnx", "onnxscript"):
        progress("ResNeXt101 at 1216x352")
        rows += _large_rows(max(repeats // 3, 3), peak)
    machine = {
        "processor": _processor(),
        "threads": os.cpu_count(),
        "system": platform.platform(),
        "peak_gflops": round(peak, 1),
        "date": time.strftime("%Y-%m-%d"),
    }
    return {"machine": machine, "rows": [asdict(row) for row in rows]}


def _rows(models: list[str], height: int, width: int, repeats: int, peak: float) -> list[Row]:
    image = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    actions: dict[str, Callable[[], object]] = {}
    names: dict[str, tuple[str, str]] = {}
    multiply_adds: int | None = None
    for model in models:
        for engine in _engines(find_model(model)):
            opened = open_engine(model, engine)
            names[f"{model} {engine}"] = (model, engine)
            actions[f"{model} {engine}"] = _action(opened, image)
        if find_model(model).is_dir() and _has("torch", "timm", "safetensors") and not multiply_adds:
            from lapdepth.model.checkpoint import load_model

            network = load_model(model)
            actions[REFERENCE], multiply_adds = _eager(network, image)
            names[REFERENCE] = (model, REFERENCE)
    return _made(interleaved(actions, repeats), names, height, width, multiply_adds, peak)


def _large_rows(repeats: int, peak: float) -> list[Row]:
    """The published large network with random weights, on which speed does not depend."""
    import onnx

    from lapdepth.config import ModelConfig
    from lapdepth.export.onnx import to_onnx
    from lapdepth.model.network import build_network

    height, width = 352, 1216
    image = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    network = build_network(ModelConfig(name="ResNeXt101", encoder=LARGE, max_depth_m=80.0, working_size=(height, width))).eval()
    with ExitStack() as stack:
        exported = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "model.onnx"
        onnx.save(to_onnx(network), exported)  # not compared: through a hundred random layers rounding grows without bound
        actions: dict[str, Callable[[], object]] = {
            name: _action(open_engine(exported, name), image) for name in _engines(exported)
        }
        actions[REFERENCE], multiply_adds = _eager(network, image)
        medians = interleaved(actions, repeats)
    return _made(medians, {name: ("ResNeXt101", name) for name in medians}, height, width, multiply_adds, peak)


def _made(
    medians: dict[str, float],
    names: dict[str, tuple[str, str]],
    height: int,
    width: int,
    multiply_adds: int | None,
    peak: float,
) -> list[Row]:
    rows = []
    for key, seconds in medians.items():
        eager = medians[REFERENCE] / seconds if REFERENCE in medians else None
        share = 2 * multiply_adds / seconds / 1e9 / peak if multiply_adds else None
        rows.append(
            Row(
                *(names[key][0], height, width, names[key][1]),
                median_ms=round(1000 * seconds, 2),
                pictures_per_s=round(1 / seconds, 2),
                times_eager=None if eager is None else round(eager, 2),
                share_of_peak=None if share is None else round(share, 3),
            )
        )
    return rows


def _engines(path: Path) -> list[EngineName]:
    """Those that are installed and take this model."""
    found: list[EngineName] = ["onnx"]
    if _has("openvino"):
        found.append("openvino")
    if path.is_dir() and _has("torch", "timm", "safetensors"):
        found.append("torch")
    return found


def _has(*packages: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in packages)


def _action(engine: Engine, image: FloatArray) -> Callable[[], object]:
    return lambda: engine(image)


def _eager(network: Any, image: FloatArray) -> tuple[Callable[[], object], int]:
    """The plain network, and its multiply-adds."""
    import torch

    from lapdepth.model.stages import describe

    tensor = torch.from_numpy(image)

    def run() -> object:
        with torch.inference_mode():
            return network(tensor)

    return run, describe(network, image.shape[2], image.shape[3])[-1].multiply_adds


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
