"""Time the loader beside a training step: which waits for the other. Engines are timed by `lapdepth benchmark`.

Run ``python scripts/benchmark.py --data DIR`` on an idle machine, with the torch extra installed.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import torch

from lapdepth.benchmark.speed import interleaved
from lapdepth.data.loader import Batch, CounterDataset
from lapdepth.model.network import LapDepth, build_network
from lapdepth.training.config import TrainConfig, load_train_config
from lapdepth.training.loop import group_loss, make_sources

DEFAULT_CONFIG = Path(__file__).resolve().parent.parent / "configs" / "default.toml"


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
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    compare_loader(load_train_config(DEFAULT_CONFIG, [f'data_root="{arguments.data}"']), 3)


if __name__ == "__main__":
    main()
