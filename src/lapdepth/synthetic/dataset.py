"""Many different pictures for training: new scenes by seed, a few views of each, any camera.

images/00000007_1.jpg  view 1 of the scene of seed 7
depth/00000007_1.png   16-bit depth, metres x 256; 65535 in the sky, 0 where it is beyond the last code
manifest.csv           as `lapdepth.data.manifest` reads it; `scene` names the scene, so that its views stay together
settings.json          what decides the pictures, written before the first; a folder of other settings is refused

What is in a picture depends on the maker, the settings and its scene's seed alone, not on the number of workers. A scene whose
files are all there is not drawn again.
"""

from __future__ import annotations

import csv
import io
import json
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path

import cv2
import numpy as np
import torch

from lapdepth import __version__
from lapdepth.errors import InputError, OutputError
from lapdepth.io.depth import UNITS_PER_METRE
from lapdepth.io.files import clear_scratch, read_bytes, write_bytes, write_encoded, write_json
from lapdepth.io.processes import end_with_parent
from lapdepth.synthetic.files import JPEG_QUALITY, SKY_CODE, write_depth
from lapdepth.synthetic.makers import MAKERS
from lapdepth.synthetic.render import Renderer, find_device
from lapdepth.synthetic.scene import Camera, Scene

COLUMNS = ("image", "depth", "units_per_metre", "fx_px", "fy_px", "cx_px", "cy_px", "split", "scene", "sky_code")
SEEDS = 1_000_000
"""Scenes that one data set's seed has for itself."""
HELD_OUT_SEED = 2000
"""Data sets of this seed and above are for evaluation; training that draws scenes on the fly stays below."""
BLOCK = 8
"""Scenes that a worker draws at a time."""
SETTINGS = "settings.json"
"""File that says what decides the pictures of a folder."""


Row = tuple[str | float, ...]
"""Of `COLUMNS`."""


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """What to draw.

    Attributes:
        maker: A key of `MAKERS`.
        count: Pictures.
        size: (width, height) in pixels.
        focal_px: Smallest and largest focal length; drawn evenly in the logarithm.
        views: Pictures of each scene, at different times of its time line.
        seed: Decides everything else.
        split: Word for the manifest's column.
    """

    maker: str
    count: int
    size: tuple[int, int]
    focal_px: tuple[float, float]
    views: int = 2
    seed: int = 0
    split: str = "train"

    def __post_init__(self) -> None:
        """Raise `InputError` for what cannot be drawn."""
        low, high = self.focal_px
        if self.maker not in MAKERS:
            raise InputError(f"no maker of scenes is named '{self.maker}'; expected one of {', '.join(MAKERS)}")
        if self.count < 1 or self.views < 1:
            raise InputError(f"count is {self.count}, views {self.views}; expected at least 1 of each")
        if not all(8 <= side <= 8192 for side in self.size):
            raise InputError(f"size is {self.size[0]}x{self.size[1]}; expected 8 to 8192 pixels either way")
        if not 0.1 <= low <= high <= 1e5:
            raise InputError(f"focal length is from {low:g} to {high:g} px; expected two rising numbers from 0.1 to 1e5")
        if self.count > SEEDS or not 0 <= self.seed < 2**31 // SEEDS:
            raise InputError(f"seed is {self.seed}, count {self.count}; expected at most {2**31 // SEEDS - 1} and {SEEDS}")


Job = tuple[DatasetSettings, Path, str, int, int]
"""What to draw, folder, device, and the first scene and the one after the last."""


def write_dataset(
    settings: DatasetSettings,
    folder: Path,
    workers: int = 1,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Render pictures with depth into a folder, or go on with it.

    Args:
        settings: What to draw.
        folder: Where to; made if missing.
        workers: Processes; each keeps to one thread.
        device: Of PyTorch.
        progress: Called with the number of pictures done and their total.

    Returns:
        The manifest, written when all pictures are there.

    Raises:
        InputError: `workers` is below 1, there is no such device, or the folder holds pictures of other settings.
        ReadError: The folder's settings cannot be read.
        OutputError: A file cannot be written, or a process was ended.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; expected at least 1")
    find_device(device)
    try:
        for part in ("images", "depth"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from None
    if not _is_begun(settings, folder):
        write_json(folder / SETTINGS, _deciding(settings))
    scenes = -(-settings.count // settings.views)
    jobs = [(settings, folder, device, first, min(first + BLOCK, scenes)) for first in range(0, scenes, BLOCK)]
    rows: list[Row] = []

    def add(drawn: list[Row]) -> None:
        rows.extend(drawn)
        progress(len(rows), settings.count)

    if workers == 1:
        for job in jobs:
            add(_draw(job))
    else:
        _draw_side_by_side(jobs, workers, add)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    write_bytes(folder / "manifest.csv", table.getvalue().encode())
    return folder / "manifest.csv"


def _deciding(settings: DatasetSettings) -> dict[str, object]:
    """What decides the pictures, as JSON gives it back; a larger count only adds to them."""
    return {
        "maker": settings.maker,
        "size": list(settings.size),
        "focal_px": list(settings.focal_px),
        "views": settings.views,
        "seed": settings.seed,
        "release": __version__,
    }


def _is_begun(settings: DatasetSettings, folder: Path) -> bool:
    """Whether a folder was begun with these settings; one of other pictures is refused."""
    path = folder / SETTINGS
    if not path.exists():
        if any(any((folder / part).glob("[!.]*")) for part in ("images", "depth")):
            raise InputError(f"{folder} holds pictures, but no {SETTINGS} that says of what; give another --output")
        return False
    try:
        there = json.loads(read_bytes(path, "settings of a data set"))
    except (ValueError, RecursionError):
        there = None
    if not isinstance(there, dict):
        raise InputError(f"{path} holds no settings of a data set; give another --output")
    for key, value in _deciding(settings).items():
        if there.get(key) != value:
            raise InputError(
                f"{folder} holds pictures of {key} {there.get(key)!r}, these settings have {value!r}; "
                "give another --output, or the settings that it was begun with"
            )
    return True


def draw_scene(settings: DatasetSettings, number: int) -> tuple[Scene, list[float]]:
    """The `number`-th scene of a data set, and the times of its pictures."""
    seed = settings.seed * SEEDS + number
    rng = np.random.default_rng((seed, 3))
    width, height = settings.size
    focal_px = round(float(np.exp(rng.uniform(*np.log(settings.focal_px)))), 2)
    camera = Camera(width=width, height=height, focal_px=focal_px)
    if settings.maker == "open":
        heights = {"height_m": float(rng.uniform(0.5, 2.2)), "pitch_deg": float(rng.uniform(-4, 14))}
        camera = camera.model_copy(update={**heights, "roll_deg": float(rng.uniform(-3, 3))})
    elif settings.maker != "room":
        heights = {"height_m": float(rng.uniform(1.15, 1.85)), "pitch_deg": float(rng.uniform(-1, 4))}
        camera = camera.model_copy(update={**heights, "roll_deg": float(rng.uniform(-1.5, 1.5))})
    scene = MAKERS[settings.maker](seed, camera)
    views = min(settings.views, settings.count - number * settings.views)
    # One time in each equal part of the time line, so that views differ.
    times_s = (np.arange(views) + rng.random(views)) / settings.views * scene.duration_s
    return scene, [round(float(time_s), 3) for time_s in times_s]


def _draw_side_by_side(jobs: Sequence[Job], workers: int, add: Callable[[list[Row]], None]) -> None:
    """Draw in processes; rows are added in the order of the jobs. What ends it before its end, such as Ctrl-C, ends them too."""
    others = active_children()
    # Ctrl-C is sent to all processes of a terminal, and this one ends the rest.
    pool = ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        for future in [pool.submit(_draw_alone, job) for job in jobs]:
            add(future.result())
    except BaseException as error:
        for process in active_children():
            if process not in others:
                process.terminate()
        pool.shutdown(cancel_futures=True)
        for part in ("images", "depth"):
            clear_scratch(jobs[0][1] / part)
        if isinstance(error, BrokenProcessPool):
            raise OutputError(
                "a process was ended, probably for want of memory; use fewer --workers: the same command goes on"
            ) from None
        raise
    pool.shutdown()


def _draw_alone(job: Job) -> list[Row]:
    end_with_parent()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return _draw(job)


def _draw(job: Job) -> list[Row]:
    """Draw the scenes from a first to before a last."""
    settings, folder, device, first, last = job
    rows: list[Row] = []
    for number in range(first, last):
        scene, times_s = draw_scene(settings, number)
        lens = scene.camera.intrinsics
        renderer: Renderer | None = None
        for view, time_s in enumerate(times_s):
            stem = f"{scene.seed:08d}_{view}"
            names = f"images/{stem}.jpg", f"depth/{stem}.png"
            image, depth = (folder / name for name in names)
            numbers = (UNITS_PER_METRE, lens.fx_px, lens.fy_px, lens.cx_px, lens.cy_px)
            rows.append((*names, *numbers, settings.split, scene.name, SKY_CODE))
            if image.exists() and depth.exists():
                continue
            renderer = renderer or Renderer(scene, device)
            frame = renderer.frame(time_s)
            write_encoded(image, np.ascontiguousarray(frame.image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            write_depth(depth, frame)
    return rows
