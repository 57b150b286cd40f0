"""Pictures with known depth, in memory and on disk."""

import csv
from pathlib import Path

import cv2
import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.data.augment import AugmentSettings
from lapdepth.data.sample import Sample

UNCHANGED = AugmentSettings(flip=False, brightness=0, gamma=0, channel_gain=0, probability=0)
"""No change but the cut."""
CAMERA = (110.0, 105.0, 57.0, 41.5)
"""fx, fy, cx, cy of the pictures on disk."""


def sample_of(depth_m, image=None, camera=None, dense_m=None) -> Sample:
    """A sample around a depth map (H, W)."""
    height, width = depth_m.shape
    if image is None:
        image = np.full((height, width, 3), 128, np.uint8)
    camera = camera or Intrinsics(width, height, 0.9 * width, 0.85 * width, 0.48 * width, 0.53 * height)
    return Sample("name", "scene", image, depth_m.astype(np.float32), camera, dense_m)


def write_pictures(folder: Path, count: int, height: int = 80, width: int = 120) -> Path:
    """Noise pictures, the i-th with a depth of i + 1 metres all over, and their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    rows = []
    for i in range(count):
        coarse = rng.integers(0, 256, (10, 15, 3), np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), cv2.resize(coarse, (width, height)))
        cv2.imwrite(str(folder / f"{i}-depth.png"), np.full((height, width), 256 * (i + 1), np.uint16))
        rows.append([f"{i}.png", f"{i}-depth.png", 256, *CAMERA, "train" if i % 2 else "test", f"scene{i // 2}"])
    path = folder / "manifest.csv"
    write_manifest(path, rows)
    return path


def write_dense(folder: Path, count: int, height: int = 80, width: int = 120) -> Path:
    """The same pictures with holes in the depth in columns of 8, and a filled-in map without, 50 m more all over."""
    path = write_pictures(folder, count, height, width)
    lines = path.read_text(encoding="utf-8").splitlines()
    for i in range(count):
        codes = np.full((height, width), 256 * (i + 1), np.uint16)
        cv2.imwrite(str(folder / f"{i}-dense.png"), codes + 256 * 50)
        codes[:, np.arange(width) // 8 % 2 == 0] = 0
        cv2.imwrite(str(folder / f"{i}-depth.png"), codes)
    cells = ["dense_depth", *(f"{i}-dense.png" for i in range(count))]
    path.write_text("".join(f"{line},{cell}\n" for line, cell in zip(lines, cells, strict=True)), encoding="utf-8")
    return path


def write_manifest(path: Path, rows, header="image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split,scene") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
