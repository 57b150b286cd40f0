"""Two processes that train together: the run of one process, killed or not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402

from lapdepth.errors import ConfigError  # noqa: E402
from lapdepth.model.network import build_network  # noqa: E402
from lapdepth.training import ranks  # noqa: E402
from lapdepth.training.loop import train  # noqa: E402
from training.runs import MODEL, logged, make_run, run_settings  # noqa: E402

TESTS = Path(__file__).parents[1]
FREEZE = ["published", "published-syncbn"]


def settings(folder, **changes):
    """Losses of every kind, groups that come and go, and holes in the truth, so that ranks have unlike numbers of pixels."""
    source = [{"manifest": "manifest.csv", "sky": True}]
    groups = [
        {"name": "a", "crop": [32, 48], "batch": 3, "sources": source, "augment": {"scale": [0.6, 1.2]}},
        {"name": "b", "crop": [48, 32], "batch": 2, "weight": 0.5, "first_step": 1, "sources": source},
    ]
    loss = {"gradient": 0.5, "uncertainty": 0.2, "sobel": 0.1, "sky": 0.5, "guess": 0.5}
    return run_settings(folder, **{"groups": groups, "loss": loss, "steps": 3, "checkpoint_every": 1} | changes)


def torchrun(folder, made, processes, *killing, restarts=0):
    path = folder / "settings.json"
    path.write_text(json.dumps(made, default=str), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += [f"--max-restarts={restarts}", str(TESTS / "training" / "rank.py"), str(path), *map(str, killing)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)


@pytest.fixture(scope="module", params=FREEZE)
def alone(request, tmp_path_factory):
    config = make_run(folder := tmp_path_factory.mktemp("alone"), **settings(folder, freeze=request.param))
    train(config)
    return config


def same(run, alone, rel=1e-5):
    for got, expected in zip(logged(run), logged(alone), strict=True):
        assert got.keys() == expected.keys()
        assert got == pytest.approx(expected, rel=rel)


def test_two_processes_are_one(alone, tmp_path):
    made = settings(tmp_path, freeze=alone.freeze)
    done = torchrun(tmp_path, made, 2)
    assert done.returncode == 0, done.stderr
    run = make_run(tmp_path, **made)
    same(run, alone)
    expected, got = (load_file(config.output / "model" / "model.safetensors") for config in (alone, run))
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, rtol=1e-3, atol=1e-4, msg=name)
    assert {path.name for path in run.output.iterdir()} == {path.name for path in alone.output.iterdir()}
    # Every example of every step was drawn once, by one of them: counters 0 to 8 of the first group, 0 to 3 of the second.
    seen = [json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in range(2)]
    assert sorted(seen[0] + seen[1]) == sorted([*range(9), *range(4)])
    assert seen[0] != seen[1]
