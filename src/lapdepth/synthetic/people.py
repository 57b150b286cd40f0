"""People: on foot, and riding. NumPy, no PyTorch."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lapdepth.synthetic.choices import colour_or, size_or
from lapdepth.synthetic.mesh import Material, Mesh, box, cylinder, ellipsoid, join, limb, moved
from lapdepth.synthetic.motion import Matrix
from lapdepth.synthetic.scene import Thing

SKINS = ((0.86, 0.68, 0.56), (0.72, 0.53, 0.41), (0.50, 0.35, 0.26), (0.34, 0.23, 0.17))
HAIRS = ((0.10, 0.08, 0.07), (0.22, 0.14, 0.09), (0.45, 0.33, 0.18), (0.55, 0.54, 0.52))
TOPS = ((0.75, 0.73, 0.70), (0.15, 0.17, 0.24), (0.55, 0.14, 0.14), (0.20, 0.32, 0.25), (0.20, 0.28, 0.48), (0.62, 0.50, 0.30),
        (0.12, 0.12, 0.12), (0.50, 0.50, 0.52))  # fmt: skip
TROUSERS = ((0.14, 0.17, 0.27), (0.12, 0.12, 0.13), (0.42, 0.37, 0.30), (0.28, 0.28, 0.30), (0.22, 0.28, 0.40))
SHOES = Material((0.10, 0.09, 0.08), "flat")
FRAME = Material((0.20, 0.22, 0.25), "flat", gloss=0.4)
TYRE = Material((0.10, 0.10, 0.10), "flat")


STRIDE_RAD = 0.38
"""How far a leg swings ahead and back."""
KNEE_RAD = 0.9
"""How far a knee bends while its leg comes forward."""
TOE_M = 0.175
"""How far a shoe reaches ahead of its leg."""
ARM_SHARE = 0.7
"""An arm's swing as a share of a leg's."""


@dataclass(frozen=True, eq=False)
class Limb:
    """A part that turns about an axis to the right, with all that hangs on it.

    Attributes:
        mesh: In the person's own frame, hanging straight down.
        hinge_m: (up, forward) of the axis.
        kind: What turns it.
        side: -1 left, 1 right.
        parent: Number of the limb that carries it, `None` for the trunk.
    """

    mesh: Mesh
    hinge_m: tuple[float, float]
    kind: Literal["thigh", "shin", "arm"]
    side: int
    parent: int | None = None


@dataclass(frozen=True, eq=False)
class Figure:
    """Somebody on foot, upright.

    Attributes:
        trunk: Without limbs.
        limbs: These.
        leg_m: From hip to sole.
        phase_rad: Where in a stride it begins.
    """

    trunk: Mesh
    limbs: tuple[Limb, ...]
    leg_m: float
    phase_rad: float


def pedestrian(thing: Thing) -> Mesh:
    """Somebody who stands."""
    figure = person(thing)
    return join([figure.trunk, *(limb_.mesh for limb_ in figure.limbs)])


def walks(thing: Thing) -> bool:
    """Whether an object is somebody who walks at some time."""
    return thing.kind == "pedestrian" and thing.motion.moves


def person(thing: Thing) -> Figure:
    """Somebody on foot."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (0.5, 1.72, 0.5), rng)
    skin, hair, _, legs = _looks(rng)
    top = Material(colour_or(thing, TOPS, rng), "cloth")
    phase = math.asin(float(rng.uniform(0.5, 1.0))) * (1 if rng.random() < 0.5 else -1)
    hip, knee, shoulder, wide, deep = 0.50 * height, 0.27 * height, 0.80 * height, width * 0.5, length * 0.5
    limbs: list[Limb] = []
    for side in (-1, 1):
        x = side * 0.09
        thigh = limb((x, hip, 0), (x, knee, 0.01), (0.085, 0.062), legs)
        shoe = box((0.09, 0.06, 0.25), SHOES, (x, 0, 0.05))
        shin = join([limb((x, knee + 0.02, 0.01), (x, 0.04, 0), (0.062, 0.045), legs), shoe])
        limbs.append(Limb(thigh, (hip, 0.0), "thigh", side))
        limbs.append(Limb(shin, (knee, 0.01), "shin", side, parent=len(limbs) - 1))
        elbow, hand = (side * wide * 0.98, 0.63 * height, -0.02), (side * wide * 0.92, 0.49 * height, 0.06)
        arm = [
            limb((side * wide * 0.82, shoulder - 0.02, 0), elbow, (0.055, 0.045), top),
            limb(elbow, hand, (0.044, 0.035), top),
            ellipsoid((0.07, 0.11, 0.06), skin, (hand[0], hand[1] - 0.09, hand[2])),
        ]
        limbs.append(Limb(join(arm), (shoulder - 0.02, 0.0), "arm", side))
    trunk = join([*_trunk(top, legs, hip, shoulder, wide, deep), *_head(skin, hair, shoulder, height)])
    return Figure(trunk, tuple(limbs), hip, phase)


def stride(figure: Figure, walked_m: float) -> tuple[float, list[Matrix]]:
    """Where a walker's parts are.

    Args:
        figure: Who walks.
        walked_m: How far since time 0.

    Returns:
        How much lower than upright the trunk is, so that the rear foot's toes stay on the ground; pose (4, 4) of each limb in
        the frame of the lowered trunk (right, down, forward).
    """
    turn = 2 * math.pi * walked_m / (4 * figure.leg_m * math.sin(STRIDE_RAD)) + figure.phase_rad
    poses: list[Matrix] = []
    for limb_ in figure.limbs:
        own = turn if limb_.side < 0 else turn + math.pi
        angle = {
            "thigh": STRIDE_RAD * math.sin(own),
            "shin": -KNEE_RAD * max(0.0, math.cos(own)) ** 2,
            "arm": -ARM_SHARE * STRIDE_RAD * math.sin(own),
        }[limb_.kind]
        pose = _about(limb_.hinge_m, angle)
        poses.append(pose if limb_.parent is None else poses[limb_.parent] @ pose)
    angle = abs(STRIDE_RAD * math.sin(turn))
    return figure.leg_m * (1 - math.cos(angle)) - TOE_M * math.sin(angle), poses


def _about(hinge_m: tuple[float, float], angle: float) -> Matrix:
    """(4, 4) turn that brings what hangs down forward, in (right, down, forward)."""
    c, s = math.cos(angle), math.sin(angle)
    pose, hinge = np.eye(4), np.array([0.0, -hinge_m[0], hinge_m[1]])
    pose[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    pose[:3, 3] = hinge - pose[:3, :3] @ hinge
    return pose


def cyclist(thing: Thing) -> Mesh:
    """A bicycle with its rider."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (0.6, 1.72, 1.75), rng)
    radius = 0.34
    rear, front = radius - length / 2, length / 2 - radius
    parts = []
    for z in (rear, front):
        rim = _ring(radius, 0.022, TYRE)
        parts.append(moved(rim, (0, radius, z)))
    crank, seat, bars = (0, 0.30, -0.05), (0, 0.92, -0.28), (0, 1.02, front - 0.12)
    tubes = ((crank, seat), (crank, (0, 0.85, bars[2] - 0.02)), ((0, 0.82, seat[2] + 0.03), (0, 0.86, bars[2] - 0.04)),
             ((0, radius, front), bars), ((0, radius, rear), crank), ((0, radius, rear), (0, 0.84, seat[2])),
             ((-width / 2, 1.03, bars[2]), (width / 2, 1.03, bars[2])))  # fmt: skip
    parts += [limb(a, b, (0.02, 0.02), FRAME, 6) for a, b in tubes]
    parts.append(box((0.15, 0.06, 0.26), SHOES, (0, 0.92, seat[2])))
    hands = (width * 0.42, 1.05, bars[2])
    return join(
        [*parts, rider(rng, (0.97, seat[2]), hands, (0.28, -0.02), height, helmet=bool(rng.random() < 0.5), top=thing.colour)]
    )


def rider(
    rng: np.random.Generator,
    seat: tuple[float, float],
    hands: tuple[float, float, float],
    foot: tuple[float, float],
    head_m: float,
    helmet: bool,
    top: tuple[float, float, float] | None = None,
) -> Mesh:
    """Somebody sitting at (up, forward), hands at +-(right, up, forward), feet about (up, forward)."""
    skin, hair, cloth, legs = _looks(rng)
    jacket = Material(top, "cloth") if top else cloth
    hip_up, hip_z = seat
    neck = (0.0, head_m - 0.27, hip_z + 0.28)
    parts = [limb((0, hip_up, hip_z), neck, (0.15, 0.17), jacket, 12)]
    for side in (-1, 1):
        lift = 0.14 * side
        low = (side * 0.12, foot[0] + lift * 0.6, foot[1] + 0.06)
        knee = (side * 0.16, (hip_up + low[1]) / 2 + 0.12, hip_z + 0.38)
        parts += [limb((side * 0.1, hip_up, hip_z), knee, (0.09, 0.065), legs), limb(knee, low, (0.06, 0.045), legs)]
        parts.append(box((0.09, 0.07, 0.26), SHOES, (low[0], low[1] - 0.06, low[2] + 0.04)))
        elbow = (side * 0.28, (neck[1] + hands[1]) / 2 - 0.06, (neck[2] + hands[2]) / 2)
        shoulder = (side * 0.17, neck[1] - 0.04, neck[2] - 0.02)
        parts += [
            limb(shoulder, elbow, (0.055, 0.045), jacket),
            limb(elbow, (side * hands[0], *hands[1:]), (0.045, 0.035), jacket),
        ]
    cover = Material((0.75, 0.74, 0.72), "flat", gloss=0.4) if helmet else hair
    parts += [moved(part, (0, 0, neck[2] + 0.06)) for part in _head(skin, cover, neck[1], head_m, 1.15 if helmet else 1.0)]
    return join(parts)


def _looks(rng: np.random.Generator) -> tuple[Material, Material, Material, Material]:
    def one(choices: tuple[tuple[float, float, float], ...], texture: str) -> Material:
        return Material(choices[int(rng.integers(len(choices)))], texture)

    return one(SKINS, "flat"), one(HAIRS, "flat"), one(TOPS, "cloth"), one(TROUSERS, "cloth")


def _trunk(top: Material, legs: Material, hip: float, shoulder: float, wide: float, deep: float) -> list[Mesh]:
    tall = shoulder - hip
    coat = cylinder((wide * 1.42, tall, deep * 0.82), top, 14, 1.12)
    yoke = ellipsoid((wide * 1.72, 0.16, deep * 0.9), top, (0, shoulder - 0.09, 0))
    return [moved(coat, (0, hip - 0.02, 0)), yoke, ellipsoid((wide * 1.4, 0.22, deep * 0.85), legs, (0, hip - 0.14, 0))]


def _head(skin: Material, hair: Material, shoulder: float, height: float, cap: float = 1.0) -> list[Mesh]:
    size = height - shoulder
    face = ellipsoid((0.155, size * 0.72, 0.19), skin, (0, height - size * 0.74, 0.02))
    top = ellipsoid((0.175 * cap, size * 0.46 * cap, 0.21 * cap), hair, (0, height - size * 0.46, -0.015))
    return [limb((0, shoulder - 0.04, 0), (0, height - size * 0.5, 0.01), (0.06, 0.055), skin), face, top]


def _ring(radius: float, thick: float, material: Material) -> Mesh:
    """A tyre round the right axis."""
    angles = [2 * math.pi * k / 16 for k in range(17)]
    points = [(0.0, radius * math.sin(a), radius * math.cos(a)) for a in angles]
    return join([limb(a, b, (thick, thick), material, 5) for a, b in itertools.pairwise(points)])
