"""All triangles of a scene as tensors, made once; poses and what the camera may see of them, for any time.

Legend: T triangles, K bodies, each with a pose: the ground, the scene's objects, then the limbs of those who walk. M materials.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lapdepth.camera import Intrinsics
from lapdepth.synthetic.catalogue import build
from lapdepth.synthetic.ground import ground_mesh
from lapdepth.synthetic.mesh import Material, Mesh, Points
from lapdepth.synthetic.motion import Matrix
from lapdepth.synthetic.people import Figure, person, walks
from lapdepth.synthetic.raster import NEAR_M, Holes, Projected, holes_in
from lapdepth.synthetic.scene import Scene
from lapdepth.synthetic.textures import leaf_holes


@dataclass(frozen=True, eq=False)
class World:
    """A scene made ready.

    Attributes:
        corners: (T, 3, 3) float64 in each object's frame (right, down, forward).
        normals: (T, 3, 3) float32 there.
        texture: (T, 3, 3) float32, corners in the texture's space.
        axis: (T,) int64, the axis of that space that the face looks along most.
        plane: (T, 4) float64 in each object's frame: unit normal outwards, and its product with any point of the triangle.
        patch: (T,) int64, the same number for triangles of one object, material and plane.
        material: (T,) int64.
        owner: (T,) int64, body of the triangle.
        instance: (K,) int32, instance number of each body.
        two_sided: (T,) bool.
        holes: (T,) bool, with holes between leaves.
        casts: (T,) bool, stops light.
        centre: (K, 3) float64, of a ball round the body, in its frame.
        radius_m: (K,) float64, of that ball.
        seeds: (K,) int64 for what each body's textures draw.
        palette: M materials.
        walkers: Who walks, by number of the body; limbs are the last bodies, in this order.
    """

    corners: Tensor
    normals: Tensor
    texture: Tensor
    axis: Tensor
    plane: Tensor
    patch: Tensor
    material: Tensor
    owner: Tensor
    instance: Tensor
    two_sided: Tensor
    holes: Tensor
    casts: Tensor
    centre: Tensor
    radius_m: Tensor
    seeds: Tensor
    palette: tuple[Material, ...]
    walkers: dict[int, Figure]


def make_world(scene: Scene, device: torch.device) -> World:
    """Build every object of a scene."""
    walkers = {k: person(thing) for k, thing in enumerate(scene.objects, 1) if walks(thing)}
    meshes = [ground_mesh(scene)]
    meshes += [walkers[k].trunk if k in walkers else build(thing) for k, thing in enumerate(scene.objects, 1)]
    bodies = [*range(len(meshes)), *(k for k, figure in walkers.items() for _ in figure.limbs)]
    meshes += [limb.mesh for figure in walkers.values() for limb in figure.limbs]
    palette: list[Material] = []
    numbers: dict[Material, int] = {}
    material = []
    for mesh in meshes:
        known = [numbers.setdefault(entry, len(numbers)) for entry in mesh.palette]
        material.append(np.array(known)[mesh.material])
    palette = list(numbers)
    corners = _mirrored([mesh.corners for mesh in meshes])
    texture = _concatenated([mesh.texture for mesh in meshes])
    faces = np.abs(np.cross(texture[:, 1] - texture[:, 0], texture[:, 2] - texture[:, 0]))
    count = [len(mesh.corners) for mesh in meshes]
    draws = [scene.seed, *(zlib.crc32(f"{scene.seed} {i} {thing.seed}".encode()) for i, thing in enumerate(scene.objects))]
    seeds = [draws[k] for k in bodies]
    bounds = [_ball(mesh) for mesh in meshes]
    numbers_of, owner, plane = np.concatenate(material), np.repeat(np.arange(len(meshes)), count), _planes(corners)

    def tensor(values: npt.NDArray[Any], kind: torch.dtype) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), dtype=kind, device=device)

    return World(
        corners=tensor(corners, torch.float64),
        normals=tensor(_mirrored([mesh.normals for mesh in meshes]), torch.float32),
        texture=tensor(texture, torch.float32),
        axis=tensor(faces.argmax(1), torch.int64),
        plane=tensor(plane, torch.float64),
        patch=tensor(_patches(owner, numbers_of, plane), torch.int64),
        material=tensor(numbers_of, torch.int64),
        owner=tensor(owner, torch.int64),
        instance=tensor(np.array(bodies) + 1, torch.int32),
        two_sided=tensor(np.concatenate([mesh.two_sided for mesh in meshes]), torch.bool),
        holes=tensor(np.array([entry.cutout for entry in palette])[numbers_of], torch.bool),
        casts=tensor(np.array([entry.casts for entry in palette])[numbers_of], torch.bool),
        centre=tensor(np.array([centre for centre, _ in bounds]), torch.float64),
        radius_m=tensor(np.array([radius for _, radius in bounds]), torch.float64),
        seeds=tensor(np.array(seeds), torch.int64),
        palette=tuple(palette),
        walkers=walkers,
    )


def seen_from(world: World, poses: Tensor, camera_pose: Matrix, camera: Intrinsics) -> tuple[Tensor, Tensor]:
    """Triangles of the objects that may be in the picture, in the camera's frame.

    Returns:
        (T',) int64 numbers of the triangles, (T', 3, 3) float64 corners.
    """
    into = torch.as_tensor(np.linalg.inv(camera_pose), device=poses.device) @ poses
    centre = (into[:, :3, :3] @ world.centre[..., None])[..., 0] + into[:, :3, 3]
    inside = centre[:, 2] + world.radius_m > NEAR_M
    for axis, far, focal in (
        (0, max(camera.cx_px, camera.width - camera.cx_px), camera.fx_px),
        (1, max(camera.cy_px, camera.height - camera.cy_px), camera.fy_px),
    ):
        tangent = max(far, 0.0) / focal + 1e-6
        reach = world.radius_m * (1 + tangent**2) ** 0.5
        inside &= centre[:, axis].abs() - reach <= tangent * centre[:, 2]
    index = inside.index_select(0, world.owner).nonzero()[:, 0]
    eye = -(into[:, :3, :3].transpose(1, 2) @ into[:, :3, 3:])[..., 0]  # in each object's frame
    plane, owner = world.plane.index_select(0, index), world.owner.index_select(0, index)
    front = (plane[:, :3] * eye.index_select(0, owner)).sum(1) > plane[:, 3]
    return _placed(world, into, index[front | world.two_sided.index_select(0, index)])


def casters(world: World, poses: Tensor, into_light: Tensor, camera: Intrinsics) -> tuple[Tensor, Tensor]:
    """Triangles that stop light, are turned to it, and are of objects in its picture.

    Args:
        world: What there is.
        poses: (K, 4, 4).
        into_light: (4, 4), world to light.
        camera: Of the light: `fx_px` is pixels a metre.

    Returns:
        (T',) int64 numbers of the triangles, (T', 3, 3) float64 corners in the light's frame.
    """
    into = into_light @ poses
    centre = (into[:, :3, :3] @ world.centre[..., None])[..., 0] + into[:, :3, 3]
    inside = torch.ones_like(world.radius_m, dtype=torch.bool)
    inside[0] = False  # the ground
    for axis, scale, middle, size in (
        (0, camera.fx_px, camera.cx_px, camera.width),
        (1, camera.fy_px, camera.cy_px, camera.height),
    ):
        at, reach = centre[:, axis] * scale + middle, world.radius_m * scale + 1
        inside &= (at + reach > 0) & (at - reach < size)
    index = (world.casts & inside.index_select(0, world.owner)).nonzero()[:, 0]
    plane, owner = world.plane.index_select(0, index), world.owner.index_select(0, index)
    front = (plane[:, :3] * (-into[:, 2, :3]).index_select(0, owner)).sum(1) > 0
    return _placed(world, into, index[front | world.two_sided.index_select(0, index)])


def holes_of(world: World, numbers: Tensor, shapes: Projected) -> Holes:
    """What is not there of some triangles."""
    seed = world.seeds.index_select(0, world.owner.index_select(0, numbers))
    places = world.texture.index_select(0, numbers).double()
    return holes_in(shapes, world.holes[numbers], places, lambda triangle, at: leaf_holes(at, seed.index_select(0, triangle)))


def interpolated(weights: Tensor, values: Tensor, number: Tensor) -> Tensor:
    """Values (N, C) between the corners' values (T, 3, C) of triangles (N,), by weights (N, 3)."""
    return torch.einsum("nk,nkc->nc", weights, values.index_select(0, number))


def _placed(world: World, poses: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    pose = poses.index_select(0, world.owner.index_select(0, index))
    corners = torch.baddbmm(pose[:, None, :3, 3], world.corners.index_select(0, index), pose[:, :3, :3].transpose(1, 2))
    return index, corners


def _planes(corners: Points) -> Points:
    """(T, 4) unit normal outwards, and its product with a corner."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return np.column_stack([normal, (normal * corners[:, 0]).sum(1)])


def _patches(owner: npt.NDArray[np.int64], material: npt.NDArray[np.int64], plane: Points) -> npt.NDArray[np.int64]:
    """One hash for all of one owner, material and plane, to a degree and a centimetre; never that of the sky, -1."""
    parts = [owner, material, *np.rint(plane * [50, 50, 50, 100]).astype(np.int64).T]
    state = np.zeros(len(owner), np.uint64)
    for part in parts:
        state = (state ^ part.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        state ^= state >> np.uint64(29)
    return (state >> np.uint64(1)).view(np.int64)


def _concatenated(parts: list[Points]) -> Points:
    return np.asarray(np.concatenate(parts)[:, [0, 2, 1]])


def _mirrored(parts: list[Points]) -> Points:
    """(right, up, forward) to (right, down, forward); the corners change order so that outside stays outside."""
    return _concatenated(parts) * [1.0, -1.0, 1.0]


def _ball(mesh: Mesh) -> tuple[Points, float]:
    points = mesh.corners.reshape(-1, 3) * [1.0, -1.0, 1.0]
    centre = (points.min(0) + points.max(0)) / 2
    return centre, float(np.linalg.norm(points - centre, axis=1).max())
