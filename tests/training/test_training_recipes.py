"""The recipes for the papers' tables: their numbers, and a step of each on a small tree in the data set's own layout."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from data.pictures import write_pictures  # noqa: E402
from data.trees import CAM_TO_CAM, codes, kitti_frame, noise  # noqa: E402
from lapdepth.data.lists import read_list  # noqa: E402
from lapdepth.data.prepare import prepare_kitti, prepare_nyu  # noqa: E402
from lapdepth.model.network import build_network  # noqa: E402
from lapdepth.training.config import load_train_config  # noqa: E402
from lapdepth.training.loop import train  # noqa: E402
from lapdepth.training.schedule import learning_rate  # noqa: E402
from model.designs import SMALL  # noqa: E402
from training.runs import logged  # noqa: E402

ROOT = Path(__file__).parents[2]
HELD_OUT = [f"groups.{at}.{key}" for at in ("0.sources.0", "1.sources.0", "1.sources.1") for key in ("fold=2", "folds=5")]
RECIPES = ["kitti", "nyu", "kitti-modern", "nyu-modern"]
LISTS = {
    "kitti_eigen_train": {"2011_09_26_drive_0001_sync": [5, 6]},
    "kitti_eigen_test": {"2011_09_26_drive_0002_sync": [69]},
    "kitti_eigen_test_unannotated": {},
    "nyu_train": {"kitchen_0028b": [45, 46]},
    "nyu_test": {},
}


def load(name, *changes):
    return load_train_config(ROOT / "configs" / f"{name}.toml", list(changes))


def kitti_tree(root):
    calibration = CAM_TO_CAM.replace("1.000000e+02 6.000000e+01", "1.242e+03 3.75e+02").replace("7.215377e+01", "7.215377e+02")
    for drive, part, numbers in (("2011_09_26_drive_0001_sync", "train", (5, 6)), ("2011_09_26_drive_0002_sync", "test", (69,))):
        for number in numbers:
            kitti_frame(root, drive, number, part="val" if part == "test" else "train")
            noise(root / drive[:10] / drive / "image_02/data" / f"{number:010}.png", number, (375, 1242))
            place = f"data_depth_annotated/{'val' if part == 'test' else 'train'}/{drive}/proj_depth/groundtruth/image_02"
            codes(root / place / f"{number:010}.png", 256 * 12, (375, 1242))
    (root / "2011_09_26/calib_cam_to_cam.txt").write_text(calibration)
    prepare_kitti([], root)


def nyu_tree(root):
    for number in (45, 46):
        noise(root / "sync/kitchen_0028b" / f"rgb_{number:05}.jpg", number, (480, 640))
        codes(root / "sync/kitchen_0028b" / f"sync_depth_{number:05}.png", 2500, (480, 640))
    prepare_nyu([], root)


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_in_the_real_layout(name, tmp_path, monkeypatch):
    for module in ("kitti", "nyu", "prepare"):
        monkeypatch.setattr(f"lapdepth.data.{module}.read_list", LISTS.__getitem__)
    kind = name.partition("-")[0]
    {"kitti": kitti_tree, "nyu": nyu_tree}[kind](tmp_path / kind)
    config = load(name, f"data_root={tmp_path}", f"output={tmp_path / 'run'}", "encoder_weights=none", "steps=1", "workers=0")
    # A network and a batch that a processor trains in seconds; data, crops, augmentation, losses and optimizer are the recipe's.
    small = SMALL | {"levels": 5}
    group = config.groups[0].model_copy(update={"batch": 1})
    config = config.model_copy(update={"model": config.model.model_copy(update=small), "groups": (group,)})
    train(config)
    (entry,) = logged(config)
    assert np.isfinite(list(entry.values())).all()
    assert entry[f"{kind}/si"] > 0


def test_steps_of_the_large_network_on_rooms_and_roads(tmp_path):
    config = load(
        "resnext101", f"data_root={tmp_path}", f"output={tmp_path / 'run'}", "encoder_weights=none", "steps=2", "workers=0"
    )
    default = load("default", *HELD_OUT)
    for group, own in zip(default.groups[:2], config.groups, strict=True):
        parts = {source.manifest: (source.fold, source.folds, source.split) for source in group.sources}
        assert all(parts[source.manifest] == (source.fold, source.folds, source.split) for source in own.sources)
    with torch.device("meta"):
        network = build_network(config.model).eval()
    assert 70e6 < sum(parameter.numel() for parameter in network.parameters()) < 80e6
    for source in (source for group in config.groups for source in group.sources):
        write_pictures(tmp_path / source.manifest.parent, 10)
    groups = tuple(
        group.model_copy(
            update={
                "crop": (64, 96),
                "batch": 1,
                "sources": tuple(source.model_copy(update={"window": None}) for source in group.sources),
            }
        )
        for group in config.groups
    )
    model = config.model.model_copy(update=SMALL | {"levels": 5})
    config = config.model_copy(update={"model": model, "groups": groups, "log_every": 1})
    train(config)
    assert len(entries := logged(config)) == 2
    assert all(np.isfinite(list(entry.values())).all() and entry["rooms/si"] > 0 and entry["roads/si"] > 0 for entry in entries)


@pytest.mark.parametrize("name", RECIPES)
def test_the_network_can_be_built_and_takes_the_crop(name):
    config = load(name)
    with torch.device("meta"):
        network = build_network(config.model).eval()
        out = network(torch.empty(1, 3, *config.groups[0].crop))
    assert out.depth_m.shape[2:] == config.groups[0].crop
    if not name.endswith("modern"):  # as the release has
        assert sum(parameter.numel() for parameter in network.parameters()) == 73_569_472


# By hand from the specification of the recipe: pictures, epochs, epochs at the end, farthest depth.
@pytest.mark.parametrize(
    ("name", "pictures", "epochs", "extra", "far_m"), [("kitti", 23158, 20, 5, 80), ("nyu", 36253, 30, 5, 10)]
)
def test_the_published_numbers(name, pictures, epochs, extra, far_m):
    config = load(name)
    optimizer, (group,) = config.optimizer, config.groups
    assert config.steps == (epochs + extra) * pictures // 16
    assert (group.batch, config.model.max_depth_m, config.precision, config.ema) == (16, far_m, "float32", 0)
    assert (optimizer.lr, optimizer.final_lr, optimizer.eps, optimizer.clip_norm) == (1e-4, 1e-5, 1e-3, None)
    assert (optimizer.encoder_weight_decay, optimizer.decoder_weight_decay, optimizer.warmup_steps) == (1e-2, 0, 0)
    falling = epochs * pictures / 16
    for step in (0, 1000, int(falling / 2), int(falling) - 1):
        expected = 1e-5 + 9e-5 * (1 - step / falling) ** 0.5
        assert learning_rate(step, config.steps, optimizer) == pytest.approx(expected, rel=1e-2)
    assert learning_rate(config.steps - 1, config.steps, optimizer) == pytest.approx(1e-5)
    loss = config.loss
    assert (loss.variance_focus, loss.gradient, loss.sobel, loss.uncertainty, loss.sky, loss.guess) == (0.85, 0, 0, 0, 0, 0)
    if name == "kitti":
        assert sum(map(len, read_list("kitti_eigen_train").values())) == pictures


@pytest.mark.parametrize("name", [*RECIPES, "resnext101"])
def test_a_recipe_opens_with_what_a_reader_needs(name):
    text = (ROOT / "configs" / f"{name}.toml").read_text(encoding="utf-8")
    head = text.partition("\noutput")[0]
    for word in ("Command:", "Data:", "Hardware:", "hour", "Result:    NOT YET RUN", f"configs/{name}.toml"):
        assert word in head


def test_the_slurm_script_starts_one_torchrun_a_machine(tmp_path):
    for name, body in (("scontrol", "echo node1; echo node2"), ("srun", 'printf "%s\\n" "$@"')):
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"JOB_NODELIST": "node[1-2]", "NNODES": "2", "JOB_ID": "7", "GPUS_ON_NODE": "4", "CPUS_PER_TASK": "20"}
    slurm = {f"SLURM_{name}": value for name, value in slurm.items()}
    environment = {**os.environ, **slurm, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    script = ["bash", str(ROOT / "scripts" / "train.slurm")]
    done = subprocess.run(
        [*script, "a.toml", "--set", "data_root=/my data"], env=environment, capture_output=True, text=True, check=True
    )
    words = done.stdout.splitlines()
    assert words[:6] == ["--cpus-per-task=20", "torchrun", "--nnodes", "2", "--nproc-per-node", "4"]
    assert words[words.index("--rdzv-endpoint") + 1] == "node1:29507"
    assert words[-7:] == ["--no-python", "lapdepth", "train", "a.toml", "--resume", "--set", "data_root=/my data"]
    assert subprocess.run(script, env=environment, capture_output=True).returncode != 0
