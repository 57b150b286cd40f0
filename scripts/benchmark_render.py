"""Time the renderer, on the CPU by number of threads and on a GPU where PyTorch finds one, and print a table in Markdown.

    python scripts/benchmark_render.py

Frames a second from scene to arrays in main memory, at times of the scene that follow each other; the scene's triangles are built
before. The fastest of a few frames, after one that warms up, so that what other programs take of the machine counts least. The
last rows draw new scenes and write their files, in one process: the whole time, and so they need a machine that is idle.
"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer

from lapdepth.synthetic.dataset import DatasetSettings, write_dataset
from lapdepth.synthetic.makers import MAKERS
from lapdepth.synthetic.render import Renderer
from lapdepth.synthetic.scene import Camera

CAMERAS = {"road": Camera(width=640, height=192, focal_px=372), "room": Camera(width=640, height=480, focal_px=520, height_m=1.4)}
SETS = {"road": ((480, 160), (250.0, 400.0)), "room": ((288, 224), (200.0, 300.0))}
"""Size and focal lengths of pictures for training."""
SEED = 7
STEP_S = 0.05


def frames_per_s(draw: Callable[[float], object], repeats: int) -> float:
    """Frames a second of a function of the time, the fastest frame, without the first."""
    seconds = []
    for number in range(repeats + 1):
        start = time.perf_counter()
        draw(number * STEP_S)
        seconds.append(time.perf_counter() - start)
    return 1 / min(seconds[1:])


def measure(devices: list[tuple[str, int]], repeats: int, cameras: dict[str, Camera] = CAMERAS) -> dict[str, list[float]]:
    """Frames a second by what is drawn, for each device with its number of threads."""
    table: dict[str, list[float]] = {}
    for device, threads in devices:
        torch.set_num_threads(threads)
        for maker, camera in cameras.items():
            renderer = Renderer(MAKERS[maker](SEED, camera), device)
            size = f"`{maker}:{SEED}`, {camera.width}x{camera.height}"
            table.setdefault(f"depth, {size}", []).append(frames_per_s(renderer.depth, repeats))
            table.setdefault(f"colour, {size}", []).append(frames_per_s(renderer.frame, repeats))
        for maker, (size_px, focal_px) in SETS.items() if repeats > 1 else ():
            settings = DatasetSettings(maker, 2 * repeats, size_px, focal_px)
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                write_dataset(settings, Path(folder), device=device)
                rate = settings.count / (time.perf_counter() - start)
            name = f"training pictures of {maker}s, {size_px[0]}x{size_px[1]}, two a scene, files written"
            table.setdefault(name, []).append(rate)
    return table


def devices_here() -> list[tuple[str, int]]:
    """One thread, all threads, the GPU if there is one."""
    threads = torch.get_num_threads()
    found = [("cpu", 1)] + ([("cpu", threads)] if threads > 1 else [])
    return found + ([("cuda", threads)] if torch.cuda.is_available() else [])


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Frames a figure; 1 leaves training pictures out.")] = 9,
) -> None:
    """Time the renderer."""
    devices = devices_here()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    print(f"frames a second; torch {torch.__version__}, {platform.machine()}{gpu}\n")
    heads = [f"CPU, {n} thread{'s' * (n > 1)}" if device == "cpu" else "GPU" for device, n in devices]
    print(f"| | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
    for name, rates in measure(devices, repeats).items():
        print(f"| {name} | {' | '.join(f'{rate:.3g}' for rate in rates)} |")


if __name__ == "__main__":
    typer.run(main)
