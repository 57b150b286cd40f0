"""Open ground without a road: meadows, fields, yards, with what stands about on them. Drawn by a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from lapdepth.synthetic.conditions import any_lens, weather, within
from lapdepth.synthetic.scene import Camera, Colour, Ground, Key, Kind, Motion, Scene, Size, Surface, Thing, Wave

GROUNDS: tuple[tuple[Surface, Colour], ...] = (
    ("grass", (0.34, 0.39, 0.20)),
    ("grass", (0.46, 0.42, 0.27)),
    ("earth", (0.45, 0.36, 0.27)),
    ("earth", (0.58, 0.50, 0.38)),
    ("paving", (0.50, 0.48, 0.45)),
    ("asphalt", (0.36, 0.36, 0.37)),
)
GREEN: tuple[Kind, ...] = ("tree", "tree", "tree", "bush", "bush")
BUILT: tuple[Kind, ...] = ("pole", "lamp", "sign", "wall", "rail", "house")
SHAPES: tuple[Kind, ...] = ("box", "box", "cylinder", "wedge", "ellipsoid")
LIVELY: tuple[Kind, ...] = ("pedestrian", "pedestrian", "pedestrian", "car", "van", "cyclist")
SURFACES: tuple[Surface, ...] = ("plain", "wood", "brick", "plaster", "checks", "tiles")
NEAR_M = 2.5
"""Nothing stands nearer to the camera's way."""


def open_scene(seed: int, camera: Camera | None = None) -> Scene:
    """Four seconds of a walk over open ground, among trees, walls, crates and people.

    Args:
        seed: Decides everything else.
        camera: Size, focal length, height and angles of the camera; its motion is replaced. `None` draws them too.
    """
    rng = np.random.default_rng((seed, 5))
    surface, colour = GROUNDS[int(rng.integers(len(GROUNDS)))]
    natural = surface in ("grass", "earth")
    waves = tuple(_waves(rng)) if natural and rng.random() < 0.75 else ()
    grades = {"grade": within(rng, -0.06, 0.06), "camber": within(rng, -0.06, 0.06)} if rng.random() < 0.3 else {}
    if camera is None:
        camera = Camera(
            height=320, focal_px=within(rng, 330, 520), height_m=within(rng, 0.5, 2.2), pitch_deg=within(rng, -4, 14),
            roll_deg=within(rng, -3, 3),
        )  # fmt: skip
    turn, pace = within(rng, -5, 5), within(rng, 0, 1.6)
    keys = tuple(Key(time_s=time, z_m=round(pace * time, 3), yaw_deg=round(turn * time / 4, 3)) for time in (0.0, 4.0))
    return Scene(
        name=f"open_{seed:06d}",
        seed=seed,
        duration_s=4.0,
        camera=camera.model_copy(update={"motion": Motion(keys=keys)}),
        ground=Ground(surface=surface, colour=colour, waves=waves, **grades),
        objects=tuple(_things(rng, natural)),
        light=weather(rng),
        lens=any_lens(rng),
    )


def _waves(rng: np.random.Generator) -> Iterator[Wave]:
    for low, high, steepest in ((25, 60, 0.05), (120, 400, 0.14)):
        length = within(rng, low, high)
        height = round(within(rng, 0, steepest) * length / (2 * math.pi), 3)
        yield Wave(amplitude_m=height, length_m=length, heading_deg=within(rng, -90, 90), phase_deg=within(rng, 0, 360))


def _things(rng: np.random.Generator, natural: bool) -> Iterator[Thing]:
    """Far and near alike many in the picture: distance is drawn evenly in the logarithm."""
    groups = (GREEN, SHAPES, BUILT, LIVELY)
    shares = (0.55, 0.15, 0.12, 0.18) if natural else (0.15, 0.4, 0.2, 0.25)
    placed: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(15, 60))):
        group = groups[int(rng.choice(len(groups), p=shares))]
        kind = group[int(rng.integers(len(group)))]
        distance, angle = float(np.exp(rng.uniform(math.log(3), math.log(90)))), within(rng, -0.9, 0.9)
        x, z = round(distance * math.sin(angle), 3), round(distance * math.cos(angle), 3)
        size, reach = _size(rng, kind)
        seed, yaw = int(rng.integers(2**31)), within(rng, 0, 360)
        speed = float(rng.choice([0.0, 1.3])) if kind == "pedestrian" else 4.0 if kind == "cyclist" else 0.0
        grey = within(rng, 0.2, 0.75)
        surface = SURFACES[int(rng.integers(len(SURFACES)))]
        on_the_way = abs(x) < NEAR_M + reach and z < 9 + reach
        if on_the_way or any(math.hypot(x - px, z - pz) < reach + other for px, pz, other in placed):
            continue
        placed.append((x, z, reach + speed))
        motion = Motion(x_m=x, z_m=z, yaw_deg=yaw, speed_mps=speed)
        if kind in SHAPES:
            tint = (grey, round(grey * 0.95, 3), round(grey * 0.85, 3))
            yield Thing(kind=kind, size_m=size, colour=tint, surface=surface, motion=motion, seed=seed)
        else:
            yield Thing(kind=kind, size_m=size, motion=motion, seed=seed)


def _size(rng: np.random.Generator, kind: Kind) -> tuple[Size | None, float]:
    """Size, or `None` for the kind's usual one, and how far it reaches from its middle."""
    side = [within(rng, 0.4, 2.2) for _ in range(3)]
    if kind in SHAPES:
        return (side[0], side[1], side[2]), max(side[0], side[2]) * 0.75
    if kind == "tree":
        tall = round(5 + 4 * side[0], 3)
        return (round(0.6 * tall, 3), tall, round(0.6 * tall, 3)), 0.3 * tall
    if kind == "house":
        return (round(7 + 2 * side[0], 3), round(5 + side[1], 3), round(8 + 3 * side[2], 3)), 9.5
    return None, {"bush": 1.0, "wall": 5.2, "rail": 4.2, "car": 2.4, "van": 2.9, "lamp": 1.7}.get(kind, 0.8)
