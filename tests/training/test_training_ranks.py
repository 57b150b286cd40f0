"""Two processes that train together: the run of one process, killed or not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from safetensors.torch import load_file  # noqa: E402

from lapdepth.errors import ConfigError  # noqa: E402
from lapdepth.training import ranks  # noqa: E402
from lapdepth.training.loop import train  # noqa: E402
from training.runs import logged, make_run, run_settings  # noqa: E402

TESTS = Path(__file__).parents[1]
FREEZE = ["published", "published-syncbn"]


def settings(folder, **changes):
    """Losses of every kind, groups that come and go, and holes in the truth, so that ranks have unlike numbers of pixels."""
    source = [{"manifest": "manifest.csv", "sky": True}]
    groups = [
        {"name": "a", "crop": [32, 48], "batch": 3, "sources": source, "augment": {"scale": [0.6, 1.2]}},
        {"name": "b", "crop": [48, 32], "batch": 2, "weight": 0.5, "first_step": 1, "sources": source},
    ]
    # A small eps would take gradients that are nothing but rounding to steps of full length.
    optimizer = {"lr": 1e-4, "eps": 1e-3, "clip_norm": 5.0}
    short = {"steps": 3, "checkpoint_every": 1}
    loss = {"gradient": 0.5, "uncertainty": 0.2, "sobel": 0.1, "sky": 0.5, "guess": 0.5}
    return run_settings(folder, **{"groups": groups, "loss": loss, "optimizer": optimizer} | short | changes)


def torchrun(folder, made, processes, *killing, restarts=0, **more):
    """Run; killed and started again as often as `restarts` says."""
    path = folder / "settings.json"
    path.write_text(json.dumps(made, default=str), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += [f"--max-restarts={restarts}", str(TESTS / "training" / "rank.py"), str(path), *map(str, killing)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1"} | more
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    config = make_run(folder := tmp_path_factory.mktemp("alone"), **settings(folder))
    train(config)
    return config


def same(run, alone, rel=1e-5):
    for got, expected in zip(logged(run), logged(alone), strict=True):
        assert got.keys() == expected.keys()
        if rel > 1e-10:  # where norms see few pixels, rounding in float32 grows on the way back
            assert got.pop("gradient_norm") == pytest.approx(expected.pop("gradient_norm"), rel=0.05)
        assert got == pytest.approx(expected, rel=rel)


def test_two_processes_are_one(alone, tmp_path):
    made = settings(tmp_path)
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


@pytest.mark.slow
@pytest.mark.parametrize("freeze", FREEZE)
def test_without_rounding_losses_and_gradients_are_the_same(tmp_path, freeze):
    """In float32 an encoder whose norms train, on few pixels, magnifies rounding: 4e-4 of the loss after two steps."""
    runs = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        made = settings(folder, freeze=freeze)
        done = torchrun(folder, made, processes, DOUBLE="1")
        assert done.returncode == 0, done.stderr
        runs.append(make_run(folder, **made))
    same(*runs, rel=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(
    "killing", [(1, 2, "step"), (0, 2, "step"), (0, 2, "write")], ids=lambda killing: "-".join(map(str, killing))
)
def test_one_killed_and_all_started_again_it_is_the_same_run(alone, tmp_path, killing):
    made = settings(tmp_path)
    done = torchrun(tmp_path, made, 2, *killing, restarts=1)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists()
    run = make_run(tmp_path, **made)
    same(run, alone)
    assert {path.name for path in run.output.iterdir()} == {path.name for path in alone.output.iterdir()}
    assert not list(run.output.glob(".lapdepth-*"))


@pytest.mark.slow
def test_what_two_began_one_can_finish(alone, tmp_path):
    made = settings(tmp_path)
    assert torchrun(tmp_path, made, 2, 1, 2, "step").returncode != 0
    run = make_run(tmp_path, **made)
    assert len(logged(run)) == 2
    train(run, resume=True)
    same(run, alone)


def test_a_batch_smaller_than_the_processes_is_refused(monkeypatch):
    monkeypatch.setattr(ranks, "count", lambda: 3)
    with pytest.raises(ConfigError, match="a batch of 2 cannot be divided among 3 processes"):
        ranks.share_of(2)


def test_shares_are_all_of_a_batch_once(monkeypatch):
    monkeypatch.setattr(ranks, "count", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        shares.append(list(ranks.share_of(8)))
    assert shares == [[0, 1], [2, 3, 4], [5, 6, 7]]
