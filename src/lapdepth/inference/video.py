"""A whole video, or a camera until it is stopped: depth as an MP4 in fixed colours, 16-bit frames, and the frames' own times."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lapdepth.errors import InputError, LapDepthError, OutputError, ReadError
from lapdepth.inference.batch import make_folder
from lapdepth.inference.overlap import overlapped
from lapdepth.inference.result import DepthResult
from lapdepth.inference.steady import SteadyDepth
from lapdepth.io.color import color_range, colorize
from lapdepth.io.depth import UNITS_PER_METRE, write_png16
from lapdepth.io.files import atomic_path, write_json
from lapdepth.io.read_ahead import ReadAhead
from lapdepth.io.video import FrameSource, VideoFrame
from lapdepth.io.video_writer import write_video

RANGE_M = (1.0, 80.0)
"""Both ends of the colours where none are asked for: a room takes the warm half of the logarithmic scale, a road all of it."""

FORMATS = ("color", "png16")
"""What a video can become: an MP4 in colours, a 16-bit PNG of each frame."""


@dataclass(frozen=True, slots=True)
class VideoFiles:
    """The files of one video, by its path without suffix.

    Attributes:
        stem: Such as `out/drive`.
    """

    stem: Path

    def _with(self, end: str) -> Path:
        return self.stem.with_name(self.stem.name + end)

    @property
    def video(self) -> Path:
        """Depth in colours."""
        return self._with("_depth.mp4")

    @property
    def frames(self) -> Path:
        """Folder of the 16-bit frames, `000000.png` and so on."""
        return self._with("_depth")

    @property
    def times(self) -> Path:
        """CSV with the columns `frame` and `time_s`."""
        return self._with("_times.csv")

    @property
    def metadata(self) -> Path:
        """Units, ranges, camera, model, counts."""
        return self._with(".json")


def check_video_formats(formats: Sequence[str]) -> None:
    """Raise `InputError` for a format that a video cannot become."""
    wrong = [name for name in formats if name not in FORMATS]
    if wrong:
        raise InputError(f"format '{wrong[0]}' is for pictures; of a video choose {' or '.join(FORMATS)}, or both")


def check_not_replacing(sources: Sequence[Path], stems: Sequence[Path]) -> None:
    """Raise `InputError` where a result would replace one of the videos."""
    named = {os.path.realpath(path) for path in sources}
    for stem in stems:
        if os.path.realpath(VideoFiles(stem).video) in named:
            raise InputError(f"{VideoFiles(stem).video} is one of the inputs and would be overwritten; choose another --output")


def predict_video(
    source: FrameSource,
    predict: Callable[[VideoFrame], DepthResult],
    stem: Path,
    formats: Sequence[str] = ("color",),
    range_m: tuple[float, float] = RANGE_M,
    png_scale: float = UNITS_PER_METRE,
    progress: Callable[[int], None] = lambda done: None,
    at_once: int = 1,
    steady: bool = False,
) -> int:
    """Predict each frame of a source until it ends, or until Ctrl-C; what is written by then is complete.

    The next frames are decoded, and the last ones written, while the engine works. A source that fails on its way, such as a
    camera that is unplugged, leaves complete files as well; then its error is raised.

    Args:
        source: What to read; it is closed.
        predict: Depth of a frame.
        stem: Path without suffix of what is written, see `VideoFiles`; its folder is made.
        formats: Of `FORMATS`.
        range_m: (nearest, farthest) metres of the colours, the same in all frames.
        png_scale: Codes for one metre in the 16-bit frames.
        progress: Called with the number of frames written.
        at_once: Frames in work at once; they are written in order.
        steady: Mix each frame's depth with that of the frame before, see `SteadyDepth`.

    Returns:
        The number of frames written.

    Raises:
        InputError: Depth does not fit the PNG's 16 bits.
        ReadError: A frame cannot be read, or there is none.
        OutputError: A file cannot be written.
    """
    files, metadata = VideoFiles(stem), dict[str, Any]()
    make_folder(stem.parent)
    count, first_s, stopped = 0, 0.0, False
    smooth = SteadyDepth() if steady else None
    failure: ReadError | None = None
    with ExitStack() as stack:
        ahead = stack.enter_context(ReadAhead(source))
        frames = stack.enter_context(_replacing_frames(files.frames)) if "png16" in formats else None
        video = stack.enter_context(write_video(files.video, source.fps)) if "color" in formats else None
        times = stack.enter_context(stack.enter_context(atomic_path(files.times)).open("w", encoding="ascii"))
        times.write("frame,time_s\n")

        def until_failure() -> Iterator[VideoFrame]:
            nonlocal failure
            try:
                yield from ahead
            except ReadError as error:  # kept, so that the frames before it are still predicted and written
                failure = error

        def write(frame: VideoFrame, result: DepthResult) -> None:
            nonlocal count, first_s
            if count == 0:
                metadata.update(result.metadata())
                first_s = frame.time_s if source.live else 0.0  # a camera's clock has no beginning of its own
            depth_m = result.depth_m
            if smooth is not None:
                mixed_m = np.minimum(smooth(frame.rgb, depth_m, result.intrinsics), np.float32(result.range_m[1]))
                depth_m = np.where(result.sky, depth_m, mixed_m)
            if frames is not None:
                write_png16(frames / f"{count:06}.png", depth_m, result.valid, png_scale)
            if video is not None:
                even = tuple(slice(side // 2 * 2) for side in depth_m.shape)  # as the encoder asks for
                video(frame.time_s, colorize(depth_m, result.valid, *range_m)[even])
            times.write(f"{count},{frame.time_s - first_s:.6f}\n")
            count += 1

        try:
            with closing(overlapped(until_failure(), lambda frame: frame, predict, write, at_once)) as done:
                for _, error in done:
                    if error is not None:
                        raise error
                    progress(count)
        except KeyboardInterrupt:
            stopped = True
        if count == 0:
            raise failure or ReadError(f"{source.name} was stopped before its first frame; nothing is written")
        files.metadata.unlink(missing_ok=True)  # of an earlier run: from here on its files are replaced
    for name in ("image", "valid_share", "sky_share"):
        del metadata[name]
    metadata |= {
        "source": source.name,
        "frames": count,
        "frames_dropped": ahead.dropped,
        "stopped": stopped or failure is not None,
        "steady": steady,
        "formats": list(formats),
        "color_near_m": range_m[0],
        "color_far_m": range_m[1],
        "png_units_per_metre": png_scale if "png16" in formats else None,
    }
    write_json(files.metadata, metadata)
    if failure is not None:
        raise failure
    return count


@contextmanager
def _replacing_frames(folder: Path) -> Iterator[Path]:
    """A hidden folder, whose frames take the place of all those in `folder` when the block ends well."""
    try:
        with TemporaryDirectory(prefix=".lapdepth-", dir=folder.parent) as scratch:
            yield Path(scratch)
            folder.mkdir(exist_ok=True)
            for path in folder.iterdir():
                if re.fullmatch(r"\d{6,}\.png", path.name):
                    path.unlink()
            for path in Path(scratch).iterdir():
                path.replace(folder / path.name)
    except LapDepthError:  # of the block: some are an OSError too, and say themselves what is wrong
        raise
    except OSError as error:
        raise OutputError(f"cannot write the frames to {folder}: {error.strerror or error}") from None


def video_range(near_m: float | None, far_m: float | None) -> tuple[float, float]:
    """Ends of the colours as asked for, else `RANGE_M`; raises `InputError` where the nearer is not the smaller."""
    one = np.ones((1, 1), np.float32)
    return color_range(one, one > 0, RANGE_M[0] if near_m is None else near_m, RANGE_M[1] if far_m is None else far_m)
