"""What builds each kind of object. NumPy, no PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lapdepth.synthetic import furniture, street, vehicles
from lapdepth.synthetic.house import house
from lapdepth.synthetic.mesh import Material, Mesh, box, cylinder, ellipsoid, extrude, moved, solid, wedge
from lapdepth.synthetic.people import cyclist, pedestrian
from lapdepth.synthetic.scene import Thing

PLAIN_COLOUR = (0.55, 0.52, 0.48)
"""Of a plain shape that names no colour."""

Builder = Callable[[Thing], Mesh]


def build(thing: Thing) -> Mesh:
    """The object's triangles in its own frame."""
    return BUILDERS[thing.kind](thing)


def _size(thing: Thing) -> tuple[float, float, float]:
    return thing.size_m or (1.0, 1.0, 1.0)


def _material(thing: Thing) -> Material:
    return Material(thing.colour or PLAIN_COLOUR, thing.surface)


def _prism(thing: Thing) -> Mesh:
    height = _size(thing)[1]
    upright = extrude(thing.outline_m, height, _material(thing))  # drawn out along forward: stand it up
    return moved(upright, (0, height / 2, 0), pitch_deg=90)


def _mesh(thing: Thing) -> Mesh:
    return solid(np.array(thing.vertices_m)[np.array(thing.faces)], _material(thing), two_sided=True)


BUILDERS: dict[str, Builder] = {
    "box": lambda thing: box(_size(thing), _material(thing)),
    "cylinder": lambda thing: cylinder(_size(thing), _material(thing), sides=32),
    "wedge": lambda thing: wedge(_size(thing), _material(thing)),
    "ellipsoid": lambda thing: ellipsoid(_size(thing), _material(thing), detail=2),
    "prism": _prism,
    "mesh": _mesh,
    "car": vehicles.car,
    "van": vehicles.van,
    "truck": vehicles.truck,
    "motorcycle": vehicles.motorcycle,
    "cyclist": cyclist,
    "pedestrian": pedestrian,
    "tree": street.tree,
    "bush": street.bush,
    "pole": street.pole,
    "lamp": street.lamp,
    "sign": street.sign,
    "gantry": street.gantry,
    "bridge": street.bridge,
    "rail": street.rail,
    "wall": street.wall,
    "house": house,
    "room": furniture.room,
    "table": furniture.table,
    "chair": furniture.chair,
    "sofa": furniture.sofa,
    "shelf": furniture.shelf,
    "bed": furniture.bed,
    "cupboard": furniture.cupboard,
    "picture": furniture.picture,
    "plant": furniture.plant,
}
"""By `Thing.kind`."""
