"""People: on foot, and riding. NumPy, no PyTorch."""

from __future__ import annotations

import itertools
import math

import numpy as np

from lapdepth.synthetic.choices import colour_or, size_or
from lapdepth.synthetic.mesh import Material, Mesh, box, cylinder, ellipsoid, join, limb, moved
from lapdepth.synthetic.scene import Thing

SKINS = ((0.86, 0.68, 0.56), (0.72, 0.53, 0.41), (0.50, 0.35, 0.26), (0.34, 0.23, 0.17))
HAIRS = ((0.10, 0.08, 0.07), (0.22, 0.14, 0.09), (0.45, 0.33, 0.18), (0.55, 0.54, 0.52))
TOPS = ((0.75, 0.73, 0.70), (0.15, 0.17, 0.24), (0.55, 0.14, 0.14), (0.20, 0.32, 0.25), (0.20, 0.28, 0.48), (0.62, 0.50, 0.30),
        (0.12, 0.12, 0.12), (0.50, 0.50, 0.52))  # fmt: skip
TROUSERS = ((0.14, 0.17, 0.27), (0.12, 0.12, 0.13), (0.42, 0.37, 0.30), (0.28, 0.28, 0.30), (0.22, 0.28, 0.40))
SHOES = Material((0.10, 0.09, 0.08), "flat")
FRAME = Material((0.20, 0.22, 0.25), "flat", gloss=0.4)
TYRE = Material((0.10, 0.10, 0.10), "flat")


def pedestrian(thing: Thing) -> Mesh:
    """Somebody in mid-stride, or standing if the motion has no speed."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (0.5, 1.72, 0.5), rng)
    skin, hair, _, legs = _looks(rng)
    top = Material(colour_or(thing, TOPS, rng), "cloth")
    stride = 0.30 if thing.motion.speed_mps > 0 or thing.motion.keys else 0.03
    swing = stride * float(rng.uniform(0.5, 1.0)) * (1 if rng.random() < 0.5 else -1)
    hip, shoulder, wide, deep = 0.50 * height, 0.80 * height, width * 0.5, length * 0.5
    parts = []
    for side, ahead in ((-1, swing), (1, -swing)):
        foot = (side * 0.09, 0.05 * height, ahead * height * 0.42)
        knee = (side * 0.095, 0.27 * height, ahead * height * 0.25 + 0.04)
        parts += [limb((side * 0.09, hip, 0), knee, (0.085, 0.062), legs), limb(knee, foot, (0.06, 0.045), legs)]
        parts.append(box((0.09, 0.06, 0.25), SHOES, (foot[0], foot[1] - 0.05, foot[2] + 0.05)))
        elbow = (side * (wide * 0.98), 0.63 * height, -ahead * 0.18 - 0.02)
        hand = (side * (wide * 0.92), 0.49 * height, -ahead * 0.45 + 0.06)
        parts += [
            limb((side * wide * 0.82, shoulder - 0.02, 0), elbow, (0.055, 0.045), top),
            limb(elbow, hand, (0.044, 0.035), top),
        ]
        parts.append(ellipsoid((0.07, 0.11, 0.06), skin, (hand[0], hand[1] - 0.09, hand[2])))
    return join([*parts, *_trunk(top, legs, hip, shoulder, wide, deep), *_head(skin, hair, shoulder, height)])


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
