"""Weights that anyone can make again, from the tensor's name and shape, for the parity fixtures."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch

FIXTURES = Path(__file__).parent.parent / "data" / "parity"
NAMES = sorted(path.stem for path in FIXTURES.glob("*_[bg]n.json"))


def fill(name: str, shape: list[int], salt: int) -> np.ndarray:
    """The rule in the fixtures' README."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()) + salt))
    kind = name.rsplit(".", 1)[-1]
    if kind == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if kind == "running_var":
        return (0.5 + rng.random(shape)).astype(np.float32)
    if kind == "running_mean":
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    if len(shape) == 4:
        return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
    if kind == "weight":
        scale = 0.01 + 0.03 * rng.random(shape) if name.startswith("decoder.") else 0.15 + 0.2 * rng.random(shape)
        return scale.astype(np.float32)
    return (0.05 * rng.standard_normal(shape)).astype(np.float32)


def describe(fixture: str) -> dict:
    return json.loads((FIXTURES / f"{fixture}.json").read_text())


def write_checkpoint(fixture: str, path: Path) -> None:
    """A checkpoint as the release writes it."""
    spec = describe(fixture)
    torch.save(
        {
            name: torch.from_numpy(np.asarray(fill(name.removeprefix("module."), shape, spec["salt"])))
            for name, shape in spec["tensors"].items()
        },
        path,
    )
