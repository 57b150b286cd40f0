"""What a prediction is: metres with validity, confidence, the camera and where all of it came from.

Legend: H, W height and width of the picture as given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics, back_project, distance_from_depth
from lapdepth.config import ModelConfig
from lapdepth.errors import InputError
from lapdepth.imaging import ByteArray

SkyAs = Literal["invalid", "far"]
"""What sky becomes in the map: no depth, or the farthest metres that the model can give."""


@dataclass(frozen=True, slots=True, eq=False)
class DepthResult:
    """Depth of one picture.

    Attributes:
        depth_m: (H, W) float32, metres along the optical axis.
        valid: (H, W) bool, where `depth_m` counts: all but the sky, or all if that is to be far.
        sky: (H, W) bool, where there is sky, or what is too far to tell; never true for a model without `far_m`.
        sky_as: What sky is in `depth_m` and `valid`: `invalid`, or `far`, which is the far end of `range_m`.
        confidence: (H, W) float32, probability that the relative error is under 10 %; `None` if the model has no measure of it.
        image: (H, W, 3) uint8 RGB, the picture as read.
        intrinsics: Camera of the picture as given.
        focal_source: Where the focal length came from: `option`, `exif` or `assumed field of view`.
        network_size: (height, width) at which the network saw the picture, without padding.
        range_m: (nearest, farthest) metres that the model can give for this camera.
        config: The model.
        engine: Name of the engine that ran it.
        path: File or URL of the picture, `None` if it came from neither.
    """

    depth_m: FloatArray
    valid: npt.NDArray[np.bool_]
    sky: npt.NDArray[np.bool_]
    sky_as: SkyAs
    confidence: FloatArray | None
    image: ByteArray
    intrinsics: Intrinsics
    focal_source: str
    network_size: tuple[int, int]
    range_m: tuple[float, float]
    config: ModelConfig
    engine: str
    path: Path | str | None

    def distance_m(self) -> FloatArray:
        """(H, W) metres along each pixel's ray, which grow away from the middle: depth_m / cos(angle off the optical axis)."""
        return distance_from_depth(self.depth_m, self.intrinsics)

    def points(self) -> FloatArray:
        """(H, W, 3) float32 points in metres, X right, Y down, Z forward; NaN where not valid."""
        points = back_project(self.depth_m, self.intrinsics)
        points[~self.valid] = np.nan
        return points

    def metadata(self) -> dict[str, str | float | int | bool | None]:
        """What must not be lost when the map leaves the program: units, range, sizes, camera, model, licence, time."""
        height, width = self.depth_m.shape
        return {
            "image": str(self.path) if self.path else None,
            "units": "metres along the optical axis",
            "range_min_m": round(self.range_m[0], 4),
            "range_max_m": round(self.range_m[1], 4),
            "height": height,
            "width": width,
            "network_height": self.network_size[0],
            "network_width": self.network_size[1],
            "focal_px": round(self.intrinsics.focal_px, 4),
            "focal_source": self.focal_source,
            "metres_follow_focal": self.config.focal_px is not None,
            "valid_share": round(float(self.valid.mean()), 6),
            "sky": self.sky_as,
            "sky_share": round(float(self.sky.mean()), 6),
            "model": self.config.name,
            "model_licence": self.config.licence,
            "engine": self.engine,
            "predicted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def save(self, path: str | Path, png_scale: float = 256.0) -> None:
        """Write the result in the format that the suffix names.

        Args:
            path: `.npz` (everything), `.png` (16-bit, metres x `png_scale`), `.exr` (32-bit), `.ply` (coloured points) or
                `.json` (metadata).
            png_scale: Codes for one metre in a PNG.

        Raises:
            InputError: Another suffix, or a depth that does not fit a PNG at this scale.
            MissingExtraError: `.exr`, and OpenEXR is not installed.
            OutputError: The file cannot be written.
        """
        from lapdepth.io.depth import write_npz, write_png16
        from lapdepth.io.exr import write_exr
        from lapdepth.io.files import write_json
        from lapdepth.io.ply import write_ply

        path = Path(path)
        match path.suffix.lower():
            case ".npz":
                write_npz(path, self.depth_m, self.valid, self.confidence, self.intrinsics, self.metadata())
            case ".png":
                write_png16(path, self.depth_m, self.valid, png_scale)
            case ".exr":
                write_exr(path, self.depth_m, self.valid)
            case ".ply":
                write_ply(path, self.points()[self.valid], self.image[self.valid])
            case ".json":
                write_json(path, self.metadata())
            case other:
                raise InputError(f"cannot save as '{other}'; use .npz, .png, .exr, .ply or .json")
