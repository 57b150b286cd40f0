"""Frames to warnings: the only file of the warning that touches video and the network.

    read_ahead (a thread)     file, camera   -> (H, W, 3) uint8 RGB, time stamp
    depth      (a thread)     frame          -> depth, valid, confidence at the network's own size
    warner, overlay           depth          -> level, reason, picture

The network works on the next frame while the overlay of the last one is drawn and encoded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.collision.ego import EgoSpeed
from lapdepth.collision.frame import Frame, FrameResult, Level
from lapdepth.collision.warner import CollisionWarner
from lapdepth.config import ModelConfig
from lapdepth.imaging import ByteArray
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.inference.result import DepthResult
from lapdepth.io.video import VideoFrame

ASSUMED_FOV_DEG = 60.0
"""Where no focal length is given, only the corridor's shape hangs on it. [D] a common dashcam, along the longer side"""


def open_predictor(model: str) -> DepthPredictor:
    """A model whose edges are left as the network gives them.

    Sharpened ones make the depth of what is far ahead jump from frame to frame: on a motorway clip without danger 3 of 42 guesses
    of camera and speed raised an alert with edges sharpened by depth alone, in place of none.

    Raises:
        ModelError: No such model, or a damaged one.
    """
    return DepthPredictor.from_pretrained(model, sharpen_edges=False)


class Predictor(Protocol):
    """What the pipeline asks of a network; `DepthPredictor` is one."""

    @property
    def config(self) -> ModelConfig:
        """Its working size sets that of the pictures."""

    def __call__(self, image: ByteArray, /, *, focal_px: float) -> DepthResult:
        """Depth of a picture (h, w, 3)."""


@dataclass(frozen=True, slots=True, eq=False)
class Warned:
    """One frame and what the warning says of it, or what it says while no frame comes.

    Attributes:
        frame: Time stamp and picture; while no frame comes, the time now and the last picture, (0, 0, 3) before the first.
        result: The warning.
        camera: Of the picture; `None` before the first.
        warning_s: Wall time that the warning took, on whatever cores; `None` while no frame comes.
        latency_s: From the frame's time stamp to the verdict, of a live source; `None` of others, and while no frame comes.
    """

    frame: VideoFrame
    result: FrameResult
    camera: Intrinsics | None
    warning_s: float | None
    latency_s: float | None


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    depth_m: FloatArray
    valid: npt.NDArray[np.bool_]
    confidence: FloatArray | None


def warn_frames(
    frames: Iterator[VideoFrame | None],
    predictor: Predictor,
    warner: CollisionWarner,
    ego: EgoSpeed,
    focal_px: float | None,
    live: bool,
) -> Generator[Warned]:
    """The warning of each frame, in order.

    Args:
        frames: With time stamps; of a live source by `time.monotonic`, and `None` each time that no frame has come for the
            longest time between two frames that the warner's settings allow.
        predictor: Gives the depth.
        warner: Fresh.
        ego: Own speed.
        focal_px: At the frames' own size; `None`: time to collision alone.
        live: Judge each frame before the next one is taken, so that none is old; else the network works one frame ahead.

    Raises:
        ReadError: A frame cannot be read.
        InputError: A frame, or the focal length, cannot be used.
    """
    see = _seer(predictor, focal_px)
    began_s: float | None = None
    pending: deque[tuple[VideoFrame, Future[_Seen]]] = deque()
    pool = ThreadPoolExecutor(1)

    def judged(frame: VideoFrame, seen: _Seen) -> Warned:
        camera = camera_of(frame.rgb, focal_px)
        height, width = seen.depth_m.shape
        start = time.perf_counter()
        result = warner(
            Frame(
                seen.depth_m,
                frame.time_s,
                camera.resized(width, height),
                focal_known=focal_px is not None,
                ego_speed_mps=ego.at(frame.time_s - (began_s or 0.0)),
                valid=seen.valid,
                confidence=seen.confidence,
                image=frame.rgb,
            )
        )
        took = time.perf_counter() - start
        return Warned(frame, result, camera, took, time.monotonic() - frame.time_s if live else None)

    try:
        last = _before_the_first(scale_free=focal_px is None or ego.at(0.0) is None)
        waits = 0
        for frame in frames:
            if frame is None:
                waits += 1
                yield _stalled(last, waits * warner.settings.health.max_gap_s)
                continue
            waits = 0
            began_s = frame.time_s if began_s is None else began_s
            pending.append((frame, pool.submit(see, frame.rgb)))
            while len(pending) > (0 if live else 1):
                before, future = pending.popleft()
                last = judged(before, future.result())
                yield last
        while pending:
            before, future = pending.popleft()
            yield judged(before, future.result())
    finally:
        # Not waited for: the garbage collector ends a generator that was left alone, in any thread and anywhere in it. At the
        # start of a thread, where Python holds a lock of all threads, a wait for another one never ended.
        pool.shutdown(wait=False, cancel_futures=True)


def _before_the_first(scale_free: bool) -> Warned:
    """What stands for the last frame while a camera has given none: the time now, and no picture."""
    result = FrameResult(time.monotonic(), Level.UNKNOWN, "no frame yet", scale_free=scale_free)
    return Warned(VideoFrame(result.time_s, np.zeros((0, 0, 3), np.uint8)), result, None, None, None)


def _stalled(last: Warned, waited_s: float) -> Warned:
    """What is said while no frame comes: the last verdict must not stand for a road that nobody sees."""
    fault = f"no frame from the camera for {waited_s:.2f} s"
    time_s = last.frame.time_s + waited_s
    result = FrameResult(time_s, Level.DEGRADED, fault, scale_free=last.result.scale_free, health=(fault,))
    return Warned(VideoFrame(time_s, last.frame.rgb), result, last.camera, None, None)


def camera_of(rgb: ByteArray, focal_px: float | None) -> Intrinsics:
    """Camera of a picture (H, W, 3) with the focal length given, or a guess."""
    height, width = rgb.shape[:2]
    if focal_px is None:
        focal_px = Intrinsics.from_fov(max(width, height), 1, ASSUMED_FOV_DEG).fx_px
    return Intrinsics.from_focal(width, height, focal_px)


def _seer(predictor: Predictor, focal_px: float | None) -> Callable[[ByteArray], _Seen]:
    """Depth at about the network's own size: at a video's full size the warning would only be slower."""
    pixels = predictor.config.working_size[0] * predictor.config.working_size[1]

    def see(rgb: ByteArray) -> _Seen:
        height, width = rgb.shape[:2]
        shrink = min((pixels / (height * width)) ** 0.5, 1.0)
        size = (max(round(width * shrink), 8), max(round(height * shrink), 8))
        small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if shrink < 1 else rgb, np.uint8)
        focal = camera_of(rgb, focal_px).resized(*size).focal_px
        result = predictor(small, focal_px=focal)
        return _Seen(result.depth_m, result.valid, result.confidence)

    return see
