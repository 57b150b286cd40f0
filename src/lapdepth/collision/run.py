"""A whole recording or a live camera: frames in, lines of JSON, events and the overlay out."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.collision.ego import FASTEST_MPS, EgoSpeed, read_ego_speed
from lapdepth.collision.frame import Level
from lapdepth.collision.overlay import draw
from lapdepth.collision.pipeline import Warned, open_predictor, warn_frames
from lapdepth.collision.settings import WarnerSettings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError, LapDepthError, OutputError, ReadError
from lapdepth.imaging import ByteArray
from lapdepth.io.files import PICTURE_SUFFIXES, line_writer
from lapdepth.io.read_ahead import ReadAhead
from lapdepth.io.video import VideoFrame, open_frames
from lapdepth.io.video_writer import write_video

OVERLAY_WIDTH = 960
"""Wider pictures are drawn at this width: larger ones cost time and show no more."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `lapdepth warn` was asked for; see there."""

    source: str
    focal_px: float | None = None
    ego_speed_mps: float | None = None
    ego_speed_csv: Path | None = None
    model: str = "default"
    fps: float | None = None
    timestamps: Path | None = None
    output: Path | None = None
    events: Path | None = None
    frames: Path | None = None

    def ego(self) -> EgoSpeed:
        """Own speed.

        Raises:
            InputError: Both ways are given, or the speed or the focal length is none.
        """
        if self.focal_px is not None:
            Intrinsics.from_focal(1, 1, self.focal_px)
        if self.ego_speed_mps is not None and self.ego_speed_csv is not None:
            raise InputError("both ego_speed_mps and ego_speed_csv are given; give one of them")
        if self.ego_speed_csv is not None:
            return read_ego_speed(self.ego_speed_csv)
        if self.ego_speed_mps is None:
            return EgoSpeed()
        if not 0 <= self.ego_speed_mps <= FASTEST_MPS:
            raise InputError(f"ego_speed_mps is {self.ego_speed_mps}; expected 0 to {FASTEST_MPS:g} metres a second")
        return EgoSpeed((), (self.ego_speed_mps,))


@dataclass(slots=True)
class _Count:
    """What the last line says."""

    levels: Counter[Level] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    alerts: int = 0
    warning_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    factor: float = 1.0
    remarks: dict[str, None] = field(default_factory=dict)
    alerted: Level | None = None

    def add(self, warned: Warned) -> bool:
        """One frame; whether an alert begins with it, or rises."""
        result = warned.result
        self.levels[result.level] += 1
        if result.level is Level.DEGRADED and result.reason in result.health:
            self.faults[re.sub(r" (by|for) [\d.]+ s$", "", result.reason)] += 1  # of one kind, however many seconds
        if warned.warning_s is not None:
            self.warning_s.append(warned.warning_s)
        if warned.latency_s is not None:
            self.latency_s.append(warned.latency_s)
        if result.camera_height_m is not None:  # no factor is known of a frame that could not be judged
            self.factor = result.scale_factor
        self.remarks.update(dict.fromkeys(one for one in result.health if one.endswith("alone")))
        begins = result.level.alert and (self.alerted is None or (result.level, self.alerted) == (Level.CRITICAL, Level.WARNING))
        self.alerts += result.level.alert and self.alerted is None
        self.alerted = result.level if result.level.alert else None
        return begins

    def words(self, seconds: float, dropped: int, stopped: bool, settings: WarnerSettings) -> str:
        """The last line."""
        count = len(self.warning_s)
        parts = [f"{count} frames in {seconds:.1f} s ({count / max(seconds, 1e-9):.1f} a second)"]
        if count:
            parts.append(f"warning stage {1000 * float(np.median(self.warning_s)):.1f} ms of wall time a frame")
        if self.latency_s:
            middle, late = np.quantile(self.latency_s, (0.5, 0.95)).tolist()
            parts.append(f"latency {1000 * middle:.0f} ms, p95 {1000 * late:.0f} ms, {dropped} stale frames dropped")
        levels = (f"{number} {level.value}{self._why(level)}" for level, number in self.levels.items())
        parts.append(", ".join(levels) or "no level")
        parts.append(f"{self.alerts} alerts")
        if settings.camera_height_m is not None:
            parts.append(f"metres corrected by {self.factor:.3f}")
        parts += self.remarks
        return f"{'stopped: ' if stopped else ''}{'; '.join(parts)}"

    def _why(self, level: Level) -> str:
        """The commonest fault, for the degraded frames."""
        return f" (mostly: {self.faults.most_common(1)[0][0]})" if level is Level.DEGRADED and self.faults else ""


def run(options: Options, settings: WarnerSettings, tell: Callable[[str], None]) -> str:
    """Warn on one source until it ends, fails, or until Ctrl-C; what was seen by then is written, the files complete.

    Where the disk is full, that is true of the lines; a video that the encoder could not finish is left out.

    Args:
        options: What is asked for.
        settings: Of the warning.
        tell: Takes the lines of JSON where no file for them is named.

    Returns:
        One line: frames, rate, cost of the warning, latency of a live source, levels, alerts, scale factor.

    Raises:
        ReadError: The source cannot be read, or no further.
        InputError: An option cannot be used, or a frame of the source.
        OutputError: An output cannot be written, or no further.
        LapDepthError: The model cannot be used.
    """
    ego = options.ego()
    _check_files(options)
    count, stopped = _Count(), False
    failure: LapDepthError | None = None
    source = open_frames(options.source, options.fps, options.timestamps)
    predictor = open_predictor(options.model)
    with ExitStack() as stack:
        ahead = stack.enter_context(ReadAhead(source))
        video = stack.enter_context(write_video(options.output, source.fps)) if options.output else None
        event = stack.enter_context(line_writer(options.events)) if options.events else None
        line = stack.enter_context(line_writer(options.frames)) if options.frames else _telling(tell)

        def until_failure() -> Iterator[VideoFrame | None]:
            nonlocal failure
            try:
                yield from ahead.within(settings.health.max_gap_s if source.live else None)
            except (ReadError, InputError) as error:  # kept, so that the frame before it is still judged
                failure = error

        start = time.perf_counter()
        try:
            judged = warn_frames(until_failure(), predictor, CollisionWarner(settings), ego, options.focal_px, source.live)
            with closing(judged) as warned_frames:
                for warned in warned_frames:
                    text = _with_latency(warned)
                    line(text)
                    if count.add(warned) and event is not None:
                        event(text)
                    if video is not None and warned.camera is not None:
                        video(warned.frame.time_s, _overlay(warned, warned.camera, settings))
        except KeyboardInterrupt:
            stopped = True
        except (InputError, OutputError) as error:  # a frame that the model, the warning or the overlay cannot take; a full disk
            failure = error
        seconds = time.perf_counter() - start
        if failure is not None and not count.warning_s:
            raise failure  # here, so that no empty files appear
    if failure is not None:
        raise failure
    return count.words(seconds, ahead.dropped, stopped, settings)


def _check_files(options: Options) -> None:
    """Raise `InputError` where an output would replace another one, or what is read."""
    outputs = [os.path.realpath(path) for path in (options.output, options.events, options.frames) if path is not None]
    inputs = {os.path.realpath(path) for path in (options.source, options.ego_speed_csv, options.timestamps) if path is not None}
    if len(set(outputs)) < len(outputs) or not inputs.isdisjoint(outputs):
        raise InputError(
            "source, ego_speed_csv, timestamps, output, events and frames must be different files; give each a name of its own"
        )
    if os.path.isdir(options.source):  # noqa: PTH112 - as in open_frames
        pictures = {os.path.realpath(path) for path in Path(options.source).glob("*")}
        for path in outputs:
            if path in pictures and Path(path).suffix.lower() in PICTURE_SUFFIXES:
                raise InputError(f"{path} is one of the source's pictures and would be overwritten; choose another name")


def _telling(tell: Callable[[str], None]) -> Callable[[str], None]:
    """`tell` whose failure ends a run as that of a file does."""

    def line(text: str) -> None:
        try:
            tell(text)
        except OSError as error:
            raise OutputError(f"cannot write the lines of JSON: {error.strerror or error}") from error

    return line


def _with_latency(warned: Warned) -> str:
    text = warned.result.to_json()
    if warned.latency_s is None:
        return text
    return json.dumps({**json.loads(text), "latency_s": round(warned.latency_s, 4)})


def _overlay(warned: Warned, camera: Intrinsics, settings: WarnerSettings) -> ByteArray:
    """The picture with what the warning says, its sides even, as the encoder asks for."""
    rgb = warned.frame.rgb
    height, width = rgb.shape[:2]
    shrink = min(OVERLAY_WIDTH / width, 1.0)
    size = (max(math.floor(width * shrink) // 2 * 2, 2), max(math.floor(height * shrink) // 2 * 2, 2))
    if size != (width, height):
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return draw(rgb, warned.result, camera.resized(*size), settings.path, settings.camera_to_front_m)
