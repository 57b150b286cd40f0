"""Which triangle each pixel's centre sees, exactly, with a fixed number of tensor operations whatever the scene holds.

A pixel's ray hits a triangle where three edge functions are not negative. Through one pinhole these are linear in the pixel's
coordinates, behind the camera too, so that nothing is clipped; so is the inverse of the depth. For each row of each triangle
the span of pixel centres inside it follows by three divisions; the spans are laid out pixel by pixel, and the nearest
fragment of each pixel is kept. A parallel projection (the sun's) differs in its coefficients alone.

Rows are computed in float64, so that two triangles with a common edge leave no gap.

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
        seen: (T,) bool, false where it is out of the picture or turned away.
    """

    edges: Tensor
    key: Tensor
    top: Tensor
    bottom: Tensor
    seen: Tensor


Discard = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(triangle, u, v) of N fragments to (N,) bool, true where there is a hole."""


def perspective(corners: Tensor, two_sided: Tensor, camera: Intrinsics) -> Projected:
    """Project triangles through a pinhole.

    Args:
        corners: (T, 3, 3) float64, in the camera's frame, counter-clockwise as in `lapdepth.synthetic.mesh`.
        two_sided: (T,) bool.
        camera: The pinhole.
    """
    a, b, c = corners.unbind(1)
    rays = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], 1)  # edge . ray
    volume = (a * rays[:, 0]).sum(1)  # negative: its front is towards the camera
    fx, fy, cx, cy = camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px
    slope = torch.stack([rays[..., 0] / fx, rays[..., 1] / fy, rays[..., 2] - rays[..., 0] * cx / fx - rays[..., 1] * cy / fy], 2)
    edges = slope * torch.sign(volume)[:, None, None]
    flat = volume.abs() < 1e-12
    key = edges.sum(1) / torch.where(flat, 1.0, volume.abs())[:, None]

    x, y, z = corners.unbind(2)
    x2, y2, z2 = corners.roll(-1, 1).unbind(2)
    share = (NEAR_M - z) / torch.where(z2 == z, 1.0, z2 - z)  # where an edge crosses the near plane
    crossing = (z < NEAR_M) != (z2 < NEAR_M)
    front = z >= NEAR_M
    us = torch.cat([x / z * fx + cx, (x + share * (x2 - x)) / NEAR_M * fx + cx], 1)
    vs = torch.cat([y / z * fy + cy, (y + share * (y2 - y)) / NEAR_M * fy + cy], 1)
    return _bounded(edges, key, us, vs, torch.cat([front, crossing], 1), ~flat & (two_sided | (volume < 0)), camera)


def parallel(corners: Tensor, far_m: float, camera: Intrinsics) -> Projected:
    """Project triangles along Z, both sides seen; `fx_px` and `fy_px` of the camera are pixels a metre.

    Args:
        corners: (T, 3, 3) float64, in the projection's frame.
        far_m: A Z beyond all of them.
        camera: Scale and centre.
    """
    u, v = corners[..., 0] * camera.fx_px + camera.cx_px, corners[..., 1] * camera.fy_px + camera.cy_px
    u1, u2, v1, v2 = u.roll(-1, 1), u.roll(-2, 1), v.roll(-1, 1), v.roll(-2, 1)
    edges = torch.stack([v1 - v2, u2 - u1, u1 * v2 - u2 * v1], 2)
    area = edges[..., 2].sum(1)
    edges = edges * torch.sign(area)[:, None, None]
    flat = area.abs() < 1e-9
    weights = edges / torch.where(flat, 1.0, area.abs())[:, None, None]
    key = (weights * (far_m - corners[..., 2])[..., None]).sum(1)
    return _bounded(edges, key, u, v, torch.ones_like(u, dtype=torch.bool), ~flat, camera)


def _bounded(edges: Tensor, key: Tensor, us: Tensor, vs: Tensor, counts: Tensor, seen: Tensor, camera: Intrinsics) -> Projected:
    low, high = float("inf"), float("-inf")
    top = torch.where(counts, vs, low).amin(1).sub(_SLACK_PX).ceil().clamp(min=0)
    bottom = torch.where(counts, vs, high).amax(1).add(_SLACK_PX).floor().clamp(max=camera.height - 1)
    left = torch.where(counts, us, low).amin(1) - _SLACK_PX
    right = torch.where(counts, us, high).amax(1) + _SLACK_PX
    seen = seen & (top <= bottom) & (left <= camera.width - 1) & (right >= 0)
    return Projected(edges, key, top, bottom, seen)


def rasterise(shapes: Projected, height: int, width: int, holes: Tensor | None, discard: Discard | None) -> tuple[Tensor, Tensor]:
    """The nearest triangle at each pixel's centre.

    Args:
        shapes: Projected triangles.
        height: Of the picture.
        width: Of the picture.
        holes: (T,) bool, triangles whose fragments `discard` is asked about.
        discard: Where these have holes.

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

    table = torch.cat([shapes.edges[index].flatten(1), shapes.key[index]], 1)[of]  # (R, 12)
    slope, rest = table[:, 0:9:3], table[:, 1:9:3] * v[:, None] + table[:, 2:9:3]
    cut = -rest / torch.where(slope == 0, 1.0, slope)
    first = torch.where(slope > 0, cut, float("-inf")).amax(1).sub(_SLACK_PX).ceil().clamp(min=0)
    last = torch.where(slope < 0, cut, float("inf")).amin(1).add(_SLACK_PX).floor().clamp(max=width - 1)
    outside = ((slope == 0) & (rest < 0)).any(1)
    wide = torch.where(outside, 0.0, last - first + 1).clamp(min=0).long()
    rows = wide.nonzero()[:, 0]
    wide, first, v, of, table = wide[rows], first[rows], v[rows], of[rows], table[rows]

    span = torch.repeat_interleave(wide)  # (N,) which of `rows`
    step = torch.arange(len(span), device=index.device) - (wide.cumsum(0) - wide)[span]
    key0 = (table[:, 9] * first + table[:, 10] * v + table[:, 11]).float()
    key = torch.addcmul(key0[span], table[:, 9].float()[span], step.float()).clamp(min=1e-30)
    pixel = (v * width + first).long()[span] + step
    shape = index[of]
    packed = (key.view(torch.int32).long() << 32) | shape[span]  # positive floats are in the order of their bits
    if holes is not None and discard is not None and bool(holes[shape].any()):
        asked = holes[shape][span].nonzero()[:, 0]
        at = pixel[asked]
        gone = discard(shape[span[asked]], at % width, torch.div(at, width, rounding_mode="floor"))
        packed[asked] = torch.where(gone, -1, packed[asked])
    nearest = empty.scatter_reduce_(0, pixel, packed, "amax").view(height, width)
    hit = nearest >= 0
    keys = torch.where(hit, nearest >> 32, 0).int().view(torch.float32)
    return torch.where(hit, nearest & 0xFFFFFFFF, -1), keys
