"""One training or test example, as every data set gives it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.imaging import ByteArray


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture with measured depth.

    Attributes:
        name: Unique within its data set, for reports.
        scene: Pictures of one scene are never divided between training and test. Without one, a word that no other picture has.
        image: (H, W, 3) uint8 RGB.
        depth_m: (H, W) float32, metres along the optical axis; 0 where nothing was measured.
        intrinsics: Camera at that very size.
        dense_m: (H, W) float32, `depth_m` with its holes filled in by whoever made the data set, for losses that need
            neighbours; `None` where there is no such map.
        sky: (H, W) bool, where the data set says that there is sky; `None` where it does not tell.
    """

    name: str
    scene: str
    image: ByteArray
    depth_m: FloatArray
    intrinsics: Intrinsics
    dense_m: FloatArray | None = None
    sky: npt.NDArray[np.bool_] | None = None
