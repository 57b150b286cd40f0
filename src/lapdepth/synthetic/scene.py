"""The description of a scene with a time line: frozen, seeded, readable from a TOML file.

Lengths are metres. Places are (right, up, forward); `x_m` is to the right, `z_m` ahead, heights count upwards from the ground.
Yaw turns to the right, pitch looks down, roll leans to the right. Colours are sRGB from 0 to 1.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from lapdepth.camera import Intrinsics
from lapdepth.config import Finite, Settings, check_settings, read_toml
from lapdepth.synthetic.distortion import ideal

Share = Annotated[float, Field(ge=0, le=1)]
Colour = tuple[Share, Share, Share]
Metres = Annotated[float, Field(ge=-1e6, le=1e6)]
"""A place or a height."""
Degrees = Annotated[float, Field(ge=-1e6, le=1e6)]
Seconds = Annotated[float, Field(ge=-1e6, le=1e6)]
Length = Annotated[float, Field(ge=1e-3, le=1e4)]
Width = Annotated[float, Field(ge=0, le=1e3)]
Strength = Annotated[float, Field(ge=0, le=1e3)]
Size = tuple[Length, Length, Length]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Side = Annotated[int, Field(ge=8, le=8192)]

MAX_OBJECTS = 5000
"""More would only fill the memory."""
MAX_FRAMES = 100_000
"""More would only fill the disk."""
MAX_ROAD_M = 100_000.0
"""Of all arcs. More would only fill the memory."""
MAX_HILLY_ROAD_M = 10_000.0
"""The same on ground with waves, which is a sheet of squares round the road."""

Kind = Literal[
    "box", "cylinder", "wedge", "ellipsoid", "prism", "mesh",
    "car", "van", "truck", "motorcycle", "cyclist", "pedestrian",
    "tree", "bush", "pole", "lamp", "sign", "gantry", "bridge", "rail", "house", "wall",
    "room", "table", "chair", "sofa", "shelf", "bed", "cupboard", "picture", "plant",
]  # fmt: skip
"""What an object can be; `lapdepth.synthetic.catalogue` builds it."""

Surface = Literal[
    "plain", "asphalt", "grass", "earth", "paving", "brick", "plaster", "wood", "tiles", "carpet", "cloth", "checks"
]
"""What a surface can look like."""


LARGEST_M: dict[Kind, float] = {"house": 200.0, "shelf": 10.0, "cupboard": 20.0, "sofa": 20.0}
"""Longest side of what has more parts the larger it is."""


class Leg(Settings):
    """A stretch of time at one acceleration; nothing goes backwards: a braking object stops.

    Attributes:
        duration_s: How long.
        acceleration_mps2: Along the direction of travel; negative brakes.
    """

    duration_s: Annotated[float, Field(gt=0, le=1e6)]
    acceleration_mps2: Annotated[float, Field(ge=-1e3, le=1e3)] = 0.0


class Key(Settings):
    """A pose at a time.

    Attributes:
        time_s: When.
        x_m: To the right.
        z_m: Ahead.
        yaw_deg: Heading, to the right of ahead.
        pitch_deg: Looking down; only a camera's.
    """

    time_s: Seconds
    x_m: Metres = 0.0
    z_m: Metres = 0.0
    yaw_deg: Degrees = 0.0
    pitch_deg: Degrees = 0.0


class Motion(Settings):
    """Where an object or the camera is at any time, in closed form.

    Attributes:
        on: `world`: places are the world's; `road`: `z_m` is the length along the road's reference line, `x_m` the offset to the
            right of it, and yaw is relative to the road, so that the object follows its bends.
        x_m: Place at time 0, to the right.
        z_m: Place at time 0, ahead.
        yaw_deg: Heading at time 0.
        speed_mps: Speed at time 0, along the heading.
        curvature_per_m: 1 / radius of the path in the world, positive to the right.
        legs: Accelerations from time 0 on, one after the other; then the speed stays.
        sway: (time in s, metres to the right) of a lane change; half a cosine between two, constant outside.
        keys: Poses to go through in straight lines, in place of speed, curvature and legs.
    """

    on: Literal["world", "road"] = "world"
    x_m: Metres = 0.0
    z_m: Metres = 0.0
    yaw_deg: Degrees = 0.0
    speed_mps: Annotated[float, Field(ge=0, le=1e3)] = 0.0
    curvature_per_m: Annotated[float, Field(ge=-10, le=10)] = 0.0
    legs: tuple[Leg, ...] = ()
    sway: tuple[tuple[Seconds, Metres], ...] = ()
    keys: tuple[Key, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether its place depends on the time."""
        return bool(self.speed_mps or self.legs or self.sway or self.keys)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.on == "road" and self.curvature_per_m:
            raise ValueError("curvature_per_m belongs to on = 'world'; on the road an object follows the road's bends")
        if self.keys and (self.speed_mps or self.legs or self.curvature_per_m or self.sway):
            raise ValueError("keys stand in place of speed_mps, legs, curvature_per_m and sway; give one or the other")
        for name, times in (("sway", [at for at, _ in self.sway]), ("keys", [key.time_s for key in self.keys])):
            if any(later <= earlier for earlier, later in itertools.pairwise(times)):
                raise ValueError(f"times of {name} must rise, got {times}")
        return self


class Camera(Settings):
    """A camera on something that moves.

    Attributes:
        width: Picture width in pixels.
        height: Picture height in pixels.
        focal_px: Focal length in pixels.
        cx_px: Column of the principal point; `None` for the middle.
        cy_px: Row of the principal point; `None` for the middle.
        height_m: Above the ground.
        pitch_deg: Looking down.
        roll_deg: Leaning to the right.
        distortion: Of the lens: k1, k2, p1, p2, k3 of OpenCV; zeros for an ideal pinhole.
        motion: Where it is and where it heads.
    """

    width: Side = 640
    height: Side = 192
    focal_px: Annotated[float, Field(ge=0.1, le=1e6)] = 372.0
    cx_px: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None
    cy_px: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None
    height_m: Metres = 1.5
    pitch_deg: Annotated[float, Field(ge=-90, le=90)] = 0.0
    roll_deg: Degrees = 0.0
    distortion: tuple[Finite, Finite, Finite, Finite, Finite] = (0.0, 0.0, 0.0, 0.0, 0.0)
    motion: Motion = Motion()

    @model_validator(mode="after")
    def _unfolded(self) -> Self:
        if any(self.distortion):
            lens = self.intrinsics
            x, y = ((np.array([-0.5, size - 0.5]) - middle) / focal for size, middle, focal in (
                (lens.width, lens.cx_px, lens.fx_px), (lens.height, lens.cy_px, lens.fy_px)))  # fmt: skip
            ideal(x[[0, 1, 0, 1]], y[[0, 0, 1, 1]], self.distortion)
        return self

    @property
    def intrinsics(self) -> Intrinsics:
        """The camera as the rest of the toolkit knows it: without its lens's distortion."""
        middle = Intrinsics.from_focal(self.width, self.height, self.focal_px)
        cx_px = middle.cx_px if self.cx_px is None else self.cx_px
        cy_px = middle.cy_px if self.cy_px is None else self.cy_px
        return Intrinsics(self.width, self.height, self.focal_px, self.focal_px, cx_px, cy_px)


class Wave(Settings):
    """One sine of the ground's relief.

    Attributes:
        amplitude_m: Height of a crest above the mean.
        length_m: From crest to crest.
        heading_deg: Direction that it rolls along, to the right of ahead.
        phase_deg: 0 rises at the origin, 90 is a crest there.
    """

    amplitude_m: Annotated[float, Field(ge=-1e3, le=1e3)]
    length_m: Annotated[float, Field(ge=5, le=1e6)]
    heading_deg: Degrees = 0.0
    phase_deg: Degrees = 0.0


class Ground(Settings):
    """The ground: a plane through the origin, or with a relief.

    Attributes:
        surface: What it looks like beside the road.
        colour: Its mean colour.
        grade: Rise per metre ahead.
        camber: Rise per metre to the right.
        waves: Sines added to the plane.
        reach_m: How far it goes from the origin or the road.
    """

    surface: Surface = "grass"
    colour: Colour = (0.36, 0.40, 0.22)
    grade: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0
    camber: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0
    waves: Annotated[tuple[Wave, ...], Field(max_length=100)] = ()
    reach_m: Annotated[float, Field(gt=1, le=20000)] = 2000.0


class Arc(Settings):
    """A piece of road of one curvature.

    Attributes:
        length_m: Along the reference line.
        curvature_per_m: 1 / radius, positive to the right.
    """

    length_m: Annotated[float, Field(gt=0, le=MAX_ROAD_M)]
    curvature_per_m: Annotated[float, Field(ge=-0.05, le=0.05)] = 0.0


class Junction(Settings):
    """Where another road meets the road, at a right angle.

    Attributes:
        along_m: Where its middle is, along the reference line.
        width_m: Of its asphalt.
        sides: `left`, `right`, or `both` for a crossing.
        length_m: How far it goes.
    """

    along_m: Metres
    width_m: Annotated[float, Field(ge=2.5, le=20)] = 6.0
    sides: Literal["left", "right", "both"] = "both"
    length_m: Annotated[float, Field(ge=5, le=500)] = 120.0

    def meets(self, side: int) -> bool:
        """Whether it is on the left (-1) or the right (1)."""
        return self.sides in ("both", "left" if side < 0 else "right")


class Road(Settings):
    """A road on the ground; before its beginning and after its end it goes on straight.

    Attributes:
        x_m: Where its reference line begins.
        z_m: As `x_m`.
        yaw_deg: Heading there.
        arcs: Its bends.
        lanes_left: Lanes to the left of the reference line.
        lanes_right: Lanes to the right of it.
        lane_width_m: Width of each.
        shoulder_m: Asphalt beyond the outer lanes.
        pavement_m: Width of the raised pavements; 0 has none.
        markings: Whether lanes are painted.
        junctions: Roads that meet it; pavements are let down to them.
        colour: Of the asphalt.
    """

    x_m: Metres = 0.0
    z_m: Metres = 0.0
    yaw_deg: Degrees = 0.0
    arcs: Annotated[tuple[Arc, ...], Field(max_length=1000)] = ()
    lanes_left: Annotated[int, Field(ge=0, le=6)] = 1
    lanes_right: Annotated[int, Field(ge=0, le=6)] = 1
    lane_width_m: Annotated[float, Field(ge=2, le=8)] = 3.5
    shoulder_m: Width = 0.5
    pavement_m: Width = 0.0
    markings: bool = True
    junctions: Annotated[tuple[Junction, ...], Field(max_length=50)] = ()
    colour: Colour = (0.36, 0.36, 0.37)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.length_m > MAX_ROAD_M:
            raise ValueError(f"arcs have {self.length_m:g} m; expected at most {MAX_ROAD_M:g} m together")
        return self

    @property
    def length_m(self) -> float:
        """Of all arcs."""
        return sum(arc.length_m for arc in self.arcs)

    @property
    def edges_m(self) -> tuple[float, float]:
        """Offsets of the asphalt's left and right edge."""
        left = self.lanes_left * self.lane_width_m + self.shoulder_m
        return -left, self.lanes_right * self.lane_width_m + self.shoulder_m


class Thing(Settings):
    """An object that stands or moves on the ground.

    Attributes:
        kind: What it is.
        name: For people and files; `None` for its kind and number.
        size_m: Width (right), height (up), length (forward); `None` for the kind's usual size.
        colour: Main colour; `None` for one drawn by `seed`.
        surface: What a plain shape looks like.
        base_m: Its underside above the ground.
        upright: Whether it stands vertically on a slope instead of leaning with it; `None`: as its kind does.
        tilt_deg: Turned about its forward and its right axis, such as a leaning pole or a ramp.
        motion: Where it is.
        seed: Draws what is left open.
        outline_m: Of a `prism`: (right, forward) corners of its ground plan.
        vertices_m: Of a `mesh`: (right, up, forward).
        faces: Of a `mesh`: three vertex numbers each, seen from both sides.
    """

    kind: Kind
    name: str | None = None
    size_m: Size | None = None
    colour: Colour | None = None
    surface: Surface = "plain"
    base_m: Metres = 0.0
    upright: bool | None = None
    tilt_deg: tuple[Degrees, Degrees] = (0.0, 0.0)
    motion: Motion = Motion()
    seed: Seed = 0
    outline_m: Annotated[tuple[tuple[Metres, Metres], ...], Field(max_length=1000)] = ()
    vertices_m: tuple[tuple[Metres, Metres, Metres], ...] = ()
    faces: tuple[tuple[int, int, int], ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        longest = LARGEST_M.get(self.kind)
        if longest is not None and self.size_m is not None and max(self.size_m) > longest:
            raise ValueError(f"size_m of a {self.kind} is {list(self.size_m)}; expected at most {longest:g} m each way")
        if (self.kind == "prism") != (len(self.outline_m) >= 3):
            raise ValueError(f"a prism has an outline_m of three corners or more, nothing else has; got {len(self.outline_m)}")
        if (self.kind == "mesh") != bool(self.vertices_m and self.faces):
            raise ValueError("a mesh has vertices_m and faces, nothing else has them")
        if any(not 0 <= i < len(self.vertices_m) for face in self.faces for i in face):
            raise ValueError(f"faces must number the vertices from 0 to {len(self.vertices_m) - 1}")
        return self


class Light(Settings):
    """Sun, sky and air.

    Attributes:
        sun_elevation_deg: Above the horizon.
        sun_azimuth_deg: Where it stands, to the right of ahead.
        sun: Strength of direct light; 0 is overcast.
        softness_m: Radius over which shadows are blurred: 0.03 outdoors, 0.3 for a window.
        sky: Strength of the light from everywhere.
        clouds: Share of the sky covered.
        visibility_m: Distance at which 5 % of the contrast is left.
        rain: From none to heavy: wet road, dull light, streaks.
        night: Dark sky; what shines are lamps and headlights.
        headlights: The camera's own car lights the road.
        indoor: No sky: what is seen beyond the walls is only bright.
    """

    sun_elevation_deg: Annotated[float, Field(ge=2, le=90)] = 40.0
    sun_azimuth_deg: Degrees = -50.0
    sun: Strength = 1.0
    softness_m: Width = 0.03
    sky: Strength = 1.0
    clouds: Share = 0.4
    visibility_m: Annotated[float, Field(ge=10, le=1e9)] = 20000.0
    rain: Share = 0.0
    night: bool = False
    headlights: bool = False
    indoor: bool = False


class Lens(Settings):
    """What camera and file do to the light (see `lapdepth.synthetic.lens`).

    Attributes:
        exposure_ev: Stops brighter than the automatic exposure.
        warmth: White balance: 0.2 is 20 % more red than blue.
        noise: Standard deviation of the sensor's noise at middle grey, as a share of white.
        blur_px: Standard deviation of the lens's blur.
        vignette: Light lost in the corners.
        shutter_s: How long it gathers light, half before the picture's time and half after: what moves is blurred. Depth is that
            of the picture's time.
        jpeg_quality: Of 100; `None` does not compress.
    """

    exposure_ev: Annotated[float, Field(ge=-8, le=8)] = 0.0
    warmth: Annotated[float, Field(ge=-1, le=1)] = 0.0
    noise: Annotated[float, Field(ge=0, le=0.5)] = 0.008
    blur_px: Annotated[float, Field(ge=0, le=20)] = 0.4
    vignette: Share = 0.15
    shutter_s: Annotated[float, Field(ge=0, le=1)] = 0.0
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] | None = None


class Scene(Settings):
    """Everything there is to see, from time 0 to `duration_s`.

    Attributes:
        name: For files.
        seed: Of textures, clouds and noise.
        duration_s: Length of the time line.
        frames_per_s: Pictures a second.
        camera: Who looks.
        ground: What all stands on.
        road: On the ground; `None` has none.
        objects: Everything else; instance numbers are 2, 3, ... in this order, 1 is the ground, 0 the sky.
        light: Sun, sky and air.
        lens: Camera effects.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")] = "scene"
    seed: Seed = 0
    duration_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    frames_per_s: Annotated[float, Field(ge=1e-3, allow_inf_nan=False)] = 10.0
    camera: Camera = Camera()
    ground: Ground = Ground()
    road: Road | None = None
    objects: Annotated[tuple[Thing, ...], Field(max_length=MAX_OBJECTS)] = ()
    light: Light = Light()
    lens: Lens = Lens()

    @model_validator(mode="after")
    def _road_for_all(self) -> Self:
        motions = [self.camera.motion, *(thing.motion for thing in self.objects)]
        if self.road is None and any(motion.on == "road" for motion in motions):
            raise ValueError("a motion is on = 'road', but the scene has no road; add [road] or use on = 'world'")
        return self

    @model_validator(mode="after")
    def _sheet_fits(self) -> Self:
        if self.road is not None and self.ground.waves and self.road.length_m > MAX_HILLY_ROAD_M:
            raise ValueError(
                f"arcs have {self.road.length_m:g} m; expected at most {MAX_HILLY_ROAD_M:g} m together where the ground has waves"
            )
        return self

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.duration_s * self.frames_per_s >= MAX_FRAMES:
            raise ValueError(
                f"duration_s {self.duration_s:g} x frames_per_s {self.frames_per_s:g} is more than {MAX_FRAMES} pictures"
            )
        return self

    @property
    def frames(self) -> int:
        """Pictures on the time line, the first at time 0."""
        return int(self.duration_s * self.frames_per_s + 1e-9) + 1


def load_scene(path: Path, changes: list[str] | None = None) -> Scene:
    """Read a scene from a TOML file.

    Args:
        path: The file.
        changes: `key=value` in place of what the file says, such as `camera.focal_px=500`.

    Raises:
        ReadError: The file cannot be read.
        ConfigError: It is not TOML, a key is unknown or a value is out of range.
    """
    data: dict[str, Any] = read_toml(path, changes)
    return check_settings(data, Scene, str(path))
