"""Frames with their own time stamps, from a video, a camera or a folder of pictures.

A time stamp is the file's own (or of the moment that a camera's frame came), never a count times a rate: a rate that is rounded
is a speed that is wrong.
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import cv2
import numpy as np

from lapdepth.errors import InputError, ReadError
from lapdepth.imaging import MIN_SIDE, ByteArray
from lapdepth.io.files import PICTURE_SUFFIXES, read_bytes
from lapdepth.io.images import read_image

MAX_PIXELS = 8192 * 8192
"""Larger frames are refused."""
MAX_FPS = 1000.0

_CONTAINERS = re.compile(
    rb".{4}(ftyp|moov|mdat|free|wide|skip)|\x1aE\xdf\xa3|RIFF.{4}AVI |\x00\x00\x01[\xba\xb3]|FLV|OggS|0&\xb2u|G.{187}G|YUV4MPEG2",
    re.DOTALL,
)
"""Beginnings of containers that hold their own frames. A play list, which FFmpeg takes as well, would open other files."""
_EXPECTED = "a video (MP4, MOV, MKV, WebM, AVI, MPEG, FLV, OGG or WMV), a folder of pictures, or a camera's number such as 0"

Opened = TypeVar("Opened", cv2.VideoCapture, cv2.VideoWriter)

logger = logging.getLogger("lapdepth")


class VideoFrame(NamedTuple):
    """One frame.

    Attributes:
        time_s: Its time stamp: from the file's beginning, or by the clock `time.monotonic` for a camera.
        rgb: (H, W, 3) uint8 RGB.
    """

    time_s: float
    rgb: ByteArray


@dataclass(slots=True)
class FrameSource:
    """Frames of one source, once, in order; ends at the end of the source. Close it, or use it in a `with`.

    Attributes:
        name: As the user gave it.
        live: Whether frames come by themselves, as from a camera.
        fps: Frames a second on average, as far as the source tells; for written videos, never for time stamps.
        count: Frames, as far as the source tells; a container's header may be wrong.
    """

    name: str
    live: bool
    fps: float | None
    count: int | None
    _frames: Iterator[VideoFrame]
    _close: Callable[[], None]

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames; raises `ReadError` where one cannot be read."""
        return self._frames

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the file or camera back."""
        self._close()


def open_frames(source: str, fps: float | None = None, timestamps: Path | None = None) -> FrameSource:
    """Open a video, a camera or a folder.

    Args:
        source: A video file, a folder of pictures (taken in the order of their names), or a camera: a number, or `/dev/video0`.
        fps: Frames a second, of a folder alone, which has no time stamps of its own.
        timestamps: In place of `fps`: a file with a line for each picture, seconds or `2011-09-26 13:02:25.964389445`.

    Raises:
        ReadError: There is no such source, or it is not what it should be.
        InputError: `fps` or `timestamps` are missing for a folder, out of range, or given for something else.
    """
    if fps is not None and not (math.isfinite(fps) and 0 < fps <= MAX_FPS):
        raise InputError(f"fps is {fps}; expected frames a second, over 0 and at most {MAX_FPS:g}")
    path = Path(source)
    if os.path.isdir(source):  # noqa: PTH112 - Path.is_dir raises for names that are too long
        return _open_folder(path, fps, timestamps)
    if fps is not None or timestamps is not None:
        raise InputError(f"fps and timestamps are for a folder of pictures; {source} is none, and has time stamps of its own")
    if re.fullmatch(r"\d{1,3}", source) and not path.exists():
        return _open_camera(source, int(source))
    if re.fullmatch(r"/dev/video\d{1,3}", source):
        return _open_camera(source, int(source.removeprefix("/dev/video")))
    return _open_file(path)


def _open_file(path: Path) -> FrameSource:
    head = _head(path)
    if not _CONTAINERS.match(head):
        raise ReadError(f"{path} is not a video: it begins with {head[:12]!r}; expected {_EXPECTED}")
    capture = quietly(lambda: cv2.VideoCapture(str(path), cv2.CAP_FFMPEG))
    if not capture.isOpened():
        raise ReadError(f"cannot decode {path}: the file is damaged or incomplete; expected {_EXPECTED}")
    fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    sound_fps = fps if math.isfinite(fps) and 0 < fps <= MAX_FPS else None
    sound_count = int(count) if math.isfinite(count) and 0 < count < 2**31 else None
    return FrameSource(
        str(path), False, sound_fps, sound_count, _decoded(capture, str(path), sound_fps, sound_count), capture.release
    )


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():
            what = "is a pipe or a device" if path.exists() else "does not exist"
            raise ReadError(f"cannot read {path}: it {what}; expected {_EXPECTED}")
        with path.open("rb") as file:
            return file.read(256)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}; expected {_EXPECTED}") from error


def quietly(open_it: Callable[[], Opened]) -> Opened:
    """What OpenCV opens, or opens to write, without printing anything: what is wrong is raised."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return open_it()
    finally:
        cv2.utils.logging.setLogLevel(level)


def _decoded(capture: cv2.VideoCapture, name: str, fps: float | None, count: int | None) -> Iterator[VideoFrame]:
    """Frames of a file, each with the time stamp that the container gives; raises `ReadError` where the file ends too early."""
    number, time_s, size = 0, 0.0, None
    while capture.grab():
        time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if not math.isfinite(time_s) or time_s < 0:  # a bare stream without time stamps
            time_s = number / (fps or 25.0)
        rgb = _rgb(capture, name)
        if size is not None and rgb.shape != size:
            raise ReadError(f"{name} changes its size from {size[:2]} to {rgb.shape[:2]} at {time_s:.2f} s; cut it there")
        size = rgb.shape
        number += 1
        yield VideoFrame(time_s, rgb)
    if number == 0:
        raise ReadError(f"cannot decode {name}: there is no frame in it; the file is damaged or incomplete")
    if count is not None and number < 0.9 * count:  # a header may be a few frames off
        short = f"{name}: only {number} of {count} frames can be decoded; the file is damaged or incomplete"
        if fps is None or time_s < 0.9 * count / fps:
            raise ReadError(short)
        logger.warning(short)  # its end is there: some are missing on the way, or its rate is uneven and the count a guess


def _rgb(capture: cv2.VideoCapture, name: str) -> ByteArray:
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MAX_PIXELS:
        raise ReadError(f"{name} has frames of {width:g}x{height:g}; expected at most {MAX_PIXELS:,} pixels")
    try:
        done, bgr = capture.retrieve()
        if done and bgr.ndim == 3 and min(bgr.shape[:2]) >= MIN_SIDE:
            return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
    except cv2.error as error:
        raise ReadError(f"cannot decode {name}: {error.err}; the file is damaged") from error
    raise ReadError(f"cannot decode {name}: a frame is missing or under {MIN_SIDE} pixels a side; the file is damaged")


def _open_camera(source: str, number: int) -> FrameSource:
    capture = quietly(lambda: cv2.VideoCapture(number, cv2.CAP_ANY))
    if not capture.isOpened():
        raise ReadError(f"cannot open camera {source}: there is none, or another program has it; expected {_EXPECTED}")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old frames are of no use
    fps = capture.get(cv2.CAP_PROP_FPS)

    def frames() -> Iterator[VideoFrame]:
        while capture.grab():
            taken_s = time.monotonic()
            yield VideoFrame(taken_s, _rgb(capture, f"camera {source}"))
        raise ReadError(f"camera {source} gives no more frames; is it still connected?")

    return FrameSource(source, True, fps if 0 < fps <= MAX_FPS else None, None, frames(), capture.release)


def _open_folder(folder: Path, fps: float | None, timestamps: Path | None) -> FrameSource:
    try:
        paths = sorted(
            path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
        )
    except OSError as error:
        raise ReadError(f"cannot read the folder {folder}: {error.strerror}") from error
    if not paths:
        raise ReadError(f"no pictures in {folder}; expected files with one of the suffixes {' '.join(sorted(PICTURE_SUFFIXES))}")
    if (fps is None) == (timestamps is None):
        raise InputError(f"{folder} is a folder, whose pictures have no time: give fps, or a file of timestamps, not both")
    times_s = [i / fps for i in range(len(paths))] if fps is not None else _read_times(timestamps or folder, len(paths))
    span = times_s[-1] - times_s[0]
    rate = fps or ((len(paths) - 1) / span if span > 0 else None)

    def frames() -> Iterator[VideoFrame]:
        for time_s, path in zip(times_s, paths, strict=True):
            yield VideoFrame(time_s, read_image(path).rgb)

    return FrameSource(str(folder), False, rate, len(paths), frames(), lambda: None)


def _read_times(path: Path, count: int) -> list[float]:
    lines = read_bytes(path, "time stamps, one a line").decode(errors="replace").split("\n")
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) != count:
        raise InputError(f"{path} has {len(lines)} time stamps for {count} pictures; expected one line for each")
    return [_seconds(line, f"{path} line {number}") for number, line in enumerate(lines, 1)]


def _seconds(text: str, place: str) -> float:
    """Seconds, or a date with a time of day, which becomes seconds of the epoch."""
    with suppress(ValueError):
        value = float(text)
        if math.isfinite(value):
            return value
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(\.\d{1,9})?", text)
    with suppress(ValueError):
        if match:
            return datetime.fromisoformat(f"{match[1]}+00:00").timestamp() + float(match[2] or 0)
    raise InputError(f"{place} is '{text[:40]}'; expected seconds, or a time such as 2011-09-26 13:02:25.964389445")
