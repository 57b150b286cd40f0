"""Rooms with furniture, drawn by a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lapdepth.synthetic.conditions import within
from lapdepth.synthetic.furniture import door_m
from lapdepth.synthetic.scene import Camera, Colour, Ground, Key, Kind, Lens, Light, Motion, Scene, Size, Surface, Thing

ALONG_WALLS: tuple[tuple[Kind, Size], ...] = (
    ("sofa", (1.9, 0.82, 0.9)),
    ("shelf", (0.9, 1.9, 0.3)),
    ("cupboard", (1.2, 0.9, 0.45)),
    ("cupboard", (1.0, 1.9, 0.6)),
    ("bed", (1.5, 0.95, 2.05)),
    ("plant", (0.6, 1.1, 0.6)),
    ("chair", (0.44, 0.9, 0.46)),
    ("shelf", (1.4, 1.1, 0.3)),
    ("sofa", (0.95, 0.85, 0.85)),
)
"""What stands with its back to a wall: width, height, depth."""

FLOORS: tuple[tuple[Surface, Colour], ...] = (
    ("wood", (0.55, 0.40, 0.26)),
    ("wood", (0.40, 0.27, 0.18)),
    ("tiles", (0.70, 0.68, 0.64)),
    ("cloth", (0.42, 0.38, 0.36)),
    ("cloth", (0.50, 0.46, 0.38)),
)
USUAL: dict[Kind, Size] = {"chair": (0.44, 0.9, 0.46), "picture": (1.04, 0.78, 0.3)}
"""Largest size of what is placed without one; a picture keeps this far from furniture before it."""
UNDER_M = 0.12
Corners = npt.NDArray[np.float64]
CLUTTER: tuple[Kind, ...] = ("box", "box", "cylinder", "ellipsoid")
SURFACES: tuple[Surface, ...] = ("plain", "wood", "cloth", "checks")


def room_scene(seed: int, camera: Camera | None = None) -> Scene:
    """Two seconds in a furnished room, from a camera held in hand.

    Args:
        seed: Decides everything else.
        camera: Size and focal length of the camera; the rest is replaced. `None`: 640x480 pixels, 520 px.
    """
    rng = np.random.default_rng((seed, 2))
    width, height, length = within(rng, 3.2, 6.0), within(rng, 2.4, 2.9), within(rng, 3.6, 7.0)
    shell = Thing(kind="room", name="room", size_m=(width, height, length), seed=int(rng.integers(2**31)))
    placed = [
        *_walls(rng, width, length),
        *_middle(rng, width, length),
        *_clutter(rng, width, length),
        *_pictures(rng, width, length),
    ]
    objects = [shell, *_apart(placed, door_m(shell), length)]
    camera = (camera or Camera(width=640, height=480, focal_px=520)).model_copy(
        update={
            "height_m": within(rng, 1.1, 1.75),
            "pitch_deg": 0.0,
            "roll_deg": within(rng, -4, 4),
            "motion": _look(rng, width, length),
        }
    )
    light = Light(
        sun_elevation_deg=within(rng, 18, 40), sun_azimuth_deg=-90 + within(rng, -25, 25), sun=within(rng, 0.1, 0.7),
        softness_m=within(rng, 0.1, 0.35), sky=within(rng, 0.5, 1.2), clouds=0.8, indoor=True,
    )  # fmt: skip
    lens = Lens(
        exposure_ev=within(rng, -0.4, 0.6),
        warmth=within(rng, -0.05, 0.25),
        noise=within(rng, 0.003, 0.016),
        blur_px=within(rng, 0.3, 0.8),
    )
    surface, colour = FLOORS[int(rng.integers(len(FLOORS)))]
    ground = Ground(surface=surface, colour=colour)
    return Scene(
        name=f"room_{seed:06d}",
        seed=seed,
        duration_s=2.0,
        camera=camera,
        ground=ground,
        objects=tuple(objects),
        light=light,
        lens=lens,
    )


def _look(rng: np.random.Generator, width: float, length: float) -> Motion:
    """From one end towards the other, with the sway of a hand."""
    x, z = within(rng, -0.32, 0.32) * width, within(rng, -0.46, -0.30) * length
    yaw = math.degrees(math.atan2(within(rng, -0.3, 0.3) * width - x, 0.3 * length - z))
    pitch = within(rng, -2, 22)
    keys = []
    for k in range(5):
        keys.append(Key(time_s=0.5 * k, x_m=round(x, 3), z_m=round(z, 3), yaw_deg=round(yaw, 2), pitch_deg=round(pitch, 2)))
        x, z = x + within(rng, -0.06, 0.06), z + within(rng, 0.0, 0.12)
        yaw, pitch = yaw + within(rng, -5, 5), pitch + within(rng, -2, 2)
    return Motion(keys=tuple(keys))


def _walls(rng: np.random.Generator, width: float, length: float) -> Iterator[Thing]:
    """Furniture along the far wall and both sides; the near wall is behind the camera."""
    for yaw, wall, away in ((180.0, width, length), (90.0, length, width), (-90.0, length, width)):
        along = within(rng, 0.05, 0.5)
        stop = wall - 0.1 if yaw == 180.0 else wall * 0.98
        start = 0.0 if yaw == 180.0 else wall * 0.30  # leave room for the camera, and in the corners
        end = stop if yaw == 180.0 else stop - 0.9
        along += start
        while True:
            kind, (wide, tall, deep) = ALONG_WALLS[int(rng.integers(len(ALONG_WALLS)))]
            wide, tall = wide * within(rng, 0.85, 1.15), tall * within(rng, 0.9, 1.1)
            if along + wide > end:
                break
            side, back = along + wide / 2 - wall / 2, away / 2 - deep / 2 - 0.06
            x, z = {180.0: (side, back), 90.0: (-back, side), -90.0: (back, side)}[yaw]
            motion = Motion(x_m=round(x, 3), z_m=round(z, 3), yaw_deg=yaw + within(rng, -2, 2))
            size = (round(wide, 3), round(tall, 3), deep)
            yield Thing(kind=kind, size_m=size, motion=motion, seed=int(rng.integers(2**31)))
            along += wide + float(rng.choice([0.04, 0.4, 1.0, 1.6])) * within(rng, 0.7, 1.2)


def _middle(rng: np.random.Generator, width: float, length: float) -> Iterator[Thing]:
    """A table with chairs, or a low table on a carpet."""
    x, z = within(rng, -0.14, 0.14) * width, within(rng, 0.02, 0.2) * length
    yaw = within(rng, -15, 15) + float(rng.choice([0.0, 90.0]))
    turn = math.radians(yaw)
    if rng.random() < 0.6:
        spot = Motion(x_m=x, z_m=z, yaw_deg=yaw)
        size = (within(rng, 1.4, 2.4), 0.012, within(rng, 1.2, 2.0))
        colour = (within(rng, 0.3, 0.7), within(rng, 0.25, 0.5), within(rng, 0.2, 0.45))
        yield Thing(kind="box", surface="carpet", size_m=size, colour=colour, motion=spot, seed=int(rng.integers(2**31)))
    low = rng.random() < 0.4
    wide, tall, deep = (within(rng, 0.9, 1.2), 0.44, 0.55) if low else (within(rng, 1.1, 1.7), 0.74, within(rng, 0.7, 0.9))
    yield Thing(kind="table", size_m=(wide, tall, deep), motion=Motion(x_m=x, z_m=z, yaw_deg=yaw), seed=int(rng.integers(2**31)))
    wood = int(rng.integers(2**31))
    for right, ahead, towards in ((-0.25, -0.62, 0), (0.25, -0.62, 0), (-0.25, 0.62, 180), (0.25, 0.62, 180)):
        if low or rng.random() < 0.25:
            continue
        along, across = right * wide, ahead * (deep + 0.25) * within(rng, 0.8, 1.2)
        cx = x + along * math.cos(turn) + across * math.sin(turn)
        cz = z - along * math.sin(turn) + across * math.cos(turn)
        motion = Motion(x_m=round(cx, 3), z_m=round(cz, 3), yaw_deg=yaw + towards + within(rng, -25, 25))
        yield Thing(kind="chair", motion=motion, seed=wood)


def _clutter(rng: np.random.Generator, width: float, length: float) -> Iterator[Thing]:
    """Boxes, balls and bins on the floor."""
    for _ in range(int(rng.integers(1, 7))):
        kind = CLUTTER[int(rng.integers(len(CLUTTER)))]
        size = (within(rng, 0.12, 0.5), within(rng, 0.1, 0.5), within(rng, 0.12, 0.5))
        x, z = within(rng, -0.45, 0.45) * width, within(rng, -0.1, 0.45) * length
        motion = Motion(x_m=round(x, 3), z_m=round(z, 3), yaw_deg=within(rng, 0, 360))
        grey = within(rng, 0.15, 0.7)
        colour = (grey + within(rng, -0.1, 0.25), grey + within(rng, -0.1, 0.15), grey + within(rng, -0.1, 0.15))
        surface = SURFACES[int(rng.integers(len(SURFACES)))]
        yield Thing(kind=kind, size_m=size, colour=colour, surface=surface, motion=motion, seed=int(rng.integers(2**31)))


def _pictures(rng: np.random.Generator, width: float, length: float) -> Iterator[Thing]:
    for _ in range(int(rng.integers(0, 4))):
        yaw = float(rng.choice([180.0, -90.0]))
        wall, away = (width, length) if yaw == 180.0 else (length, width)
        side, back = within(rng, -0.35, 0.35) * wall, away / 2 - 0.012
        x, z = (side, back) if yaw == 180.0 else (back, side)
        motion = Motion(x_m=round(x, 3), z_m=round(z, 3), yaw_deg=yaw)
        yield Thing(kind="picture", base_m=within(rng, 1.3, 1.6), motion=motion, seed=int(rng.integers(2**31)))


def _apart(things: list[Thing], door_x_m: float, length: float) -> Iterator[Thing]:
    """Leave out what would stand in something else or in the way of the door, and pictures behind furniture or the door."""
    doorway = _corners(door_x_m, length / 2 - 0.35, 0.0, 1.1, 0.7)
    kept: list[tuple[Thing, Corners]] = []
    for thing in things:
        motion, (width, _, depth) = thing.motion, thing.size_m or USUAL[thing.kind]
        if thing.kind == "chair" and any(other.kind == "table" for other, _ in kept):
            depth -= 2 * UNDER_M  # it may be pushed under the table
        place = _corners(motion.x_m, motion.z_m, motion.yaw_deg, width, depth)
        if thing.surface == "carpet":
            yield thing
            continue
        others = [there for other, there in kept if (other.size_m or USUAL[other.kind])[1] > thing.base_m]
        if thing.kind != "picture" or motion.yaw_deg == 180.0:  # the door is in the far wall
            others.append(doorway)
        if not any(_meet(place, other) for other in others):
            kept.append((thing, place))
            yield thing


def _corners(x: float, z: float, yaw_deg: float, width: float, depth: float) -> Corners:
    """(4, 2) corners (x, z) of a turned rectangle."""
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    local = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * [width / 2, depth / 2]
    corners: Corners = local @ np.array([[c, -s], [s, c]]) + [x, z]
    return corners


def _meet(one: Corners, other: Corners) -> bool:
    """Whether two rectangles overlap: no side of either has the other wholly beyond it."""
    for sides in (one, other):
        for way in (sides[1] - sides[0], sides[3] - sides[0]):
            a, b = one @ way, other @ way
            if a.max() <= b.min() or b.max() <= a.min():
                return False
    return True
