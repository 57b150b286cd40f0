"""Where light comes from: sun and its shadows, sky and clouds, lamps.

Directions are the world's: X right, Y down, Z ahead. Light is linear; sunlit white is about 1.

Legend: N points, K objects.
"""

from __future__ import annotations

import math

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


class Shadows:
    """What a distant light sees: a square of the world, from `towards`, the direction to the light."""

    def __init__(self, world: World, poses: Tensor, towards: Tensor, middle: Tensor, half_m: float, pixels: int) -> None:
        """Draw the square of side 2 `half_m` around `middle`."""
        axis = torch.tensor(
            [0.0, 0, 1] if abs(float(towards[1])) > 0.9 else [0.0, 1, 0], dtype=torch.float64, device=poses.device
        )
        z = -towards.double()
        x = torch.linalg.cross(axis, z)
        x = x / x.norm()
        self.turn = torch.stack([x, torch.linalg.cross(z, x), z])
        self.scale = pixels / (2 * half_m)
        # Whole texels: the shadows' edges do not swim when the camera moves.
        at = self.turn @ middle.double()
        at[:2] = torch.round(at[:2] * self.scale) / self.scale
        at[2] -= FAR_M / 2
        into = torch.eye(4, dtype=torch.float64, device=poses.device)
        into[:3, :3], into[:3, 3] = self.turn, -at
        self.shift = -at
        camera = Intrinsics.from_focal(pixels, pixels, self.scale)
        self.middle, self.pixels = camera.cx_px, pixels
        numbers, corners = casters(world, poses, into)
        kept, shapes = parallel(corners, world.two_sided[numbers], FAR_M, camera)
        numbers = numbers[kept]
        holes, discard = holes_of(world, shapes, numbers)
        _, self.key = rasterise(shapes, pixels, pixels, holes, discard)

    def look_up(self, points: Tensor, spread_m: float, taps: int, bias_m: float) -> tuple[Tensor, Tensor]:
        """Share (N,) of the light that reaches points (N, 3), blurred over `spread_m`; (N,) bool, inside the square."""
        here = points.double() @ self.turn.T + self.shift
        u, v = (here[:, 0] * self.scale + self.middle).float(), (here[:, 1] * self.scale + self.middle).float()
        key = (FAR_M - here[:, 2]).float() + bias_m
        reach = max(spread_m * self.scale, 0.7)
        inside = (u > reach) & (v > reach) & (u < self.pixels - 1 - reach) & (v < self.pixels - 1 - reach)
        number = torch.arange(len(u), device=u.device)
        lit = torch.zeros_like(u)
        turn = hashed(number) * (2 * math.pi)
        for tap in range(taps):
            angle, radius = turn + tap * 2.39996, reach * math.sqrt((tap + 0.5) / taps)
            i = torch.round(v + radius * torch.sin(angle)).long().clamp(0, self.pixels - 1)
            j = torch.round(u + radius * torch.cos(angle)).long().clamp(0, self.pixels - 1)
            lit += (self.key[i, j] <= key).float()
        return torch.where(inside, lit / taps, 1.0), inside


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
