"""Where each sample of a picture lies in the picture of an ideal pinhole, which is what can be rasterised.

Without distortion the two are one. A lens that distorts sees each pixel along a ray of its own, between pixels of the pinhole's
picture. What that ray meets is looked for among what the pixels around it see, and tested on the ray itself, so that depth is
exact there, and not taken over from a neighbour.

Legend: P pixels, S samples along each side of a pixel, T triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lapdepth.camera import Intrinsics
from lapdepth.synthetic.distortion import Coefficients, ideal
from lapdepth.synthetic.raster import Holes, Projected


@dataclass(frozen=True, eq=False)
class Film:
    """Samples of a picture.

    Attributes:
        camera: The pinhole whose picture holds all of them.
        u: (P, S^2) float64, column in that picture.
        v: (P, S^2) float64, row.
        at: (P, S^2) int64, the nearest pixel of that picture, counted row by row.
        distorted: Whether samples lie beside its pixels.
    """

    camera: Intrinsics
    u: Tensor
    v: Tensor
    at: Tensor
    distorted: bool


def make_film(camera: Intrinsics, distortion: Coefficients, samples: int, device: torch.device) -> Film:
    """Of a picture with `samples` x `samples` in each pixel.

    Raises:
        InputError: The lens folds the picture.
    """
    fine = camera.resized(camera.width * samples, camera.height * samples)
    v, u = np.mgrid[: fine.height, : fine.width].astype(np.float64)
    if any(distortion):
        x, y = ideal((u - fine.cx_px) / fine.fx_px, (v - fine.cy_px) / fine.fy_px, distortion)
        u, v = x * fine.fx_px + fine.cx_px, y * fine.fy_px + fine.cy_px
        left, top = int(np.floor(u.min())), int(np.floor(v.min()))
        fine = fine.cropped(left, top, int(np.ceil(u.max())) - left + 1, int(np.ceil(v.max())) - top + 1)
        u, v = u - left, v - top
    at = np.rint(v).astype(np.int64) * fine.width + np.rint(u).astype(np.int64)

    def by_pixel(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        grid = torch.from_numpy(values).to(device).view(camera.height, samples, camera.width, samples)
        return grid.transpose(1, 2).reshape(-1, samples**2)

    return Film(fine, by_pixel(u), by_pixel(v), by_pixel(at), any(distortion))


def seen_exactly(film: Film, triangle: Tensor, shapes: Projected, holes: Holes) -> tuple[Tensor, Tensor, Tensor]:
    """What a film with one sample a pixel sees.

    The triangles that the four pixels around a place see are tested at the place, and the nearest of those it lies in is taken.
    Where it lies in none it sees the sky if one of the four does; otherwise, beside what is thinner than a pixel, it takes the
    nearest of the four with that pixel's own place.

    Args:
        film: Where to look.
        triangle: (H, W) int64, what each pixel of the pinhole's picture sees, -1 for the sky.
        shapes: T projected triangles.
        holes: Of these.

    Returns:
        Triangle (P,) int64, and column and row (P,) float64 where its depth is to be taken.
    """
    u, v = film.u[:, 0], film.v[:, 0]
    if not film.distorted:
        return triangle.flatten(), u, v
    if not len(shapes.key):
        return torch.full_like(film.at[:, 0], -1), u, v
    width, height = film.camera.width, film.camera.height
    i, j = v.floor().long().clamp(max=height - 2), u.floor().long().clamp(max=width - 2)
    around = torch.stack([triangle[i + di, j + dj] for di in (0, 1) for dj in (0, 1)], 1)  # (P, 4)
    number = around.clamp(min=0).flatten()
    here_u, here_v = (values[:, None].expand(-1, 4).flatten() for values in (u, v))
    edges, key = shapes.edges.index_select(0, number), shapes.key.index_select(0, number)
    weights = edges[..., 0] * here_u[:, None] + edges[..., 1] * here_v[:, None] + edges[..., 2]
    inside = (around.flatten() >= 0) & (weights >= 0).all(1) & ~holes.at(number, here_u, here_v)
    near = torch.where(inside, key[:, 0] * here_u + key[:, 1] * here_v + key[:, 2], 0.0).view(-1, 4)
    best, which = near.max(1)
    nothing = best <= 0
    sky = nothing & (around < 0).any(1)
    beside = nothing & ~sky
    found = around.gather(1, which[:, None])[:, 0]
    found = torch.where(sky, -1, torch.where(beside, triangle.flatten()[film.at[:, 0]], found))
    return found, torch.where(beside, u.round(), u), torch.where(beside, v.round(), v)
