"""Time ONNX Runtime beside plain PyTorch, in one interleaved run, and print ratios; and the loader beside a training step.

Run ``python scripts/benchmark.py [--repeats 15] [--data DIR]`` on an idle machine, with the torch extra installed. Files are
aside: arrays in, arrays out. Times of one machine swing; ratios of interleaved runs swing less, so quote those.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch

from lapdepth.config import ModelConfig
from lapdepth.data.loader import Batch, CounterDataset
from lapdepth.export.onnx import to_onnx
from lapdepth.inference.onnx_engine import OnnxEngine
from lapdepth.model.checkpoint import load_model
from lapdepth.model.network import LapDepth, build_network
from lapdepth.training.config import TrainConfig, load_train_config
from lapdepth.training.loop import group_loss, make_sources
from lapdepth.zoo import ONNX_FILE, find_model

DEFAULT_CONFIG = Path(__file__).resolve().parent.parent / "configs" / "default.toml"


def interleaved(actions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each action, the actions taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(repeats + 1):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def compare_engines(name: str, network: LapDepth, onnx_file: Path, height: int, width: int, repeats: int) -> None:
    """Print milliseconds and the ratio for one model at one size."""
    image = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    engine = OnnxEngine(onnx_file)
    tensor = torch.from_numpy(image)

    def eager() -> object:
        with torch.inference_mode():
            return network(tensor)

    medians = interleaved({"onnx": lambda: engine(image), "eager": eager}, repeats)
    onnx_ms, eager_ms = 1000 * medians["onnx"], 1000 * medians["eager"]
    print(
        f"{name:16} {width:5}x{height:<4}  ONNX Runtime {onnx_ms:8.1f} ms  PyTorch eager {eager_ms:8.1f} ms  "
        f"ratio {eager_ms / onnx_ms:5.2f}  {1000 / onnx_ms:6.1f} pictures/s"
    )


def compare_loader(config: TrainConfig, repeats: int) -> None:
    """Print which waits for the other: the loader of one process, or a training step."""
    for group in config.groups:
        dataset = CounterDataset(make_sources(group, config), group.crop, group.augment, 0)
        start = time.perf_counter()
        examples = [dataset[i] for i in range(group.batch)]
        loading = time.perf_counter() - start
        network = build_network(config.model).train()
        batch = Batch(*(torch.stack(parts) for parts in zip(*examples, strict=True)))
        step = interleaved({"step": partial(train_once, network, batch, config)}, repeats)["step"]
        waits = "the step waits" if loading > step else "the loader waits"
        print(f"{group.name:16} batch of {group.batch}: loading {loading:.2f} s with one process, step {step:.2f} s: {waits}")


def train_once(network: LapDepth, batch: Batch, config: TrainConfig) -> None:
    """Forward, losses, backward."""
    torch.autograd.backward(group_loss(network, batch, config)["total"])


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--data", type=Path, help="folder of the training data: times the loader beside a training step")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    default = find_model("default")
    network = load_model("default")
    for height, width in ((192, 640), (480, 640)):
        compare_engines("default", network, default / ONNX_FILE, height, width, arguments.repeats)
    name = "resnext101_32x8d.tv_in1k"
    large = build_network(ModelConfig(name=name, encoder=name, max_depth_m=80.0, working_size=(352, 1216))).eval()
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / ONNX_FILE
        # Not compared: through a hundred layers of random weights rounding grows without bound. Speed does not depend on them.
        onnx.save(to_onnx(large), exported)
        compare_engines("ResNeXt101", large, exported, 352, 1216, max(arguments.repeats // 3, 3))
    if arguments.data:
        compare_loader(load_train_config(DEFAULT_CONFIG, [f'data_root="{arguments.data}"']), 3)


if __name__ == "__main__":
    main()
