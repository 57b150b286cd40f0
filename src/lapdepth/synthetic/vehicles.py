"""Cars, vans, trucks and motorcycles. NumPy, no PyTorch.

Profiles are drawn from the side as (forward, up), in shares of length and height.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lapdepth.synthetic.choices import colour_or, size_or
from lapdepth.synthetic.mesh import Material, Mesh, box, cylinder, ellipsoid, extrude, join, limb, moved
from lapdepth.synthetic.people import rider
from lapdepth.synthetic.scene import Thing

Profile = Sequence[tuple[float, float]]

PAINTS = ((0.85, 0.85, 0.86), (0.62, 0.63, 0.65), (0.16, 0.16, 0.17), (0.30, 0.31, 0.34), (0.55, 0.10, 0.09),
          (0.12, 0.20, 0.42), (0.24, 0.33, 0.28), (0.68, 0.60, 0.48), (0.80, 0.55, 0.15))  # fmt: skip
RUBBER = Material((0.13, 0.13, 0.13), "flat")
BLACK = Material((0.07, 0.07, 0.075), "flat")
METAL = Material((0.55, 0.56, 0.58), "flat", gloss=0.4)
GLASS = Material((0.09, 0.11, 0.12), "flat", gloss=0.9)
TAIL = Material((0.75, 0.05, 0.04), "flat", gloss=0.3, glow=0.5)
HEAD = Material((0.92, 0.93, 0.90), "flat", gloss=0.5, glow=0.9)
PLATE = Material((0.88, 0.87, 0.80), "flat")
DEEP_M = 0.3
"""How deep lamps and bumpers are, most of it inside the body."""

LOWER: Profile = ((-0.5, 0.24), (-0.5, 0.46), (-0.485, 0.60), (0.27, 0.62), (0.44, 0.53), (0.49, 0.44), (0.5, 0.24),
                  (0.47, 0.14), (-0.46, 0.14))  # fmt: skip
TALL: Profile = ((-0.5, 0.24), (-0.5, 0.52), (-0.485, 0.60), (0.30, 0.62), (0.47, 0.56), (0.5, 0.46), (0.5, 0.22),
                 (0.47, 0.15), (-0.46, 0.15))  # fmt: skip
CABINS: dict[str, Profile] = {
    "saloon": ((-0.37, 0.58), (-0.23, 0.95), (-0.03, 1.0), (0.05, 0.97), (0.26, 0.58)),
    "hatchback": ((-0.49, 0.58), (-0.43, 0.92), (-0.06, 1.0), (0.06, 0.97), (0.29, 0.58)),
    "tall": ((-0.495, 0.58), (-0.46, 0.96), (-0.08, 1.0), (0.08, 0.97), (0.27, 0.58)),
}
"""Windows and roof."""


def car(thing: Thing) -> Mesh:
    """A saloon, hatchback or tall car."""
    rng = np.random.default_rng(thing.seed)
    shape = tuple(CABINS)[int(rng.integers(len(CABINS)))]
    width, height, length = size_or(thing, (1.80, 1.62 if shape == "tall" else 1.46, 4.35), rng)
    paint = Material(colour_or(thing, PAINTS, rng), "flat", gloss=0.45)
    cabin = CABINS[shape]
    parts = [_side(TALL if shape == "tall" else LOWER, (width, height, length), paint, 0.10, 35)]
    parts += [_side(cabin, (width * 0.88, height * 0.995, length), GLASS, 0.04, 0)]
    (z0, y0), (z1, y1), (z2, y2), (z3, y3), (z4, _) = cabin
    roof = ((z1 - 0.005, y1 - 0.02), (z1 + 0.01, y1 + 0.02), (z2, y2 + 0.005), (z3, y3 + 0.005), (z3 + 0.02, y3 - 0.035))
    parts += [_side(roof, (width * 0.84, height, length), paint, 0.05, 30)]
    for x in (-0.428, 0.428):  # pillars
        for lower, upper, thick in ((z0, z1, 0.035), ((z1 + z3) / 2, (z1 + z3) / 2, 0.012), (z4, z3, 0.014)):
            bar = ((lower - thick, y0), (lower + thick, y0), (upper + thick, y1 - 0.015), (upper - thick, y1 - 0.015))
            slab = _side(bar, (0.02, height, length), paint, 0.0, 0)
            parts.append(moved(slab, (x * width * 0.985, 0, 0)))
    parts += _wheels(width, height * 0.22, length, (0.31, -0.31))
    parts += _ends(width, height, length, 0.5, 0.45)
    return join(parts)


def van(thing: Thing) -> Mesh:
    """A delivery van."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (2.0, 2.4, 5.5), rng)
    paint = Material(colour_or(thing, (*PAINTS[:1] * 4, *PAINTS), rng), "flat", gloss=0.3)
    hull = ((-0.5, 0.12), (-0.5, 0.97), (-0.47, 1.0), (0.24, 1.0), (0.28, 0.97), (0.39, 0.58), (0.48, 0.47), (0.5, 0.36),
            (0.5, 0.12))  # fmt: skip
    windows = ((0.13, 0.57), (0.13, 0.86), (0.29, 0.86), (0.36, 0.57))
    shield = ((0.292, 0.92), (0.302, 0.935), (0.405, 0.575), (0.39, 0.56))
    parts = [
        _side(hull, (width, height, length), paint, 0.07, 30),
        _side(windows, (width + 0.012, height, length), GLASS, 0.0, 0),
        _side(shield, (width * 0.86, height, length), GLASS, 0.0, 0),
        box((width * 0.35, height * 0.26, 0.02), GLASS, (width * 0.22, height * 0.6, -length / 2)),
        box((width * 0.35, height * 0.26, 0.02), GLASS, (-width * 0.22, height * 0.6, -length / 2)),
        box((0.02, height * 0.8, 0.02), BLACK, (0, height * 0.15, -length / 2)),
    ]
    return join([*parts, *_wheels(width, 0.34, length, (0.32, -0.30)), *_ends(width, height, length, 0.34, 0.37)])


def truck(thing: Thing) -> Mesh:
    """A lorry with a box body."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (2.5, 3.7, 9.0), rng)
    paint = Material(colour_or(thing, PAINTS, rng), "flat", gloss=0.3)
    cargo = Material(((0.80, 0.80, 0.79), (0.62, 0.66, 0.70), paint.colour)[int(rng.integers(3))], "plain", gloss=0.1)
    cab_long, bed = min(2.2, 0.3 * length), 0.27 * height
    cab = ((0.0, 0.14), (0.0, 0.80), (0.1, 0.84), (0.78, 0.83), (0.97, 0.52), (1.0, 0.14))
    front = length / 2 - cab_long
    body = _side([((z - 0.5), y) for z, y in cab], (width * 0.96, height, cab_long), paint, 0.08, 30)
    shield = ((0.80, 0.80), (0.815, 0.80), (0.985, 0.53), (0.965, 0.53))
    screen = _side([((z - 0.5), y) for z, y in shield], (width * 0.84, height, cab_long), GLASS, 0.0, 0)
    window = _side([(-0.1, 0.52), (0.3, 0.52), (0.22, 0.74), (-0.1, 0.74)], (width * 0.97, height, cab_long), GLASS, 0.0, 0)
    parts = [moved(part, (0, 0, front + cab_long / 2)) for part in (body, screen, window)]
    parts += [
        box((width, height - bed, 0.96 * length - cab_long), cargo, (0, bed, -0.02 * length - cab_long / 2)),
        box((0.05, height - bed - 0.1, 0.03), BLACK, (0, bed + 0.05, -length / 2)),
        box((width * 0.8, 0.25, length - 0.8), BLACK, (0, bed - 0.28, -0.2)),
        box((width * 0.95, 0.40, DEEP_M), METAL, (0, 0.5, (DEEP_M - length) / 2)),
    ]
    parts += _wheels(width, 0.5, length, (0.36, -0.22, -0.36))
    return join([*parts, *_ends(width, height, length, 0.2, 0.215)])


def motorcycle(thing: Thing) -> Mesh:
    """A motorcycle with its rider."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (0.8, 1.65, 2.1), rng)
    paint = Material(colour_or(thing, PAINTS, rng), "flat", gloss=0.5)
    radius = 0.31
    parts = [_wheel(radius, 0.13, 0.0, z) for z in (length / 2 - radius, radius - length / 2)]
    parts += [
        ellipsoid((0.34, 0.36, 0.75), paint, (0, 0.62, 0.15)),
        box((0.28, 0.32, 0.6), METAL, (0, 0.3, 0.05)),
        box((0.26, 0.12, 0.75), BLACK, (0, 0.78, -0.4)),
        box((0.2, 0.1, 0.06), TAIL, (0, 0.72, -0.82)),
        ellipsoid((0.24, 0.24, 0.2), HEAD, (0, 0.8, length / 2 - 0.42)),
        limb((0, radius, length / 2 - radius), (0, 1.0, length / 2 - 0.65), (0.05, 0.05), METAL),
        limb((-width / 2, 1.02, 0.35), (width / 2, 1.02, 0.35), (0.025, 0.025), BLACK, 6),
    ]
    return join(
        [*parts, rider(rng, seat=(0.86, -0.25), hands=(width * 0.45, 1.02, 0.35), foot=(0.35, 0.1), head_m=height, helmet=True)]
    )


def _side(profile: Profile, size: tuple[float, float, float], material: Material, bevel: float, smooth_deg: float) -> Mesh:
    """A profile seen from the side, drawn out over the width."""
    width, height, length = size
    outline = [(z * length, y * height) for z, y in profile]
    return moved(extrude(outline, width, material, bevel * width, smooth_deg), yaw_deg=-90)


def _wheel(radius: float, thick: float, x: float, z: float) -> Mesh:
    tyre = cylinder((2 * radius, thick, 2 * radius), RUBBER, 16)
    rim = moved(cylinder((1.25 * radius, thick + 0.02, 1.25 * radius), METAL, 10), (0, -0.01, 0))
    return moved(join([tyre, rim]), (x - thick / 2, radius, z), roll_deg=90)


def _wheels(width: float, radius: float, length: float, axles: Sequence[float]) -> list[Mesh]:
    parts = []
    for z in axles:
        arch = cylinder((2.35 * radius, width + 0.006, 2.35 * radius), BLACK, 12)
        parts.append(moved(arch, (-width / 2 - 0.003, radius * 1.05, z * length), roll_deg=90))
        parts += [_wheel(radius, 0.22, side * (width / 2 - 0.095), z * length) for side in (-1, 1)]
    return parts


def _ends(width: float, height: float, length: float, tail_up: float, head_up: float) -> list[Mesh]:
    """Lamps, plates and bumpers; `tail_up` is where tail lamps begin and `head_up` where headlights end, in shares of the height.

    Lamps and bumpers reach into the body, so that none hangs in the air before its rounded corners.
    """
    parts = []
    for end in (-1, 1):
        bumper_m = 0.17 * height if height < 2 else 0.35
        parts.append(box((width * 0.9, 0.18, DEEP_M), BLACK, (0, bumper_m, end * (length / 2 + 0.03 - DEEP_M / 2))))
        for x in (-0.4 * width, 0.4 * width):
            size, material, up = (0.17, HEAD, head_up * height - 0.13) if end > 0 else (0.16, TAIL, tail_up * height)
            parts.append(box((size * width, 0.13, DEEP_M), material, (x, up, end * (length / 2 + 0.01 - DEEP_M / 2))))
        plate_m = max(0.33 * height, 0.4) if height < 2 else 0.62
        parts.append(box((0.5, 0.11, 0.03), PLATE, (0, plate_m, end * (length / 2 + 0.015))))
    return parts
