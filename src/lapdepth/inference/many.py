"""Many pictures, each read, predicted and written alike."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lapdepth.errors import LapDepthError
from lapdepth.imaging import ByteArray
from lapdepth.inference import batch
from lapdepth.inference.engine import EngineName
from lapdepth.inference.overlap import AHEAD, overlapped
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.inference.result import DepthResult, SkyAs
from lapdepth.io.images import Picture, read_image

MOST_AT_ONCE = 8
"""Pictures in work at once; each takes about 100 MB beside the model. With more cores each picture gets several threads."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is done with each picture; see `lapdepth predict`.

    Attributes:
        model: Embedded name, model folder, `.onnx` file or hub id.
        engine: What runs it.
        device: Of the engine.
        focal_px: Focal length at the pictures' own size.
        fov_deg: Horizontal field of view in place of it.
        native: Predict at the picture's own size.
        flip: Average with the mirrored picture.
        formats: Of `batch.FORMATS`.
        png_scale: Codes for one metre in the 16-bit PNG.
        near_m: Depth of the warmest colour; `None` takes it from the picture.
        far_m: Depth of the coldest colour.
        sky: What sky becomes in the map.
    """

    model: str = "default"
    engine: EngineName = "auto"
    device: str | None = None
    focal_px: float | None = None
    fov_deg: float | None = None
    native: bool = False
    flip: bool = False
    formats: tuple[str, ...] = ("png16", "color")
    png_scale: float = 256.0
    near_m: float | None = None
    far_m: float | None = None
    sky: SkyAs = "invalid"

    def check(self) -> None:
        """Raise `InputError` or `MissingExtraError` for what no picture could be predicted with, before the first one is."""
        batch.check_extras(self.formats)
        batch.check_options(self.focal_px, self.fov_deg, self.png_scale, self.near_m, self.far_m)

    def open(self, threads: int = 0) -> DepthPredictor:
        """The model; see `DepthPredictor.from_pretrained`."""
        return DepthPredictor.from_pretrained(self.model, self.engine, self.device, threads)

    def open_for_many(self) -> tuple[DepthPredictor, int]:
        """The model, and how many pictures to have in work at once.

        With ONNX Runtime on a CPU every picture gets a thread of its own, not all threads one picture: inside a picture they
        would wait for each other at each layer. Pictures at their own size come one by one, since they may take gigabytes.
        """
        if self.engine not in ("auto", "onnx") or self.device not in (None, "cpu") or self.native:
            return self.open(), 1
        cores = available_cores()
        at_once = min(cores, MOST_AT_ONCE)
        predictor = self.open(cores // at_once)
        if predictor.engine.name == "openvino":  # `auto` took it: pictures come one by one, and each gets all threads
            predictor = replace(self, engine="openvino").open()
        return predictor, at_once if predictor.engine.name == "onnx" else 1

    def predict(self, predictor: DepthPredictor, picture: Picture | ByteArray) -> DepthResult:
        """Depth of one picture."""
        return predictor(picture, focal_px=self.focal_px, fov_deg=self.fov_deg, native=self.native, flip=self.flip, sky=self.sky)

    def is_done(self, stem: Path, image: str, model: str) -> bool:
        """Whether all results of a picture are there; see `batch.is_done`."""
        return batch.is_done(stem, self.formats, image, model, self.png_scale, self.sky)

    def write(self, result: DepthResult, stem: Path) -> None:
        """Write a result; see `batch.write_result`."""
        batch.write_result(result, stem, self.formats, self.png_scale, self.near_m, self.far_m)


def predict_pictures(
    job: Job, predictor: DepthPredictor, at_once: int, pictures: Iterable[tuple[Path, Path]]
) -> Generator[LapDepthError | MemoryError | None]:
    """Read, predict and write each picture, overlapped.

    Args:
        job: How.
        predictor: Of `Job.open_for_many`, as `at_once`.
        at_once: Pictures in work at once.
        pictures: Path of each, and path without suffix of its results.

    Yields:
        For each picture, in order, what was wrong with it, or `None`. Closed early, it leaves complete files.
    """
    done = overlapped(
        pictures,
        lambda item: read_image(item[0]),
        lambda picture: job.predict(predictor, picture),
        lambda item, result: job.write(result, item[1]),
        workers=at_once,
        writers=at_once + AHEAD,
    )
    try:
        for _, error in done:
            yield error
    finally:
        done.close()


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
