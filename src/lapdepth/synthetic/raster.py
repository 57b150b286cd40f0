"""Which triangle each pixel's centre sees, exactly, with a fixed number of tensor operations whatever the scene holds.

A pixel's ray hits a triangle where three edge functions are not negative. Through one pinhole these are linear in the pixel's
coordinates, behind the camera too, so that nothing is clipped; so is the inverse of the depth. For each row of each triangle
the span of pixel centres inside it follows by three divisions; the spans are laid out pixel by pixel, and the nearest
fragment of each pixel is kept. A parallel projection (the sun's) differs in its coefficients alone.

Rows are computed in float64, so that two triangles with a common edge leave no gap. Rows of tensors are taken with
`index_select`, which is six times as fast on a CPU as an index in brackets.

Legend: T triangles, R rows of triangles, N fragments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lapdepth.camera import Intrinsics

NEAR_M = 0.05
"""Rows of a triangle that reaches behind the camera are looked for from here on."""

_SLACK_PX = 1e-6


@dataclass(frozen=True, eq=False)
class Projected:
    """Triangles as linear functions of pixel coordinates: f(u, v) = f[0] u + f[1] v + f[2].

    Attributes:
        edges: (T, 3, 3) float64, edge functions, none negative inside. The k-th is the weight of corner k, up to a factor
            common to the three.
        key: (T, 3) float64, larger is nearer, positive: 1 / depth, or for a parallel projection the height over its far end.
        top: (T,) float64, first row that it can touch.
        bottom: (T,) float64, last row.
        seen: (T,) bool, false where it is out of the picture.
    """

    edges: Tensor
    key: Tensor
    top: Tensor
    bottom: Tensor
    seen: Tensor


@dataclass(frozen=True, eq=False)
class Holes:
    """Triangles with holes in them.

    Attributes:
        has: (T,) bool.
        linear: (T, 3, 4) float32, by u, by v and constant: a place in the texture's space times a factor, and that factor.
        between: Triangle (N,) and place (N, 3) float32 of fragments to (N,) bool, true where there is a hole.
    """

    has: Tensor
    linear: Tensor
    between: Callable[[Tensor, Tensor], Tensor]

    def at(self, triangle: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """True (N,) where a triangle (N,) has a hole at pixel coordinates (u, v), (N,)."""
        gone = torch.zeros_like(triangle, dtype=torch.bool)
        asked = self.has.index_select(0, triangle).nonzero()[:, 0]
        if len(asked):
            of = triangle.index_select(0, asked)
            slopes, asides, rests = self.linear.index_select(0, of).unbind(1)
            u, v = (values.index_select(0, asked).float()[:, None] for values in (u, v))
            parts = torch.addcmul(torch.addcmul(rests, asides, v), slopes, u)
            gone[asked] = self.between(of, parts[:, :3] / parts[:, 3:])
        return gone


def holes_in(shapes: Projected, has: Tensor, places: Tensor, between: Callable[[Tensor, Tensor], Tensor]) -> Holes:
    """Of projected triangles whose corners are at `places` (T, 3, 3) float64 in the texture's space.

    Weights of the corners are linear in pixel coordinates up to a common factor, and so is what they weigh.
    """
    parts = torch.cat([places, torch.ones_like(places[..., :1])], 2)
    return Holes(has, (shapes.edges.transpose(1, 2) @ parts).float(), between)


def perspective(corners: Tensor, two_sided: Tensor, camera: Intrinsics) -> tuple[Tensor, Projected]:
    """Project triangles through a pinhole.

    Args:
        corners: (T, 3, 3) float64, in the camera's frame, counter-clockwise as in `lapdepth.synthetic.mesh`.
        two_sided: (T,) bool.
        camera: The pinhole.

    Returns:
        (T',) int64, which triangles are turned towards the camera, and these.
    """
    bc = torch.linalg.cross(corners[:, 1], corners[:, 2])
    volume = torch.linalg.vecdot(corners[:, 0], bc)  # negative: its front is towards the camera
    kept = (torch.where(two_sided, -volume.abs(), volume) < -1e-12).nonzero()[:, 0]
    corners, bc, volume = corners.index_select(0, kept), bc.index_select(0, kept), volume[kept]
    a, b, c = corners.unbind(1)
    rays = torch.stack([bc, torch.linalg.cross(c, a), torch.linalg.cross(a, b)], 1)  # edge . ray
    rays = rays * torch.sign(volume)[:, None, None]
    fx, fy, cx, cy = camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px
    x, y = rays[..., 0] / fx, rays[..., 1] / fy
    edges = torch.stack([x, y, rays[..., 2] - x * cx - y * cy], 2)
    key = edges.sum(1) / volume.abs()[:, None]

    x, y, z = corners.unbind(2)
    x2, y2, z2 = corners.roll(-1, 1).unbind(2)
    share = (NEAR_M - z) / torch.where(z2 == z, 1.0, z2 - z)  # where an edge crosses the near plane
    crossing = (z < NEAR_M) != (z2 < NEAR_M)
    front = z >= NEAR_M
    us = torch.cat([x / z * fx + cx, (x + share * (x2 - x)) / NEAR_M * fx + cx], 1)
    vs = torch.cat([y / z * fy + cy, (y + share * (y2 - y)) / NEAR_M * fy + cy], 1)
    return kept, _bounded(edges, key, us, vs, torch.cat([front, crossing], 1), torch.ones_like(kept, dtype=torch.bool), camera)


def parallel(corners: Tensor, two_sided: Tensor, far_m: float, camera: Intrinsics) -> tuple[Tensor, Projected]:
    """Project triangles along Z; `fx_px` and `fy_px` of the camera are pixels a metre.

    Args:
        corners: (T, 3, 3) float64, in the projection's frame.
        two_sided: (T,) bool.
        far_m: A Z beyond all of them.
        camera: Scale and centre.

    Returns:
        (T',) int64, which triangles are turned towards where the light comes from, and these.
    """
    u, v = corners[..., 0] * camera.fx_px + camera.cx_px, corners[..., 1] * camera.fy_px + camera.cy_px
    area = (u[:, 1] - u[:, 0]) * (v[:, 2] - v[:, 0]) - (u[:, 2] - u[:, 0]) * (v[:, 1] - v[:, 0])
    kept = (torch.where(two_sided, -area.abs(), area) < -1e-9).nonzero()[:, 0]
    u, v, area = u[kept], v[kept], area[kept]
    u1, u2, v1, v2 = u.roll(-1, 1), u.roll(-2, 1), v.roll(-1, 1), v.roll(-2, 1)
    edges = torch.stack([v1 - v2, u2 - u1, u1 * v2 - u2 * v1], 2) * torch.sign(area)[:, None, None]
    key = (edges / area.abs()[:, None, None] * (far_m - corners[kept][..., 2])[..., None]).sum(1)
    seen = torch.ones_like(kept, dtype=torch.bool)
    return kept, _bounded(edges, key, u, v, torch.ones_like(u, dtype=torch.bool), seen, camera)


def _bounded(edges: Tensor, key: Tensor, us: Tensor, vs: Tensor, counts: Tensor, seen: Tensor, camera: Intrinsics) -> Projected:
    low, high = float("inf"), float("-inf")
    top = torch.where(counts, vs, low).amin(1).sub(_SLACK_PX).ceil().clamp(min=0)
    bottom = torch.where(counts, vs, high).amax(1).add(_SLACK_PX).floor().clamp(max=camera.height - 1)
    left = torch.where(counts, us, low).amin(1) - _SLACK_PX
    right = torch.where(counts, us, high).amax(1) + _SLACK_PX
    seen = seen & (top <= bottom) & (left <= camera.width - 1) & (right >= 0)
    return Projected(edges, key, top, bottom, seen)


def rasterise(shapes: Projected, height: int, width: int, holes: Holes) -> tuple[Tensor, Tensor]:
    """The nearest triangle at each pixel's centre.

    Args:
        shapes: Projected triangles.
        height: Of the picture.
        width: Of the picture.
        holes: What is not there.

    Returns:
        (H, W) int64 triangle number, -1 where there is none; (H, W) float32 key, 0 there.
    """
    index = shapes.seen.nonzero()[:, 0]
    empty = torch.full((height * width,), -1, dtype=torch.int64, device=index.device)
    if not len(index):
        return empty.view(height, width), torch.zeros((height, width), device=index.device)
    top = shapes.top[index]
    tall = (shapes.bottom[index] - top + 1).long()
    of = torch.repeat_interleave(tall)  # (R,) which of `index`
    starts = tall.cumsum(0) - tall
    v = (torch.arange(len(of), device=index.device) - starts[of]).double() + top[of]

    table = torch.cat([shapes.edges.flatten(1), shapes.key], 1).index_select(0, index[of])  # (R, 12)
    slope, rest = table[:, 0:9:3], table[:, 1:9:3] * v[:, None] + table[:, 2:9:3]
    cut = -rest / torch.where(slope == 0, 1.0, slope)
    first = torch.where(slope > 0, cut, float("-inf")).amax(1).sub(_SLACK_PX).ceil().clamp(min=0)
    last = torch.where(slope < 0, cut, float("inf")).amin(1).add(_SLACK_PX).floor().clamp(max=width - 1)
    outside = ((slope == 0) & (rest < 0)).any(1)
    wide = torch.where(outside, 0.0, last - first + 1).clamp(min=0).long()
    rows = wide.nonzero()[:, 0]
    wide, first, v, of = wide[rows], first[rows], v[rows], of[rows]
    ahead, aside, rest_key = table[:, 9:].index_select(0, rows).unbind(1)

    span = torch.repeat_interleave(wide)  # (N,) which of `rows`
    step = torch.arange(len(span), device=index.device) - (wide.cumsum(0) - wide).index_select(0, span)
    key0 = (ahead * first + aside * v + rest_key).float()
    key = torch.addcmul(key0.index_select(0, span), ahead.float().index_select(0, span), step.float()).clamp(min=1e-30)
    pixel = (v * width + first).long().index_select(0, span) + step
    shape = index[of]
    packed = (key.view(torch.int32).long() << 32) | shape.index_select(0, span)  # positive floats are in the order of their bits
    if bool(holes.has.index_select(0, shape).any()):
        asked = holes.has.index_select(0, shape).index_select(0, span).nonzero()[:, 0]
        row = span.index_select(0, asked)
        u = first.index_select(0, row) + step.index_select(0, asked)
        gone = holes.at(shape.index_select(0, row), u, v.index_select(0, row))
        packed[asked] = torch.where(gone, -1, packed[asked])
    nearest = empty.scatter_reduce_(0, pixel, packed, "amax").view(height, width)
    hit = nearest >= 0
    keys = torch.where(hit, nearest >> 32, 0).int().view(torch.float32)
    return torch.where(hit, nearest & 0xFFFFFFFF, -1), keys


def weights_at(shapes: Projected, triangle: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Share (N, 3) float32 of each corner at pixel coordinates (u, v), (N,), on triangles (N,); perspective is undone."""
    edges = shapes.edges.index_select(0, triangle)
    weights = edges[..., 0] * u[:, None] + edges[..., 1] * v[:, None] + edges[..., 2]
    return (weights / weights.sum(1, keepdim=True)).float()
