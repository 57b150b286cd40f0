"""Colour pictures of the track's views: a straight or bent road of three lanes through a country that a seed draws.

The own vehicle keeps to the middle lane. The country repeats after `PERIOD_M`, so that a drive may be of any length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from lapdepth.camera import Intrinsics
from lapdepth.collision.proving.scenarios import BRIDGE, CAR, CYCLIST, MOTORCYCLE, PEDESTRIAN, PLATE, SIGN
from lapdepth.collision.proving.scene import CAMERA_HEIGHT_M, Seen, Solid, View
from lapdepth.errors import InputError
from lapdepth.imaging import ByteArray
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.synthetic.motion import Place, follow_arc
from lapdepth.synthetic.render import Renderer
from lapdepth.synthetic.scene import Arc, Camera, Ground, Kind, Lens, Light, Motion, Road, Scene, Thing

PERIOD_M = 252.0
"""A multiple of the 9 m of the lane's dashes."""
SEEN_M = 180.0
"""Roadside things stand up to this far ahead."""
LANE_M = 3.5
BEND_LENGTH_M = 300.0
"""Longer than any drive of the track through a bend."""
KINDS: dict[str, Kind] = {
    CAR: "car",
    MOTORCYCLE: "motorcycle",
    CYCLIST: "cyclist",
    PEDESTRIAN: "pedestrian",
    PLATE: "box",
    SIGN: "gantry",
    BRIDGE: "box",
}
"""What the renderer draws for each kind of the track."""
LIGHTS = (
    {"clouds": 0.3},
    {"clouds": 0.7, "sun": 0.6},
    {"clouds": 1.0, "sun": 0.1, "softness_m": 0.4},
    {"clouds": 0.2, "visibility_m": 4000.0},
)
"""One of them by seed: clear, cloudy, overcast, hazy. Night, rain and fog are left out."""


class Painter:
    """Draws the views of one run."""

    def __init__(self, seed: int) -> None:
        """Draw by `seed` what does not depend on the view: light, colours, what stands beside the road."""
        self._rng = np.random.default_rng((seed, 4))
        self._seed = seed
        self._renderer: Renderer | None = None
        self._drawn: tuple[object, ...] = ()

    def __call__(self, view: View, camera: Intrinsics) -> ByteArray:
        """(H, W, 3) uint8 RGB of a view.

        Raises:
            InputError: The road of the view goes up or down.
        """
        if math.isfinite(view.bend_m):
            raise InputError("a road that bends up or down cannot be drawn; leave crest and dip out")
        wanted = (camera, view.curvature_1pm, *((one.kind, one.number) for one in view.solids))
        if self._renderer is None or wanted != self._drawn:
            self._rng = np.random.default_rng((self._seed, 4))  # the same country again
            self._renderer, self._drawn = Renderer(_scene(self._rng, self._seed, view, camera)), wanted
        along = view.ego_m if view.curvature_1pm else math.fmod(view.ego_m, PERIOD_M)
        here = follow_arc((0.0, 0.0, 0.0), along, -view.curvature_1pm)
        scene = self._renderer.scene
        first = len(scene.objects) - len(view.solids)
        moved = [
            thing.model_copy(update={"motion": _place(solid, view, here)})
            for thing, solid in zip(scene.objects[first:], view.solids, strict=True)
        ]
        motion = Motion(x_m=here[0], z_m=here[1], yaw_deg=math.degrees(here[2]))
        eye = scene.camera.model_copy(update={"motion": motion})
        self._renderer.scene = scene.model_copy(update={"camera": eye, "objects": (*scene.objects[:first], *moved)})
        return self._renderer.frame(view.time_s).image


class ModelSource:
    """Depth of a network on the pictures of one run."""

    scale = 1.0

    def __init__(self, seed: int, predictor: DepthPredictor) -> None:
        """Draw the surroundings by `seed`."""
        self._paint, self._predict = Painter(seed), predictor

    def __call__(self, view: View, camera: Intrinsics) -> Seen:
        """Depth as the network sees it, with its picture and confidence."""
        picture = self._paint(view, camera)
        found = self._predict(picture, focal_px=camera.focal_px)
        return Seen(found.depth_m, found.valid, picture, found.confidence)


def _place(solid: Solid, view: View, here: Place) -> Motion:
    """Where a thing of the camera's frame is in the world, turned as the road is there."""
    x, z, yaw = here
    ahead = solid.near_m + solid.length_m / 2
    turned = math.degrees(yaw - view.curvature_1pm * ahead) + {PEDESTRIAN: 90.0}.get(solid.kind, 180.0 * solid.oncoming)
    return Motion(
        x_m=x + solid.right_m * math.cos(yaw) + ahead * math.sin(yaw),
        z_m=z - solid.right_m * math.sin(yaw) + ahead * math.cos(yaw),
        yaw_deg=turned,
    )


def _scene(rng: np.random.Generator, seed: int, view: View, camera: Intrinsics) -> Scene:
    """The country, then the things of the view, standing nowhere yet, but as such that move.

    The renderer draws an object's texture by its place in the list: the country keeps its own when things come and go.
    """
    grey = float(rng.uniform(0.28, 0.44))
    k = view.curvature_1pm
    arcs = (Arc(length_m=BEND_LENGTH_M, curvature_per_m=-k / (1 - k * LANE_M / 2)),) if k else ()
    road = Road(x_m=-LANE_M / 2, arcs=arcs, lanes_left=1, lanes_right=2, lane_width_m=LANE_M, colour=(grey, grey, grey))
    light = {**LIGHTS[int(rng.integers(len(LIGHTS)))], "sun_elevation_deg": float(rng.uniform(20, 60))}
    light["sun_azimuth_deg"] = float(rng.uniform(-180, 180))
    meadow = float(rng.uniform(0.33, 0.42))
    country = tuple(_country(rng, road, bool(k)))
    return Scene(
        name="track",
        seed=seed,
        camera=Camera(width=camera.width, height=camera.height, focal_px=camera.focal_px, height_m=CAMERA_HEIGHT_M),
        ground=Ground(colour=(meadow, 0.40, 0.22)),
        road=road,
        objects=(*country, *(_thing(solid, seed) for solid in view.solids)),
        light=Light.model_validate(light),
        lens=Lens(noise=0.006, jpeg_quality=None),
    )


def _thing(solid: Solid, seed: int) -> Thing:
    size = (solid.width_m, solid.top_m - solid.bottom_m, solid.length_m)
    drawn = Motion(speed_mps=1.0)  # its place is given anew for each picture
    number = 1000 * seed + solid.number
    if solid.kind == SIGN:  # the renderer's gantry counts up to its boards, and has legs
        return Thing(kind="gantry", size_m=(solid.width_m + 1.0, solid.bottom_m, 0.5), motion=drawn, seed=number)
    if solid.kind == PLATE:
        return Thing(kind="box", size_m=size, colour=(0.33, 0.30, 0.28), motion=drawn)
    if solid.kind == BRIDGE:
        colour = (0.60, 0.59, 0.57)
        return Thing(kind="box", size_m=size, base_m=solid.bottom_m, surface="plaster", colour=colour, motion=drawn)
    return Thing(kind=KINDS[solid.kind], size_m=size, motion=drawn, seed=number)


def _country(rng: np.random.Generator, road: Road, bent: bool) -> Iterator[Thing]:
    """Trees, bushes, poles and houses on both sides."""
    for side, edge in zip((-1, 1), road.edges_m, strict=True):
        along = float(rng.uniform(0, 20))
        while along < (BEND_LENGTH_M if bent else PERIOD_M):
            draw = float(rng.random())
            aside, number = float(rng.uniform(0, 12)), int(rng.integers(2**31))
            tall = float(rng.uniform(5, 11))
            if draw < 0.45:
                kind, size, beyond = "tree", (0.6 * tall, tall, 0.6 * tall), 4.0 + aside
            elif draw < 0.65:
                kind, size, beyond = "bush", (1.6, 0.12 * tall, 0.4 * tall), 2.5 + aside
            elif draw < 0.85:
                kind, size, beyond = "pole", (0.18, 7.0, 0.18), 1.5
            else:
                kind, size, beyond = "house", (10.0, 8.0, 12.0), 11.0 + aside
            repeats = (0.0,) if bent else (0.0, PERIOD_M)
            for start in repeats:
                if start + along < PERIOD_M + SEEN_M or bent:
                    motion = Motion(on="road", x_m=edge + side * beyond, z_m=start + along)
                    yield Thing.model_validate({"kind": kind, "size_m": size, "motion": motion, "seed": number})
            along += float(rng.uniform(8, 24))
