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
from lapdepth.imaging import ByteArray
from lapdepth.synthetic.lens import develop
from lapdepth.synthetic.light import sky
from lapdepth.synthetic.motion import Matrix, camera_pose, object_pose
from lapdepth.synthetic.raster import Projected, perspective, rasterise
from lapdepth.synthetic.scene import Scene
from lapdepth.synthetic.shading import find_hits, shade
from lapdepth.synthetic.world import World, holes_of, make_world, seen_from

IdArray = npt.NDArray[np.int32]

SAMPLES = 2
"""Of colour along each side of a pixel."""
BRIGHTEST = 6.0
"""Light above this is cut off before samples are averaged: a spark would leave jagged edges."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One rendered picture with all that is known of it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        depth_m: (H, W) float32 metres along the optical axis, `inf` in the sky.
        ids: (H, W) int32 instances: 0 sky, 1 ground, 2 and on the scene's objects.
        intrinsics: The camera.
        pose: (4, 4) float64, camera to world.
        time_s: When.
    """

    image: ByteArray
    depth_m: FloatArray
    ids: IdArray
    intrinsics: Intrinsics
    pose: Matrix
    time_s: float


class Renderer:
    """A scene made ready, for many times; `render_depth` and `render` make one for each picture."""

    def __init__(self, scene: Scene, device: str = "cpu") -> None:
        """Build the scene's triangles on a device of PyTorch."""
        self.scene = scene
        self.device = torch.device(device)
        self.world: World = make_world(scene, self.device)
        standing = [object_pose(thing, scene.ground, scene.road, 0.0) for thing in scene.objects]
        self.standing: Matrix = np.stack([np.eye(4), *standing])
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
        """Poses (K, 4, 4) of ground and objects; what never moves was placed once."""
        poses = self.standing.copy()
        for k in self.moving:
            poses[k] = object_pose(self.scene.objects[k - 1], self.scene.ground, self.scene.road, time_s)
        return torch.as_tensor(poses, device=self.device)

    def frame(self, time_s: float = 0.0) -> Frame:
        """Picture, depth and instances at a time."""
        camera = self.scene.camera.intrinsics
        poses = self._poses(time_s)
        depth_m, ids = self._depth(poses, time_s, camera)
        light = self._light(poses, time_s, camera).cpu().numpy()
        rain = 0.0 if self.scene.light.indoor else self.scene.light.rain
        seed = zlib.crc32(f"{self.scene.seed} {time_s:.6f}".encode())
        image = develop(light, self.scene.lens, seed, rain)
        return Frame(image, depth_m.cpu().numpy(), ids.cpu().numpy(), camera, self.pose(time_s), time_s)

    def _depth(self, poses: Tensor, time_s: float, camera: Intrinsics) -> tuple[Tensor, Tensor]:
        numbers, shapes, triangle = self._look(poses, time_s, camera)
        hit = triangle >= 0
        at = triangle[hit]
        v, u = hit.nonzero().double().unbind(1)
        depth_m = torch.full(hit.shape, torch.inf, device=self.device)
        ids = torch.zeros(hit.shape, dtype=torch.int32, device=self.device)
        key = shapes.key.index_select(0, at)
        depth_m[hit] = (1 / (key[:, 0] * u + key[:, 1] * v + key[:, 2])).float()
        ids[hit] = (self.world.owner[numbers[at]] + 1).int()
        return depth_m, ids

    def _light(self, poses: Tensor, time_s: float, camera: Intrinsics) -> Tensor:
        """Linear light (H, W, 3) float32, averaged over each pixel.

        What is seen is asked at `SAMPLES` x `SAMPLES` points of a pixel; where all of them are of one plane of one object,
        its light is computed once, in the pixel's middle.
        """
        fine = camera.resized(camera.width * SAMPLES, camera.height * SAMPLES)
        numbers, shapes, triangle = self._look(poses, time_s, fine)
        cells = triangle.view(camera.height, SAMPLES, camera.width, SAMPLES).transpose(1, 2).reshape(-1, SAMPLES**2)
        patch = self.world.patch[numbers].index_select(0, cells.clamp(min=0).flatten()).view(cells.shape)
        patch = torch.where(cells >= 0, patch, -1)
        even = (patch == patch[:, :1]).all(1)
        whole, split = even.nonzero()[:, 0], (~even).nonzero()[:, 0]
        step = torch.arange(SAMPLES, device=self.device, dtype=torch.float64)
        row, column = torch.div(split, camera.width, rounding_mode="floor") * SAMPLES, split % camera.width * SAMPLES
        middle = (SAMPLES - 1) / 2
        v = (row[:, None, None] + step[:, None]).expand(-1, SAMPLES, SAMPLES).flatten()
        u = (column[:, None, None] + step).expand(-1, SAMPLES, SAMPLES).flatten()
        v = torch.cat([torch.div(whole, camera.width, rounding_mode="floor") * SAMPLES + middle, v])
        u = torch.cat([whole % camera.width * SAMPLES + middle, u])
        side = torch.ones(len(u), device=self.device)
        side[: len(whole)] = SAMPLES
        seen = torch.cat([cells[whole, 0], cells.index_select(0, split).flatten()])
        samples = self._radiance(poses, time_s, fine, numbers, shapes, seen, u, v, side).clamp(max=BRIGHTEST)
        light = torch.empty((len(cells), 3), device=self.device)
        light[whole] = samples[: len(whole)]
        light[split] = samples[len(whole) :].view(-1, SAMPLES**2, 3).mean(1)
        return light.view(camera.height, camera.width, 3)

    def _radiance(
        self,
        poses: Tensor,
        time_s: float,
        camera: Intrinsics,
        numbers: Tensor,
        shapes: Projected,
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
        hits = find_hits(self.world, poses, pose, camera, numbers, shapes, triangle[below], u[below], v[below], side[below])
        light[below] = shade(self.scene, self.world, poses, pose, hits)
        return light

    def _look(self, poses: Tensor, time_s: float, camera: Intrinsics) -> tuple[Tensor, Projected, Tensor]:
        numbers, corners = seen_from(self.world, poses, self.pose(time_s), camera)
        kept, shapes = perspective(corners, self.world.two_sided[numbers], camera)
        numbers = numbers[kept]
        triangle, _ = rasterise(shapes, camera.height, camera.width, holes_of(self.world, numbers, shapes))
        return numbers, shapes, triangle


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
