"""MP4 out, as fast as the time stamps say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from lapdepth.errors import InputError, OutputError, ReadError
from lapdepth.imaging import ByteArray
from lapdepth.io.files import atomic_path
from lapdepth.io.video import open_frames, quietly

LONGEST_FILL_S = 1.0
"""For a longer gap in the time stamps a written video does not stand still."""
SLOWEST_FPS, FASTEST_FPS = 1 / LONGEST_FILL_S, 120.0
"""Of what is written, whatever the source has: slower, a frame would not last until the next."""
EXACT_FPS = 60.0
"""Up to here the rate is the source's, then the next whole number: MPEG-4 counts a second in 65,535 parts at most, of which
OpenCV takes a thousand for each frame of a rate such as a phone's 119.123."""


@contextmanager
def write_video(path: Path, fps: float | None) -> Iterator[Callable[[float, ByteArray], None]]:
    """An MP4 (MPEG-4) that appears under its name when the block ends well; what the block raises leaves nothing behind.

    Args:
        path: Ends with `.mp4`.
        fps: Frames a second, brought between 1 and 120; `None`: 25.

    Yields:
        A function that takes a time in seconds and a frame (H, W, 3) uint8 RGB, all of one size. A frame stays until the next
        one's time, so that the video runs as fast as the time stamps; one that comes too early for the rate is left out.

    Raises:
        InputError: Another suffix, or frames of different sizes.
        OutputError: The file cannot be written; also where the encoder, which does not tell, has lost frames to a full disk.
    """
    if path.suffix.lower() != ".mp4":
        raise InputError(f"cannot write {path}: the suffix is '{path.suffix}'; expected .mp4")
    rate = min(max(fps or 25.0, SLOWEST_FPS), FASTEST_FPS)
    rate = rate if rate <= EXACT_FPS else math.ceil(rate)
    with atomic_path(path) as temporary:
        writer = _Writer(path, temporary, rate)
        try:
            yield writer.add
        finally:
            writer.close()
        writer.check()


class _Writer:
    """Frames on an even clock."""

    def __init__(self, path: Path, temporary: Path, fps: float) -> None:
        self.path, self.temporary, self.fps, self.written = path, temporary, fps, 0
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._last: tuple[float, ByteArray] | None = None
        self._clock_s = 0.0

    def add(self, time_s: float, rgb: ByteArray) -> None:
        height, width = rgb.shape[:2]
        if self._writer is None:
            self._size = (width, height)
            code, size = cv2.VideoWriter.fourcc(*"mp4v"), self._size
            self._writer = quietly(lambda: cv2.VideoWriter(str(self.temporary), cv2.CAP_FFMPEG, code, self.fps, size))
            if not self._writer.isOpened():
                raise self._failed()
        if (width, height) != self._size:
            raise InputError(f"frame is {width}x{height} after {self._size[0]}x{self._size[1]}; a video has one size")
        self._flush(time_s)
        self._last = (time_s, np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8))

    def _flush(self, until_s: float | None) -> None:
        """Write the last frame as often as its time asks for."""
        if self._last is None or self._writer is None:
            return
        step_s = 1 / self.fps if until_s is None else until_s - self._last[0]
        self._clock_s += min(max(step_s, 0.0), LONGEST_FILL_S)
        while self.written < round(self._clock_s * self.fps):
            self._writer.write(self._last[1])
            self.written += 1

    def close(self) -> None:
        self._flush(None)
        if self._writer is not None:
            self._writer.release()

    def check(self) -> None:
        """Raise `OutputError` where the closed file does not hold what was written: OpenCV's writer reports nothing."""
        if self._writer is None:
            raise OutputError(f"cannot write {self.path}: there was no frame to write")
        try:
            with open_frames(str(self.temporary)) as source:
                next(iter(source))  # an index that is cut may leave the count and no frame
                found = source.count or 0
        except ReadError:
            found = 0
        if found < max(self.written, 1):
            raise self._failed()

    def _failed(self) -> OutputError:
        size = "x".join(map(str, self._size))
        return OutputError(f"cannot write {self.path}: OpenCV failed to encode {size} as MP4; is the disk full?")
