"""Solids as triangles. NumPy, no PyTorch.

Built in an object's own frame (right, up, forward), in metres, with the origin in the middle of the underside; triangles run
counter-clockwise seen from outside, in the sense that (b - a) x (c - a) points outwards.

Legend: F triangles.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lapdepth.errors import InputError

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """What a surface looks like.

    Attributes:
        colour: sRGB from 0 to 1.
        texture: A name that `lapdepth.synthetic.textures` knows.
        gloss: Share of a mirror, at a right angle.
        glow: Own light, as a multiple of its colour.
        cutout: Leaves with holes between them.
        casts: Whether it stops light; a room's shell does not, so that light gets in.
    """

    colour: tuple[float, float, float] = (0.5, 0.5, 0.5)
    texture: str = "plain"
    gloss: float = 0.0
    glow: float = 0.0
    cutout: bool = False
    casts: bool = True


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles with materials.

    Attributes:
        corners: (F, 3, 3) the corners (right, up, forward).
        normals: (F, 3, 3) unit normals at the corners, for shading.
        texture: (F, 3, 3) where a corner is in the texture's space.
        material: (F,) number in `palette`.
        two_sided: (F,) bool, seen from behind too.
        palette: Materials.
    """

    corners: Points
    normals: Points
    texture: Points
    material: npt.NDArray[np.int64]
    two_sided: npt.NDArray[np.bool_]
    palette: tuple[Material, ...]


def solid(corners: Points, material: Material, normals: Points | None = None, two_sided: bool = False) -> Mesh:
    """A mesh of one material; flat faces unless `normals` (F, 3, 3) are given."""
    count = len(corners)
    if normals is None:
        normals = np.repeat(_face_normals(corners)[:, None], 3, 1)
    numbers = np.zeros(count, np.int64)
    return Mesh(corners, normals, corners, numbers, _sides(count, material, two_sided), (material,))


def _sides(count: int, material: Material, two_sided: bool = False) -> npt.NDArray[np.bool_]:
    return np.full(count, two_sided or material.cutout)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """All in one."""
    starts = np.cumsum([0] + [len(mesh.palette) for mesh in meshes])
    return Mesh(
        np.concatenate([mesh.corners for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.texture for mesh in meshes]),
        np.concatenate([mesh.material + start for mesh, start in zip(meshes, starts, strict=False)]),
        np.concatenate([mesh.two_sided for mesh in meshes]),
        sum((mesh.palette for mesh in meshes), ()),
    )


def moved(
    mesh: Mesh, at: Sequence[float] = (0, 0, 0), yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0
) -> Mesh:
    """Rolled to the right, pitched forwards, turned to the right, then moved to `at`; textures stay where they are on it."""
    corners, normals = mesh.corners, mesh.normals
    if yaw_deg or pitch_deg or roll_deg:
        y, p, r = (math.radians(angle) for angle in (yaw_deg, pitch_deg, roll_deg))
        roll = np.array([[math.cos(r), math.sin(r), 0], [-math.sin(r), math.cos(r), 0], [0, 0, 1]])
        pitch = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
        turn = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
        way = turn @ pitch @ roll
        corners, normals = _turned(corners, way), _turned(normals, way)
    return Mesh(corners + np.asarray(at, float), normals, mesh.texture, mesh.material, mesh.two_sided, mesh.palette)


def _turned(vectors: Points, way: Points) -> Points:
    """As one product: a stack of small ones is many times slower."""
    return (vectors.reshape(-1, 3) @ way.T).reshape(vectors.shape)


def box(size: Sequence[float], material: Material, at: Sequence[float] = (0, 0, 0)) -> Mesh:
    """A box; `at` is the middle of its underside."""
    unit = _unit_box()
    corners = unit.corners * np.asarray(size, float)
    return moved(Mesh(corners, unit.normals, corners, unit.material, _sides(12, material), (material,)), at)


@lru_cache(maxsize=1)
def _unit_box() -> Mesh:
    """Scaled by `box`: a scene has thousands of them."""
    return extrude([(-0.5, 0), (0.5, 0), (0.5, 1), (-0.5, 1)], 1.0, Material())


def panel(size: Sequence[float], material: Material, at: Sequence[float] = (0, 0, 0)) -> Mesh:
    """The face that a box of (width, height) turns to the rear, and nothing else; `at` is the middle of its lower edge."""
    corners = _UNIT_PANEL * [*size, 0.0]
    return moved(solid(corners, material, _TO_THE_REAR), at)


_TO_THE_REAR = np.tile(np.array([0.0, 0.0, -1.0]), (2, 3, 1))
_UNIT_PANEL = np.array([[[-0.5, 0, 0], [-0.5, 1, 0], [0.5, 1, 0]], [[-0.5, 0, 0], [0.5, 1, 0], [0.5, 0, 0]]])


def wedge(size: Sequence[float], material: Material) -> Mesh:
    """A ramp that rises from nothing at its near end to its full height at the far end."""
    width, height, length = size
    outline = [(-length / 2, 0.0), (length / 2, 0.0), (length / 2, height)]
    return moved(extrude(outline, width, material), yaw_deg=-90)


def extrude(
    outline: Sequence[tuple[float, float]], length: float, material: Material, bevel: float = 0.0, smooth_deg: float = 0.0
) -> Mesh:
    """An outline in (right, up), drawn out along forward, the middle at 0.

    Args:
        outline: Corners in order, of a polygon without crossings.
        length: Along forward.
        material: Of all faces.
        bevel: How far the edges round both ends are taken off.
        smooth_deg: Faces that meet at a smaller angle are shaded as one curved surface.

    Raises:
        InputError: The outline has crossings or no area.
    """
    ring = np.asarray(outline, float)
    if _area(ring) < 0:
        ring = ring[::-1]
    cap = _ear_clip(ring)
    middle = (ring.min(0) + ring.max(0)) / 2
    extent = np.maximum(np.ptp(ring, axis=0), 1e-9)
    small = middle + (ring - middle) * np.maximum(1 - 2 * bevel / extent, 0.05)
    layers = [(ring, -length / 2), (ring, length / 2)]
    if bevel:
        layers = [(small, -length / 2), (ring, bevel - length / 2), (ring, length / 2 - bevel), (small, length / 2)]
    rings = [np.column_stack([points, np.full(len(ring), z)]) for points, z in layers]
    faces = [rings[0][cap[:, ::-1]], rings[-1][cap]]
    for near, far in itertools.pairwise(rings):
        faces += [_strip(near, far)]
    corners = np.concatenate(faces)
    return solid(corners, material, smooth(corners, smooth_deg) if smooth_deg else None)


def cylinder(size: Sequence[float], material: Material, sides: int = 20, top: float = 1.0) -> Mesh:
    """An upright prism of many sides round an ellipse, shaded as a cylinder; `top` is the size of its upper end."""
    width, height, length = size
    ring, side, lid, under, over = _round(sides)
    base = ring * [width / 2, 0, length / 2]
    points = np.concatenate([base, base * [top, 1, top] + [0, height, 0]])
    lean = (1 - top) * width / 2 / height
    normals = _unit(ring / [width, 1, length] + [0, lean / width, 0])
    parts, shading = [points[side], points[lid]], [normals[side % sides], under]
    if top > 0.01:
        parts, shading = [*parts, points[lid[:, ::-1] + sides]], [*shading, over]
    return solid(np.concatenate(parts), material, np.concatenate(shading))


@lru_cache(maxsize=32)
def _round(sides: int) -> tuple[Points, npt.NDArray[np.int64], npt.NDArray[np.int64], Points, Points]:
    """An upright prism of K sides.

    Returns:
        Corners (K, 3) of a unit ring; corner numbers of the sides' and of the lower end's triangles, the upper ring's being K
        more; normals of the lower and of the upper end's triangles.
    """
    angle = np.arange(sides) * 2 * math.pi / sides
    ring = np.column_stack([np.cos(angle), np.zeros(sides), np.sin(angle)])
    number = np.arange(sides, dtype=np.float64)[:, None]
    side = _strip(number, number + sides)[:, ::-1, 0].astype(np.int64)
    fan = np.arange(1, sides - 1)
    lid = np.stack([fan, fan + 1, np.zeros_like(fan)], 1).astype(np.int64)
    under, over = (np.tile(np.array([0.0, up, 0.0]), (len(fan), 3, 1)) for up in (-1, 1))
    return ring, side, lid, under, over


def ellipsoid(size: Sequence[float], material: Material, at: Sequence[float] = (0, 0, 0), detail: int = 1) -> Mesh:
    """An ellipsoid of full `size`; `at` is the middle of its underside."""
    ball = _ball(detail)
    half = np.asarray(size, float) / 2
    corners = ball * half + [0, half[1], 0] + np.asarray(at, float)
    return solid(corners, material, _unit(ball / half))


def limb(start: Sequence[float], end: Sequence[float], radii: tuple[float, float], material: Material, sides: int = 10) -> Mesh:
    """A round bar from one point to another, with its radius at either."""
    way = np.asarray(end, float) - np.asarray(start, float)
    length = float(np.linalg.norm(way))
    bar = cylinder((2 * radii[0], length, 2 * radii[0]), material, sides, radii[1] / radii[0])
    tilt, yaw = math.degrees(math.acos(way[1] / length)), math.degrees(math.atan2(way[0], way[2]))
    return moved(bar, start, yaw_deg=yaw, pitch_deg=tilt)


def smooth(corners: Points, crease_deg: float) -> Points:
    """Normals (F, 3, 3) averaged over the faces that share a corner and meet at less than `crease_deg`."""
    face = _face_normals(corners)
    _, point = np.unique(np.round(corners.reshape(-1, 3), 6), axis=0, return_inverse=True)
    point = point.reshape(-1)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    owner = np.repeat(np.arange(len(corners)), 3)
    near = (point[:, None] == point[None]) & ((face @ face.T)[owner][:, owner] > math.cos(math.radians(crease_deg)))
    return np.asarray(_unit(near @ (face * area[:, None])[owner]).reshape(-1, 3, 3), np.float64)


def _strip(first: Points, second: Points) -> Points:
    """Two triangles for each side between two closed rings."""
    a, b, c, d = first, np.roll(first, -1, 0), np.roll(second, -1, 0), second
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


@lru_cache(maxsize=8)
def _ball(detail: int) -> Points:
    """Corners (F, 3, 3) of a unit ball: an icosahedron, each triangle divided in four `detail` times."""
    g = (1 + math.sqrt(5)) / 2
    points = np.array([[-1, g, 0], [1, g, 0], [-1, -g, 0], [1, -g, 0], [0, -1, g], [0, 1, g], [0, -1, -g], [0, 1, -g],
                       [g, 0, -1], [g, 0, 1], [-g, 0, -1], [-g, 0, 1]])  # fmt: skip
    faces = np.array([[0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11], [1, 5, 9], [5, 11, 4], [11, 10, 2],
                      [10, 7, 6], [7, 1, 8], [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9], [4, 9, 5], [2, 4, 11],
                      [6, 2, 10], [8, 6, 7], [9, 8, 1]])  # fmt: skip
    corners = _unit(points)[faces]
    for _ in range(detail):
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = _unit(a + b), _unit(b + c), _unit(c + a)
        corners = np.concatenate([np.stack(parts, 1) for parts in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))])
    return np.asarray(corners, np.float64)


def _ear_clip(ring: Points) -> npt.NDArray[np.int64]:
    """Triangles (K - 2, 3) of a counter-clockwise polygon."""
    points = [(float(x), float(y)) for x, y in ring]

    def area(i: int, j: int, m: int) -> float:
        """Twice a triangle's."""
        (ax, ay), (bx, by), (cx, cy) = points[i], points[j], points[m]
        return (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)

    left = list(range(len(ring)))
    ears = []
    while len(left) > 3:
        for k in range(len(left)):
            i, j, m = left[k - 1], left[k], left[(k + 1) % len(left)]
            inside = (area(i, j, n) >= 0 and area(j, m, n) >= 0 and area(m, i, n) >= 0 for n in left if n not in (i, j, m))
            if area(i, j, m) > 2e-12 and not any(inside):
                ears.append((i, j, m))
                del left[k]
                break
        else:
            break  # no ear left
    if len(left) > 3 or area(*left) <= 2e-12:
        raise InputError(f"outline of {len(ring)} corners crosses itself or has no area; give its corners in order")
    return np.array([*ears, tuple(left)], np.int64)


def _area(ring: Points) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _cross(a: Points, b: Points) -> Points:
    """Of vectors (F, 3); what NumPy has is slow on few."""
    ax, ay, az, bx, by, bz = *a.T, *b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], 1)


def _face_normals(corners: Points) -> Points:
    return _unit(_cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def _unit(vectors: Points) -> Points:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), np.float64)
