"""The ground and the road on it as triangles in the world. NumPy, no PyTorch."""

from __future__ import annotations

import math

import numpy as np

from lapdepth.synthetic.mesh import Material, Mesh, Points, join, solid
from lapdepth.synthetic.motion import elevation_m, follow_arc, road_place
from lapdepth.synthetic.scene import Ground, Junction, Road, Scene

KERB_M = 0.12
"""Height of a raised pavement."""
ROAD_LIFT_M = 0.02
"""The road lies this much over the ground beside it."""
LET_DOWN_M = 1.5
"""Length over which a pavement goes down to a junction."""
MOUTH_M = 3.0
"""A side road is so much wider at its mouth, on either side."""
JUNCTION_LIFT_M = 0.004
"""A side road lies this much over the road it meets, whose let-down pavement it covers."""
FINE_M = 4.0
"""Length of the road's quadrilaterals, and width of the relief's near the road."""
ROAD_BEYOND_M = 400.0
"""How far a road goes on straight, before its beginning and after its end."""


def ground_mesh(scene: Scene) -> Mesh:
    """Ground and road as seen from above, in the world but for (right, up, forward)."""
    parts = [_relief(scene.ground, scene.road)]
    if scene.road is not None:
        parts += _road(scene.ground, scene.road)
    return join(parts)


def _relief(ground: Ground, road: Road | None) -> Mesh:
    reach = ground.reach_m
    material = Material(ground.colour, ground.surface)
    if not ground.waves:
        lines = np.array([-reach, reach])
        return _sheet(ground, np.array(np.meshgrid(lines, lines, indexing="ij")), material, -ROAD_LIFT_M if road else 0.0)
    length = road.length_m if road else 0.0
    path = np.array([road_place(road, s)[:2] for s in np.linspace(-40, length + 150, 40)] if road else [(0.0, 0.0)])
    sides = []
    for low, high in zip(path.min(0) - 40, path.max(0) + 40, strict=True):
        near = np.linspace(low, high, max(2, round((high - low) / (2 * FINE_M)) + 1))
        beyond = np.cumsum(2 * FINE_M * 1.25 ** np.arange(50))
        beyond = np.append(beyond[beyond < reach], reach)
        sides.append(np.concatenate([low - beyond[::-1], near, high + beyond]))
    grid = np.array(np.meshgrid(*sides, indexing="ij"))
    # Between the corners of its squares the relief can stand over the road: keep it below by what a sine bulges there.
    bulge = sum(abs(w.amplitude_m) * (2 * math.pi / w.length_m * 2 * FINE_M) ** 2 / 4 for w in ground.waves)
    return _sheet(ground, grid, material, -ROAD_LIFT_M - min(bulge, 0.3) if road else 0.0)


def _sheet(ground: Ground, grid: Points, material: Material, lift_m: float) -> Mesh:
    """A sheet over a grid (2, A, B) of world places (x, z), its texture lying on the world."""
    x, z = grid
    points = np.stack([x, elevation_m(ground, x, z) + lift_m, z], -1)
    return solid(_quads(points), material, np.broadcast_to([0.0, 1.0, 0.0], (2 * (x.shape[0] - 1) * (x.shape[1] - 1), 3, 3)))


def _road(ground: Ground, road: Road) -> list[Mesh]:
    length = road.length_m
    straight = not ground.waves
    before = np.array([-ROAD_BEYOND_M, 0.0]) if straight else np.arange(-ROAD_BEYOND_M, 0, 2 * FINE_M)
    after = length + (np.array([0.0, 2 * ROAD_BEYOND_M]) if straight else np.arange(0, 2 * ROAD_BEYOND_M, 2 * FINE_M))
    bends = np.linspace(0, length, max(2, math.ceil(length / FINE_M) + 1)) if length else np.empty(0)
    along = np.unique(np.concatenate([before, bends, after, *(_breaks(junction) for junction in road.junctions)]))
    places = [road_place(road, float(s)) for s in along]
    left, right = road.edges_m
    asphalt = Material(road.colour, "road" if road.markings else "asphalt")
    flat, meshes = np.zeros(len(along)), _side_roads(ground, road)
    meshes.append(_band(ground, places, along, left, right, flat, flat, asphalt))
    if road.pavement_m:
        paving, stone = Material((0.52, 0.50, 0.47), "paving"), Material((0.60, 0.59, 0.57), "plain")
        for side, edge in ((-1, left), (1, right)):
            raised = KERB_M * _let_down(road, along, side)
            kerb, outer = edge + side * 0.15, edge + side * (0.15 + road.pavement_m)
            lip, end = edge + side * 0.02, outer + side * 0.05
            for start, stop, low, high, material in (
                (edge, lip, flat, raised, stone),
                (lip, kerb, raised, raised, stone),
                (kerb, outer, raised, raised, paving),
                (outer, end, raised, flat - ROAD_LIFT_M, paving),
            ):
                meshes.append(_band(ground, places, along, start, stop, low, high, material))
    return meshes


def _breaks(junction: Junction) -> Points:
    """Lengths along the road at which a pavement changes its height."""
    half = junction.width_m / 2 + MOUTH_M
    return junction.along_m + np.array([-half - LET_DOWN_M, -half, half, half + LET_DOWN_M])


def _let_down(road: Road, along: Points, side: int) -> Points:
    """Share (N,) of its height that a pavement has at lengths along the road: none at a junction."""
    share = np.ones(len(along))
    for junction in road.junctions:
        if junction.meets(side):
            beside = np.abs(along - junction.along_m) - junction.width_m / 2 - MOUTH_M
            share = np.minimum(share, np.clip(beside / LET_DOWN_M, 0, 1))
    return share


def _side_roads(ground: Ground, road: Road) -> list[Mesh]:
    """Asphalt of the roads that meet a road, from its edge outwards, wider at their mouth; over a pavement's asphalt strip."""
    asphalt, paint = Material(road.colour, "asphalt"), Material((0.75, 0.75, 0.73), "flat")
    meshes = []
    for junction in road.junctions:
        x, z, yaw = road_place(road, junction.along_m)
        for side, edge in ((-1, road.edges_m[0]), (1, road.edges_m[1])):
            if not junction.meets(side):
                continue
            half, way = junction.width_m / 2, yaw + side * math.pi / 2
            out = np.concatenate([[0.0, 1.0, 2.5, 5.0], np.arange(9.0, junction.length_m, FINE_M), [junction.length_m]])
            wide = half + MOUTH_M * np.clip(1 - out / 5.0, 0, 1) ** 2
            start = follow_arc((x, z, yaw + math.pi / 2), edge, 0.0)[:2]
            for lift, first, last, low, high, material in (
                (JUNCTION_LIFT_M, 0, len(out), -wide, wide, asphalt),
                (JUNCTION_LIFT_M + 0.005, 3, 5, np.full(len(out), 0.1), np.full(len(out), 0.25), paint),
            ):
                line = [follow_arc((*start, way), float(d), 0.0) for d in out[first:last]]
                meshes.append(_ribbon(ground, line, out[first:last], low[first:last], high[first:last], lift, material))
    return meshes


def _ribbon(
    ground: Ground,
    places: list[tuple[float, float, float]],
    along: Points,
    low_m: Points,
    high_m: Points,
    lift_m: float,
    material: Material,
) -> Mesh:
    """A strip between two offsets that change along it, at one height over the ground."""
    up = np.full(len(along), lift_m)
    return _band(ground, places, along, low_m, high_m, up, up, material)


def _band(
    ground: Ground,
    places: list[tuple[float, float, float]],
    along: Points,
    from_m: float | Points,
    to_m: float | Points,
    from_up_m: Points,
    to_up_m: Points,
    material: Material,
) -> Mesh:
    """A strip along a road between two offsets; its texture lies in (offset, 0, length along the road)."""
    if np.all(np.asarray(from_m) > to_m):
        from_m, to_m, from_up_m, to_up_m = to_m, from_m, to_up_m, from_up_m
    px, pz, yaw = np.array(places).T
    rows = []
    for offset, up in ((from_m, from_up_m), (to_m, to_up_m)):
        x, z = px + offset * np.cos(yaw), pz - offset * np.sin(yaw)
        rows.append(np.stack([x, elevation_m(ground, x, z) + up, z], -1))
    zero = np.zeros_like(along)
    flat = np.stack([np.stack([zero + m, zero, along], -1) for m in (from_m, to_m)])
    mesh = solid(_quads(np.stack(rows)), material)
    return Mesh(mesh.corners, mesh.normals, _quads(flat), mesh.material, mesh.two_sided, mesh.palette)


def _quads(points: Points) -> Points:
    """Grid points (A, B, 3), A to the right and B ahead, to triangles seen from above."""
    a, b, c, d = points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]
    return np.concatenate([np.stack([a, d, c], -2).reshape(-1, 3, 3), np.stack([a, c, b], -2).reshape(-1, 3, 3)])
