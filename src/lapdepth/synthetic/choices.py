"""What an object's description leaves open, drawn by its seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lapdepth.synthetic.scene import Thing

Colour = tuple[float, float, float]
Size = tuple[float, float, float]


def size_or(thing: Thing, usual: Size, rng: np.random.Generator, spread: float = 0.06) -> Size:
    """The size given, or the usual one give or take a share."""
    width, height, length = (side * float(rng.uniform(1 - spread, 1 + spread)) for side in usual)
    return thing.size_m or (width, height, length)


def colour_or(thing: Thing, choices: Sequence[Colour], rng: np.random.Generator) -> Colour:
    """The colour given, or one of the choices, a little off."""
    picked = choices[int(rng.integers(len(choices)))]
    red, green, blue = (float(np.clip(part + rng.uniform(-0.03, 0.03), 0, 1)) for part in picked)
    return thing.colour or (red, green, blue)
