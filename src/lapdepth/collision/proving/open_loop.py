"""Depth from any other model, in an open loop: pictures are written first, the model predicts them, its maps are read.

In an open loop the driver does not brake, so that what the camera sees hangs on scenario and seed alone. Nothing the warning
says changes what comes before its first alert; what the driver does from then on needs no depth, and is reckoned after.

A run's pictures lie in `SCENARIO-SEED/`, as `000000.png` and so on, with `frames.csv`: picture, time, how far the own vehicle has
come and the curvature of its path. `track.json` has the camera.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.collision.frame import Frame, FrameResult, Level
from lapdepth.collision.proving.following import follow_ordinarily
from lapdepth.collision.proving.loop import FRAME_S, PICTURE_CAMERA, Run, run
from lapdepth.collision.proving.measures import FOLLOWING
from lapdepth.collision.proving.scenarios import SCENARIOS, Scenario
from lapdepth.collision.proving.scene import CAMERA_HEIGHT_M, CAMERA_TO_FRONT_M, DepthSource, Seen, View
from lapdepth.collision.proving.sources import FARTHEST_M
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError, OutputError, ReadError
from lapdepth.evaluation.saved import read_values
from lapdepth.io.files import write_bytes, write_encoded, write_json
from lapdepth.io.images import read_image

ENDINGS = ("_depth.png", "_depth.npy", "_depth.npz", ".npy", ".npz")
"""What may follow a picture's name. Its name with .png is the picture itself, which may lie in the same folder."""
UNITS_PER_METRE = 256
"""Of a PNG of depth, as in KITTI and in what `lapdepth predict` writes."""


class FolderSource:
    """Reads one run's maps, in order: `000000_depth.png` (16 bits, metres x 256) or `000000.npy` or `.npz` (metres).

    The picture `000000.png` is given to the warning as well, where it lies in the same folder.
    """

    scale = 1.0

    def __init__(self, folder: Path) -> None:
        """Begin at the first frame of a run's folder."""
        self._folder, self._next = folder, 0

    def __call__(self, view: View, camera: Intrinsics) -> Seen:
        """Depth of the next frame.

        Raises:
            ReadError: There is none.
            InputError: It has another size than the pictures.
        """
        name = f"{self._next:06d}"
        self._next += 1
        files = [self._folder / f"{name}{ending}" for ending in ENDINGS]
        file = next((one for one in files if one.is_file()), None)
        if file is None:
            raise ReadError(
                f"there is no {files[0]}, nor .npy or .npz; predict the pictures of `lapdepth track --write-pictures`"
            )
        values = read_values(file)
        if values.shape != (camera.height, camera.width):
            raise InputError(f"{file} is {values.shape}; expected {(camera.height, camera.width)}, the size of the pictures")
        depth_m = values / np.float32(UNITS_PER_METRE if file.suffix == ".png" else 1)
        picture = self._folder / f"{name}.png"
        image = read_image(picture).rgb if picture.is_file() else None
        with np.errstate(invalid="ignore"):
            return Seen(depth_m, (depth_m > 0) & (depth_m < FARTHEST_M), image)


def drive_open(scenario: Scenario, source: DepthSource, warner: CollisionWarner, seed: int, camera: Intrinsics) -> Run:
    """One run in which the driver brakes after the first alert, though no frame shows it."""
    judged = run(scenario, source, warner, seed, camera, driver_brakes=False)
    alert_s = judged.alert.time_s if judged.alert else np.inf

    def again(frame: Frame) -> FrameResult:
        return FrameResult(frame.time_s, Level.WARNING if frame.time_s >= alert_s else Level.CLEAR, "as judged")

    braked = run(scenario, lambda _, camera: _nothing(camera), again, seed, camera)
    return replace(judged, collided_s=braked.collided_s, impact_mps=braked.impact_mps)


def _nothing(camera: Intrinsics) -> Seen:
    shape = (camera.height, camera.width)
    return Seen(np.zeros(shape, np.float32), np.zeros(shape, np.bool_))


def write_pictures(names: Sequence[str], seeds: int, folder: Path) -> Iterator[str]:
    """Write the pictures of all runs; those that are there already are left.

    Yields:
        The name of each run, as its pictures are complete.
    """
    camera = PICTURE_CAMERA
    described = {name: getattr(camera, name) for name in camera.__slots__}
    more = {"camera_height_m": CAMERA_HEIGHT_M, "camera_to_front_m": CAMERA_TO_FRONT_M, "frame_s": FRAME_S}
    write_json(folder / "track.json", {"camera": described, **more})
    for seed in range(seeds):
        for name in names:
            place = folder / f"{name}-{seed}"
            if not (place / "frames.csv").exists():
                _write_run(name, seed, place, camera)
            yield place.name


def _write_run(name: str, seed: int, place: Path, camera: Intrinsics) -> None:
    from lapdepth.collision.proving.pictures import Painter  # draws with PyTorch, which reading and judging do without

    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {place}: {error.strerror}") from None
    paint = Painter(seed)
    lines = io.StringIO()
    table = csv.writer(lines)
    table.writerow(["picture", "time_s", "travelled_m", "curvature_1pm"])
    count = 0

    def keep(view: View, camera: Intrinsics) -> Seen:
        nonlocal count
        file = f"{count:06d}.png"
        write_encoded(place / file, np.ascontiguousarray(paint(view, camera)[..., ::-1]))  # the encoder takes BGR
        table.writerow([file, round(view.time_s, 3), round(view.ego_m, 4), view.curvature_1pm])
        count += 1
        return _nothing(camera)

    def silent(frame: Frame) -> FrameResult:
        return FrameResult(frame.time_s, Level.CLEAR, "not judged")

    if name == FOLLOWING:
        follow_ordinarily(keep, silent, seed, camera)
    else:
        run(SCENARIOS[name], keep, silent, seed, camera, driver_brakes=False)
    write_bytes(place / "frames.csv", lines.getvalue().encode())  # last: a run that has it is complete
