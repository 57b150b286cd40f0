"""A training run of seconds: four pictures, a small network from noise."""

import json
from pathlib import Path

from data.pictures import write_pictures
from lapdepth.training.config import TrainConfig
from model.designs import SMALL

MODEL = {
    "name": "tiny",
    "uncertainty": True,
    "depth_scale": "log",
    "min_depth_m": 0.5,
    "max_depth_m": 50.0,
    "focal_px": 90.0,
    "working_size": (64, 96),
} | {key: value.model_dump() if key == "decoder" else value for key, value in SMALL.items()}


def run_settings(folder: Path, **changes) -> dict:
    """Settings of a run as a TOML file would give them; the pictures are made in `folder` when they are not there."""
    data = folder / "data"
    if not data.exists():
        write_pictures(data, 4)
    return {
        "model": MODEL,
        "output": str(folder / "run"),
        "data_root": str(data),
        "encoder_weights": "none",
        "groups": [
            {
                "name": "all",
                "crop": [64, 96],
                "batch": 2,
                "sources": [{"manifest": "manifest.csv"}],
                "augment": {"scale": [0.9, 1.2]},
            }
        ],
        "loss": {"gradient": 0.5, "uncertainty": 0.2},
        "optimizer": {"lr": 1e-3, "eps": 1e-6, "clip_norm": 5.0},
        "steps": 6,
        "ema": 0.9,
        "seed": 3,
        "workers": 0,
        "checkpoint_every": 2,
        "log_every": 1,
    } | changes


def make_run(folder: Path, **changes) -> TrainConfig:
    return TrainConfig.model_validate(run_settings(folder, **changes))


def logged(config: TrainConfig) -> list[dict]:
    return [json.loads(line) for line in (config.output / "log.jsonl").read_text().splitlines()]
