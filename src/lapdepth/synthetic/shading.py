"""Light that comes from a picture's samples: surfaces, sun and shadows, sky, lamps, gloss, haze.

Legend: N samples that hit something, M materials, L lamps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lapdepth.camera import Intrinsics
from lapdepth.synthetic import light as lights
from lapdepth.synthetic.noise import rough
from lapdepth.synthetic.raster import Projected, weights_at
from lapdepth.synthetic.scene import Light, Scene
from lapdepth.synthetic.textures import TEXTURES, Spots
from lapdepth.synthetic.world import World, interpolated

AXES = ((2, 1), (0, 2), (0, 1))
"""Which parts of a place are u and v on a face that looks along x, up or forward."""

LAMP_UNDER_TOP_M = 0.15
LAMP_STRENGTH = 5.0
HEADLIGHT_STRENGTH = 60.0


def linear(colour: Tensor) -> Tensor:
    """Linear light of sRGB from 0 to 1."""
    return torch.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True, eq=False)
class Hits:
    """Samples that hit something.

    Attributes:
        number: (N,) int64 triangle of the world.
        point: (N, 3) float32 in the world.
        normal: (N, 3) float32 in the world, towards the camera.
        look: (N, 3) float32, unit direction of sight.
        distance_m: (N,) float32 from the camera.
        place: (N, 3) float32 in the texture's space.
        foot_m: (N,) float32, what a sample covers on the surface.
    """

    number: Tensor
    point: Tensor
    normal: Tensor
    look: Tensor
    distance_m: Tensor
    place: Tensor
    foot_m: Tensor


def find_hits(
    world: World,
    poses: Tensor,
    camera_pose: Tensor,
    camera: Intrinsics,
    numbers: Tensor,
    shapes: Projected,
    triangle: Tensor,
    u: Tensor,
    v: Tensor,
    side_px: Tensor,
) -> Hits:
    """Describe the surface at pixel coordinates (u, v), (N,) float64, on projected triangles (N,), for samples `side_px` wide."""
    number = numbers[triangle]
    weight = weights_at(shapes, triangle, u, v)
    key = shapes.key.index_select(0, triangle)
    depth_m = 1 / (key[:, 0] * u + key[:, 1] * v + key[:, 2])
    x, y = (u - camera.cx_px) / camera.fx_px, (v - camera.cy_px) / camera.fy_px
    ray = torch.stack([x, y, torch.ones_like(x)], 1) @ camera_pose[:3, :3].T
    point = (camera_pose[:3, 3] + ray * depth_m[:, None]).float()
    stretch = ray.norm(dim=1, keepdim=True)
    look = (ray / stretch).float()
    turn = poses[:, :3, :3].float().index_select(0, world.owner[number])
    normal = torch.einsum("nij,nj->ni", turn, interpolated(weight, world.normals, number))
    normal = torch.nn.functional.normalize(normal, dim=1)
    facing = torch.linalg.vecdot(normal, look)[:, None]
    behind = world.two_sided[number][:, None] & (facing > 0)
    normal = torch.where(behind, -normal, normal)
    foot_m = depth_m.float() * (side_px / camera.focal_px) / facing[:, 0].abs().clamp(min=0.06).sqrt()
    place = interpolated(weight, world.texture, number)
    return Hits(number, point, normal, look, (depth_m * stretch[:, 0]).float(), place, foot_m)


def surface_colours(scene: Scene, world: World, hits: Hits) -> Tensor:
    """Linear colours (N, 3) of the surfaces."""
    device = hits.point.device
    table = linear(torch.tensor([entry.colour for entry in world.palette], device=device))
    kinds = sorted({entry.texture for entry in world.palette})
    kind_of = torch.tensor([kinds.index(entry.texture) for entry in world.palette], device=device)
    material = world.material[hits.number]
    colour, kind, seed = table.index_select(0, material), kind_of[material], world.seeds[world.owner[hits.number]]
    axis = world.axis[hits.number]
    columns = torch.tensor(AXES, device=device).index_select(0, axis)
    u, v = hits.place.gather(1, columns).unbind(1)
    for k, name in enumerate(kinds):
        at = (kind == k).nonzero()[:, 0]
        if len(at):
            place, base = hits.place.index_select(0, at), colour.index_select(0, at)
            spots = Spots(place, u[at], v[at], hits.foot_m[at], seed[at], base, scene.road)
            colour.index_copy_(0, at, TEXTURES[name](spots))
    return colour


def shade(scene: Scene, world: World, poses: Tensor, camera_pose: Tensor, hits: Hits) -> Tensor:
    """Radiance (N, 3) float32, linear, that the samples send to the camera."""
    light, device = scene.light, hits.point.device
    material = world.material[hits.number]
    gloss = torch.tensor([entry.gloss for entry in world.palette], device=device)[material]
    glow = torch.tensor([entry.glow for entry in world.palette], device=device)[material]
    leaves = torch.tensor([entry.cutout for entry in world.palette], device=device)[material]
    albedo, normal, polish = surface_colours(scene, world, hits), hits.normal, gloss
    if light.rain and not light.indoor:
        wet = light.rain * (-normal[:, 1]).clamp(0, 1)
        albedo = albedo * (1 - 0.45 * wet)[:, None]
        gloss = torch.maximum(gloss, 0.5 * wet)
    bump = rough(device)(hits.place[:, 0] + hits.place[:, 2], hits.place[:, 1] - hits.place[:, 2], 1.3, hits.foot_m)
    uneven = torch.where(leaves, 0.35, 0.03 * (1 - 3 * polish).clamp(min=0.05))
    normal = normal + uneven[:, None] * bump[:, None] * torch.tensor([0.7, -0.5, 0.5], device=device)
    normal = torch.nn.functional.normalize(normal, dim=1)

    towards = lights.sun_direction(light, device)
    reach = torch.where(leaves, 0.35, 0.0)  # leaves let some light through
    facing = (((normal @ towards) + reach) / (1 + reach)).clamp(min=0)
    sun = lights.sun_colour(light, device)
    total = torch.zeros_like(albedo)
    lit = _sunlit(light, world, poses, camera_pose, hits, facing, towards) if float(sun.max()) > 0 else torch.zeros_like(facing)
    total = total + (lit * facing)[:, None] * sun

    up = torch.tensor([0.02, -1.0, 0.03], device=device)
    spread = 0.35 if light.indoor else 0.8
    dome = _square(camera_pose, 3.0, 9.0, 512) if light.indoor else _square(camera_pose, 32.0, 60.0, 512)
    above, every = hits.point + hits.normal * (0.4 * spread), torch.arange(len(facing), device=device)
    open_, _ = lights.light_reaching(world, poses, up / up.norm(), dome, above, every, spread, 8, 0.05)
    zenith, horizon = lights.sky_tints(light, device)
    around = 0.5 * zenith + 0.65 * horizon
    upward = 0.5 - 0.5 * normal[:, 1]
    seen = 0.35 + 0.65 * open_
    ground = linear(torch.tensor(scene.ground.colour, device=device))
    if light.indoor:
        ground = 0.5 + 0.5 * ground  # walls and furniture give light back too
    bounce = ground * ((0.55 if light.indoor else 0.35) * around + 0.28 * sun * math.sin(math.radians(light.sun_elevation_deg)))
    total = total + (upward * seen)[:, None] * around * 0.95 + ((1 - upward) * (0.3 + 0.7 * open_))[:, None] * bounce
    total = total + _lamps(scene, poses, hits, normal)
    if light.headlights:
        total = total + _headlights(camera_pose, hits, normal)
    radiance = albedo * (total + glow[:, None])
    radiance = radiance + _mirrored(scene, hits, normal, gloss, lit, towards, sun)
    clear = torch.exp(-3.0 * hits.distance_m / light.visibility_m)[:, None]
    if light.indoor:
        return radiance
    return torch.lerp(0.9 * horizon, radiance, clear)


def _square(camera_pose: Tensor, ahead_m: float, half_m: float, pixels: int) -> lights.Square:
    """Around a point ahead of the camera."""
    return lights.Square(camera_pose[:3, 3] + camera_pose[:3, 2] * ahead_m, half_m, pixels)


def _sunlit(
    light: Light, world: World, poses: Tensor, camera_pose: Tensor, hits: Hits, facing: Tensor, towards: Tensor
) -> Tensor:
    """Share (N,) of the sun that reaches the samples; 0 where they are turned away from it."""
    lit = torch.zeros_like(facing)
    index = (facing > 0).nonzero()[:, 0]
    point, normal = hits.point[index], hits.normal[index]
    offset = point + normal * (0.02 if light.indoor else 0.10)
    square = _square(camera_pose, 3.0, 9.0, 1280) if light.indoor else _square(camera_pose, 32.0, 38.0, 1280)
    taps = 12 if light.indoor else 3
    lit[index], near = lights.light_reaching(world, poses, towards, square, offset, index, light.softness_m, taps, 0.03)
    if not light.indoor:
        far = (~near).nonzero()[:, 0]
        index, offset = index[far], offset[far] + normal[far] * 0.2
        square = _square(camera_pose, 140.0, 170.0, 640)
        lit[index], _ = lights.light_reaching(world, poses, towards, square, offset, index, 0.1, 2, 0.3)
    return lit


def _mirrored(scene: Scene, hits: Hits, normal: Tensor, gloss: Tensor, lit: Tensor, towards: Tensor, sun: Tensor) -> Tensor:
    """What glossy surfaces add: the sky or the ground in them, and the sun."""
    shine = torch.zeros_like(normal)
    at = (gloss > 0).nonzero()[:, 0]
    if not len(at):
        return shine
    look, n = hits.look.index_select(0, at), normal.index_select(0, at)
    cosine = (look * n).sum(1)
    way = look - 2 * cosine[:, None] * n
    if scene.light.indoor:
        seen = 0.35 + 0.35 * (-way[:, 1:2]).clamp(min=0) + torch.zeros_like(way)
    else:
        zenith, horizon = lights.sky_tints(scene.light, way.device)
        height = -way[:, 1:2]
        above = torch.lerp(zenith, horizon, torch.exp(-3.5 * height.clamp(min=0)))
        below = linear(torch.tensor(scene.ground.colour, device=way.device)) * 0.5 * horizon
        edge = ((height - 0.05) / 0.1).clamp(0, 1)  # houses and trees stand before the horizon
        seen = torch.lerp(below * 0.8, above, edge)
    fresnel = gloss[at] * (0.10 + 0.90 * (1 - cosine.abs().clamp(max=1)) ** 5)
    spark = ((way @ towards).clamp(min=0) ** 180) * 6 * gloss[at] * lit[at]
    shine[at] = fresnel[:, None] * seen + spark[:, None] * sun
    return shine


def _lamps(scene: Scene, poses: Tensor, hits: Hits, normal: Tensor) -> Tensor:
    """Light of street lamps at night, without shadows."""
    total = torch.zeros_like(normal)
    if not scene.light.night:
        return total
    tint = torch.tensor([1.0, 0.78, 0.5], device=normal.device) * LAMP_STRENGTH
    for k, thing in enumerate(scene.objects):
        if thing.kind != "lamp":
            continue
        height = (thing.size_m or (0.2, 7.0, 1.6))[1] - LAMP_UNDER_TOP_M
        arm = (thing.size_m or (0.2, 7.0, 1.6))[2]
        head = (poses[k + 1] @ torch.tensor([0.0, -height, arm, 1], dtype=torch.float64, device=normal.device))[:3].float()
        to = head - hits.point
        squared = (to * to).sum(1).clamp(min=0.05)
        way = to / squared.sqrt()[:, None]
        down = (-way[:, 1]).clamp(min=0)
        total = total + ((normal * way).sum(1).clamp(min=0) * down / squared)[:, None] * tint
    return total


def _headlights(camera_pose: Tensor, hits: Hits, normal: Tensor) -> Tensor:
    """The low beams of the car that carries the camera."""
    pose = camera_pose.float()
    to = hits.point - pose[:3, 3]
    squared = (to * to).sum(1).clamp(min=4.0)
    way = to / squared.sqrt()[:, None]
    right, down, ahead = (way @ pose[:3, axis] for axis in range(3))
    beam = torch.exp(-((right / 0.35) ** 2)) * torch.sigmoid((down + 0.005) / 0.012) * (ahead > 0)
    facing = (-(normal * way).sum(1)).clamp(min=0) ** 0.6
    return (beam * facing / squared)[:, None] * torch.tensor([1.0, 0.95, 0.85], device=to.device) * HEADLIGHT_STRENGTH
