"""Houses with windows, doors and roofs. NumPy, no PyTorch."""

from __future__ import annotations

import numpy as np

from lapdepth.synthetic.choices import colour_or, size_or
from lapdepth.synthetic.mesh import Material, Mesh, box, extrude, join, moved, panel
from lapdepth.synthetic.scene import Thing

WALLS = ((0.80, 0.76, 0.66), (0.72, 0.66, 0.55), (0.84, 0.82, 0.78), (0.66, 0.50, 0.38), (0.60, 0.62, 0.62), (0.76, 0.62, 0.48))
BRICKS = ((0.56, 0.32, 0.23), (0.48, 0.30, 0.22), (0.62, 0.45, 0.32))
ROOFS = ((0.42, 0.23, 0.17), (0.30, 0.25, 0.23), (0.25, 0.26, 0.28), (0.50, 0.30, 0.20))
PANE = Material((0.10, 0.12, 0.14), "flat", gloss=0.8, casts=False)
LIT_PANE = Material((1.0, 0.80, 0.50), "flat", gloss=0.4, glow=0.35, casts=False)
FRAME = Material((0.85, 0.85, 0.83), "flat", casts=False)
STONE = Material((0.60, 0.58, 0.55), "plaster")
STOREY_M = 2.9
SUNK_M = 0.6
"""So deep below its origin that no slope shows a gap."""


def house(thing: Thing) -> Mesh:
    """A house: a gable roof along forward, or a flat roof when it is tall; windows and a door on all sides."""
    rng = np.random.default_rng(thing.seed)
    width, height, length = size_or(thing, (9.0, 8.5, 12.0), rng, 0.15)
    brick = rng.random() < 0.4
    facade = Material(colour_or(thing, BRICKS if brick else WALLS, rng), "brick" if brick else "plaster")
    cover = Material(ROOFS[int(rng.integers(len(ROOFS)))], "roof")
    flat = height > 10 or rng.random() < 0.15
    eaves = height - 0.6 if flat else height - 0.36 * min(width, 10)
    parts = [box((width, eaves + SUNK_M, length), facade, (0, -SUNK_M, 0))]
    parts.append(box((width + 0.06, 0.45 + SUNK_M, length + 0.06), STONE, (0, -SUNK_M, 0)))
    if flat:
        parts.append(box((width + 0.3, 0.35, length + 0.3), STONE, (0, eaves, 0)))
    else:
        over, rise, slab = 0.45, height - eaves, 0.22
        half = width / 2
        gable = [(-half, eaves), (half, eaves), (0.0, height)]
        parts.append(extrude(gable, length, facade))
        drop = over * rise / half
        left = [(-half - over, eaves - drop), (0.0, height), (0.0, height + slab), (-half - over, eaves - drop + slab)]
        right = [(half + over, eaves - drop), (half + over, eaves - drop + slab), (0.0, height + slab), (0.0, height)]
        parts += [extrude(side, length + 2 * over, cover) for side in (left, right)]
        parts.append(box((0.7, 1.5, 0.7), Material((0.5, 0.3, 0.22), "brick"), (width * 0.2, height - rise * 0.4, length * 0.25)))
    storeys = max(1, int(eaves / STOREY_M))
    size = (float(rng.uniform(0.9, 1.5)), float(rng.uniform(1.2, 1.6)))
    gap = float(rng.uniform(2.2, 3.4))
    for yaw, wide, deep in ((0, width, length), (180, width, length), (90, length, width), (-90, length, width)):
        parts.append(moved(join(_facade(wide, deep, storeys, size, gap, rng)), yaw_deg=yaw))
    return join(parts)


def _facade(
    wide: float, deep: float, storeys: int, size: tuple[float, float], gap: float, rng: np.random.Generator
) -> list[Mesh]:
    """Windows and a door on the side that looks to the rear."""
    parts = []
    columns = max(1, int((wide - 0.6) / gap))
    door = int(rng.integers(columns))
    paint = Material((float(rng.uniform(0.15, 0.5)), 0.22, 0.18), "grain")
    dark, lit = (_window(size, pane) for pane in (PANE, LIT_PANE))
    for storey in range(storeys):
        for column in range(columns):
            x = ((column + 0.5) / columns - 0.5) * wide
            z = -deep / 2
            if storey == 0 and column == door:
                parts += [box((1.25, 2.35, 0.08), FRAME, (x, 0, z)), box((1.05, 2.2, 0.1), paint, (x, 0.05, z))]
                parts.append(box((1.6, 0.18, 0.9), STONE, (x, 0, z - 0.4)))
                continue
            window = lit if rng.random() < 0.25 else dark
            parts.append(moved(window, (x, storey * STOREY_M + 0.95, z)))
    return parts


def _window(size: tuple[float, float], pane: Material) -> Mesh:
    light = (size[0] / 2 - 0.04, size[1] - 0.04)
    return join(
        [
            panel((size[0] + 0.16, size[1] + 0.16), FRAME, (0, -0.08, -0.02)),
            *(panel(light, pane, (half * size[0] / 4, 0.02, -0.03)) for half in (-1, 1)),
            box((size[0] + 0.3, 0.07, 0.2), STONE, (0, -0.14, -0.05)),
        ]
    )
