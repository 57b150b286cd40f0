"""Streets and country roads, drawn by a seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from lapdepth.synthetic.conditions import any_lens, dashcam, weather, within
from lapdepth.synthetic.scene import (
    Arc,
    Camera,
    Colour,
    Ground,
    Key,
    Kind,
    Motion,
    Road,
    Scene,
    Surface,
    Thing,
    Wave,
)

Place = Literal["town", "suburb", "country"]

KERB_M = 0.12
MEADOWS: tuple[Colour, ...] = ((0.34, 0.39, 0.20), (0.42, 0.43, 0.24), (0.46, 0.42, 0.27))
VEHICLES: tuple[Kind, ...] = ("car", "car", "car", "car", "car", "van", "van", "truck", "motorcycle", "cyclist")


def road_scene(seed: int, camera: Camera | None = None) -> Scene:
    """A drive of four seconds along a road with traffic, people, trees and houses.

    Args:
        seed: Decides everything else.
        camera: Size, focal length, height and angles of the camera; its motion is replaced. `None` draws them too.
    """
    rng = np.random.default_rng((seed, 1))
    place: Place = ("town", "suburb", "country")[int(rng.integers(3))]
    road = _road(rng, place)
    waves: tuple[Wave, ...] = ()
    if place != "town" and rng.random() < 0.7:
        heading = float(rng.uniform(-40, 40))
        waves = (
            Wave(
                amplitude_m=within(rng, 0.4, 2.2),
                length_m=within(rng, 110, 260),
                heading_deg=heading,
                phase_deg=within(rng, 0, 360),
            ),
        )
    speed = {"town": 11.0, "suburb": 14.0, "country": 22.0}[place] * within(rng, 0.6, 1.1)
    lane = road.lane_width_m * (0.5 + int(rng.integers(road.lanes_right)))
    motion = Motion(on="road", x_m=lane + within(rng, -0.2, 0.2), yaw_deg=within(rng, -1, 1), speed_mps=speed)
    if camera is None:
        camera = dashcam(rng)
    surface: Surface = "paving" if place == "town" else "grass"
    colour = (0.50, 0.48, 0.45) if place == "town" else MEADOWS[int(rng.integers(len(MEADOWS)))]
    objects = [*_traffic(rng, road, lane, speed), *_parked(rng, road, place), *_people(rng, road, place)]
    objects += [*_houses(rng, road, place), *_green(rng, road, place), *_furniture(rng, road, place)]
    return Scene(
        name=f"road_{seed:06d}",
        seed=seed,
        duration_s=4.0,
        camera=camera.model_copy(update={"motion": motion}),
        ground=Ground(surface=surface, colour=colour, waves=waves),
        road=road,
        objects=tuple(objects),
        light=weather(rng),
        lens=any_lens(rng),
    )


def _road(rng: np.random.Generator, place: Place) -> Road:
    arcs: list[Arc] = []
    sharpest = {"town": 1 / 60, "suburb": 1 / 90, "country": 1 / 180}[place]
    straight = rng.random() < 0.4
    for _ in range(6):
        arcs.append(Arc(length_m=within(rng, 15, 60)))
        if not straight:
            arcs.append(Arc(length_m=within(rng, 20, 60), curvature_per_m=within(rng, -sharpest, sharpest)))
    grey = within(rng, 0.28, 0.46)
    lanes = 2 if place == "town" and rng.random() < 0.3 else 1
    return Road(
        arcs=tuple(arcs),
        lanes_left=lanes,
        lanes_right=lanes,
        lane_width_m=within(rng, 2.9, 3.7),
        shoulder_m=within(rng, 0.2, 0.6) if place == "country" else float(rng.choice([0.3, 2.3])),
        pavement_m=0.0 if place == "country" else within(rng, 1.6, 3.5),
        markings=bool(place == "country" or rng.random() < 0.75),
        colour=(grey, grey, grey),
    )


def _traffic(rng: np.random.Generator, road: Road, own_m: float, speed: float) -> Iterator[Thing]:
    """What drives in each lane, with gaps that no two share."""
    for number in range(-road.lanes_left, road.lanes_right):
        offset = road.lane_width_m * (number + 0.5)
        oncoming = number < 0
        along = within(rng, 9, 40) if abs(offset - own_m) < 0.1 else within(rng, -20, 40)
        flow = speed * within(rng, 0.85, 1.1)
        while along < 150:
            kind = VEHICLES[int(rng.integers(len(VEHICLES)))]
            pace = flow if kind != "cyclist" else min(flow, 6.0)
            aside = 0.0 if kind not in ("cyclist", "motorcycle") else within(rng, 0.3, 1.0) * (-1 if oncoming else 1)
            motion = Motion(on="road", x_m=offset + aside, z_m=along, yaw_deg=180.0 if oncoming else 0.0, speed_mps=pace)
            yield Thing(kind=kind, motion=motion, seed=int(rng.integers(2**31)))
            along += within(rng, 14, 60)


def _parked(rng: np.random.Generator, road: Road, place: Place) -> Iterator[Thing]:
    if road.shoulder_m < 2 or place == "country":
        return
    for side, edge in zip((-1, 1), road.edges_m, strict=True):
        along, share = within(rng, -5, 8), within(rng, 0.3, 0.95)
        while along < 120:
            if rng.random() < share:
                kind: Kind = "van" if rng.random() < 0.12 else "car"
                yaw = (180.0 if side < 0 else 0.0) + within(rng, -2, 2)
                motion = Motion(on="road", x_m=edge - side * within(rng, 1.05, 1.25), z_m=along, yaw_deg=yaw)
                yield Thing(kind=kind, motion=motion, seed=int(rng.integers(2**31)))
            along += within(rng, 5.6, 7.5)


def _people(rng: np.random.Generator, road: Road, place: Place) -> Iterator[Thing]:
    count = {"town": 14, "suburb": 5, "country": 1}[place]
    for _ in range(int(rng.integers(count // 2, count + 1))):
        side = int(rng.choice([-1, 1]))
        edge = road.edges_m[0 if side < 0 else 1]
        ahead = bool(rng.random() < 0.5)
        along, speed = within(rng, 4, 80), float(rng.choice([0.0, 1.3]))
        base, beyond = (
            (KERB_M, within(rng, 0.5, max(0.6, road.pavement_m - 0.3))) if road.pavement_m else (0.0, within(rng, 0.4, 1.5))
        )
        motion = Motion(on="road", x_m=edge + side * beyond, z_m=along, yaw_deg=0.0 if ahead else 180.0, speed_mps=speed)
        yield Thing(kind="pedestrian", base_m=base, motion=motion, seed=int(rng.integers(2**31)))
    if place != "country" and rng.random() < 0.35:  # somebody crosses
        edge, along, walk = road.edges_m[1], within(rng, 12, 50), within(rng, 1.0, 1.6)
        keys = tuple(Key(time_s=time, x_m=edge - walk * (time + 1), z_m=along, yaw_deg=-90) for time in (-1.0, 5.0))
        yield Thing(kind="pedestrian", motion=Motion(on="road", keys=keys), seed=int(rng.integers(2**31)))


def _houses(rng: np.random.Generator, road: Road, place: Place) -> Iterator[Thing]:
    gap = {"town": (0.0, 1.5), "suburb": (5.0, 22.0), "country": (60.0, 200.0)}[place]
    for side, edge in zip((-1, 1), road.edges_m, strict=True):
        along = within(rng, -15, 10) + (within(rng, 0, 120) if place == "country" else 0)
        while along < 220:
            deep = within(rng, 8, 13)
            wide, tall = within(rng, 9, 18), within(rng, 9, 20) if place == "town" else within(rng, 5.5, 9.5)
            back = within(rng, 0.3, 1.0) if place == "town" else within(rng, 5, 14)
            offset = edge + side * (road.pavement_m + back + deep / 2 + 0.2)
            motion = Motion(on="road", x_m=offset, z_m=along + wide / 2, yaw_deg=0.0 if rng.random() < 0.6 else 90.0)
            size = (deep, tall, wide) if motion.yaw_deg == 0 else (wide, tall, deep)
            yield Thing(kind="house", size_m=size, motion=motion, seed=int(rng.integers(2**31)))
            along += wide + within(rng, *gap)


def _green(rng: np.random.Generator, road: Road, place: Place) -> Iterator[Thing]:
    step = {"town": (14, 60), "suburb": (9, 30), "country": (5, 22)}[place]
    for side, edge in zip((-1, 1), road.edges_m, strict=True):
        along = within(rng, 0, 25)
        row = rng.random() < 0.5
        while along < 200:
            beyond = road.pavement_m * 0.3 + 0.4 if place == "town" else road.pavement_m + within(rng, 2, 3 if row else 25)
            tall = within(rng, 4, 7) if place == "town" else within(rng, 5, 13)
            wide = tall * within(rng, 0.45, 0.75)
            motion = Motion(on="road", x_m=edge + side * (beyond + (0 if place == "town" else 0.3 * wide)), z_m=along)
            base = KERB_M if place == "town" else 0.0
            yield Thing(kind="tree", size_m=(wide, tall, wide), base_m=base, motion=motion, seed=int(rng.integers(2**31)))
            if place != "town" and rng.random() < 0.5:
                aside = Motion(
                    on="road", x_m=edge + side * (road.pavement_m + within(rng, 1.2, 8)), z_m=along + within(rng, 1, 8)
                )
                size = (within(rng, 1, 2), within(rng, 0.7, 1.9), within(rng, 1, 7))
                yield Thing(kind="bush", size_m=size, motion=aside, seed=int(rng.integers(2**31)))
            along += within(rng, *step)


def _furniture(rng: np.random.Generator, road: Road, place: Place) -> Iterator[Thing]:
    """Lamps, signs, poles, barriers, walls, a gantry."""
    for side, edge in zip((-1, 1), road.edges_m, strict=True):
        lamps = rng.random() < {"town": 0.8, "suburb": 0.7, "country": 0.15}[place]
        base, beyond = (KERB_M, 0.4) if road.pavement_m else (0.0, 1.2)
        step, along = within(rng, 22, 35), within(rng, 0, 20)
        while along < 200:
            motion = Motion(on="road", x_m=edge + side * beyond, z_m=along, yaw_deg=-90.0 * side)
            if lamps:
                yield Thing(kind="lamp", base_m=base, motion=motion)
            elif rng.random() < 0.4:
                yield Thing(kind="pole", base_m=base, motion=motion, seed=int(rng.integers(2**31)))
            along += step
        for _ in range(int(rng.integers(0, 4))):
            turned = Motion(
                on="road", x_m=edge + side * (beyond + 0.1), z_m=within(rng, 8, 110), yaw_deg=0.0 if side > 0 else 180.0
            )
            yield Thing(kind="sign", base_m=base, motion=turned, seed=int(rng.integers(2**31)))
        if place == "country" and rng.random() < 0.4:
            start, count = within(rng, 0, 30), int(rng.integers(4, 12))
            for k in range(count):
                yield Thing(kind="rail", motion=Motion(on="road", x_m=edge + side * 0.8, z_m=start + 8 * k, yaw_deg=0.0))
        if place == "suburb" and rng.random() < 0.6:
            wall = int(rng.integers(2**31))
            for k in range(int(rng.integers(2, 10))):
                motion = Motion(on="road", x_m=edge + side * (road.pavement_m + 0.5), z_m=5 + 10.0 * k)
                yield Thing(kind="wall", motion=motion, seed=wall)
    if place == "country" and rng.random() < 0.2:
        yield Thing(kind="gantry", motion=Motion(on="road", z_m=within(rng, 40, 120)))
