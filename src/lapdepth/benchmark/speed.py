"""How fast models run on this machine: engines in turns, so that ratios hold where single times swing.

Arrays in, arrays out; files are aside.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lapdepth.camera import FloatArray
from lapdepth.inference.engine import Engine, EngineName, open_engine, read_model_config
from lapdepth.inference.ranking import remember
from lapdepth.zoo import ONNX_FILE, find_model

Action = Callable[[], FloatArray]
Score = Callable[[Engine], tuple[float, float]]

PRODUCT_SIDE = 2048
"""Of the matrices whose product measures the machine's peak."""
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
        times_eager: How many times as fast as plain PyTorch with this network in the same run; `None` without PyTorch, and for an
            `.onnx` file that is of none of the folders in the run.
        share_of_peak: Of the machine's measured peak in float32; `None` where the multiply-adds are not known, as above.
            8-bit and half-precision rows may be above 1.
        change: Mean of abs(log(depth / depth of plain PyTorch)) on the picture timed: 0.01 is 1 % of the depth; `None` as
            above.
        abs_rel: On the pictures with measured depth that were given; `None` where none were.
        delta1: The same.
    """

    model: str
    height: int
    width: int
    engine: str
    median_ms: float
    pictures_per_s: float
    times_eager: float | None
    share_of_peak: float | None
    change: float | None
    abs_rel: float | None = None
    delta1: float | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """A prediction that is timed.

    Attributes:
        model: Of the row.
        engine: Of the row.
        run: The prediction; gives its depth.
        plain: Key of plain PyTorch with the same network, which it is compared with; `None` where there is none.
        multiply_adds: Of one prediction, if known.
    """

    model: str
    engine: str
    run: Action
    plain: str | None = None
    multiply_adds: int | None = None


def interleaved(
    actions: Mapping[str, Callable[[], object]],
    repeats: int,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each action, the actions taking turns; some turns before warm up.

    In its turn each action runs twice, and the second time counts: by then threads of the one before, which wait for more
    work by spinning, have gone to sleep, and the caches hold what a program that runs nothing else would find in them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(repeats + warm_up):
        for name, action in actions.items():
            action()
            start = clock()
            action()
            if turn >= warm_up:
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_gflops() -> float:
    """Billions of operations a second in a large float32 matrix product with NumPy's threads, a multiply-add counting as two."""
    a, b = np.random.default_rng(0).random((2, PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
    return 2 * PRODUCT_SIDE**3 / interleaved({"product": lambda: a @ b}, 5)["product"] / 1e9


def measure(
    models: list[str],
    quick: bool = False,
    repeats: int = 15,
    score: Score | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> dict[str, Any]:
    """Time models with every engine that is installed.

    Args:
        models: Embedded names, model folders or `.onnx` files; they share the runs, so that an 8-bit file is timed in
            turns with the float32 model it was made from.
        quick: Only at 640x192, and no large network.
        repeats: Of each row.
        score: Gives an engine's abs_rel and delta1, for the rows at 640x192, where the pictures themselves choose the size.
        progress: Called with what is being timed.

    Returns:
        `machine`, and `rows` as `Row` in plain data. What was fastest at 640x192 is remembered for `--engine auto`.

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
        rows += _rows(models, height, width, repeats, peak, score if height == 192 else None, progress)
    _remember(rows)
    if not quick and has("torch", "timm", "onnx", "onnxscript"):
        from lapdepth.benchmark.large import large_rows

        progress("ResNeXt101 at 1216x352")
        rows += large_rows(max(repeats // 3, 3), peak)
    machine = {
        "processor": _processor(),
        "threads": os.cpu_count(),
        "system": platform.platform(),
        "peak_gflops": round(peak, 1),
        "date": time.strftime("%Y-%m-%d"),
    }
    return {"machine": machine, "rows": [asdict(row) for row in rows]}


def _rows(
    models: list[str],
    height: int,
    width: int,
    repeats: int,
    peak: float,
    score: Score | None,
    progress: Callable[[str], None],
) -> list[Row]:
    image = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    paths = {model: find_model(model) for model in models}
    plain: dict[str, tuple[str, Action, int]] = {}
    for model, path in paths.items():
        if path.is_dir() and has("torch", "timm", "safetensors"):
            from lapdepth.model.checkpoint import load_model

            plain[model] = (f"{model} {REFERENCE}", *eager(load_model(model), image))
    timed: dict[str, Timed] = {}
    engines: dict[str, Engine] = {}
    for model, path in paths.items():
        key, run, multiply_adds = plain.get(_exported_from(model, plain), (None, None, None))
        for engine in engines_of(path):
            engines[f"{model} {engine}"] = open_engine(model, engine)
            timed[f"{model} {engine}"] = Timed(model, engine, action(engines[f"{model} {engine}"], image), key, multiply_adds)
        if model in plain and run is not None:
            timed[plain[model][0]] = Timed(model, REFERENCE, run, key, multiply_adds)
    rows = made(timed, (height, width), repeats, peak)
    if score is None:
        return rows
    scored = []
    for row in rows:
        progress(f"{row.model} with {row.engine} on pictures with measured depth")
        opened = engines.get(f"{row.model} {row.engine}")
        if opened is not None:
            abs_rel, delta1 = score(opened)
            row = replace(row, abs_rel=abs_rel, delta1=delta1)
        scored.append(row)
    return scored


def _exported_from(model: str, folders: Collection[str]) -> str:
    """Which of some model folders a model is, or an `.onnx` file was made from: its configuration is a copy. Empty where none."""
    own = read_model_config(model)[0]
    return model if model in folders else next((one for one in folders if read_model_config(one)[0] == own), "")


def made(timed: Mapping[str, Timed], size: tuple[int, int], repeats: int, peak: float) -> list[Row]:
    """Time predictions in turns.

    Args:
        timed: By key.
        size: Height and width of the network's input.
        repeats: How often.
        peak: Billions of operations a second.
    """
    depths = {key: one.run() for key, one in timed.items()}
    medians = interleaved({key: one.run for key, one in timed.items()}, repeats)
    rows = []
    for key, one in timed.items():
        seconds = medians[key]
        times = None if one.plain is None else medians[one.plain] / seconds
        share = 2 * one.multiply_adds / seconds / 1e9 / peak if one.multiply_adds else None
        change = None if one.plain is None else float(np.abs(np.log(depths[key] / depths[one.plain])).mean())
        rows.append(
            Row(
                *(one.model, *size, one.engine),
                median_ms=round(1000 * seconds, 2),
                pictures_per_s=round(1 / seconds, 2),
                times_eager=None if times is None else round(times, 2),
                share_of_peak=None if share is None else round(share, 3),
                change=change,
            )
        )
    return rows


def _remember(rows: list[Row]) -> None:
    """Keep each model's times at the first size for `--engine auto`, of the engines that compute what the file says."""
    times: dict[Path, dict[str, float]] = {}
    for row in rows:
        path = find_model(row.model)
        file = path / ONNX_FILE if path.is_dir() else path
        if row.height == 192 and row.engine in ("onnx", "openvino", "torch") and file.is_file():
            times.setdefault(file, {})[row.engine] = row.median_ms
    for file, milliseconds in times.items():
        remember(file, milliseconds)


def engines_of(path: Path) -> list[EngineName]:
    """Those that are installed and take this model."""
    found: list[EngineName] = ["onnx"]
    if has("openvino"):
        found += ["openvino", "openvino-bf16"]
    if path.is_dir() and has("torch", "timm", "safetensors"):
        found.append("torch")
    return found


def has(*packages: str) -> bool:
    """Whether all of them are installed."""
    return all(importlib.util.find_spec(package) is not None for package in packages)


def action(engine: Engine, image: FloatArray) -> Action:
    """A prediction, ready to be timed."""
    return lambda: engine(image)[0]


def eager(network: Any, image: FloatArray) -> tuple[Action, int]:
    """The plain network as a user would write it, and its multiply-adds."""
    import torch

    from lapdepth.model.stages import describe

    tensor = torch.from_numpy(image)

    def run() -> FloatArray:
        with torch.inference_mode():
            depth_m: FloatArray = network(tensor).depth_m.numpy()
            return depth_m

    return run, describe(network, image.shape[2], image.shape[3])[-1].multiply_adds


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
