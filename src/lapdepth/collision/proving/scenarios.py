"""The test track's scenarios as data, in words and SI units.

Sources, with the marks of the collision specification: NCAP: NHTSA forward collision warning confirmation test, 2013 (T1, T2, T3)
[Q]; Euro NCAP 2023 and 2026 car-to-car rear [S]; FMVSS 127 false activation [Q], its gap [C]; others are this project's own [D].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

KMH = 1 / 3.6
MPH_45 = 20.1
"""45 mph in m/s, as the NCAP test is quoted in the specification."""
MPH_20 = 8.9
GRAVITY_MPS2 = 9.81

CAR, MOTORCYCLE, CYCLIST, PEDESTRIAN = "car", "motorcycle", "cyclist", "pedestrian"
PLATE, SIGN, BRIDGE = "plate", "sign", "bridge"

SIZES: dict[str, tuple[float, float, float, float]] = {
    CAR: (1.8, 4.5, 0.0, 1.5),
    MOTORCYCLE: (0.8, 2.1, 0.0, 1.5),
    CYCLIST: (0.6, 1.8, 0.0, 1.7),
    PEDESTRIAN: (0.5, 0.5, 0.0, 1.75),
    PLATE: (2.4, 3.7, 0.0, 0.025),  # steel trench plate, FMVSS 127 [Q]
    SIGN: (12.0, 0.4, 5.0, 7.0),
    BRIDGE: (40.0, 8.0, 4.7, 6.0),
}
"""Width, length, lower and upper side above the road, in metres, of each kind. [D] but for the plate."""


@dataclass(frozen=True, slots=True)
class Actor:
    """One thing on the road, in the road's own coordinates.

    Attributes:
        kind: A key of `SIZES`.
        gap_m: From the front of the own vehicle to its nearest side, along the road, at the start.
        right_m: Its middle, to the right of the own lane's middle.
        speed_mps: Along the road; negative comes towards.
        brakes_at_s: When it begins to brake.
        brakes_mps2: How hard, until it stands.
        right_mps: Speed across, while it moves across.
        across_at_s: When it begins to move across.
        across_s: For how long.
    """

    kind: str
    gap_m: float
    right_m: float = 0.0
    speed_mps: float = 0.0
    brakes_at_s: float = math.inf
    brakes_mps2: float = 0.0
    right_mps: float = 0.0
    across_at_s: float = 0.0
    across_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Scenario:
    """One test.

    Attributes:
        name: Unique name.
        group: Row of the table of targets that it counts for.
        words: What happens.
        ego_mps: Own speed until the driver brakes.
        actors: The first one is the target where `alarm` is true.
        duration_s: Longest run.
        alarm: Whether an alert is right; where false, any alert is a false one.
        curvature_1pm: Of the road, positive to the left.
        bend_m: Where the road bends up or down, from the front of the own vehicle at the start; the run ends shortly before.
        grade: Slope behind the bend, positive upwards.
    """

    name: str
    group: str
    words: str
    ego_mps: float
    actors: tuple[Actor, ...]
    duration_s: float
    alarm: bool = True
    curvature_1pm: float = 0.0
    bend_m: float = math.inf
    grade: float = 0.0

    @property
    def onset_s(self) -> float:
        """When the target begins to brake."""
        return self.actors[0].brakes_at_s if self.actors else math.inf


LEAD_IN_S = 5.0
"""Time before the first possible alert in which the warning may settle. [D]"""


def _closing(name: str, group: str, words: str, ego_mps: float, lead: Actor) -> Scenario:
    """A target that is met at steady speed: it starts `LEAD_IN_S` before a time to collision of 5 s."""
    closing = ego_mps - lead.speed_mps
    gap = closing * (LEAD_IN_S + 5.0)
    start = Actor(lead.kind, gap, lead.right_m, lead.speed_mps, right_mps=lead.right_mps)
    return Scenario(name, group, words, ego_mps, (start,), LEAD_IN_S + 12.0)


def _braking(name: str, group: str, words: str, ego_mps: float, gap_m: float, mps2: float) -> Scenario:
    lead = Actor(CAR, gap_m, 0.0, ego_mps, LEAD_IN_S, mps2)
    return Scenario(name, group, words, ego_mps, (lead,), LEAD_IN_S + 15.0)


def can_draw(scenario: Scenario) -> bool:
    """Whether pictures of it can be drawn: the renderer's ground has no crest and no dip."""
    return math.isinf(scenario.bend_m)


def _ncap() -> list[Scenario]:
    return [
        _closing("T1", "T1", "NCAP: 45 mph towards a car that stands in the lane", MPH_45, Actor(CAR, 0)),
        _braking("T2", "T2", "NCAP: both at 45 mph, 30 m apart, the lead brakes with 0.3 g", MPH_45, 30.0, 0.3 * GRAVITY_MPS2),
        _closing("T3", "T3", "NCAP: 45 mph towards a car at 20 mph", MPH_45, Actor(CAR, 0, speed_mps=MPH_20)),
    ]


def _overlap_m(percent: int) -> float:
    """Offset of a target whose width is met to this share, negative on its other side."""
    return math.copysign(SIZES[CAR][0] * (1 - abs(percent) / 100), percent)


def _euro_ncap() -> list[Scenario]:
    found = []
    for kmh in range(15, 71, 5):
        for percent in (-50, -75, 100, 75, 50):
            words = f"Euro NCAP CCRs: {kmh} km/h towards a car that stands, overlap {percent} %"
            found.append(_closing(f"CCRs-{kmh}-{percent:+d}", "CCRs", words, kmh * KMH, Actor(CAR, 0, _overlap_m(percent))))
    for kmh in range(30, 81, 5):
        words = f"Euro NCAP CCRm: {kmh} km/h towards a car at 20 km/h"
        found.append(_closing(f"CCRm-{kmh}", "CCRm", words, kmh * KMH, Actor(CAR, 0, speed_mps=20 * KMH)))
    for gap_m, mps2 in ((12, 2), (12, 6), (40, 2), (40, 6)):
        words = f"Euro NCAP 2023 CCRb: both at 50 km/h, {gap_m} m apart, the lead brakes with {mps2} m/s2"
        group = f"CCRb{gap_m}-{'soft' if mps2 < 4 else 'hard'}"
        found.append(_braking(f"CCRb-{gap_m}m-{mps2}", group, words, 50 * KMH, gap_m, mps2))
    for kmh in range(30, 81, 10):
        words = f"Euro NCAP 2026 CCRb: both at {kmh} km/h, 1.0 s apart, the lead brakes with 4 m/s2"
        found.append(_braking(f"CCRb-2026-{kmh}", "CCRb12-hard", words, kmh * KMH, kmh * KMH, 4.0))
    return found


def _others() -> list[Scenario]:
    found = []
    for kmh in (20, 40, 60):
        ego = kmh * KMH
        for kind, speed in ((CYCLIST, 15 * KMH), (MOTORCYCLE, 0.0)):
            words = f"{kmh} km/h towards a {kind} ahead at {speed / KMH:.0f} km/h"
            found.append(_closing(f"{kind}-{kmh}", kind, words, ego, Actor(kind, 0, speed_mps=speed)))
        for percent in (25, 75):
            # Euro NCAP's crossing adult walks at 5 km/h; it is met at this share of the own width of 1.8 m.
            walk = 5 * KMH
            scene = _closing("", "", "", ego, Actor(PEDESTRIAN, 0))
            reach = (scene.actors[0].gap_m) / ego
            start = (percent / 100 - 0.5) * 1.8 - walk * reach
            actor = Actor(PEDESTRIAN, scene.actors[0].gap_m, start, right_mps=walk)
            words = f"{kmh} km/h, a pedestrian crosses from the left and is met at {percent} % of the own width"
            name = f"pedestrian-{kmh}-{percent}"
            found.append(Scenario(name, "pedestrian", words, ego, (actor,), scene.duration_s))
    return found


def _false_alarms() -> list[Scenario]:
    fast = 80 * KMH

    def quiet(name: str, words: str, ego_mps: float, *actors: Actor, duration_s: float = 12.0, **road: float) -> Scenario:
        return Scenario(name, name, words, ego_mps, actors, duration_s, alarm=False, **road)

    curve = 1 / 100.0
    parked = tuple(Actor(CAR, 20.0 + 7 * i, 3.2) for i in range(24))
    slow_right = Actor(CAR, 150.0, 3.5, 30 * KMH)
    return [
        quiet("plate", "FMVSS 127: 80 km/h over a steel trench plate of 2.4 x 3.7 m x 25 mm", fast, Actor(PLATE, 180.0)),
        quiet(
            "gap",
            "FMVSS 127: 80 km/h between two parked cars, 4.5 m apart",
            fast,
            *(Actor(CAR, 180.0, side * (4.5 + 1.8) / 2) for side in (-1, 1)),
        ),
        quiet("adjacent", "80 km/h past a car at 30 km/h in the next lane, 3.5 m beside", fast, slow_right),
        quiet(
            "oncoming",
            "60 km/h past cars that come the other way at 60 km/h, 3.5 m beside",
            60 * KMH,
            *(Actor(CAR, 150.0 + 50 * i, -3.5, -60 * KMH) for i in range(4)),
        ),
        quiet("sign", "80 km/h under a sign 5 m above the road", fast, Actor(SIGN, 180.0)),
        quiet("bridge", "80 km/h under a bridge 4.7 m above the road", fast, Actor(BRIDGE, 180.0)),
        quiet(
            "curve-parked",
            "50 km/h in a left curve of 100 m radius past cars parked on its outside, 3.2 m beside",
            50 * KMH,
            *parked,
            curvature_1pm=curve,
        ),
        quiet(
            "cut-out",
            "70 km/h, 1.5 s behind a car that leaves for the next lane within 2.5 s",
            70 * KMH,
            Actor(CAR, 1.5 * 70 * KMH, 0.0, 70 * KMH, right_mps=1.4, across_at_s=5.0, across_s=2.5),
        ),
        quiet("crest", "60 km/h towards a crest: the road falls by 6 % behind it", 60 * KMH, bend_m=180.0, grade=-0.06),
        quiet("dip", "60 km/h towards a rise: the road climbs by 6 % behind it", 60 * KMH, bend_m=180.0, grade=0.06),
        quiet("empty", "100 km/h on an empty road", 100 * KMH),
    ]


SCENARIOS: dict[str, Scenario] = {one.name: one for one in (*_ncap(), *_euro_ncap(), *_others(), *_false_alarms())}
"""All scenarios by name, but for ordinary following, which `following.py` makes anew for each seed."""
