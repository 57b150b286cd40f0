"""What surfaces look like: colours computed from places on them, so that they stay where they are when the camera moves.

Legend: N points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lapdepth.synthetic.noise import hashed, leafy, rough, soft
from lapdepth.synthetic.scene import Road


@dataclass(frozen=True, eq=False)
class Spots:
    """Points on surfaces of one texture.

    Attributes:
        place: (N, 3) float32, metres in the texture's space.
        u: (N,) float32, along the surface.
        v: (N,) float32, across it; upwards on walls.
        foot_m: (N,) float32, what a sample covers.
        seed: (N,) int64, one number for each object.
        colour: (N, 3) float32, linear, the material's.
        road: The scene's road.
    """

    place: Tensor
    u: Tensor
    v: Tensor
    foot_m: Tensor
    seed: Tensor
    colour: Tensor
    road: Road | None

    def rough(self, period_m: float) -> Tensor:
        """Grain."""
        return rough(self.u.device)(self.u, self.v, period_m, self.foot_m)

    def leafy(self, period_m: float, stretch: float = 1.0) -> Tensor:
        """1/f noise, stretched along u."""
        return leafy(self.u.device)(self.u / stretch, self.v, period_m, self.foot_m)

    def soft(self, period_m: float) -> Tensor:
        """Stains."""
        return soft(self.u.device)(self.u, self.v, period_m, self.foot_m)

    def cells(self, width_m: float, height_m: float, shift: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
        """Columns and rows (N,) int64 of a pattern of bricks, every second row shifted, and the distance to the joint."""
        row = torch.floor(self.v / height_m)
        u = self.u + (row.long() & 1) * shift * width_m
        column = torch.floor(u / width_m)
        du, dv = u - column * width_m, self.v - row * height_m
        edge = torch.minimum(torch.minimum(du, width_m - du), torch.minimum(dv, height_m - dv))
        return column.long(), row.long(), edge

    def joint(self, edge: Tensor, width_m: float) -> Tensor:
        """Share (N,) of the sample that a joint of `width_m` covers."""
        return ((width_m - edge) / self.foot_m.clamp(min=1e-4) + 0.5).clamp(0, 1) * (width_m * 3 / self.foot_m).clamp(max=1)


Texture = Callable[[Spots], Tensor]
"""(N, 3) linear colours of the points."""


def _toned(spots: Spots, tone: Tensor) -> Tensor:
    return spots.colour * tone.clamp(0.08, 2.5)[:, None]


def _mixed(spots: Spots, other: tuple[float, float, float], share: Tensor) -> Tensor:
    """The material's colour times `other` where `share` (N,) is 1."""
    factor = torch.tensor(other, device=share.device)
    return spots.colour * torch.lerp(torch.ones_like(factor), factor, share.clamp(0, 1)[:, None])


def _plain(s: Spots) -> Tensor:
    return _toned(s, 1 + 0.05 * s.rough(1.0) + 0.05 * s.soft(4.0))


def _flat(s: Spots) -> Tensor:
    return _toned(s, 1 + 0.02 * s.soft(2.0))


def _asphalt(s: Spots) -> Tensor:
    stain = s.soft(37.0)
    patch = (s.soft(61.0) > 1.3).float() * -0.12
    crack = ((s.leafy(23.0).abs() < 0.02).float() * (s.soft(83.0) > 0.4)) * (0.03 / s.foot_m).clamp(max=1) * -0.35
    return _toned(s, 1 + 0.16 * s.rough(1.7) + 0.10 * stain + 0.08 * s.rough(9.0) + patch + crack)


def _road(s: Spots) -> Tensor:
    """Asphalt with worn tracks and painted lanes; u is the offset to the right, v runs along."""
    road = s.road
    base = _asphalt(s)
    if road is None:
        return base
    offset, along = s.place[:, 0], s.place[:, 2]
    width = road.lane_width_m
    within = torch.remainder(offset, width) / width
    tracks = torch.exp(-(((within - 0.27) / 0.09) ** 2)) + torch.exp(-(((within - 0.73) / 0.09) ** 2))
    base = base * (1 - 0.10 * tracks)[:, None]
    left, right = -road.lanes_left * width, road.lanes_right * width
    dashes = (torch.remainder(along, 9.0) < 3.0).float()
    paint = torch.zeros_like(offset)
    for line in range(-road.lanes_left, road.lanes_right + 1):
        at = line * width
        share = s.joint((offset - at).abs(), 0.06)
        edge = at in (left, right)
        paint = torch.maximum(paint, share * _beside_junctions(road, along, 1 if at == right else -1) if edge else share * dashes)
    worn = (0.85 - 0.25 * (s.leafy(3.0) + s.rough(11.0) * 0.5).clamp(min=0)).clamp(0, 1)
    return torch.lerp(base, torch.full_like(base, 0.62), (paint * worn)[:, None])


def _beside_junctions(road: Road, along: Tensor, side: int) -> Tensor:
    """0 (N,) where the road's edge on a side (-1 left, 1 right) is open to another road, else 1."""
    painted = torch.ones_like(along)
    for junction in road.junctions:
        if junction.meets(side):
            painted = painted * ((along - junction.along_m).abs() > junction.width_m / 2 + 1.0).float()
    return painted


def _grass(s: Spots) -> Tensor:
    """Two noises at an angle, so that neither's period shows."""
    dry = (0.5 + 0.35 * s.soft(19.0) + 0.2 * s.leafy(5.0)).clamp(0, 1)
    colour = _mixed(s, (1.35, 1.1, 0.75), dry)
    aslant = leafy(s.u.device)(0.8 * s.u - 0.6 * s.v, 0.6 * s.u + 0.8 * s.v, 1.7, s.foot_m)
    tone = 1 + 0.22 * s.leafy(2.3) + 0.22 * aslant + 0.16 * s.rough(3.1) + 0.12 * s.soft(53.0)
    return colour * tone.clamp(0.15, 2.5)[:, None]


def _earth(s: Spots) -> Tensor:
    return _toned(s, 1 + 0.22 * s.rough(1.3) + 0.16 * s.leafy(7.0) + 0.1 * s.soft(29.0))


def _paving(s: Spots) -> Tensor:
    column, row, edge = s.cells(0.5, 0.5, 0.5)
    tone = 0.88 + 0.24 * hashed(column, row) + 0.07 * s.rough(1.1) + 0.06 * s.soft(13.0)
    return _toned(s, tone * (1 - 0.45 * s.joint(edge, 0.006)))


def _tiles(s: Spots) -> Tensor:
    column, row, edge = s.cells(0.3, 0.3)
    tone = 0.94 + 0.12 * hashed(column, row) + 0.03 * s.rough(0.9)
    return _toned(s, tone * (1 - 0.4 * s.joint(edge, 0.004)))


def _brick(s: Spots) -> Tensor:
    column, row, edge = s.cells(0.24, 0.075, 0.5)
    tone = 0.72 + 0.5 * hashed(column, row, s.seed) + 0.10 * s.rough(0.7) + 0.10 * s.soft(9.0)
    grey = torch.full_like(s.colour, 0.34)
    return torch.lerp(_toned(s, tone), grey, (0.8 * s.joint(edge, 0.006))[:, None])


def _roof(s: Spots) -> Tensor:
    column, row, edge = s.cells(0.25, 0.33, 0.5)
    slant = torch.remainder(s.v, 0.33) / 0.33
    tone = 0.75 + 0.35 * hashed(column, row, s.seed) + 0.2 * (slant - 0.5) + 0.12 * s.soft(7.0)
    return _toned(s, tone * (1 - 0.4 * s.joint(edge, 0.015)))


def _plaster(s: Spots) -> Tensor:
    return _toned(s, 1 + 0.05 * s.rough(1.1) + 0.07 * s.soft(8.0) + 0.04 * s.leafy(3.0, 0.3))


def _wood(s: Spots) -> Tensor:
    plank, _, edge = s.cells(0.12, 1.4, 0.37)
    grain = leafy(s.u.device)(s.v * 0.6 + plank * 3.7, s.u * 7, 2.2, s.foot_m * 4)
    tone = 0.85 + 0.25 * hashed(plank, s.seed) + 0.14 * grain + 0.06 * s.rough(1.0)
    return _toned(s, tone * (1 - 0.45 * s.joint(edge, 0.002)))


def _grain(s: Spots) -> Tensor:
    grain = leafy(s.u.device)(s.u * 0.8 + s.seed.float() % 17, s.v * 8, 2.0, s.foot_m * 4)
    return _toned(s, 1 + 0.14 * grain + 0.05 * s.rough(1.0))


def _bark(s: Spots) -> Tensor:
    furrow = leafy(s.u.device)(s.u * 5 + s.place.sum(1), s.v, 2.0, s.foot_m * 3)
    return _toned(s, 1 + 0.35 * furrow + 0.12 * s.rough(1.0))


def _foliage(s: Spots) -> Tensor:
    leaf, cluster = s.leafy(0.8), s.leafy(3.3)
    colour = _mixed(s, (1.5, 1.25, 0.6), 0.35 + 0.3 * leaf + 0.2 * cluster)
    return colour * (0.9 + 0.38 * leaf + 0.22 * cluster).clamp(0.12, 2.2)[:, None]


def _carpet(s: Spots) -> Tensor:
    column, row, edge = s.cells(0.22, 0.22)
    figure = (hashed(column % 5, row % 5, s.seed) > 0.55).float() * (edge > 0.03)
    colour = _mixed(s, (0.45, 0.55, 0.9), figure)
    return colour * (1 + 0.2 * s.rough(0.6) + 0.1 * s.soft(3.0)).clamp(0.2, 2)[:, None]


def _cloth(s: Spots) -> Tensor:
    return _toned(s, 1 + 0.12 * s.rough(0.5) + 0.10 * s.leafy(1.7) + 0.05 * s.soft(3.0))


def _checks(s: Spots) -> Tensor:
    odd = (torch.floor(s.u / 0.5) + torch.floor(s.v / 0.5)).long() & 1
    return _toned(s, 0.3 + 1.2 * odd.float())


def _painting(s: Spots) -> Tensor:
    """A made-up landscape or abstract in the picture's own colours."""
    shift = (s.seed % 97).float()
    here = soft(s.u.device)(s.u + shift * 0.7, s.v + shift * 0.3, 1.6, s.foot_m)
    there = leafy(s.u.device)(s.u - shift, s.v * 2.0, 1.9, s.foot_m)
    hill = (s.v < 0.12 * here).float()
    sky = torch.stack([0.35 + 0.1 * here, 0.45 + 0.1 * here, 0.55 + 0.05 * there], 1)
    land = s.colour * (1 + 0.5 * there)[:, None] + 0.05 * here[:, None]
    return torch.lerp(sky, land, hill[:, None]).clamp(0.01, 0.9)


TEXTURES: dict[str, Texture] = {
    "plain": _plain, "flat": _flat, "asphalt": _asphalt, "road": _road, "grass": _grass, "earth": _earth, "paving": _paving,
    "tiles": _tiles, "brick": _brick, "roof": _roof, "plaster": _plaster, "wood": _wood, "grain": _grain, "bark": _bark,
    "foliage": _foliage, "carpet": _carpet, "cloth": _cloth, "checks": _checks, "painting": _painting,
}  # fmt: skip
"""By `Material.texture`."""


def leaf_holes(place: Tensor, seed: Tensor) -> Tensor:
    """True (N,) between leaves, for places (N, 3) in the texture's space."""
    x, y, z = place.unbind(1)
    shift = (seed % 1009).float()
    field = leafy(place.device)
    value = field(x + 0.61 * z + shift, y + 0.37 * z, 5.0) + field(z - 0.43 * x, y - 0.29 * x + shift, 4.1)
    return value < -0.15
