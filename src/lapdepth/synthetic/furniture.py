"""A room's shell and what stands in it. NumPy, no PyTorch."""

from __future__ import annotations

import math

import numpy as np

from lapdepth.synthetic.choices import Colour, Size, colour_or, size_or
from lapdepth.synthetic.mesh import Material, Mesh, box, cylinder, ellipsoid, extrude, join, limb, moved
from lapdepth.synthetic.scene import Thing

WOODS = ((0.52, 0.36, 0.22), (0.38, 0.24, 0.15), (0.66, 0.50, 0.33), (0.25, 0.17, 0.12), (0.82, 0.80, 0.76))
FABRICS = ((0.36, 0.38, 0.42), (0.55, 0.46, 0.36), (0.22, 0.28, 0.38), (0.50, 0.22, 0.18), (0.30, 0.36, 0.28), (0.66, 0.62, 0.56))
PAINTS = ((0.84, 0.82, 0.76), (0.80, 0.76, 0.66), (0.72, 0.76, 0.76), (0.86, 0.84, 0.82), (0.70, 0.66, 0.58), (0.62, 0.68, 0.62))
DAY = Material((0.92, 0.97, 1.0), "flat", glow=3.0, casts=False)


def room(thing: Thing) -> Mesh:
    """Ceiling and walls seen from inside, with a window, a door and skirting. The floor is the ground; it casts no shadow."""
    rng = np.random.default_rng(thing.seed)
    (width, height, length), colours, window, door = _shell(thing, rng)
    paint, accent = (Material(colour, "plaster", casts=False) for colour in colours)
    ceiling, trim = Material((0.88, 0.87, 0.85), "flat", casts=False), Material((0.80, 0.79, 0.76), "flat", casts=False)
    thick = 0.2
    parts = [
        box((width + 1, thick, length + 1), ceiling, (0, height, 0)),
        box((thick, height, length), paint, (-(width + thick) / 2, 0, 0)),
        box((thick, height, length), paint, ((width + thick) / 2, 0, 0)),
        box((width, height, thick), accent, (0, 0, (length + thick) / 2)),
        box((width, height, thick), paint, (0, 0, -(length + thick) / 2)),
        cylinder((0.3, 0.1, 0.3), Material((1.0, 0.95, 0.85), "flat", glow=1.6, casts=False)),
    ]
    parts[-1] = moved(parts[-1], (0, height - 0.1, 0))
    for x, z, wide, long in ((-1, 0, 0.02, length), (1, 0, 0.02, length), (0, 1, width, 0.02), (0, -1, width, 0.02)):
        parts.append(box((wide, 0.09, long), trim, (x * (width / 2 - 0.01), 0, z * (length / 2 - 0.01))))
    return join([*parts, moved(join(_window(rng, trim)), window, yaw_deg=-90), moved(join(_door(rng, trim)), door)])


def door_m(thing: Thing) -> float:
    """Where the door of a `room` is in its far wall, to the right of the middle."""
    return _shell(thing, np.random.default_rng(thing.seed))[3][0]


def _shell(thing: Thing, rng: np.random.Generator) -> tuple[Size, list[Colour], Size, Size]:
    """A room's size and colours, and where its window and its door are."""
    width, height, length = size_or(thing, (4.6, 2.6, 5.6), rng, 0.12)
    colours = [colour_or(thing, PAINTS, rng) for _ in range(2)]
    window = (-width / 2, 0.9, float(rng.uniform(-0.1, 0.25)) * length)
    return (width, height, length), colours, window, (float(rng.uniform(-0.3, 0.3)) * width, 0.0, length / 2)


def _window(rng: np.random.Generator, trim: Material) -> list[Mesh]:
    """In a wall that its forward points at, from its underside up."""
    wide, tall = float(rng.uniform(1.2, 2.0)), float(rng.uniform(1.1, 1.4))
    cloth = Material(FABRICS[int(rng.integers(len(FABRICS)))], "cloth", casts=False)
    parts = [box((wide, tall, 0.04), DAY)]
    parts += [box((0.07, tall + 0.07, 0.1), trim, (x * wide / 2, -0.03, 0)) for x in (-1, 0, 1)]
    parts += [box((wide + 0.07, 0.07, 0.1), trim, (0, up, 0)) for up in (-0.03, tall - 0.03)]
    parts.append(box((wide + 0.3, 0.03, 0.3), trim, (0, -0.08, -0.05)))
    for side in (-1, 1):
        for fold in range(5):
            x = side * (wide / 2 + 0.02 + 0.075 * fold)
            parts.append(moved(cylinder((0.09, tall + 0.75, 0.07 + 0.03 * (fold % 2)), cloth, 8), (x, -0.6, -0.12)))
    parts.append(limb((-wide / 2 - 0.5, tall + 0.16, -0.12), (wide / 2 + 0.5, tall + 0.16, -0.12), (0.015, 0.015), trim, 6))
    return parts


def _door(rng: np.random.Generator, trim: Material) -> list[Mesh]:
    leaf = Material(WOODS[int(rng.integers(len(WOODS)))], "grain", gloss=0.15, casts=False)
    dark = Material((0.2, 0.2, 0.2), "flat", gloss=0.5, casts=False)
    parts = [box((0.84, 2.02, 0.06), leaf)]
    parts += [box((0.08, 2.1, 0.1), trim, (x * 0.46, 0, 0)) for x in (-1, 1)]
    parts.append(box((1.0, 0.08, 0.1), trim, (0, 2.02, 0)))
    parts += [box((0.5, 0.6, 0.08), leaf, (0, up, -0.005)) for up in (0.2, 1.2)]
    return [*parts, box((0.12, 0.025, 0.06), dark, (-0.32, 1.02, -0.05))]


def table(thing: Thing) -> Mesh:
    """A table with what lies on it."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (1.4, 0.74, 0.8), rng, 0.15)
    wood = Material(colour_or(thing, WOODS, rng), "grain", gloss=0.2)
    parts = [box((width, 0.04, length), wood, (0, height - 0.04, 0))]
    for x in (-1, 1):
        for z in (-1, 1):
            parts.append(box((0.06, height - 0.04, 0.06), wood, (x * (width / 2 - 0.06), 0, z * (length / 2 - 0.06))))
    for _ in range(int(rng.integers(2, 7))):
        at = (float(rng.uniform(-0.4, 0.4)) * width, height, float(rng.uniform(-0.38, 0.38)) * length)
        parts.append(moved(_trifle(rng), at, yaw_deg=float(rng.uniform(0, 360))))
    return join(parts)


def _trifle(rng: np.random.Generator) -> Mesh:
    """A book, a cup, a bottle, a bowl or a box."""
    ink = Material(_any_colour(rng), "flat", gloss=float(rng.uniform(0, 0.5)))
    kind, size = int(rng.integers(5)), float(rng.uniform(0.8, 1.25))
    if kind == 0:
        return box((0.16 * size, 0.03, 0.23 * size), ink)
    if kind == 1:
        return cylinder((0.08, 0.09, 0.08), ink, 14, 1.1)
    if kind == 2:
        return join([cylinder((0.07, 0.19, 0.07), ink, 12), moved(cylinder((0.03, 0.09, 0.03), ink, 10), (0, 0.19, 0))])
    if kind == 3:
        return cylinder((0.12 * size, 0.07, 0.12 * size), ink, 16, 1.8)
    return box((0.2 * size, 0.12 * size, 0.14), ink)


def chair(thing: Thing) -> Mesh:
    """A chair; its back is at its rear, so that who sits looks ahead."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (0.44, 0.9, 0.46), rng, 0.1)
    wood = Material(colour_or(thing, WOODS, rng), "grain", gloss=0.15)
    seat = 0.46
    parts = [box((width, 0.04, length), wood, (0, seat - 0.04, 0))]
    for x in (-1, 1):
        side = x * (width / 2 - 0.03)
        parts += [box((0.04, seat - 0.04, 0.04), wood, (side, 0, length / 2 - 0.03))]
        parts += [box((0.04, height, 0.035), wood, (side, 0, 0.03 - length / 2))]
        parts += [box((0.025, 0.03, length - 0.1), wood, (side, 0.2, 0))]
    parts += [
        box((width - 0.06, 0.07, 0.02), wood, (0, seat + (0.3 + 0.3 * k) * (height - seat), 0.03 - length / 2)) for k in range(3)
    ]
    return join(parts)


def sofa(thing: Thing) -> Mesh:
    """A sofa or an armchair; its back is at its rear."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (1.9, 0.82, 0.9), rng, 0.1)
    cloth = Material(colour_or(thing, FABRICS, rng), "cloth")
    arm = 0.17
    inner = width - 2 * arm
    count = max(1, round(inner / 0.7))
    parts = [
        _cushion((width, 0.3, length), cloth, (0, 0.08, 0)),
        _cushion((width, height - 0.1, 0.2), cloth, (0, 0.1, 0.1 - length / 2)),
    ]
    parts += [_cushion((arm, 0.56, length), cloth, (x * (width - arm) / 2, 0.06, 0)) for x in (-1, 1)]
    for k in range(count):
        x, wide = ((k + 0.5) / count - 0.5) * inner, inner / count - 0.01
        parts.append(_cushion((wide, 0.16, length - 0.22), cloth, (x, 0.34, 0.1)))
        parts.append(moved(_cushion((wide, 0.42, 0.16), cloth, (0, 0, 0)), (x, 0.46, 0.22 - length / 2), pitch_deg=-12))
    for k in range(int(rng.integers(0, 3))):
        pad = Material(_any_colour(rng), "cloth")
        at = (((k - 0.5) * 0.6) * inner, 0.48, 0.36 - length / 2)
        parts.append(moved(_cushion((0.42, 0.40, 0.12), pad, (0, 0, 0)), at, yaw_deg=float(rng.uniform(-20, 20)), pitch_deg=-18))
    return join(parts)


def _cushion(size: tuple[float, float, float], material: Material, at: tuple[float, float, float]) -> Mesh:
    """A box with its corners off."""
    width, height, length = size
    r = 0.25 * min(size)
    w = width / 2
    outline = [(-w + r, 0.0), (w - r, 0.0), (w, r), (w, height - r), (w - r, height), (-w + r, height), (-w, height - r), (-w, r)]
    return moved(extrude(outline, length, material, bevel=0.6 * r, smooth_deg=50), at)


def shelf(thing: Thing) -> Mesh:
    """A bookcase, open to its front."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (0.9, 1.9, 0.3), rng, 0.12)
    wood = Material(colour_or(thing, WOODS, rng), "grain", gloss=0.1)
    parts = [box((0.025, height, length), wood, (x * (width / 2 - 0.0125), 0, 0)) for x in (-1, 1)]
    parts.append(box((width, height, 0.015), wood, (0, 0, 0.0075 - length / 2)))
    levels = max(2, round(height / 0.36))
    for level in range(levels + 1):
        up = level * (height - 0.025) / levels
        parts.append(box((width - 0.05, 0.025, length), wood, (0, up, 0)))
        x = 0.03 - width / 2
        stop = width / 2 - 0.06 if level < levels else x
        stop -= float(rng.choice([0.0, 0.0, 0.3])) * width
        while x < stop:
            thick, tall = float(rng.uniform(0.018, 0.055)), float(rng.uniform(0.55, 0.88)) * height / levels
            deep = length * float(rng.uniform(0.6, 0.85))
            parts.append(
                box(
                    (thick, tall, deep),
                    Material(_any_colour(rng), "flat"),
                    (x + thick / 2, up + 0.025, deep / 2 - length / 2 + 0.02),
                )
            )
            x += thick + 0.002
    return join(parts)


def bed(thing: Thing) -> Mesh:
    """A bed; its head is at its rear."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (1.5, 0.95, 2.05), rng, 0.1)
    wood, sheet = Material(colour_or(thing, WOODS, rng), "grain"), Material((0.86, 0.85, 0.82), "cloth")
    cover = Material(FABRICS[int(rng.integers(len(FABRICS)))], "cloth")
    parts = [box((width, 0.28, length), wood, (0, 0.08, 0)), box((width, height, 0.06), wood, (0, 0, -length / 2))]
    parts.append(_cushion((width - 0.04, 0.24, length - 0.08), sheet, (0, 0.32, 0)))
    parts.append(_cushion((width + 0.06, 0.2, length * 0.68), cover, (0, 0.40, length * 0.15)))
    for x in (-1, 1):
        parts.append(
            moved(
                _cushion((width * 0.42, 0.14, 0.42), sheet, (0, 0, 0)), (x * width * 0.24, 0.56, 0.3 - length / 2), pitch_deg=-15
            )
        )
    return join(parts)


def cupboard(thing: Thing) -> Mesh:
    """A cupboard, sideboard or chest with doors on its front."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (1.2, 1.0, 0.45), rng, 0.2)
    wood, dark = Material(colour_or(thing, WOODS, rng), "grain", gloss=0.15), Material((0.25, 0.24, 0.22), "flat", gloss=0.5)
    parts = [box((width, height, length), wood)]
    columns, rows = max(1, round(width / 0.5)), max(1, round(height / 0.8))
    for column in range(columns):
        for row in range(rows):
            wide, tall = width / columns - 0.02, (height - 0.08) / rows - 0.02
            x, up = ((column + 0.5) / columns - 0.5) * width, 0.06 + row * (tall + 0.02)
            parts.append(box((wide, tall, 0.02), wood, (x, up, length / 2 + 0.01)))
            parts.append(box((0.02, 0.12, 0.03), dark, (x + 0.35 * wide, up + 0.5 * tall, length / 2 + 0.03)))
    for _ in range(int(rng.integers(1, 4))):
        parts.append(moved(_trifle(rng), (float(rng.uniform(-0.4, 0.4)) * width, height, float(rng.uniform(-0.2, 0.2)) * length)))
    return join(parts)


def picture(thing: Thing) -> Mesh:
    """A framed picture that looks ahead; give it a `base_m`."""
    rng = np.random.default_rng(thing.seed)
    width, height, _ = size_or(thing, (0.8, 0.6, 0.03), rng, 0.3)
    frame = Material(WOODS[int(rng.integers(len(WOODS)))], "grain", casts=False)
    paint = Material(colour_or(thing, FABRICS, rng), "painting", casts=False)
    return join([box((width, height, 0.02), frame), box((width - 0.08, height - 0.08, 0.03), paint, (0, 0.04, 0))])


def plant(thing: Thing) -> Mesh:
    """A plant in a pot."""
    rng = np.random.default_rng(thing.seed)
    width, height, _ = size_or(thing, (0.6, 1.1, 0.6), rng, 0.3)
    pot, green = Material(_any_colour(rng), "plain"), Material((0.25, 0.38, 0.16), "flat")
    parts = [cylinder((0.45 * width, 0.28 * height, 0.45 * width), pot, 16, 1.25)]
    for k in range(16):
        angle, out = 2.4 * k, (0.15 + 0.35 * float(rng.random())) * width
        up = height * float(rng.uniform(0.55, 1.0))
        tip = (out * math.cos(angle), up, out * math.sin(angle))
        parts.append(limb((0, 0.25 * height, 0), tip, (0.008, 0.005), green, 4))
        leaf = ellipsoid((0.10, 0.02, 0.26), green, detail=1)
        parts.append(moved(leaf, tip, yaw_deg=90 - math.degrees(angle), pitch_deg=float(rng.uniform(10, 50))))
    return join(parts)


def _any_colour(rng: np.random.Generator) -> Colour:
    value, strength = float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.05, 0.55))
    hue = rng.random(3)
    red, green, blue = (float(value * (1 - strength * (1 - part / hue.max()))) for part in hue)
    return red, green, blue
