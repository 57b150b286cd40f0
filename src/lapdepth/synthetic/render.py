"""Pictures and depth of a scene at a time.

World axes are the camera's at rest: X right, Y down, Z ahead, in metres. Depth is along the optical axis, taken at each pixel's
centre and never mixed; colour is averaged over the pixel. The sky is infinitely far: its depth is `inf`, its instance 0; the
ground is instance 1, the scene's objects are 2, 3, ... in order.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.errors import InputError
from lapdepth.imaging import ByteArray
from lapdepth.synthetic.distortion import Coefficients
from lapdepth.synthetic.film import Film, make_film, seen_exactly
from lapdepth.synthetic.lens import develop
from lapdepth.synthetic.light import sky
from lapdepth.synthetic.motion import Matrix, camera_pose, object_pose, walked_m
from lapdepth.synthetic.people import stride
from lapdepth.synthetic.raster import Holes, Projected, perspective, rasterise
from lapdepth.synthetic.scene import Scene
from lapdepth.synthetic.shading import find_hits, shade
from lapdepth.synthetic.world import World, holes_of, make_world, seen_from

IdArray = npt.NDArray[np.int32]

SAMPLES = 2
"""Of colour along each side of a pixel."""
SHUTTER_STEPS = 8
"""Moments of an open shutter."""
BRIGHTEST = 6.0
"""Light above this is cut off before samples are averaged: a spark would leave jagged edges."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One rendered picture with all that is known of it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        depth_m: (H, W) float32 metres along the optical axis, `inf` in the sky.
        ids: (H, W) int32 instances: 0 sky, 1 ground, 2 and on the scene's objects.
        intrinsics: The camera, but for its lens's distortion.
        distortion: k1, k2, p1, p2, k3 of OpenCV.
        pose: (4, 4) float64, camera to world.
        time_s: When.
    """

    image: ByteArray
    depth_m: FloatArray
    ids: IdArray
    intrinsics: Intrinsics
    distortion: Coefficients
    pose: Matrix
    time_s: float


@dataclass(frozen=True, eq=False)
class Look:
    """What a pinhole sees.

    Attributes:
        numbers: (T,) int64, triangles of the world that may be in the picture.
        shapes: These, projected.
        holes: Of these.
        triangle: (H, W) int64, which of these each pixel's centre sees, -1 for the sky.
    """

    numbers: Tensor
    shapes: Projected
    holes: Holes
    triangle: Tensor


def find_device(name: str) -> torch.device:
    """A device of PyTorch that can draw.

    Raises:
        InputError: There is none of that name, or it lacks float64.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:  # unknown, no driver, PyTorch without it, or no float64 there
        raise InputError(f"cannot use device '{name}': {str(error).splitlines()[0]}") from None
    return device


class Renderer:
    """A scene made ready, for many times; `render_depth` and `render` make one for each picture."""

    def __init__(self, scene: Scene, device: str = "cpu") -> None:
        """Build the scene's triangles on a device of PyTorch.

        Raises:
            InputError: There is no such device.
        """
        self.scene = scene
        self.device = find_device(device)
        self.world: World = make_world(scene, self.device)
        self.films: dict[tuple[Intrinsics, int], Film] = {}
        standing = [object_pose(thing, scene.ground, scene.road, 0.0) for thing in scene.objects]
        limbs = sum(len(figure.limbs) for figure in self.world.walkers.values())
        self.standing: Matrix = np.stack([np.eye(4), *standing, *[np.eye(4)] * limbs])
        self.moving = [k for k, thing in enumerate(scene.objects, 1) if thing.motion.moves]

    def pose(self, time_s: float) -> Matrix:
        """Camera to world, 4x4."""
        return camera_pose(self.scene.camera, self.scene.ground, self.scene.road, time_s)

    def depth(self, time_s: float = 0.0, size: tuple[int, int] | None = None) -> tuple[FloatArray, IdArray]:
        """Depth and instances alone, quickly.

        Args:
            time_s: When.
            size: (height, width); `None` for the camera's own.

        Returns:
            (H, W) float32 metres along the optical axis, `inf` in the sky; (H, W) int32 instances.
        """
        camera = self.scene.camera.intrinsics
        if size is not None:
            camera = camera.resized(size[1], size[0])
        depth_m, ids = self._depth(self._poses(time_s), time_s, camera)
        return depth_m.cpu().numpy(), ids.cpu().numpy()

    def _poses(self, time_s: float) -> Tensor:
        """Poses (K, 4, 4) of ground, objects and limbs; what never moves was placed once."""
        poses = self.standing.copy()
        limb = len(self.scene.objects) + 1
        for k in self.moving:
            thing = self.scene.objects[k - 1]
            poses[k] = object_pose(thing, self.scene.ground, self.scene.road, time_s)
            if k in self.world.walkers:
                lower_m, limbs = stride(self.world.walkers[k], walked_m(thing.motion, time_s))
                poses[k, :3, 3] += poses[k, :3, 1] * lower_m
                poses[limb : limb + len(limbs)] = poses[k] @ np.stack(limbs)
                limb += len(limbs)
        return torch.as_tensor(poses, device=self.device)

    def frame(self, time_s: float = 0.0) -> Frame:
        """Picture, depth and instances at a time."""
        camera = self.scene.camera.intrinsics
        poses = self._poses(time_s)
        depth_m, ids = self._depth(poses, time_s, camera)
        light = self._exposed(poses, time_s, camera).cpu().numpy()
        rain = 0.0 if self.scene.light.indoor else self.scene.light.rain
        seed = zlib.crc32(f"{self.scene.seed} {time_s:.6f}".encode())
        image = develop(light, self.scene.lens, seed, rain)
        distortion = self.scene.camera.distortion
        return Frame(image, depth_m.cpu().numpy(), ids.cpu().numpy(), camera, distortion, self.pose(time_s), time_s)

    def _film(self, camera: Intrinsics, samples: int) -> Film:
        if (camera, samples) not in self.films:
            self.films[camera, samples] = make_film(camera, self.scene.camera.distortion, samples, self.device)
        return self.films[camera, samples]

    def _depth(self, poses: Tensor, time_s: float, camera: Intrinsics) -> tuple[Tensor, Tensor]:
        film = self._film(camera, 1)
        look = self._look(poses, time_s, film.camera)
        triangle, u, v = seen_exactly(film, look.triangle, look.shapes, look.holes)
        hit = (triangle >= 0).nonzero()[:, 0]
        at = triangle.index_select(0, hit)
        depth_m = torch.full(triangle.shape, torch.inf, device=self.device)
        ids = torch.zeros(triangle.shape, dtype=torch.int32, device=self.device)
        key = look.shapes.key.index_select(0, at)
        depth_m[hit] = (1 / (key[:, 0] * u[hit] + key[:, 1] * v[hit] + key[:, 2])).float()
        ids[hit] = self.world.instance[self.world.owner[look.numbers[at]]]
        size = camera.height, camera.width
        return depth_m.view(size), ids.view(size)

    def _exposed(self, poses: Tensor, time_s: float, camera: Intrinsics) -> Tensor:
        """Linear light (H, W, 3) gathered while the shutter is open."""
        shutter_s = self.scene.lens.shutter_s
        if not shutter_s:
            return self._light(poses, time_s, camera)
        light = torch.zeros((camera.height, camera.width, 3), device=self.device)
        for step in range(SHUTTER_STEPS):
            moment_s = time_s + ((step + 0.5) / SHUTTER_STEPS - 0.5) * shutter_s
            light += self._light(self._poses(moment_s), moment_s, camera)
        return light / SHUTTER_STEPS

    def _light(self, poses: Tensor, time_s: float, camera: Intrinsics) -> Tensor:
        """Linear light (H, W, 3) float32, averaged over each pixel.

        What is seen is asked at `SAMPLES` x `SAMPLES` points of a pixel; where all of them are of one plane of one object,
        its light is computed once, in the pixel's middle.
        """
        film = self._film(camera, SAMPLES)
        look = self._look(poses, time_s, film.camera)
        cells = look.triangle.flatten().index_select(0, film.at.flatten()).view(film.at.shape)
        patch = cells  # the sky's -1, where there is no triangle to ask
        if len(look.numbers):
            patch = self.world.patch[look.numbers].index_select(0, cells.clamp(min=0).flatten()).view(cells.shape)
            patch = torch.where(cells >= 0, patch, -1)
        even = (patch == patch[:, :1]).all(1)
        whole, split = even.nonzero()[:, 0], (~even).nonzero()[:, 0]
        u, v = (
            torch.cat([place.index_select(0, whole).mean(1), place.index_select(0, split).flatten()])
            for place in (film.u, film.v)
        )
        side = torch.ones(len(u), device=self.device)
        side[: len(whole)] = SAMPLES
        seen = torch.cat([cells[whole, 0], cells.index_select(0, split).flatten()])
        samples = self._radiance(poses, time_s, film.camera, look, seen, u, v, side).clamp(max=BRIGHTEST)
        light = torch.empty((len(cells), 3), device=self.device)
        light[whole] = samples[: len(whole)]
        light[split] = samples[len(whole) :].view(-1, SAMPLES**2, 3).mean(1)
        return light.view(camera.height, camera.width, 3)

    def _radiance(
        self,
        poses: Tensor,
        time_s: float,
        camera: Intrinsics,
        look: Look,
        triangle: Tensor,
        u: Tensor,
        v: Tensor,
        side: Tensor,
    ) -> Tensor:
        """Linear light (N, 3) of samples of `side` pixels at pixel coordinates (u, v) on projected triangles, -1 for the sky."""
        pose = torch.as_tensor(self.pose(time_s), device=self.device)
        light = torch.empty((len(u), 3), device=self.device)
        above, below = (triangle < 0).nonzero()[:, 0], (triangle >= 0).nonzero()[:, 0]
        x, y = (u[above] - camera.cx_px) / camera.fx_px, (v[above] - camera.cy_px) / camera.fy_px
        ways = torch.stack([x, y, torch.ones_like(x)], 1) @ pose[:3, :3].T
        light[above] = sky(self.scene.light, self.scene.seed, (ways / ways.norm(dim=1, keepdim=True)).float())
        hits = find_hits(
            self.world, poses, pose, camera, look.numbers, look.shapes, triangle[below], u[below], v[below], side[below]
        )
        light[below] = shade(self.scene, self.world, poses, pose, hits)
        return light

    def _look(self, poses: Tensor, time_s: float, camera: Intrinsics) -> Look:
        numbers, corners = seen_from(self.world, poses, self.pose(time_s), camera)
        kept, shapes = perspective(corners, self.world.two_sided[numbers], camera)
        numbers = numbers[kept]
        holes = holes_of(self.world, numbers, shapes)
        triangle, _ = rasterise(shapes, camera.height, camera.width, holes)
        return Look(numbers, shapes, holes, triangle)


def render_depth(
    scene: Scene, time_s: float = 0.0, size: tuple[int, int] | None = None, device: str = "cpu"
) -> tuple[FloatArray, IdArray]:
    """Depth and instances of one moment; of many, make a `Renderer`.

    Example:
        >>> from lapdepth.synthetic.scene import Camera, Scene
        >>> depth_m, ids = render_depth(Scene(camera=Camera(width=9, height=9, focal_px=8, height_m=1.5)))
        >>> float(depth_m[8, 4]), int(ids[8, 4]), float(depth_m[0, 4])
        (3.0, 1, inf)
    """
    return Renderer(scene, device).depth(time_s, size)


def render(scene: Scene, time_s: float = 0.0, device: str = "cpu") -> Frame:
    """Picture, depth, instances, camera and pose of one moment; of many, make a `Renderer`."""
    return Renderer(scene, device).frame(time_s)
