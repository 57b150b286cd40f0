"""Draw a small data set of box rooms with exact depth, in the form that training reads: a stand-in for one's own pictures.

Run ``python scripts/make_dataset.py --output my_data``. It writes ``rgb/``, ``depth/`` (16-bit PNG, millimetres) and
``manifest.csv``: each room is one scene, and the last fifth of the rooms is the split ``test``.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
WIDTH, HEIGHT, FOCAL_PX = 320, 240, 260.0
VIEWS = 4  # pictures of each room
COLUMNS = ("image", "depth", "units_per_metre", "fx_px", "fy_px", "cx_px", "cy_px", "split", "scene")


def rays(yaw: float) -> Array:
    """Directions (H, W, 3), X right, Y down, Z forward, with 1 along the optical axis before the camera turns by `yaw`."""
    x, y = np.meshgrid(np.arange(WIDTH) - (WIDTH - 1) / 2, np.arange(HEIGHT) - (HEIGHT - 1) / 2)
    x, y, z = x / FOCAL_PX, y / FOCAL_PX, np.ones_like(x)
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([c * x + s * z, y, c * z - s * x], axis=-1).astype(np.float32)


def slabs(direction: Array, low: Array, high: Array) -> tuple[Array, Array, npt.NDArray[np.intp]]:
    """Where rays from the origin enter and leave an axis-aligned box, and through which axis they leave."""
    with np.errstate(divide="ignore"):
        first, second = low / direction, high / direction
    enter, leave = np.minimum(first, second).max(-1), np.maximum(first, second)
    return enter, leave.min(-1), leave.argmin(-1)


def draw(rng: np.random.Generator, room: Array, boxes: list[tuple[Array, Array, Array]]) -> tuple[Array, Array]:
    """One view: colours (H, W, 3) in [0, 1] and depth (H, W) in metres, which along a ray is its parameter."""
    direction = rays(float(rng.uniform(-0.5, 0.5)))
    _, depth, axis = slabs(direction, room[0], room[1])
    grain = cv2.GaussianBlur(rng.random((HEIGHT, WIDTH), np.float32), (0, 0), 1.0)[..., None]
    colour = np.array([[0.72, 0.70, 0.66], [0.45, 0.33, 0.22], [0.80, 0.78, 0.72]], np.float32)[axis]
    for low, high, paint in boxes:
        enter, leave, _ = slabs(direction, low, high)
        hit = (enter < leave) & (enter > 0) & (enter < depth)
        depth = np.where(hit, enter, depth)
        colour = np.where(hit[..., None], paint, colour)
    light = 1.2 / (1 + 0.12 * depth[..., None])
    return np.clip(colour * light * (0.8 + 0.4 * grain), 0, 1), depth.astype(np.float32)


def make(output: Path, rooms: int, seed: int) -> None:
    """Write the data set."""
    rng = np.random.default_rng(seed)
    for name in ("rgb", "depth"):
        (output / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(rooms):
        size = rng.uniform((1.5, 1.2, 3.0), (3.0, 1.5, 7.0))
        room = np.array([[-size[0], -1.4, -1.0], [size[0], size[1], size[2]]], np.float32)
        boxes = []
        for _ in range(int(rng.integers(3, 8))):
            middle = rng.uniform((-size[0], 0, 1.5), (size[0], 0, size[2]))
            half = rng.uniform(0.15, 0.5, 3)
            low, high = middle - half, middle + half
            low[1], high[1] = size[1] - 2 * half[1], size[1]
            boxes.append((low.astype(np.float32), high.astype(np.float32), rng.uniform(0.1, 0.9, 3).astype(np.float32)))
        for view in range(VIEWS):
            colour, depth = draw(rng, room, boxes)
            name = f"{number:03d}_{view}.png"
            cv2.imwrite(str(output / "rgb" / name), (colour[..., ::-1] * 255).astype(np.uint8))
            cv2.imwrite(str(output / "depth" / name), np.rint(depth * 1000).astype(np.uint16))
            split = "test" if number >= rooms - rooms // 5 else "train"
            camera = (FOCAL_PX, FOCAL_PX, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
            rows.append((f"rgb/{name}", f"depth/{name}", 1000, *camera, split, f"room_{number:03d}"))
    with (output / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    print(f"{len(rows)} pictures of {rooms} rooms in {output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    make(arguments.output, arguments.rooms, arguments.seed)
