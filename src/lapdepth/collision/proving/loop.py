"""The closed loop: the world moves, the camera sees it, the warning judges, and the driver brakes some time after the alert."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.collision.frame import Frame, FrameResult
from lapdepth.collision.proving.scenarios import PEDESTRIAN, SIZES, Actor, Scenario
from lapdepth.collision.proving.scene import CAMERA_TO_FRONT_M, DepthSource, Solid, View

FRAME_S = 0.1
"""10 frames a second, as the specification states."""
STEP_S = 0.01
DRIVER_REACTION_S = 1.2
"""From the alert to the brakes. [C]"""
DRIVER_BRAKES_MPS2 = 0.7 * 9.81
"""How hard the driver brakes. [C]"""
OUT_OF_SIGHT_M = 160.0
"""What is farther away is not drawn: no horizon reaches it. [D]"""
BEFORE_BEND_M = 5.0
"""A run ends so far before a bend, behind which the track knows no driving. [D]"""

CAMERA = Intrinsics.from_focal(320, 96, 185.5)
"""The default model's working size for road pictures and their focal length, both halved: the statistics come out the same, in a
quarter of the time. [D]"""
PICTURE_CAMERA = Intrinsics.from_focal(640, 192, 371)
"""Of pictures for a network: the full size."""


@dataclass(frozen=True, slots=True)
class Step:
    """Truth and verdict at one frame.

    Attributes:
        time_s: Of the frame.
        gap_m: From the own front to the target, `None` where there is no target.
        closing_mps: How fast that shrinks.
        lead_mps: Speed of the target.
        lead_mps2: Acceleration of the target.
        result: What the warning said.
    """

    time_s: float
    gap_m: float | None
    closing_mps: float
    lead_mps: float
    lead_mps2: float
    result: FrameResult


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one scenario.

    Attributes:
        scenario: Its name.
        seed: Of its noise.
        scale: Factor on all its depths that its source drew.
        steps: Frame by frame.
        collided_s: Time of the collision, `None` without one.
        impact_mps: Speed of the collision.
    """

    scenario: str
    seed: int
    scale: float
    steps: tuple[Step, ...]
    collided_s: float | None = None
    impact_mps: float | None = None

    @property
    def alert(self) -> Step | None:
        """The frame of the first alert."""
        return next((step for step in self.steps if step.result.level.alert), None)


@dataclass(slots=True)
class _Mover:
    """An actor on its way, in the road's coordinates: `ahead_m` from the origin of the own front at the start."""

    actor: Actor
    number: int
    ahead_m: float = field(init=False)
    right_m: float = field(init=False)
    speed_mps: float = field(init=False)
    mps2: float = 0.0

    def __post_init__(self) -> None:
        self.ahead_m, self.right_m, self.speed_mps = self.actor.gap_m, self.actor.right_m, self.actor.speed_mps

    def move(self, time_s: float) -> None:
        actor = self.actor
        self.mps2 = -actor.brakes_mps2 if time_s >= actor.brakes_at_s - 1e-9 and self.speed_mps > 0 else 0.0
        speed = self.speed_mps if self.mps2 == 0 else max(self.speed_mps + self.mps2 * STEP_S, 0.0)
        self.ahead_m += (self.speed_mps + speed) / 2 * STEP_S
        self.speed_mps = speed
        if actor.across_at_s <= time_s < actor.across_at_s + actor.across_s:
            self.right_m += actor.right_mps * STEP_S

    def solid(self, ego_m: float, curvature: float) -> Solid:
        """In the camera's frame: along the arc of the road, its sides kept along the camera's axes."""
        width, length, bottom, top = SIZES[self.actor.kind]
        along, right = self.ahead_m - ego_m + CAMERA_TO_FRONT_M, self.right_m
        if curvature:
            radius = 1 / curvature
            right, along = (
                (radius + self.right_m) * math.cos(curvature * along) - radius,
                (radius + self.right_m) * math.sin(curvature * along),
            )
        is_round, oncoming = self.actor.kind == PEDESTRIAN, self.actor.speed_mps < 0
        return Solid(self.actor.kind, right, along, width, length, bottom, top, is_round, self.number, oncoming)


def run(
    scenario: Scenario,
    source: DepthSource,
    warner: Callable[[Frame], FrameResult],
    seed: int = 0,
    camera: Intrinsics = CAMERA,
    driver_brakes: bool = True,
) -> Run:
    """Drive one scenario until it is over: collision, standstill, target passed, or its time is up.

    Args:
        scenario: What happens.
        source: Depth of each view.
        warner: Judges each frame; fresh.
        seed: Moves the frames against the events by a part of a frame.
        camera: Camera of the depth maps.
        driver_brakes: Where false the driver never does, so that what the camera sees hangs on nothing but the seed.
    """
    movers = [_Mover(actor, number) for number, actor in enumerate(scenario.actors)]
    ego_m, ego_mps, time_s = 0.0, scenario.ego_mps, 0.0
    steps: list[Step] = []
    brakes_at = math.inf
    collided: tuple[float, float] | None = None
    frames = 0
    phase_s = int(np.random.default_rng((seed, 3)).integers(round(FRAME_S / STEP_S))) * STEP_S
    for _ in range(round(phase_s / STEP_S)):
        for one in movers:
            one.move(time_s)
        ego_m += ego_mps * STEP_S
        time_s = round(time_s + STEP_S, 9)
    while time_s < scenario.duration_s:
        solids = tuple(one.solid(ego_m, scenario.curvature_1pm) for one in movers)
        solids = tuple(one for one in solids if -one.length_m < one.near_m < OUT_OF_SIGHT_M)
        bend_m, k = scenario.bend_m - ego_m + CAMERA_TO_FRONT_M, scenario.curvature_1pm
        seen = source(View(time_s, solids, bend_m, scenario.grade, ego_m, k), camera)
        result = warner(
            Frame(
                seen.depth_m,
                time_s,
                camera,
                ego_speed_mps=ego_mps,
                yaw_rate_rps=ego_mps * k,
                valid=seen.valid,
                confidence=seen.confidence,
                image=seen.image,
            )
        )
        target = movers[0] if scenario.alarm else None
        steps.append(_step(time_s, target, ego_m, ego_mps, result))
        if driver_brakes and scenario.alarm and result.level.alert and brakes_at == math.inf:
            brakes_at = time_s + DRIVER_REACTION_S
        frames += 1
        while time_s < phase_s + frames * FRAME_S - 1e-9:
            for one in movers:
                one.move(time_s)
            faster = ego_mps
            if time_s >= brakes_at - 1e-9:
                ego_mps = max(ego_mps - DRIVER_BRAKES_MPS2 * STEP_S, 0.0)
            ego_m += (faster + ego_mps) / 2 * STEP_S
            time_s = round(time_s + STEP_S, 9)
            if target is not None and collided is None and _touch(target, ego_m):
                collided = (time_s, ego_mps - target.speed_mps)
        over = target is not None and (target.ahead_m < ego_m or (brakes_at < time_s and ego_mps <= target.speed_mps))
        if collided or over or scenario.bend_m - ego_m < BEFORE_BEND_M:
            break
    at, speed = collided or (None, None)
    return Run(scenario.name, seed, float(getattr(source, "scale", 1.0)), tuple(steps), at, speed)


def _touch(target: _Mover, ego_m: float) -> bool:
    width = (SIZES[target.actor.kind][0] + SIZES["car"][0]) / 2
    return target.ahead_m <= ego_m and abs(target.right_m) < width


def _step(time_s: float, target: _Mover | None, ego_m: float, ego_mps: float, result: FrameResult) -> Step:
    if target is None:
        return Step(time_s, None, 0.0, 0.0, 0.0, result)
    return Step(time_s, target.ahead_m - ego_m, ego_mps - target.speed_mps, target.speed_mps, target.mps2, result)
