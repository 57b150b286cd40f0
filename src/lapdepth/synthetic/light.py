"""Where light comes from: sun and its shadows, sky and clouds, lamps.

Directions are the world's: X right, Y down, Z ahead. Light is linear; sunlit white is about 1.

Legend: N points, K objects, H, W height and width of a light's picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lapdepth.camera import Intrinsics
from lapdepth.synthetic.noise import hashed, rough, soft
from lapdepth.synthetic.raster import parallel, rasterise
from lapdepth.synthetic.scene import Light
from lapdepth.synthetic.world import World, casters, holes_of

FAR_M = 1000.0
"""Of the parallel projection: half before the middle, half behind."""


@dataclass(frozen=True, slots=True, eq=False)
class Square:
    """Part of the world that a distant light looks at.

    Attributes:
        middle: (3,) in the world.
        half_m: Half its side.
        pixels: Its side in the light's picture.
    """

    middle: Tensor
    half_m: float
    pixels: int


def light_reaching(
    world: World,
    poses: Tensor,
    towards: Tensor,
    square: Square,
    points: Tensor,
    number: Tensor,
    spread_m: float,
    taps: int,
    bias_m: float,
) -> tuple[Tensor, Tensor]:
    """How much of a distant light reaches points, by a picture of what the light sees: only the part around the points is drawn.

    Args:
        world: What stands in the way.
        poses: (K, 4, 4).
        towards: (3,) direction to the light.
        square: Where it is looked for.
        points: (N, 3).
        number: (N,) int64, draws where each point's taps lie.
        spread_m: Radius over which shadows are blurred.
        taps: Places in it that are asked.
        bias_m: How far behind a surface its own points may lie.

    Returns:
        Share (N,) of the light, 1 outside the square; (N,) bool, inside the square.
    """
    turn = _light_axes(towards.double())
    scale, side = square.pixels / (2 * square.half_m), square.pixels
    # Whole texels: the shadows' edges do not swim when the camera moves.
    at = turn @ square.middle.double()
    at[:2] = torch.round(at[:2] * scale) / scale
    at[2] -= FAR_M / 2
    camera = Intrinsics.from_focal(side, side, scale)
    here = points.double() @ turn.T - at
    u, v = (here[:, 0] * scale + camera.cx_px).float(), (here[:, 1] * scale + camera.cy_px).float()
    reach = max(spread_m * scale, 0.7)
    inside = (u > reach) & (v > reach) & (u < side - 1 - reach) & (v < side - 1 - reach)
    lit = torch.ones_like(u)
    index = inside.nonzero()[:, 0]
    if not len(index):
        return lit, inside
    u, v, key = u[index], v[index], (FAR_M - here[index, 2]).float() + bias_m
    left, top = (max(int(float(low.min()) - reach) - 1, 0) for low in (u, v))
    right, bottom = (min(int(float(high.max()) + reach) + 2, side) for high in (u, v))
    into = torch.eye(4, dtype=torch.float64, device=poses.device)
    into[:3, :3], into[:3, 3] = turn, -at
    nearest = _nearest(world, poses, into, camera.cropped(left, top, right - left, bottom - top))
    total, angle0 = torch.zeros_like(u), hashed(number[index]) * (2 * math.pi)
    for tap in range(taps):
        angle, radius = angle0 + tap * 2.39996, reach * math.sqrt((tap + 0.5) / taps)
        i = torch.round(v + radius * torch.sin(angle)).long() - top
        j = torch.round(u + radius * torch.cos(angle)).long() - left
        total += (nearest.take(i * (right - left) + j) <= key).float()
    lit[index] = total / taps
    return lit, inside


def _light_axes(towards: Tensor) -> Tensor:
    """Axes (3, 3) of a light's picture, one a row; the last points away from the light."""
    steep = abs(float(towards[1])) > 0.9
    axis = torch.tensor([0.0, 0, 1] if steep else [0.0, 1, 0], dtype=torch.float64, device=towards.device)
    x = torch.linalg.cross(axis, -towards)
    x = x / x.norm()
    return torch.stack([x, torch.linalg.cross(-towards, x), -towards])


def _nearest(world: World, poses: Tensor, into: Tensor, camera: Intrinsics) -> Tensor:
    """Keys (H, W) of what is nearest to the light."""
    numbers, corners = casters(world, poses, into, camera)
    kept, shapes = parallel(corners, world.two_sided[numbers], FAR_M, camera)
    return rasterise(shapes, camera.height, camera.width, holes_of(world, numbers[kept], shapes))[1]


def sun_direction(light: Light, device: torch.device) -> Tensor:
    """(3,) float32 to the sun."""
    up, side = math.radians(light.sun_elevation_deg), math.radians(light.sun_azimuth_deg)
    way = [math.cos(up) * math.sin(side), -math.sin(up), math.cos(up) * math.cos(side)]
    return torch.tensor(way, device=device)


def sun_colour(light: Light, device: torch.device) -> Tensor:
    """(3,) float32: redder when low, none under clouds, in rain or at night."""
    low = math.exp(-light.sun_elevation_deg / 12)
    strength = 0.0 if light.night else light.sun * (1 - 0.95 * light.rain) * min(1.0, light.visibility_m / 1500)
    return torch.tensor([1.0, 0.93 - 0.25 * low, 0.82 - 0.5 * low], device=device) * (2.6 * strength * (1 - 0.4 * low))


def sky_tints(light: Light, device: torch.device) -> tuple[Tensor, Tensor]:
    """Colours (3,) of the zenith and of the horizon."""
    dull = max(light.rain, 0.7 * max(0.0, light.clouds - 0.6) / 0.4, min(1.0, 600 / light.visibility_m))
    low = math.exp(-light.sun_elevation_deg / 12)
    zenith, horizon = np.array([0.20, 0.40, 0.85]), np.array([0.72, 0.83, 0.98]) + low * np.array([0.35, 0.02, -0.25])
    grey = np.array([0.62, 0.65, 0.69])
    strength = 0.012 if light.night else light.sky * (1 - 0.45 * light.rain)
    if light.night:
        horizon, dull = np.array([2.2, 1.6, 1.2]), 0.0  # a town's glow

    def tint(clear: npt.NDArray[np.float64]) -> Tensor:
        return torch.tensor(((1 - dull) * clear + dull * grey) * strength, dtype=torch.float32, device=device)

    return tint(zenith), tint(horizon)


def sky(light: Light, seed: int, ways: Tensor) -> Tensor:
    """Radiance (N, 3) of the sky along unit directions (N, 3)."""
    device = ways.device
    zenith, horizon = sky_tints(light, device)
    up = (-ways[:, 1]).clamp(min=0)
    colour = torch.lerp(zenith, horizon, torch.exp(-up * 3.5)[:, None])
    if light.night:
        return colour
    sun = sun_direction(light, device)
    towards = (ways @ sun).clamp(min=0)
    clear = 1 - light.rain
    colour = colour + clear * sun_colour(light, device) * (0.12 * towards**8 + 0.6 * towards**300)[:, None]
    if light.clouds > 0:
        high = 1 / (up + 0.08)
        u, v = ways[:, 0] * high + seed % 89 * 0.37, ways[:, 2] * high + seed % 53 * 0.61
        foot = 0.004 * high * high
        billow = 0.8 * soft(device)(u, v, 9.0, foot) + 0.35 * rough(device)(u, v, 5.0, foot)
        body = 0.8 * soft(device)(u + 0.25 * sun[0], v + 0.25 * sun[2], 9.0, foot)
        threshold = 1.7 - 3.2 * light.clouds
        cover = ((billow - threshold) / 0.7).clamp(0, 1) * (up / 0.06).clamp(max=1)
        bright = (0.98 - 0.16 * (body - threshold).clamp(0, 2))[:, None] * (horizon.mean() * 1.08)
        tint = torch.tensor([1.0, 1.0, 1.02], device=device)
        colour = torch.lerp(colour, bright * tint + 0.15 * towards[:, None] ** 4 * clear, (0.92 * cover)[:, None])
    return colour
