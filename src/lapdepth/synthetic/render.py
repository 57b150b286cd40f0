"""Pictures and depth of a scene at a time.

World axes are the camera's at rest: X right, Y down, Z ahead, in metres. Depth is along the optical axis, taken at each pixel's
centre and never mixed; colour is averaged over the pixel. The sky is infinitely far: its depth is `inf`, its instance 0; the
ground is instance 1, the scene's objects are 2, 3, ... in order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.synthetic.motion import Matrix, camera_pose
from lapdepth.synthetic.raster import Projected, perspective, rasterise
from lapdepth.synthetic.scene import Scene
from lapdepth.synthetic.world import World, make_world, poses_at, seen_from

IdArray = npt.NDArray[np.int32]


class Renderer:
    """A scene made ready, for many times; `render_depth` and `render` make one for each picture."""

    def __init__(self, scene: Scene, device: str = "cpu") -> None:
        """Build the scene's triangles on a device of PyTorch."""
        self.scene = scene
        self.device = torch.device(device)
        self.world: World = make_world(scene, self.device)

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
        depth_m, ids = self._depth(poses_at(self.scene, time_s, self.device), time_s, camera)
        return depth_m.cpu().numpy(), ids.cpu().numpy()

    def _depth(self, poses: Tensor, time_s: float, camera: Intrinsics) -> tuple[Tensor, Tensor]:
        numbers, shapes, triangle = self._look(poses, time_s, camera)
        v, u = torch.meshgrid(
            torch.arange(camera.height, device=self.device, dtype=torch.float64),
            torch.arange(camera.width, device=self.device, dtype=torch.float64),
            indexing="ij",
        )
        if not len(numbers):
            return torch.full_like(u, torch.inf, dtype=torch.float32), torch.zeros_like(u, dtype=torch.int32)
        hit = triangle >= 0
        at = triangle.clamp(min=0)
        key = shapes.key[at]
        inverse = key[..., 0] * u + key[..., 1] * v + key[..., 2]
        depth_m = torch.where(hit, 1 / inverse, torch.inf).float()
        return depth_m, torch.where(hit, self.world.owner[numbers[at]] + 1, 0).int()

    def _look(self, poses: Tensor, time_s: float, camera: Intrinsics) -> tuple[Tensor, Projected, Tensor]:
        numbers, corners = seen_from(self.world, poses, self.pose(time_s), camera)
        shapes = perspective(corners, self.world.two_sided[numbers], camera)
        triangle, _ = rasterise(shapes, camera.height, camera.width, None, None)
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
