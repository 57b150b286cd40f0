"""Pictures a second that the loader reads, decodes and augments, against what a GPU's training step takes.

Run ``python scripts/benchmark_loader.py --pictures DIR``, DIR with road pictures of about 1242x375, torch extra installed: a
small tree in KITTI's own layout is made of them, and the published recipe's loader draws from it. Times are of the processor, so
that other work on the machine disturbs little.

What a GPU takes is reckoned, not measured: an A100 trains ResNeXt101-32x4d (8.0 billion multiply-adds at 224x224, Xie et al.
2017) on 300.4 pictures a second in TF32 and on 908.4 in mixed precision (NVIDIA DeepLearningExamples, PyTorch 20.06,
ResNeXt101-32x4d, training performance, 1 GPU). The same multiply-adds a second are taken for a recipe's network at its crop,
which flatters networks of depthwise convolutions: they wait for memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from lapdepth.data.kitti import eigen_rows
from lapdepth.data.loader import CounterDataset, Source
from lapdepth.data.manifest import Row, load_sample
from lapdepth.errors import LapDepthError, ReadError
from lapdepth.io.files import expand_inputs
from lapdepth.io.images import read_image
from lapdepth.model.network import build_network
from lapdepth.model.stages import describe
from lapdepth.training.config import GroupSettings, load_train_config

RECIPES = Path(__file__).resolve().parent.parent / "configs"
DRIVE = "2011_09_26_drive_0001_sync"
FIRST_FRAME, FRAMES = 5, 24
SIZE = (375, 1242)
MEASURED = 0.16
"""Share of the pixels that have annotated depth. Uhrig et al. 2017"""
CALIBRATION = """S_rect_02: 1.242000e+03 3.750000e+02
R_rect_00: 1 0 0 0 1 0 0 0 1
P_rect_02: 7.215377e+02 0 6.095593e+02 0 0 7.215377e+02 1.728540e+02 0 0 0 1 0
"""
A100_PICTURES_PER_S = {"float32": 300.42, "bfloat16": 908.40}
A100_MULTIPLY_ADDS = 8.0e9


def make_tree(root: Path, pictures: Path, suffix: str) -> tuple[list[Row], float]:
    """The first frames of KITTI's Eigen list, made of pictures in a folder; gives its rows and the mean size of a picture, kB."""
    found, errors = expand_inputs([str(pictures)])
    if errors or not found:
        raise errors[0] if errors else ReadError(f"no pictures in {pictures}")
    day = root / DRIVE[:10]
    images = day / DRIVE / "image_02" / "data"
    depths = root / "data_depth_annotated" / "train" / DRIVE / "proj_depth" / "groundtruth" / "image_02"
    for folder in (images, depths):
        folder.mkdir(parents=True)
    (day / "calib_cam_to_cam.txt").write_text(CALIBRATION, encoding="ascii")
    rng = np.random.default_rng(0)
    for i in range(FRAMES):
        rgb = cv2.resize(read_image(found[i % len(found)]).rgb, SIZE[::-1])
        name = f"{FIRST_FRAME + i:010}"
        cv2.imwrite(str(images / f"{name}{suffix}"), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        codes = rng.integers(5 * 256, 80 * 256, SIZE).astype(np.uint16)
        codes[rng.random(SIZE) > MEASURED] = 0
        cv2.imwrite(str(depths / f"{name}.png"), codes)
    size = sum(path.stat().st_size for path in images.iterdir()) / FRAMES / 1000
    return eigen_rows(root, "train").complete(allow_missing=True), size


def seconds_per_picture(rows: list[Row], group: GroupSettings, rounds: int) -> tuple[float, float]:
    """Processor seconds of one loader process for an example, and of them for reading and decoding; the least of some rounds."""
    dataset = CounterDataset([Source(rows, window=group.sources[0].window)], group.crop, group.augment, seed=0)

    def once(draw: Callable[[int], object]) -> float:
        draw(0)
        best = float("inf")
        for _ in range(rounds):
            start = time.process_time()
            for i in range(FRAMES):
                draw(i)
            best = min(best, (time.process_time() - start) / FRAMES)
        return best

    return once(dataset.__getitem__), once(lambda i: load_sample(rows[i]))


def main() -> None:
    """Make the tree, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of road pictures")
    parser.add_argument("--rounds", type=int, default=3, help="of 24 pictures each; the fastest counts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        per_s = {}
        group = load_train_config(RECIPES / "kitti.toml").groups[0]
        for suffix in (".png", ".jpg"):
            with tempfile.TemporaryDirectory() as folder:
                rows, kilobytes = make_tree(Path(folder), arguments.pictures, suffix)
                seconds, decoding = seconds_per_picture(rows, group, arguments.rounds)
            per_s[suffix] = 1 / seconds
            print(
                f"{len(rows)} pictures as {suffix[1:].upper()} of {kilobytes:.0f} kB: {1 / seconds:.1f} a second a core, "
                f"{decoding / seconds:.0%} of the time decoding"
            )
    except LapDepthError as error:
        sys.exit(f"benchmark_loader: {error}")
    for name in ("kitti", "kitti-modern"):
        config = load_train_config(RECIPES / f"{name}.toml")
        with torch.device("meta"):
            network = build_network(config.model).eval()
        cost = describe(network, *config.groups[0].crop)[-1].multiply_adds
        taken = A100_PICTURES_PER_S[config.precision] * A100_MULTIPLY_ADDS / cost
        cores = ", ".join(f"{taken / rate:.1f} cores with {suffix[1:].upper()}" for suffix, rate in per_s.items())
        network_is = f"{cost / 1e9:.0f} G multiply-adds a picture, {config.precision}"
        print(f"{name}.toml, {network_is}: an A100 takes {taken:.0f} a second, that is {cores}")


if __name__ == "__main__":
    main()
