"""Roads with what `lapdepth.synthetic.roads` leaves out: hills, junctions where cars wait, an overpass. Drawn by a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from lapdepth.synthetic.conditions import within
from lapdepth.synthetic.motion import place_at, road_place
from lapdepth.synthetic.roads import road_scene
from lapdepth.synthetic.scene import Camera, Junction, Kind, Leg, Motion, Road, Scene, Thing, Wave

Strip = tuple[float, float, float, float, float]
"""Ends (x, z), (x, z) of a straight piece of ground, and half its width."""

REACH_M: dict[Kind, float] = {"tree": 0.6, "bush": 2.0, "car": 2.5, "van": 3.0, "rail": 4.2, "wall": 5.2, "gantry": 0.0}
"""Radius of what names no size of its own; of anything else `SMALL_M`."""
SMALL_M = 0.5
CLEAR_M = 12.0
"""A side road ends where it would come so near to the road again."""


def drive_scene(seed: int, camera: Camera | None = None) -> Scene:
    """The road of `road_scene` with the same seed, and with hills, junctions and an overpass where the seed has them.

    Args:
        seed: Decides everything else.
        camera: As for `road_scene`.
    """
    scene = road_scene(seed, camera)
    rng = np.random.default_rng((seed, 4))
    assert scene.road is not None
    ground, road = scene.ground, scene.road
    if ground.surface != "paving" and rng.random() < 0.6:  # not in towns
        length, slope = within(rng, 200, 500), within(rng, 0.03, 0.09)
        hill = Wave(
            amplitude_m=round(slope * length / (2 * math.pi), 3),
            length_m=length,
            heading_deg=within(rng, -60, 60),
            phase_deg=within(rng, 0, 360),
        )
        ground = ground.model_copy(update={"waves": (*ground.waves, hill)})
    junctions = tuple(_junctions(rng, road))
    road = road.model_copy(update={"junctions": junctions})
    strips = [strip for junction in junctions for strip in _side_roads(road, junction)]
    kept = [thing for thing in scene.objects if not _stands_on(thing, road, strips, scene.duration_s)]
    added = [thing for junction in junctions for thing in _waiting(rng, road, junction)]
    along = within(rng, 45, 130)
    if rng.random() < 0.45 and all(abs(along - junction.along_m) > 30 for junction in junctions):
        low, high = road.edges_m
        across = 2 * max(-low, high) + 2 * road.pavement_m + 2.5
        size = (round(across, 3), within(rng, 4.6, 6), within(rng, 7, 14))
        kept = [thing for thing in kept if not _stands_on(thing, road, [_under(road, along, size)], 0.0)]
        added.append(Thing(kind="bridge", size_m=size, motion=Motion(on="road", z_m=along)))
    objects = (*kept, *added)
    return scene.model_copy(update={"name": f"drive_{seed:06d}", "ground": ground, "road": road, "objects": objects})


def _junctions(rng: np.random.Generator, road: Road) -> Iterator[Junction]:
    for low, high in ((14, 45), (65, 110)):
        along, width = within(rng, low, high), within(rng, 5, 8)
        sides = ("left", "right", "both")[int(rng.integers(3))]
        if rng.random() < 0.65:
            junction = Junction.model_validate({"along_m": along, "width_m": width, "sides": sides})
            yield junction.model_copy(update={"length_m": _room_for(road, junction)})


def _room_for(road: Road, junction: Junction) -> float:
    """How far its side roads can go without meeting the road again."""
    far = np.array([road_place(road, float(s))[:2] for s in np.arange(-100, 500, 5) if abs(s - junction.along_m) > 30])
    clear = CLEAR_M + max(-road.edges_m[0], road.edges_m[1]) + road.pavement_m
    for out in range(20, 120, 10):
        for side in (-1, 1):
            x, z, _ = road_place(road, junction.along_m, side * float(out))
            if junction.meets(side) and np.hypot(*(far - (x, z)).T).min() < clear:
                return float(max(out - 10, 10))
    return 120.0


def _side_roads(road: Road, junction: Junction) -> Iterator[Strip]:
    for side, edge in ((-1, road.edges_m[0]), (1, road.edges_m[1])):
        if junction.meets(side):
            near = road_place(road, junction.along_m, edge)[:2]
            far = road_place(road, junction.along_m, edge + side * junction.length_m)[:2]
            yield (*near, *far, junction.width_m / 2 + 2.5)


def _under(road: Road, along_m: float, size: tuple[float, float, float]) -> Strip:
    """The ground that an overpass and its banks stand on."""
    out = size[0] / 2 + 38
    near, far = road_place(road, along_m, -out)[:2], road_place(road, along_m, out)[:2]
    return (*near, *far, size[2] / 2 + 1.5 * (size[1] + 1))


def _stands_on(thing: Thing, road: Road, strips: list[Strip], duration_s: float) -> bool:
    """Whether something that stands, or somebody who walks there, is on one of the strips."""
    if thing.motion.moves and thing.kind != "pedestrian":
        return False
    if thing.size_m is None:
        reach = REACH_M.get(thing.kind, SMALL_M)
    else:
        reach = 0.6 if thing.kind == "tree" else math.hypot(thing.size_m[0], thing.size_m[2]) / 2
    for time_s in np.linspace(0, duration_s, 5):
        x, z, _ = place_at(thing.motion, road, float(time_s))
        for x0, z0, x1, z1, half in strips:
            dx, dz = x1 - x0, z1 - z0
            share = min(max(((x - x0) * dx + (z - z0) * dz) / (dx * dx + dz * dz), 0.0), 1.0)
            if math.hypot(x - x0 - share * dx, z - z0 - share * dz) < half + reach:
                return True
    return False


def _waiting(rng: np.random.Generator, road: Road, junction: Junction) -> Iterator[Thing]:
    """A car that stands at the mouth of a side road, or comes and stops there."""
    for side, edge in ((-1, road.edges_m[0]), (1, road.edges_m[1])):
        if not junction.meets(side) or rng.random() < 0.4:
            continue
        halt = abs(edge) + 6.5 + road.pavement_m
        run, speed = within(rng, 8, 25), within(rng, 4, 9)
        comes = rng.random() < 0.5 and junction.length_m > halt + run
        legs = (Leg(duration_s=2 * run / speed, acceleration_mps2=-(speed**2) / (2 * run)),) if comes else ()
        motion = Motion(
            on="road",
            x_m=round(side * (halt + run * comes), 3),
            z_m=round(junction.along_m + side * junction.width_m / 4, 3),
            yaw_deg=-90.0 * side,
            speed_mps=speed if comes else 0.0,
            legs=legs,
        )
        yield Thing(kind="van" if rng.random() < 0.15 else "car", motion=motion, seed=int(rng.integers(2**31)))
