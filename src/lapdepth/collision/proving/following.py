"""Ordinary following: a lead whose speed wanders, and an attentive driver behind it. Every alert is a nuisance.

The driver follows by the intelligent driver model (Treiber, Hennecke, Helbing 2000) and never brakes for the alert.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.collision.frame import Frame, FrameResult
from lapdepth.collision.proving.loop import CAMERA, FRAME_S, Run, Step
from lapdepth.collision.proving.scenarios import CAR, SIZES
from lapdepth.collision.proving.scene import CAMERA_TO_FRONT_M, DepthSource, Solid, View

DURATION_S = 360.0
"""One run; ten are an hour. [D]"""
SPEEDS_MPS = (10.0, 33.0)
"""The lead drives between these: 36 to 119 km/h. [D]"""
HOLD_S = (5.0, 25.0)
"""It keeps a speed for so long. [D]"""
FASTER_MPS2 = (0.5, 1.5)
SLOWER_MPS2 = (0.5, 2.0)
"""It changes speed so fast: ordinary driving brakes with 2 m/s2 at most. [C]"""
HEADWAYS_S = (1.2, 2.5)
"""The driver's headway, one a run. [D] specification"""
IDM_FASTER_MPS2, IDM_SLOWER_MPS2, IDM_STILL_M = 1.5, 2.0, 2.0
"""The model's acceleration, comfortable deceleration and gap at a standstill, as in its paper's order of magnitude. [C]"""


@dataclass(slots=True)
class _Lead:
    """The car in front: holds a speed, then changes to another."""

    rng: np.random.Generator
    speed_mps: float
    wanted_mps: float
    mps2: float = 1.0
    until_s: float = 0.0

    def move(self, time_s: float) -> float:
        if time_s >= self.until_s:
            self.wanted_mps = float(self.rng.uniform(*SPEEDS_MPS))
            span = FASTER_MPS2 if self.wanted_mps > self.speed_mps else SLOWER_MPS2
            self.mps2 = float(self.rng.uniform(*span))
            change_s = abs(self.wanted_mps - self.speed_mps) / self.mps2
            self.until_s = time_s + change_s + float(self.rng.uniform(*HOLD_S))
        off = self.wanted_mps - self.speed_mps
        change = math.copysign(min(abs(off), self.mps2 * FRAME_S), off)
        self.speed_mps += change
        return change / FRAME_S


def follow_ordinarily(
    source: DepthSource,
    warner: Callable[[Frame], FrameResult],
    seed: int,
    camera: Intrinsics = CAMERA,
    duration_s: float = DURATION_S,
) -> Run:
    """Drive one run behind a lead; `Run.steps` holds only the first frame of each alert."""
    rng = np.random.default_rng((seed, 2))
    headway = float(rng.uniform(*HEADWAYS_S))
    speed = float(rng.uniform(*SPEEDS_MPS))
    lead = _Lead(rng, speed, speed)
    gap, ego_m, alerts, alerted = IDM_STILL_M + headway * speed * 1.1, 0.0, [], False
    width, length, bottom, top = SIZES[CAR]
    for index in range(round(duration_s / FRAME_S)):
        time_s = index * FRAME_S
        solid = Solid(CAR, 0.0, gap + CAMERA_TO_FRONT_M, width, length, bottom, top)
        seen = source(View(time_s, (solid,), ego_m=ego_m), camera)
        result = warner(
            Frame(
                seen.depth_m,
                time_s,
                camera,
                ego_speed_mps=speed,
                yaw_rate_rps=0.0,
                valid=seen.valid,
                confidence=seen.confidence,
                image=seen.image,
            )
        )
        before = lead.speed_mps
        lead_mps2 = lead.move(time_s)
        if result.level.alert and not alerted:
            alerts.append(Step(time_s, gap, speed - before, before, lead_mps2, result))
        alerted = result.level.alert
        wanted = IDM_STILL_M + speed * headway + speed * (speed - before) / (2 * math.sqrt(IDM_FASTER_MPS2 * IDM_SLOWER_MPS2))
        mps2 = IDM_FASTER_MPS2 * (1 - (speed / (1.2 * SPEEDS_MPS[1])) ** 4 - (max(wanted, 0) / max(gap, 0.1)) ** 2)
        faster = max(speed + mps2 * FRAME_S, 0.0)
        gap += (before + lead.speed_mps - speed - faster) / 2 * FRAME_S
        ego_m += (speed + faster) / 2 * FRAME_S
        speed = faster
    return Run("following", seed, float(getattr(source, "scale", 1.0)), tuple(alerts))
