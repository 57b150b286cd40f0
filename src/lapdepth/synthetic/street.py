"""What stands along a road: trees, poles, lamps, signs, rails, walls. NumPy, no PyTorch."""

from __future__ import annotations

import math

import numpy as np

from lapdepth.synthetic.choices import colour_or, size_or
from lapdepth.synthetic.mesh import Material, Mesh, box, cylinder, ellipsoid, join, limb, moved, solid
from lapdepth.synthetic.scene import Thing

GREENS = ((0.27, 0.36, 0.14), (0.33, 0.42, 0.18), (0.22, 0.32, 0.15), (0.40, 0.42, 0.17), (0.48, 0.38, 0.14))
BARK = Material((0.33, 0.27, 0.21), "bark")
STEEL = Material((0.56, 0.58, 0.59), "flat", gloss=0.25)
CONCRETE = Material((0.62, 0.61, 0.58), "plaster")
LAMP_HEAD = Material((1.0, 0.92, 0.75), "flat", glow=1.5)


def tree(thing: Thing) -> Mesh:
    """A broad-leaved tree, or a conifer."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (5.0, 8.0, 5.0), rng, 0.3)
    leaves = Material(colour_or(thing, GREENS, rng), "foliage", cutout=True)
    if rng.random() < 0.25:
        return _conifer(width * 0.7, height, leaves)
    stem = 0.045 * height
    crown = 0.32 * height  # where it begins
    parts = [limb((0, -0.3, 0), (0, 0.62 * height, 0), (stem * 0.62, stem * 0.3), BARK, 10)]
    for k in range(4):
        angle = 2.4 * k + float(rng.uniform(0, 1))
        end = (0.26 * width * math.cos(angle), float(rng.uniform(0.55, 0.75)) * height, 0.26 * length * math.sin(angle))
        parts.append(limb((0, float(rng.uniform(0.3, 0.42)) * height, 0), end, (stem * 0.28, stem * 0.1), BARK, 6))
    for k in range(8):
        angle, out = 2.4 * k, math.sqrt((k + 0.3) / 8) * 0.30
        size = float(rng.uniform(0.42, 0.60))
        up = crown + (height - crown) * float(rng.uniform(0.02, 0.45)) * (1 - 0.5 * out)
        tall = min(size * (height - crown), height - up)
        at = (out * width * math.cos(angle), up, out * length * math.sin(angle))
        parts.append(ellipsoid((size * width, tall, size * length), leaves, at))
    parts.append(
        ellipsoid((0.5 * width, 0.45 * (height - crown), 0.5 * length), leaves, (0, height - 0.45 * (height - crown), 0))
    )
    return join(parts)


def _conifer(width: float, height: float, leaves: Material) -> Mesh:
    parts = [limb((0, -0.3, 0), (0, 0.9 * height, 0), (0.02 * height, 0.01 * height), BARK, 8)]
    for k in range(5):
        up, tall = height * (0.12 + 0.16 * k), 0.34 * height * (1 - 0.12 * k)
        wide = width * (1 - 0.17 * k)
        parts.append(moved(cylinder((wide, min(tall, height - up), wide), leaves, 12, 0.05), (0, up, 0), yaw_deg=17.0 * k))
    return join(parts)


def bush(thing: Thing) -> Mesh:
    """A bush, or with a long size a piece of hedge."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (1.6, 1.2, 1.6), rng, 0.3)
    leaves = Material(colour_or(thing, GREENS, rng), "foliage", cutout=True)
    inner = Material((0.12, 0.15, 0.08), "foliage")
    count = max(2, min(12, round(length / width * 2)))
    parts = []
    for k in range(count):
        z = ((k + 0.5) / count - 0.5) * max(length - width * 0.7, 0.2)
        wide, tall = (side * float(rng.uniform(0.8, 1.0)) for side in (width, height))
        parts.append(ellipsoid((wide, tall * 1.15, width), leaves, (float(rng.uniform(-0.1, 0.1)) * width, -0.15 * tall, z)))
        parts.append(ellipsoid((wide * 0.75, tall * 0.9, width * 0.75), inner, (0, -0.1 * tall, z)))
    return join(parts)


def pole(thing: Thing) -> Mesh:
    """A bare pole."""
    rng = np.random.default_rng(thing.seed)
    width, height, _ = size_or(thing, (0.18, 6.5, 0.18), rng)
    material = Material(thing.colour, thing.surface) if thing.colour else (STEEL, CONCRETE, BARK)[int(rng.integers(3))]
    return moved(cylinder((width, height + 0.2, width), material, 10, 0.75), (0, -0.2, 0))


def lamp(thing: Thing) -> Mesh:
    """A street lamp whose arm of `length` reaches ahead; it shines at night."""
    width, height, length = thing.size_m or (0.2, 7.0, 1.6)
    parts = [
        moved(cylinder((width, height - 0.2, width), STEEL, 10, 0.6), (0, -0.2, 0)),
        limb((0, height - 0.5, 0), (0, height - 0.05, length), (0.045, 0.035), STEEL, 6),
        box((0.28, 0.09, 0.6), STEEL, (0, height - 0.09, length)),
        box((0.22, 0.03, 0.5), LAMP_HEAD, (0, height - 0.12, length)),
    ]
    return join(parts)


def sign(thing: Thing) -> Mesh:
    """A traffic sign, its face to the rear: a disc, a triangle or a board."""
    rng = np.random.default_rng(thing.seed)
    width, height, _ = size_or(thing, (0.7, 2.7, 0.1), rng)
    white, red = Material((0.92, 0.92, 0.90), "flat"), Material((0.75, 0.10, 0.10), "flat")
    blue = Material(thing.colour or (0.10, 0.25, 0.58), "flat")
    parts = [moved(cylinder((0.07, height, 0.07), STEEL, 8), (0, -0.05, 0.04))]
    middle, shape = height - width / 2, int(rng.integers(3))
    if shape == 2:
        parts += [box((width, width, 0.03), white, (0, height - width, -0.03))]
        parts += [box((width * 0.9, width * 0.9, 0.03), blue, (0, height - 0.95 * width, -0.035))]
        parts += [box((width * 0.16, width * 0.55, 0.03), white, (0, height - 0.8 * width, -0.04))]
        return join(parts)
    sides = 20 if shape == 0 else 3
    for size, material, z in ((width, red, 0.0), (width * 0.76, white, -0.006)):
        plate = moved(cylinder((size, 0.03, size), material, sides), yaw_deg=-90 if sides == 3 else 0)
        parts.append(moved(plate, (0, middle, z), pitch_deg=-90))
    parts.append(box((width * 0.1, width * 0.36, 0.03), Material((0.1, 0.1, 0.1), "flat"), (0, middle - width * 0.18, -0.045)))
    return join(parts)


def gantry(thing: Thing) -> Mesh:
    """A sign bridge over the whole road: `width` between its legs, free height `height`."""
    width, height, _ = thing.size_m or (16.0, 5.5, 0.5)
    board = Material(thing.colour or (0.10, 0.28, 0.55), "flat")
    white = Material((0.92, 0.92, 0.90), "flat")
    parts = [box((0.4, height + 1.6, 0.4), STEEL, (side * width / 2, 0, 0)) for side in (-1, 1)]
    parts += [box((width, 0.3, 0.3), STEEL, (0, height + up, 0)) for up in (0.1, 1.2)]
    for k in (-1, 1):
        parts.append(box((width * 0.3, 1.9, 0.08), white, (k * width * 0.22, height - 0.05, -0.22)))
        parts.append(box((width * 0.3 - 0.1, 1.8, 0.08), board, (k * width * 0.22, height, -0.24)))
        for row in range(2):
            parts.append(box((width * 0.18, 0.22, 0.08), white, (k * width * 0.22 - 0.3, height + 0.4 + 0.7 * row, -0.25)))
    return join(parts)


def bridge(thing: Thing) -> Mesh:
    """An overpass: `width` between its abutments, free height `height`, a deck of `length`, and a bank on either side."""
    width, height, length = thing.size_m or (18.0, 5.0, 9.0)
    sunk, thick, bank = 3.0, 1.0, 36.0
    top = height + thick
    stone, grass = Material(thing.colour or CONCRETE.colour, "plaster"), Material((0.36, 0.40, 0.22), "grass")
    parts = [box((width + 2.4, thick, length), stone, (0, height, 0))]
    parts += [box((width + 2.4, 0.95, 0.25), stone, (0, top, side * (length / 2 - 0.125))) for side in (-1, 1)]
    parts += [box((width + 2.4, 0.12, 0.5), STEEL, (0, top + 0.95, side * (length / 2 - 0.125))) for side in (-1, 1)]
    for side in (-1, 1):
        foot = side * (width / 2 + 1.2)
        parts.append(box((1.2, height + sunk, length), stone, (side * (width / 2 + 0.6), -sunk, 0)))
        parts.append(_bank(foot, foot + side * bank, top, length, sunk, grass))
    return join(parts)


def _bank(near: float, far: float, top: float, length: float, sunk: float, material: Material) -> Mesh:
    """Earth that carries a ramp of `length` across from (`near`, `top`) down to (`far`, 0), with slopes on its sides."""
    foot = length / 2 + 1.5 * (top + sunk)
    a, b, c, d, e, f, g, h = np.array(
        [
            (near, top, -length / 2), (near, top, length / 2), (far, 0, length / 2), (far, 0, -length / 2),
            (near, -sunk, -foot), (near, -sunk, foot), (far, -sunk, length / 2 + sunk), (far, -sunk, -length / 2 - sunk),
        ]
    )  # fmt: skip
    quads = [(a, b, c, d), (e, a, d, h), (b, f, g, c), (a, e, f, b), (c, g, h, d)]
    faces = [half for p, q, r, s in quads for half in ((p, q, r), (p, r, s))]
    return solid(np.array(faces), material, two_sided=True)


def rail(thing: Thing) -> Mesh:
    """A crash barrier along forward."""
    _, height, length = thing.size_m or (0.1, 0.75, 8.0)
    parts = [
        moved(box((0.09, height, 0.12), STEEL), (0.08, 0, (k + 0.5) * 2 - length / 2)) for k in range(max(1, int(length / 2)))
    ]
    for up, x in ((height - 0.10, 0.0), (height - 0.20, 0.03), (height - 0.30, 0.0)):
        parts.append(box((0.04, 0.10, length), STEEL, (x, up, 0)))
    return join(parts)


def wall(thing: Thing) -> Mesh:
    """A garden wall along forward, with a coping."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = thing.size_m or (0.25, 1.4, 10.0)
    surface = thing.surface if thing.surface != "plain" else ("brick", "plaster")[int(rng.integers(2))]
    colour = colour_or(thing, ((0.55, 0.32, 0.24), (0.62, 0.58, 0.52)), rng)
    body = moved(box((width, height + 0.2, length), Material(colour, surface)), (0, -0.2, 0))
    return join([body, box((width + 0.08, 0.07, length), CONCRETE, (0, height, 0))])
