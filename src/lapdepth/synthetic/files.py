"""A rendered time line as files that training reads.

images/000000.png      the picture (or .jpg)
depth/000000.png       16-bit depth, metres x 256; 65535 in the sky, 0 where it is beyond the last code
ids/000000.png         16-bit instances: 0 sky, 1 ground, 2 and on the scene's objects
manifest.csv           as `lapdepth.data.manifest` reads it, with the time of each picture and the lens's distortion
scene.json             the scene with all that its file left open; poses, camera to world; names of the instances
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from lapdepth.errors import InputError, OutputError
from lapdepth.io.depth import UNITS_PER_METRE, write_png16
from lapdepth.io.files import write_bytes, write_encoded, write_json
from lapdepth.synthetic.render import Frame, Renderer
from lapdepth.synthetic.scene import Scene

COLUMNS = (
    "image", "depth", "units_per_metre", "fx_px", "fy_px", "cx_px", "cy_px", "split", "scene", "sky_code", "ids",
    "time_s", "k1", "k2", "p1", "p2", "k3",
)  # fmt: skip
SKY_CODE = 65535
"""Depth code of the sky."""
JPEG_QUALITY = 95


def write_sequence(
    scene: Scene,
    folder: Path,
    frames: int | None = None,
    split: str = "train",
    jpeg: bool = False,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Render the frames of a scene's time line into a folder.

    Args:
        scene: What to render.
        folder: Where to; made if missing.
        frames: Only so many, from time 0 on; `None` for all up to the scene's `duration_s`.
        split: Word for the manifest's column.
        jpeg: Pictures as JPEG instead of PNG.
        device: Of PyTorch.
        progress: Called with the number of pictures done and their total.

    Returns:
        The manifest.

    Raises:
        InputError: `frames` is below 1 or above what the scene has, or there is no such device.
        OutputError: A file cannot be written.
    """
    if frames is not None and frames < 1:
        raise InputError(f"frames is {frames}; expected at least 1")
    if frames is not None and frames > scene.frames:
        raise InputError(
            f"frames is {frames}; '{scene.name}' has {scene.frames}, {scene.duration_s:g} s at {scene.frames_per_s:g} a second"
        )
    count = scene.frames if frames is None else frames
    renderer = Renderer(scene, device)
    try:
        for part in ("images", "depth", "ids"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from None
    manifest, record = folder / "manifest.csv", folder / "scene.json"
    try:
        for path in (manifest, record):  # of a run before, whose frames these overwrite
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(COLUMNS)
    poses = []
    for number in range(count):
        frame = renderer.frame(number / scene.frames_per_s)
        image, depth, ids = _write_frame(frame, folder, f"{number:06d}", ".jpg" if jpeg else ".png")
        camera = frame.intrinsics
        lens = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
        rows.writerow((image, depth, UNITS_PER_METRE, *lens, split, scene.name, SKY_CODE, ids, frame.time_s, *frame.distortion))
        poses.append({"time_s": frame.time_s, "camera_to_world": frame.pose.tolist()})
        progress(number + 1, count)
    names = [thing.name or f"{thing.kind} {k}" for k, thing in enumerate(scene.objects, 2)]
    write_json(record, {"scene": scene.model_dump(mode="json"), "frames": poses, "instances": ["sky", "ground", *names]})
    write_bytes(manifest, table.getvalue().encode())
    return manifest


def _write_frame(frame: Frame, folder: Path, stem: str, suffix: str) -> tuple[str, str, str]:
    """Names of picture, depth and instances, relative to the folder."""
    image, depth, ids = f"images/{stem}{suffix}", f"depth/{stem}.png", f"ids/{stem}.png"
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == ".jpg" else []
    write_encoded(folder / image, np.ascontiguousarray(frame.image[..., ::-1]), quality)
    write_depth(folder / depth, frame)
    write_encoded(folder / ids, frame.ids.astype(np.uint16))
    return image, depth, ids


def write_depth(path: Path, frame: Frame) -> None:
    """Write the depth of a picture as 16-bit PNG, with `SKY_CODE` in the sky and 0 where no code is left for it.

    Raises:
        OutputError: The file cannot be written.
    """
    sky, codes = frame.ids == 0, frame.depth_m * UNITS_PER_METRE
    depth_m = np.where(sky, np.float32(SKY_CODE / UNITS_PER_METRE), frame.depth_m)
    write_png16(path, depth_m, sky | ((codes > 0.5) & (codes < SKY_CODE - 0.5)))
