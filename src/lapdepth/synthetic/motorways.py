"""Motorways and other wide roads through open country, drawn by a seed.

They are what `lapdepth.synthetic.roads` lacks: up to five lanes that are wide and straight for long, and little beside them whose
size could tell how far a car is. A network that knew none put cars on them a fifth too near.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lapdepth.synthetic.conditions import any_lens, dashcam, weather, within
from lapdepth.synthetic.roads import MEADOWS
from lapdepth.synthetic.scene import Arc, Camera, Ground, Kind, Motion, Road, Scene, Thing, Wave

VEHICLES: tuple[Kind, ...] = ("car", "car", "car", "car", "car", "car", "van", "truck", "truck", "motorcycle")
FAR_M = 180.0
"""Things stand up to this far ahead."""


def motorway_scene(seed: int, camera: Camera | None = None) -> Scene:
    """A drive of four seconds in one of the lanes of a wide road.

    Args:
        seed: Decides everything else.
        camera: Size, focal length, height and angles of the camera; its motion is replaced. `None` draws them too.
    """
    rng = np.random.default_rng((seed, 6))
    divided = bool(rng.random() < 0.5)  # the other carriageway is out of sight
    grey = within(rng, 0.26, 0.46)
    road = Road(
        arcs=tuple(_bends(rng)),
        lanes_left=0 if divided else int(rng.integers(1, 3)),
        lanes_right=int(rng.integers(2, 5)) if divided else int(rng.integers(2, 4)),
        lane_width_m=within(rng, 3.2, 3.8),
        shoulder_m=within(rng, 0.3, 3.0),
        colour=(grey, grey, grey),
    )
    own = int(rng.integers(road.lanes_right))
    speed = within(rng, 17, 36)
    motion = Motion(
        on="road",
        x_m=road.lane_width_m * (own + 0.5) + within(rng, -0.3, 0.3),
        yaw_deg=within(rng, -1, 1),
        speed_mps=speed,
    )
    if camera is None:
        camera = dashcam(rng)
    waves: tuple[Wave, ...] = ()
    if rng.random() < 0.5:
        length = within(rng, 250, 600)
        waves = (
            Wave(
                amplitude_m=round(length * within(rng, 0.002, 0.006), 3),
                length_m=length,
                heading_deg=within(rng, -40, 40),
                phase_deg=within(rng, 0, 360),
            ),
        )
    return Scene(
        name=f"motorway_{seed:06d}",
        seed=seed,
        duration_s=4.0,
        camera=camera.model_copy(update={"motion": motion}),
        ground=Ground(surface="grass", colour=MEADOWS[int(rng.integers(len(MEADOWS)))], waves=waves),
        road=road,
        objects=(*_traffic(rng, road, own, speed), *_beside(rng, road)),
        light=weather(rng),
        lens=any_lens(rng),
    )


def _bends(rng: np.random.Generator) -> Iterator[Arc]:
    if rng.random() < 0.5:
        return
    for _ in range(3):
        yield Arc(length_m=within(rng, 20, 150))
        yield Arc(length_m=within(rng, 60, 200), curvature_per_m=within(rng, -1 / 350, 1 / 350))


def _traffic(rng: np.random.Generator, road: Road, own: int, speed: float) -> Iterator[Thing]:
    """What drives in each lane, faster and farther apart than in a town; the own lane always has somebody ahead."""
    for lane in range(-road.lanes_left, road.lanes_right):
        oncoming = lane < 0
        if lane != own and rng.random() < 0.3:
            continue
        along = within(rng, 8, 70) if lane == own else within(rng, -20, 60)
        pace = round(speed * within(rng, 0.7, 1.1), 3)
        while along < FAR_M:
            motion = Motion(
                on="road",
                x_m=round(road.lane_width_m * (lane + 0.5) + within(rng, -0.3, 0.3), 3),
                z_m=along,
                yaw_deg=180.0 if oncoming else 0.0,
                speed_mps=pace,
            )
            yield Thing(kind=VEHICLES[int(rng.integers(len(VEHICLES)))], motion=motion, seed=int(rng.integers(2**31)))
            along += within(rng, 15, 90)


def _beside(rng: np.random.Generator, road: Road) -> Iterator[Thing]:
    """Rails, trees, bushes, poles and houses on both sides, many or none; a gantry or an overpass."""

    def seed() -> int:
        return int(rng.integers(2**31))

    for side, edge in zip((-1, 1), road.edges_m, strict=True):
        if rng.random() < 0.4:
            for along in np.arange(within(rng, 0, 8), 120, 8):
                yield Thing(kind="rail", motion=Motion(on="road", x_m=edge + side * 0.8, z_m=round(float(along), 3)))
        step = (0.0, 40.0, 15.0)[int(rng.integers(3))]
        along = within(rng, 0, 30)
        while step and along < FAR_M:
            draw, aside, tall = float(rng.random()), within(rng, 0, 20), within(rng, 4, 13)
            if draw < 0.5:
                wide = round(tall * within(rng, 0.45, 0.75), 3)
                place = Motion(on="road", x_m=round(edge + side * (3 + wide / 2 + aside), 3), z_m=along)
                yield Thing(kind="tree", size_m=(wide, tall, wide), motion=place, seed=seed())
            elif draw < 0.75:
                size = within(rng, 1, 2), within(rng, 0.7, 1.9), within(rng, 1, 7)
                place = Motion(on="road", x_m=round(edge + side * (2.5 + aside), 3), z_m=along)
                yield Thing(kind="bush", size_m=size, motion=place, seed=seed())
            elif draw < 0.9:
                yield Thing(kind="pole", motion=Motion(on="road", x_m=edge + side * 1.5, z_m=along), seed=seed())
            else:
                size = within(rng, 8, 14), within(rng, 5, 9), within(rng, 9, 18)
                place = Motion(on="road", x_m=round(edge + side * (14 + aside), 3), z_m=along)
                yield Thing(kind="house", size_m=size, motion=place, seed=seed())
            along += round(step * within(rng, 0.4, 1.6), 3)
    draw = float(rng.random())
    place = Motion(on="road", z_m=within(rng, 40, 130))
    if draw < 0.2:
        yield Thing(kind="gantry", motion=place)
    elif draw < 0.35:
        low, high = road.edges_m
        across = round(2 * max(-low, high) + 4, 3)
        yield Thing(kind="bridge", size_m=(across, within(rng, 4.7, 6), within(rng, 7, 14)), motion=place)
